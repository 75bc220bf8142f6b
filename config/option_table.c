/* option_table.c - every option of Braid: key, default, limits, meaning. A new option is a new row. */
#include "config/option.h"

#define KB ((int64_t)1 << 10)
#define MB ((int64_t)1 << 20)
#define GB ((int64_t)1 << 30)

enum {
    SECOND = 1000, /* milliseconds */
    MINUTE = 60 * SECOND,
    HOUR = 60 * MINUTE,
};
#define DAY ((int64_t)24 * HOUR)

#define FIELD(field) offsetof(struct config, field), sizeof(((struct config *)0)->field)

#define BOOL(key, field, value, help)                                                              \
    {                                                                                              \
        key, OPTION_BOOL, FIELD(field), value, 0, 1, NULL, help                                    \
    }
#define CHOICE(key, field, choices, value, help)                                                   \
    {                                                                                              \
        key, OPTION_CHOICE, FIELD(field), value, 0, 0, choices, help                               \
    }
#define COUNT(key, field, value, least, most, help)                                                \
    {                                                                                              \
        key, OPTION_COUNT, FIELD(field), value, least, most, NULL, help                            \
    }
#define REAL(key, field, value, least, most, help)                                                 \
    {                                                                                              \
        key, OPTION_REAL, FIELD(field), value, least, most, NULL, help                             \
    }
#define SIZE(key, field, value, least, most, help)                                                 \
    {                                                                                              \
        key, OPTION_SIZE, FIELD(field), value, least, most, NULL, help                             \
    }
#define DURATION(key, field, value, least, most, help)                                             \
    {                                                                                              \
        key, OPTION_DURATION, FIELD(field), value, least, most, NULL, help                         \
    }
#define DATE(key, field, value, help)                                                              \
    {                                                                                              \
        key, OPTION_DATE, FIELD(field), value, 0, 0, NULL, help                                    \
    }
#define BYTE(key, field, value, help)                                                              \
    {                                                                                              \
        key, OPTION_BYTE, FIELD(field), value, 0, 0, NULL, help                                    \
    }
#define TEXT(key, field, value, help)                                                              \
    {                                                                                              \
        key, OPTION_TEXT, FIELD(field), value, 0, CONFIG_VALUE_MAX - 1, NULL, help                 \
    }

static const char *const brokers[] = {"file", "kafka", NULL};
static const char *const formats[] = {"json", "csv", "tsv", NULL};
static const char *const times[] = {"s", "ms", "us", "iso8601", NULL};
static const char *const time_judges[] = {"record", "range", NULL};
static const char *const quotes[] = {"auto", "on", "off", NULL};
static const char *const unfinished[] = {"wait", "take", NULL};
static const char *const records[] = {"json", "protobuf", NULL};
static const char *const publishes[] = {"all", "none", "last", NULL};
static const char *const vectors[] = {"base64", "numbers", NULL};
static const char *const vector_bits[] = {"widest", "256", "512", NULL};
static const char *const readouts[] = {"hard", "label-aware", "max", NULL};
static const char *const trains[] = {"auto", "false", "true", NULL};
static const char *const paces[] = {"auto", "step", "free", NULL};
static const char *const logs[] = {"text", "json", "logfmt", NULL};
static const char *const log_levels[] = {"info", "debug", NULL};

/* clang-format off: a table reads best with a row's key and default on its first line */
const struct option option_table[] = {
    CHOICE("source.broker", source.broker, brokers, "file",
           "Where events come from and records go to: files, or Kafka topics"),
    TEXT("source.path", source.path, "",
         "The log to read, plain or gzipped: a file, a directory of files, or files separated by "
         "commas; - is standard input (file)"),
    TEXT("source.topic", source.topic, "", "The topic to read, keyed by user (kafka)"),
    TEXT("source.profile", source.profile, "",
         "What says profile.fields of users, in place of their events, in the format of these: "
         "files "
         "as in source.path, with source.fields.user and these fields, of which new ones are read "
         "before new events (file); a topic, which may be compacted, with the user as key and as "
         "many "
         "partitions as the source, read beside it (kafka); empty: the events do"),
    TEXT("source.erase", source.erase, "",
         "A compacted topic of users to be erased, keyed by user, with as many partitions as the "
         "source; the job answers there, too (kafka); empty: nobody is. On files: braid erase"),
    CHOICE("source.format", source.format, formats, "json",
           "Form of an event: a JSON object, or a row of a table"),
    BOOL("source.header", source.header, "true",
         "The first line of a csv or tsv file names its columns"),
    BYTE("source.separator", source.separator, "",
         "What separates the cells of a row: one character, \\t, or \\x01 and the like; empty: a "
         "comma "
         "(csv) or a tab (tsv)"),
    CHOICE("source.quotes", source.quotes, quotes, "auto",
           "Cells may stand in double quotes, with separators and line breaks inside (RFC 4180); "
           "auto: in csv, not in tsv"),
    TEXT("source.null_values", source.null_values, "\\N,NULL,null,NaN,nan,None,undefined",
         "Texts that stand for a missing field, separated by commas; none of them is an id"),
    TEXT("source.fields.user", source.field_user, "user",
         "Where the user's id is: a JSON member (a.b: member b of object a), a column's name, or "
         "without header its number from 1"),
    TEXT("source.fields.item", source.field_item, "item", "Where the item's id is"),
    TEXT("source.fields.time", source.field_time, "time", "Where the time of the event is"),
    TEXT("source.fields.action", source.field_action, "",
         "Where the name of the action is; empty: events carry no action"),
    TEXT("source.fields.category", source.field_category, "",
         "Where the item's category is, an array of several, or up to 8 fields, separated by "
         "commas; "
         "empty: items have none"),
    TEXT("profile.fields", profile.fields, "",
         "What an event, or source.profile, says of a user: up to 8 fields, separated by commas, "
         "such as "
         "gender,city; a new value replaces the one there was; empty: nothing"),
    CHOICE("source.time", source.time, times, "ms",
           "The unit of times since 1970 UTC, or ISO 8601 text"),
    DATE("source.time_min", source.time_min_ms, "1990-01-01",
         "Events before this are dead letters (file; kafka if the record's own stamp is no time)"),
    DATE("source.time_max", source.time_max_ms, "2100-01-01",
         "Events after this are dead letters (file; kafka if the record's own stamp is no time)"),
    DURATION("source.time_ahead", source.time_ahead_ms, "1h", 0, 36500 * DAY,
             "How far an event's time may be after its record's timestamp (kafka)"),
    DURATION("source.time_behind", source.time_behind_ms, "365d", 0, 36500 * DAY,
             "How far an event's time may be before its record's timestamp (kafka)"),
    CHOICE("source.time_by", source.time_by, time_judges, "record",
           "What an event's time is held against: its record's timestamp (source.time_ahead, "
           "time_behind), or source.time_min and time_max alone, for a topic whose timestamps are "
           "of a later copy (kafka)"),
    TEXT(
        "source.start", source.start, "earliest",
        "Where a job that has committed nothing begins: earliest, latest, a time (at the first "
        "event that is not before it; on Kafka by the records' timestamps), the number of an event "
        "from 0, its line (file), or an offset for each partition, as in 0:1200,1:3400 (kafka)"),
    TEXT(
        "source.end", source.end, "",
        "Where it ends, with exit code 0: a time (before the first event that is not before it), "
        "the number of an event from 0 (file), an offset for each partition (kafka), or latest, "
        "all "
        "that is there; empty: a job on files ends with them, one on Kafka does not; never: one on "
        "files "
        "follows them, the growing one and those that come after it. On Kafka each "
        "partition's end is fixed when the job first reads it under that source.end, and a restart "
        "ends there"),
    COUNT(
        "source.user_events_max", source.user_events_max, "0", 0, UINT32_MAX,
        "Events on end of one user, of one hour of event time, after which the others of that hour "
        "are counted and not taken: bots; 0: any number. Fixed once events were committed"),
    BOOL("source.deduplicate", source.deduplicate, "false",
         "An event with item, time and action of one of the user's last 32 is counted and not "
         "taken: deliveries in double. Fixed once events were committed"),
    CHOICE("source.unfinished_line", source.unfinished_line, unfinished, "wait",
           "A last line without line end: wait leaves it for the next run, since somebody may "
           "still be writing it; take is for files that are complete (file)"),
    SIZE("source.id_size_max", source.id_size_max, "256", 1, 4 * KB,
         "Longest id of a user, item or category; events with longer ones are dead letters"),
    SIZE("source.event_size_max", source.event_size_max, "64KB", 64, 16 * MB,
         "Longest event; longer ones are dead letters"),

    TEXT("model.checkpoint", model.checkpoint, "",
         "The safetensors file of the model generation to serve"),
    TEXT("model.dir", model.dir, "",
         "Directory of generations: train adds to it, and where no model.checkpoint is set the "
         "newest one in it is used"),
    COUNT("model.keep", model.keep, "5", 1, 1000,
          "Newest generations that are kept in model.dir; older files are removed"),
    CHOICE("model.vector_bits", model.vector_bits, vector_bits, "widest",
           "Width of the vector instructions that models are computed with: the widest of the "
           "processor, 256 (AVX2) or 512 (AVX-512); results are the same to the bit"),

    TEXT("state.dir", state.dir, "state",
         "Directory of the stores, and of the file broker's commit file and history log"),
    COUNT("state.partitions", state.partitions, "4", 1, 1024,
          "Partitions that users are hashed to (file); fixed once the directory exists"),
    COUNT("state.history_max", state.history_max, "4096", 128, 1048576,
          "Behaviors that are kept of a user; a multiple of 128. Fixed once events were committed"),
    DURATION(
        "state.ttl", state.ttl_ms, "0s", 0, 36500 * DAY,
        "A user's life ends when its next event comes later than this after its latest one, by "
        "the times of events: it begins anew with that event, while n goes on counting, and what "
        "came before is forgotten; 0: never. Fixed once events were committed"),
    COUNT("state.ttl_rate", state.ttl_rate, "1000", 0, 100000000,
          "Users a second that are forgotten, and get a tombstone, because they left, by all "
          "workers; 0: as fast as may be"),
    COUNT("state.snapshot_every", state.snapshot_every, "128", 1, 65536,
          "A state that leaves memory is saved if this many behaviors came since its snapshot, or "
          "since the beginning; what is not saved is folded from the history"),
    SIZE("state.snapshot_rate", state.snapshot_rate, "50MB", 64 * KB, 64 * GB,
         "Most bytes per second that the background writes of snapshots"),
    DURATION("state.erase_interval", state.erase_interval_ms, "1h", 0, 365 * DAY,
             "Least time between two rewrites of a store's files, by which the bytes of users who "
             "were erased go (kafka)"),
    DURATION("state.flush_interval", state.flush_interval_ms, "30s", 100, HOUR,
             "Longest time between flushes of a store: bounds what a restart reads again"),
    SIZE("state.flush_size", state.flush_size, "64MB", 64 * KB, 64 * GB,
         "Bytes of history log after which a partition's store is flushed"),

    TEXT("output.dir", output.dir, "output",
         "Directory of the published records and dead letters (file)"),
    TEXT("output.topic", output.topic, "interests",
         "Topic of the published records, compacted, keyed by user (kafka)"),
    TEXT("output.history_topic", output.history_topic, "interests-history",
         "Topic of the history log, compacted (kafka)"),
    DURATION("output.compaction_lag", output.compaction_lag_ms, "7d", 1000, 3650 * DAY,
             "Longest time before a compacted topic with ids of users is compacted: "
             "max.compaction.lag.ms of those that Braid creates (kafka)"),
    TEXT("output.dead_letter_topic", output.dead_letter_topic, "interests-dead-letters",
         "Topic of events that cannot be used (kafka)"),
    TEXT("output.items_topic", output.items_topic, "interests-items",
         "Topic of item ids and categories, compacted (kafka)"),
    TEXT("output.models_topic", output.models_topic, "interests-models",
         "Topic by which the members of a group share the generations of model.dir, compacted, one "
         "partition (kafka)"),
    TEXT("output.item_vectors_topic", output.item_vectors_topic, "interests-item-vectors",
         "Topic of the item vectors of those generations, compacted, one partition (kafka)"),
    DURATION(
        "output.items_grace", output.items_grace_ms, "10min", 0, 365 * DAY,
        "How long the item vectors of an older generation stay after the newer one is complete "
        "(kafka)"),
    CHOICE("output.publish", output.publish, publishes, "all",
           "Whether the interests of users who changed are published; none: the job reads, keeps "
           "histories and learns beside one that publishes, and sends no interest records; last: "
           "each once, at source.end (braid replay --publish alone)"),
    COUNT("output.sweep", output.sweep, "0", 0, 100000000,
          "Users a second that a job with a model.checkpoint publishes although they do not act: "
          "those of an older generation, and those that were seeded; 0: none, each when it acts. "
          "Where generations change, train.republish_rate says it"),
    CHOICE("output.record", output.record, records, "protobuf",
           "Form of the published records (kafka; files hold JSON)"),
    CHOICE("output.vectors", output.vectors, vectors, "base64",
           "Vectors in JSON records: base64 of little-endian float32, or arrays of numbers"),
    SIZE("output.dead_letter_payload_max", output.dead_letter_payload_max, "4096", 0, MB,
         "Bytes of a bad event that its dead letter keeps (file)"),

    COUNT("job.workers", job.workers, "2", 1, 256,
          "Threads that fold and publish; each owns some of the partitions"),
    SIZE("job.memory", job.memory, "1GB", 64 * MB, 4096 * GB,
         "Memory budget of the process: cached states, memtables and queues together"),
    DURATION("job.commit_interval", job.commit_interval_ms, "1s", 10, HOUR,
             "Time between commits: how old a published record may be"),
    COUNT("job.commit_events_max", job.commit_events_max, "1000000", 1, 100000000,
          "Events after which a transaction commits early"),
    COUNT("job.commit_users_max", job.commit_users_max, "200000", 1, 10000000,
          "Changed users after which a transaction commits early"),
    COUNT("job.rate_max", job.rate_max, "0", 0, 1000000000,
          "Most events a second that a process takes in, so that a replay leaves room for others; "
          "0: as many as it can"),
    COUNT("job.poll_events_max", job.poll_events_max, "10000", 1, 100000,
          "Most events that are absorbed as one batch"),
    COUNT("job.queue_polls_max", job.queue_polls_max, "8", 1, 1024,
          "Most batches that wait for a worker"),

    CHOICE("train.enabled", train.enabled, trains, "auto",
           "Learn inside the job from the histories it keeps, into model.dir; auto: if "
           "neither model.checkpoint nor model.dir is set, into state.dir/models"),
    TEXT("train.model", train.model, "gdelta",
         "Model of the first generation, with its own dimensions"),
    TEXT("train.dimensions", train.dimensions, "",
         "Its dimensions that are not the defaults: d=32,K=2,..., named as `braid inspect "
         "checkpoint` prints them"),
    CHOICE(
        "train.pace", train.pace, paces, "auto",
        "step: reading waits for a due round, so the same log gives the same generations (file); "
        "free: training runs beside the stream and nothing waits for it; auto: step on files, "
        "free on Kafka"),
    COUNT("train.events", train.events, "10000", 100, 1000000000,
          "Source events before the first round of training; a later one comes after as many, or "
          "after an eighth of all there were"),
    DURATION("train.interval", train.interval_ms, "0s", 0, 365 * DAY,
             "Time after which a round is due whatever came, if anything did (free); 0s: never"),
    COUNT(
        "train.republish_rate", train.republish_rate, "5000", 0, 100000000,
        "Users a second that are moved to a new generation and published while the stream goes on "
        "(free); 0: as many as a worker can between two polls"),
    COUNT("train.first_epochs", train.first_epochs, "16", 1, 1000,
          "Passes over the histories in the first round"),
    COUNT("train.epochs", train.epochs, "4", 1, 1000, "Passes in a later round"),
    REAL("train.rate", train.rate, "0.003", 0, 1, "Step size of Adam"),
    COUNT("train.minibatch", train.minibatch, "512", 1, 1000000,
          "Events that a step of training is to find, about: so many histories are taken together"),
    REAL("train.dropout", train.dropout, "0.2", 0, 1, "Share of values left out while learning"),
    CHOICE("train.readout", train.readout, readouts, "max",
           "How an item's score follows from a user's interests while learning: max, as serving "
           "has it; hard or label-aware, so that interests differ"),
    REAL("train.rehearsal", train.rehearsal, "0", 0, 1,
         "Share of the users whose whole histories are learned from again; of the others a later "
         "round learns what is new"),
    REAL("train.retain", train.retain, "0", 0, 1e6,
         "Weight, 0.001 or so, of the loss that holds what a user's interests say of its next item "
         "to what they said before the round: each minibatch passes through two models; 0: none"),
    BOOL("train.fresh", train.fresh, "false",
         "Draw every generation anew and learn from everybody, instead of going on from the last"),
    COUNT("train.item_min", train.item_min, "2", 1, 1000000000,
          "Events that an item needs for a row in the next dictionary"),
    COUNT(
        "train.items_max", train.items_max, "0", 0, 1 << 28,
        "Items with a row in a dictionary: of more, those with the fewest events in the histories "
        "of the round go out until they are seen more again; 0: as many as job.memory has room "
        "for"),
    COUNT("train.gate_events", train.gate_events, "2000", 2, 1000000,
          "Newest events that a round leaves out, to judge the candidate by"),
    REAL("train.margin", train.margin, "0", -1, 1,
         "A candidate is adopted if the lower 95 % bound of its gain in NDCG@20 is above this; -1: "
         "always"),
    COUNT("train.newcomer_events", train.newcomer_events, "5", 1, 1000,
          "First events of a user, and after a pause, whose figures are given apart as those of "
          "newcomers and returners"),
    DURATION("train.return_gap", train.return_gap_ms, "30d", 1000, 3650 * DAY,
             "A pause after which a user counts as a returner"),
    SIZE("train.memory", train.memory, "256MB", 16 * MB, 4096 * GB,
         "Memory of a round, a quarter for names of items; larger histories are sampled"),
    COUNT("train.threads", train.threads, "2", 1, 16,
          "Threads of a round; another number gives other bytes"),
    COUNT("train.seed", train.seed, "1", 0, INT64_MAX, "Of everything that training draws"),

    TEXT("kafka.brokers", kafka.brokers, "localhost:9092",
         "Bootstrap servers: host:port, separated by commas"),
    TEXT("kafka.group", kafka.group, "braid",
         "Consumer group; the transactional ids are derived from it"),
    TEXT("kafka.instance", kafka.instance, "0",
         "Name of this process in the group; each process has its own and keeps it when restarted"),
    TEXT("kafka.advertise", kafka.advertise, "",
         "HOST:PORT at which others reach this process's http.listen: told to whoever asks another "
         "process of the group for a user of this one"),
    BOOL("kafka.create_topics", kafka.create_topics, "false",
         "Create missing output topics with the settings that they need"),
    BOOL("kafka.accept_gap", kafka.accept_gap, "false",
         "Go on, with all histories, although events were deleted before they were read, or a tool "
         "changed the group's offsets: what is missing is logged, counted and kept in the seals"),
    COUNT("kafka.replication", kafka.replication, "3", 1, 32,
          "Replicas of topics that are created"),
    DURATION("kafka.session_timeout", kafka.session_timeout_ms, "45s", SECOND, HOUR,
             "A process that the brokers have not heard of for this long loses its partitions"),
    DURATION(
        "kafka.transaction_timeout", kafka.transaction_timeout_ms, "10s", SECOND, 15 * MINUTE,
        "The broker aborts a transaction open for longer: how long a crash may hold up readers"),

    TEXT("http.listen", http.listen, "auto",
         "Where metrics, health and answers are served: ADDRESS:PORT, [IPV6]:PORT, or a PORT of "
         "127.0.0.1 (0: any free one); auto: 127.0.0.1:9474, or nothing if that is taken; off. "
         "Whoever reaches it can read every user's history"),
    COUNT("http.threads", http.threads, "2", 1, 64, "Threads that answer, beside the workers"),
    COUNT("http.connections_max", http.connections_max, "64", 1, 10000,
          "Open connections; more are closed at once"),
    DURATION("http.timeout", http.timeout_ms, "10s", 100, HOUR,
             "A connection is closed so long after it was opened or last answered, whatever it "
             "has sent"),
    TEXT("http.catalogue", http.catalogue, "",
         "File of items' titles, shown beside their ids: a csv or tsv whose first line names the "
         "columns item and title"),
    BOOL("http.stay", http.stay, "false",
         "Go on answering after the input's end, until a signal (file)"),

    CHOICE("log.format", log.format, logs, "text",
           "Form of the log lines on standard error; text is for people"),
    CHOICE("log.level", log.level, log_levels, "info",
           "What is logged; debug adds librdkafka's own messages (kafka.client.debug)"),
    BOOL("log.quiet", log.quiet, "false", "Show no progress"),
};
/* clang-format on */

const unsigned option_count = sizeof option_table / sizeof *option_table;

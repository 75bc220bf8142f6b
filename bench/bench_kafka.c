/*
 * bench_kafka.c - the whole job on a real Kafka: `./run bench kafka` starts one on the same cores.
 *
 *     case=kafka          100,000 users by Zipf's law, exactly once, a commit every second
 *     case=kafka-1m       the same with a million users, all of whom the job has met before
 *     case=restart-kafka  that job killed with SIGKILL: from its start to its first new commit
 *     case=freshness      events at half and at a quarter of case=kafka's rate: from an event's arrival
 *                         at the broker to the commit of its record. The broker takes the events in
 *                         meanwhile, and more users change for each event than behind a backlog, so
 *                         half may be more than the machine can do
 *     case=takeover       a partition's store rebuilt from the history log alone
 *
 * busy is the processor time of job and broker over that of all cores while there is a backlog;
 * consume_ratio is the job's rate over that of a bare librdkafka consumer of the same topic, and
 * file_ratio its events per CPU-second over those of the file job on the same events, both measured
 * in the same run. What was committed is read from the group's offsets, as another member would.
 */
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/clock.h"
#include "bench/job_runner.h"
#include "stream/job/recovery.h"
#include "stream/source/decoding.h"

enum {
    PARTITIONS = 4,
    ITEMS = 50000,
    LOOK_EVERY_MS = 10,
    WAIT_MAX_S = 300,
    BATCH = 1000,
    TAKEOVER_USERS = 250000,
    TAKEOVER_BEHAVIORS = 30,
    WARM_UP_S = 10,   /* not measured */
    FRESHNESS_S = 30, /* measured */
    FRESHNESS_LOOK_MS = 5,
};

static const char *brokers;     /* host:port, ... */
static const char *broker_pids; /* of the brokers' processes, separated by commas */

static _Noreturn void fail(const char *what, const char *why)
{
    fprintf(stderr, "bench: %s: %s\n", what, why);
    exit(1);
}

/* --- plain clients ---------------------------------------------------------------------------- */

typedef void delivery(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque);

static rd_kafka_t *client_of(rd_kafka_type_t type, const char *const (*settings)[2],
                             delivery *on_delivery)
{
    char why[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", brokers, NULL, 0);
    for (; settings && (*settings)[0]; settings++) {
        if (rd_kafka_conf_set(conf, (*settings)[0], (*settings)[1], why, sizeof why)) {
            fail("librdkafka", why);
        }
    }
    if (on_delivery) rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_t *client = rd_kafka_new(type, conf, why, sizeof why);
    if (!client) fail("librdkafka", why);
    return client;
}

static rd_kafka_t *producer_open(delivery *on_delivery)
{
    static const char *const settings[][2] = {{"partitioner", "murmur2_random"},
                                              {"linger.ms", "20"},
                                              {"enable.idempotence", "true"},
                                              {"queue.buffering.max.messages", "500000"},
                                              {NULL, NULL}};
    return client_of(RD_KAFKA_PRODUCER, settings, on_delivery);
}

static void topic_create(const char *name, int partitions)
{
    char why[512];
    rd_kafka_t *client = producer_open(NULL);
    rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(name, partitions, 1, why, sizeof why);
    if (!topic) fail(name, why);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    rd_kafka_CreateTopics(client, &topic, 1, NULL, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 20000);
    if (!event || rd_kafka_event_error(event)) fail(name, "not created");
    rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    rd_kafka_NewTopic_destroy(topic);
    rd_kafka_destroy(client);
}

static void produce(rd_kafka_t *producer, const char *topic, const char *line, size_t size)
{
    /* The generator's lines begin {"user":"u17", */
    const char *user = line + 9;
    size_t user_size = (size_t)(strchr(user, '"') - user);
    while (rd_kafka_producev(producer, RD_KAFKA_V_TOPIC(topic),
                             RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                             RD_KAFKA_V_KEY(user, user_size),
                             RD_KAFKA_V_VALUE((void *)(uintptr_t)line, size), RD_KAFKA_V_END)) {
        rd_kafka_poll(producer, 10);
    }
    rd_kafka_poll(producer, 0);
}

static void produce_end(rd_kafka_t *producer)
{
    if (rd_kafka_flush(producer, 60000)) fail("producing", "not delivered in a minute");
    rd_kafka_destroy(producer);
}

/* One event of each of `users` users. */
static void produce_each(const char *topic, uint32_t users)
{
    rd_kafka_t *producer = producer_open(NULL);
    for (uint32_t u = 0; u < users; u++) {
        char line[LOG_LINE_SIZE_MAX];
        int size = snprintf(line, sizeof line,
                            "{\"user\":\"u%u\",\"item\":\"i%u\",\"time\":1600000000000,"
                            "\"action\":\"view\",\"category\":\"c1\"}",
                            u, u % ITEMS);
        produce(producer, topic, line, (size_t)size);
    }
    produce_end(producer);
}

/* The runner's log. */
static void produce_log(const struct runner *runner, const char *topic)
{
    char line[LOG_LINE_SIZE_MAX];
    FILE *log = fopen(runner->log, "r");
    if (!log) fail(runner->log, "cannot be read");
    rd_kafka_t *producer = producer_open(NULL);
    while (fgets(line, sizeof line, log)) {
        produce(producer, topic, line, strlen(line) - 1);
    }
    fclose(log);
    produce_end(producer);
}

/* Events per second of a consumer that does nothing with them. */
static double consume_rate(const char *topic, uint64_t events)
{
    static const char *const settings[][2] = {
        {"group.id", "bare"}, {"enable.auto.commit", "false"}, {NULL, NULL}};
    rd_kafka_t *consumer = client_of(RD_KAFKA_CONSUMER, settings, NULL);
    rd_kafka_poll_set_consumer(consumer);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(PARTITIONS);
    for (int p = 0; p < PARTITIONS; p++) {
        rd_kafka_topic_partition_list_add(list, topic, p)->offset = RD_KAFKA_OFFSET_BEGINNING;
    }
    rd_kafka_assign(consumer, list);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(consumer);
    rd_kafka_message_t *messages[BATCH];
    int64_t begun_ns = 0;
    uint64_t seen = 0, first = 0;
    while (seen < events) {
        ssize_t count = rd_kafka_consume_batch_queue(queue, 100, messages, BATCH);
        for (ssize_t i = 0; i < count; i++) {
            seen += !messages[i]->err;
            rd_kafka_message_destroy(messages[i]);
        }
        if (!begun_ns && seen) begun_ns = clock_monotonic_ns(), first = seen;
    }
    double seconds = (double)(clock_monotonic_ns() - begun_ns) / 1e9;
    rd_kafka_queue_destroy(queue);
    rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
    return (double)(seen - first) / seconds;
}

/* --- watching a job --------------------------------------------------------------------------- */

/* User and system time that a process has taken so far. */
static double cpu_of(long pid)
{
    char path[64], text[1024];
    unsigned long user, system;
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    FILE *file = fopen(path, "r");
    if (!file) fail(path, "cannot be read");
    size_t size = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[size] = 0;
    const char *fields = strrchr(text, ')');
    if (!fields || sscanf(fields + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
                          &system) != 2) {
        fail(path, "has no times");
    }
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

/* The most memory that a process has had resident. */
static double peak_rss_mb(long pid)
{
    char path[64], line[256];
    double kb = 0;
    snprintf(path, sizeof path, "/proc/%ld/status", pid);
    FILE *file = fopen(path, "r");
    if (!file) fail(path, "cannot be read");
    while (fgets(line, sizeof line, file) && sscanf(line, "VmHWM: %lf", &kb) != 1) {
    }
    fclose(file);
    return kb / 1024;
}

static double broker_cpu(void)
{
    double seconds = 0;
    for (const char *at = broker_pids; *at;) {
        char *end;
        seconds += cpu_of(strtol(at, &end, 10));
        at = *end ? end + 1 : end;
    }
    return seconds;
}

/* Up to which offset the group has committed each partition; 0: not at all, or no answer. */
static void committed_offsets(rd_kafka_t *watcher, const char *topic, int64_t offsets[PARTITIONS])
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(PARTITIONS);
    for (int p = 0; p < PARTITIONS; p++) {
        rd_kafka_topic_partition_list_add(list, topic, p);
        offsets[p] = 0;
    }
    if (!rd_kafka_committed(watcher, list, 5000)) {
        for (int i = 0; i < list->cnt; i++) {
            if (list->elems[i].offset > 0)
                offsets[list->elems[i].partition] = list->elems[i].offset;
        }
    }
    rd_kafka_topic_partition_list_destroy(list);
}

/* Events that the group has committed, all partitions together. */
static uint64_t committed(rd_kafka_t *watcher, const char *topic)
{
    int64_t offsets[PARTITIONS], events = 0;
    committed_offsets(watcher, topic, offsets);
    for (int p = 0; p < PARTITIONS; p++) {
        events += offsets[p];
    }
    return (uint64_t)events;
}

struct moment {
    uint64_t events;
    int64_t ns;
    double job_cpu_s, broker_cpu_s, job_rss_mb;
};

/* Waits until more than `events` are committed. */
static struct moment wait_beyond(rd_kafka_t *watcher, const char *topic, uint64_t events, pid_t job)
{
    int64_t deadline_ns = clock_monotonic_ns() + WAIT_MAX_S * INT64_C(1000000000);
    while (clock_monotonic_ns() < deadline_ns) {
        struct moment moment = {.events = committed(watcher, topic), .ns = clock_monotonic_ns()};
        if (moment.events > events) {
            moment.job_cpu_s = cpu_of(job);
            moment.broker_cpu_s = broker_cpu();
            moment.job_rss_mb = peak_rss_mb(job);
            return moment;
        }
        if (waitpid(job, NULL, WNOHANG) == job) fail(topic, "the job ended");
        nanosleep(&(struct timespec){.tv_nsec = LOOK_EVERY_MS * 1000000L}, NULL);
    }
    fail(topic, "not committed in time");
}

/* Does not ask for stable offsets, which would wait for the open transaction. */
static rd_kafka_t *watcher_open(const struct runner *runner)
{
    const char *const settings[][2] = {{"group.id", runner->config.kafka.group},
                                       {"isolation.level", "read_uncommitted"},
                                       {NULL, NULL}};
    return client_of(RD_KAFKA_CONSUMER, settings, NULL);
}

static void end_job(pid_t job)
{
    kill(job, SIGKILL);
    if (waitpid(job, NULL, 0) != job) fail("job", "not there");
}

/* --- the cases -------------------------------------------------------------------------------- */

static void use_kafka(struct runner *runner, const char *topic, char names[4][64])
{
    struct config *config = &runner->config;
    static const char *const kinds[] = {"interests", "history", "dead-letters", "items"};
    for (int i = 0; i < 4; i++) {
        snprintf(names[i], 64, "%s-%s", topic, kinds[i]);
    }
    config->source.broker = CONFIG_BROKER_KAFKA;
    config->source.topic = topic;
    config->source.time_behind_ms = INT64_C(36500) * 86400 * 1000;
    config->output.topic = names[0];
    config->output.history_topic = names[1];
    config->output.dead_letter_topic = names[2];
    config->output.items_topic = names[3];
    config->kafka.brokers = brokers;
    config->kafka.group = topic;
    config->kafka.create_topics = true;
    config->kafka.replication = 1;
}

/* Returns the events per second. */
static double print_case(const char *name, const struct runner *runner, const struct moment *from,
                         const struct moment *to, double consumed, double file_cpu_s_per_million)
{
    double events = (double)(to->events - from->events);
    double seconds = (double)(to->ns - from->ns) / 1e9, rate = events / seconds;
    double job_s = to->job_cpu_s - from->job_cpu_s,
           broker_s = to->broker_cpu_s - from->broker_cpu_s;
    double cpu = job_s / events * 1e6;
    double cores = (double)sysconf(_SC_NPROCESSORS_ONLN);
    printf("case=%s events_per_s=%.0f cpu_s_per_million=%.2f broker_cpu_s_per_million=%.2f "
           "busy=%.3f file_ratio=%.3f consume_ratio=%.3f rss_mb=%.0f budget_mb=%" PRIu64 "\n",
           name, rate, cpu, broker_s / events * 1e6, (job_s + broker_s) / (seconds * cores),
           file_cpu_s_per_million / cpu, rate / consumed, to->job_rss_mb,
           runner->config.job.memory >> 20);
    return rate;
}

/* Kills the job, gives it something to do, and starts it again. */
static void bench_restart(struct runner *runner, const char *topic, pid_t job, uint64_t events)
{
    end_job(job);
    produce_each(topic, BATCH);
    int64_t begun_ns = clock_monotonic_ns();
    job = runner_start(runner);
    rd_kafka_t *watcher = watcher_open(runner);
    struct moment first = wait_beyond(watcher, topic, events, job);
    end_job(job);
    rd_kafka_destroy(watcher);
    printf("case=restart-kafka seconds=%.2f\n", (double)(first.ns - begun_ns) / 1e9);
}

/* `known` users have one event each before the measured ones. Returns the events per second. */
static double bench_job(const char *name, uint32_t users, uint32_t known, uint64_t events)
{
    struct runner runner;
    char names[4][64];
    const struct log_options options = {users, ITEMS, 1, 1, 1};
    runner_open(&runner);
    runner.config.job.memory = (uint64_t)4 << 30;
    runner_log(&runner, &options, events);
    struct run_result file = runner_run(&runner);

    topic_create(name, PARTITIONS);
    produce_each(name, known);
    produce_log(&runner, name);
    double consumed = consume_rate(name, known + events);
    use_kafka(&runner, name, names);
    char state[sizeof runner.state + 8];
    snprintf(state, sizeof state, "%s-kafka", runner.state);
    runner.config.state.dir = state;
    pid_t job = runner_start(&runner);
    rd_kafka_t *watcher = watcher_open(&runner);
    struct moment from = wait_beyond(watcher, name, known, job);
    struct moment to = wait_beyond(watcher, name, known + events - 1, job);
    rd_kafka_destroy(watcher);
    double rate = print_case(name, &runner, &from, &to, consumed,
                             file.cpu_s / ((double)file.summary.events / 1e6));
    if (known) {
        bench_restart(&runner, name, job, known + events);
    } else {
        end_job(job);
    }
    runner_close(&runner);
    return rate;
}

/* When the events of each partition arrived at the broker, and which of them are committed. */
static struct {
    int64_t *arrived_ns[PARTITIONS]; /* [capacity] by offset, 0: not known */
    int64_t capacity, committed[PARTITIONS];
    double *late_ms; /* of the measured events */
    uint64_t count;
} freshness;

static void note_arrival(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque)
{
    (void)client;
    (void)opaque;
    if (message->err || message->offset >= freshness.capacity) fail("producing", "not delivered");
    freshness.arrived_ns[message->partition][message->offset] = clock_monotonic_ns();
}

/* Events that were committed since the last look; measured if they arrived after `from_ns`. */
static void note_commits(rd_kafka_t *watcher, const char *topic, int64_t from_ns)
{
    int64_t offsets[PARTITIONS];
    committed_offsets(watcher, topic, offsets);
    int64_t now_ns = clock_monotonic_ns();
    for (int p = 0; p < PARTITIONS; p++) {
        for (; freshness.committed[p] < offsets[p]; freshness.committed[p]++) {
            int64_t arrived_ns = freshness.arrived_ns[p][freshness.committed[p]];
            if (arrived_ns < from_ns) continue;
            freshness.late_ms[freshness.count++] = (double)(now_ns - arrived_ns) / 1e6;
        }
    }
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Feeds the runner's log at `rate` events per second while commits are watched. */
static void feed_at_rate(const struct runner *runner, const char *topic, double rate)
{
    char line[LOG_LINE_SIZE_MAX];
    FILE *log = fopen(runner->log, "r");
    if (!log) fail(runner->log, "cannot be read");
    rd_kafka_t *producer = producer_open(note_arrival);
    rd_kafka_t *watcher = watcher_open(runner);
    int64_t begun_ns = clock_monotonic_ns(), looked_ns = 0;
    double seconds = 0;
    for (uint64_t sent = 0; seconds < WARM_UP_S + FRESHNESS_S;) {
        int64_t now_ns = clock_monotonic_ns();
        seconds = (double)(now_ns - begun_ns) / 1e9;
        for (; (double)sent < seconds * rate && fgets(line, sizeof line, log); sent++) {
            produce(producer, topic, line, strlen(line) - 1);
        }
        rd_kafka_poll(producer, 0);
        if (now_ns - looked_ns > FRESHNESS_LOOK_MS * 1000000L) {
            note_commits(watcher, topic, begun_ns + WARM_UP_S * INT64_C(1000000000));
            looked_ns = now_ns;
        }
        nanosleep(&(struct timespec){.tv_nsec = 1000000L}, NULL);
    }
    fclose(log);
    rd_kafka_destroy(watcher);
    produce_end(producer);
}

static void bench_freshness(const char *topic, double rate)
{
    const uint64_t events = (uint64_t)(rate * (WARM_UP_S + FRESHNESS_S + 1));
    const struct log_options options = {100000, ITEMS, 1, 1, 1};
    struct runner runner;
    char names[4][64], state[sizeof runner.state + 8];
    runner_open(&runner);
    runner_log(&runner, &options, events);
    topic_create(topic, PARTITIONS);
    use_kafka(&runner, topic, names);
    snprintf(state, sizeof state, "%s-kafka", runner.state);
    runner.config.state.dir = state;
    memset(&freshness, 0, sizeof freshness);
    freshness.capacity = (int64_t)events;
    freshness.late_ms = calloc(events, sizeof *freshness.late_ms);
    for (int p = 0; p < PARTITIONS; p++) {
        freshness.arrived_ns[p] = calloc(events, sizeof *freshness.arrived_ns[p]);
        if (!freshness.arrived_ns[p] || !freshness.late_ms) fail(topic, "out of memory");
    }
    pid_t job = runner_start(&runner);
    feed_at_rate(&runner, topic, rate);
    end_job(job);
    if (freshness.count == 0) fail(topic, "nothing was committed");
    qsort(freshness.late_ms, freshness.count, sizeof *freshness.late_ms, by_value);
    printf("case=freshness events_per_s=%.0f p50_ms=%.0f p99_ms=%.0f commit_interval_ms=%u\n", rate,
           freshness.late_ms[freshness.count / 2], freshness.late_ms[freshness.count * 99 / 100],
           (unsigned)runner.config.job.commit_interval_ms);
    for (int p = 0; p < PARTITIONS; p++) {
        free(freshness.arrived_ns[p]);
    }
    free(freshness.late_ms);
    runner_close(&runner);
}

/* A poll of the given kind; others are empty ones. */
static void poll_until(struct session *session, enum poll_kind kind)
{
    static struct poll poll;
    struct error error;
    do {
        runner_check(broker_kafka.poll(session, 100, &poll, &error), &error);
    } while (poll.kind != kind || (kind == POLL_EVENTS && poll.events_count == 0));
}

static struct history_seal send_history(struct broker *broker, struct session *session,
                                        const struct config *config)
{
    struct error error;
    struct history history;
    uint8_t key[HISTORY_KEY_MAX], value[HISTORY_RECORD_MAX];
    for (uint32_t u = 0; u < TAKEOVER_USERS; u++) {
        char user[16];
        snprintf(user, sizeof user, "u%u", u);
        history_init(&history, 1);
        for (uint32_t b = 0; b < TAKEOVER_BEHAVIORS; b++) {
            history_append(
                &history,
                history_behavior_of(splitmix64((uint64_t)u * 64 + b), 1600000000000 + b, 1), b,
                4096);
        }
        struct record record = {
            .kind = RECORD_HISTORY,
            .key = {key, history_key_encode(bytes_of(user), 0, key)},
            .value = {value, history_encode(&history, value)},
        };
        runner_check(broker_kafka.send(session, &record, &error), &error);
    }
    struct commit_partition part = {
        .seal = {.number = 1,
                 .source_identity = broker_kafka.source_identity(broker),
                 .partitions = 1,
                 .next_offset = 1,
                 .generation = 1,
                 .target = 1,
                 .watermark_ms = HISTORY_NO_TIME},
    };
    decoding_fingerprints(config, part.seal.decoding);
    runner_check(broker_kafka.seal(session, &part, 1, &error), &error);
    runner_check(broker_kafka.commit(session, &part, 1, &error), &error);
    return part.seal;
}

static void bench_takeover(void)
{
    static const char topic[] = "takeover";
    struct runner runner;
    struct error error;
    struct broker *broker;
    struct session *session;
    char names[4][64];
    runner_open(&runner);
    topic_create(topic, 1);
    produce_each(topic, 1);
    use_kafka(&runner, topic, names);
    runner.config.kafka.transaction_timeout_ms = 60000;
    runner.config.kafka.session_timeout_ms = 120000;
    runner_check(broker_kafka.open(&broker, &runner.config, &error), &error);
    runner_check(broker_kafka.session_open(&session, broker, 0, &error), &error);
    poll_until(session, POLL_ASSIGN);
    runner_check(broker_kafka.resume(session, 0, &(struct history_seal){0}, &error), &error);
    poll_until(session, POLL_EVENTS);
    runner_check(broker_kafka.begin(session, &error), &error);
    const struct history_seal seal = send_history(broker, session, &runner.config);

    atomic_bool cancel = false;
    const struct store_options options = {.memtable_size = 64 << 20, .block_cache_size = 64 << 20};
    struct recovery recovery = {
        .config = &runner.config,
        .own = &seal,
        .ops = &broker_kafka,
        .broker = broker,
        .stores = &store_rocksdb,
        .options = &options,
        .path = runner.state,
        .cancel = &cancel,
    };
    int64_t begun_ns = clock_monotonic_ns();
    double begun_cpu_s = cpu_of(getpid());
    runner_check(recovery_run(&recovery, &error), &error);
    double seconds = (double)(clock_monotonic_ns() - begun_ns) / 1e9;
    if (recovery.records != TAKEOVER_USERS) fail(topic, "not all users were restored");
    printf("case=takeover users_per_s=%.0f seconds=%.2f cpu_s=%.2f\n", TAKEOVER_USERS / seconds,
           seconds, cpu_of(getpid()) - begun_cpu_s);
    store_rocksdb.close(recovery.store);
    broker_kafka.session_close(session);
    broker_kafka.close(broker);
    runner_close(&runner);
}

/* bench_kafka [kafka|kafka-1m|freshness|takeover [EVENTS]] */
int main(int count, char **arguments)
{
    const char *only = count > 1 ? arguments[1] : "";
    uint64_t events = count > 2 ? strtoull(arguments[2], NULL, 10) : 2000000;
    brokers = getenv("TEST_KAFKA");
    broker_pids = getenv("TEST_KAFKA_PIDS");
    if (!brokers || !broker_pids) fail("no Kafka", "use ./run bench kafka, or cluster.py run");
    const bool freshness_too = !*only || strcmp(only, "freshness") == 0;
    double rate = 0;
    if (freshness_too || strcmp(only, "kafka") == 0) rate = bench_job("kafka", 100000, 0, events);
    if (freshness_too) {
        bench_freshness("freshness-half", rate / 2);
        bench_freshness("freshness-quarter", rate / 4);
    }
    if (!*only || strcmp(only, "kafka-1m") == 0) bench_job("kafka-1m", 1000000, 1000000, events);
    if (!*only || strcmp(only, "takeover") == 0) bench_takeover();
    return 0;
}

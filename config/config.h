/*
 * config.h - every setting of Braid, as one struct that one table fills.
 *
 * The table in option_table.c says for each option its dotted key, type, default, limits and help.
 * From it come the YAML parser, the checks, the --help of the commands and config/REFERENCE.md. An
 * option may be set in a file, in the environment (source.path -> BRAID_SOURCE_PATH) and on the
 * command line (--source.path=clicks.jsonl or --source.path clicks.jsonl); later ones win.
 *
 *     config_defaults -> config_file -> config_environment -> config_arguments -> config_check
 *
 * Strings are owned by the config and live until config_close. Sizes are bytes, and are written in
 * files with an optional unit (512MB, 4GB: powers of 1024).
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/status.h"

enum {
    CONFIG_ACTIONS_MAX = 64, /* an action is 8 bits in a stored behavior; 0 is "no action field" */
    CONFIG_CLIENT_MAX = 256, /* librdkafka properties under kafka.client */
    CONFIG_VALUE_MAX = 4096, /* bytes of one scalar */
    CONFIG_TEXT_MAX = 256,   /* bytes of a value that is not a text, printed */
};

enum config_broker { CONFIG_BROKER_FILE, CONFIG_BROKER_KAFKA };
enum config_format { CONFIG_JSON, CONFIG_CSV, CONFIG_TSV };
enum config_time { CONFIG_TIME_S, CONFIG_TIME_MS, CONFIG_TIME_US, CONFIG_TIME_ISO8601 };
enum config_time_by { CONFIG_TIME_BY_RECORD, CONFIG_TIME_BY_RANGE };
enum config_quotes { CONFIG_QUOTES_AUTO, CONFIG_QUOTES_ON, CONFIG_QUOTES_OFF };
enum config_unfinished { CONFIG_UNFINISHED_WAIT, CONFIG_UNFINISHED_TAKE };
enum config_record { CONFIG_RECORD_JSON, CONFIG_RECORD_PROTOBUF };
enum config_publish { CONFIG_PUBLISH_ALL, CONFIG_PUBLISH_NONE, CONFIG_PUBLISH_LAST };
enum config_vectors { CONFIG_VECTORS_BASE64, CONFIG_VECTORS_NUMBERS };
enum config_vector_bits { CONFIG_BITS_WIDEST, CONFIG_BITS_256, CONFIG_BITS_512 };
enum config_readout { CONFIG_READOUT_HARD, CONFIG_READOUT_LABEL_AWARE, CONFIG_READOUT_MAX };
enum config_train { CONFIG_TRAIN_AUTO, CONFIG_TRAIN_OFF, CONFIG_TRAIN_ON };
enum config_pace { CONFIG_PACE_AUTO, CONFIG_PACE_STEP, CONFIG_PACE_FREE };
enum config_log { CONFIG_LOG_TEXT, CONFIG_LOG_JSON, CONFIG_LOG_LOGFMT };
enum config_log_level { CONFIG_LOG_INFO, CONFIG_LOG_DEBUG };

struct config_action {
    const char *name;
    double weight; /* of a training sample whose target it is; 0: absorbed, never a target */
};

struct config_pair {
    const char *key;
    const char *value; /* never printed: it may be a secret */
};

struct config {
    struct {
        enum config_broker broker; /* source.broker: file | kafka */
        const char *path;    /* source.path: a file, a directory, a,b,c, or - for standard input */
        const char *topic;   /* source.topic (kafka) */
        const char *profile; /* source.profile: where profiles are; "" = events say them */
        const char *erase;   /* source.erase: the topic of erasures (kafka), "": none */
        enum config_format format;
        bool header;               /* csv/tsv: the first line names the columns */
        char separator;            /* csv/tsv: between cells; 0: that of the format */
        enum config_quotes quotes; /* csv/tsv: cells may stand in double quotes */
        const char *null_values;   /* texts, separated by commas, that stand for a missing field */
        const char *field_user; /* source.fields.user: JSON key, column name, or 1-based column */
        const char *field_item;
        const char *field_time;
        const char *field_action;   /* "" = events carry no action */
        const char *field_category; /* "" = none */
        enum config_time time;      /* source.time: s | ms | us | iso8601 */
        int64_t time_min_ms; /* file: earliest valid event time (source.time_min, ISO 8601 date) */
        int64_t time_max_ms; /* file: latest valid event time */
        int64_t time_ahead_ms;       /* kafka: how far an event's time may be after its record's */
        int64_t time_behind_ms;      /* kafka: how far before */
        enum config_time_by time_by; /* kafka: source.time_by: record | range */
        const char *start;        /* source.start: where a job without a commit begins (bound.h) */
        const char *end;          /* source.end: where it ends */
        uint32_t user_events_max; /* of a user in an hour of event time; 0: any number */
        bool deduplicate;         /* an event equal to one of the user's last 32 is not taken */
        enum config_unfinished unfinished_line; /* file: a last line without line end */
        uint32_t id_size_max;                   /* bytes of a user or item id */
        uint32_t event_size_max; /* bytes of one event; larger ones are dead letters */
    } source;

    struct {
        const char *fields; /* profile.fields: names with commas between; "" = none */
    } profile;

    /* actions: {view: 1, buy: 3}, in file order */
    struct config_action actions[CONFIG_ACTIONS_MAX];
    uint32_t actions_count; /* 0: every action is accepted, as action 0 */

    struct {
        const char *checkpoint; /* model.checkpoint: the file of the generation to serve */
        const char *dir;        /* model.dir: else the newest generation of this directory */
        uint32_t keep;          /* model.keep: generations that model.dir keeps */
        enum config_vector_bits vector_bits; /* model.vector_bits: widest | 256 | 512 */
    } model;

    struct {
        const char *dir; /* state.dir: stores, and for the file broker the commit file and logs */
        uint32_t partitions;  /* state.partitions: file broker; fixed when the directory is made */
        uint32_t history_max; /* behaviors a user keeps; a multiple of 128 */
        int64_t ttl_ms;       /* state.ttl: a longer pause ends a user's life; 0: none does */
        uint64_t ttl_rate;    /* users a second that are forgotten; 0: as fast as may be */
        uint32_t snapshot_every;    /* a state is saved if so many behaviors came since */
        uint64_t snapshot_rate;     /* background snapshot budget, bytes per second */
        int64_t erase_interval_ms;  /* state.erase_interval: between rewrites of a store's files */
        uint32_t flush_interval_ms; /* bounds the log tail a restart re-reads, in time ... */
        uint64_t flush_size;        /* ... and in bytes of log per partition */
    } state;

    struct {
        const char *dir;   /* output.dir (file broker) */
        const char *topic; /* output.topic (kafka) and its companions: */
        const char *history_topic;
        int64_t compaction_lag_ms; /* output.compaction_lag: of the topics that have ids of users */
        const char *dead_letter_topic;
        const char *items_topic;
        const char *models_topic; /* of jobs that share generations (config_shares): */
        const char *item_vectors_topic;
        int64_t items_grace_ms;      /* of item vectors, after a newer generation is complete */
        enum config_publish publish; /* output.publish: all | none | last (a replay alone) */
        uint64_t sweep; /* users a second that are published though they do not act; 0: none */
        enum config_record record; /* output.record; the file broker writes JSON */
        enum config_vectors vectors;
        uint32_t dead_letter_payload_max; /* bytes of a bad event that its dead letter keeps */
    } output;

    struct {
        uint32_t workers; /* job.workers: threads that fold and publish */
        uint64_t memory;  /* job.memory: the one budget that cache, memtables, queues share */
        uint32_t commit_interval_ms;
        uint32_t commit_events_max; /* a transaction closes early at these */
        uint32_t commit_users_max;
        uint32_t poll_events_max; /* events of one poll */
        uint64_t rate_max;        /* events a second that a process takes in; 0: all it can */
        uint32_t queue_polls_max; /* polls that wait between the reader and a worker */
        bool histories_alone;     /* no states and no records: set by braid replay, no option */
    } job;

    struct {
        enum config_train enabled; /* train.enabled: auto | false | true */
        const char *model;         /* of the first generation, */
        const char *dimensions;    /* and those that are not its defaults */
        enum config_pace pace;     /* train.pace: auto | step | free */
        uint64_t events;           /* of the source between two rounds */
        int64_t interval_ms;       /* free: time between two rounds; 0: events alone count */
        uint64_t republish_rate;   /* free: users a second that are moved; 0: as fast as may be */
        uint32_t first_epochs;
        uint32_t epochs;
        double rate;
        uint32_t minibatch;
        double dropout;
        enum config_readout readout;
        double rehearsal; /* share of the users who are learned from again */
        double retain;    /* weight of holding interests to what they said; 0: none */
        bool fresh;
        uint64_t item_min;
        uint32_t items_max; /* 0: as memory allows */
        uint32_t gate_events;
        double margin;
        uint32_t newcomer_events;
        int64_t return_gap_ms;
        uint64_t memory;
        uint32_t threads;
        uint64_t seed;
    } train;

    struct {
        const char *brokers; /* kafka.brokers: bootstrap servers */
        const char *group;   /* consumer group; transactional ids and instance ids derive from it */
        const char *instance;  /* this process's stable name within the group */
        const char *advertise; /* HOST:PORT at which others reach http.listen; "": not told */
        bool create_topics;
        bool accept_gap;      /* events that are gone before they were read do not stop the job */
        uint32_t replication; /* of topics that create_topics makes */
        uint32_t session_timeout_ms;
        uint32_t transaction_timeout_ms;
        struct config_pair client[CONFIG_CLIENT_MAX]; /* kafka.client.*, for librdkafka */
        uint32_t client_count;
    } kafka;

    struct {
        const char *catalogue;    /* file of titles */
        const char *listen;       /* http.listen: off | auto | ADDRESS:PORT | PORT */
        uint32_t threads;         /* that answer */
        uint32_t connections_max; /* open ones, at most */
        uint32_t timeout_ms;      /* of a connection, from its opening or its last answer on */
        bool stay;                /* answer on after the input's end, until a signal */
    } http;

    struct {
        enum config_log format;
        enum config_log_level level;
        bool quiet; /* no progress */
    } log;

    void *owned; /* the strings; config_text.c only */
};

/* Sets every option to its default. `config` must then be closed. */
void config_defaults(struct config *config);

/* Frees what the config owns. Legal on a zeroed config. */
void config_close(struct config *config);

/*
 * Reads a YAML file over what is set so far. Errors (STATUS_INVALID) name path:line, the dotted
 * key, what is allowed and, for an unknown key, the nearest known one.
 */
MUST_CHECK enum status config_file(struct config *config, const char *path, struct error *error);

/*
 * Applies every BRAID_* variable of `environment` (as in environ) that is an option's. One that is
 * nearly an option's is STATUS_INVALID, with the option; any other is somebody else's.
 */
MUST_CHECK enum status config_environment(struct config *config, char *const *environment,
                                          struct error *error);

/* Logs a warning for each BRAID_* variable that config_environment has ignored. */
void config_warn_variables(char *const *environment);

/* Sets one option by its dotted key from text; `origin` ("--state.dir") stands in the error. */
MUST_CHECK enum status config_set(struct config *config, const char *key, const char *value,
                                  const char *origin, struct error *error);

/*
 * Applies the options of a command line. Arguments that are not options ("--key=value", "--key
 * value") are moved to the front of `arguments` in their order, and their number put in *restp.
 */
MUST_CHECK enum status config_arguments(struct config *config, int count, char **arguments,
                                        int *restp, struct error *error);

/* Whether the job learns: as train.enabled says. */
bool config_trains(const struct config *config);

/* Whether the job passes from one generation to the next: it learns, or shares what others learn. */
bool config_moves(const struct config *config);

/* Whether it does so beside the stream (train.pace=free), not while the stream waits. */
bool config_moves_beside(const struct config *config);

/*
 * Whether every user is moved to the generation that serves, and published, though it does not act;
 * whether beside the stream, and then how many users a second, 0: as fast as may be.
 */
bool config_sweeps(const struct config *config);
bool config_sweeps_beside(const struct config *config);
uint64_t config_sweep_rate(const struct config *config);

/* Whether the members of a group share the generations of model.dir: on Kafka. */
bool config_shares(const struct config *config);

/* Checks what involves several options (a broker needs its topic, a path...). */
MUST_CHECK enum status config_check(const struct config *config, struct error *error);

/* The parts of it that concern events and histories alone, */
MUST_CHECK enum status config_check_events(const struct config *config, struct error *error);

/* and Kafka alone. */
MUST_CHECK enum status config_check_kafka(const struct config *config, struct error *error);

/* For a command that heeds no source.start and source.end: they are not set. */
MUST_CHECK enum status config_check_unbounded(const struct config *config, const char *command,
                                              struct error *error);

/*
 * The value of an option as it could be written in a file: the config's own text, or printed into
 * `to`. NULL: no option of the table has that key.
 */
const char *config_value(const struct config *config, const char *key, char to[CONFIG_TEXT_MAX]);

/* Prints the options for --help, and as config/REFERENCE.md (Markdown). */
void config_print_help(FILE *out);
void config_print_reference(FILE *out);

/* What can be said of an option. */
struct config_description {
    const char *key;
    const char *value; /* default */
    const char *help;
    const char *allowed;        /* in words */
    const char *const *choices; /* ends with NULL; NULL: no list of words is all that is allowed */
};

/* Tells of each option of the table, in its order. */
void config_describe(void (*tell)(void *to, const struct config_description *option), void *to);

/* Prints the effective values as YAML, those of kafka.client.*, which may be secrets, as ***. */
MUST_CHECK enum status config_print(const struct config *config, FILE *out, struct error *error);

/* Whether profiles come from a topic beside the source, in an order that the job's commits decide. */
static inline bool config_has_profile_topic(const struct config *config)
{
    return config->source.broker == CONFIG_BROKER_KAFKA && *config->source.profile;
}

#endif

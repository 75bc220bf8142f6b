/*
 * client.h - what the parts of the Kafka broker share: clients, errors, the job's
 * broker.
 *
 * The one includer of librdkafka's header; only files of this folder include this one. A
 * `struct client` is one librdkafka handle with what its callbacks need. Its log lines and errors
 * are served by the thread that polls it, never by one of librdkafka's own.
 *
 *     client_setup -> client_set ... -> client_open -> client_close
 *
 * Errors of librdkafka become statuses here (client_failed) and are freed here.
 */
#ifndef STREAM_BROKER_KAFKA_CLIENT_H
#define STREAM_BROKER_KAFKA_CLIENT_H

#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/metrics.h"
#include "base/status.h"
#include "config/bound.h"
#include "config/config.h"
#include "stream/broker/broker.h"

enum {
    CLIENT_PAUSE_MS = 100,     /* before something that could not be had is asked for again */
    CLIENT_REQUEST_MS = 10000, /* one request; longer waits are loops that heed broker_stop */
    CLIENT_WHY_SIZE = 512,     /* bytes of what librdkafka says of a connection, and an end */
    TOPIC_SHOW_TRIES = 20,     /* a new topic does not show on every broker at once, */
    TOPIC_SHOW_PAUSE_MS = 100, /* so it is looked for again */
    BATCH_SIZE_MAX = 1000000,  /* bytes of a batch, and so of a record, that a producer sends */
};

/* The topics of a job: one for each kind of record, and those by which generations are shared. */
enum {
    TOPIC_ERASURES = RECORD_ERASURE, /* with source.erase */
    TOPIC_MODELS,
    TOPIC_ITEM_VECTORS,
    TOPICS,
};

struct client {
    rd_kafka_t *handle; /* NULL: closed */
    const char *role;   /* for log lines: "consumer", "producer", ... */
    /* Codes of librdkafka; atomic, since the broker's admin client is polled by several threads. */
    atomic_int last_error;  /* the last one logged and not recovered from, 0: none */
    atomic_int fatal_error; /* why the handle can never be used again, 0: it can */
    void *owner;            /* of the callbacks */
    bool consumes;          /* its callbacks are served by who takes messages off its queue */
    pthread_mutex_t lock;   /* of what librdkafka said last, "": nothing yet: */
    char said[CLIENT_WHY_SIZE];
};

/* Settings being collected; a failure is kept and returned by client_open. */
struct client_setup {
    const struct config *config;
    rd_kafka_conf_t *conf;
    struct error *error;
    enum status status;
};

/* How far a partition of a bounded run is: offsets, of which 0 and 0 are one of another process. */
struct reach {
    _Atomic int64_t first, next, end;
};

/*
 * The broker of a job: what its sessions and history readers share. Read-only after open but
 * `stop`.
 */
struct watch;

struct broker {
    const struct config *config;
    struct client admin; /* of no group, reads uncommitted: metadata, settings, watermarks */
    const char *topics[TOPICS];
    uint32_t topic_partitions[TOPICS];
    bool looks_only;     /* creates no topic */
    bool needs_murmur2;  /* the source must be keyed by Kafka's default partitioner */
    bool shares;         /* generations: their topics are found as well */
    uint32_t partitions; /* of the source */
    uint64_t source_identity;
    size_t letter_size_max;      /* bytes of a dead letter's key and value */
    int64_t batch_size_max;      /* bytes that every topic of records takes at once, */
    int64_t shared_size_max;     /* and every topic of generations */
    int64_t delete_retention_ms; /* of the history topic: how long a tombstone can be read */
    int64_t compaction_lag_ms;   /* after which topics with ids of users are compacted, -1: never */
    struct bound start, end;     /* where the run begins and ends (kafka/range.c), */
    uint32_t bound;              /* a fingerprint of the end, 0: none, */
    _Atomic uint64_t serves;     /* the generation to which all users are moved before, */
    struct reach *reaches;       /* [partitions] and how far it is; NULL: it has no end */
    struct watch *watch;         /* of a job */
    struct metric *lost;         /* events of the source that were gone before they were read */
    _Atomic bool stopping;
};

/*
 * Begins with what every client has. `error` receives the first failure. fetch.max.bytes is left to
 * librdkafka, which takes what the queue may hold, and more where message.max.bytes asks for it.
 */
void client_setup(struct client_setup *setup, const struct config *config, struct error *error);

/* Sets one librdkafka property. */
void client_set(struct client_setup *setup, const char *key, const char *format, ...)
    PRINTF_LIKE(3, 4);

/*
 * Applies kafka.client and opens the handle. `client` must stay where it is until closed; its role
 * and owner are set by the caller. Frees the setup in every case.
 */
MUST_CHECK enum status client_open(struct client *client, struct client_setup *setup,
                                   rd_kafka_type_t type);

/*
 * Opens a client of no group that asks for metadata, settings and watermarks, open transactions
 * included.
 */
MUST_CHECK enum status client_open_admin(struct client *client, const struct config *config,
                                         struct error *error);

/* The same for one to which a partition ends at its last stable offset: before open transactions. */
MUST_CHECK enum status client_open_committed(struct client *client, const struct config *config,
                                             struct error *error);

/*
 * The queue on which a consumer receives, the caller's to destroy before the client. All that the
 * client has to say comes there from now on, so rd_kafka_poll must not be called on it any more.
 */
rd_kafka_queue_t *client_messages(struct client *client);

/*
 * Opens a consumer that reads what is committed and takes no part in the group, though it may ask
 * for its offsets. It tells the end of a partition, fails where records are gone, and fetches at
 * most `queue_kb` ahead. *queuep is what it receives on, the caller's to destroy before the client.
 */
MUST_CHECK enum status client_open_reader(struct client *client, const struct config *config,
                                          uint32_t queue_kb, rd_kafka_queue_t **queuep,
                                          struct error *error);

/* Legal on a closed client. */
void client_close(struct client *client);

/*
 * Makes the client learn where a topic's partitions are. Without it the first use of a topic waits
 * for librdkafka's timer, up to a second.
 */
void client_warm(struct client *client, const char *topic);

/*
 * First offset and end of a partition, open transactions included if the client sees them. Asks
 * for the partition's leader anew, says at once that there is none, and waits CLIENT_REQUEST_MS for
 * each answer even if the leader is gone: rd_kafka_query_watermark_offsets of 2.0.2 waits until it
 * is back.
 */
rd_kafka_resp_err_t client_watermarks(struct client *client, const char *topic, uint32_t partition,
                                      int64_t *lowp, int64_t *highp);

/* Offsets of a list of partitions, whose `offset` says of which time; errors of each in the list. */
rd_kafka_resp_err_t client_offsets_for_times(struct client *client,
                                             rd_kafka_topic_partition_list_t *list,
                                             uint32_t wait_ms);

/*
 * The first offset of a partition whose record is of `time_ms` (broker's or producer's, as the topic
 * has it) or later, -1: none is. Waits as client_watermarks does.
 */
rd_kafka_resp_err_t client_offset_at(struct client *client, const char *topic, uint32_t partition,
                                     int64_t time_ms, int64_t *offsetp);

/* The watermarks, asked again for `wait_ms` while there is no answer. */
MUST_CHECK enum status client_bounds(struct client *client, const char *topic, uint32_t partition,
                                     int64_t wait_ms, int64_t *lowp, int64_t *highp,
                                     struct error *error);

/*
 * Describes a consumer group to `look`, one without members if there is none; 0, or why there was no
 * answer within `wait_ms`. Asks all brokers. Any thread.
 */
typedef void look_at_group(void *context, const struct rd_kafka_group_info *group);
rd_kafka_resp_err_t client_describe_group(struct client *admin, const char *group, int wait_ms,
                                          look_at_group *look, void *context);

/* Logs an error, once while it lasts, and notes it if the handle does not survive it. */
void client_report_error(struct client *client, rd_kafka_resp_err_t code, const char *reason);

/*
 * Why a request failed, for a message: what librdkafka said last of a connection (refused, unknown
 * host, another protocol), if that may be why, else what the code means. Returns `why`.
 */
const char *client_why(struct client *client, rd_kafka_resp_err_t code, char why[CLIENT_WHY_SIZE]);

/* Logs once that the last error is over. */
void client_report_recovery(struct client *client);

/*
 * Translates and frees what a transactional call returned; NULL is STATUS_OK. Fatal: STATUS_FENCED;
 * to be aborted: STATUS_ABORTABLE; worth another call: STATUS_BUSY; anything else: STATUS_IO.
 */
enum status client_failed(rd_kafka_error_t *failure, const char *what, struct error *error);

/*
 * Up to `max` messages (and errors) of a queue, in order: what is there, else what comes within
 * `timeout_ms`. Serves the callbacks. Returns how many; they are the caller's to destroy.
 */
size_t client_receive(rd_kafka_queue_t *queue, uint32_t timeout_ms, rd_kafka_message_t **messages,
                      size_t max);

/*
 * The timestamp of an event's record, by which the event's own time is judged (event_decode); -1 if
 * it has none that can be believed. The broker's own clock (LogAppendTime) always can. A producer's
 * (CreateTime) may be 0, seconds or worse, and is no measure beyond source.time_min and time_max. With
 * source.time_by=range none is.
 */
int64_t client_event_stamp(const rd_kafka_message_t *message, const struct config *config);

/* The partition in which Kafka's default partitioner puts a key. */
uint32_t client_murmur2(struct bytes key, uint32_t partitions);

/* Assigns a consumer one partition from `offset` on. */
MUST_CHECK enum status client_read_from(struct client *client, const char *topic,
                                        uint32_t partition, int64_t offset, struct error *error);

/*
 * kafka/settings.c. STATUS_INVALID if kafka.client sets what Braid must decide itself, or what
 * librdkafka refuses, also beside what Braid sets. Asks nothing of a broker.
 */
MUST_CHECK enum status kafka_check(const struct config *config, struct error *error);

/* kafka/topic_count.c: partitions of a topic, 0 if it does not exist; waits a while for new leaders. */
MUST_CHECK enum status topic_count(struct broker *broker, const char *topic, uint32_t *countp,
                                   struct error *error);

/* The same, but asks for a while before it says 0: a new topic does not show everywhere at once. */
MUST_CHECK enum status topic_count_patiently(struct broker *broker, const char *topic,
                                             uint32_t *countp, struct error *error);

/* Fills broker->partitions. STATUS_REFUSED: the source has none, as it does not exist, or too many. */
MUST_CHECK enum status topic_count_source(struct broker *broker, struct error *error);

/* kafka/topics.c: checks and, if configured, creates the topics; fills `broker`. */
MUST_CHECK enum status topics_open(struct broker *broker, struct error *error);

/* Its parts. Creates a topic with kafka.replication. An empty setting ends them before `settings_count`. */
struct topic_setting {
    const char *name, *value;
};
MUST_CHECK enum status topic_create(struct broker *broker, const char *topic, uint32_t partitions,
                                    const struct topic_setting *settings, uint32_t settings_count,
                                    struct error *error);

/* The value of a topic's setting, NULL if the cluster does not tell it. */
const char *topic_setting_of(const rd_kafka_ConfigResource_t *resource, const char *name);

/* Waits for the answer to an admin request on `queue`. The event is the caller's to destroy. */
MUST_CHECK enum status admin_answer(struct broker *broker, rd_kafka_queue_t *queue,
                                    const char *what, rd_kafka_event_t **eventp,
                                    struct error *error);

/* Sets broker->source_identity. */
MUST_CHECK enum status topics_identify_source(struct broker *broker, struct error *error);

/*
 * Checks what the cluster tells of one topic, and takes over what `broker` needs of it. Part of
 * topics_open. STATUS_BUSY: the broker that was asked does not know the topic yet.
 */
MUST_CHECK enum status topics_apply_settings(struct broker *broker, unsigned kind,
                                             const rd_kafka_ConfigResource_t *resource,
                                             struct error *error);

/* kafka/erasures.c: struct broker_ops has the contract. */
enum status kafka_cuts(struct broker *broker, uint32_t partition, int64_t from, struct cuts *cuts,
                       struct error *error);

/* kafka/beside.c: STATUS_REFUSED if source.profile is no topic, or has other partitions. */
MUST_CHECK enum status profiles_check(struct broker *broker, struct error *error);

/* kafka/sample.c: STATUS_REFUSED if the source is not keyed by user. */
MUST_CHECK enum status source_sample(struct broker *broker, struct error *error);

/* kafka/committed.c: what the metadata of a committed offset says. */
struct committed_seal {
    struct history_seal seal; /* number 0: nothing was committed */
    uint64_t writer;          /* of the session that committed it: no two have the same */
};

/*
 * The group's committed offsets of the source's partitions `at`, as the seals that were committed
 * with them. Asks again while an open transaction hides them or brokers are out of reach, for
 * `wait_ms` or until the job stops (STATUS_BUSY). STATUS_REFUSED: offsets that Braid did not
 * commit.
 */
MUST_CHECK enum status committed_seals(struct broker *broker, struct client *consumer,
                                       const uint32_t *at, uint32_t count, int64_t wait_ms,
                                       struct committed_seal *found, struct error *error);

/* The metadata of a group's offsets while the job is being seeded (kafka/seed_log.c) begins so. */
#define SEED_NOTE "braid-seed 1 "
bool is_seed_note(struct bytes metadata);

/* The seal that an offset's metadata says, STATUS_REFUSED: it is none. */
MUST_CHECK enum status seal_of_text(struct committed_seal *committed, struct bytes text,
                                    struct error *error);

/* It as text: hexadecimal digits and an end. */
enum { SEAL_TEXT_SIZE = 2 * (HISTORY_SEAL_MAX + 8) + 1 };
void seal_to_text(const struct committed_seal *committed, char text[SEAL_TEXT_SIZE]);

/* kafka/history.c: struct broker_ops has the contracts. */
enum status kafka_history_open(struct history_reader **readerp, struct broker *broker,
                               uint32_t partition, const struct store_position *start,
                               struct committed_position *committed, struct error *error);
enum status kafka_history_next(struct history_reader *reader, struct record *records, uint32_t max,
                               uint32_t *countp, struct error *error);
struct store_position kafka_history_position(const struct history_reader *reader);
void kafka_history_close(struct history_reader *reader);

/*
 * kafka/range.c. Reads source.start and source.end; without it a broker has neither. `reaches` is
 * freed with the broker.
 */
MUST_CHECK enum status range_open(struct broker *broker, struct error *error);

/*
 * Where a partition of which nothing was committed begins: fills next_offset and range. `low` and
 * `high` are what it holds. STATUS_REFUSED: the option's offset is none of them. STATUS_BUSY: not
 * now.
 */
MUST_CHECK enum status range_fix_start(struct broker *broker, uint32_t partition, int64_t low,
                                       int64_t high, struct history_seal *seal,
                                       struct error *error);

/*
 * The offset at which the present source.start would have a partition begin that has begun:
 * range.first if it says the same, or if that can't be told (latest, or retention has deleted what
 * lay there). STATUS_BUSY: not now.
 */
MUST_CHECK enum status range_says_start(struct broker *broker, uint32_t partition,
                                        const struct history_seal *seal, int64_t *offsetp,
                                        struct error *error);

/* Whether a partition's end was fixed by another source.end than the present one, or not yet, */
bool range_wants_end(const struct broker *broker, const struct history_seal *seal);

/* and fixes it. */
MUST_CHECK enum status range_fix_end(struct broker *broker, uint32_t partition, int64_t high,
                                     struct history_seal *seal, struct error *error);

/* struct broker_ops has the contract. */
double range_progress(const struct broker *broker);

/* As broker.h has it; never certain. */
uint32_t kafka_partition_of(struct bytes user, uint32_t partitions, bool *certainp);

#endif

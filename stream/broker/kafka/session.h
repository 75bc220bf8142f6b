/*
 * session.h - one worker's end of Kafka: its consumer, its producer, its partitions.
 *
 * kafka/settings.c says what its clients are told, kafka/session.c polls (the consumer's half),
 * kafka/reading.c notes how far it is, kafka/refill.c keeps the consumer fetching, kafka/transaction.c
 * commits (the producer's half), kafka/fencing.c finds out whether another process has taken over,
 * kafka/gap.c what to do about events that are gone, and kafka/range.c where a run begins and ends.
 */
#ifndef STREAM_BROKER_KAFKA_SESSION_H
#define STREAM_BROKER_KAFKA_SESSION_H

#include "stream/broker/kafka/client.h"

enum {
    FENCINGS_MAX = 3,     /* a session leaves when it lost so many producers in a short time */
    MEMBER_ID_SIZE = 320, /* a name of 249 characters at most, a random part, and an end */
    FETCH_BACKOFF_SINCE = 0x02020000, /* the librdkafka that looks soon whether a queue has room */
};

enum partition_state { PARTITION_AWAY, PARTITION_RESTORING, PARTITION_LIVE };

struct session_partition {
    enum partition_state state;
    bool unreported;   /* newly assigned; the processor does not know yet */
    bool sealed;       /* something of it was sealed, ever */
    int64_t next;      /* every event before this offset has been delivered */
    int64_t committed; /* first offset that no committed transaction covers */
    struct {
        int64_t next, committed;
    } beside[EVENT_ORIGINS];        /* both of a topic that is read beside the source */
    bool profiles_due;              /* the source waits until these have been read to their end */
    int64_t end;                    /* a bounded run takes no event from here on, INT64_MAX: all */
    int64_t cut_ms;                 /* records of earlier timestamps were seeded; 0: none */
    bool unsealed;                  /* its range is in no committed seal yet */
    uint64_t lost;                  /* offsets that accepted gaps have skipped, in all */
    struct store_position position; /* after the seal being sent; next = -1: not known (yet) */
};

/* What the group asked for and the processor has not carried out yet. */
enum rebalance { REBALANCE_NONE, REBALANCE_ASSIGN, REBALANCE_REVOKE, REBALANCE_LOST };

/* What follows from the configuration, once. */
struct session_settings {
    char instance[MEMBER_ID_SIZE]; /* group.instance.id: what the group calls this member */
    uint32_t heartbeat_ms;
    uint64_t fetch_kb, fetch_messages; /* that may be queued: contents, and how many */
    uint64_t send_kb, send_messages;
};

struct session {
    struct broker *broker;
    uint32_t worker;
    uint64_t writer; /* names this session in what it commits */
    struct session_settings settings;
    struct session_partition *partitions; /* [of the source] */

    struct client consumer;
    rd_kafka_queue_t *queue; /* the consumer's: events, rebalances, errors */
    enum rebalance rebalance;
    bool rebalance_reported;   /* the processor knows of that rebalance */
    bool assignment_dirty;     /* live partitions or offsets changed since they were assigned */
    bool partitions_added;     /* the source has more partitions than when the job started */
    bool consumer_must_reopen; /* when the partitions are given up */
    bool fenced_as_member;     /* it was still the member `member_id` when it was fenced */
    char member_id[MEMBER_ID_SIZE]; /* which of the group it was last, "": none yet */
    bool closing;
    struct event_decoder *decoder;
    struct event_decoder *profile_decoder; /* NULL: no source.profile */
    struct json_decoder *json;             /* NULL: no source.erase */
    bool reads_beside;                     /* one of these, at least */
    struct event *events;                  /* [poll_events_max] */
    rd_kafka_message_t **messages; /* [poll_events_max] received; delivered before `cursor` */
    size_t count, cursor;
    size_t queue_left; /* what the queue had at least, once messages were taken from it */
    size_t queue_peak; /* and when it last grew */
    int64_t refill_ns; /* when its refill was last asked for */
    uint8_t *room;     /* payloads of one poll with their decoding scratch */

    /* The producer is the worker's until a transaction is sealed, then its commit's. */
    struct client producer;
    atomic_bool committing;                         /* sealed, and neither committed nor aborted */
    rd_kafka_topic_partition_list_t *offsets;       /* of the sealed transaction, */
    rd_kafka_consumer_group_metadata_t *membership; /* and who may commit them */
    bool open;                                      /* a transaction is, for the processor */
    bool ended;                  /* and it has ended at the brokers: its producer was replaced */
    struct error producer_error; /* why the producer can't go on, STATUS_OK if it can */
    bool gathering;              /* offsets were delivered or passed that no seal covers, the */
    int64_t gathering_ns;        /* first of them at that time */
    bool wants_commit;
    int64_t looked_ns;                     /* when it was last asked whether the run is over */
    int64_t begun_ns;                      /* when the open transaction began */
    int64_t fencings_ns[FENCINGS_MAX - 1]; /* when the last producers were lost, a ring */
    uint32_t fencings;
    uint32_t aborts; /* since the last commit */
    rd_kafka_resp_err_t
        delivery_error; /* why the first record of this transaction failed, 0: none */
};

/*
 * kafka/refill.c. Has the consumer fetch again where its queue was full and is half empty. To be called
 * each time before messages are taken from the queue.
 */
void session_refill(struct session *session);

/* kafka/settings.c. What the queues of one worker's clients may take, contents and all around. */
uint64_t session_queues_kb(const struct config *config);

struct session_settings session_settings_of(const struct config *config, uint32_t worker);

/* Begin the settings of a session's clients, as client_setup does. */
void consumer_setup(struct client_setup *setup, const struct config *config,
                    const struct session_settings *settings, struct error *error);
void producer_setup(struct client_setup *setup, const struct config *config,
                    const struct session_settings *settings, uint32_t worker,
                    int64_t batch_size_max, struct error *error);

/* kafka/transaction.c; struct broker_ops has the contracts of the last six. */
MUST_CHECK enum status producer_open(struct session *session, struct error *error);

/* Aborts what is open when a session is closed in the middle, so that no reader waits for it. */
void transaction_abandon(struct session *session);

enum status kafka_begin(struct session *session, struct error *error);
enum status kafka_send(struct session *session, const struct record *record, struct error *error);
enum status kafka_seal(struct session *session, struct commit_partition *parts, uint32_t count,
                       struct error *error);
enum status kafka_commit(struct session *session, struct commit_partition *parts, uint32_t count,
                         struct error *error);
enum status kafka_settle(struct session *session, struct commit_partition *parts, uint32_t count,
                         struct error *error);
enum status kafka_abort(struct session *session, struct error *error);

/* kafka/reading.c. From here on there is something that no seal covers. */
void session_gather(struct session *session);

/* Every event before `next` has been delivered. At its end a partition is fetched no more. */
void session_advance(struct session *session, struct session_partition *mine, int64_t next);

/*
 * A live partition holds no event before `next`: goes on there. A commit will cover it, if need be
 * one of its own.
 */
void session_pass(struct session *session, uint32_t partition, int64_t next);

/*
 * kafka/range.c. A session goes on with a restored partition, whose `next` is set, inside the range
 * that its seal says.
 */
void range_resume(struct session *session, uint32_t partition, const struct history_seal *seal);

/* Whether to commit at once: a partition's range is in no seal yet, or all are read to their ends. */
bool range_wants_commit(const struct session *session);

/*
 * Whether a bounded run is over: all partitions of the source are committed up to their ends, those
 * of other members, too. Asks the group now and then, once this session has nothing left to do.
 */
MUST_CHECK enum status range_is_over(struct session *session, bool *overp, struct error *error);

/*
 * kafka/beside.c. What a message, or an error in its place, is of.
 */
enum event_origin beside_origin(const struct session *session, const rd_kafka_message_t *message);

/*
 * A partition of which no event was taken yet has its profiles read first, up to their end as it is
 * then: so they are there before the events, in a replay as in the job before it.
 */
void beside_resume(struct session *session, uint32_t partition, const struct history_seal *seal);

/* What reads them. */
MUST_CHECK enum status beside_open(struct session *session, struct error *error);
void beside_close(struct session *session);

/* The topic, "" if there is none. */
const char *beside_topic(const struct config *config, enum event_origin origin);

/* Adds what is to be read beside a live partition to an assignment. */
void beside_assign(const struct session *session, uint32_t partition,
                   rd_kafka_topic_partition_list_t *list);

/* A seal says how far they were read; goes back to there. */
void beside_committed(struct session_partition *mine, const struct history_seal *seal);
void beside_rewind(struct session_partition *mine);

/* Decodes a message, whose value was copied to `value` as event_decode wants it. */
void beside_decode(struct session *session, enum event_origin origin,
                   const rd_kafka_message_t *message, struct bytes value, void *scratch,
                   struct event *event);

/* An error in place of a message of them, or their end. */
MUST_CHECK enum status beside_error(struct session *session, enum event_origin origin,
                                    const rd_kafka_message_t *message, struct error *error);

/*
 * kafka/gap.c. The event at which a partition is to be read on is not there: goes on behind the gap
 * if that is accepted, or if nothing of the partition was ever committed; asks again if brokers
 * don't answer. STATUS_REFUSED: events are gone, or the topic is another; says which and what to do.
 */
MUST_CHECK enum status gap_resolve(struct session *session, uint32_t partition,
                                   struct error *error);

/*
 * kafka/fencing.c. Notes the id that the consumer has in the group now, if it has one; true if it
 * is the one noted before.
 */
bool fencing_note_member(struct session *session);

/*
 * After the consumer was fenced or its session has ended: STATUS_OK if the group has no member with
 * this session's group.instance.id, or only the member that was noted; STATUS_FENCED if another
 * process has taken it. With `as_member` (it still was the noted one when it was fenced) any other
 * member is another process. Without it an unknown member may be an earlier join of this very
 * consumer, which ends with its session timeout and is waited for that long, also when the job is
 * to stop. Asks until brokers answer, or the job is to stop and they do not (STATUS_OK).
 */
MUST_CHECK enum status fencing_check_consumer(struct session *session, bool as_member,
                                              struct error *error);

/*
 * After the producer was fenced: STATUS_OK if it may be replaced. Another process of the same name
 * joins the group right after it has fenced this producer, and the next heartbeat tells, or the
 * group itself; to fence it in turn would drive out both. If there is none, and the transaction had not run out of time,
 * the fencing is counted (FENCINGS_MAX).
 */
MUST_CHECK enum status fencing_check_producer(struct session *session, struct error *error);

#endif

/*
 * session.h - one worker's end of Kafka: its consumer, its producer, its partitions.
 *
 * kafka/session.c polls (the consumer's half), kafka/transaction.c commits (the producer's).
 */
#ifndef STREAM_BROKER_KAFKA_SESSION_H
#define STREAM_BROKER_KAFKA_SESSION_H

#include "stream/broker/kafka/client.h"

enum {
    FENCINGS_MAX = 3,     /* a session leaves when it lost so many producers in a short time */
    MEMBER_ID_SIZE = 320, /* a name of 249 characters at most, a random part, and an end */
};

enum partition_state { PARTITION_AWAY, PARTITION_RESTORING, PARTITION_LIVE };

struct session_partition {
    enum partition_state state;
    bool news;                      /* newly assigned and not yet told to the processor */
    int64_t next;                   /* offset of the next event to fetch */
    int64_t committed;              /* first offset that no committed transaction covers */
    struct store_position position; /* after the seal being sent; next = -1: not known (yet) */
};

/* What the group asked for and the processor has not carried out yet. */
enum rebalance { REBALANCE_NONE, REBALANCE_ASSIGN, REBALANCE_REVOKE, REBALANCE_LOST };

struct session {
    struct broker *broker;
    uint32_t worker;
    uint64_t writer;                      /* names this session in what it commits */
    struct session_partition *partitions; /* [of the source] */

    struct client consumer;
    rd_kafka_queue_t *queue; /* the consumer's: events, rebalances, errors */
    enum rebalance rebalance;
    bool told;   /* the processor has been told of that rebalance */
    bool stale;  /* the live partitions or their offsets changed since they were last assigned */
    bool grown;  /* the source has more partitions than when the job started */
    bool renew;  /* the consumer can't go on: make a new one when the partitions are given up */
    bool ousted; /* it was the noted member until it was fenced */
    char member[MEMBER_ID_SIZE]; /* which of the group it was last, "": none yet */
    bool closing;
    struct event_decoder *decoder;
    struct event *events;          /* [poll_events_max] */
    rd_kafka_message_t **messages; /* [poll_events_max] received; delivered before `cursor` */
    size_t count, cursor;
    uint8_t *room; /* payloads of one poll with their decoding scratch */

    struct client producer;
    bool open;           /* a transaction is, for the processor */
    bool ended;          /* and it has ended at the brokers already: its producer was replaced */
    struct error broken; /* why the producer can't go on, STATUS_OK if it can */
    bool wants_commit;
    int64_t begun_ns;                      /* when the open transaction began */
    int64_t fencings_ns[FENCINGS_MAX - 1]; /* when the last producers were lost, a ring */
    uint32_t fencings;
    uint32_t aborts;                 /* since the last commit */
    rd_kafka_resp_err_t undelivered; /* why the first record of this transaction failed, 0: none */
};

/* kafka/transaction.c; struct broker_ops has the contracts of the last four. */
MUST_CHECK enum status producer_open(struct session *session, struct error *error);

/* Aborts what is open when a session is closed in the middle, so that no reader waits for it. */
void transaction_leave(struct session *session);

enum status kafka_begin(struct session *session, struct error *error);
enum status kafka_send(struct session *session, const struct record *record, struct error *error);
enum status kafka_commit(struct session *session, struct commit_partition *parts, uint32_t count,
                         struct error *error);
enum status kafka_abort(struct session *session, struct error *error);

/* What the group calls this session's place: its group.instance.id. */
void session_place(const struct session *session, char place[MEMBER_ID_SIZE]);

uint32_t session_heartbeat_ms(const struct config *config);

/*
 * kafka/fencing.c: fenced, but by whom? Notes which member of the group we are, if we are one;
 * true if it is the one noted before.
 */
bool rival_note_member(struct session *session);

/*
 * After the consumer was fenced: STATUS_OK if our place in the group is free, or still that of the
 * member that was noted; STATUS_FENCED if a rival has it. `ousted`: we were that member until we
 * were fenced, so that anybody else is a rival at once. Otherwise a stranger may be a place of our
 * own of which we never heard; it ends with its session, and is waited for that long. Asks until
 * brokers answer, or the job stops (STATUS_OK).
 */
MUST_CHECK enum status rival_in_group(struct session *session, bool ousted, struct error *error);

/*
 * After the producer was fenced: STATUS_OK if it may be replaced. A rival joins the group in our
 * place right after he has fenced our producer, and our next heartbeat tells; fencing him in turn
 * would drive out both. No rival, and the transaction had not run out of time: counted
 * (FENCINGS_MAX).
 */
MUST_CHECK enum status rival_of_producer(struct session *session, struct error *error);

/* The share of job.memory that a client of a session may queue. */
uint64_t session_queue_kb(const struct config *config);
uint64_t session_queue_messages(const struct config *config);

#endif

/*
 * fake_broker.h - a broker in memory that aborts, fences, revokes, loses and answers late on command.
 *
 * Its source is a seeded log over FAKE_PARTITIONS partitions, some of whose events are bad. What a
 * transaction sends is kept apart until its commit is carried out, and forgotten otherwise, as Kafka
 * does it. A test writes a script of steps, each one answer of the session's poll; when the script
 * is over, the rest of the source is delivered, committed, and the session ends.
 *
 * It holds the worker to the contract of broker.h: no call but poll while a commit is under way,
 * nothing sent outside of a transaction, seals that rise by one and only of partitions that moved or
 * whose users or generations did, partitions given up only when no commit is under way.
 */
#ifndef TESTS_UNIT_FAKE_BROKER_H
#define TESTS_UNIT_FAKE_BROKER_H

#include <stdbool.h>
#include <stdint.h>

#include "stream/broker/broker.h"

enum {
    FAKE_PARTITIONS = 2,
    FAKE_USERS = 40,
    FAKE_BAD_EVERY = 20,
    FAKE_STEPS_MAX = 512,
    FAKE_LATE_MS = 60,      /* long enough to be late; a starved worker may exceed it by itself, */
    FAKE_HELD_MS = 60000,   /* which this only a worker does that waits for what never comes */
    FAKE_PAYLOAD_MAX = 4096 /* bytes of a dead letter's, for output.dead_letter_payload_max */
};

enum fake_step_kind {
    FAKE_EVENTS,  /* `count` events of partition `partition` */
    FAKE_COMMIT,  /* asks for a commit, which will end as `outcome` says */
    FAKE_RELEASE, /* a commit that is late may end */
    FAKE_REVOKE,  /* asks for a commit if there is something to commit, then revokes all */
    FAKE_LOSE,    /* all partitions are lost */
    FAKE_ASSIGN,  /* all partitions are assigned (which is also how a session begins) */
    FAKE_AWAIT,   /* polls nothing until no commit is under way */
    FAKE_GATHER,  /* polls nothing until users are moved without an event of theirs */
    FAKE_TOLD,    /* what fake_tell has said so far of partition `partition` */
    FAKE_CALL, /* calls the test (fake_on_call) with `count`, at each poll until it says true; what is
                   * gathered meanwhile is committed */
};

enum fake_outcome {
    FAKE_COMMITTED,
    FAKE_ABORTED,           /* not carried out: STATUS_ABORTABLE */
    FAKE_FENCED,            /* not carried out: STATUS_FENCED */
    FAKE_UNKNOWN_COMMITTED, /* STATUS_BUSY; settle says that it was carried out */
    FAKE_UNKNOWN_ABORTED,   /* STATUS_BUSY; settle says that it was not */
    FAKE_OUTCOMES
};

struct fake_step {
    enum fake_step_kind kind;
    uint32_t partition, count;
    enum fake_outcome outcome;
    uint32_t late_ms; /* 0: ends at once; else when released, or nothing was polled for so long */
};

struct fake_counts {
    uint64_t commits, aborts; /* that were carried out; calls of abort */
    uint64_t polled_ahead;    /* events delivered while a commit was under way */
    uint64_t dead_letters;    /* committed */
};

/* Opens it, with `events` events in each partition. `script` ends with the count of its steps. */
struct broker *fake_open(uint64_t seed, uint32_t events, const struct fake_step *script,
                         uint32_t steps);
void fake_close(struct broker *broker);

/* What FAKE_CALL calls, on the worker's thread. */
typedef bool fake_call(struct broker *broker, uint32_t what);
void fake_on_call(struct broker *broker, fake_call *call);

/* Another worker begins where the last one left, with a script of its own. */
void fake_again(struct broker *broker, const struct fake_step *script, uint32_t steps);

/* ---- fake_erasures.c: source.erase ---- */

/*
 * Another job says, under the hash alone, that a user was erased up to a time. It is read with the
 * partition's next restore, and polled with FAKE_TOLD or when the script is over.
 */
void fake_tell(struct broker *broker, uint32_t partition, uint32_t user, int64_t cut_ms);

/* Event time of an event of any partition. */
int64_t fake_event_ms(int64_t offset);

/* The history log has a record of a user without behaviors, as of a profile that says nothing any more. */
void fake_leave_record(struct broker *broker, uint32_t partition, uint32_t user);

/* Cut that the worker has committed of a user under its hash, HISTORY_NO_TIME: none; whether with a receipt. */
int64_t fake_erased(const struct broker *broker, uint32_t partition, uint32_t user, bool *receiptp);

/* True if the history log, read from its beginning, has nothing of a user. */
bool fake_has_nothing(const struct broker *broker, uint32_t partition, uint32_t user);

/* True if a worker has restored the partition and goes on with it. */
bool fake_is_live(const struct broker *broker, uint32_t partition);

extern const struct broker_ops fake_ops;

/* What is committed of a partition. */
struct fake_progress {
    struct history_seal seal;
    uint64_t log_records;                   /* history records and seals */
    uint64_t newest_events[FAKE_USERS];     /* n of each user's newest record, 0: none, */
    uint64_t newest_generation[FAKE_USERS]; /* and the generation that it names */
};
const struct fake_progress *fake_progress(const struct broker *broker, uint32_t partition);

struct fake_counts fake_counts(const struct broker *broker);

/* Source offset up to which a partition is committed. */
int64_t fake_committed(const struct broker *broker, uint32_t partition);

/*
 * Fails the test unless every event of the source is in exactly one committed transaction: each
 * user's committed records rise in n (or at least in generation) and end at all of its accepted events, each bad event is one
 * dead letter, the history log holds every behavior, and each item's name was sent.
 */
void fake_prove(const struct broker *broker);

/* The newest committed record of a user, NULL if there is none; as the worker sent it. */
const char *fake_newest(const struct broker *broker, uint32_t partition, uint32_t user);

#endif

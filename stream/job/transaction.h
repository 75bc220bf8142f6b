/*
 * transaction.h - the states of a worker's transaction, and the order in which it is committed.
 *
 *     IDLE -> OPEN -> COMMITTING -> STORING -> IDLE
 *             OPEN | COMMITTING -> ABORTING -> IDLE            any -> FENCED
 *
 * Committing is one order that never varies: interests and history records, seals, the broker's
 * commit; and only after that is certain, each partition's store, in one batch with its position in
 * the log. So a store never leads the log. A changeset whose commit failed is dropped.
 *
 * Thread: one owner.
 */
#ifndef STREAM_JOB_TRANSACTION_H
#define STREAM_JOB_TRANSACTION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "state/state_cache.h"
#include "state/store.h"
#include "stream/job/assignment.h"
#include "stream/broker/broker.h"
#include "stream/job/changeset.h"
#include "stream/job/publisher.h"

enum transaction_state {
    TRANSACTION_IDLE,
    TRANSACTION_OPEN,       /* events are being absorbed; nothing of them is stored anywhere */
    TRANSACTION_COMMITTING, /* the outcome is not known yet */
    TRANSACTION_STORING,    /* committed; the stores follow */
    TRANSACTION_ABORTING,
    TRANSACTION_FENCED, /* another member owns the session's identity: for good */
    TRANSACTION_STATES
};

struct transaction {
    enum transaction_state state;
    const struct broker_ops *ops;
    struct session *session;
    const struct store_ops *stores;
    struct assignment *assignment;
    struct state_cache *cache;
    struct publisher *publisher;
    struct changeset *set;
    const struct history_seal *seal; /* what all seals of the job say */
    struct commit_partition parts[POLL_PARTITIONS_MAX];
};

/* True if the table above has the arrow. */
bool transaction_allows(enum transaction_state from, enum transaction_state to);

/* Opens a transaction if none is open. */
MUST_CHECK enum status transaction_begin(struct transaction *transaction, struct error *error);

/*
 * Publishes and commits everything, then the stores; opens a transaction first if none is open.
 * After STATUS_ABORTABLE call transaction_abort; after any other failure leave.
 */
MUST_CHECK enum status transaction_commit(struct transaction *transaction, struct error *error);

/* Drops the changeset and every user it touched; the broker goes back to what is committed. */
MUST_CHECK enum status transaction_abort(struct transaction *transaction, struct error *error);

#endif

/*
 * transaction.h - a worker's commits: their states, their order, and who may work meanwhile.
 *
 * There are two changesets. The open one gathers what the worker absorbs; the closed one is being
 * committed, by a thread of its own, while the worker goes on. What the closed one says is frozen
 * bytes. At most one commit is under way:
 *
 *                                 .------------------- the committer's: the worker absorbs --.
 *     IDLE ------> OPEN ------> COMMITTING ------> STORING ------> STORED ------> IDLE
 *      |            |               |  \-> UNKNOWN -/ |
 *      |            |               |         |       |
 *      '------------'-> ABORTING <- FAILED <--'-------'            any -> FENCED
 *                          |
 *                          '-> IDLE
 *
 *     transaction_send, _begin   IDLE -> OPEN      records may be sent
 *     transaction_commit         -> COMMITTING     closes the open changeset: its interests and
 *                                                  histories are sent, then the seals
 *     (committer)                -> STORING        the broker has committed
 *     (committer)                -> STORED         and so have the stores
 *     transaction_finish         -> IDLE           the worker takes notice
 *     transaction_abort          -> ABORTING -> IDLE   both changesets are dropped
 *
 * The order never varies: interests and histories, seals, the broker's commit; and only after that
 * is certain each partition's store, in one batch with its position in the log. So a store never
 * leads the log. A broker that cannot say what became of a commit (UNKNOWN) is asked by the worker.
 * If the first changeset fails the second one, which builds on it, is dropped with it.
 *
 * Thread: the worker's, except for the committer inside.
 */
#ifndef STREAM_JOB_TRANSACTION_H
#define STREAM_JOB_TRANSACTION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "state/state_cache.h"
#include "stream/broker/broker.h"
#include "stream/job/assignment.h"
#include "stream/job/changeset.h"
#include "stream/job/job_shared.h"

enum transaction_state {
    TRANSACTION_IDLE,       /* nothing is begun at the broker */
    TRANSACTION_OPEN,       /* begun: records of the open changeset may be sent */
    TRANSACTION_COMMITTING, /* the outcome is not known yet */
    TRANSACTION_UNKNOWN,    /* nor did the broker say: it must be asked */
    TRANSACTION_STORING,    /* committed; the stores follow */
    TRANSACTION_STORED,     /* they have; the worker has not taken notice yet */
    TRANSACTION_FAILED,     /* not committed, or not stored */
    TRANSACTION_ABORTING,   /* the changesets are dropped */
    TRANSACTION_FENCED,     /* another member owns the session's identity: for good */
    TRANSACTION_STATES
};

/* True if the picture above has the arrow. */
bool transaction_allows(enum transaction_state from, enum transaction_state to);

struct transaction;

/* Keeps everything it is given. */
MUST_CHECK enum status transaction_open(struct transaction **transactionp,
                                        const struct job_shared *shared,
                                        const struct interest_model *model, struct session *session,
                                        struct assignment *assignment, struct state_cache *cache,
                                        struct error *error);

/* Waits for the commit under way. Call before session, stores and cache are closed. */
void transaction_close(struct transaction *transaction);

/* The open changeset. It is another one after each transaction_commit. */
struct changeset *transaction_changes(struct transaction *transaction);

/* True while a commit is under way, or is done and the worker has not taken notice. */
bool transaction_is_committing(const struct transaction *transaction);

/* True while nothing is open and nothing under commit. */
bool transaction_is_empty(const struct transaction *transaction);

/* Begins a transaction, if none is open, and sends what waits for it. No commit may be under way. */
MUST_CHECK enum status transaction_begin(struct transaction *transaction, struct error *error);

/*
 * Sends a record of the open changeset beside its interests and histories, or has it wait while a
 * commit is under way. *fullp: it was not taken; finish that commit, and call again.
 */
MUST_CHECK enum status transaction_send(struct transaction *transaction,
                                        const struct record *record, bool *fullp,
                                        struct error *error);

/*
 * Closes the open changeset, begins its commit, and opens the other one. No other commit may be
 * under way.
 */
MUST_CHECK enum status transaction_commit(struct transaction *transaction, struct error *error);

/*
 * Takes notice of the commit that was begun, if it has been carried out, or waits for that.
 * *finishedp is its changeset, as it was when it was closed, until the next transaction_commit;
 * NULL if there was none, or it is still under way. After STATUS_ABORTABLE call transaction_abort;
 * after any other failure leave.
 */
MUST_CHECK enum status transaction_finish(struct transaction *transaction, bool wait,
                                          const struct changeset **finishedp, struct error *error);

/*
 * Drops both changesets and every user they touched; the broker goes back to what is committed. No
 * commit may be under way, other than one that transaction_finish said has failed.
 */
MUST_CHECK enum status transaction_abort(struct transaction *transaction, struct error *error);

/* Bytes that it takes beside its changesets, for the memory plan. */
size_t transaction_size(const struct config *config, const struct interest_model *model);

#endif

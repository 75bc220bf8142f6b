/* transaction.c - the table of legal transitions, and the one commit order. */
#include "stream/job/transaction.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/metrics.h"
#include "stream/job/committer.h"
#include "stream/job/outbox.h"
#include "stream/job/publisher.h"
#include "stream/job/store_leases.h"

/* Any state but FENCED may also pass to FENCED. The committer's moves are marked; all others are
 * the worker's. */
static const bool arrows[TRANSACTION_STATES][TRANSACTION_STATES] = {
    [TRANSACTION_IDLE] = {[TRANSACTION_OPEN] = true, [TRANSACTION_ABORTING] = true},
    [TRANSACTION_OPEN] = {[TRANSACTION_COMMITTING] = true, [TRANSACTION_ABORTING] = true},
    [TRANSACTION_COMMITTING] = {[TRANSACTION_STORING] = true /* committer */,
                                [TRANSACTION_UNKNOWN] = true /* committer */,
                                [TRANSACTION_FAILED] = true /* committer */},
    [TRANSACTION_UNKNOWN] = {[TRANSACTION_STORING] = true, [TRANSACTION_FAILED] = true},
    [TRANSACTION_STORING] =
        {[TRANSACTION_STORED] = true /* committer */, [TRANSACTION_FAILED] = true /* committer */},
    [TRANSACTION_STORED] = {[TRANSACTION_IDLE] = true},
    [TRANSACTION_FAILED] = {[TRANSACTION_ABORTING] = true},
    [TRANSACTION_ABORTING] = {[TRANSACTION_IDLE] = true},
};

/* A partition's part of the closed changeset. */
struct closed_part {
    struct task *task;
    const struct store_write *writes; /* as sent to its history */
    size_t writes_count;
};

/* Bounds of what a commit takes, ns. */
static const int64_t commit_bounds[] = {
    1000000,   2500000,   5000000,   10000000,   25000000,   50000000,
    100000000, 250000000, 500000000, 1000000000, 2500000000, 10000000000,
};

struct transaction {
    struct histogram *produce_ns, *commit_ns, *store_ns;
    struct metric *states[TRANSACTION_STATES]; /* workers in each */
    _Atomic enum transaction_state state;
    const struct job_shared *shared;
    const struct interest_model *model;
    struct session *session;
    struct assignment *assignment;
    struct state_cache *cache;
    struct publisher *publisher;
    struct outbox outbox; /* of the open changeset */
    struct changeset sets[2];
    struct changeset *open;

    /* of the commit under way: */
    struct committer *committer;
    struct changeset *closed;
    struct commit_partition parts[POLL_PARTITIONS_MAX];
    struct closed_part closed_parts[POLL_PARTITIONS_MAX]; /* of the same partitions */
    uint32_t count;
    enum status status; /* why it failed */
    struct error error;
};

bool transaction_allows(enum transaction_state from, enum transaction_state to)
{
    return arrows[from][to] || (to == TRANSACTION_FENCED && from != TRANSACTION_FENCED);
}

/* What /metrics calls the states: braid_transactions counts workers by it. */
static const char *const state_names[TRANSACTION_STATES] = {
    [TRANSACTION_IDLE] = "idle",
    [TRANSACTION_OPEN] = "open",
    [TRANSACTION_COMMITTING] = "committing",
    [TRANSACTION_UNKNOWN] = "unknown",
    [TRANSACTION_STORING] = "storing",
    [TRANSACTION_STORED] = "stored",
    [TRANSACTION_FAILED] = "failed",
    [TRANSACTION_ABORTING] = "aborting",
    [TRANSACTION_FENCED] = "fenced",
};

/* The only writer of `state`. */
static void move(struct transaction *transaction, enum transaction_state to)
{
    REQUIRE(transaction_allows(transaction->state, to));
    metric_add(transaction->states[transaction->state], -1);
    metric_add(transaction->states[to], 1);
    transaction->state = to;
}

/* A fenced session never works again; every other status is passed on as it is. */
static enum status outcome(struct transaction *transaction, enum status status)
{
    if (status == STATUS_FENCED) move(transaction, TRANSACTION_FENCED);
    return status;
}

struct changeset *transaction_changes(struct transaction *transaction)
{
    return transaction->open;
}

bool transaction_is_committing(const struct transaction *transaction)
{
    switch (transaction->state) {
    case TRANSACTION_COMMITTING:
    case TRANSACTION_UNKNOWN:
    case TRANSACTION_STORING:
    case TRANSACTION_STORED:
    case TRANSACTION_FAILED: return true;
    default: return false;
    }
}

bool transaction_is_empty(const struct transaction *transaction)
{
    return transaction->state == TRANSACTION_IDLE && transaction->open->events == 0 &&
           transaction->open->count == 0;
}

/* ---- the committer ---- */

/* Brings the stores up to what was committed. An unknown position keeps the old one: it may lag. */
static enum status store_closed(struct transaction *transaction, struct error *error)
{
    for (uint32_t i = 0; i < transaction->count; i++) {
        const struct closed_part *part = &transaction->closed_parts[i];
        struct commit_partition *committed = &transaction->parts[i];
        if (committed->position.next < 0) committed->position = part->task->position;
        TRY(transaction->shared->stores->commit(part->task->store, part->writes, part->writes_count,
                                                &committed->position, error));
    }
    return STATUS_OK;
}

/* Goes on with what became of the broker's commit, up to STORED, UNKNOWN or FAILED. */
static void carry_on(struct transaction *transaction, enum status status)
{
    if (status == STATUS_BUSY) {
        move(transaction, TRANSACTION_UNKNOWN);
        return;
    }
    if (status == STATUS_OK) {
        FAULT_POINT("committed");
        move(transaction, TRANSACTION_STORING);
        const int64_t begun_ns = clock_monotonic_ns();
        status = store_closed(transaction, &transaction->error);
        histogram_add(transaction->store_ns, clock_monotonic_ns() - begun_ns, 1);
    }
    transaction->status = status;
    if (status == STATUS_OK) FAULT_POINT("store_committed");
    move(transaction, status == STATUS_OK ? TRANSACTION_STORED : TRANSACTION_FAILED);
}

static void commit_closed(void *context)
{
    struct transaction *transaction = context;
    const int64_t begun_ns = clock_monotonic_ns();
    const enum status status = transaction->shared->ops->commit(
        transaction->session, transaction->parts, transaction->count, &transaction->error);
    histogram_add(transaction->commit_ns, clock_monotonic_ns() - begun_ns, 1);
    carry_on(transaction, status);
}

/* ---- the worker: what a transaction sends ---- */

enum status transaction_begin(struct transaction *transaction, struct error *error)
{
    const struct broker_ops *ops = transaction->shared->ops;
    REQUIRE(!transaction_is_committing(transaction));
    if (transaction->state != TRANSACTION_OPEN) {
        TRY(outcome(transaction, ops->begin(transaction->session, error)));
        move(transaction, TRANSACTION_OPEN);
        FAULT_POINT("transaction_begun");
    }
    return outcome(transaction,
                   outbox_send(&transaction->outbox, ops, transaction->session, error));
}

enum status transaction_send(struct transaction *transaction, const struct record *record,
                             bool *fullp, struct error *error)
{
    *fullp = false;
    if (outbox_add(&transaction->outbox, record)) return STATUS_OK;
    *fullp = transaction_is_committing(transaction);
    if (*fullp) return STATUS_OK;
    TRY(transaction_begin(transaction, error));
    REQUIRE(outbox_add(&transaction->outbox, record));
    return STATUS_OK;
}

/* Sends what the store will get, in the same order and the same bytes. */
static enum status send_history(struct transaction *transaction, uint32_t partition,
                                const struct closed_part *part, struct error *error)
{
    uint8_t key[HISTORY_KEY_MAX];
    for (size_t i = 0; i < part->writes_count; i++) {
        const struct store_write *write = &part->writes[i];
        for (uint64_t chunk = write->key.chunk; chunk <= write->key.chunk + write->chunks_after;
             chunk++) {
            const struct record record = {
                .kind = RECORD_HISTORY,
                .partition = partition,
                .key = {key, history_key_encode(write->key.user, chunk, key)},
                .value = write->value,
            };
            TRY(transaction->shared->ops->send(transaction->session, &record, error));
        }
    }
    return STATUS_OK;
}

/* Up to where a task's source is done with: after its last event, and what is no event behind it. */
static int64_t next_offset(const struct transaction *transaction, const struct task *task)
{
    int64_t passed = transaction->shared->ops->position(transaction->session, task->partition);
    return passed > task->next_offset ? passed : task->next_offset;
}

static struct history_seal next_seal(const struct transaction *transaction, const struct task *task)
{
    struct history_seal seal = transaction->shared->seal;
    seal.number = task->seal.number + 1;
    seal.range = task->seal.range;
    seal.range.unsealed = false;
    seal.next_offset = next_offset(transaction, task);
    seal.next_profile = task->next_profile;
    seal.next_erasure = task_next_erasure(task);
    seal.target = interest_model_generation(transaction->model);
    seal.generation = task->unswept ? task->seal.generation : seal.target;
    seal.checkpoint = interest_model_fingerprint(transaction->model);
    seal.watermark_ms = task->clock_ms;
    return seal;
}

/* Nothing was sealed before the first seal, and its generations are nobody's. */
static bool says_more(const struct history_seal *seal, const struct history_seal *before)
{
    if (seal->next_offset > before->next_offset || before->range.unsealed) return true;
    if (seal->next_profile > before->next_profile) return true;
    if (seal->next_erasure > before->next_erasure) return true;
    return before->number > 0 &&
           (seal->generation != before->generation || seal->target != before->target);
}

/* Freezes what the partitions that came further or changed will be: their writes and their seals. */
static void close_parts(struct transaction *transaction)
{
    uint32_t count;
    struct task *const *tasks = assignment_live(transaction->assignment, &count);
    transaction->count = 0;
    for (uint32_t t = 0; t < count; t++) {
        struct task *task = tasks[t];
        const struct history_seal seal = next_seal(transaction, task);
        const bool held = task->next_erasure > seal.next_erasure; /* by who is still sought */
        const bool changed = task->changes.count > 0 || task->receipts || held;
        if (!says_more(&seal, &task->seal) && !changed) continue;
        struct closed_part *part = &transaction->closed_parts[transaction->count];
        part->task = task;
        part->writes = changeset_writes(transaction->open, &task->changes, &part->writes_count);
        task->changes = (struct change_list){0};
        task->receipts = false;
        transaction->parts[transaction->count++] = (struct commit_partition){
            .partition = task->partition,
            .seal = seal,
            .position.next = -1,
        };
    }
}

static enum status send_all(struct transaction *transaction, struct error *error)
{
    TRY(publisher_send(transaction->publisher, transaction->open, error));
    for (uint32_t i = 0; i < transaction->count; i++) {
        TRY(send_history(transaction, transaction->parts[i].partition,
                         &transaction->closed_parts[i], error));
    }
    return transaction->shared->ops->seal(transaction->session, transaction->parts,
                                          transaction->count, error);
}

/* The open changeset is closed now, and the other one gathers. */
static void exchange_changesets(struct transaction *transaction)
{
    transaction->closed = transaction->open;
    transaction->open = &transaction->sets[transaction->closed == &transaction->sets[0]];
    changeset_clear(transaction->open);
    cache_close_dirty(transaction->cache);
}

enum status transaction_commit(struct transaction *transaction, struct error *error)
{
    TRY(transaction_begin(transaction, error));
    const int64_t begun_ns = clock_monotonic_ns();
    close_parts(transaction);
    TRY(outcome(transaction, send_all(transaction, error)));
    histogram_add(transaction->produce_ns, clock_monotonic_ns() - begun_ns, 1);
    exchange_changesets(transaction);
    FAULT_POINT("changeset_closed");
    move(transaction, TRANSACTION_COMMITTING);
    committer_start(transaction->committer);
    return STATUS_OK;
}

/* ---- the worker: what became of it ---- */

enum status transaction_finish(struct transaction *transaction, bool wait,
                               const struct changeset **finishedp, struct error *error)
{
    *finishedp = NULL;
    if (!transaction_is_committing(transaction)) return STATUS_OK;
    if (!wait && committer_busy(transaction->committer)) return STATUS_OK;
    committer_wait(transaction->committer);
    if (transaction->state == TRANSACTION_UNKNOWN) {
        carry_on(transaction,
                 transaction->shared->ops->settle(transaction->session, transaction->parts,
                                                  transaction->count, &transaction->error));
    }
    if (transaction->state == TRANSACTION_FAILED) {
        if (error) *error = transaction->error;
        return outcome(transaction, transaction->status);
    }
    for (uint32_t i = 0; i < transaction->count; i++) {
        struct task *task = transaction->closed_parts[i].task;
        task->seal = transaction->parts[i].seal;
        task->position = transaction->parts[i].position;
        task_show_seal(task);
    }
    cache_clean(transaction->cache);
    *finishedp = transaction->closed;
    move(transaction, TRANSACTION_IDLE);
    FAULT_POINT("commit_finished");
    return STATUS_OK;
}

enum status transaction_abort(struct transaction *transaction, struct error *error)
{
    move(transaction, TRANSACTION_ABORTING);
    cache_drop_dirty(transaction->cache);
    changeset_clear(transaction->open);
    outbox_clear(&transaction->outbox);
    uint32_t count;
    struct task *const *tasks = assignment_live(transaction->assignment, &count);
    for (uint32_t t = 0; t < count; t++) {
        tasks[t]->changes = (struct change_list){0};
        tasks[t]->receipts = false;
        const struct history_seal *seal = &tasks[t]->seal;
        tasks[t]->next_offset = seal->next_offset;
        tasks[t]->clock_ms = seal->number ? seal->watermark_ms : HISTORY_NO_TIME;
        tasks[t]->next_profile = seal->next_profile;
        tasks[t]->next_erasure = seal->next_erasure;
    }
    TRY(outcome(transaction, transaction->shared->ops->abort(transaction->session, error)));
    move(transaction, TRANSACTION_IDLE);
    return STATUS_OK;
}

/* ---- opening and closing ---- */

size_t transaction_size(const struct config *config, const struct interest_model *model)
{
    return sizeof(struct transaction) + outbox_size(config) + publisher_size(config, model);
}

static enum status transaction_open_parts(struct transaction *transaction, struct error *error)
{
    const struct job_shared *shared = transaction->shared;
    for (int i = 0; i < 2; i++) {
        TRY(changeset_open(&transaction->sets[i], shared->plan->users_max,
                           shared->plan->behaviors_max, error));
    }
    TRY(outbox_open(&transaction->outbox, shared->config, error));
    TRY(publisher_open(&transaction->publisher, shared->config, transaction->model, shared->ops,
                       transaction->session, error));
    return committer_open(&transaction->committer, commit_closed, transaction, error);
}

enum status transaction_open(struct transaction **transactionp, const struct job_shared *shared,
                             const struct interest_model *model, struct session *session,
                             struct assignment *assignment, struct state_cache *cache,
                             struct error *error)
{
    *transactionp = NULL;
    struct transaction *transaction = calloc(1, sizeof *transaction);
    if (!transaction) return error_set(error, STATUS_IO, "out of memory: a transaction");
    transaction->shared = shared;
    transaction->model = model;
    transaction->session = session;
    transaction->assignment = assignment;
    transaction->cache = cache;
    transaction->open = &transaction->sets[0];
    const uint32_t bounds = sizeof commit_bounds / sizeof *commit_bounds;
    transaction->produce_ns = histograms_get("braid_produce_seconds", commit_bounds, bounds);
    transaction->commit_ns = histograms_get("braid_commit_seconds", commit_bounds, bounds);
    transaction->store_ns = histograms_get("braid_store_commit_seconds", commit_bounds, bounds);
    for (int i = 0; i < TRANSACTION_STATES; i++) {
        transaction->states[i] = metrics_get("braid_transactions", "state", state_names[i]);
    }
    metric_add(transaction->states[transaction->state], 1);
    enum status status = transaction_open_parts(transaction, error);
    if (status != STATUS_OK) {
        transaction_close(transaction);
        return status;
    }
    *transactionp = transaction;
    return STATUS_OK;
}

void transaction_close(struct transaction *transaction)
{
    if (!transaction) return;
    committer_close(transaction->committer);
    metric_add(transaction->states[transaction->state], -1);
    publisher_close(transaction->publisher);
    outbox_close(&transaction->outbox);
    changeset_close(&transaction->sets[0]);
    changeset_close(&transaction->sets[1]);
    free(transaction);
}

/* transaction.c - the table of legal transitions, and the one commit order. */
#include "stream/job/transaction.h"

#include "base/fault.h"

static const bool arrows[TRANSACTION_STATES][TRANSACTION_STATES] = {
    [TRANSACTION_IDLE] = {[TRANSACTION_OPEN] = true, [TRANSACTION_FENCED] = true},
    [TRANSACTION_OPEN] = {[TRANSACTION_COMMITTING] = true,
                          [TRANSACTION_ABORTING] = true,
                          [TRANSACTION_FENCED] = true},
    [TRANSACTION_COMMITTING] =
        {[TRANSACTION_STORING] = true, [TRANSACTION_ABORTING] = true, [TRANSACTION_FENCED] = true},
    [TRANSACTION_STORING] = {[TRANSACTION_IDLE] = true, [TRANSACTION_FENCED] = true},
    [TRANSACTION_ABORTING] = {[TRANSACTION_IDLE] = true, [TRANSACTION_FENCED] = true},
};

bool transaction_allows(enum transaction_state from, enum transaction_state to)
{
    return arrows[from][to];
}

/* The only writer of `state`. */
static void move(struct transaction *transaction, enum transaction_state to)
{
    REQUIRE(transaction_allows(transaction->state, to));
    transaction->state = to;
}

/* A fenced session never works again; every other status is passed on as it is. */
static enum status outcome(struct transaction *transaction, enum status status)
{
    if (status == STATUS_FENCED) move(transaction, TRANSACTION_FENCED);
    return status;
}

enum status transaction_begin(struct transaction *transaction, struct error *error)
{
    if (transaction->state == TRANSACTION_OPEN) return STATUS_OK;
    TRY(outcome(transaction, transaction->ops->begin(transaction->session, error)));
    move(transaction, TRANSACTION_OPEN);
    FAULT_POINT("transaction_begun");
    return STATUS_OK;
}

/* Sends what the store will get, in the same order and the same bytes. */
static enum status send_history(struct transaction *transaction, struct task *task,
                                struct error *error)
{
    uint8_t key[HISTORY_KEY_MAX];
    for (size_t i = 0; i < task->writes_count; i++) {
        const struct store_write *write = &task->writes[i];
        for (uint64_t chunk = write->key.chunk; chunk <= write->key.chunk + write->chunks_after;
             chunk++) {
            const struct record record = {
                .kind = RECORD_HISTORY,
                .partition = task->partition,
                .key = {key, history_key_encode(write->key.user, chunk, key)},
                .value = write->value,
            };
            TRY(transaction->ops->send(transaction->session, &record, error));
        }
    }
    return STATUS_OK;
}

static enum status send_all(struct transaction *transaction, struct error *error)
{
    TRY(publisher_send(transaction->publisher, transaction->set, error));
    uint32_t count;
    struct task *const *tasks = assignment_live(transaction->assignment, &count);
    for (uint32_t t = 0; t < count; t++) {
        tasks[t]->writes =
            changeset_writes(transaction->set, &tasks[t]->changes, &tasks[t]->writes_count);
        TRY(send_history(transaction, tasks[t], error));
    }
    return STATUS_OK;
}

/* The seals of the partitions that got events. Returns how many. */
static uint32_t seal_partitions(struct transaction *transaction)
{
    uint32_t count, sealed = 0;
    struct task *const *tasks = assignment_live(transaction->assignment, &count);
    for (uint32_t t = 0; t < count; t++) {
        const struct task *task = tasks[t];
        if (task->next_offset <= task->seal.next_offset) continue;
        transaction->parts[sealed] = (struct commit_partition){
            .partition = task->partition,
            .seal = *transaction->seal,
            .position.next = -1,
        };
        struct history_seal *seal = &transaction->parts[sealed++].seal;
        seal->number = task->seal.number + 1;
        seal->next_offset = task->next_offset;
    }
    return sealed;
}

/* Brings the stores up to what was committed. An unknown position keeps the old one: it may lag. */
static enum status store_all(struct transaction *transaction, uint32_t sealed, struct error *error)
{
    for (uint32_t i = 0; i < sealed; i++) {
        const struct commit_partition *part = &transaction->parts[i];
        struct task *task = assignment_task(transaction->assignment, part->partition);
        task->seal = part->seal;
        if (part->position.next >= 0) task->position = part->position;
        TRY(transaction->stores->commit(task->store, task->writes, task->writes_count,
                                        &task->position, error));
    }
    return STATUS_OK;
}

/* Forgets the changeset, in it and in the tasks. */
static void forget_changes(struct transaction *transaction)
{
    uint32_t count;
    struct task *const *tasks = assignment_live(transaction->assignment, &count);
    for (uint32_t t = 0; t < count; t++) {
        tasks[t]->changes = (struct change_list){0};
        tasks[t]->writes = NULL;
        tasks[t]->writes_count = 0;
    }
    changeset_clear(transaction->set);
}

enum status transaction_commit(struct transaction *transaction, struct error *error)
{
    TRY(transaction_begin(transaction, error));
    move(transaction, TRANSACTION_COMMITTING);
    TRY(outcome(transaction, send_all(transaction, error)));
    uint32_t sealed = seal_partitions(transaction);
    TRY(outcome(transaction,
                transaction->ops->commit(transaction->session, transaction->parts, sealed, error)));
    FAULT_POINT("committed");
    move(transaction, TRANSACTION_STORING);
    TRY(store_all(transaction, sealed, error));
    FAULT_POINT("store_committed");
    cache_clean(transaction->cache);
    forget_changes(transaction);
    move(transaction, TRANSACTION_IDLE);
    return STATUS_OK;
}

enum status transaction_abort(struct transaction *transaction, struct error *error)
{
    move(transaction, TRANSACTION_ABORTING);
    cache_drop_dirty(transaction->cache);
    forget_changes(transaction);
    uint32_t count;
    struct task *const *tasks = assignment_live(transaction->assignment, &count);
    for (uint32_t t = 0; t < count; t++) {
        tasks[t]->next_offset = tasks[t]->seal.next_offset;
    }
    TRY(outcome(transaction, transaction->ops->abort(transaction->session, error)));
    move(transaction, TRANSACTION_IDLE);
    return STATUS_OK;
}

/* log_compaction.c - two scans of a store, slice by slice, into a new log. */
#include "stream/job/log_compaction.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

enum { SLICE = 50000 /* entries of one view, which holds on to deleted files */ };

struct log_compaction {
    const struct broker_ops *ops;
    struct broker *broker;
    struct session *session;
    const struct store_ops *stores;
    pthread_t thread;
    bool running;      /* a thread was started and not yet joined */
    atomic_bool ready; /* it has ended */
    atomic_bool cancel;

    /* of the log under way: */
    struct store *store;
    uint32_t partition;
    struct store_position start;
    struct history_seal seal;
    struct history_rewrite *rewrite;
    enum status status;
    struct error error;

    /* of the slice under way: */
    uint32_t visited;
    uint8_t last_user[HISTORY_USER_SIZE_MAX];
    struct store_key last;
};

enum status log_compaction_open(struct log_compaction **compactionp, const struct broker_ops *ops,
                                struct broker *broker, struct session *session,
                                const struct store_ops *stores, struct error *error)
{
    *compactionp = calloc(1, sizeof **compactionp);
    if (!*compactionp) return error_set(error, STATUS_IO, "out of memory: log compaction");
    (*compactionp)->ops = ops;
    (*compactionp)->broker = broker;
    (*compactionp)->session = session;
    (*compactionp)->stores = stores;
    return STATUS_OK;
}

void log_compaction_close(struct log_compaction *compaction)
{
    if (!compaction) return;
    if (compaction->running) {
        atomic_store(&compaction->cancel, true);
        pthread_join(compaction->thread, NULL);
        compaction->ops->rewrite_close(compaction->rewrite);
    }
    free(compaction);
}

/* ---- the thread ---- */

/* Adds an entry of the store to the new log. Stops the scan at a slice's end, or if it failed. */
static bool add_entry(void *context, const struct store_key *key, struct bytes value)
{
    struct log_compaction *compaction = context;
    uint8_t log_key[HISTORY_KEY_MAX];
    struct history history;
    compaction->status = history_decode(&history, value, &compaction->error);
    if (compaction->status != STATUS_OK) return false;
    uint64_t chunk = history.first / HISTORY_CHUNK_BEHAVIORS;
    struct bytes at = {log_key, history_key_encode(key->user, chunk, log_key)};
    compaction->status =
        compaction->ops->rewrite_add(compaction->rewrite, at, value, &compaction->error);
    if (compaction->status != STATUS_OK) return false;

    memcpy(compaction->last_user, key->user.at, key->user.size);
    compaction->last = (struct store_key){{compaction->last_user, key->user.size}, key->chunk};
    return ++compaction->visited < SLICE && !atomic_load(&compaction->cancel);
}

/* Adds a whole space. A slice begins with the last one's last entry again, which does no harm. */
static enum status add_space(struct log_compaction *compaction, enum store_space space)
{
    struct store_key start;
    bool more = false;
    do {
        compaction->visited = 0;
        start = compaction->last;
        TRY(compaction->stores->scan(compaction->store, space, more ? &start : NULL, add_entry,
                                     compaction, &compaction->error));
        TRY(compaction->status);
        if (atomic_load(&compaction->cancel)) return STATUS_END;
        more = true;
    } while (compaction->visited == SLICE);
    return STATUS_OK;
}

static enum status rewrite(struct log_compaction *compaction)
{
    TRY(compaction->ops->rewrite_open(&compaction->rewrite, compaction->broker,
                                      compaction->partition, &compaction->start,
                                      &compaction->error));
    /* In a log the last record of a user must be the one with its open chunk. */
    TRY(add_space(compaction, STORE_CHUNKS));
    TRY(add_space(compaction, STORE_USERS));
    return compaction->ops->rewrite_finish(compaction->broker, compaction->rewrite,
                                           &compaction->seal, &compaction->error);
}

static void *compaction_run(void *context)
{
    struct log_compaction *compaction = context;
    compaction->status = rewrite(compaction);
    atomic_store(&compaction->ready, true);
    return NULL;
}

/* ---- the worker ---- */

static enum status compaction_begin(struct log_compaction *compaction, const struct task *task,
                                    struct error *error)
{
    compaction->store = task->store;
    compaction->partition = task->partition;
    compaction->start = task->position;
    compaction->seal = task->seal;
    compaction->rewrite = NULL;
    compaction->status = STATUS_OK;
    atomic_store(&compaction->ready, false);
    int failed = pthread_create(&compaction->thread, NULL, compaction_run, compaction);
    if (failed) {
        return error_set(error, STATUS_IO, "starting log compaction: %s", strerror(failed));
    }
    compaction->running = true;
    return STATUS_OK;
}

static enum status compaction_install(struct log_compaction *compaction, struct error *error)
{
    pthread_join(compaction->thread, NULL);
    compaction->running = false;
    if (compaction->status != STATUS_OK) {
        compaction->ops->rewrite_close(compaction->rewrite);
        if (error) *error = compaction->error;
        return compaction->status;
    }
    log_info("history log compacted", log_int("partition", compaction->partition),
             log_int("was", compaction->start.next));
    return compaction->ops->rewrite_install(compaction->session, compaction->rewrite, error);
}

enum status log_compaction_step(struct log_compaction *compaction, struct task *const *tasks,
                                uint32_t count, struct error *error)
{
    if (!compaction->ops->rewrite_due) return STATUS_OK;
    if (compaction->running) {
        return atomic_load(&compaction->ready) ? compaction_install(compaction, error) : STATUS_OK;
    }
    for (uint32_t t = 0; t < count; t++) {
        if (!compaction->ops->rewrite_due(compaction->session, tasks[t]->partition)) continue;
        return compaction_begin(compaction, tasks[t], error);
    }
    return STATUS_OK;
}

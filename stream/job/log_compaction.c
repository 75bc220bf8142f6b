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

enum status log_rewriter_open(struct log_compaction **rewriterp, const struct broker_ops *ops,
                              struct broker *broker, struct session *session,
                              const struct store_ops *stores, struct error *error)
{
    *rewriterp = calloc(1, sizeof **rewriterp);
    if (!*rewriterp) return error_set(error, STATUS_IO, "out of memory: a log rewriter");
    (*rewriterp)->ops = ops;
    (*rewriterp)->broker = broker;
    (*rewriterp)->session = session;
    (*rewriterp)->stores = stores;
    return STATUS_OK;
}

void log_rewriter_close(struct log_compaction *rewriter)
{
    if (!rewriter) return;
    if (rewriter->running) {
        atomic_store(&rewriter->cancel, true);
        pthread_join(rewriter->thread, NULL);
        rewriter->ops->rewrite_close(rewriter->rewrite);
    }
    free(rewriter);
}

/* ---- the thread ---- */

/* Adds an entry of the store to the new log. Stops the scan at a slice's end, or if it failed. */
static bool add_entry(void *context, const struct store_key *key, struct bytes value)
{
    struct log_compaction *rewriter = context;
    uint8_t log_key[HISTORY_KEY_MAX];
    struct history history;
    rewriter->status = history_decode(&history, value, &rewriter->error);
    if (rewriter->status != STATUS_OK) return false;
    uint64_t chunk = history.first / HISTORY_CHUNK_BEHAVIORS;
    struct bytes at = {log_key, history_key_encode(key->user, chunk, log_key)};
    rewriter->status = rewriter->ops->rewrite_add(rewriter->rewrite, at, value, &rewriter->error);
    if (rewriter->status != STATUS_OK) return false;

    memcpy(rewriter->last_user, key->user.at, key->user.size);
    rewriter->last = (struct store_key){{rewriter->last_user, key->user.size}, key->chunk};
    return ++rewriter->visited < SLICE && !atomic_load(&rewriter->cancel);
}

/* Adds a whole space. A slice begins with the last one's last entry again, which does no harm. */
static enum status add_space(struct log_compaction *rewriter, enum store_space space)
{
    struct store_key start;
    bool more = false;
    do {
        rewriter->visited = 0;
        start = rewriter->last;
        TRY(rewriter->stores->scan(rewriter->store, space, more ? &start : NULL, add_entry,
                                   rewriter, &rewriter->error));
        TRY(rewriter->status);
        if (atomic_load(&rewriter->cancel)) return STATUS_END;
        more = true;
    } while (rewriter->visited == SLICE);
    return STATUS_OK;
}

static enum status rewrite(struct log_compaction *rewriter)
{
    TRY(rewriter->ops->rewrite_open(&rewriter->rewrite, rewriter->broker, rewriter->partition,
                                    &rewriter->start, &rewriter->error));
    /* In a log the last record of a user must be the one with his open chunk. */
    TRY(add_space(rewriter, STORE_CHUNKS));
    TRY(add_space(rewriter, STORE_USERS));
    return rewriter->ops->rewrite_finish(rewriter->broker, rewriter->rewrite, &rewriter->seal,
                                         &rewriter->error);
}

static void *run(void *context)
{
    struct log_compaction *rewriter = context;
    rewriter->status = rewrite(rewriter);
    atomic_store(&rewriter->ready, true);
    return NULL;
}

/* ---- the worker ---- */

static enum status begin(struct log_compaction *rewriter, const struct task *task,
                         struct error *error)
{
    rewriter->store = task->store;
    rewriter->partition = task->partition;
    rewriter->start = task->position;
    rewriter->seal = task->seal;
    rewriter->rewrite = NULL;
    rewriter->status = STATUS_OK;
    atomic_store(&rewriter->ready, false);
    int failed = pthread_create(&rewriter->thread, NULL, run, rewriter);
    if (failed) {
        return error_set(error, STATUS_IO, "starting a log rewrite: %s", strerror(failed));
    }
    rewriter->running = true;
    return STATUS_OK;
}

static enum status install(struct log_compaction *rewriter, struct error *error)
{
    pthread_join(rewriter->thread, NULL);
    rewriter->running = false;
    if (rewriter->status != STATUS_OK) {
        rewriter->ops->rewrite_close(rewriter->rewrite);
        if (error) *error = rewriter->error;
        return rewriter->status;
    }
    log_info("history log rewritten", log_int("partition", rewriter->partition),
             log_int("was", rewriter->start.next));
    return rewriter->ops->rewrite_install(rewriter->session, rewriter->rewrite, error);
}

enum status log_rewriter_step(struct log_compaction *rewriter, struct task *const *tasks,
                              uint32_t count, struct error *error)
{
    if (!rewriter->ops->rewrite_due) return STATUS_OK;
    if (rewriter->running) {
        return atomic_load(&rewriter->ready) ? install(rewriter, error) : STATUS_OK;
    }
    for (uint32_t t = 0; t < count; t++) {
        if (!rewriter->ops->rewrite_due(rewriter->session, tasks[t]->partition)) continue;
        return begin(rewriter, tasks[t], error);
    }
    return STATUS_OK;
}

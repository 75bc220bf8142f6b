/*
 * purge.c - until no file has those who were erased.
 *
 * RocksDB keeps what was deleted until its files are written anew. That is done on a thread, now and
 * then (state.erase_interval), of the whole store, since only the hashes are known any more when a
 * process has died; then the receipts go into the topic. A store that was rebuilt from a log which still
 * says who is gone has that in its files as well, receipt or not.
 */
#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "stream/job/processor_parts.h"
#include "stream/source/erasure/erase_request.h"

enum { STEP_RECEIPTS = 1024 }; /* sent between two polls, at most */

/* The thread. */
static void *run_purge(void *context)
{
    struct purge *purge = context;
    purge->status = purge->stores->purge(purge->store, &purge->error);
    atomic_store(&purge->ready, true);
    return NULL;
}

static enum status begin_purge(struct processor *processor, struct task *task, struct error *error)
{
    struct purge *purge = &processor->purge;
    cuts_move(&task->cuts, CUT_KEPT, CUT_PURGED);
    task->unpurged = false;
    purge->stores = processor->shared->stores;
    purge->store = task->store;
    purge->partition = task->partition;
    purge->begun_ns = task->purged_ns = clock_monotonic_ns();
    atomic_store(&purge->ready, false);
    const int failed = pthread_create(&purge->thread, NULL, run_purge, purge);
    if (failed) return error_set(error, STATUS_IO, "starting a purge: %s", strerror(failed));
    purge->running = true;
    return STATUS_OK;
}

static enum status send_receipts(struct processor *processor, struct task *task,
                                 struct error *error)
{
    struct cuts *cuts = &task->cuts;
    const int64_t now_ms = clock_wall_ms();
    struct user_cut *cut;
    for (uint32_t at = 0, sent = 0; sent < STEP_RECEIPTS; sent++) {
        if ((cut = cuts_next(cuts, CUT_PURGED, &at)) == NULL) break;
        const struct erase_record told = {
            .hash = cut->hash,
            .cut_ms = cut->ms,
            .gone_ms = now_ms,
            .topics_gone_ms = cuts->topics_ms > 0 ? now_ms + cuts->topics_ms : 0,
        };
        TRY(erasure_tell(processor, task->partition, &told, error));
        cut_move(cuts, cut, CUT_TOLD);
    }
    task->receipts = true;
    processor->ops->gather(processor->session);
    return STATUS_OK;
}

static enum status end_purge(struct processor *processor, struct error *error)
{
    struct purge *purge = &processor->purge;
    const struct task *task = assignment_task(processor->assignment, purge->partition);
    pthread_join(purge->thread, NULL);
    purge->running = false;
    if (purge->status != STATUS_OK) {
        if (error) *error = purge->error;
        return purge->status;
    }
    log_info("erased users are gone from a store", log_int("partition", purge->partition),
             log_int("users", task->cuts.of_stage[CUT_PURGED]),
             log_real("seconds", (double)(clock_monotonic_ns() - purge->begun_ns) / 1e9));
    FAULT_POINT("erasure_purged");
    return STATUS_OK;
}

enum status purge_step(struct processor *processor, struct error *error)
{
    uint32_t count;
    struct purge *purge = &processor->purge;
    if (!*processor->config->source.erase) return STATUS_OK;
    if (purge->running) {
        return atomic_load(&purge->ready) ? end_purge(processor, error) : STATUS_OK;
    }
    const int64_t now_ns = clock_monotonic_ns();
    const int64_t interval_ns = processor->config->state.erase_interval_ms * INT64_C(1000000);
    struct task *const *tasks = assignment_live(processor->assignment, &count);
    for (uint32_t t = 0; t < count; t++) {
        struct task *task = tasks[t];
        if (task->cuts.of_stage[CUT_PURGED] > 0) return send_receipts(processor, task, error);
        if (task->purged_ns > 0 && now_ns - task->purged_ns < interval_ns) continue;
        if (task->cuts.of_stage[CUT_KEPT] > 0 || task->unpurged)
            return begin_purge(processor, task, error);
    }
    return STATUS_OK;
}

void purge_drop(struct processor *processor, const uint32_t *partitions, uint32_t count)
{
    struct purge *purge = &processor->purge;
    for (uint32_t i = 0; purge->running && i < count; i++) {
        if (partitions[i] != purge->partition) continue;
        purge->stores->cancel_purge(purge->store);
        pthread_join(purge->thread, NULL);
        purge->running = false;
    }
}

void purge_end(struct processor *processor)
{
    if (processor->purge.running) purge_drop(processor, &processor->purge.partition, 1);
}

/*
 * processor_steps.c - the steps that a worker's loop shares with those who move users or end their
 * lives beside it: a batch of users, a commit, and what depends on the generation.
 */
#include "base/checksum.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "stream/job/processor_parts.h"
#include "stream/job/publisher.h"

/* ---- a batch ---- */

void processor_begin_batch(struct processor *processor)
{
    processor->polls++;
    processor->accepted = processor->changed_count = processor->missing_count = 0;
}

struct cached_user *processor_admit(struct processor *processor, struct task *task, struct bytes id,
                                    uint64_t hash)
{
    struct cached_user *user = cache_find(processor->cache, task->partition, id, hash);
    bool missing = !user;
    if (missing) user = cache_insert(processor->cache, task->partition, id, hash);
    REQUIRE(user != NULL); /* the memory plan keeps transactions smaller than the cache */

    struct change *change = changeset_touch(transaction_changes(processor->transaction),
                                            processor->cache, user, &task->changes);
    if (user->mark != processor->polls) {
        user->mark = processor->polls;
        processor->changed[processor->changed_count++] = change;
    }
    if (missing) processor->missing[processor->missing_count++] = change;
    return user;
}

/* ---- partitions that may have users of an older generation than the one that serves ---- */

static bool seal_is_behind(const struct processor *processor, const struct task *task)
{
    return task->seal.number > 0 && task->seal.generation != processor->generation->number;
}

void unswept_note(struct processor *processor, uint32_t behind)
{
    metric_add(processor->shared->behind, (int64_t)behind - processor->behind);
    processor->behind = behind;
}

void unswept_mark(struct processor *processor)
{
    uint32_t count, behind = 0;
    struct task *const *tasks = assignment_live(processor->assignment, &count);
    for (uint32_t t = 0; t < count; t++) {
        tasks[t]->unswept = seal_is_behind(processor, tasks[t]);
        behind += tasks[t]->unswept;
    }
    if (!processor->sweeper) return; /* the seals go on saying that it is to be done */
    if (!processor->sweeping) {      /* time without anybody to move has saved up nothing */
        processor->sweep_rate = (struct sweep_rate){0};
    }
    processor->sweeping = behind > 0;
    unswept_note(processor, behind);
    sweeper_restart(processor->sweeper);
}

void unswept_committed(struct processor *processor, const struct changeset *set)
{
    metric_add(processor->shared->swept, (int64_t)set->swept);
    if (set->swept > 0) FAULT_POINT("sweep_committed");
    if (!processor->sweeping) return;
    uint32_t count, behind = 0;
    struct task *const *tasks = assignment_live(processor->assignment, &count);
    for (uint32_t t = 0; t < count; t++) {
        behind += seal_is_behind(processor, tasks[t]);
    }
    unswept_note(processor, behind);
    if (behind > 0) return;
    processor->sweeping = false;
    log_info("everybody is of the generation that serves",
             log_int("generation", (int64_t)processor->generation->number),
             log_int("partitions", count));
}

/* ---- a commit ---- */

static void count_committed(struct processor *processor, const struct changeset *set)
{
    const struct job_shared *shared = processor->shared;
    for (int verdict = 0; verdict < EVENT_VERDICTS; verdict++) {
        metric_add(shared->events[verdict], (int64_t)set->verdicts[verdict]);
    }
    metric_add(shared->late, (int64_t)set->late);
    if (set->worst.by_ms > processor->worst_late.by_ms) processor->worst_late = set->worst;
    metric_add(shared->odd_categories, (int64_t)set->odd_categories);
    if (interest_model_generation(processor->model) > 0) { /* 0 knows nothing */
        metric_add(shared->unknown, (int64_t)set->unknown);
    }
    if (publisher_sends(processor->config, processor->model)) {
        metric_add(shared->records, (int64_t)set->count - set->unchanged - set->silent);
    }
    metric_add(shared->commits, 1);
}

/* A flush is due by time or by bytes of log, and at once when the log was replaced. */
static bool flush_due(const struct config *config, const struct task *task, int64_t now_ns)
{
    if (task->position.log != task->flushed.log) return true;
    int64_t behind = task->position.next - task->flushed.next;
    int64_t interval_ns = config->state.flush_interval_ms * INT64_C(1000000);
    if (behind == 0) return false;
    return now_ns - task->flushed_ns >= interval_ns || behind >= (int64_t)config->state.flush_size;
}

/* Bounds how much of the log a restart must read again. */
static enum status flush_stores(struct processor *processor, int64_t now_ns, struct error *error)
{
    uint32_t count;
    struct task *const *tasks = assignment_live(processor->assignment, &count);
    for (uint32_t t = 0; t < count; t++) {
        struct task *task = tasks[t];
        if (!flush_due(processor->config, task, now_ns)) continue;
        TRY(processor->shared->stores->flush(task->store, false, error));
        task->flushed_ns = now_ns;
        task->flushed = task->position;
        FAULT_POINT("store_flushed");
    }
    return STATUS_OK;
}

enum status processor_finish(struct processor *processor, enum patience patience,
                             struct error *error)
{
    const struct changeset *finished;
    TRY(transaction_finish(processor->transaction, patience == WAIT, &finished, error));
    if (!finished) return STATUS_OK;
    count_committed(processor, finished);
    worker_metrics_committed(processor, finished);
    unswept_committed(processor, finished);
    metric_add(processor->shared->expired, (int64_t)finished->expired);
    if (finished->expired > 0) FAULT_POINT("expiry_committed");
    erasure_committed(processor, finished);
    int64_t now_ns = clock_monotonic_ns();
    TRY(snapshot_writer_write_copies(processor->snapshots, error));
    TRY(snapshot_writer_background(processor->snapshots, processor->cache, now_ns, error));
    TRY(flush_stores(processor, now_ns, error));
    uint32_t count;
    struct task *const *tasks = assignment_live(processor->assignment, &count);
    return log_compaction_step(processor->compaction, tasks, count, error);
}

enum status processor_commit(struct processor *processor, struct error *error)
{
    TRY(processor_finish(processor, WAIT, error));
    erasure_closed(processor);
    snapshot_writer_copy(processor->snapshots, transaction_changes(processor->transaction),
                         clock_monotonic_ns());
    return transaction_commit(processor->transaction, error);
}

enum status processor_send(struct processor *processor, const struct record *record,
                           struct error *error)
{
    bool full;
    TRY(transaction_send(processor->transaction, record, &full, error));
    if (!full) return STATUS_OK;
    TRY(processor_finish(processor, WAIT, error));
    return transaction_send(processor->transaction, record, &full, error);
}

/* ---- what depends on the generation ---- */

void processor_close_model(struct processor *processor, bool keep_states)
{
    transaction_close(processor->transaction);
    absorber_close(processor->absorber);
    user_loader_close(processor->loader);
    processor->transaction = NULL;
    processor->absorber = NULL;
    processor->loader = NULL;
    if (keep_states) return;
    cache_close(processor->cache);
    snapshot_writer_close(processor->snapshots);
    processor->cache = NULL;
    processor->snapshots = NULL;
}

/* A cache that is empty gets its users back from the stores. */
static enum status open_states(struct processor *processor, struct error *error)
{
    const struct job_shared *shared = processor->shared;
    TRY(snapshot_writer_open(&processor->snapshots, shared->config, processor->model,
                             shared->stores, processor->assignment, error));
    return cache_open(
        &processor->cache, shared->plan->cache_users, interest_model_state_size(processor->model),
        shared->config->source.id_size_max, snapshot_writer_evicted, processor->snapshots, error);
}

enum status processor_open_model(struct processor *processor, struct error *error)
{
    const struct job_shared *shared = processor->shared;
    const struct config *config = shared->config;
    const struct interest_model *model = processor->model;
    if (!processor->cache) TRY(open_states(processor, error));
    TRY(transaction_open(&processor->transaction, shared, model, processor->session,
                         processor->assignment, processor->cache, error));
    TRY(user_loader_open(&processor->loader, config, model, shared->stores, processor->assignment,
                         error));
    return absorber_open(&processor->absorber, config, model, processor->loader, error);
}

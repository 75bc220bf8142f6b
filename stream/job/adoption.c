/*
 * adoption.c - how a worker passes from one generation to the next: what depends on it is opened
 * anew, and every user of its partitions is folded again, as if it had acted.
 */
#include "base/fault.h"
#include "stream/job/hold.h"
#include "stream/job/processor_parts.h"

/* Folds some users of the partition by the generation that serves now, as if they had acted. */
static enum status move_users(struct processor *processor, struct task *task,
                              const struct bytes *users, uint32_t count, struct error *error)
{
    processor_begin_batch(processor);
    for (uint32_t i = 0; i < count; i++) {
        (void)processor_admit(processor, task, users[i]);
    }
    TRY(snapshot_writer_flush(processor->snapshots, error));
    TRY(user_loader_load(processor->loader, processor->missing, processor->missing_count, error));
    return absorber_run(processor->absorber, processor->changed, processor->changed_count, error);
}

/* As many users as a transaction takes; *morep: there are others. */
static enum status sweep_some(struct processor *processor, bool *morep, struct error *error)
{
    const uint64_t generation = interest_model_generation(processor->model);
    const uint32_t room =
        processor->shared->plan->users_max - processor->config->job.poll_events_max;
    uint32_t tasks_count;
    struct task *const *tasks = assignment_live(processor->assignment, &tasks_count);
    *morep = true;
    for (uint32_t t = 0; t < tasks_count; t++) {
        while (tasks[t]->unswept) {
            const struct bytes *users;
            uint32_t count;
            if (transaction_changes(processor->transaction)->count > room) return STATUS_OK;
            TRY(sweeper_next(processor->sweeper, tasks[t], generation, &users, &count, error));
            TRY(move_users(processor, tasks[t], users, count, error));
            tasks[t]->unswept = count > 0;
        }
    }
    *morep = false;
    return STATUS_OK;
}

/* All workers commit together, until none of them has users left to move. */
static enum status sweep(struct processor *processor, struct error *error)
{
    for (bool more = true; more;) {
        bool mine;
        TRY(sweep_some(processor, &mine, error));
        FAULT_POINT("sweep_folded");
        TRY(processor_commit(processor, error));
        TRY(processor_finish(processor, WAIT, error));
        FAULT_POINT("sweep_committed");
        TRY(hold_step(processor->shared->hold, mine, &more, error));
    }
    return STATUS_OK;
}

/* Partitions that were sealed under another generation have users to move. */
static void mark_unswept(struct processor *processor, bool *anyp)
{
    const uint64_t generation = interest_model_generation(processor->model);
    uint32_t count;
    struct task *const *tasks = assignment_live(processor->assignment, &count);
    for (uint32_t t = 0; t < count; t++) {
        struct task *task = tasks[t];
        if (task->seal.number > 0 && task->seal.generation != generation) task->unswept = true;
        *anyp = *anyp || task->unswept;
    }
}

enum status adoption_hold(struct processor *processor, const struct poll *poll, struct error *error)
{
    struct hold *hold = processor->shared->hold;
    uint32_t count;
    bool adopted, any = false;
    TRY(processor_finish(processor, WAIT, error));
    struct task *const *tasks = assignment_live(processor->assignment, &count);
    TRY(hold_round(hold, tasks, count, poll, &processor->model, &adopted, error));
    if (adopted) {
        processor_close_model(processor);
        TRY(processor_open_model(processor, error));
    }
    mark_unswept(processor, &any);
    TRY(hold_step(hold, any, &any, error));
    return any ? sweep(processor, error) : STATUS_OK;
}

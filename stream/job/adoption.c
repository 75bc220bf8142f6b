/*
 * adoption.c - how a worker passes from one generation to the next.
 *
 * Between two commits it opens anew what depends on the generation. From then on whoever acts is
 * folded by the new one, and everybody else is moved in the background, as if it had acted: those in
 * memory first, then all others (sweeper.h). Until then what the old generation has published of
 * them stands. A user's record says whether it was moved, so a sweep that was interrupted needs no
 * cursor. The seal of a partition names the oldest generation that may
 * still fold a user of it beside the one that serves, until the scan has ended and what it moved is
 * committed.
 *
 * A user is moved once: one that is in memory under the new generation is published by the
 * changeset that loaded it, and is passed over whatever the store says of it yet.
 */
#include "base/checksum.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "stream/job/hold.h"
#include "stream/job/processor_parts.h"

enum { STEP_USERS = 256 }; /* moved between two polls, at most */

/* ---- another generation ---- */

static bool has_other_generation(const struct processor *processor)
{
    return generations_number(processor->shared->generations) != processor->generation->number;
}

/* Nothing is open. Where the states are the same fold the cache stays as it is. */
static enum status adopt(struct processor *processor, struct error *error)
{
    struct generations *generations = processor->shared->generations;
    struct generation *before = processor->generation, *next = generations_take(generations);
    const bool same = interest_model_state_fingerprint(before->model) ==
                      interest_model_state_fingerprint(next->model);
    sweeper_note_active(processor->sweeper, processor->cache);
    processor_close_model(processor, same);
    processor->generation = next;
    processor->model = next->model;
    generations_release(generations, before);
    job_serves(processor->shared, next);
    TRY(processor_open_model(processor, error));
    unswept_mark(processor);
    FAULT_POINT("generation_adopted");
    return STATUS_OK;
}

enum status adoption_look(struct processor *processor, struct error *error)
{
    if (!has_other_generation(processor)) return STATUS_OK;
    if (transaction_is_empty(processor->transaction)) return adopt(processor, error);
    processor->ops->want_commit(processor->session);
    return STATUS_OK;
}

enum status adoption_after_commit(struct processor *processor, struct error *error)
{
    if (!has_other_generation(processor)) return STATUS_OK;
    TRY(processor_finish(processor, WAIT, error));
    return adopt(processor, error);
}

/* ---- moving users ---- */

static bool is_moved(const struct processor *processor, const struct unswept_user *unswept)
{
    const struct bytes id = unswept->id;
    const struct cached_user *user =
        cache_find(processor->cache, unswept->task->partition, id, identity_of(id.at, id.size));
    return user && user->history.generation == processor->generation->number;
}

/* Folds some users by the generation that serves, as if they had acted. */
static enum status move_users(struct processor *processor, const struct unswept_user *users,
                              uint32_t count, struct error *error)
{
    processor_begin_batch(processor);
    for (uint32_t i = 0; i < count; i++) {
        if (is_moved(processor, &users[i])) continue;
        (void)processor_admit(processor, users[i].task, users[i].id, user_hash(users[i].id));
    }
    transaction_changes(processor->transaction)->swept += processor->changed_count;
    TRY(snapshot_writer_flush(processor->snapshots, error));
    TRY(user_loader_load(processor->loader, processor->missing, processor->missing_count, error));
    return absorber_run(processor->absorber, processor->changed, processor->changed_count, error);
}

/* The next active users, or if there are none left those of a partition: at most `most`. */
static enum status sweep_some(struct processor *processor, struct task *task, uint32_t most,
                              struct error *error)
{
    const uint64_t generation = processor->generation->number;
    const struct unswept_user *users;
    uint32_t count;
    bool ended;
    TRY(sweeper_next_active(processor->sweeper, generation, most, &users, &count, &ended, error));
    if (!ended) return move_users(processor, users, count, error);
    TRY(sweeper_next(processor->sweeper, task, generation, most, &users, &count, &ended, error));
    TRY(move_users(processor, users, count, error));
    task->unswept = !ended;
    return STATUS_OK;
}

static struct task *first_unswept(const struct processor *processor)
{
    uint32_t count;
    struct task *const *tasks = assignment_live(processor->assignment, &count);
    for (uint32_t t = 0; t < count; t++) {
        if (tasks[t]->unswept) return tasks[t];
    }
    return NULL;
}

/* ---- beside the stream ---- */

/* Each worker has its part of the rate; a pause of a sweep saves up no more than a step. */
uint32_t sweep_allowed(struct sweep_rate *rate, const struct config *config, uint64_t per_second,
                       uint32_t step)
{
    if (step > config->job.poll_events_max) step = config->job.poll_events_max;
    if (per_second == 0) return step;
    const int64_t now_ns = clock_monotonic_ns();
    if (rate->since_ns) {
        const double users = (double)per_second / config->job.workers;
        rate->allowance += users * (double)(now_ns - rate->since_ns) / 1e9;
    }
    rate->since_ns = now_ns;
    if (rate->allowance > step) rate->allowance = step;
    return (uint32_t)rate->allowance;
}

/* How soon a whole step is allowed, as far as a poll may wait for it. */
static uint32_t step_comes_ms(const struct sweep_rate *rate, const struct config *config,
                              uint64_t per_second)
{
    if (per_second == 0) return 0;
    const double users = (double)per_second / config->job.workers;
    const double ms = (STEP_USERS - rate->allowance) / users * 1000;
    return ms < POLL_MS_MAX ? (uint32_t)ms : POLL_MS_MAX;
}

enum status adoption_step(struct processor *processor, struct error *error)
{
    processor->poll_ms = POLL_MS_MAX;
    if (!processor->sweeping || !config_sweeps_beside(processor->config)) return STATUS_OK;
    const struct changeset *set = transaction_changes(processor->transaction);
    const uint64_t swept = set->swept;
    const uint32_t wanted = processor->shared->plan->users_wanted;
    const uint32_t room = set->count < wanted ? wanted - set->count : 0;
    struct task *task = first_unswept(processor);
    const uint64_t per_second = config_sweep_rate(processor->config);
    uint32_t most =
        sweep_allowed(&processor->sweep_rate, processor->config, per_second, STEP_USERS);
    if (most > room) most = room;
    if (room == 0) {
        processor->ops->want_commit(processor->session);
    } else if (task && most > 0) {
        TRY(sweep_some(processor, task, most, error));
        processor->sweep_rate.allowance -= (double)(set->swept - swept);
        processor->poll_ms = step_comes_ms(&processor->sweep_rate, processor->config, per_second);
    }
    /* When nobody is left there is still a seal to write, unless that is under way. */
    if (set->count > 0 || (!task && !transaction_is_committing(processor->transaction))) {
        processor->ops->gather(processor->session);
    }
    if (set->swept > swept) FAULT_POINT("sweep_folded");
    return STATUS_OK;
}

/* ---- while all workers hold ---- */

/* As many users as a transaction takes; *morep: there are others. */
static enum status fill_transaction(struct processor *processor, bool *morep, struct error *error)
{
    const uint32_t most = processor->config->job.poll_events_max;
    const uint32_t room = processor->shared->plan->users_max - most;
    struct task *task;
    while ((task = first_unswept(processor)) != NULL) {
        *morep = true;
        if (transaction_changes(processor->transaction)->count > room) return STATUS_OK;
        TRY(sweep_some(processor, task, most, error));
    }
    *morep = false;
    return STATUS_OK;
}

/* All workers commit together, until none of them has users left to move. */
static enum status sweep(struct processor *processor, struct error *error)
{
    for (bool more = true; more;) {
        bool mine;
        TRY(fill_transaction(processor, &mine, error));
        FAULT_POINT("sweep_folded");
        TRY(processor_commit(processor, error));
        TRY(processor_finish(processor, WAIT, error));
        TRY(hold_step(processor->shared->hold, mine, &more, error));
    }
    return STATUS_OK;
}

enum status adoption_hold(struct processor *processor, const struct poll *poll, struct error *error)
{
    struct hold *hold = processor->shared->hold;
    uint32_t count;
    bool any;
    /* Users moved beside the stream may have come after the last commit. */
    if (config_moves_beside(processor->config)) TRY(processor_commit(processor, error));
    TRY(processor_finish(processor, WAIT, error));
    struct task *const *tasks = assignment_live(processor->assignment, &count);
    TRY(hold_round(hold, tasks, count, poll, error));
    TRY(adoption_look(processor, error));
    unswept_mark(processor);
    TRY(hold_step(hold, processor->sweeping, &any, error));
    return any ? sweep(processor, error) : STATUS_OK;
}

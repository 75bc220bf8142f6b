/*
 * expiry.c - users who left: of whoever has done nothing for longer than state.ttl, what it did is
 * forgotten, and an output's reader is told by a tombstone.
 *
 * Between two polls a worker looks through some users of a partition for those who have left by the
 * partition's clock. In one transaction each gets its tombstone, its chunks are deleted in the log
 * and the store, and its record is left with n alone. That decides nothing: whatever comes next of
 * such a user begins another life, whether it was forgotten by then or not (state/history.h). A
 * record says whether its user was forgotten, so a sweep that was interrupted needs no cursor and
 * tells of nobody twice.
 *
 * A scan begins anew when the clock has come further by a part of the ttl.
 */
#include "base/checksum.h"
#include "base/fault.h"
#include "stream/job/processor_parts.h"

enum {
    STEP_USERS = 64,    /* forgotten between two polls, at most */
    SCANS_PER_TTL = 16, /* so much earlier may somebody be due before a scan finds it */
};

void expiry_mark(struct processor *processor)
{
    uint32_t count;
    if (!processor->leavers) return;
    struct task *const *tasks = assignment_live(processor->assignment, &count);
    for (uint32_t t = 0; t < count; t++) {
        tasks[t]->scan_ms = HISTORY_NO_TIME;
        tasks[t]->scanning = false;
    }
    sweeper_restart(processor->leavers);
}

/* Users of a job that publishes nothing are told of when it begins to. */
static struct leaving leaving_of(const struct processor *processor, const struct task *task)
{
    return (struct leaving){task->clock_ms, processor->rules.ttl_ms,
                            processor->config->output.publish == CONFIG_PUBLISH_ALL};
}

/* How far the clock has come since the last scan began; all is due again if that began too early. */
static int64_t unscanned_ms(const struct processor *processor, const struct task *task)
{
    if (task->early && transaction_is_empty(processor->transaction)) return INT64_MAX;
    if (task->clock_ms == HISTORY_NO_TIME) return 0;
    return task->scan_ms == HISTORY_NO_TIME ? INT64_MAX : task->clock_ms - task->scan_ms;
}

/* The partition of which a scan is under way, else the one that waits longest for one. */
static struct task *next_task(const struct processor *processor)
{
    const int64_t due_ms = processor->rules.ttl_ms / SCANS_PER_TTL;
    struct task *next = NULL;
    uint32_t count;
    struct task *const *tasks = assignment_live(processor->assignment, &count);
    for (uint32_t t = 0; t < count; t++) {
        if (tasks[t]->scanning) return tasks[t];
        if (!next || unscanned_ms(processor, tasks[t]) > unscanned_ms(processor, next))
            next = tasks[t];
    }
    return next && unscanned_ms(processor, next) > due_ms ? next : NULL;
}

/*
 * A user in memory is as the worker knows it, whatever its store says yet. Who acted in the open
 * transaction or the one under commit is published by it first, and may have a state to be saved.
 */
static bool stays(const struct processor *processor, const struct unswept_user *found,
                  const struct leaving *leaving)
{
    const struct bytes id = found->id;
    const struct cached_user *user =
        cache_find(processor->cache, found->task->partition, id, identity_of(id.at, id.size));
    return user && (user->dirty || user->committing || !leaving_has(leaving, &user->history));
}

/* What is kept of the user from now on is that it had n behaviors. */
static enum status forget_user(const struct processor *processor, const struct task *task,
                               struct cached_user *user, bool told, struct error *error)
{
    const struct store_key key = {.user = user->user};
    const struct bytes none = {NULL, 0};
    history_forget(&user->history, processor->rules.keeps_profile);
    user->history.tombstone |= told;
    user->state_events = user->snapshot_events = 0; /* its state is nobody's, and is not saved */
    return processor->shared->stores->put_snapshots(task->store, &key, &none, 1, error);
}

static enum status forget_users(struct processor *processor, struct task *task,
                                const struct unswept_user *users, uint32_t count,
                                const struct leaving *leaving, struct error *error)
{
    processor_begin_batch(processor);
    for (uint32_t i = 0; i < count; i++) {
        if (!stays(processor, &users[i], leaving)) {
            (void)processor_admit(processor, task, users[i].id, user_hash(users[i].id));
        }
    }
    TRY(snapshot_writer_flush(processor->snapshots, error));
    TRY(user_loader_load(processor->loader, processor->missing, processor->missing_count, error));
    for (uint32_t i = 0; i < processor->changed_count; i++) {
        struct cached_user *user = processor->changed[i]->user;
        TRY(forget_user(processor, task, user, leaving->told, error));
    }
    transaction_changes(processor->transaction)->expired += processor->changed_count;
    if (processor->changed_count > 0) FAULT_POINT("expiry_marked");
    return STATUS_OK;
}

enum status expiry_step(struct processor *processor, struct error *error)
{
    if (!processor->leavers) return STATUS_OK;
    const struct changeset *set = transaction_changes(processor->transaction);
    struct task *task = next_task(processor);
    const uint32_t wanted = processor->shared->plan->users_wanted;
    const uint32_t room = set->count < wanted ? wanted - set->count : 0;
    uint32_t most = sweep_allowed(&processor->expiry_rate, processor->config,
                                  processor->config->state.ttl_rate, STEP_USERS);
    if (most > room) most = room;
    if (!task || most == 0) return STATUS_OK;
    const struct unswept_user *users;
    uint32_t count;
    bool ended;
    if (!task->scanning) {
        task->scan_ms = task->clock_ms;
        task->early = !transaction_is_empty(processor->transaction);
    }
    const struct leaving leaving = leaving_of(processor, task);
    TRY(sweeper_next_left(processor->leavers, task, &leaving, most, &users, &count, &ended, error));
    TRY(forget_users(processor, task, users, count, &leaving, error));
    task->scanning = !ended;
    processor->expiry_rate.allowance -= processor->changed_count;
    if (processor->changed_count > 0) processor->ops->gather(processor->session);
    return STATUS_OK;
}

/*
 * expiry.c - users who left: whoever has done nothing for longer than state.ttl gets a tombstone.
 *
 * Between two polls a worker looks through some users of a partition, and marks those whose latest
 * event lies more than the ttl before the partition's watermark, the greatest event time that it has
 * taken in: an output's reader learns that they are gone, and what a state was saved as is deleted.
 * Their histories stay: where a life ends, and whether an event that comes late goes on with it, is
 * for the events' times alone to say, never for the moment of a sweep. A record says whether its user
 * was marked, so a sweep that was interrupted needs no cursor and marks nobody twice.
 *
 * A scan begins anew when the watermark has come further by a part of the ttl.
 */
#include "base/checksum.h"
#include "base/fault.h"
#include "stream/job/processor_parts.h"

enum {
    STEP_USERS = 64,    /* marked between two polls, at most */
    SCANS_PER_TTL = 16, /* so much earlier may somebody be due before a scan finds it */
    PARTS_OF_TTL = 16,  /* by one of which an event moves the watermark at most */
};

void expiry_note_time(const struct processor *processor, struct task *task, int64_t time_ms)
{
    const int64_t ttl_ms = processor->rules.ttl_ms;
    if (ttl_ms == 0 || time_ms <= task->watermark_ms) return;
    const int64_t most_ms = ttl_ms / PARTS_OF_TTL + 1;
    const bool first = task->watermark_ms == HISTORY_NO_TIME;
    /* One wrong time must not make everybody leave. */
    task->watermark_ms =
        first || time_ms - task->watermark_ms < most_ms ? time_ms : task->watermark_ms + most_ms;
}

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

static bool has_left(const struct task *task, const struct history *history, int64_t ttl_ms)
{
    const int64_t last_ms = history_last_ms(history);
    return !history->tombstone && last_ms != HISTORY_NO_TIME &&
           task->watermark_ms - last_ms > ttl_ms;
}

/* How far the watermark has come since the last scan began. */
static int64_t unscanned_ms(const struct task *task)
{
    if (task->watermark_ms == HISTORY_NO_TIME) return 0;
    return task->scan_ms == HISTORY_NO_TIME ? INT64_MAX : task->watermark_ms - task->scan_ms;
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
        if (!next || unscanned_ms(tasks[t]) > unscanned_ms(next)) next = tasks[t];
    }
    return next && unscanned_ms(next) > due_ms ? next : NULL;
}

/*
 * A user in memory is as the worker knows it, whatever its store says yet. Who acted in the open
 * transaction is published by it first.
 */
static bool stays(const struct processor *processor, const struct unswept_user *found)
{
    const struct bytes id = found->id;
    const struct cached_user *user =
        cache_find(processor->cache, found->task->partition, id, identity_of(id.at, id.size));
    return user && (user->dirty || !has_left(found->task, &user->history, processor->rules.ttl_ms));
}

static enum status forget_state(const struct processor *processor, const struct task *task,
                                struct cached_user *user, struct error *error)
{
    const struct store_key key = {.user = user->user};
    const struct bytes none = {NULL, 0};
    user->snapshot_events = user->state_events; /* it is not to be saved again */
    return processor->shared->stores->put_snapshots(task->store, &key, &none, 1, error);
}

static enum status mark_users(struct processor *processor, struct task *task,
                              const struct unswept_user *users, uint32_t count, struct error *error)
{
    processor_begin_batch(processor);
    for (uint32_t i = 0; i < count; i++) {
        if (!stays(processor, &users[i])) (void)processor_admit(processor, task, users[i].id);
    }
    TRY(snapshot_writer_flush(processor->snapshots, error));
    TRY(user_loader_load(processor->loader, processor->missing, processor->missing_count, error));
    TRY(absorber_run(processor->absorber, processor->changed, processor->changed_count, error));
    for (uint32_t i = 0; i < processor->changed_count; i++) {
        struct cached_user *user = processor->changed[i]->user;
        user->history.tombstone = true;
        TRY(forget_state(processor, task, user, error));
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
    if (!task->scanning) task->scan_ms = task->watermark_ms;
    TRY(sweeper_next_left(processor->leavers, task, task->watermark_ms - processor->rules.ttl_ms,
                          most, &users, &count, &ended, error));
    TRY(mark_users(processor, task, users, count, error));
    task->scanning = !ended;
    processor->expiry_rate.allowance -= processor->changed_count;
    if (processor->changed_count > 0) processor->ops->gather(processor->session);
    return STATUS_OK;
}

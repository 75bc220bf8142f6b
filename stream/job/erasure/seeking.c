/*
 * seeking.c - users whom another job has erased, and whom this one knows by their hashes alone
 * (source.erase): their requests, which have the ids, were compacted away before it read them.
 *
 * Between two polls a worker looks through some users of a partition for ids that have such a hash, and
 * who is found is erased as by a request. One scan, in key order, serves all hashes that were told before
 * it began. What their users did up to the cut is dropped from the moment a hash is known, so that nobody
 * comes behind the scan's place; who is in memory alone when it begins, is looked at first.
 *
 * What says a hash is not done with before the scan has ended: until then the seal's next_erasure stays
 * before it, and a scan that was interrupted is begun again by whoever reads it from there. So a job
 * that has taken notice of all, as each does that runs on, scans nothing when it is started again.
 */
#include "base/checksum.h"
#include "base/fault.h"
#include "base/log.h"
#include "stream/job/processor_parts.h"

enum { STEP_USERS = 64 }; /* erased between two polls, at most */

void seeking_mark(struct processor *processor)
{
    uint32_t count;
    if (!processor->seeker) return;
    struct task *const *tasks = assignment_live(processor->assignment, &count);
    for (uint32_t t = 0; t < count; t++) {
        task_seek_anew(tasks[t]);
    }
    sweeper_restart(processor->seeker);
}

/* The partition of which a scan is under way, else one that waits for it, or NULL. */
static struct task *next_task(const struct processor *processor)
{
    struct task *next = NULL;
    uint32_t count;
    struct task *const *tasks = assignment_live(processor->assignment, &count);
    for (uint32_t t = 0; t < count; t++) {
        if (tasks[t]->seeking) return tasks[t];
        if (!next && tasks[t]->cuts.of_stage[CUT_SOUGHT] > 0) next = tasks[t];
    }
    return next;
}

/* The cut of a user that is sought, or NULL. */
static struct user_cut *sought_cut(const struct task *task, struct bytes id)
{
    struct user_cut *cut = cuts_find(&task->cuts, user_hash(id));
    return cut && cut->stage == CUT_SEEKING ? cut : NULL;
}

/* Erases those of the users who are sought. None of their states is to be saved after this. */
static enum status erase_users(struct processor *processor, struct task *task,
                               struct change *const *changes, uint32_t count, struct error *error)
{
    struct store_key keys[STEP_USERS] = {0};
    uint32_t used = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct cached_user *user = changes[i]->user;
        if (erasure_has_snapshot(user)) keys[used++] = (struct store_key){.user = user->user};
    }
    if (used > 0) {
        TRY(processor->shared->stores->forget_snapshots(task->store, keys, used, error));
    }
    for (uint32_t i = 0; i < count; i++) {
        struct user_cut *cut = sought_cut(task, changes[i]->user->user);
        if (cut) TRY(erasure_of_user(processor, task, changes[i], cut, false, error));
    }
    return STATUS_OK;
}

/* What is committed is in the store; of the others the open changeset has all. */
static enum status begin_scan(struct processor *processor, struct task *task, struct error *error)
{
    TRY(processor_finish(processor, WAIT, error));
    cuts_move(&task->cuts, CUT_SOUGHT, CUT_SEEKING);
    task->seeking_from = task->sought_from;
    task->seeking = true;
    sweeper_restart(processor->seeker);
    TRY(snapshot_writer_flush(processor->snapshots, error));
    for (struct change *change = task->changes.first; change; change = change->next) {
        if (!sought_cut(task, change->user->user)) continue;
        TRY(erase_users(processor, task, &change, 1, error));
    }
    return STATUS_OK;
}

static enum status erase_found(struct processor *processor, struct task *task,
                               const struct unswept_user *users, uint32_t count,
                               struct error *error)
{
    if (count == 0) return STATUS_OK;
    TRY(processor_finish(processor, WAIT, error));
    processor_begin_batch(processor);
    for (uint32_t i = 0; i < count; i++) {
        (void)processor_admit(processor, task, users[i].id, user_hash(users[i].id));
    }
    TRY(snapshot_writer_flush(processor->snapshots, error));
    TRY(user_loader_load(processor->loader, processor->missing, processor->missing_count, error));
    TRY(erase_users(processor, task, processor->changed, processor->changed_count, error));
    FAULT_POINT("erasure_found");
    return STATUS_OK;
}

enum status seeking_step(struct processor *processor, struct error *error)
{
    if (!processor->seeker) return STATUS_OK;
    struct task *task = next_task(processor);
    const struct changeset *set = transaction_changes(processor->transaction);
    const uint32_t wanted = processor->shared->plan->users_wanted;
    const uint32_t room = set->count < wanted ? wanted - set->count : 0;
    uint32_t most = processor->config->job.poll_events_max;
    if (most > STEP_USERS) most = STEP_USERS;
    if (most > room) most = room;
    const struct unswept_user *users;
    uint32_t count;
    bool ended;
    if (!task || most == 0) return STATUS_OK;
    if (!task->seeking) TRY(begin_scan(processor, task, error));
    TRY(sweeper_next_sought(processor->seeker, task, most, &users, &count, &ended, error));
    TRY(erase_found(processor, task, users, count, error));
    if (task->changes.count > 0 || task->next_erasure > task->seal.next_erasure) {
        processor->ops->gather(processor->session);
    }
    if (!ended && task->cuts.of_stage[CUT_SEEKING] > 0) return STATUS_OK;
    task->seeking = false;
    cuts_end_seeking(&task->cuts);
    log_info("users were looked through for those whom another job has erased",
             log_int("partition", task->partition));
    return STATUS_OK;
}

/*
 * processor.c - THE HOT PATH. One poll after the other, from events to folded states; a commit now
 * and then.
 *
 * A poll is worked off in passes over all its events, each of which does one thing to many users:
 * so lookups are batched, memory is touched before it is needed, and the model gets one ragged
 * batch instead of single events.
 */
#include "stream/job/processor.h"

#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "base/fault.h"
#include "base/log.h"
#include "model/item_table.h"
#include "stream/job/hold.h"
#include "stream/job/outbox.h"
#include "stream/job/pace.h"
#include "stream/job/processor_parts.h"
#include "stream/source/intake.h"
#include "stream/source/item_record.h"
#include "stream/source/recent_items.h"
#include "stream/source/partition_clock.h"

enum {
    PREFETCH_AHEAD = 8, /* events before what they need of memory is needed, it is fetched */
    NO_EVENT = -1,      /* the offset of what is a profile */
};

/* ---- a poll ---- */

static enum status send_item(struct processor *processor, const struct event *event,
                             struct error *error)
{
    const struct item_table *known = interest_model_items(processor->model);
    if (processor->shared->recent && item_table_find(known, event->item_hash) == 0) {
        recent_items_add(processor->shared->recent, event->item_hash, event->item);
    }
    uint64_t key = __builtin_bswap64(event->item_hash);
    const struct record record = {
        .kind = RECORD_ITEM,
        .partition = event->partition,
        .key = {&key, sizeof key},
        .value = {processor->record, item_record_encode(event, processor->record)},
    };
    return processor_send(processor, &record, error);
}

/* The first bad event of a worker is logged: all of them may be bad, and for one reason. */
static void warn_of_bad(struct processor *processor, const struct event *event)
{
    if (processor->warned) return;
    processor->warned = true;
    log_warn("first event that cannot be used",
             log_text("reason", event_verdict_name(event->verdict)), log_text("why", event->why),
             log_int("partition", event->partition), log_int("offset", event->offset),
             log_text("see", event_verdict_option(event->verdict)));
}

static void warn_of_odd(struct processor *processor, const struct event *event)
{
    if (processor->warned_of_odd) return;
    processor->warned_of_odd = true;
    log_warn("first event with a category or feature that cannot be used, and which counts without",
             log_text("why", event->why), log_int("partition", event->partition),
             log_int("offset", event->offset),
             log_text("see", "source.fields.category, profile.fields"));
}

static enum status send_dead_letter(struct processor *processor, const struct event *event,
                                    struct error *error)
{
    const struct record record =
        processor->ops->dead_letter(processor->shared->broker, event, processor->record);
    return processor_send(processor, &record, error);
}

/* An accepted event, or a profile: its user, and what will go into the user's history. */
static void admit_event(struct processor *processor, struct task *task, const struct event *event,
                        uint64_t hash)
{
    processor->users[processor->accepted] = processor_admit(processor, task, event->user, hash);
    processor->behaviors[processor->accepted] =
        history_behavior_of(event->item_hash, event->time_ms, event->action);
    const bool profile = event->verdict == EVENT_PROFILE;
    *(profile ? &processor->whole_features : &processor->features) = event->features;
    for (uint32_t i = 0; i < event->features; i++) {
        processor->profiles[processor->accepted][i] = event_feature(event, i);
    }
    processor->clocks[processor->accepted] = task->clock_ms;
    processor->offsets[processor->accepted++] = profile ? NO_EVENT : event->offset;
}

static bool names_user(enum event_verdict verdict)
{
    return verdict == EVENT_ACCEPTED || verdict == EVENT_PROFILE;
}

/* Where the tables have the event's user and item. */
static void prefetch_places(struct processor *processor, const struct poll *poll, uint32_t index)
{
    if (index >= poll->events_count || !names_user(poll->events[index].verdict)) return;
    const struct event *event = &poll->events[index];
    processor->hashes[index] = user_hash(event->user);
    cache_prefetch_place(processor->cache, event->partition, processor->hashes[index]);
    item_names_prefetch(processor->names, event);
}

static void prefetch_user(struct processor *processor, const struct poll *poll, uint32_t index)
{
    if (index >= poll->events_count || !names_user(poll->events[index].verdict)) return;
    cache_prefetch(processor->cache, poll->events[index].partition, processor->hashes[index]);
}

/* Behind the last record of a topic that was processed. */
static int64_t *task_next(struct task *task, enum event_origin origin)
{
    switch (origin) {
    case EVENT_OF_PROFILES: return &task->next_profile;
    case EVENT_OF_ERASURES: return &task->next_erasure;
    default: return &task->next_offset;
    }
}

/* Which users are in this poll. What cannot be used goes to the dead letters. */
static enum status group(struct processor *processor, const struct poll *poll, struct error *error)
{
    struct changeset *set = transaction_changes(processor->transaction);
    processor_begin_batch(processor);
    for (uint32_t i = 0; i < 2 * PREFETCH_AHEAD; i++) {
        prefetch_places(processor, poll, i);
    }
    for (uint32_t i = 0; i < poll->events_count; i++) {
        const struct event *event = &poll->events[i];
        prefetch_places(processor, poll, i + 2 * PREFETCH_AHEAD);
        prefetch_user(processor, poll, i + PREFETCH_AHEAD);
        struct task *task = assignment_task(processor->assignment, event->partition);
        REQUIRE(task != NULL); /* sessions deliver events of live partitions only */
        *task_next(task, event->origin) = event->offset + 1;
        const enum event_verdict verdict = cuts_verdict(&task->cuts, event);
        set->events++;
        set->verdicts[verdict]++;
        task->clock_ms = partition_clock_with(task->clock_ms, event, processor->config);
        if (event_is_bad(verdict)) {
            warn_of_bad(processor, event);
            TRY(send_dead_letter(processor, event, error));
        } else if (names_user(verdict)) {
            admit_event(processor, task, event, processor->hashes[i]);
            if (event->odd_category) warn_of_odd(processor, event);
            set->odd_categories += event->odd_category;
            if (verdict == EVENT_ACCEPTED && item_names_is_new(processor->names, event)) {
                TRY(send_item(processor, event, error));
            }
        }
    }
    return STATUS_OK;
}

/* Counts what comes late. The history is asked only if the event is not the latest of all of it. */
static void note_time(struct changeset *set, struct cached_user *user, int64_t time_ms,
                      int64_t offset)
{
    const bool latest = user->latest_ms > 0 && time_ms >= user->latest_ms;
    const int64_t latest_ms = latest ? user->latest_ms : history_last_ms(&user->history);
    user->latest_ms = time_ms > latest_ms ? time_ms : latest_ms;
    if (time_ms >= latest_ms) return;
    set->late++;
    late_event_note(&set->worst, latest_ms - time_ms, user->user, user->partition, offset);
}

/* Whether the user's history takes an event that was accepted; else it counts as something else. */
static bool is_taken(struct processor *processor, struct cached_user *user,
                     struct history_behavior behavior, int64_t clock_ms)
{
    if (intake_takes_all(&processor->rules)) return true;
    const enum history_intake intake =
        history_admit(&user->history, behavior, clock_ms, &processor->rules);
    if (intake == HISTORY_TAKES) return true;
    struct changeset *set = transaction_changes(processor->transaction);
    set->verdicts[EVENT_ACCEPTED]--;
    set->verdicts[intake_verdict(intake)]++;
    return false;
}

/* A whole profile: it is in force from the user's next event on. */
static void set_profile(struct processor *processor, struct cached_user *user,
                        const uint64_t said[EVENT_FEATURES])
{
    uint64_t values[HISTORY_FEATURES] = {0};
    memcpy(values, said, processor->whole_features * sizeof *values);
    history_set_profile(&user->history, values);
    changeset_of(transaction_changes(processor->transaction), user)->profiled = true;
}

/* Where the user's next behavior goes, and what an append looks at behind it. */
static void prefetch_append(const struct processor *processor, uint32_t index)
{
    if (index >= processor->accepted) return;
    const struct history *history = &processor->users[index]->history;
    __builtin_prefetch(&history->at[history->count % HISTORY_CHUNK_BEHAVIORS], 1);
    __builtin_prefetch(&history->profile.waiting, 1);
}

/* Histories grow, in source order. A full chunk is kept before the next one opens. */
static void append_behaviors(struct processor *processor)
{
    struct changeset *set = transaction_changes(processor->transaction);
    const struct item_table *items = interest_model_items(processor->model);
    uint32_t history_max = processor->config->state.history_max;
    processor->needs_stored = false;
    for (uint32_t i = 0; i < processor->accepted; i++) {
        struct cached_user *user = processor->users[i];
        const struct history_behavior behavior = processor->behaviors[i];
        prefetch_append(processor, i + PREFETCH_AHEAD);
        if (processor->offsets[i] == NO_EVENT) {
            set_profile(processor, user, processor->profiles[i]);
            continue;
        }
        if (!is_taken(processor, user, behavior, processor->clocks[i])) continue;
        set->behaviors++;
        note_time(set, user, history_time_ms(behavior), processor->offsets[i]);
        set->unknown += item_table_find(items, behavior.item) == 0;
        if (history_full(&user->history)) changeset_keep_chunk(set, changeset_of(set, user));
        /*
         * Should `from` jump, the state no longer begins where it should and is folded anew, from
         * chunks which the store does not have before the commit under way is stored.
         */
        bool jumped = history_append(&user->history, behavior, processor->offsets[i], history_max);
        if (jumped && user->committing) processor->needs_stored = true;
        for (uint32_t f = 0; f < processor->features; f++) {
            const uint64_t value = processor->profiles[i][f];
            if (value) history_set_feature(&user->history, f, value);
        }
    }
}

static enum status process_events(struct processor *processor, const struct poll *poll,
                                  struct error *error)
{
    if (poll->events_count == 0) return STATUS_OK;
    const struct memory_plan *plan = processor->shared->plan;
    worker_metrics_begin(processor, poll);
    TRY(erasure_take(processor, poll, error));
    TRY(group(processor, poll, error));
    worker_metrics_grouped(processor);
    TRY(snapshot_writer_flush(processor->snapshots, error));
    TRY(user_loader_load(processor->loader, processor->missing, processor->missing_count, error));
    append_behaviors(processor);
    if (processor->needs_stored) TRY(processor_finish(processor, WAIT, error));
    TRY(absorber_run(processor->absorber, processor->changed, processor->changed_count, error));
    if (transaction_is_committing(processor->transaction)) FAULT_POINT("absorbed_ahead");
    const struct changeset *set = transaction_changes(processor->transaction);
    if (set->count >= plan->users_wanted || set->behaviors >= plan->behaviors_wanted) {
        processor->ops->want_commit(processor->session);
    }
    return STATUS_OK;
}

/* ---- what fails or goes away ---- */

static enum status abort_transaction(struct processor *processor, struct error *error)
{
    metric_add(processor->metrics.aborts, 1);
    log_warn("transaction aborted, its events will be read again", log_text("why", error->text));
    item_names_forget(processor->names);
    snapshot_writer_forget_copies(processor->snapshots);
    TRY(transaction_abort(processor->transaction, error));
    unswept_mark(processor);
    expiry_mark(processor);
    erasure_undo(processor);
    seeking_mark(processor);
    return STATUS_OK;
}

/* Tells the broker which partitions have been restored since. */
static enum status resume_restored(struct processor *processor, struct error *error)
{
    for (;;) {
        struct task *task;
        TRY(assignment_restored(processor->assignment, processor->generation->number, &task,
                                error));
        if (!task) return STATUS_OK;
        unswept_mark(processor);
        TRY(processor->ops->resume(processor->session, task->partition, &task->seal, error));
    }
}

/*
 * The commit under way comes first, whatever becomes of it. What the open changeset holds of lost
 * partitions, which are another's by now, must not be committed; of revoked ones it holds nothing.
 */
static enum status give_up_partitions(struct processor *processor, const struct poll *poll,
                                      struct error *error)
{
    enum status status = processor_finish(processor, WAIT, error);
    const struct changeset *set = transaction_changes(processor->transaction);
    if (status == STATUS_OK && (set->events > 0 || set->count > 0)) {
        status = error_set(error, STATUS_ABORTABLE, "partitions were lost");
    }
    if (status == STATUS_ABORTABLE) status = abort_transaction(processor, error);
    TRY(status);
    for (uint32_t i = 0; i < poll->partitions_count; i++) {
        cache_drop_partition(processor->cache, poll->partitions[i]);
    }
    purge_drop(processor, poll->partitions, poll->partitions_count);
    assignment_drop(processor->assignment, poll->partitions, poll->partitions_count);
    unswept_mark(processor);
    expiry_mark(processor);
    seeking_mark(processor);
    return STATUS_OK;
}

/* ---- the loop ---- */

/* Nothing is open any more; what is being committed is. */
static enum status end_session(struct processor *processor, struct error *error)
{
    TRY(processor_finish(processor, WAIT, error));
    return STATUS_END;
}

/* Also one that was given no partition has been assigned. */
static void note_assigned(struct processor *processor, bool assigned)
{
    metric_add(processor->assigned_count, assigned - processor->assigned);
    processor->assigned = assigned;
}

static enum status answer(struct processor *processor, const struct poll *poll, struct error *error)
{
    switch (poll->kind) {
    case POLL_EVENTS:
        TRY(process_events(processor, poll, error));
        pace_wait(processor->shared->pace, poll->events_count);
        TRY(expiry_step(processor, error));
        TRY(seeking_step(processor, error));
        TRY(purge_step(processor, error));
        return adoption_step(processor, error);
    case POLL_COMMIT:
        TRY(processor_commit(processor, error));
        return adoption_after_commit(processor, error);
    case POLL_ASSIGN:
        TRY(assignment_take(processor->assignment, poll->partitions, poll->partitions_count,
                            error));
        note_assigned(processor, true);
        metric_add(processor->metrics.assigned, 1);
        return STATUS_OK;
    case POLL_REVOKE:
    case POLL_LOST:
        note_assigned(processor, false);
        metric_add(poll->kind == POLL_LOST ? processor->metrics.lost : processor->metrics.revoked,
                   1);
        return give_up_partitions(processor, poll, error);
    case POLL_HOLD: return adoption_hold(processor, poll, error);
    case POLL_END: return end_session(processor, error);
    }
    return STATUS_OK;
}

enum status processor_run(struct processor *processor, struct error *error)
{
    static const struct poll nothing;
    struct poll poll = nothing;
    for (;;) {
        TRY(resume_restored(processor, error));
        enum status status = processor_finish(processor, LOOK, error);
        if (status == STATUS_OK) {
            TRY(adoption_look(processor, error));
            TRY(processor->ops->poll(processor->session, processor->poll_ms, &poll, error));
            status = answer(processor, &poll, error);
        }
        if (status == STATUS_ABORTABLE) status = abort_transaction(processor, error);
        if (status == STATUS_END) return STATUS_OK;
        TRY(status);
    }
}

/* ---- opening and closing ---- */

size_t processor_size(const struct config *config, const struct interest_model *model)
{
    size_t of_event = 3 * sizeof(void *) + sizeof(uint64_t) + sizeof(struct history_behavior) +
                      2 * sizeof(int64_t);
    if (*config->profile.fields) of_event += EVENT_FEATURES * sizeof(uint64_t);
    if (*config->source.erase) of_event += sizeof(uint32_t);
    return sizeof(struct processor) + config->job.poll_events_max * of_event +
           outbox_record_max(config) + item_names_size() + transaction_size(config, model) +
           snapshot_writer_size(config, model) + user_loader_size(config) +
           absorber_size(config, model) +
           (config->state.ttl_ms > 0 ? sweeper_size(config, config->job.poll_events_max) : 0) +
           (*config->source.erase ? sweeper_size(config, config->job.poll_events_max) : 0) +
           (config_sweeps(config) ? sweeper_size(config, config->job.poll_events_max) : 0);
}

static enum status processor_open_memory(struct processor *processor, struct error *error)
{
    uint32_t events_max = processor->config->job.poll_events_max;
    processor->hashes = calloc(events_max, sizeof *processor->hashes);
    processor->users = calloc(events_max, sizeof(struct cached_user *));
    processor->behaviors = calloc(events_max, sizeof *processor->behaviors);
    processor->offsets = calloc(events_max, sizeof *processor->offsets);
    processor->clocks = calloc(events_max, sizeof *processor->clocks);
    const uint32_t named = processor->config->source.erase[0] ? events_max : 1;
    processor->named = calloc(named, sizeof *processor->named);
    const uint32_t profiles = *processor->config->profile.fields ? events_max : 1;
    processor->profiles = calloc(profiles, sizeof *processor->profiles);
    processor->changed = calloc(events_max, sizeof(struct change *));
    processor->missing = calloc(events_max, sizeof(struct change *));
    processor->record = malloc(outbox_record_max(processor->config));
    if (processor->hashes && processor->users && processor->behaviors && processor->offsets &&
        processor->clocks && processor->profiles && processor->changed && processor->missing &&
        processor->record && processor->named) {
        return STATUS_OK;
    }
    return error_set(error, STATUS_IO, "out of memory: a worker's polls");
}

static enum status processor_open_parts(struct processor *processor, uint32_t worker,
                                        struct error *error)
{
    const struct job_shared *shared = processor->shared;
    const struct config *config = shared->config;
    TRY(processor_open_memory(processor, error));
    TRY(item_names_open(&processor->names, error));
    TRY(shared->ops->session_open(&processor->session, shared->broker, worker, error));
    TRY(assignment_open(&processor->assignment, shared, error));
    TRY(log_compaction_open(&processor->compaction, shared->ops, shared->broker, processor->session,
                            shared->stores, error));
    if (shared->sweeps) {
        TRY(sweeper_open(&processor->sweeper, config, shared->stores, processor->assignment,
                         config->job.poll_events_max,
                         config_moves_beside(config) ? shared->plan->cache_users : 0, error));
    }
    if (config->state.ttl_ms > 0) {
        TRY(sweeper_open(&processor->leavers, config, shared->stores, processor->assignment,
                         config->job.poll_events_max, 0, error));
    }
    if (*config->source.erase) {
        TRY(sweeper_open(&processor->seeker, config, shared->stores, processor->assignment,
                         config->job.poll_events_max, 0, error));
    }
    return processor_open_model(processor, error);
}

enum status processor_open(struct processor **processorp, const struct job_shared *shared,
                           uint32_t worker, struct error *error)
{
    *processorp = NULL;
    struct processor *processor = calloc(1, sizeof *processor);
    if (!processor) return error_set(error, STATUS_IO, "out of memory: a worker");
    processor->shared = shared;
    processor->config = shared->config;
    processor->ops = shared->ops;
    processor->rules = intake_rules(shared->config);
    processor->generation = generations_take(shared->generations);
    job_serves(shared, processor->generation);
    processor->model = processor->generation->model;
    processor->poll_ms = POLL_MS_MAX;
    worker_metrics_open(&processor->metrics);
    processor->assigned_count = metrics_get("braid_workers_assigned", NULL, NULL);
    enum status status = processor_open_parts(processor, worker, error);
    if (status != STATUS_OK) {
        processor_close(processor);
        return status;
    }
    *processorp = processor;
    return STATUS_OK;
}

const struct late_event *processor_worst_late(const struct processor *processor)
{
    return &processor->worst_late;
}

void processor_close(struct processor *processor)
{
    if (!processor) return;
    note_assigned(processor, false);
    unswept_note(processor, 0);
    worker_metrics_close(&processor->metrics);
    if (processor->shared->hold) hold_leave(processor->shared->hold);
    processor_close_model(processor, false);
    sweeper_close(processor->sweeper);
    sweeper_close(processor->leavers);
    sweeper_close(processor->seeker);
    log_compaction_close(processor->compaction);
    purge_end(processor);
    assignment_close(processor->assignment);
    if (processor->session) processor->ops->session_close(processor->session);
    generations_release(processor->shared->generations, processor->generation);
    item_names_close(processor->names);
    free(processor->hashes);
    free(processor->users);
    free(processor->behaviors);
    free(processor->profiles);
    free(processor->offsets);
    free(processor->clocks);
    free(processor->changed);
    free(processor->missing);
    free(processor->named);
    free(processor->record);
    free(processor);
}

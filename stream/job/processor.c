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
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "stream/job/absorb.h"
#include "stream/job/assignment.h"
#include "stream/job/item_names.h"
#include "stream/job/log_compaction.h"
#include "stream/job/publisher.h"
#include "stream/job/snapshot_writer.h"
#include "stream/job/transaction.h"
#include "stream/job/user_loader.h"
#include "stream/source/dead_letter.h"
#include "stream/source/item_record.h"

enum {
    POLL_TIMEOUT_MS = 20,
    PREFETCH_AHEAD = 8, /* events whose users are fetched before they are needed */
};

struct processor {
    const struct processor_shared *shared;
    const struct config *config;
    const struct broker_ops *ops;
    struct session *session;
    struct assignment *assignment;
    struct state_cache *cache;
    struct changeset set;
    struct publisher *publisher;
    struct user_loader *loader;
    struct snapshot_writer *snapshots;
    struct item_names *names;
    struct log_compaction *compaction;
    struct absorber *absorber;
    struct transaction transaction;

    /* of the poll under way: */
    uint64_t polls;             /* its number; a user's `mark` says in which it was last seen */
    struct cached_user **users; /* [poll_events_max] of each accepted event */
    struct history_behavior *behaviors; /* [poll_events_max] */
    int64_t *offsets;                   /* [poll_events_max] source offset of each accepted event */
    uint32_t accepted;
    struct change **changed; /* [poll_events_max] each user of the poll once */
    uint32_t changed_count;
    struct change **missing; /* [poll_events_max] those of them that were not in memory */
    uint32_t missing_count;

    uint64_t verdicts[EVENT_VERDICTS]; /* of the open transaction */
    uint8_t *record;                   /* a dead letter or an item record */
};

/* ---- a poll ---- */

static uint64_t user_hash(struct bytes user)
{
    return identity_of(user.at, user.size);
}

static enum status send_item(struct processor *processor, const struct event *event,
                             struct error *error)
{
    uint64_t key = __builtin_bswap64(event->item_hash);
    const struct record record = {
        .kind = RECORD_ITEM,
        .partition = event->partition,
        .key = {&key, sizeof key},
        .value = {processor->record, item_record_encode(event, processor->record)},
    };
    return processor->ops->send(processor->session, &record, error);
}

static enum status send_dead_letter(struct processor *processor, const struct event *event,
                                    struct error *error)
{
    const struct config *config = processor->config;
    bool file = config->source.broker == CONFIG_BROKER_FILE;
    const struct record record = {
        .kind = RECORD_DEAD_LETTER,
        .partition = event->partition,
        .value = {processor->record,
                  dead_letter_encode(
                      event, file ? config->source.path : config->source.topic,
                      processor->ops->dead_letter_payload_max(processor->shared->broker),
                      processor->record)},
    };
    return processor->ops->send(processor->session, &record, error);
}

/* Finds the user of an accepted event or inserts it, and makes it part of the changeset. */
static void admit(struct processor *processor, struct task *task, const struct event *event)
{
    uint64_t hash = user_hash(event->user);
    struct cached_user *user = cache_find(processor->cache, event->partition, event->user, hash);
    bool missing = !user;
    if (missing) user = cache_insert(processor->cache, event->partition, event->user, hash);
    REQUIRE(user != NULL); /* the memory plan keeps transactions smaller than the cache */

    struct change *change =
        changeset_touch(&processor->set, processor->cache, user, &task->changes);
    if (user->mark != processor->polls) {
        user->mark = processor->polls;
        processor->changed[processor->changed_count++] = change;
    }
    if (missing) processor->missing[processor->missing_count++] = change;
    processor->users[processor->accepted] = user;
    processor->behaviors[processor->accepted] =
        history_behavior_of(event->item_hash, event->time_ms, event->action);
    processor->offsets[processor->accepted++] = event->offset;
}

static void prefetch_user(struct processor *processor, const struct event *event)
{
    if (event->verdict != EVENT_ACCEPTED) return;
    cache_prefetch(processor->cache, event->partition, user_hash(event->user));
}

/* Pass 1: which users are in this poll. What cannot be used goes to the dead letters. */
static enum status group(struct processor *processor, const struct poll *poll, struct error *error)
{
    processor->polls++;
    processor->accepted = processor->changed_count = processor->missing_count = 0;
    for (uint32_t i = 0; i < poll->events_count; i++) {
        const struct event *event = &poll->events[i];
        if (i + PREFETCH_AHEAD < poll->events_count) {
            prefetch_user(processor, event + PREFETCH_AHEAD);
        }
        struct task *task = assignment_task(processor->assignment, event->partition);
        REQUIRE(task != NULL); /* sessions deliver events of live partitions only */
        task->next_offset = event->offset + 1;
        processor->verdicts[event->verdict]++;
        if (event_is_bad(event->verdict)) {
            TRY(send_dead_letter(processor, event, error));
        } else if (event->verdict == EVENT_ACCEPTED) {
            admit(processor, task, event);
            if (item_names_is_new(processor->names, event)) {
                TRY(send_item(processor, event, error));
            }
        }
    }
    return STATUS_OK;
}

/* Pass 3: histories grow, in source order. A full chunk is kept before the next one opens. */
static void append_behaviors(struct processor *processor)
{
    uint32_t history_max = processor->config->state.history_max;
    for (uint32_t i = 0; i < processor->accepted; i++) {
        struct cached_user *user = processor->users[i];
        if (history_full(&user->history)) {
            changeset_keep_chunk(&processor->set, changeset_of(&processor->set, user));
        }
        /* Should `from` jump, the state no longer begins where it should and is folded anew. */
        (void)history_append(&user->history, processor->behaviors[i], processor->offsets[i],
                             history_max);
    }
    processor->set.behaviors += processor->accepted;
}

static enum status process_events(struct processor *processor, const struct poll *poll,
                                  struct error *error)
{
    if (poll->events_count == 0) return STATUS_OK;
    const struct memory_plan *plan = processor->shared->plan;
    TRY(transaction_begin(&processor->transaction, error));
    TRY(group(processor, poll, error));
    TRY(snapshot_writer_flush(processor->snapshots, error));
    TRY(user_loader_load(processor->loader, processor->missing, processor->missing_count, error));
    append_behaviors(processor);
    TRY(absorber_run(processor->absorber, processor->changed, processor->changed_count, error));
    if (processor->set.count >= plan->users_wanted ||
        processor->set.behaviors >= plan->behaviors_wanted) {
        processor->ops->want_commit(processor->session);
    }
    return STATUS_OK;
}

/* ---- a commit ---- */

static void count_committed(struct processor *processor, uint64_t records)
{
    const struct processor_shared *shared = processor->shared;
    for (int verdict = 0; verdict < EVENT_VERDICTS; verdict++) {
        metric_add(shared->events[verdict], (int64_t)processor->verdicts[verdict]);
    }
    memset(processor->verdicts, 0, sizeof processor->verdicts);
    metric_add(shared->records, (int64_t)records);
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

static enum status abort_transaction(struct processor *processor, struct error *error)
{
    log_warn("transaction aborted, its events will be read again", log_text("why", error->text));
    item_names_forget(processor->names);
    memset(processor->verdicts, 0, sizeof processor->verdicts);
    return transaction_abort(&processor->transaction, error);
}

static enum status commit(struct processor *processor, struct error *error)
{
    uint64_t records = processor->set.count;
    enum status status = transaction_commit(&processor->transaction, error);
    if (status == STATUS_ABORTABLE) return abort_transaction(processor, error);
    TRY(status);
    count_committed(processor, records);
    int64_t now_ns = clock_monotonic_ns();
    TRY(snapshot_writer_background(processor->snapshots, processor->cache, now_ns, error));
    TRY(flush_stores(processor, now_ns, error));
    uint32_t count;
    struct task *const *tasks = assignment_live(processor->assignment, &count);
    return log_compaction_step(processor->compaction, tasks, count, error);
}

/* ---- partitions ---- */

/* Tells the broker which partitions have been restored since. */
static enum status resume_restored(struct processor *processor, struct error *error)
{
    for (;;) {
        struct task *task;
        TRY(assignment_restored(processor->assignment, &task, error));
        if (!task) return STATUS_OK;
        TRY(processor->ops->resume(processor->session, task->partition, &task->seal, error));
    }
}

static void give_up_partitions(struct processor *processor, const struct poll *poll)
{
    for (uint32_t i = 0; i < poll->partitions_count; i++) {
        cache_drop_partition(processor->cache, poll->partitions[i]);
    }
    assignment_drop(processor->assignment, poll->partitions, poll->partitions_count);
}

/*
 * What is open holds changes of partitions that are another's by now: none of it may be committed.
 */
static enum status lose_partitions(struct processor *processor, const struct poll *poll,
                                   struct error *error)
{
    if (processor->transaction.state == TRANSACTION_OPEN) {
        error_set(error, STATUS_ABORTABLE, "partitions were lost");
        TRY(abort_transaction(processor, error));
    }
    give_up_partitions(processor, poll);
    return STATUS_OK;
}

/* ---- the loop ---- */

static enum status answer(struct processor *processor, const struct poll *poll, struct error *error)
{
    switch (poll->kind) {
    case POLL_EVENTS: return process_events(processor, poll, error);
    case POLL_COMMIT: return commit(processor, error);
    case POLL_ASSIGN:
        return assignment_take(processor->assignment, poll->partitions, poll->partitions_count,
                               error);
    case POLL_REVOKE: give_up_partitions(processor, poll); return STATUS_OK;
    case POLL_LOST: return lose_partitions(processor, poll, error);
    case POLL_END: return STATUS_END;
    }
    return STATUS_OK;
}

enum status processor_run(struct processor *processor, struct error *error)
{
    static const struct poll nothing;
    struct poll poll = nothing;
    for (;;) {
        TRY(resume_restored(processor, error));
        TRY(processor->ops->poll(processor->session, POLL_TIMEOUT_MS, &poll, error));
        enum status status = answer(processor, &poll, error);
        if (status == STATUS_ABORTABLE) status = abort_transaction(processor, error);
        if (status == STATUS_END) return STATUS_OK;
        TRY(status);
    }
}

/* ---- opening and closing ---- */

static size_t side_record_size_max(const struct config *config)
{
    size_t dead_letter = dead_letter_size_max(config->output.dead_letter_payload_max);
    size_t item = item_record_size_max(config->source.id_size_max);
    return dead_letter > item ? dead_letter : item;
}

size_t processor_size(const struct config *config, const struct interest_model *model)
{
    size_t of_event = 3 * sizeof(void *) + sizeof(struct history_behavior) + sizeof(int64_t);
    return sizeof(struct processor) + config->job.poll_events_max * of_event +
           side_record_size_max(config) + item_names_size() + publisher_size(config, model) +
           snapshot_writer_size(config, model) + user_loader_size(config) +
           absorber_size(config, model);
}

void processor_shared_init(struct processor_shared *shared)
{
    for (int verdict = 0; verdict < EVENT_VERDICTS; verdict++) {
        shared->events[verdict] = metrics_get("braid_events_total", "verdict",
                                              event_verdict_name((enum event_verdict)verdict));
    }
    shared->records = metrics_get("braid_records_total", NULL, NULL);
    shared->commits = metrics_get("braid_commits_total", NULL, NULL);
}

static enum status processor_open_memory(struct processor *processor, struct error *error)
{
    uint32_t events_max = processor->config->job.poll_events_max;
    processor->users = calloc(events_max, sizeof(struct cached_user *));
    processor->behaviors = calloc(events_max, sizeof *processor->behaviors);
    processor->offsets = calloc(events_max, sizeof *processor->offsets);
    processor->changed = calloc(events_max, sizeof(struct change *));
    processor->missing = calloc(events_max, sizeof(struct change *));
    processor->record = malloc(side_record_size_max(processor->config));
    if (processor->users && processor->behaviors && processor->offsets && processor->changed &&
        processor->missing && processor->record) {
        return STATUS_OK;
    }
    return error_set(error, STATUS_IO, "out of memory: a worker's polls");
}

static enum status processor_open_parts(struct processor *processor, uint32_t worker,
                                        struct error *error)
{
    const struct processor_shared *shared = processor->shared;
    const struct config *config = shared->config;
    const struct memory_plan *plan = shared->plan;
    TRY(processor_open_memory(processor, error));
    TRY(item_names_open(&processor->names, error));
    TRY(shared->ops->session_open(&processor->session, shared->broker, worker, error));
    TRY(assignment_open(&processor->assignment, shared->ops, shared->broker, shared->stores,
                        &plan->store, config, &shared->seal, error));
    TRY(log_compaction_open(&processor->compaction, shared->ops, shared->broker, processor->session,
                            shared->stores, error));
    TRY(snapshot_writer_open(&processor->snapshots, config, shared->model, shared->stores,
                             processor->assignment, error));
    TRY(cache_open(&processor->cache, plan->cache_users, interest_model_state_size(shared->model),
                   config->source.id_size_max, snapshot_writer_evicted, processor->snapshots,
                   error));
    TRY(changeset_open(&processor->set, plan->users_max, plan->behaviors_max, error));
    TRY(publisher_open(&processor->publisher, config, shared->model, shared->ops,
                       processor->session, error));
    TRY(user_loader_open(&processor->loader, config, shared->model, shared->stores,
                         processor->assignment, error));
    return absorber_open(&processor->absorber, config, shared->model, processor->loader, error);
}

enum status processor_open(struct processor **processorp, const struct processor_shared *shared,
                           uint32_t worker, struct error *error)
{
    *processorp = NULL;
    struct processor *processor = calloc(1, sizeof *processor);
    if (!processor) return error_set(error, STATUS_IO, "out of memory: a worker");
    processor->shared = shared;
    processor->config = shared->config;
    processor->ops = shared->ops;
    enum status status = processor_open_parts(processor, worker, error);
    if (status != STATUS_OK) {
        processor_close(processor);
        return status;
    }
    processor->transaction = (struct transaction){
        .ops = shared->ops,
        .session = processor->session,
        .stores = shared->stores,
        .assignment = processor->assignment,
        .cache = processor->cache,
        .publisher = processor->publisher,
        .set = &processor->set,
        .seal = &shared->seal,
    };
    *processorp = processor;
    return STATUS_OK;
}

void processor_close(struct processor *processor)
{
    if (!processor) return;
    log_compaction_close(processor->compaction);
    assignment_close(processor->assignment);
    if (processor->session) processor->ops->session_close(processor->session);
    absorber_close(processor->absorber);
    user_loader_close(processor->loader);
    publisher_close(processor->publisher);
    changeset_close(&processor->set);
    cache_close(processor->cache);
    snapshot_writer_close(processor->snapshots);
    item_names_close(processor->names);
    free(processor->users);
    free(processor->behaviors);
    free(processor->offsets);
    free(processor->changed);
    free(processor->missing);
    free(processor->record);
    free(processor);
}

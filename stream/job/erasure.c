/*
 * erasure.c - users who are erased on request (source.erase).
 *
 * A request's cut is a time. If the user's history has a behavior of that time or before, all of it
 * is deleted in the worker's transaction: every chunk in the log and the store, the record, the
 * snapshot, and what the output's readers have. Events up to the cut are dropped from then on, wherever
 * they come from (stream/source/erasure/cuts.h). What the job had taken in beyond the cut by then goes as well:
 * the cut is moved behind it, so that a replay, which drops the events instead, ends with the same.
 * The same transaction puts the cut into the topic of erasures under the user's hash, and deletes the
 * request, which has its id.
 *
 * RocksDB keeps what was deleted until its files are written anew. That is done on a thread, now and
 * then (state.erase_interval), of the whole store, since only the hashes are known any more when a
 * process has died; then the receipts go into the topic.
 *
 * A request that comes again finds nothing up to its cut and does nothing: so does one that a replay
 * reads long after, or another job beside this one has answered.
 */
#include <pthread.h>
#include <string.h>

#include "base/checksum.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "stream/job/processor_parts.h"
#include "stream/source/erasure/erase_request.h"

enum { CHUNK = HISTORY_CHUNK_BEHAVIORS, SNAPSHOTS_AT_ONCE = 64, LOOK_MS = 100 };

static bool is_request(const struct event *event)
{
    return event->verdict == EVENT_ERASURE && event->user.at;
}

/* ---- whether there is something to erase ---- */

struct looking {
    int64_t cut_ms;
    bool found;
    struct error failure;
};

static bool has_up_to(const struct history *history, int64_t cut_ms)
{
    for (uint32_t i = 0; i < history->count; i++) {
        if (history_time_ms(history->at[i]) <= cut_ms) return true;
    }
    return false;
}

static void look_into_chunk(void *context, size_t index, struct bytes value)
{
    struct looking *looking = context;
    struct history history;
    (void)index;
    if (history_decode(&history, value, &looking->failure) != STATUS_OK) return;
    looking->found = has_up_to(&history, looking->cut_ms);
}

/* Whether one of the user's behaviors is of that time or before, wherever it lies. */
static enum status find_behavior(const struct processor *processor, const struct task *task,
                                 const struct change *change, int64_t cut_ms, bool *foundp,
                                 struct error *error)
{
    const struct cached_user *user = change->user;
    *foundp = has_up_to(&user->history, cut_ms);
    for (const struct closed_chunk *chunk = change->oldest; chunk; chunk = chunk->after) {
        *foundp |= has_up_to(&chunk->history, cut_ms);
    }
    uint64_t chunk = user->history.from / CHUNK;
    for (; !*foundp && chunk < change_first_in_memory(change) / CHUNK; chunk++) {
        struct looking looking = {.cut_ms = cut_ms};
        const struct store_key key = {user->user, chunk};
        TRY(processor->shared->stores->look(task->store, STORE_CHUNKS, &key, look_into_chunk,
                                            &looking, error));
        if (looking.failure.status != STATUS_OK) {
            if (error) *error = looking.failure;
            return looking.failure.status;
        }
        *foundp = looking.found;
    }
    return STATUS_OK;
}

/* ---- a request ---- */

static enum status send_told(struct processor *processor, uint32_t partition,
                             const struct erase_record *told, struct error *error)
{
    char key[ERASE_KEY_SIZE + 1], value[ERASE_VALUE_MAX];
    const struct record record = {
        .kind = RECORD_ERASURE,
        .partition = partition,
        .key = {key, erase_key_encode(told->hash, key)},
        .value = {value, erase_value_encode(told, value)},
    };
    return processor_send(processor, &record, error);
}

/* The cut goes under the hash, and the request, which has the id, goes. */
static enum status answer_request(struct processor *processor, uint32_t partition,
                                  struct bytes user, const struct user_cut *cut,
                                  struct error *error)
{
    const struct erase_record told = {.hash = cut->hash, .cut_ms = cut->ms};
    const struct record deletion = {.kind = RECORD_ERASURE, .partition = partition, .key = user};
    TRY(send_told(processor, partition, &told, error));
    return processor_send(processor, &deletion, error);
}

/* What has no time: a profile alone, or who has left. It goes with the request that comes first. */
static bool is_timeless(const struct change *change)
{
    const struct history *history = &change->user->history;
    const uint64_t events = history_events(history);
    return history->from == events && (events > 0 || history->profile.changes > 0);
}

static enum status take_request(struct processor *processor, struct task *task,
                                const struct event *event, struct cached_user *user,
                                struct error *error)
{
    struct changeset *set = transaction_changes(processor->transaction);
    struct change *change = changeset_of(set, user);
    struct user_cut *cut =
        cuts_find(&task->cuts, event->item_hash); /* take_note has put it there */
    const bool is_new = cut->stage == CUT_ASKED;
    bool found;
    TRY(find_behavior(processor, task, change, cut->ms, &found, error));
    found |= is_new && is_timeless(change);
    if (found) {
        const int64_t last_ms = history_last_ms(&user->history);
        if (last_ms > cut->ms) cut->ms = last_ms;
        change_erase(change);
    }
    if (!found && !is_new) return STATUS_OK;
    cut->stage = CUT_TAKEN;
    set->erased++;
    return answer_request(processor, task->partition, event->user, cut, error);
}

/* The snapshots of whom the poll names; before anything of it is committed. */
static enum status forget_states(struct processor *processor, const struct poll *poll,
                                 struct error *error)
{
    struct store_key keys[SNAPSHOTS_AT_ONCE];
    uint32_t count = 0, partition = 0;
    for (uint32_t i = 0; i <= poll->events_count; i++) {
        const struct event *event = &poll->events[i];
        const bool last = i == poll->events_count;
        if (!last && !is_request(event)) continue;
        if (count > 0 && (last || count == SNAPSHOTS_AT_ONCE || event->partition != partition)) {
            struct store *store = assignment_task(processor->assignment, partition)->store;
            TRY(processor->shared->stores->forget_snapshots(store, keys, count, error));
            count = 0;
        }
        if (last) break;
        partition = event->partition;
        keys[count++] = (struct store_key){.user = event->user};
    }
    return STATUS_OK;
}

/* What a request says, or another process has put under the hash. */
static enum status take_note(struct processor *processor, const struct event *event,
                             struct error *error)
{
    struct user_cut *cut;
    struct task *task = assignment_task(processor->assignment, event->partition);
    TRY(cuts_raise(&task->cuts, event->item_hash, event->time_ms, &cut, error));
    if (!event->user.at && cut->stage == CUT_ASKED) cut->stage = CUT_KEPT;
    return STATUS_OK;
}

/* The cuts of a partition that have come to a stage come to another; returns how many. */
static uint32_t move_cuts(struct cuts *cuts, enum cut_stage from, enum cut_stage to)
{
    uint32_t moved = 0;
    for (uint32_t i = 0; i < cuts->room; i++) {
        struct user_cut *cut = &cuts->at[i];
        if (cut->ms == HISTORY_NO_TIME || cut->stage != from) continue;
        cut->stage = to;
        moved++;
    }
    return moved;
}

/* How many have come to it. */
static uint32_t count_cuts(struct cuts *cuts, enum cut_stage stage)
{
    return cuts->count > 0 ? move_cuts(cuts, stage, stage) : 0;
}

static void move_all(struct processor *processor, enum cut_stage from, enum cut_stage to)
{
    uint32_t count;
    struct task *const *tasks = assignment_live(processor->assignment, &count);
    for (uint32_t t = 0; t < count; t++) {
        move_cuts(&tasks[t]->cuts, from, to);
    }
}

void erasure_closed(struct processor *processor)
{
    const struct changeset *set = transaction_changes(processor->transaction);
    if (set->erased > 0) move_all(processor, CUT_TAKEN, CUT_CLOSED);
    if (set->receipts > 0) move_all(processor, CUT_TOLD, CUT_SEALED);
}

void erasure_committed(struct processor *processor, const struct changeset *set)
{
    if (set->receipts > 0) move_all(processor, CUT_SEALED, CUT_GONE);
    if (set->erased == 0) return;
    metric_add(processor->shared->erased, (int64_t)set->erased);
    move_all(processor, CUT_CLOSED, CUT_KEPT);
    FAULT_POINT("erasure_committed");
}

void erasure_aborted(struct processor *processor)
{
    if (!*processor->config->source.erase) return;
    move_all(processor, CUT_TAKEN, CUT_ASKED);
    move_all(processor, CUT_CLOSED, CUT_ASKED);
    move_all(processor, CUT_TOLD, CUT_KEPT);
    move_all(processor, CUT_SEALED, CUT_KEPT);
}

enum status erasure_take(struct processor *processor, const struct poll *poll, struct error *error)
{
    uint32_t requests = 0;
    for (uint32_t i = 0; i < poll->events_count; i++) {
        const struct event *event = &poll->events[i];
        if (event->verdict != EVENT_ERASURE) continue;
        requests += is_request(event);
        TRY(take_note(processor, event, error));
    }
    if (requests == 0) return STATUS_OK;
    /* Its chunks are looked for in the stores, and none of its states is to be saved after this. */
    TRY(processor_finish(processor, WAIT, error));
    processor_begin_batch(processor);
    for (uint32_t i = 0; i < poll->events_count; i++) {
        const struct event *event = &poll->events[i];
        if (!is_request(event)) continue;
        struct task *task = assignment_task(processor->assignment, event->partition);
        processor->users[processor->accepted++] =
            processor_admit(processor, task, event->user, event->item_hash);
    }
    TRY(snapshot_writer_flush(processor->snapshots, error));
    TRY(user_loader_load(processor->loader, processor->missing, processor->missing_count, error));
    TRY(forget_states(processor, poll, error));
    for (uint32_t i = 0, taken = 0; i < poll->events_count; i++) {
        const struct event *event = &poll->events[i];
        if (!is_request(event)) continue;
        struct task *task = assignment_task(processor->assignment, event->partition);
        TRY(take_request(processor, task, event, processor->users[taken++], error));
    }
    FAULT_POINT("erasure_taken");
    return STATUS_OK;
}

/* ---- until the bytes are gone ---- */

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
    move_cuts(&task->cuts, CUT_KEPT, CUT_PURGED);
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
    const int64_t now_ms = clock_wall_ms();
    const int64_t topics_ms = task->cuts.topics_ms;
    uint32_t receipts = 0;
    for (uint32_t i = 0; i < task->cuts.room; i++) {
        struct user_cut *cut = &task->cuts.at[i];
        if (cut->ms == HISTORY_NO_TIME || cut->stage != CUT_PURGED) continue;
        const struct erase_record told = {
            .hash = cut->hash,
            .cut_ms = cut->ms,
            .gone_ms = now_ms,
            .topics_gone_ms = topics_ms > 0 ? now_ms + topics_ms : 0,
        };
        TRY(send_told(processor, task->partition, &told, error));
        cut->stage = CUT_TOLD;
        receipts++;
    }
    if (receipts > 0) {
        transaction_changes(processor->transaction)->receipts += receipts;
        task->receipts = true;
        processor->ops->gather(processor->session);
    }
    log_info("erased users are gone from a store", log_int("partition", task->partition),
             log_int("users", receipts),
             log_real("seconds", (double)(clock_monotonic_ns() - processor->purge.begun_ns) / 1e9));
    FAULT_POINT("erasure_purged");
    return STATUS_OK;
}

static enum status end_purge(struct processor *processor, struct error *error)
{
    struct purge *purge = &processor->purge;
    struct task *task = assignment_task(processor->assignment, purge->partition);
    pthread_join(purge->thread, NULL);
    purge->running = false;
    if (purge->status != STATUS_OK) {
        if (error) *error = purge->error;
        return purge->status;
    }
    return send_receipts(processor, task, error);
}

enum status erasure_step(struct processor *processor, struct error *error)
{
    uint32_t count;
    if (!*processor->config->source.erase) return STATUS_OK;
    if (processor->purge.running) {
        return atomic_load(&processor->purge.ready) ? end_purge(processor, error) : STATUS_OK;
    }
    const int64_t now_ns = clock_monotonic_ns();
    const int64_t interval_ns = processor->config->state.erase_interval_ms * INT64_C(1000000);
    if (now_ns - processor->purge.looked_ns < (int64_t)LOOK_MS * 1000000) return STATUS_OK;
    processor->purge.looked_ns = now_ns;
    struct task *const *tasks = assignment_live(processor->assignment, &count);
    for (uint32_t t = 0; t < count; t++) {
        struct task *task = tasks[t];
        if (task->purged_ns > 0 && now_ns - task->purged_ns < interval_ns) continue;
        if (count_cuts(&task->cuts, CUT_KEPT) > 0) return begin_purge(processor, task, error);
    }
    return STATUS_OK;
}

void erasure_drop(struct processor *processor, const uint32_t *partitions, uint32_t count)
{
    struct purge *purge = &processor->purge;
    for (uint32_t i = 0; purge->running && i < count; i++) {
        if (partitions[i] != purge->partition) continue;
        purge->stores->cancel_purge(purge->store);
        pthread_join(purge->thread, NULL);
        purge->running = false;
    }
}

void erasure_end(struct processor *processor)
{
    if (processor->purge.running) erasure_drop(processor, &processor->purge.partition, 1);
}

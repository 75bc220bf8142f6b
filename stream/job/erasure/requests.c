/*
 * requests.c - users who are erased on request (source.erase).
 *
 * A request's cut is a time. If the user's history has a behavior of that time or before, all of it
 * is deleted in the worker's transaction: every chunk in the log and the store, the record, the
 * snapshot, and what the output's readers have. Events up to the cut are dropped from then on, wherever
 * they come from (stream/source/erasure/cuts.h). What the job had taken in beyond the cut by then goes as well:
 * the cut is moved behind it, so that a replay, which drops the events instead, ends with the same.
 * The same transaction puts the cut into the topic of erasures under the user's hash, and deletes the
 * request, which has its id. The receipt follows when the bytes are gone (purge.c).
 *
 * A request that comes again finds nothing up to its cut and does nothing: so does one that a replay
 * reads long after. What another job has answered is known by its hash alone (seeking.c).
 */
#include "base/fault.h"
#include "stream/job/processor_parts.h"
#include "stream/source/erasure/erase_request.h"

enum { CHUNK = HISTORY_CHUNK_BEHAVIORS, SNAPSHOTS_AT_ONCE = 64 };

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

/* ---- a user ---- */

enum status erasure_tell(struct processor *processor, uint32_t partition,
                         const struct erase_record *told, struct error *error)
{
    char key[ERASE_KEY_SIZE + CONFIG_VALUE_MAX], value[ERASE_VALUE_MAX];
    const struct bytes group = bytes_of(processor->config->kafka.group);
    const struct record record = {
        .kind = RECORD_ERASURE,
        .partition = partition,
        .key = {key, erase_key_encode(told->hash, group, key)},
        .value = {value, erase_value_encode(told, value)},
    };
    return processor_send(processor, &record, error);
}

static void note_record(void *context, size_t index, struct bytes value)
{
    (void)index, (void)value;
    *(bool *)context = true;
}

/*
 * What has no time: a profile alone, also one that says nothing any more, or who has left. It goes with
 * the request that comes first.
 */
static enum status find_timeless(const struct processor *processor, const struct task *task,
                                 const struct change *change, bool *foundp, struct error *error)
{
    const struct history *history = &change->user->history;
    const struct store_key key = {.user = change->user->user};
    const uint64_t events = history_events(history);
    *foundp = history->from == events && (events > 0 || history->profile.changes > 0);
    if (*foundp || events > 0) return STATUS_OK;
    return processor->shared->stores->look(task->store, STORE_USERS, &key, note_record, foundp,
                                           error);
}

enum status erasure_of_user(struct processor *processor, struct task *task, struct change *change,
                            struct user_cut *cut, bool is_asked, struct error *error)
{
    const bool is_new = cut->stage <= CUT_SEEKING;
    bool found;
    TRY(find_behavior(processor, task, change, cut->ms, &found, error));
    if (is_new && !found) TRY(find_timeless(processor, task, change, &found, error));
    if (!found && !(is_asked && cut->stage == CUT_ASKED)) return STATUS_OK;
    cut_take(&task->cuts, cut, found ? history_last_ms(&change->user->history) : cut->ms);
    if (found) change_erase(change);
    transaction_changes(processor->transaction)->erased++;
    const struct erase_record told = {.hash = cut->hash, .cut_ms = cut->ms};
    return erasure_tell(processor, task->partition, &told, error);
}

/* ---- who is named ---- */

/* What a request says, or a job has put under the hash. */
static enum status take_note(struct processor *processor, const struct event *event,
                             struct error *error)
{
    struct user_cut *cut;
    struct task *task = assignment_task(processor->assignment, event->partition);
    if (is_request(event)) {
        return cuts_raise(&task->cuts, event->item_hash, event->time_ms, &cut, error);
    }
    const uint32_t sought = task->cuts.of_stage[CUT_SOUGHT];
    TRY(cuts_tell(&task->cuts, event->item_hash, event->time_ms, CUT_SOUGHT, error));
    if (task->cuts.of_stage[CUT_SOUGHT] == sought) return STATUS_OK;
    if (sought == 0 || event->offset < task->sought_from) task->sought_from = event->offset;
    return STATUS_OK;
}

static uint64_t hash_named(const struct event *event)
{
    return is_request(event) ? event->item_hash : user_hash(event->user);
}

/*
 * Whether it has the id of one to be erased: a request, or what somebody does who is sought, which is to
 * find nothing of before.
 */
static bool names_erased(const struct processor *processor, const struct event *event)
{
    if (is_request(event)) return true;
    const struct cuts *cuts = &assignment_task(processor->assignment, event->partition)->cuts;
    if (cuts->of_stage[CUT_SOUGHT] + cuts->of_stage[CUT_SEEKING] == 0) return false;
    if (event->verdict != EVENT_ACCEPTED && event->verdict != EVENT_PROFILE) return false;
    const struct user_cut *cut = cuts_find(cuts, hash_named(event));
    return cut && (cut->stage == CUT_SOUGHT || cut->stage == CUT_SEEKING);
}

bool erasure_has_snapshot(const struct cached_user *user)
{
    return history_events(&user->history) > 0 || user->history.profile.changes > 0;
}

/* The snapshots of whom the poll names; before anything of it is committed. */
static enum status forget_states(struct processor *processor, const struct poll *poll,
                                 uint32_t named, struct error *error)
{
    struct store_key keys[SNAPSHOTS_AT_ONCE];
    uint32_t count = 0, partition = 0;
    for (uint32_t i = 0; i <= named; i++) {
        const struct event *event = i < named ? &poll->events[processor->named[i]] : NULL;
        if (count > 0 && (!event || count == SNAPSHOTS_AT_ONCE || event->partition != partition)) {
            struct store *store = assignment_task(processor->assignment, partition)->store;
            TRY(processor->shared->stores->forget_snapshots(store, keys, count, error));
            count = 0;
        }
        if (!event) break;
        if (!erasure_has_snapshot(processor->users[i])) continue;
        partition = event->partition;
        keys[count++] = (struct store_key){.user = event->user};
    }
    return STATUS_OK;
}

/* A request goes, since it has the id, whatever is found. */
static enum status erase_named(struct processor *processor, const struct event *event,
                               struct cached_user *user, struct error *error)
{
    struct task *task = assignment_task(processor->assignment, event->partition);
    struct change *change = changeset_of(transaction_changes(processor->transaction), user);
    struct user_cut *cut = cuts_find(&task->cuts, hash_named(event)); /* it is there */
    const struct record deletion = {
        .kind = RECORD_ERASURE, .partition = task->partition, .key = event->user};
    TRY(erasure_of_user(processor, task, change, cut, is_request(event), error));
    return is_request(event) ? processor_send(processor, &deletion, error) : STATUS_OK;
}

enum status erasure_take(struct processor *processor, const struct poll *poll, struct error *error)
{
    uint32_t named = 0;
    if (!processor->seeker) return STATUS_OK;
    for (uint32_t i = 0; i < poll->events_count; i++) {
        const struct event *event = &poll->events[i];
        if (event->verdict == EVENT_ERASURE) TRY(take_note(processor, event, error));
    }
    for (uint32_t i = 0; i < poll->events_count; i++) {
        if (names_erased(processor, &poll->events[i])) processor->named[named++] = i;
    }
    if (named == 0) return STATUS_OK;
    /* Its chunks are looked for in the stores, and none of its states is to be saved after this. */
    TRY(processor_finish(processor, WAIT, error));
    processor_begin_batch(processor);
    for (uint32_t i = 0; i < named; i++) {
        const struct event *event = &poll->events[processor->named[i]];
        struct task *task = assignment_task(processor->assignment, event->partition);
        processor->users[i] = processor_admit(processor, task, event->user, hash_named(event));
    }
    TRY(snapshot_writer_flush(processor->snapshots, error));
    TRY(user_loader_load(processor->loader, processor->missing, processor->missing_count, error));
    TRY(forget_states(processor, poll, named, error));
    for (uint32_t i = 0; i < named; i++) {
        const struct event *event = &poll->events[processor->named[i]];
        TRY(erase_named(processor, event, processor->users[i], error));
    }
    FAULT_POINT("erasure_taken");
    return STATUS_OK;
}

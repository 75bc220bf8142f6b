/* changeset.c - dirty users, their closed chunks, and both as writes. */
#include "stream/job/changeset.h"

#include <stdlib.h>
#include <string.h>

#include "stream/broker/broker.h"

enum { CHUNK = HISTORY_CHUNK_BEHAVIORS };

/* Arenas hand out whole cache lines. */
static size_t arena_lines(size_t size)
{
    return (size + ARENA_ALIGNMENT - 1) / ARENA_ALIGNMENT * ARENA_ALIGNMENT;
}

/*
 * What the arena holds at most: of each user its record, the deletion of what a jump of `from`
 * left behind, and two of one who is erased; chunks, of which each user may close one with its first behavior; and for each
 * partition a line that its writes do not fill.
 */
static size_t arena_size(uint32_t users_max, uint32_t behaviors_max)
{
    const size_t write = sizeof(struct store_write), record = arena_lines(HISTORY_RECORD_MAX);
    const size_t chunks = (size_t)users_max + behaviors_max / CHUNK;
    return users_max * (record + 4 * write) +
           chunks * (arena_lines(sizeof(struct closed_chunk)) + record + write) +
           (size_t)ARENA_ALIGNMENT * POLL_PARTITIONS_MAX;
}

size_t changeset_size(uint32_t users_max, uint32_t behaviors_max)
{
    return users_max * sizeof(struct change) + arena_size(users_max, behaviors_max);
}

enum status changeset_open(struct changeset *set, uint32_t users_max, uint32_t behaviors_max,
                           struct error *error)
{
    *set = (struct changeset){.users_max = users_max};
    set->changes = calloc(users_max, sizeof *set->changes);
    if (!set->changes) return error_set(error, STATUS_IO, "out of memory: a changeset");
    return arena_open(&set->arena, arena_size(users_max, behaviors_max), error);
}

void changeset_close(struct changeset *set)
{
    arena_close(&set->arena);
    free(set->changes);
    *set = (struct changeset){0};
}

struct change *changeset_touch(struct changeset *set, struct state_cache *cache,
                               struct cached_user *user, struct change_list *list)
{
    if (user->dirty) return changeset_of(set, user);
    REQUIRE(set->count < set->users_max);
    cache_touch(cache, user);
    user->change = set->count++;
    struct change *change = changeset_of(set, user);
    *change = (struct change){.user = user};
    change_committed(change);
    if (list->last)
        list->last->next = change;
    else
        list->first = change;
    list->last = change;
    list->count++;
    return change;
}

void change_committed(struct change *change)
{
    change->from = change->user->history.from;
    change->events = history_events(&change->user->history);
    change->generation = change->user->history.generation;
    change->tombstone = change->user->history.tombstone;
}

void changeset_keep_chunk(struct changeset *set, struct change *change)
{
    struct closed_chunk *chunk = arena_take(&set->arena, sizeof *chunk);
    chunk->history = history_closed(&change->user->history);
    chunk->before = change->newest;
    chunk->after = NULL;
    if (change->newest)
        change->newest->after = chunk;
    else
        change->oldest = chunk;
    change->newest = chunk;
}

void change_erase(struct change *change)
{
    struct cached_user *user = change->user;
    const bool before = change->erased.is;
    if (!before) {
        change->erased.is = true;
        change->erased.from = change->from;
        change->erased.end = change->events;
        change->erased.published = change->events > 0 && !change->tombstone;
    }
    change->oldest = change->newest = NULL;
    change->profiled = false;
    history_init(&user->history, change->generation);
    user->state_from = user->state_events = user->state_absorbed = user->snapshot_events = 0;
    user->last_ms = HISTORY_NO_TIME;
    change_committed(change);
}

uint64_t change_first_in_memory(const struct change *change)
{
    return change->oldest ? change->oldest->history.first : change->user->history.first;
}

/* ---- as writes ---- */

/* Ordinals [first, end) of full or open chunks that are committed and that `from` has passed. */
static void left_behind(const struct change *change, uint64_t *firstp, uint64_t *endp)
{
    uint64_t from = change->user->history.from;
    uint64_t committed = (change->events + CHUNK - 1) / CHUNK * CHUNK;
    *firstp = change->from / CHUNK * CHUNK;
    *endp = (from < committed ? from : committed) / CHUNK * CHUNK;
    if (*endp < *firstp) *endp = *firstp;
}

/* At most how many writes a change makes. */
static size_t count_writes(const struct change *change)
{
    size_t count = 4; /* its record, what was left behind, and of one who was erased */
    for (const struct closed_chunk *chunk = change->oldest; chunk; chunk = chunk->after) {
        count++;
    }
    return count;
}

static struct store_write write_of(struct changeset *set, enum store_space space,
                                   const struct cached_user *user, const struct history *history)
{
    void *value = arena_take(&set->arena, HISTORY_RECORD_MAX);
    return (struct store_write){
        .space = space,
        .key = {user->user, history->first / CHUNK},
        .value = {value, history_encode(history, value)},
    };
}

/*
 * All that was committed of a user who was erased: its chunks up to that of the record, which of one who
 * left lies before `from`, and last of all the user.
 */
static struct store_write *add_erasure(const struct change *change, struct store_write *at)
{
    const struct bytes user = change->user->user;
    const uint64_t last = change->erased.end > 0 ? (change->erased.end - 1) / CHUNK : 0;
    const uint64_t from = change->erased.from / CHUNK;
    const uint64_t first = from < last ? from : last;
    *at++ = (struct store_write){
        .space = STORE_CHUNKS,
        .key = {user, first},
        .chunks_after = last - first,
    };
    *at++ = (struct store_write){.space = STORE_USERS, .key = {user, HISTORY_USER_GONE}};
    return at;
}

static struct store_write *add_writes(struct changeset *set, const struct change *change,
                                      struct store_write *at)
{
    const struct cached_user *user = change->user;
    if (change->erased.is) at = add_erasure(change, at);
    if (change->erased.is && !change->profiled && history_events(&user->history) == 0) return at;
    for (const struct closed_chunk *chunk = change->oldest; chunk; chunk = chunk->after) {
        if (chunk->history.first + CHUNK <= user->history.from) continue;
        *at++ = write_of(set, STORE_CHUNKS, user, &chunk->history);
    }
    uint64_t first, end;
    left_behind(change, &first, &end);
    if (first < end) {
        *at++ = (struct store_write){
            .space = STORE_CHUNKS,
            .key = {user->user, first / CHUNK},
            .chunks_after = (end - first) / CHUNK - 1,
        };
    }
    *at++ = write_of(set, STORE_USERS, user, &user->history);
    return at;
}

struct store_write *changeset_writes(struct changeset *set, const struct change_list *list,
                                     size_t *countp)
{
    size_t count = 0;
    for (const struct change *change = list->first; change; change = change->next) {
        count += count_writes(change);
    }
    struct store_write *writes = arena_take(&set->arena, count * sizeof *writes);
    struct store_write *at = writes;
    for (const struct change *change = list->first; change; change = change->next) {
        if (change_is_some(change)) {
            at = add_writes(set, change, at);
            set->silent += !change_is_published(change);
        } else {
            set->unchanged++;
        }
    }
    *countp = (size_t)(at - writes);
    return writes;
}

void changeset_clear(struct changeset *set)
{
    arena_release(&set->arena, 0);
    set->count = set->unchanged = set->silent = 0;
    set->behaviors = set->events = 0;
    set->oldest_ms = 0;
    memset(set->verdicts, 0, sizeof set->verdicts);
    set->late = set->unknown = set->odd_categories = set->swept = set->expired = set->erased = 0;
    set->worst = (struct late_event){0};
}

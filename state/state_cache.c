/*
 * state_cache.c - slots, a table that finds them, and a clock that frees them; one allocation.
 *
 * A user's slot is a cold kilobyte or more, so nothing walks over slots to find one. The table is
 * open addressing with linear probing, at most half full, of 8-byte entries: 32 bits of hash and 32
 * of slot. A miss costs one cache line, a hit that line and the slot's own. The hash bits alone say
 * where an entry belongs, so that removal closes its gap (no tombstones) without looking at a slot.
 * What the clock needs is one byte a slot.
 */
#include "state/state_cache.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/checksum.h"

enum {
    LINE = 64, /* bytes of a cache line */
    TABLE_ENTRIES_MIN = 16,
};

enum slot_use {
    SLOT_FREE,
    SLOT_COLD,   /* the next to go */
    SLOT_HOT,    /* used since the hand came by */
    SLOT_PINNED, /* dirty or committing: stays */
};

struct state_cache {
    uint64_t *table;                          /* hash bits << 32 | slot + 1; 0 is empty */
    uint8_t *uses;                            /* [capacity] enum slot_use */
    uint32_t *free;                           /* stack of free slots */
    struct cached_user **dirty, **committing; /* [capacity] each; a user may be in both */
    uint8_t *slots;
    size_t slot_size;
    size_t id_at; /* in a slot: a cached_user, the id, the state */
    size_t state_at;
    uint32_t table_mask;
    uint32_t capacity;
    uint32_t free_count;
    uint32_t dirty_count, committing_count, pinned_count;
    uint32_t clock_hand;
    uint32_t behind_hand;
    uint32_t user_size_max;
    cache_evict *evict;
    void *context;
};

/* Where the parts of the one block lie. */
struct layout {
    size_t table, uses, free, dirty, committing, slots, end;
    size_t id_at, state_at, slot_size;
    uint32_t table_entries;
};

static size_t lines(size_t size)
{
    return (size + LINE - 1) / LINE * LINE;
}

static struct layout layout_of(uint32_t users, size_t state_size, uint32_t user_size_max)
{
    struct layout layout = {.table_entries = TABLE_ENTRIES_MIN};
    while (layout.table_entries < 2 * (uint64_t)users) {
        layout.table_entries *= 2;
    }
    layout.id_at = sizeof(struct cached_user);
    layout.state_at = lines(layout.id_at + user_size_max);
    layout.slot_size = layout.state_at + lines(state_size);
    layout.table = lines(sizeof(struct state_cache));
    layout.uses = layout.table + lines(layout.table_entries * sizeof(uint64_t));
    layout.free = layout.uses + lines(users);
    layout.dirty = layout.free + lines(users * sizeof(uint32_t));
    layout.committing = layout.dirty + lines(users * sizeof(struct cached_user *));
    layout.slots = layout.committing + lines(users * sizeof(struct cached_user *));
    layout.end = layout.slots + users * layout.slot_size;
    return layout;
}

size_t cache_size(uint32_t users, size_t state_size, uint32_t user_size_max)
{
    return layout_of(users, state_size, user_size_max).end;
}

enum status cache_open(struct state_cache **cachep, uint32_t users, size_t state_size,
                       uint32_t user_size_max, cache_evict *evict, void *context,
                       struct error *error)
{
    REQUIRE(users >= 1 && users <= UINT32_MAX / 4);
    struct layout layout = layout_of(users, state_size, user_size_max);
    uint8_t *block = arena_block(layout.end);
    *cachep = (struct state_cache *)block;
    if (!block)
        return error_set(error, STATUS_IO, "out of memory: a cache of %zu bytes", layout.end);

    memset(block, 0, layout.free);
    struct state_cache *cache = *cachep;
    *cache = (struct state_cache){
        .table = (uint64_t *)(block + layout.table),
        .uses = block + layout.uses,
        .free = (uint32_t *)(block + layout.free),
        .dirty = (struct cached_user **)(block + layout.dirty),
        .committing = (struct cached_user **)(block + layout.committing),
        .slots = block + layout.slots,
        .slot_size = layout.slot_size,
        .id_at = layout.id_at,
        .state_at = layout.state_at,
        .table_mask = layout.table_entries - 1,
        .capacity = users,
        .user_size_max = user_size_max,
        .evict = evict,
        .context = context,
    };
    while (cache->free_count < users) {
        cache->free[cache->free_count] = users - 1 - cache->free_count;
        cache->free_count++;
    }
    return STATUS_OK;
}

void cache_close(struct state_cache *cache)
{
    free(cache);
}

static struct cached_user *slot_user(const struct state_cache *cache, uint32_t slot)
{
    return (struct cached_user *)(cache->slots + slot * cache->slot_size);
}

static uint32_t slot_of_user(const struct state_cache *cache, const struct cached_user *user)
{
    return (uint32_t)((size_t)((const uint8_t *)user - cache->slots) / cache->slot_size);
}

/* The hash bits of a table entry; their low ones are its home. */
static uint32_t tag_of(uint32_t partition, uint64_t hash)
{
    return (uint32_t)(splitmix64(hash ^ (uint64_t)partition << 32) >> 32);
}

static uint32_t entry_tag(uint64_t entry)
{
    return (uint32_t)(entry >> 32);
}

static uint32_t entry_slot(uint64_t entry)
{
    return (uint32_t)entry - 1;
}

void cache_prefetch_place(const struct state_cache *cache, uint32_t partition, uint64_t hash)
{
    __builtin_prefetch(&cache->table[tag_of(partition, hash) & cache->table_mask]);
}

void cache_prefetch(const struct state_cache *cache, uint32_t partition, uint64_t hash)
{
    uint32_t tag = tag_of(partition, hash);
    for (uint32_t at = tag & cache->table_mask; cache->table[at];
         at = (at + 1) & cache->table_mask) {
        if (entry_tag(cache->table[at]) != tag) continue;
        const struct cached_user *user = slot_user(cache, entry_slot(cache->table[at]));
        __builtin_prefetch(user);
        __builtin_prefetch(&user->history);
        __builtin_prefetch((const uint8_t *)user + cache->id_at);
        return;
    }
}

struct cached_user *cache_find(struct state_cache *cache, uint32_t partition, struct bytes user,
                               uint64_t hash)
{
    uint32_t tag = tag_of(partition, hash);
    for (uint32_t at = tag & cache->table_mask; cache->table[at];
         at = (at + 1) & cache->table_mask) {
        if (entry_tag(cache->table[at]) != tag) continue;
        uint32_t slot = entry_slot(cache->table[at]);
        struct cached_user *found = slot_user(cache, slot);
        if (found->hash != hash || found->partition != partition) continue;
        if (!bytes_equal(found->user, user)) continue;
        if (cache->uses[slot] == SLOT_COLD) cache->uses[slot] = SLOT_HOT;
        return found;
    }
    return NULL;
}

static void table_add(struct state_cache *cache, const struct cached_user *user, uint32_t slot)
{
    uint32_t tag = tag_of(user->partition, user->hash);
    uint32_t at = tag & cache->table_mask;
    while (cache->table[at]) {
        at = (at + 1) & cache->table_mask;
    }
    cache->table[at] = (uint64_t)tag << 32 | (slot + 1);
}

/*
 * Empties the user's entry, then moves back every later one of its run that may stand in the gap.
 */
static void table_remove(struct state_cache *cache, const struct cached_user *user, uint32_t slot)
{
    uint32_t mask = cache->table_mask;
    uint32_t tag = tag_of(user->partition, user->hash);
    uint32_t gap = tag & mask;
    while (cache->table[gap] != ((uint64_t)tag << 32 | (slot + 1))) {
        gap = (gap + 1) & mask;
    }
    for (uint32_t at = (gap + 1) & mask; cache->table[at]; at = (at + 1) & mask) {
        uint32_t home = entry_tag(cache->table[at]) & mask;
        if (((at - home) & mask) < ((at - gap) & mask)) continue;
        cache->table[gap] = cache->table[at];
        gap = at;
    }
    cache->table[gap] = 0;
}

static void slot_release(struct state_cache *cache, uint32_t slot)
{
    table_remove(cache, slot_user(cache, slot), slot);
    cache->uses[slot] = SLOT_FREE;
    cache->free[cache->free_count++] = slot;
}

/* Frees one clean slot. There is one: the hand makes every hot slot cold in its first round. */
static void evict_one(struct state_cache *cache)
{
    for (;;) {
        uint32_t slot = cache->clock_hand;
        cache->clock_hand = slot + 1 == cache->capacity ? 0 : slot + 1;
        if (cache->uses[slot] == SLOT_HOT) {
            cache->uses[slot] = SLOT_COLD;
        } else if (cache->uses[slot] == SLOT_COLD) {
            cache->evict(cache->context, slot_user(cache, slot));
            slot_release(cache, slot);
            return;
        }
    }
}

struct cached_user *cache_insert(struct state_cache *cache, uint32_t partition, struct bytes user,
                                 uint64_t hash)
{
    REQUIRE(user.size <= cache->user_size_max);
    if (cache->pinned_count == cache->capacity) return NULL;
    if (cache->free_count == 0) evict_one(cache);
    uint32_t slot = cache->free[--cache->free_count];
    cache->uses[slot] = SLOT_COLD;

    struct cached_user *added = slot_user(cache, slot);
    uint8_t *id = (uint8_t *)added + cache->id_at;
    if (user.size) memcpy(id, user.at, user.size);
    *added = (struct cached_user){
        .user = {id, user.size},
        .hash = hash,
        .partition = partition,
        .state = (uint8_t *)added + cache->state_at,
        .last_ms = HISTORY_NO_TIME,
    };
    history_init(&added->history, 0);
    table_add(cache, added, slot);
    return added;
}

void cache_touch(struct state_cache *cache, struct cached_user *user)
{
    if (user->dirty) return;
    user->dirty = true;
    cache->dirty[cache->dirty_count++] = user;
    if (user->committing) return;
    cache->uses[slot_of_user(cache, user)] = SLOT_PINNED;
    cache->pinned_count++;
}

void cache_close_dirty(struct state_cache *cache)
{
    REQUIRE(cache->committing_count == 0);
    struct cached_user **empty = cache->committing;
    cache->committing = cache->dirty;
    cache->committing_count = cache->dirty_count;
    cache->dirty = empty;
    cache->dirty_count = 0;
    for (uint32_t i = 0; i < cache->committing_count; i++) {
        cache->committing[i]->committing = true;
        cache->committing[i]->dirty = false;
    }
}

void cache_clean(struct state_cache *cache)
{
    for (uint32_t i = 0; i < cache->committing_count; i++) {
        struct cached_user *user = cache->committing[i];
        user->committing = false;
        if (user->dirty) continue;
        cache->uses[slot_of_user(cache, user)] = SLOT_HOT;
        cache->pinned_count--;
    }
    cache->committing_count = 0;
}

void cache_drop_dirty(struct state_cache *cache)
{
    for (uint32_t i = 0; i < cache->committing_count; i++) {
        const struct cached_user *user = cache->committing[i];
        if (!user->dirty) slot_release(cache, slot_of_user(cache, user));
    }
    for (uint32_t i = 0; i < cache->dirty_count; i++) {
        slot_release(cache, slot_of_user(cache, cache->dirty[i]));
    }
    cache->committing_count = cache->dirty_count = cache->pinned_count = 0;
}

void cache_drop_partition(struct state_cache *cache, uint32_t partition)
{
    REQUIRE(cache->committing_count == 0);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < cache->dirty_count; i++) {
        if (cache->dirty[i]->partition != partition) cache->dirty[kept++] = cache->dirty[i];
    }
    cache->dirty_count = cache->pinned_count = kept;
    for (uint32_t slot = 0; slot < cache->capacity; slot++) {
        if (cache->uses[slot] == SLOT_FREE) continue;
        if (slot_user(cache, slot)->partition == partition) slot_release(cache, slot);
    }
}

struct cached_user *cache_next_behind(struct state_cache *cache, uint64_t behind)
{
    for (uint32_t i = 0; i < cache->capacity; i++) {
        uint32_t slot = cache->behind_hand;
        cache->behind_hand = slot + 1 == cache->capacity ? 0 : slot + 1;
        if (cache->uses[slot] == SLOT_FREE || cache->uses[slot] == SLOT_PINNED) continue;
        struct cached_user *user = slot_user(cache, slot);
        if (cached_user_behind(user) >= behind) return user;
    }
    return NULL;
}

uint32_t cache_users(const struct state_cache *cache)
{
    return cache->capacity - cache->free_count;
}

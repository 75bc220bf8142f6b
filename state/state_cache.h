/*
 * state_cache.h - the hot users of one worker: history record and folded state, in memory.
 *
 * A fixed number of equal slots is taken at open, so the cache's memory is known and never grows.
 * A user touched by the open changeset is dirty. When that is closed its users are committing until
 * the stores have what it says, and may become dirty again meanwhile. Such users stay: they cannot
 * be evicted, so nothing of them is looked for in a store that does not have it yet.
 *
 *     find or insert -> touch -> cache_close_dirty -> (stored: cache_clean | failed: cache_drop_dirty)
 *
 * Eviction is second-chance (a clock hand over the slots). A user that is neither may be evicted
 * by any insert, so touch it before the next one. Threads: one owner.
 */
#ifndef STATE_STATE_CACHE_H
#define STATE_STATE_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"
#include "state/history.h"

struct cached_user {
    struct bytes user; /* id; lives in the slot */
    uint64_t hash;     /* of the id, chosen by the owner of the cache */
    uint32_t partition;
    bool dirty;      /* changed by the open changeset, */
    bool committing; /* by the closed one, whose commit is under way */
    void *state;     /* state_size bytes, 64-byte aligned: the fold of [state_from, state_events) */
    uint64_t state_from;
    uint64_t state_events;    /* 0: `state` holds nothing yet */
    uint64_t state_absorbed;  /* behaviors of it that the model knows (all, if it has OOV rows) */
    int64_t last_ms;          /* latest time of the absorbed ones, HISTORY_NO_TIME if none */
    uint64_t snapshot_events; /* n of its newest snapshot in the store, 0 if none (or stale) */
    int64_t latest_ms;        /* scratch for the owner, 0 when inserted: none of it is later */
    uint64_t mark;            /* scratch for the owner during one poll or commit */
    uint32_t change;          /* scratch for the owner while dirty: its part of the changeset */
    struct history history;   /* including what the open transaction appended */
};

struct state_cache;

/* Called with a clean user about to be evicted; the owner may save its state. */
typedef void cache_evict(void *context, const struct cached_user *user);

/* Bytes that a cache of `users` slots takes, everything included. */
size_t cache_size(uint32_t users, size_t state_size, uint32_t user_size_max);

/* Takes all its memory now. `users` >= 1. */
MUST_CHECK enum status cache_open(struct state_cache **cachep, uint32_t users, size_t state_size,
                                  uint32_t user_size_max, cache_evict *evict, void *context,
                                  struct error *error);
void cache_close(struct state_cache *cache);

/*
 * Begin to fetch into the processor's caches what cache_find will read, and change nothing: first the
 * place of the table, and when that is there the slot.
 */
void cache_prefetch_place(const struct state_cache *cache, uint32_t partition, uint64_t hash);
void cache_prefetch(const struct state_cache *cache, uint32_t partition, uint64_t hash);

/* The user, or NULL. Counts as a use. */
struct cached_user *cache_find(struct state_cache *cache, uint32_t partition, struct bytes user,
                               uint64_t hash);

/*
 * A slot for a user that is not in the cache, evicting a clean one if need be. Its history is
 * empty, its stamps are zero, the state's bytes are as they were. NULL if all slots must stay:
 * close the transaction.
 */
struct cached_user *cache_insert(struct state_cache *cache, uint32_t partition, struct bytes user,
                                 uint64_t hash);

/* Makes the user dirty. */
void cache_touch(struct state_cache *cache, struct cached_user *user);

/* The open changeset is closed: its dirty users are committing. No others may be. */
void cache_close_dirty(struct state_cache *cache);

/* The closed changeset is committed and stored: its users may go, unless they are dirty again. */
void cache_clean(struct state_cache *cache);

/* Neither changeset will be committed: forgets every dirty and every committing user. */
void cache_drop_dirty(struct state_cache *cache);

/* Forgets all users of a partition that was given up. No commit may be under way. */
void cache_drop_partition(struct state_cache *cache, uint32_t partition);

/*
 * How many behaviors a state has absorbed that no snapshot holds: since its snapshot, or since
 * state_from if that is later. What a fold must make up for if the state is dropped.
 */
static inline uint64_t cached_user_behind(const struct cached_user *user)
{
    uint64_t since =
        user->snapshot_events > user->state_from ? user->snapshot_events : user->state_from;
    return user->state_events > since ? user->state_events - since : 0;
}

/*
 * The next user that is neither dirty nor committing, in slot order around the cache, that is at
 * least `behind` behaviors behind; NULL after one whole round without one (which has read every
 * slot: ask again after the next commit, not at once). For the background snapshot budget.
 */
struct cached_user *cache_next_behind(struct state_cache *cache, uint64_t behind);

uint32_t cache_users(const struct state_cache *cache); /* slots in use */

#endif

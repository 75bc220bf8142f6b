/* folded_states.c - a cache of users as the workers have one (state/state_cache.h), behind a lock. */
#include "stream/query/folded_states.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "state/state_cache.h"

struct folded_states {
    pthread_mutex_t lock;
    struct state_cache *cache;
    size_t state_size;
    uint32_t id_size_max;
};

/* As many slots as fit; tables grow by steps, so it is found and not computed. */
static uint32_t slots_of(size_t size, size_t state_size, uint32_t id_size_max)
{
    uint64_t slots = size / (state_size + id_size_max);
    if (slots > UINT32_MAX / 8) slots = UINT32_MAX / 8;
    while (slots > 0 && cache_size((uint32_t)slots, state_size, id_size_max) > size) {
        slots -= slots / 64 + 1;
    }
    return (uint32_t)slots;
}

static void leave(void *context, const struct cached_user *user)
{
    (void)context, (void)user;
}

enum status folded_states_open(struct folded_states **statesp, size_t size,
                               const struct interest_model *model, uint32_t id_size_max,
                               struct error *error)
{
    const size_t state_size = interest_model_state_size(model);
    const uint32_t slots = slots_of(size, state_size, id_size_max);
    *statesp = NULL;
    if (slots == 0) return STATUS_OK;
    struct folded_states *states = calloc(1, sizeof *states);
    if (!states) return error_set(error, STATUS_IO, "out of memory: states to answer with");
    states->state_size = state_size;
    states->id_size_max = id_size_max;
    pthread_mutex_init(&states->lock, NULL);
    const enum status status =
        cache_open(&states->cache, slots, state_size, id_size_max, leave, NULL, error);
    if (status == STATUS_OK) {
        *statesp = states;
    } else {
        folded_states_close(states);
    }
    return status;
}

void folded_states_close(struct folded_states *states)
{
    if (!states) return;
    cache_close(states->cache);
    pthread_mutex_destroy(&states->lock);
    free(states);
}

static struct cached_user *find(struct folded_states *states, uint32_t partition, struct bytes user)
{
    return cache_find(states->cache, partition, user, identity_of(user.at, user.size));
}

bool folded_states_take(struct folded_states *states, uint32_t partition, struct bytes user,
                        uint64_t least, uint64_t most, struct snapshot_stamp *stamp, void *state)
{
    if (!states || user.size > states->id_size_max) return false;
    pthread_mutex_lock(&states->lock);
    const struct cached_user *kept = find(states, partition, user);
    const bool fits = kept && kept->state_from == stamp->from && kept->state_events >= least &&
                      kept->state_events <= most;
    if (fits) {
        stamp->events = kept->state_events;
        stamp->absorbed = kept->state_absorbed;
        stamp->last_ms = kept->last_ms;
        memcpy(state, kept->state, states->state_size);
    }
    pthread_mutex_unlock(&states->lock);
    return fits;
}

void folded_states_keep(struct folded_states *states, uint32_t partition, struct bytes user,
                        const struct snapshot_stamp *stamp, const void *state)
{
    if (!states || user.size > states->id_size_max) return;
    pthread_mutex_lock(&states->lock);
    struct cached_user *kept = find(states, partition, user);
    if (!kept) kept = cache_insert(states->cache, partition, user, identity_of(user.at, user.size));
    if (kept->state_from != stamp->from || kept->state_events < stamp->events) {
        kept->state_from = stamp->from;
        kept->state_events = stamp->events;
        kept->state_absorbed = stamp->absorbed;
        kept->last_ms = stamp->last_ms;
        memcpy(kept->state, state, states->state_size);
    }
    pthread_mutex_unlock(&states->lock);
}

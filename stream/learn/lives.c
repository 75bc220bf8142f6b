/* lives.c - a clock for each partition, and a table of the life that each user is in. */
#include "stream/learn/lives.h"

#include <stdlib.h>

#include "base/checksum.h"
#include "state/history.h"
#include "stream/source/file_partition.h"
#include "stream/source/partition_clock.h"

enum { LIVES_FIRST = 1024 }; /* slots of the first table */

/* Of a user. */
struct life {
    uint64_t hash;
    uint64_t events; /* that came by; 0: the slot is free */
    struct history_pulse pulse;
};

struct lives {
    const struct config *config;
    int64_t *clocks; /* [state.partitions] */
    struct life *slots;
    size_t slots_count, users; /* at most half of a power of two */
};

static enum status lives_no_memory(struct error *error)
{
    return error_set(error, STATUS_IO, "not enough memory for the lives of a log's users");
}

enum status lives_open(struct lives **livesp, const struct config *config, struct error *error)
{
    *livesp = calloc(1, sizeof **livesp);
    if (!*livesp) return lives_no_memory(error);
    (*livesp)->config = config;
    if (config->state.ttl_ms == 0) return STATUS_OK;
    (*livesp)->clocks = calloc(config->state.partitions, sizeof(int64_t));
    if (!(*livesp)->clocks) {
        lives_close(*livesp);
        *livesp = NULL;
        return lives_no_memory(error);
    }
    for (uint32_t p = 0; p < config->state.partitions; p++) {
        (*livesp)->clocks[p] = HISTORY_NO_TIME;
    }
    return STATUS_OK;
}

void lives_close(struct lives *lives)
{
    if (!lives) return;
    free(lives->clocks);
    free(lives->slots);
    free(lives);
}

/* The user's slot, or the free one where it belongs. */
static struct life *life_of(struct life *slots, size_t count, uint64_t hash)
{
    size_t at = splitmix64(hash) & (count - 1);
    while (slots[at].events > 0 && slots[at].hash != hash) {
        at = (at + 1) & (count - 1);
    }
    return &slots[at];
}

static bool grow_lives(struct lives *lives)
{
    const size_t count = lives->slots_count ? 2 * lives->slots_count : LIVES_FIRST;
    struct life *slots = calloc(count, sizeof *slots);
    if (!slots) return false;
    for (size_t i = 0; i < lives->slots_count; i++) {
        const struct life *life = &lives->slots[i];
        if (life->events > 0) *life_of(slots, count, life->hash) = *life;
    }
    free(lives->slots);
    lives->slots = slots;
    lives->slots_count = count;
    return true;
}

enum status lives_take(struct lives *lives, const struct event *event, bool *beginsp,
                       uint64_t *ordinalp, struct error *error)
{
    const int64_t ttl_ms = lives->config->state.ttl_ms;
    *beginsp = false;
    if (ttl_ms == 0) return STATUS_OK;
    if (2 * lives->users >= lives->slots_count && !grow_lives(lives)) return lives_no_memory(error);
    int64_t *clock_ms =
        &lives->clocks[file_partition(event->user, lives->config->state.partitions)];
    *clock_ms = partition_clock_with(*clock_ms, event, lives->config);
    const uint64_t hash = identity_of(event->user.at, event->user.size);
    struct life *life = life_of(lives->slots, lives->slots_count, hash);
    const bool first = life->events == 0;
    *beginsp = !first && history_pulse_ends(life->pulse, event->time_ms, *clock_ms, ttl_ms);
    *ordinalp = life->events;
    if (first || *beginsp || event->time_ms > life->pulse.last_ms) {
        life->pulse.last_ms = event->time_ms;
    }
    life->pulse.clock_ms = *clock_ms;
    life->hash = hash;
    life->events++;
    lives->users += first;
    return STATUS_OK;
}

/* sweeper.c - one scan after the other over the users' records, each from where the last one ended. */
#include "stream/job/sweeper.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct sweeper {
    const struct store_ops *stores;
    const struct task *task; /* whose partition is being swept, or NULL */
    uint64_t generation;
    struct bytes *users; /* [users_max] into `ids` */
    uint32_t users_max, most, count;
    char *ids; /* [users_max][id_size_max] */
    size_t id_size_max;
    char *last; /* the id visited last; the next scan begins there */
    size_t last_size;
    bool started, ended;
    uint32_t visits; /* of the scan under way */
    enum status status;
    struct error error;
};

size_t sweeper_size(const struct config *config, uint32_t users_max)
{
    return sizeof(struct sweeper) +
           users_max * (sizeof(struct bytes) + (size_t)config->source.id_size_max);
}

enum status sweeper_open(struct sweeper **sweeperp, const struct config *config,
                         const struct store_ops *stores, uint32_t users_max, struct error *error)
{
    struct sweeper *sweeper = calloc(1, sizeof *sweeper);
    *sweeperp = sweeper;
    if (!sweeper) return error_set(error, STATUS_IO, "out of memory: a sweep");
    sweeper->stores = stores;
    sweeper->users_max = users_max;
    sweeper->id_size_max = config->source.id_size_max;
    sweeper->users = calloc(users_max, sizeof *sweeper->users);
    sweeper->ids = malloc(users_max * sweeper->id_size_max);
    sweeper->last = malloc(sweeper->id_size_max);
    if (sweeper->users && sweeper->ids && sweeper->last) return STATUS_OK;
    sweeper_close(sweeper);
    *sweeperp = NULL;
    return error_set(error, STATUS_IO, "out of memory: a sweep of %" PRIu32 " users", users_max);
}

void sweeper_close(struct sweeper *sweeper)
{
    if (!sweeper) return;
    free(sweeper->users);
    free(sweeper->ids);
    free(sweeper->last);
    free(sweeper);
}

static bool is_last(const struct sweeper *sweeper, struct bytes user)
{
    return sweeper->started && user.size == sweeper->last_size &&
           memcmp(user.at, sweeper->last, user.size) == 0;
}

static bool visit_user(void *context, const struct store_key *key, struct bytes value)
{
    struct sweeper *sweeper = context;
    struct history history;
    if (is_last(sweeper, key->user)) return true;
    sweeper->status = history_decode(&history, value, &sweeper->error);
    if (sweeper->status != STATUS_OK) return false;
    REQUIRE(key->user.size <= sweeper->id_size_max);
    memcpy(sweeper->last, key->user.at, key->user.size);
    sweeper->last_size = key->user.size;
    sweeper->started = true;
    if (!history.tombstone && history.generation != sweeper->generation &&
        history_events(&history) > history.from) {
        char *id = sweeper->ids + sweeper->count * sweeper->id_size_max;
        memcpy(id, key->user.at, key->user.size);
        sweeper->users[sweeper->count++] = (struct bytes){id, key->user.size};
    }
    sweeper->ended = false;
    return sweeper->count < sweeper->most && ++sweeper->visits < SWEEPER_VISITS_MAX;
}

static enum status scan_on(struct sweeper *sweeper, struct error *error)
{
    const struct store_key start = {.user = {sweeper->last, sweeper->last_size}};
    sweeper->count = sweeper->visits = 0;
    sweeper->ended = true; /* unless somebody is visited */
    sweeper->status = STATUS_OK;
    TRY(sweeper->stores->scan(sweeper->task->store, STORE_USERS, sweeper->started ? &start : NULL,
                              visit_user, sweeper, error));
    if (sweeper->status != STATUS_OK && error) *error = sweeper->error;
    return sweeper->status;
}

enum status sweeper_next(struct sweeper *sweeper, const struct task *task, uint64_t generation,
                         uint32_t most, const struct bytes **usersp, uint32_t *countp, bool *endedp,
                         struct error *error)
{
    REQUIRE(most <= sweeper->users_max);
    if (sweeper->task != task || sweeper->generation != generation) {
        sweeper->task = task;
        sweeper->generation = generation;
        sweeper->started = false;
    }
    sweeper->most = most;
    TRY(scan_on(sweeper, error));
    if (sweeper->ended) sweeper->task = NULL;
    *usersp = sweeper->users;
    *countp = sweeper->count;
    *endedp = sweeper->ended;
    return STATUS_OK;
}

void sweeper_restart(struct sweeper *sweeper)
{
    sweeper->task = NULL;
}

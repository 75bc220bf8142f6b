/*
 * sweeper.c - a list of active users, looked up one by one; then one scan after the other over the
 * users' records, each from where the last one ended.
 */
#include "stream/job/sweeper.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"

enum {
    ACTIVE_ID_SIZE = 32
}; /* of an active user's id, in the mean; what does not fit is left out */

/* A user that was in memory when the generation was adopted. */
struct active_user {
    int64_t last_ms; /* when it acted last */
    uint32_t partition, id_size;
    size_t id_at; /* in `active_ids` */
};

struct sweeper {
    const struct store_ops *stores;
    const struct assignment *assignment;
    uint64_t generation;
    const struct leaving *leaving; /* of a call for who left, else NULL */
    const struct cuts *cuts;       /* of a call for who is known by a hash, else NULL */
    size_t id_size_max;

    struct active_user *active; /* [active_max] who acted last comes first */
    uint32_t active_max, active_count, active_next;
    char *active_ids; /* [active_max * ACTIVE_ID_SIZE] */

    struct task *task; /* whose partition is being scanned, or NULL */
    char *last;        /* the id visited last; the next scan begins there */
    size_t last_size;
    bool started, ended;

    /* of the call under way: */
    struct unswept_user *users; /* [users_max] into `ids` */
    char *ids;                  /* [users_max][id_size_max] */
    uint32_t users_max, most, count;
    uint32_t visits;
    uint64_t behaviors;
    enum status status;
    struct error error;
};

_Static_assert(sizeof(struct active_user) + ACTIVE_ID_SIZE == SWEEPER_ACTIVE_SIZE, "as planned");

size_t sweeper_size(const struct config *config, uint32_t users_max)
{
    return sizeof(struct sweeper) +
           users_max * (sizeof(struct unswept_user) + (size_t)config->source.id_size_max);
}

enum status sweeper_open(struct sweeper **sweeperp, const struct config *config,
                         const struct store_ops *stores, const struct assignment *assignment,
                         uint32_t users_max, uint32_t active_max, struct error *error)
{
    struct sweeper *sweeper = calloc(1, sizeof *sweeper);
    *sweeperp = sweeper;
    if (!sweeper) return error_set(error, STATUS_IO, "out of memory: a sweep");
    sweeper->stores = stores;
    sweeper->assignment = assignment;
    sweeper->users_max = users_max;
    sweeper->active_max = active_max;
    sweeper->id_size_max = config->source.id_size_max;
    sweeper->users = calloc(users_max, sizeof *sweeper->users);
    sweeper->ids = malloc(users_max * sweeper->id_size_max);
    sweeper->last = malloc(sweeper->id_size_max);
    sweeper->active = calloc(active_max + 1, sizeof *sweeper->active);
    sweeper->active_ids = malloc((size_t)active_max * ACTIVE_ID_SIZE + 1);
    if (sweeper->users && sweeper->ids && sweeper->last && sweeper->active && sweeper->active_ids) {
        return STATUS_OK;
    }
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
    free(sweeper->active);
    free(sweeper->active_ids);
    free(sweeper);
}

/* ---- what is found ---- */

static void begin_call(struct sweeper *sweeper, uint64_t generation, const struct leaving *leaving,
                       const struct cuts *cuts, uint32_t most)
{
    REQUIRE(most <= sweeper->users_max);
    sweeper->leaving = leaving;
    sweeper->cuts = cuts;
    if (sweeper->generation != generation) sweeper->task = NULL;
    sweeper->generation = generation;
    sweeper->most = most;
    sweeper->count = sweeper->visits = 0;
    sweeper->behaviors = 0;
    sweeper->status = STATUS_OK;
}

static bool call_is_full(const struct sweeper *sweeper)
{
    return sweeper->count >= sweeper->most || sweeper->visits >= SWEEPER_VISITS_MAX ||
           sweeper->behaviors >= SWEEPER_BEHAVIORS_MAX;
}

bool leaving_has(const struct leaving *leaving, const struct history *history)
{
    if (history_is_forgotten(history)) return leaving->told && !history->tombstone;
    return history_left(history, leaving->clock_ms, leaving->ttl_ms);
}

static bool is_wanted(const struct sweeper *sweeper, struct bytes id, const struct history *history)
{
    if (sweeper->cuts) {
        const struct user_cut *cut = cuts_find(sweeper->cuts, identity_of(id.at, id.size));
        return cut && cut->stage == CUT_SEEKING;
    }
    if (sweeper->leaving) return leaving_has(sweeper->leaving, history);
    if (history->tombstone || history_events(history) == history->from) return false;
    return history->generation != sweeper->generation;
}

/* Takes the user in if its record says that it is to be moved. */
static bool visit_record(struct sweeper *sweeper, struct task *task, struct bytes id,
                         struct bytes record)
{
    struct history history;
    sweeper->status = history_decode(&history, record, &sweeper->error);
    if (sweeper->status != STATUS_OK) return false;
    REQUIRE(id.size <= sweeper->id_size_max);
    const uint64_t behaviors = history_events(&history) - history.from;
    sweeper->visits++;
    if (!is_wanted(sweeper, id, &history)) return true;
    char *kept = sweeper->ids + sweeper->count * sweeper->id_size_max;
    memcpy(kept, id.at, id.size);
    sweeper->users[sweeper->count++] = (struct unswept_user){task, {kept, id.size}};
    sweeper->behaviors += behaviors;
    return true;
}

static enum status end_call(const struct sweeper *sweeper, const struct unswept_user **usersp,
                            uint32_t *countp, struct error *error)
{
    if (sweeper->status != STATUS_OK && error) *error = sweeper->error;
    *usersp = sweeper->users;
    *countp = sweeper->count;
    return sweeper->status;
}

/* ---- active users ---- */

static int by_last_act(const void *a, const void *b)
{
    const struct active_user *one = a, *other = b;
    if (one->last_ms != other->last_ms) return one->last_ms < other->last_ms ? 1 : -1;
    return (one->id_at > other->id_at) - (one->id_at < other->id_at);
}

void sweeper_note_active(struct sweeper *sweeper, struct state_cache *cache)
{
    size_t used = 0;
    sweeper->active_count = sweeper->active_next = 0;
    for (uint32_t left = cache_users(cache); left > 0; left--) {
        const struct cached_user *user = cache_next_behind(cache, 0);
        if (sweeper->active_count == sweeper->active_max ||
            used + user->user.size > (size_t)sweeper->active_max * ACTIVE_ID_SIZE) {
            break;
        }
        memcpy(sweeper->active_ids + used, user->user.at, user->user.size);
        sweeper->active[sweeper->active_count++] = (struct active_user){
            .last_ms = history_last_ms(&user->history),
            .partition = user->partition,
            .id_size = (uint32_t)user->user.size,
            .id_at = used,
        };
        used += user->user.size;
    }
    qsort(sweeper->active, sweeper->active_count, sizeof *sweeper->active, by_last_act);
}

static void found_active(void *context, size_t index, struct bytes value)
{
    struct sweeper *sweeper = context;
    const struct active_user *active = &sweeper->active[sweeper->active_next];
    const struct bytes id = {sweeper->active_ids + active->id_at, active->id_size};
    (void)index;
    (void)visit_record(sweeper, assignment_task(sweeper->assignment, active->partition), id, value);
}

enum status sweeper_next_active(struct sweeper *sweeper, uint64_t generation, uint32_t most,
                                const struct unswept_user **usersp, uint32_t *countp, bool *endedp,
                                struct error *error)
{
    begin_call(sweeper, generation, NULL, NULL, most);
    *endedp = sweeper->active_next == sweeper->active_count;
    for (; sweeper->active_next < sweeper->active_count; sweeper->active_next++) {
        const struct active_user *active = &sweeper->active[sweeper->active_next];
        const struct task *task = assignment_task(sweeper->assignment, active->partition);
        const struct store_key key = {
            .user = {sweeper->active_ids + active->id_at, active->id_size}};
        if (call_is_full(sweeper) || sweeper->status != STATUS_OK) break;
        if (!task || !task->unswept) continue;
        TRY(sweeper->stores->get(task->store, STORE_USERS, &key, 1, found_active, sweeper, error));
    }
    return end_call(sweeper, usersp, countp, error);
}

/* ---- everybody ---- */

static bool is_visited(const struct sweeper *sweeper, struct bytes user)
{
    return sweeper->started && user.size == sweeper->last_size &&
           memcmp(user.at, sweeper->last, user.size) == 0;
}

static bool visit_next(void *context, const struct store_key *key, struct bytes value)
{
    struct sweeper *sweeper = context;
    if (is_visited(sweeper, key->user)) return true;
    if (!visit_record(sweeper, sweeper->task, key->user, value)) return false;
    memcpy(sweeper->last, key->user.at, key->user.size);
    sweeper->last_size = key->user.size;
    sweeper->started = true;
    sweeper->ended = false;
    return !call_is_full(sweeper);
}

static enum status scan_next(struct sweeper *sweeper, struct task *task,
                             const struct unswept_user **usersp, uint32_t *countp, bool *endedp,
                             struct error *error)
{
    const struct store_key start = {.user = {sweeper->last, sweeper->last_size}};
    if (sweeper->task != task) sweeper->started = false;
    sweeper->task = task;
    sweeper->ended = true; /* unless somebody is visited */
    TRY(sweeper->stores->scan(task->store, STORE_USERS, sweeper->started ? &start : NULL,
                              visit_next, sweeper, error));
    if (sweeper->ended) sweeper->task = NULL;
    *endedp = sweeper->ended;
    return end_call(sweeper, usersp, countp, error);
}

enum status sweeper_next(struct sweeper *sweeper, struct task *task, uint64_t generation,
                         uint32_t most, const struct unswept_user **usersp, uint32_t *countp,
                         bool *endedp, struct error *error)
{
    begin_call(sweeper, generation, NULL, NULL, most);
    return scan_next(sweeper, task, usersp, countp, endedp, error);
}

enum status sweeper_next_left(struct sweeper *sweeper, struct task *task,
                              const struct leaving *leaving, uint32_t most,
                              const struct unswept_user **usersp, uint32_t *countp, bool *endedp,
                              struct error *error)
{
    begin_call(sweeper, sweeper->generation, leaving, NULL, most);
    return scan_next(sweeper, task, usersp, countp, endedp, error);
}

enum status sweeper_next_sought(struct sweeper *sweeper, struct task *task, uint32_t most,
                                const struct unswept_user **usersp, uint32_t *countp, bool *endedp,
                                struct error *error)
{
    begin_call(sweeper, sweeper->generation, NULL, &task->cuts, most);
    return scan_next(sweeper, task, usersp, countp, endedp, error);
}

void sweeper_restart(struct sweeper *sweeper)
{
    sweeper->active_next = 0;
    sweeper->task = NULL;
}

/* user_loader.c - batched lookups: store by store, STORE_GET_MAX keys at a time. */
#include "stream/job/user_loader.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/metrics.h"
#include "state/snapshot.h"

struct user_loader {
    const struct config *config;
    const struct interest_model *model;
    const struct store_ops *stores;
    const struct assignment *assignment;
    size_t state_size;
    uint64_t fingerprint;
    struct metric *snapshots_used;
    struct metric *snapshots_ignored;

    /* the lookups under way: */
    uint32_t *partitions; /* [lookups_max] where each is, */
    uint32_t *order;      /* [lookups_max] and their numbers sorted by that */
    struct store_key keys[STORE_GET_MAX];
    void *targets[STORE_GET_MAX]; /* what each key is for */
    struct error failure;         /* of a value that was found */
    uint32_t recalled;            /* chunks that were found for users' histories */
};

/* A poll's users, or the chunks that a fold asks for at once. */
static size_t lookups_max(const struct config *config)
{
    size_t users = config->job.poll_events_max;
    return users > CHUNKS_WANTED_MAX ? users : CHUNKS_WANTED_MAX;
}

enum status user_loader_open(struct user_loader **loaderp, const struct config *config,
                             const struct interest_model *model, const struct store_ops *stores,
                             const struct assignment *assignment, struct error *error)
{
    *loaderp = calloc(1, sizeof **loaderp);
    if (!*loaderp) return error_set(error, STATUS_IO, "out of memory: a loader");
    **loaderp = (struct user_loader){
        .config = config,
        .model = model,
        .stores = stores,
        .assignment = assignment,
        .state_size = interest_model_state_size(model),
        .fingerprint = interest_model_state_fingerprint(model),
        .snapshots_used = metrics_get("braid_snapshots_total", "use", "loaded"),
        .snapshots_ignored = metrics_get("braid_snapshots_total", "use", "ignored"),
        .partitions = calloc(lookups_max(config), sizeof(uint32_t)),
        .order = calloc(lookups_max(config), sizeof(uint32_t)),
    };
    if ((*loaderp)->partitions && (*loaderp)->order) return STATUS_OK;
    user_loader_close(*loaderp);
    *loaderp = NULL;
    return error_set(error, STATUS_IO, "out of memory: a loader");
}

void user_loader_close(struct user_loader *loader)
{
    if (!loader) return;
    free(loader->partitions);
    free(loader->order);
    free(loader);
}

size_t user_loader_size(const struct config *config)
{
    return sizeof(struct user_loader) + 2 * lookups_max(config) * sizeof(uint32_t);
}

/* Sorts what is looked up by partition, keeping the order within each. */
static void order_by_partition(struct user_loader *loader, uint32_t count)
{
    uint32_t ends[POLL_PARTITIONS_MAX + 1] = {0};
    REQUIRE(count <= lookups_max(loader->config));
    for (uint32_t i = 0; i < count; i++) {
        ends[loader->partitions[i] + 1]++;
    }
    for (uint32_t p = 0; p < POLL_PARTITIONS_MAX; p++) {
        ends[p + 1] += ends[p];
    }
    for (uint32_t i = 0; i < count; i++) {
        loader->order[ends[loader->partitions[i]]++] = i;
    }
}

/* The store of what stands at `first` in that order; its run ends at *endp. */
static struct store *next_store(const struct user_loader *loader, uint32_t first, uint32_t count,
                                uint32_t *endp)
{
    uint32_t partition = loader->partitions[loader->order[first]];
    uint32_t end = first + 1;
    while (end < count && loader->partitions[loader->order[end]] == partition) {
        end++;
    }
    *endp = end;
    return assignment_task(loader->assignment, partition)->store;
}

/* Looks up the first `count` keys in a partition's store. */
static enum status look_up(struct user_loader *loader, struct store *store, enum store_space space,
                           uint32_t count, store_found *found, struct error *error)
{
    loader->failure.status = STATUS_OK;
    TRY(loader->stores->get(store, space, loader->keys, count, found, loader, error));
    if (loader->failure.status == STATUS_OK) return STATUS_OK;
    if (error) *error = loader->failure;
    return loader->failure.status;
}

/* ---- records ---- */

static void found_record(void *context, size_t index, struct bytes value)
{
    struct user_loader *loader = context;
    struct change *change = loader->targets[index];
    struct cached_user *user = change->user;
    enum status status = history_decode(&user->history, value, &loader->failure);
    if (status != STATUS_OK) {
        error_prefix(&loader->failure,
                     "the store of partition %" PRIu32 ", user %.*s (delete the store's directory "
                     "to have it rebuilt from the history log): ",
                     user->partition, (int)user->user.size, (const char *)user->user.at);
        return;
    }
    change_committed(change);
}

/* A snapshot counts if it is of these parameters and this fold, and not ahead of the history. */
static void found_snapshot(void *context, size_t index, struct bytes value)
{
    struct user_loader *loader = context;
    struct change *change = loader->targets[index];
    struct cached_user *user = change->user;
    struct snapshot_stamp stamp;
    bool fits = snapshot_decode(value, &stamp, user->state, loader->state_size) &&
                stamp.fingerprint == loader->fingerprint && stamp.from == user->history.from &&
                stamp.events <= history_events(&user->history);
    metric_add(fits ? loader->snapshots_used : loader->snapshots_ignored, 1);
    if (!fits) return;
    user->state_from = stamp.from;
    user->state_events = stamp.events;
    user->state_absorbed = stamp.absorbed;
    user->last_ms = stamp.last_ms;
    user->snapshot_events = stamp.events;
}

/* A user with fewer behaviors than this has no snapshot: it was dropped without one. */
static bool may_have_snapshot(const struct user_loader *loader, const struct change *change)
{
    const struct history *history = &change->user->history;
    return history_events(history) - history->from >= loader->config->state.snapshot_every;
}

/* Records or snapshots of the users `order` names, all of one partition. */
static enum status load_of_store(struct user_loader *loader, struct store *store,
                                 enum store_space space, struct change *const *changes,
                                 const uint32_t *order, uint32_t count, struct error *error)
{
    store_found *found = space == STORE_USERS ? found_record : found_snapshot;
    uint32_t used = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct change *change = changes[order[i]];
        if (space == STORE_SNAPSHOTS && !may_have_snapshot(loader, change)) continue;
        loader->keys[used] = (struct store_key){.user = change->user->user};
        loader->targets[used++] = change;
        if (used < STORE_GET_MAX) continue;
        TRY(look_up(loader, store, space, used, found, error));
        used = 0;
    }
    return used ? look_up(loader, store, space, used, found, error) : STATUS_OK;
}

static void found_before(void *context, size_t index, struct bytes value)
{
    struct user_loader *loader = context;
    struct history *history = &((struct change *)loader->targets[index])->user->history;
    struct history before;
    if (history_decode(&before, value, &loader->failure) != STATUS_OK) return;
    if (!history_full(&before) || before.first + HISTORY_CHUNK_BEHAVIORS != history->first) return;
    history_recall(history, &before);
    loader->recalled++;
}

/* Looks up `count` full chunks; they must be there. */
static enum status recall_all(struct user_loader *loader, struct store *store, uint32_t count,
                              struct error *error)
{
    loader->recalled = 0;
    TRY(look_up(loader, store, STORE_CHUNKS, count, found_before, error));
    if (loader->recalled == count) return STATUS_OK;
    const struct cached_user *user = ((const struct change *)loader->targets[0])->user;
    return error_set(error, STATUS_CORRUPT,
                     "the store of partition %" PRIu32
                     " has lost chunks of users: delete the store's directory to have it rebuilt "
                     "from the history log",
                     user->partition);
}

/*
 * The chunk before the open one, of which a history that takes nothing twice compares the last 32
 * behaviors.
 */
static enum status recall_of_store(struct user_loader *loader, struct store *store,
                                   struct change *const *changes, const uint32_t *order,
                                   uint32_t count, struct error *error)
{
    uint32_t used = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct change *change = changes[order[i]];
        const struct history *history = &change->user->history;
        if (history->from >= history->first || history_full(history)) continue;
        loader->keys[used] =
            (struct store_key){change->user->user, history->first / HISTORY_CHUNK_BEHAVIORS - 1};
        loader->targets[used++] = change;
        if (used < STORE_GET_MAX) continue;
        TRY(recall_all(loader, store, used, error));
        used = 0;
    }
    return used ? recall_all(loader, store, used, error) : STATUS_OK;
}

enum status user_loader_load(struct user_loader *loader, struct change *const *changes,
                             uint32_t count, struct error *error)
{
    for (uint32_t i = 0; i < count; i++) {
        loader->partitions[i] = changes[i]->user->partition;
    }
    order_by_partition(loader, count);
    for (uint32_t i = 0, end; i < count; i = end) {
        struct store *store = next_store(loader, i, count, &end);
        const uint32_t *order = loader->order + i;
        TRY(load_of_store(loader, store, STORE_USERS, changes, order, end - i, error));
        TRY(load_of_store(loader, store, STORE_SNAPSHOTS, changes, order, end - i, error));
        if (!loader->config->source.deduplicate) continue;
        TRY(recall_of_store(loader, store, changes, order, end - i, error));
    }
    return STATUS_OK;
}

/* ---- chunks ---- */

static void found_chunk(void *context, size_t index, struct bytes value)
{
    struct user_loader *loader = context;
    struct chunk_wanted *wanted = loader->targets[index];
    if (history_decode(&wanted->history, value, &loader->failure) != STATUS_OK) return;
    if (wanted->history.first == wanted->chunk * HISTORY_CHUNK_BEHAVIORS) return;
    error_set(&loader->failure, STATUS_CORRUPT, "a chunk lies under another one's key");
}

static enum status check_found(const struct chunk_wanted *wanted, uint32_t count,
                               struct error *error)
{
    for (uint32_t i = 0; i < count; i++) {
        if (history_full(&wanted[i].history)) continue;
        const struct cached_user *user = wanted[i].user;
        return error_set(error, STATUS_CORRUPT,
                         "the store of partition %" PRIu32 " has lost chunk %" PRIu64
                         " of user %.*s: delete the store's directory to have it rebuilt from the "
                         "history log",
                         user->partition, wanted[i].chunk, (int)user->user.size,
                         (const char *)user->user.at);
    }
    return STATUS_OK;
}

enum status user_loader_chunks(struct user_loader *loader, struct chunk_wanted *wanted,
                               uint32_t count, struct error *error)
{
    for (uint32_t i = 0; i < count; i++) {
        wanted[i].history.count = 0;
        loader->partitions[i] = wanted[i].user->partition;
    }
    order_by_partition(loader, count);
    for (uint32_t i = 0, end; i < count; i = end) {
        struct store *store = next_store(loader, i, count, &end);
        uint32_t used = 0;
        for (uint32_t o = i; o < end; o++) {
            struct chunk_wanted *one = &wanted[loader->order[o]];
            loader->keys[used] = (struct store_key){one->user->user, one->chunk};
            loader->targets[used++] = one;
            if (used < STORE_GET_MAX && o + 1 < end) continue;
            TRY(look_up(loader, store, STORE_CHUNKS, used, found_chunk, error));
            used = 0;
        }
    }
    return check_found(wanted, count, error);
}

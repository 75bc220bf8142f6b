/*
 * store_memory.c - the reference store: one sorted array, searched by halves.
 *
 * It is meant to be obviously right, not fast. Tests hold the real store to it, or run on it
 * where durability is not their subject. Nothing survives close. One mutex makes scans legal beside the owner's calls; a scan
 * copies what it will visit, so that its view is consistent and its visitor may call the store.
 */
#include "tests/store/store_memory.h"

#include <pthread.h>
#include <stdlib.h>

struct entry {
    enum store_space space;
    struct store_key key; /* its user and `value` lie behind the entry, in one allocation */
    struct bytes value;
};

struct store {
    pthread_mutex_t mutex;
    struct entry **entries; /* sorted */
    size_t count, capacity;
    struct store_position position;
};

/* By space, then shorter ids first, then by their bytes, then by chunk. */
static int compare(enum store_space space_a, const struct store_key *a, enum store_space space_b,
                   const struct store_key *b)
{
    if (space_a != space_b) return space_a < space_b ? -1 : 1;
    if (a->user.size != b->user.size) return a->user.size < b->user.size ? -1 : 1;
    int order = a->user.size ? memcmp(a->user.at, b->user.at, a->user.size) : 0;
    if (order || space_a != STORE_CHUNKS) return order;
    return (a->chunk > b->chunk) - (a->chunk < b->chunk);
}

/* Index of the first entry that is not before the key. */
static size_t lower_bound(const struct store *store, enum store_space space,
                          const struct store_key *key)
{
    size_t low = 0, high = store->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const struct entry *entry = store->entries[middle];
        if (compare(entry->space, &entry->key, space, key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool holds(const struct store *store, size_t index, enum store_space space,
                  const struct store_key *key)
{
    if (index == store->count) return false;
    const struct entry *entry = store->entries[index];
    return compare(entry->space, &entry->key, space, key) == 0;
}

static void *must_allocate(void *at, size_t size)
{
    at = realloc(at, size ? size : 1);
    REQUIRE(at != NULL);
    return at;
}

static struct entry *entry_copy(enum store_space space, const struct store_key *key,
                                struct bytes value)
{
    struct entry *entry = must_allocate(NULL, sizeof *entry + key->user.size + value.size);
    uint8_t *user = (uint8_t *)(entry + 1);
    if (key->user.size) memcpy(user, key->user.at, key->user.size);
    if (value.size) memcpy(user + key->user.size, value.at, value.size);
    *entry = (struct entry){
        .space = space,
        .key = {{user, key->user.size}, space == STORE_CHUNKS ? key->chunk : 0},
        .value = {user + key->user.size, value.size},
    };
    return entry;
}

static void put(struct store *store, enum store_space space, const struct store_key *key,
                struct bytes value)
{
    size_t at = lower_bound(store, space, key);
    size_t after = (store->count - at) * sizeof(struct entry *);
    bool held = holds(store, at, space, key);
    if (held) free(store->entries[at]);
    if (!value.at) {
        if (!held) return;
        memmove(store->entries + at, store->entries + at + 1, after - sizeof(struct entry *));
        store->count--;
        return;
    }
    if (!held) {
        if (store->count == store->capacity) {
            store->capacity = store->capacity ? 2 * store->capacity : 64;
            store->entries =
                must_allocate(store->entries, store->capacity * sizeof(struct entry *));
        }
        memmove(store->entries + at + 1, store->entries + at, after);
        store->count++;
    }
    store->entries[at] = entry_copy(space, key, value);
}

static enum status memory_open(struct store **storep, const char *path,
                               const struct store_identity *identity,
                               const struct store_options *options, struct error *error)
{
    (void)path, (void)identity, (void)options, (void)error;
    struct store *store = must_allocate(NULL, sizeof *store);
    *store = (struct store){.mutex = PTHREAD_MUTEX_INITIALIZER, .position = {.next = -1}};
    *storep = store;
    return STATUS_OK;
}

static void memory_close(struct store *store)
{
    if (!store) return;
    for (size_t i = 0; i < store->count; i++) {
        free(store->entries[i]);
    }
    free(store->entries);
    free(store);
}

static struct store_position memory_position(const struct store *store)
{
    return store->position;
}

static enum status memory_get(struct store *store, enum store_space space,
                              const struct store_key *keys, size_t count, store_found *found,
                              void *context, struct error *error)
{
    (void)error;
    REQUIRE(count <= STORE_GET_MAX);
    pthread_mutex_lock(&store->mutex);
    for (size_t i = 0; i < count; i++) {
        size_t at = lower_bound(store, space, &keys[i]);
        if (holds(store, at, space, &keys[i])) found(context, i, store->entries[at]->value);
    }
    pthread_mutex_unlock(&store->mutex);
    return STATUS_OK;
}

static enum status memory_look(struct store *store, enum store_space space,
                               const struct store_key *key, store_found *found, void *context,
                               struct error *error)
{
    return memory_get(store, space, key, 1, found, context, error);
}

static enum status memory_commit(struct store *store, const struct store_write *writes,
                                 size_t count, const struct store_position *position,
                                 struct error *error)
{
    (void)error;
    pthread_mutex_lock(&store->mutex);
    for (size_t i = 0; i < count; i++) {
        REQUIRE(writes[i].space != STORE_SNAPSHOTS);
        struct store_key key = writes[i].key;
        const uint64_t last = key.chunk + writes[i].chunks_after;
        for (; key.chunk <= last; key.chunk++) {
            put(store, writes[i].space, &key, writes[i].value);
        }
    }
    store->position = *position;
    pthread_mutex_unlock(&store->mutex);
    return STATUS_OK;
}

static enum status memory_put_snapshots(struct store *store, const struct store_key *keys,
                                        const struct bytes *values, size_t count,
                                        struct error *error)
{
    (void)error;
    pthread_mutex_lock(&store->mutex);
    for (size_t i = 0; i < count; i++) {
        put(store, STORE_SNAPSHOTS, &keys[i], values[i]);
    }
    pthread_mutex_unlock(&store->mutex);
    return STATUS_OK;
}

static enum status memory_forget_snapshots(struct store *store, const struct store_key *keys,
                                           size_t count, struct error *error)
{
    const struct bytes none = {NULL, 0};
    for (size_t i = 0; i < count; i++) {
        const enum status status = memory_put_snapshots(store, &keys[i], &none, 1, error);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

static enum status memory_purge(struct store *store, struct error *error)
{
    (void)store, (void)error; /* it has no files */
    return STATUS_OK;
}

static void memory_cancel_purge(struct store *store)
{
    (void)store;
}

static enum status memory_scan(struct store *store, enum store_space space,
                               const struct store_key *start, store_visit *visit, void *context,
                               struct error *error)
{
    (void)error;
    static const struct store_key first;
    pthread_mutex_lock(&store->mutex);
    size_t begin = lower_bound(store, space, start ? start : &first), count = 0;
    struct entry **view = must_allocate(NULL, (store->count - begin) * sizeof *view);
    for (size_t i = begin; i < store->count && store->entries[i]->space == space; i++) {
        const struct entry *entry = store->entries[i];
        view[count++] = entry_copy(space, &entry->key, entry->value);
    }
    pthread_mutex_unlock(&store->mutex);
    bool going = true;
    for (size_t i = 0; i < count; i++) {
        going = going && visit(context, &view[i]->key, view[i]->value);
        free(view[i]);
    }
    free(view);
    return STATUS_OK;
}

static enum status memory_flush(struct store *store, bool wait, struct error *error)
{
    (void)store, (void)wait, (void)error;
    return STATUS_OK;
}

static void memory_measure(struct store *store, struct store_facts *facts)
{
    *facts = (struct store_facts){.memory_bytes = store->capacity * sizeof(struct entry *)};
    for (size_t i = 0; i < store->count; i++) {
        const struct entry *entry = store->entries[i];
        facts->memory_bytes += sizeof *entry + entry->key.user.size + entry->value.size;
    }
}

static enum status memory_destroy(const char *path, struct error *error)
{
    (void)path, (void)error;
    return STATUS_OK;
}

const struct store_ops store_memory = {
    .open = memory_open,
    .close = memory_close,
    .position = memory_position,
    .get = memory_get,
    .look = memory_look,
    .commit = memory_commit,
    .put_snapshots = memory_put_snapshots,
    .forget_snapshots = memory_forget_snapshots,
    .purge = memory_purge,
    .cancel_purge = memory_cancel_purge,
    .scan = memory_scan,
    .flush = memory_flush,
    .measure = memory_measure,
    .destroy = memory_destroy,
};

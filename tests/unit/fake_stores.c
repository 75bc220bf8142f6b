/* fake_stores.c - see fake_stores.h. */
#include "tests/unit/fake_stores.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "state/snapshot.h"
#include "tests/store/store_memory.h"
#include "tests/unit/fake_log.h"

static const struct broker *broker;
static struct store *_Atomic stores[FAKE_PARTITIONS]; /* open ones */
static uint64_t snapshots, chunks, forgotten;
static atomic_uint purges;

static enum status watched_get(struct store *store, enum store_space space,
                               const struct store_key *keys, size_t count, store_found *found,
                               void *context, struct error *error)
{
    if (space == STORE_CHUNKS) chunks += count;
    return store_memory.get(store, space, keys, count, found, context, error);
}

static enum status watched_open(struct store **storep, const char *path,
                                const struct store_identity *identity,
                                const struct store_options *options, struct error *error)
{
    TRY(store_memory.open(storep, path, identity, options, error));
    stores[identity->partition] = *storep;
    return STATUS_OK;
}

static void watched_close(struct store *store)
{
    for (uint32_t p = 0; store && p < FAKE_PARTITIONS; p++) {
        if (stores[p] == store) stores[p] = NULL;
    }
    store_memory.close(store);
}

static enum status watched_commit(struct store *store, const struct store_write *writes,
                                  size_t count, const struct store_position *position,
                                  struct error *error)
{
    for (uint32_t p = 0; p < FAKE_PARTITIONS; p++) {
        const struct fake_progress *progress = fake_progress(broker, p);
        if (stores[p] != store) continue;
        REQUIRE(position->seal <= progress->seal.number);
        REQUIRE(position->next <= (int64_t)progress->log_records);
    }
    return store_memory.commit(store, writes, count, position, error);
}

static enum status watched_put_snapshots(struct store *store, const struct store_key *keys,
                                         const struct bytes *values, size_t count,
                                         struct error *error)
{
    static uint8_t state[1 << 16];
    for (size_t i = 0; i < count; i++) {
        char name[FAKE_NAME_SIZE] = "";
        unsigned p, user;
        struct snapshot_stamp stamp;
        memcpy(name, keys[i].user.at, keys[i].user.size);
        REQUIRE(sscanf(name, "p%uu%u", &p, &user) == 2);
        REQUIRE(snapshot_decode(values[i], &stamp, state, values[i].size - SNAPSHOT_OVERHEAD));
        REQUIRE(stamp.events <= fake_progress(broker, p)->newest_events[user]);
        snapshots += p == 0 && user == 0;
    }
    return store_memory.put_snapshots(store, keys, values, count, error);
}

static enum status watched_forget(struct store *store, const struct store_key *keys, size_t count,
                                  struct error *error)
{
    forgotten += count;
    return store_memory.forget_snapshots(store, keys, count, error);
}

static enum status watched_purge(struct store *store, struct error *error)
{
    atomic_fetch_add(&purges, 1);
    return store_memory.purge(store, error);
}

const struct store_ops *fake_stores(const struct broker *of)
{
    static struct store_ops watched;
    broker = of;
    snapshots = chunks = forgotten = 0;
    atomic_store(&purges, 0);
    watched = store_memory;
    watched.open = watched_open;
    watched.get = watched_get;
    watched.close = watched_close;
    watched.commit = watched_commit;
    watched.put_snapshots = watched_put_snapshots;
    watched.forget_snapshots = watched_forget;
    watched.purge = watched_purge;
    return &watched;
}

uint64_t fake_stores_snapshots(void)
{
    return snapshots;
}

uint64_t fake_stores_forgotten(void)
{
    return forgotten;
}

uint32_t fake_stores_purges(void)
{
    return atomic_load(&purges);
}

uint64_t fake_stores_chunks(void)
{
    return chunks;
}

/*
 * bench_store.c - the store through its seam, beside bare RocksDB calls of the same shape.
 *
 * The bare database has the same memtables, block cache, filters and no WAL, and does the same work
 * with the keys made beforehand: what is left between the two is our own doing. They take turns,
 * batch by batch, so that whatever else the machine does hits both.
 *
 *     case=records    read-modify-write of small records, 256 a get, 2,048 a commit;
 *                     bare_ratio: our rate over the bare one
 *     case=open       closing and opening that store
 *     case=snapshots  stamped states of 9 KiB overwritten at random, then read at random
 *     case=bytes      what a user with so many behaviors takes on disk
 */
#include <rocksdb/c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "state/history.h"
#include "state/snapshot.h"
#include "state/store.h"

enum {
    USERS = 300000,
    COMMIT = 2048,
    COMMITS = 150,
    RECORD_SIZE = 24 + 18 * HISTORY_BEHAVIOR_SIZE,
    STATES = 20000,
    STATE_SIZE = 9216,
    SNAPSHOT_SIZE = STATE_SIZE + SNAPSHOT_OVERHEAD,
    SNAPSHOT_PUT = 64,
    SNAPSHOT_PUTS = 3 * STATES / SNAPSHOT_PUT,
    MEMTABLE_SIZE = 64 << 20,
    BLOCK_CACHE_SIZE = 128 << 20,
};

static const struct store_identity identity = {.source = 1, .partition = 0, .partitions = 1};
static const struct store_options options = {MEMTABLE_SIZE, BLOCK_CACHE_SIZE};
static const struct store_ops *const ops = &store_rocksdb;

static char directory[] = "/tmp/braid-bench-XXXXXX";
static char ids[USERS][12];
static uint8_t values[COMMIT][RECORD_SIZE];

/* Ends the program: a bench that cannot run has no result. */
static void check(enum status status, const struct error *error)
{
    if (status == STATUS_OK) return;
    fprintf(stderr, "bench_store: %s\n", error->text);
    exit(1);
}

static void check_bare(const char *text)
{
    if (!text) return;
    fprintf(stderr, "bench_store: bare RocksDB: %s\n", text);
    exit(1);
}

static struct store *store_at(const char *name)
{
    char path[64];
    struct store *store;
    struct error error;
    snprintf(path, sizeof path, "%s/%s", directory, name);
    check(ops->open(&store, path, &identity, &options, &error), &error);
    return store;
}

static void store_remove(struct store *store, const char *name)
{
    char path[64];
    struct error error;
    ops->close(store);
    snprintf(path, sizeof path, "%s/%s", directory, name);
    check(ops->destroy(path, &error), &error);
}

static struct store_key key_of(uint32_t user)
{
    return (struct store_key){bytes_of(ids[user]), 0};
}

/* A bare database, as store_rocksdb.c would have it without the seam. */
struct bare {
    rocksdb_t *db;
    rocksdb_column_family_handle_t *family;
    rocksdb_options_t *options;
    rocksdb_writeoptions_t *writing;
    rocksdb_readoptions_t *reading;
    rocksdb_writebatch_t *batch;
    char path[64];
};

static void bare_open(struct bare *bare, bool blobs)
{
    rocksdb_block_based_table_options_t *tables = rocksdb_block_based_options_create();
    rocksdb_cache_t *cache = rocksdb_cache_create_lru(BLOCK_CACHE_SIZE);
    rocksdb_block_based_options_set_block_cache(tables, cache);
    rocksdb_block_based_options_set_filter_policy(tables,
                                                  rocksdb_filterpolicy_create_bloom_full(10));
    bare->options = rocksdb_options_create();
    rocksdb_options_set_create_if_missing(bare->options, 1);
    rocksdb_options_set_compression(bare->options, rocksdb_no_compression);
    rocksdb_options_set_write_buffer_size(bare->options, MEMTABLE_SIZE / 2); /* fills, flushes */
    rocksdb_options_set_block_based_table_factory(bare->options, tables);
    rocksdb_options_set_enable_blob_files(bare->options, blobs);
    rocksdb_options_set_enable_blob_gc(bare->options, blobs);
    rocksdb_options_set_blob_gc_age_cutoff(bare->options, 1.0);
    rocksdb_options_set_blob_gc_force_threshold(bare->options, 1.0);
    bare->writing = rocksdb_writeoptions_create();
    rocksdb_writeoptions_disable_WAL(bare->writing, 1);
    bare->reading = rocksdb_readoptions_create();
    bare->batch = rocksdb_writebatch_create();
    snprintf(bare->path, sizeof bare->path, "%s/bare", directory);

    const char *name = "default";
    const rocksdb_options_t *family_options = bare->options;
    char *text = NULL;
    bare->db = rocksdb_open_column_families(bare->options, bare->path, 1, &name, &family_options,
                                            &bare->family, &text);
    check_bare(text);
    rocksdb_cache_destroy(cache);
    rocksdb_block_based_options_destroy(tables);
}

static void bare_remove(struct bare *bare)
{
    char *text = NULL;
    rocksdb_column_family_handle_destroy(bare->family);
    rocksdb_close(bare->db);
    rocksdb_destroy_db(bare->options, bare->path, &text);
    check_bare(text);
    rocksdb_writebatch_destroy(bare->batch);
    rocksdb_readoptions_destroy(bare->reading);
    rocksdb_writeoptions_destroy(bare->writing);
    rocksdb_options_destroy(bare->options);
}

static void bare_put(struct bare *bare, uint32_t user, const void *value, size_t size)
{
    rocksdb_writebatch_put_cf(bare->batch, bare->family, ids[user], strlen(ids[user]), value, size);
}

static void bare_write(struct bare *bare)
{
    char *text = NULL;
    rocksdb_write(bare->db, bare->writing, bare->batch, &text);
    check_bare(text);
    rocksdb_writebatch_clear(bare->batch);
}

static void bare_get(struct bare *bare, const uint32_t *users, store_found *found, void *context)
{
    const char *keys[STORE_GET_MAX];
    char *texts[STORE_GET_MAX];
    size_t sizes[STORE_GET_MAX];
    rocksdb_pinnableslice_t *slices[STORE_GET_MAX];
    for (size_t i = 0; i < STORE_GET_MAX; i++) {
        keys[i] = ids[users[i]];
        sizes[i] = strlen(ids[users[i]]);
    }
    rocksdb_batched_multi_get_cf(bare->db, bare->reading, bare->family, STORE_GET_MAX, keys, sizes,
                                 slices, texts, false);
    for (size_t i = 0; i < STORE_GET_MAX; i++) {
        struct bytes value;
        check_bare(texts[i]);
        value.at = rocksdb_pinnableslice_value(slices[i], &value.size);
        found(context, i, value);
        rocksdb_pinnableslice_destroy(slices[i]);
    }
}

/* The two that are compared, and the time each has spent. */
enum { OURS, BARE, SIDES };

struct race {
    struct store *store;
    struct bare bare;
    int64_t put_ns[SIDES], get_ns[SIDES];
};

/* Gets the values of STORE_GET_MAX users from one side. */
static void get(struct race *race, int side, enum store_space space, const uint32_t *users,
                store_found *found, void *context)
{
    struct store_key keys[STORE_GET_MAX];
    struct error error;
    int64_t start_ns = clock_monotonic_ns();
    if (side == BARE) {
        bare_get(&race->bare, users, found, context);
    } else {
        for (size_t i = 0; i < STORE_GET_MAX; i++) {
            keys[i] = key_of(users[i]);
        }
        check(ops->get(race->store, space, keys, STORE_GET_MAX, found, context, &error), &error);
    }
    race->get_ns[side] += clock_monotonic_ns() - start_ns;
}

/* Commits `values` of the users to one side. */
static void commit(struct race *race, int side, const uint32_t *users)
{
    static struct store_write writes[COMMIT];
    struct store_position position = {.next = 1};
    struct error error;
    int64_t start_ns = clock_monotonic_ns();
    for (size_t i = 0; i < COMMIT; i++) {
        struct bytes value = {values[i], RECORD_SIZE};
        writes[i] = (struct store_write){STORE_USERS, key_of(users[i]), value, 0};
        if (side == BARE) bare_put(&race->bare, users[i], value.at, value.size);
    }
    if (side == BARE) {
        bare_write(&race->bare);
    } else {
        check(ops->commit(race->store, writes, COMMIT, &position, &error), &error);
    }
    race->put_ns[side] += clock_monotonic_ns() - start_ns;
}

/* The "modify": copies a record to where the commit takes it from, and changes a byte. */
static void take_record(void *context, size_t index, struct bytes value)
{
    uint8_t(*to)[RECORD_SIZE] = context;
    memcpy(to[index], value.at, value.size);
    to[index][RECORD_SIZE - 1]++;
}

static void load_records(struct race *race)
{
    struct random random = random_seeded(1);
    uint32_t users[COMMIT];
    for (size_t i = 0; i < sizeof values; i++) {
        ((uint8_t *)values)[i] = (uint8_t)random_next(&random);
    }
    for (uint32_t first = 0; first < USERS; first += COMMIT) {
        for (uint32_t i = 0; i < COMMIT; i++) {
            users[i] = (first + i) % USERS;
        }
        for (int side = 0; side < SIDES; side++) {
            commit(race, side, users);
        }
    }
}

static void modify_records(struct race *race)
{
    struct random random = random_seeded(2);
    uint32_t users[COMMIT];
    for (int n = 0; n < COMMITS; n++) {
        for (uint32_t i = 0; i < COMMIT; i++) {
            users[i] = (uint32_t)random_below(&random, USERS);
        }
        for (int side = 0; side < SIDES; side++) {
            for (uint32_t i = 0; i < COMMIT; i += STORE_GET_MAX) {
                get(race, side, STORE_USERS, users + i, take_record, values + i);
            }
            commit(race, side, users);
        }
    }
}

static double per_second(int64_t count, int64_t ns)
{
    return (double)count * 1e9 / (double)ns;
}

static void bench_records(void)
{
    struct race race = {.store = store_at("records")};
    bare_open(&race.bare, false);
    load_records(&race);
    double load_rate = per_second(USERS, race.put_ns[OURS]);
    double load_bare_rate = per_second(USERS, race.put_ns[BARE]);
    memset(race.put_ns, 0, sizeof race.put_ns);
    modify_records(&race);
    double rate = per_second(COMMITS * COMMIT, race.put_ns[OURS] + race.get_ns[OURS]);
    double bare_rate = per_second(COMMITS * COMMIT, race.put_ns[BARE] + race.get_ns[BARE]);
    bare_remove(&race.bare);

    int64_t start_ns = clock_monotonic_ns();
    ops->close(race.store);
    int64_t closed_ns = clock_monotonic_ns();
    race.store = store_at("records");
    int64_t opened_ns = clock_monotonic_ns();
    store_remove(race.store, "records");
    printf("case=records users=%d record_bytes=%d ops_per_s=%.0f bare_ratio=%.2f "
           "load_users_per_s=%.0f load_bare_ratio=%.2f\n",
           USERS, RECORD_SIZE, rate, rate / bare_rate, load_rate, load_rate / load_bare_rate);
    printf("case=open users=%d close_seconds=%.3f open_seconds=%.3f\n", USERS,
           (double)(closed_ns - start_ns) / 1e9, (double)(opened_ns - closed_ns) / 1e9);
}

static void put_snapshots(struct race *race, int side, const uint32_t *users)
{
    static uint8_t value[SNAPSHOT_SIZE];
    struct store_key keys[SNAPSHOT_PUT];
    struct bytes snapshots[SNAPSHOT_PUT];
    struct error error;
    int64_t start_ns = clock_monotonic_ns();
    for (uint32_t i = 0; i < SNAPSHOT_PUT; i++) {
        keys[i] = key_of(users[i]);
        snapshots[i] = (struct bytes){value, sizeof value};
        if (side == BARE) bare_put(&race->bare, users[i], value, sizeof value);
    }
    if (side == BARE) {
        bare_write(&race->bare);
    } else {
        check(ops->put_snapshots(race->store, keys, snapshots, SNAPSHOT_PUT, &error), &error);
    }
    race->put_ns[side] += clock_monotonic_ns() - start_ns;
}

static void add_size(void *context, size_t index, struct bytes value)
{
    (void)index;
    *(uint64_t *)context += value.size;
}

/*
 * Overwrites snapshots at random, in all three times as many as there are users; then reads them.
 */
static uint32_t run_snapshots(struct race *race)
{
    struct random random = random_seeded(3);
    uint32_t users[STORE_GET_MAX], gets = 0;
    uint64_t bytes = 0;
    for (uint32_t n = 0; n < SNAPSHOT_PUTS; n++) {
        for (uint32_t i = 0; i < SNAPSHOT_PUT; i++) {
            bool first = (n + 1) * SNAPSHOT_PUT <= STATES;
            users[i] = first ? n * SNAPSHOT_PUT + i : (uint32_t)random_below(&random, STATES);
        }
        for (int side = 0; side < SIDES; side++) {
            put_snapshots(race, side, users);
        }
    }
    for (; gets < STATES; gets += STORE_GET_MAX) {
        for (uint32_t i = 0; i < STORE_GET_MAX; i++) {
            users[i] = (uint32_t)random_below(&random, STATES / SNAPSHOT_PUT * SNAPSHOT_PUT);
        }
        for (int side = 0; side < SIDES; side++) {
            get(race, side, STORE_SNAPSHOTS, users, add_size, &bytes);
        }
    }
    REQUIRE(bytes == (uint64_t)SIDES * gets * SNAPSHOT_SIZE);
    return gets;
}

static void bench_snapshots(void)
{
    struct race race = {.store = store_at("snapshots")};
    struct store_facts facts;
    bare_open(&race.bare, true);
    uint32_t gets = run_snapshots(&race);
    ops->measure(race.store, &facts);
    bare_remove(&race.bare);
    store_remove(race.store, "snapshots");
    double rate = per_second(SNAPSHOT_PUTS * SNAPSHOT_PUT, race.put_ns[OURS]);
    printf("case=snapshots users=%d mb_per_s=%.0f puts_per_s=%.0f bare_ratio=%.2f gets_per_s=%.0f "
           "gets_bare_ratio=%.2f disk_mb=%.0f live_mb=%.0f\n",
           STATES, rate * SNAPSHOT_SIZE / 1e6, rate,
           (double)race.put_ns[BARE] / (double)race.put_ns[OURS],
           per_second(gets, race.get_ns[OURS]),
           (double)race.get_ns[BARE] / (double)race.get_ns[OURS], (double)facts.disk_bytes / 1e6,
           (double)STATES * SNAPSHOT_SIZE / 1e6);
}

/* Users with `events` behaviors each: full chunks and the record, as the processor commits them. */
static void bench_bytes(uint32_t users, uint32_t events)
{
    static uint8_t records[64][HISTORY_RECORD_MAX];
    struct store *store = store_at("bytes");
    struct store_position position = {.next = 1};
    struct random random = random_seeded(3);
    struct error error;
    for (uint32_t user = 0; user < users; user++) {
        struct store_write writes[64];
        struct history history;
        size_t count = 0;
        history_init(&history, 1);
        for (uint32_t n = 0; n <= events; n++) {
            if (n == events || history_full(&history)) {
                enum store_space space = n == events ? STORE_USERS : STORE_CHUNKS;
                size_t size = history_encode(&history, records[count]);
                writes[count] = (struct store_write){
                    space,
                    {bytes_of(ids[user]), history.first / HISTORY_CHUNK_BEHAVIORS},
                    {records[count], size},
                    0};
                count++;
            }
            int64_t time_ms = 1700000000000 + n * 60000 + (int64_t)random_below(&random, 60000);
            history_append(&history, history_behavior_of(random_next(&random), time_ms, 1),
                           (int64_t)n * users + user, 4096);
        }
        check(ops->commit(store, writes, count, &position, &error), &error);
    }
    ops->close(store);
    store = store_at("bytes");
    struct store_facts facts;
    ops->measure(store, &facts);
    store_remove(store, "bytes");
    printf("case=bytes events=%u users=%u bytes_per_user=%.0f bytes_per_event=%.1f\n", events,
           users, (double)facts.disk_bytes / users, (double)facts.disk_bytes / users / events);
}

int main(void)
{
    REQUIRE(mkdtemp(directory) != NULL);
    for (uint32_t user = 0; user < USERS; user++) {
        snprintf(ids[user], sizeof ids[user], "u%07u", user);
    }
    bench_records();
    bench_snapshots();
    bench_bytes(20000, 100);
    bench_bytes(4000, 1000);
    return remove(directory) != 0;
}

/*
 * store_rocksdb.c - one partition's view of the history log in a RocksDB directory.
 *
 * Two column families. The default one holds users' records, full chunks and the mark (format,
 * identity, position): one family, because with the log switched off a batch survives a crash whole
 * only within one. The other holds the snapshots, whose values lie in blob files so that compaction
 * does not rewrite them.
 *
 * What keys and the mark look like is in store_format.h. This file is the only one that knows RocksDB.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <rocksdb/c.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "state/history.h"
#include "state/store.h"
#include "state/store_format.h"

enum {
    FAMILIES = 2,
    CACHE_SHARD_BITS = 2,       /* few, so that a filter block fits into its shard */
    FILTER_BITS = 10,           /* bloom filter bits per key: 1 % false positives */
    OPEN_FILES_MAX = 256,       /* per store */
    MEMTABLE_MIN = 2 << 20,     /* bytes, per store */
    TABLE_SIZE = 32 << 20,      /* bytes of a table file */
    BLOB_FILE_SIZE = 128 << 20, /* bytes of a blob file */
    MANIFEST_SIZE = 1,          /* byte: each change of files writes it anew; they are few */
    BACKGROUND_JOBS = 2,        /* threads of the whole process: one flushes, one compacts */
    SNAPSHOT_TABLES_SLOW = 64,  /* level-0 tables of keys only: they are small */
    SNAPSHOT_TABLES_STOP = 96,
    SORT_MAX = 4096, /* writes of a commit that are put into order together */
};

/* Of a memtable, for a filter that spares most reads its search: worth a fifth of their rate. */
#define MEMTABLE_FILTER_SHARE 0.01

static const char purge_key[] = {'z'}; /* behind all snapshots; nothing reads it */
static const char *const family_names[FAMILIES] = {"default", "snapshots"};

struct store {
    rocksdb_t *db;
    rocksdb_column_family_handle_t *families[FAMILIES];
    rocksdb_writeoptions_t *write_options;
    rocksdb_readoptions_t *read_options;
    rocksdb_writebatch_t *batch; /* of commits, and */
    rocksdb_writebatch_t *snapshot_batch;
    struct store_identity identity;
    struct store_position position;
    uint64_t snapshot_bytes; /* written since the garbage was last looked at */
    bool collecting;         /* compaction moves live blobs out of old files, */
    atomic_bool purging;     /* or does so now whatever that says, */
    atomic_bool canceled;    /* or is to do it no more */
    uint8_t keys[STORE_GET_MAX * STORE_KEY_MAX];
    char path[];
};

/* The block cache of all stores: taken by the first one to open, freed by the last one to close. */
static struct {
    pthread_mutex_t mutex;
    rocksdb_cache_t *cache;
    uint32_t stores;
} shared = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static rocksdb_cache_t *shared_cache_take(size_t size)
{
    pthread_mutex_lock(&shared.mutex);
    if (shared.stores++ == 0) {
        rocksdb_lru_cache_options_t *options = rocksdb_lru_cache_options_create();
        rocksdb_lru_cache_options_set_capacity(options, size);
        rocksdb_lru_cache_options_set_num_shard_bits(options, CACHE_SHARD_BITS);
        shared.cache = rocksdb_cache_create_lru_opts(options);
        rocksdb_lru_cache_options_destroy(options);
    }
    pthread_mutex_unlock(&shared.mutex);
    return shared.cache;
}

static void shared_cache_release(void)
{
    pthread_mutex_lock(&shared.mutex);
    if (--shared.stores == 0) rocksdb_cache_destroy(shared.cache);
    pthread_mutex_unlock(&shared.mutex);
}

/* Turns RocksDB's error text, which it frees, into ours. */
static enum status rocksdb_failed(const char *path, const char *doing, char *text,
                                  struct error *error)
{
    enum status status = STATUS_IO;
    if (strncmp(text, "Corruption", 10) == 0) status = STATUS_CORRUPT;
    error_set(error, status, "store %s: %s: %s", path, doing, text);
    rocksdb_free(text);
    return status;
}

static rocksdb_column_family_handle_t *family_of(const struct store *store, enum store_space space)
{
    return store->families[space == STORE_SNAPSHOTS];
}

static void batch_put(const struct store *store, rocksdb_writebatch_t *batch,
                      enum store_space space, const struct store_key *key, struct bytes value)
{
    uint8_t raw[STORE_KEY_MAX];
    size_t size = store_key_encode(space, key, raw);
    rocksdb_column_family_handle_t *family = family_of(store, space);
    if (value.at) {
        rocksdb_writebatch_put_cf(batch, family, (char *)raw, size, value.at, value.size);
    } else {
        rocksdb_writebatch_delete_cf(batch, family, (char *)raw, size);
    }
}

static enum status batch_write(struct store *store, rocksdb_writebatch_t *batch,
                               struct error *error)
{
    char *text = NULL;
    rocksdb_write(store->db, store->write_options, batch, &text);
    rocksdb_writebatch_clear(batch);
    return text ? rocksdb_failed(store->path, "writing", text, error) : STATUS_OK;
}

/* Where a write stands in the order of users, as far as the first bytes of its key tell. */
struct place {
    uint64_t first, second; /* eight bytes each of the key without a chunk's number */
    uint32_t index;         /* keeps the writes of a user in their order: later ones count */
};

static int by_place(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    if (x->first != y->first) return x->first < y->first ? -1 : 1;
    if (x->second != y->second) return x->second < y->second ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

static struct place place_of(const struct store_write *write, uint32_t index)
{
    uint8_t raw[STORE_KEY_MAX], begin[16] = {0};
    struct place place = {.index = index};
    REQUIRE(write->space != STORE_SNAPSHOTS);
    size_t size = store_key_encode(write->space, &write->key, raw);
    if (write->space == STORE_CHUNKS) size -= sizeof write->key.chunk;
    memcpy(begin, raw, size < sizeof begin ? size : sizeof begin);
    memcpy(&place.first, begin, 8);
    memcpy(&place.second, begin + 8, 8);
    place.first = __builtin_bswap64(place.first);
    place.second = __builtin_bswap64(place.second);
    return place;
}

/* Up to SORT_MAX writes. A memtable finds the place of a key quickly beside that of the last one. */
static void batch_put_sorted(const struct store *store, const struct store_write *writes,
                             size_t count)
{
    struct place places[SORT_MAX];
    for (size_t i = 0; i < count; i++) {
        places[i] = place_of(&writes[i], (uint32_t)i);
    }
    qsort(places, count, sizeof *places, by_place);
    for (size_t i = 0; i < count; i++) {
        const struct store_write *write = &writes[places[i].index];
        struct store_key key = write->key;
        const uint64_t last = key.chunk + write->chunks_after;
        for (; key.chunk <= last; key.chunk++) {
            batch_put(store, store->batch, write->space, &key, write->value);
        }
    }
}

static enum status rocksdb_store_commit(struct store *store, const struct store_write *writes,
                                        size_t count, const struct store_position *position,
                                        struct error *error)
{
    uint8_t mark[STORE_MARK_SIZE];
    for (size_t i = 0; i < count; i += SORT_MAX) {
        batch_put_sorted(store, writes + i, count - i < SORT_MAX ? count - i : SORT_MAX);
    }
    store_mark_encode(&store->identity, position, mark);
    rocksdb_writebatch_put_cf(store->batch, store->families[0], store_mark_key,
                              sizeof store_mark_key, (char *)mark, sizeof mark);
    TRY(batch_write(store, store->batch, error));
    store->position = *position;
    return STATUS_OK;
}

static enum status flush_family(struct store *store, int family, bool wait, struct error *error)
{
    char *text = NULL;
    rocksdb_flushoptions_t *options = rocksdb_flushoptions_create();
    rocksdb_flushoptions_set_wait(options, wait);
    rocksdb_flush_cf(store->db, options, store->families[family], &text);
    rocksdb_flushoptions_destroy(options);
    return text ? rocksdb_failed(store->path, "flushing", text, error) : STATUS_OK;
}

static enum status rocksdb_store_flush(struct store *store, bool wait, struct error *error)
{
    return flush_family(store, 0, wait, error);
}

/* Reads the mark, or makes one: a store without any was never written to. */
static enum status mark_open(struct store *store, struct error *error)
{
    char *text = NULL;
    size_t size = 0;
    char *mark = rocksdb_get_cf(store->db, store->read_options, store->families[0], store_mark_key,
                                sizeof store_mark_key, &size, &text);
    if (text) return rocksdb_failed(store->path, "reading its mark", text, error);
    if (mark) {
        enum status status = store_mark_check((struct bytes){mark, size}, store->path,
                                              &store->identity, &store->position, error);
        rocksdb_free(mark);
        return status;
    }
    const struct store_position nothing = {.next = -1};
    TRY(rocksdb_store_commit(store, NULL, 0, &nothing, error));
    return rocksdb_store_flush(store, true, error);
}

static rocksdb_block_based_table_options_t *table_options(rocksdb_cache_t *cache)
{
    rocksdb_block_based_table_options_t *options = rocksdb_block_based_options_create();
    rocksdb_block_based_options_set_block_cache(options, cache);
    rocksdb_block_based_options_set_filter_policy(
        options, rocksdb_filterpolicy_create_bloom_full(FILTER_BITS));
    rocksdb_block_based_options_set_format_version(options, 5);
    /* Filters and indexes count against the block cache, so that memory stays in its budget. */
    rocksdb_block_based_options_set_cache_index_and_filter_blocks(options, 1);
    rocksdb_block_based_options_set_cache_index_and_filter_blocks_with_high_priority(options, 1);
    rocksdb_block_based_options_set_pin_l0_filter_and_index_blocks_in_cache(options, 1);
    return options;
}

/*
 * What holds for the store as a whole. `memtable_size` is for its families together, and for what
 * is being flushed beside what is being filled: half each.
 */
static rocksdb_options_t *store_options_of(rocksdb_block_based_table_options_t *tables,
                                           size_t memtable_size)
{
    rocksdb_options_t *options = rocksdb_options_create();
    rocksdb_options_set_create_if_missing(options, 1);
    rocksdb_options_set_create_missing_column_families(options, 1);
    rocksdb_options_set_max_background_jobs(options, BACKGROUND_JOBS);
    rocksdb_options_set_max_open_files(options, OPEN_FILES_MAX);
    rocksdb_options_set_skip_stats_update_on_db_open(options, 1);
    rocksdb_options_set_info_log_level(options, 2); /* warnings */
    rocksdb_options_set_keep_log_file_num(options, 2);
    rocksdb_options_set_max_manifest_file_size(options, MANIFEST_SIZE);
    rocksdb_options_set_stats_dump_period_sec(options, 0);
    rocksdb_options_set_db_write_buffer_size(options, memtable_size / 2);
    rocksdb_options_set_write_buffer_size(options, memtable_size / 2);
    rocksdb_options_set_memtable_prefix_bloom_size_ratio(options, MEMTABLE_FILTER_SHARE);
    rocksdb_options_set_memtable_whole_key_filtering(options, 1);
    rocksdb_options_set_target_file_size_base(options, TABLE_SIZE);
    rocksdb_options_set_level_compaction_dynamic_level_bytes(options, 1);
    rocksdb_options_set_block_based_table_factory(options, tables);
    rocksdb_options_set_compression(options, rocksdb_no_compression);
    return options;
}

/*
 * Snapshots: values in blob files. Garbage is collected by compaction, when snapshots_collect says
 * so: then from all files (cutoff 1.0), and never by force (threshold 1.0).
 */
static rocksdb_options_t *snapshot_options_of(const rocksdb_options_t *base)
{
    rocksdb_options_t *options = rocksdb_options_create_copy((rocksdb_options_t *)base);
    rocksdb_options_set_enable_blob_files(options, 1);
    rocksdb_options_set_blob_file_size(options, BLOB_FILE_SIZE);
    rocksdb_options_set_enable_blob_gc(options, 0);
    rocksdb_options_set_blob_gc_age_cutoff(options, 1.0);
    rocksdb_options_set_blob_gc_force_threshold(options, 1.0);
    rocksdb_options_set_level0_slowdown_writes_trigger(options, SNAPSHOT_TABLES_SLOW);
    rocksdb_options_set_level0_stop_writes_trigger(options, SNAPSHOT_TABLES_STOP);
    return options;
}

static enum status database_open(struct store *store, const struct store_options *options,
                                 struct error *error)
{
    size_t memtable_size = options->memtable_size / store->identity.partitions;
    if (memtable_size < MEMTABLE_MIN) memtable_size = MEMTABLE_MIN;
    rocksdb_block_based_table_options_t *tables =
        table_options(shared_cache_take(options->block_cache_size));
    rocksdb_options_t *base = store_options_of(tables, memtable_size);
    rocksdb_options_t *snapshots = snapshot_options_of(base);
    const rocksdb_options_t *const families[FAMILIES] = {base, snapshots};

    char *text = NULL;
    store->db = rocksdb_open_column_families(base, store->path, FAMILIES, family_names, families,
                                             store->families, &text);
    rocksdb_options_destroy(snapshots);
    rocksdb_options_destroy(base);
    rocksdb_block_based_options_destroy(tables);
    if (!text) return STATUS_OK;

    bool foreign = strncmp(text, "Invalid argument", 16) == 0 || strncmp(text, "Not impl", 8) == 0;
    bool held = strstr(text, "/LOCK: ") != NULL;
    enum status status = rocksdb_failed(store->path, "opening", text, error);
    if (held) return error_set(error, STATUS_BUSY, "store %s: it is open elsewhere", store->path);
    if (!foreign) return status;
    return error_set(error, STATUS_REFUSED,
                     "store %s: its files are of a kind that this build does not know: run the "
                     "version of Braid that wrote it, or delete the directory to have it rebuilt "
                     "from the history log",
                     store->path);
}

static enum status rocksdb_store_destroy(const char *path, struct error *error)
{
    char *text = NULL;
    rocksdb_options_t *options = rocksdb_options_create();
    rocksdb_destroy_db(options, path, &text);
    rocksdb_options_destroy(options);
    return text ? rocksdb_failed(path, "deleting", text, error) : STATUS_OK;
}

/* RocksDB makes no store where one is deleted in part, by who was killed at it: without CURRENT. */
static void end_destroy(const char *path)
{
    const int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0) return;
    const bool partly = faccessat(dir, "CURRENT", F_OK, 0) != 0 && errno == ENOENT;
    close(dir);
    if (partly) (void)rocksdb_store_destroy(path, NULL); /* what fails here, opening says */
}

static void rocksdb_store_close(struct store *store)
{
    if (!store) return;
    for (int i = 0; store->db && i < FAMILIES; i++) {
        rocksdb_column_family_handle_destroy(store->families[i]);
    }
    if (store->db) rocksdb_close(store->db);
    rocksdb_writebatch_destroy(store->batch);
    rocksdb_writebatch_destroy(store->snapshot_batch);
    rocksdb_readoptions_destroy(store->read_options);
    rocksdb_writeoptions_destroy(store->write_options);
    shared_cache_release();
    free(store);
}

static enum status rocksdb_store_open(struct store **storep, const char *path,
                                      const struct store_identity *identity,
                                      const struct store_options *options, struct error *error)
{
    size_t path_size = strlen(path) + 1;
    struct store *store = *storep = calloc(1, sizeof *store + path_size);
    if (!store) return error_set(error, STATUS_IO, "out of memory: store %s", path);
    memcpy(store->path, path, path_size);
    store->identity = *identity;
    store->read_options = rocksdb_readoptions_create();
    store->write_options = rocksdb_writeoptions_create();
    rocksdb_writeoptions_disable_WAL(store->write_options, 1);
    store->batch = rocksdb_writebatch_create();
    store->snapshot_batch = rocksdb_writebatch_create();

    end_destroy(path);
    enum status status = database_open(store, options, error);
    if (status == STATUS_OK) status = mark_open(store, error);
    if (status != STATUS_OK) rocksdb_store_close(store);
    *storep = status == STATUS_OK ? store : NULL;
    return status;
}

static struct store_position rocksdb_store_position(const struct store *store)
{
    return store->position;
}

static enum status rocksdb_store_get(struct store *store, enum store_space space,
                                     const struct store_key *keys, size_t count, store_found *found,
                                     void *context, struct error *error)
{
    const char *raw[STORE_GET_MAX] = {0};
    size_t sizes[STORE_GET_MAX] = {0}, used = 0;
    rocksdb_pinnableslice_t *values[STORE_GET_MAX];
    char *texts[STORE_GET_MAX];
    enum status status = STATUS_OK;
    REQUIRE(count <= STORE_GET_MAX);
    if (count == 0) return STATUS_OK;
    for (size_t i = 0; i < count; i++) {
        raw[i] = (char *)store->keys + used;
        sizes[i] = store_key_encode(space, &keys[i], store->keys + used);
        used += sizes[i];
    }
    rocksdb_batched_multi_get_cf(store->db, store->read_options, family_of(store, space), count,
                                 raw, sizes, values, texts, false);
    for (size_t i = 0; i < count; i++) {
        if (texts[i]) status = rocksdb_failed(store->path, "reading", texts[i], error);
        if (!values[i]) continue;
        struct bytes value;
        value.at = rocksdb_pinnableslice_value(values[i], &value.size);
        found(context, i, value);
        rocksdb_pinnableslice_destroy(values[i]);
    }
    return status;
}

static enum status rocksdb_store_look(struct store *store, enum store_space space,
                                      const struct store_key *key, store_found *found,
                                      void *context, struct error *error)
{
    uint8_t raw[STORE_KEY_MAX];
    const size_t size = store_key_encode(space, key, raw);
    char *text = NULL;
    rocksdb_pinnableslice_t *pinned = rocksdb_get_pinned_cf(
        store->db, store->read_options, family_of(store, space), (const char *)raw, size, &text);
    if (text) return rocksdb_failed(store->path, "reading", text, error);
    if (!pinned) return STATUS_OK;
    struct bytes value;
    value.at = rocksdb_pinnableslice_value(pinned, &value.size);
    found(context, 0, value);
    rocksdb_pinnableslice_destroy(pinned);
    return STATUS_OK;
}

static uint64_t family_fact(struct store *store, int family, const char *property)
{
    uint64_t value = 0;
    rocksdb_property_int_cf(store->db, store->families[family], property, &value);
    return value;
}

static enum status collect_blobs(struct store *store, bool collect, struct error *error)
{
    const char *key = "enable_blob_garbage_collection", *value = collect ? "true" : "false";
    char *text = NULL;
    rocksdb_set_options_cf(store->db, store->families[1], 1, &key, &value, &text);
    return text ? rocksdb_failed(store->path, "setting the collection of blobs", text, error)
                : STATUS_OK;
}

/*
 * Lets compaction collect blobs once half of what the files hold is garbage, and stops it when an
 * eighth is left. Compactions of random users pass over every live blob: to move them each time
 * would cost a rewrite of all snapshots for every few memtables, so costs one per doubling.
 */
static enum status snapshots_collect(struct store *store, struct error *error)
{
    uint64_t garbage = family_fact(store, 1, "rocksdb.live-blob-file-garbage-size");
    uint64_t size = family_fact(store, 1, "rocksdb.live-blob-file-size");
    bool collect = store->collecting ? garbage > size / 8 : garbage > size / 2;
    if (collect == store->collecting || atomic_load(&store->purging)) return STATUS_OK;
    TRY(collect_blobs(store, collect, error));
    store->collecting = collect;
    return STATUS_OK;
}

static enum status rocksdb_store_put_snapshots(struct store *store, const struct store_key *keys,
                                               const struct bytes *values, size_t count,
                                               struct error *error)
{
    for (size_t i = 0; i < count; i++) {
        batch_put(store, store->snapshot_batch, STORE_SNAPSHOTS, &keys[i], values[i]);
        store->snapshot_bytes += values[i].size;
    }
    TRY(batch_write(store, store->snapshot_batch, error));
    if (store->snapshot_bytes < BLOB_FILE_SIZE / 8) return STATUS_OK;
    store->snapshot_bytes = 0;
    return snapshots_collect(store, error);
}

static enum status rocksdb_store_forget_snapshots(struct store *store, const struct store_key *keys,
                                                  size_t count, struct error *error)
{
    const struct bytes none = {NULL, 0};
    for (size_t i = 0; i < count; i++) {
        batch_put(store, store->snapshot_batch, STORE_SNAPSHOTS, &keys[i], none);
    }
    TRY(batch_write(store, store->snapshot_batch, error));
    return flush_family(store, 1, true, error);
}

/* Down to the last level, where a deletion ends. */
static enum status rewrite_files(struct store *store, struct error *error)
{
    enum { FORCED = 2 }; /* also what lies there already */
    rocksdb_compactoptions_t *options = rocksdb_compactoptions_create();
    rocksdb_compactoptions_set_exclusive_manual_compaction(options, 0);
    rocksdb_compactoptions_set_bottommost_level_compaction(options, FORCED);
    for (int i = 0; i < FAMILIES; i++) {
        rocksdb_compact_range_cf_opt(store->db, store->families[i], options, NULL, 0, NULL, 0);
    }
    rocksdb_compactoptions_destroy(options);
    if (!atomic_load(&store->canceled)) return STATUS_OK;
    return error_set(error, STATUS_END, "store %s: it is closed", store->path);
}

/*
 * The manifest, which has the first and the last key of each file, is written anew with the next change
 * of files, as it was before that (MANIFEST_SIZE): so files change twice.
 */
static enum status renew_manifest(struct store *store, struct error *error)
{
    char *text = NULL;
    for (int i = 0; i < 2; i++) {
        rocksdb_put_cf(store->db, store->write_options, store->families[1], purge_key,
                       sizeof purge_key, purge_key, sizeof purge_key, &text);
        if (text) return rocksdb_failed(store->path, "writing", text, error);
        TRY(flush_family(store, 1, true, error));
        rocksdb_delete_cf(store->db, store->write_options, store->families[1], purge_key,
                          sizeof purge_key, &text);
        if (text) return rocksdb_failed(store->path, "writing", text, error);
    }
    return STATUS_OK;
}

static enum status rocksdb_store_purge(struct store *store, struct error *error)
{
    TRY(flush_family(store, 1, true, error));
    TRY(flush_family(store, 0, true, error));
    atomic_store(&store->purging, true);
    enum status status = collect_blobs(store, true, error);
    if (status == STATUS_OK) status = rewrite_files(store, error);
    if (status == STATUS_OK) status = renew_manifest(store, error);
    const enum status after = collect_blobs(store, store->collecting, error);
    atomic_store(&store->purging, false);
    return status == STATUS_OK ? after : status;
}

static void rocksdb_store_cancel_purge(struct store *store)
{
    atomic_store(&store->canceled, true);
    rocksdb_disable_manual_compaction(store->db);
}

static enum status rocksdb_store_scan(struct store *store, enum store_space space,
                                      const struct store_key *start, store_visit *visit,
                                      void *context, struct error *error)
{
    static const struct store_key first;
    uint8_t begin[STORE_KEY_MAX];
    size_t begin_size = store_key_encode(space, start ? start : &first, begin);
    char end = (char)(begin[0] + 1);
    enum status status = STATUS_OK;
    rocksdb_readoptions_t *options = rocksdb_readoptions_create();
    rocksdb_readoptions_set_fill_cache(options, 0);
    rocksdb_readoptions_set_iterate_upper_bound(options, &end, sizeof end);
    rocksdb_iterator_t *iterator =
        rocksdb_create_iterator_cf(store->db, options, family_of(store, space));
    rocksdb_iter_seek(iterator, (char *)begin, begin_size);
    for (; rocksdb_iter_valid(iterator); rocksdb_iter_next(iterator)) {
        struct bytes raw, value;
        struct store_key key;
        raw.at = rocksdb_iter_key(iterator, &raw.size);
        value.at = rocksdb_iter_value(iterator, &value.size);
        if (!store_key_decode(space, raw, &key)) {
            status = error_set(error, STATUS_CORRUPT, "store %s: a key is malformed (%zu bytes)",
                               store->path, raw.size);
            break;
        }
        if (!visit(context, &key, value)) break;
    }
    char *text = NULL;
    rocksdb_iter_get_error(iterator, &text);
    if (text) status = rocksdb_failed(store->path, "scanning", text, error);
    rocksdb_iter_destroy(iterator);
    rocksdb_readoptions_destroy(options);
    return status;
}

static void rocksdb_store_measure(struct store *store, struct store_facts *facts)
{
    *facts = (struct store_facts){
        .disk_bytes = family_fact(store, 1, "rocksdb.total-blob-file-size"),
        .delayed = family_fact(store, 0, "rocksdb.actual-delayed-write-rate") > 0,
        .stopped = family_fact(store, 0, "rocksdb.is-write-stopped") > 0,
    };
    for (int i = 0; i < FAMILIES; i++) {
        facts->disk_bytes += family_fact(store, i, "rocksdb.total-sst-files-size");
        facts->memory_bytes += family_fact(store, i, "rocksdb.cur-size-all-mem-tables");
        facts->memory_bytes += family_fact(store, i, "rocksdb.estimate-table-readers-mem");
    }
}

const struct store_ops store_rocksdb = {
    .open = rocksdb_store_open,
    .close = rocksdb_store_close,
    .position = rocksdb_store_position,
    .get = rocksdb_store_get,
    .look = rocksdb_store_look,
    .commit = rocksdb_store_commit,
    .put_snapshots = rocksdb_store_put_snapshots,
    .forget_snapshots = rocksdb_store_forget_snapshots,
    .purge = rocksdb_store_purge,
    .cancel_purge = rocksdb_store_cancel_purge,
    .scan = rocksdb_store_scan,
    .flush = rocksdb_store_flush,
    .measure = rocksdb_store_measure,
    .destroy = rocksdb_store_destroy,
};

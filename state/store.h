/*
 * store.h - the seam to one partition's materialized view of the history log.
 *
 * A store holds, per user, a record (header and open chunk), its full chunks, and a snapshot of its
 * state. It is a view of the history log up to a recorded position: it may lag behind the log, and
 * never leads it. Records and position are written in one atomic batch; snapshots are a cache and
 * are written apart. A store that is lost is rebuilt from the log.
 *
 *     store_open -> (store_get ... store_commit ... store_put_snapshots)* -> store_close
 *
 * store_rocksdb.c is the one there is; tests/store holds it to a reference, store_memory.c.
 * Thread: one thread at a time, except that scan and commit may each run on another one beside the
 * owner's other calls, and look on any. A get or look then sees all of a commit or nothing.
 */
#ifndef STATE_STORE_H
#define STATE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"

enum store_space {
    STORE_USERS,     /* user -> history record */
    STORE_CHUNKS,    /* user, chunk -> full history record */
    STORE_SNAPSHOTS, /* user -> stamped state */
};

enum { STORE_GET_MAX = 256 }; /* keys of one store_get */

struct store_key {
    struct bytes user;
    uint64_t chunk; /* STORE_CHUNKS only */
};

/* One change of a commit; `value.at` NULL deletes. */
struct store_write {
    enum store_space space; /* STORE_USERS or STORE_CHUNKS */
    struct store_key key;
    struct bytes value;
    uint64_t chunks_after; /* deleting a chunk: so many after it are deleted with it */
};

/* Up to where in the history log a store has been written: log file number and byte (file broker),
 * or 0 and the offset after the last applied seal (Kafka). */
struct store_position {
    uint64_t log;
    int64_t next;       /* -1: nothing applied yet */
    uint64_t seal;      /* number of the last seal applied, 0 if none */
    int64_t written_ms; /* broker or wall time of that seal, for a store's age; 0 unknown */
};

/* What a store belongs to. A store of another identity is refused, never wiped. */
struct store_identity {
    uint64_t source; /* history_seal.source_identity */
    uint32_t partition;
    uint32_t partitions;
};

/* The memory of all stores of a process together, as if it held every partition of the source. */
struct store_options {
    size_t memtable_size;    /* bytes of write buffers; each store takes its 1/partitions of it */
    size_t block_cache_size; /* bytes of cached blocks, filters and indexes, shared by the stores */
};

/* Called for each key found. `value` is valid during the call only. */
typedef void store_found(void *context, size_t index, struct bytes value);

/*
 * Called for each entry of a scan; false stops it. The bytes are valid during the call. The order
 * is the same in every space: shorter user ids first, then by their bytes, then by chunk.
 */
typedef bool store_visit(void *context, const struct store_key *key, struct bytes value);

struct store_facts {
    uint64_t disk_bytes;
    uint64_t memory_bytes; /* beside the shared block cache */
    bool delayed, stopped; /* commits wait for compactions or flushes: a little, or altogether */
};

struct store; /* an implementation's */

struct store_ops {
    /*
     * Opens (creating it if absent) the store in directory `path`. STATUS_REFUSED with the remedy
     * in words: a newer on-disk format, another identity. STATUS_CORRUPT: RocksDB says so.
     * STATUS_BUSY: it is open elsewhere (or still is). *storep is NULL on failure.
     */
    enum status (*open)(struct store **storep, const char *path,
                        const struct store_identity *identity, const struct store_options *options,
                        struct error *error);

    /* Flushes and closes. Legal on NULL. */
    void (*close)(struct store *store);

    /* The position recorded by the last commit that survived. */
    struct store_position (*position)(const struct store *store);

    /* Looks up to STORE_GET_MAX keys up together, calling `found` for those that exist. */
    enum status (*get)(struct store *store, enum store_space space, const struct store_key *keys,
                       size_t count, store_found *found, void *context, struct error *error);

    /* Looks one key up, on any thread; calls `found` with index 0 if it exists. */
    enum status (*look)(struct store *store, enum store_space space, const struct store_key *key,
                        store_found *found, void *context, struct error *error);

    /* Applies the writes and the position as one atomic batch. Not durable until flush. */
    enum status (*commit)(struct store *store, const struct store_write *writes, size_t count,
                          const struct store_position *position, struct error *error);

    /* Writes snapshots; values as state/snapshot.h encodes them. A NULL value deletes. */
    enum status (*put_snapshots)(struct store *store, const struct store_key *keys,
                                 const struct bytes *values, size_t count, struct error *error);

    /*
     * Deletes snapshots, durably: whatever is killed, none of them is there again. For users who are
     * erased; put_snapshots may delete what may come back.
     */
    enum status (*forget_snapshots)(struct store *store, const struct store_key *keys, size_t count,
                                    struct error *error);

    /*
     * Writes the files anew until none has anything of what was deleted before the call, which takes
     * as long as to copy them, and leaves none but such files. On any one thread, beside the owner's
     * other calls. STATUS_END: it was canceled.
     */
    enum status (*purge)(struct store *store, struct error *error);

    /* A purge under way ends soon, and no other begins: the store is to be closed. Any thread. */
    void (*cancel_purge)(struct store *store);

    /*
     * Visits a consistent view of one space, that of the moment of the call, beginning at `start`
     * (NULL: the first). The view holds on to deleted files while it lasts: a caller that needs no
     * single moment stops every second or so and goes on from the last key.
     */
    enum status (*scan)(struct store *store, enum store_space space, const struct store_key *start,
                        store_visit *visit, void *context, struct error *error);

    /*
     * Makes everything committed so far durable (not the snapshots, which may be lost). `wait`
     * false: only begins it, in the background.
     */
    enum status (*flush)(struct store *store, bool wait, struct error *error);

    /* Facts for metrics and `inspect store`, as of now. On any thread. */
    void (*measure)(struct store *store, struct store_facts *facts);

    /* Deletes the directory of a closed store. */
    enum status (*destroy)(const char *path, struct error *error);
};

extern const struct store_ops store_rocksdb;

#endif

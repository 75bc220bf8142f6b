/*
 * shared_generation.h - what the topic of models says of each generation, and how it says it.
 *
 * A record's key is generation and part, both big-endian (8 and 4 bytes). Parts are the chunks of
 * the generation's file, numbered from 0, or one of these:
 *
 *     announced   its item vectors are in the other topic: u64 items | u32 width | u64 checksum
 *                 of their end
 *     manifest    the file is whole: u8 version 1 | u64 size | u32 chunks | u64 checksum
 *                 | u64 fingerprint | u64 parent
 *     complete    every partition's users have been moved to it: i64 time in ms
 *
 * Values are little-endian. Chunks and manifest are of one transaction, so the chunks lie right
 * before the manifest. The checksum is that of the last chunk, where a chunk's is XXH3-64 over the
 * checksum before it (u64, at first 0) and the chunk.
 *
 * Threads: a table belongs to one.
 */
#ifndef STREAM_EXCHANGE_SHARED_GENERATION_H
#define STREAM_EXCHANGE_SHARED_GENERATION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"
#include "stream/interests/item_vector.h"

enum {
    SHARED_KEY_SIZE = 12,
    SHARED_VALUE_MAX = 64,         /* of what is no chunk */
    SHARED_CHUNK_MAX = 512 << 10,  /* bytes */
    SHARED_GENERATIONS_MAX = 2048, /* in the topic at a time */
};

/* Parts that are no chunks. */
#define SHARED_MANIFEST   UINT32_MAX
#define SHARED_COMPLETE   (UINT32_MAX - 1)
#define SHARED_ANNOUNCED  (UINT32_MAX - 2)
#define SHARED_CHUNKS_MAX (UINT32_MAX - 16)

struct manifest {
    uint64_t size; /* bytes of the file */
    uint32_t chunks;
    uint64_t checksum;
    uint64_t fingerprint; /* of the checkpoint, */
    uint64_t parent;      /* and what it was trained from */
};

struct shared_generation {
    uint64_t number;
    bool announced;
    bool listed; /* it has a manifest, */
    bool whole;  /* and model.dir has its file */
    bool told;   /* it was logged that it is not whole */
    struct items_end items;
    struct manifest manifest;
    int64_t complete_ms; /* 0: it is not */
    const char *damage;  /* listed and not whole: what is wrong with it */
};

/* By rising number. */
struct shared_table {
    struct shared_generation at[SHARED_GENERATIONS_MAX];
    uint32_t count;
    uint64_t highest; /* number that the topic has ever named */
};

void shared_table_clear(struct shared_table *table);

/* The generation `number`, added if it is new; NULL: there is no room. */
struct shared_generation *shared_table_at(struct shared_table *table, uint64_t number);

/* The one that is already there, or NULL. */
struct shared_generation *shared_table_find(struct shared_table *table, uint64_t number);

/* Removes those of which nothing is left. */
void shared_table_tidy(struct shared_table *table);

/* The newest that is whole, up to number `most`, and the newest that is complete since `by_ms`; NULL:
 * none. */
const struct shared_generation *shared_table_newest(const struct shared_table *table,
                                                    uint64_t most);
const struct shared_generation *shared_table_complete(const struct shared_table *table,
                                                      int64_t by_ms);

void shared_key_encode(uint64_t generation, uint32_t part, uint8_t to[SHARED_KEY_SIZE]);

/* False: it is no such key, or names a generation that can't be. */
bool shared_key_decode(struct bytes key, uint64_t *generation, uint32_t *part);

/* They return the size of the value; false: it is no such value. */
size_t manifest_encode(const struct manifest *manifest, uint8_t to[SHARED_VALUE_MAX]);
bool manifest_decode(struct bytes value, struct manifest *manifest);
size_t announcement_encode(const struct items_end *items, uint8_t to[SHARED_VALUE_MAX]);
bool announcement_decode(struct bytes value, uint64_t generation, struct items_end *items);
size_t completion_encode(int64_t time_ms, uint8_t to[SHARED_VALUE_MAX]);
bool completion_decode(struct bytes value, int64_t *time_ms);

/* The checksum after one more chunk. */
uint64_t shared_checksum(uint64_t before, struct bytes chunk);

#endif

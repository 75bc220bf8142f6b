/*
 * incoming.h - puts the chunks of one generation after another together to files of model.dir.
 *
 * The file grows under another name and gets its own when the manifest agrees with what came. Where
 * model.dir has a file of that generation already, nothing is written, and the file is held against
 * the manifest instead.
 *
 * Threads: one, and one process: the caller holds the directory's lock (incoming_lock).
 */
#ifndef STREAM_EXCHANGE_INCOMING_H
#define STREAM_EXCHANGE_INCOMING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "stream/exchange/shared_generation.h"

struct incoming {
    const char *dir;     /* model.dir */
    uint64_t generation; /* 0: none */
    uint32_t chunks;     /* that came, each in its turn */
    uint32_t chunk_size; /* of the first */
    uint64_t size;
    uint64_t checksum;
    bool broken; /* a chunk is missing */
    int file;    /* -1: model.dir has one already */
};

/* How a generation ended. */
enum incoming_end {
    INCOMING_WHOLE,     /* model.dir has its file */
    INCOMING_INSTALLED, /* as of now */
    INCOMING_DAMAGED,   /* what came is not what the manifest says: `damage` */
    INCOMING_ANOTHER,   /* the file that model.dir had was another, or damaged, and is removed */
};

void incoming_begin(struct incoming *incoming, const char *dir);
void incoming_drop(struct incoming *incoming);

/* Waits until no other process puts files together in this directory. `*lockp` is to be closed. */
MUST_CHECK enum status incoming_lock(const char *dir, int *lockp, struct error *error);

/* Chunk 0 begins a generation; what does not follow the chunk before is noted. */
MUST_CHECK enum status incoming_chunk(struct incoming *incoming, uint64_t generation,
                                      uint32_t number, struct bytes chunk, struct error *error);

MUST_CHECK enum status incoming_end(struct incoming *incoming, uint64_t generation,
                                    const struct manifest *manifest, enum incoming_end *endp,
                                    const char **damagep, struct error *error);

#endif

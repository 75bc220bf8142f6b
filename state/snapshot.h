/*
 * snapshot.h - a state as it is kept in a store: stamped with what it is the fold of.
 *
 *     stamp: version, generation, from, n, latest time | state bytes | checksum (XXH3)
 *
 * A snapshot is a cache. One that is of another generation, of another `from`, newer than the
 * history, of another size, or damaged is ignored (and counted), and the fold starts anew.
 */
#ifndef STATE_SNAPSHOT_H
#define STATE_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

struct snapshot_stamp {
    uint64_t generation;  /* state generation that folded it */
    uint64_t fingerprint; /* of that generation's state-producing parameters */
    uint64_t from;
    uint64_t events;   /* n: folded are the ordinals [from, n) */
    uint64_t absorbed; /* behaviors of [from, n) that the model knows */
    int64_t last_ms;   /* latest time of the absorbed ones */
};

enum { SNAPSHOT_OVERHEAD = 64 }; /* bytes around the state */

/* Writes stamp, state and checksum into `to` (SNAPSHOT_OVERHEAD + state_size bytes). */
size_t snapshot_encode(const struct snapshot_stamp *stamp, const void *state, size_t state_size,
                       void *to);

/* Reads the stamp and copies the state out; false if damaged, of another version or size. */
bool snapshot_decode(struct bytes value, struct snapshot_stamp *stamp, void *state,
                     size_t state_size);

#endif

/*
 * checksum.h - the two hashes of the project: XXH3 for integrity, FNV-1a for identity.
 *
 * XXH3-64 guards bytes that are stored or published. FNV-1a-64 names items: a stored behavior
 * keeps the hash of its item id, and splitmix64 of that chooses an out-of-vocabulary row, so both
 * are part of the formats and can never change.
 */
#ifndef BASE_CHECKSUM_H
#define BASE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

/* XXH3 (64 bit, seed 0) of `size` bytes. */
uint64_t checksum_of(const void *at, size_t size);

/* The same of parts that lie apart: XXH3 of the bytes that they are end to end. */
uint64_t checksum_of_parts(const struct bytes *parts, uint32_t count);

/* FNV-1a (64 bit) of `size` bytes, and of what it is the hash of with more bytes behind it. */
uint64_t identity_of(const void *at, size_t size);
uint64_t identity_more(uint64_t identity, const void *at, size_t size);

/* One step of splitmix64 (Vigna, 2015). */
static inline uint64_t splitmix64(uint64_t z)
{
    z += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

#endif

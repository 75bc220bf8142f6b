/* checksum.c - XXH3 through xxHash, FNV-1a by hand (it is four lines). */
#include "base/checksum.h"

/* Compiled in rather than linked: only so may a streaming state lie on the stack. */
#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t checksum_of(const void *at, size_t size)
{
    return XXH3_64bits(at, size);
}

uint64_t checksum_of_parts(const struct bytes *parts, uint32_t count)
{
    XXH3_state_t state;
    XXH3_INITSTATE(&state);
    XXH3_64bits_reset(&state);
    for (uint32_t i = 0; i < count; i++) {
        XXH3_64bits_update(&state, parts[i].at, parts[i].size);
    }
    return XXH3_64bits_digest(&state);
}

uint64_t identity_of(const void *at, size_t size)
{
    return identity_more(0xCBF29CE484222325u, at, size);
}

uint64_t identity_more(uint64_t hash, const void *at, size_t size)
{
    const unsigned char *bytes = at;
    for (size_t i = 0; i < size; i++) {
        hash = (hash ^ bytes[i]) * 0x100000001B3u;
    }
    return hash;
}

/* checksum.c - XXH3 through xxHash, FNV-1a by hand (it is four lines). */
#include "base/checksum.h"

#include <xxhash.h>

uint64_t checksum_of(const void *at, size_t size)
{
    return XXH3_64bits(at, size);
}

uint64_t identity_of(const void *at, size_t size)
{
    const unsigned char *bytes = at;
    uint64_t hash = 0xCBF29CE484222325u;
    for (size_t i = 0; i < size; i++) {
        hash = (hash ^ bytes[i]) * 0x100000001B3u;
    }
    return hash;
}

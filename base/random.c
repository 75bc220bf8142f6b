/* random.c - xoshiro256++ (Blackman and Vigna, 2019) and the distributions drawn from it. */
#include "base/random.h"

#include <math.h>

#include "base/checksum.h"
#include "base/status.h"

struct random random_seeded(uint64_t seed)
{
    struct random random;
    for (unsigned i = 0; i < 4; i++) {
        random.word[i] = splitmix64(seed + i * 0x9E3779B97F4A7C15u);
    }
    return random;
}

static uint64_t rotated_left(uint64_t value, unsigned bits)
{
    return value << bits | value >> (64 - bits);
}

uint64_t random_next(struct random *random)
{
    uint64_t *s = random->word;
    uint64_t result = rotated_left(s[0] + s[3], 23) + s[0];
    uint64_t shifted = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotated_left(s[3], 45);
    return result;
}

/*
 * The high word of a 64 x 64 bit product is almost uniform over 0 .. bound - 1; it is exactly so
 * once the 2^64 mod bound smallest low words are drawn again (Lemire, 2019).
 */
uint64_t random_below(struct random *random, uint64_t bound)
{
    REQUIRE(bound > 0);
    uint64_t unfair = (0 - bound) % bound;
    unsigned __int128 product;
    do {
        product = (unsigned __int128)random_next(random) * bound;
    } while ((uint64_t)product < unfair);
    return (uint64_t)(product >> 64);
}

double random_uniform(struct random *random)
{
    return (double)(random_next(random) >> 11) * 0x1p-53;
}

/* Marsaglia's polar method; its second number is not kept, so that the state stays four words. */
double random_normal(struct random *random)
{
    for (;;) {
        double x = 2 * random_uniform(random) - 1;
        double y = 2 * random_uniform(random) - 1;
        double square = x * x + y * y;
        if (square > 0 && square < 1) return x * sqrt(-2 * log(square) / square);
    }
}

/*
 * random.h - the one source of random numbers: xoshiro256++, seeded through splitmix64.
 *
 * Each purpose (initial parameters, negatives, a test's inputs) has a generator of its own, so that
 * drawing more for one does not change another. The struct is the whole state: copying it forks the
 * sequence, storing it lets a later run go on where this one stopped.
 */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stdint.h>

struct random {
    uint64_t word[4];
};

/* Any seed is good, 0 as well. */
struct random random_seeded(uint64_t seed);

/* 64 random bits. */
uint64_t random_next(struct random *random);

/* Uniform in 0 .. bound - 1, without bias. `bound` is not 0. */
uint64_t random_below(struct random *random, uint64_t bound);

/* Uniform in [0, 1), a multiple of 2^-53. */
double random_uniform(struct random *random);

/* Normal with mean 0 and standard deviation 1. */
double random_normal(struct random *random);

#endif

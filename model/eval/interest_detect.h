/*
 * interest_detect.h - whether a user's interests still tell its items apart (models.md 7.3, NID).
 *
 * Items that all of the interests score alike belong to none of them. The divergence of an item is
 * that of the even distribution from the softmax of its scores; if its mean over the items of a span
 * lies below a threshold, new interests are due.
 *
 * Threads: pure.
 */
#ifndef MODEL_EVAL_INTEREST_DETECT_H
#define MODEL_EVAL_INTEREST_DETECT_H

#include <stdbool.h>
#include <stdint.h>

#include "model/kernel/real.h"

/* c1, with cosine and temperature 1. */
#define INTEREST_DETECT_MIN 0.04

struct interest_detect {
    bool cosine; /* else the inner product */
    double temperature;
    uint32_t d;
};

/* The divergence of one item vector [d] from interests [count][d]; >= 0, 0 for one interest. */
double interest_divergence(const struct interest_detect *detect, const real *interests,
                           uint32_t count, const real *item);

#endif

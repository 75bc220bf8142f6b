/*
 * optimizer.h - Adam over all parameters, with the rows of embedding tables as lazy as their use.
 *
 * A table's row that a minibatch did not touch keeps its value and both its moments; the step
 * number is global (models.md section 4). Constants and row 0 of tables are never written. The rate
 * rises over the first steps and falls along a cosine to its final share at the last; gradients can
 * be clipped by their global norm.
 *
 * Threads: one owner.
 */
#ifndef MODEL_TRAIN_OPTIMIZER_H
#define MODEL_TRAIN_OPTIMIZER_H

#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"
#include "model/tensor/gradients.h"

struct optimizer_options {
    double rate;
    double clip;           /* greatest norm of a gradient; 0 = any */
    uint64_t begun;        /* steps taken before the rate's course begins */
    uint64_t warmup_steps; /* of that course, over which the rate rises linearly; 0 = none */
    uint64_t steps;        /* of it until the rate has fallen; 0 = it never falls */
    double final_share;    /* of the rate, at `steps` and beyond */
};

struct optimizer {
    struct optimizer_options options;
    const struct param_set *params;
    uint64_t step; /* steps taken */
    struct arena memory;
    real *mean;   /* [param_set_size] first moments, laid out as the parameters' block */
    real *square; /* second moments */
};

/* Moments zero, no step taken. Keeps `params`. On failure there is nothing to close. */
MUST_CHECK enum status optimizer_open(struct optimizer *optimizer, const struct param_set *params,
                                      const struct optimizer_options *options, struct error *error);
void optimizer_close(struct optimizer *optimizer);

/* The rate of step number `step` of its course, from 1. */
double optimizer_rate(const struct optimizer_options *options, uint64_t step);

/* One step against `gradients`, of the same parameters. Returns their norm before clipping. */
double optimizer_step(struct optimizer *optimizer, struct gradients *gradients);

#endif

/*
 * param_draw.h - draws the parameters of a model from a seed.
 *
 * Threads: the set belongs to the caller.
 */
#ifndef MODEL_PARAM_DRAW_H
#define MODEL_PARAM_DRAW_H

#include <stdint.h>

#include "model/tensor/params.h"

/*
 * Draws every parameter of an allocated set as its initializer says. Each has a generator of its own, seeded by `seed`
 * and its name (of a ring, what its three share of it): the values of one do not depend on which
 * others the model has.
 */
void param_set_draw(struct param_set *set, uint64_t seed);

#endif

/*
 * op_pool.h - pooling a user's behaviors into one vector (models.md 5.9, kernel_pool.h).
 */
#ifndef MODEL_TENSOR_OP_POOL_H
#define MODEL_TENSOR_OP_POOL_H

#include <stddef.h>
#include <stdint.h>

#include "model/tensor/behavior.h"
#include "model/tensor/tape.h"

/* Where a pool lies in a state row: sum [width], then its mass. */
struct pool {
    uint32_t width;
    size_t at;           /* reals before the sum */
    real half_life_days; /* 0: nothing fades */
};

/* x [events, width]. Adds every event to its user's pool. Serving. */
void op_pool_absorb(struct tape *tape, const struct pool *pool, struct tensor *x,
                    real *const *states, const struct behavior_batch *batch);

/* [users, width]: sum / mass, zeros of an empty pool. Serving. */
struct tensor *op_pool_read(struct tape *tape, const struct pool *pool, const real *const *states,
                            uint32_t users);

/*
 * [points, width]: what op_pool_read gives after each of the events `points` (ascending), every
 * user beginning with an empty pool. The caller keeps `points` and the batch until the backward
 * pass.
 */
struct tensor *op_pool_steps(struct tape *tape, const struct pool *pool, struct tensor *x,
                             const uint32_t *points, uint32_t count,
                             const struct behavior_batch *batch);

#endif

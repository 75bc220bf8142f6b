/*
 * op_softmax_pool.h - means of a user's behaviors by the softmax of their scores, kept up event by
 * event (models.md 5.7 and 5.10, kernel_pool.h).
 */
#ifndef MODEL_TENSOR_OP_SOFTMAX_POOL_H
#define MODEL_TENSOR_OP_SOFTMAX_POOL_H

#include <stddef.h>
#include <stdint.h>

#include "model/tensor/behavior.h"
#include "model/tensor/tape.h"

/* Where `pools` pools lie in a state row: peaks [pools], weights [pools], sums [pools, width]. */
struct softmax_pools {
    uint32_t pools;
    uint32_t width;
    size_t at; /* reals before the peaks */
};

/*
 * x [events, width], score [events, pools]. Adds every event to its user's pools: to all of them, or
 * to the one that chosen[event] says. Serving.
 */
void op_softmax_pool_absorb(struct tape *tape, const struct softmax_pools *pools, struct tensor *x,
                            struct tensor *score, const uint32_t *chosen, real *const *states,
                            const struct behavior_batch *batch);

/* [users * pools, width]: sum / weight, zeros of an empty pool. Serving. */
struct tensor *op_softmax_pool_read(struct tape *tape, const struct softmax_pools *pools,
                                    const real *const *states, uint32_t users);

/*
 * [points * pools, width]: what op_softmax_pool_read gives after each of the events `points`
 * (ascending), every user beginning with empty pools. The caller keeps `points`, `chosen` and the
 * batch until the backward pass.
 */
struct tensor *op_softmax_pool_steps(struct tape *tape, const struct softmax_pools *pools,
                                     struct tensor *x, struct tensor *score, const uint32_t *chosen,
                                     const uint32_t *points, uint32_t count,
                                     const struct behavior_batch *batch);

#endif

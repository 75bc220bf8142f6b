/*
 * kernel_pool.h - a fading sum of vectors and its mass (models.md 5.9); a mean of vectors by the
 * softmax of their scores, one vector at a time (models.md 5.7, 5.10).
 */
#ifndef MODEL_KERNEL_KERNEL_POOL_H
#define MODEL_KERNEL_KERNEL_POOL_H

#include <stdint.h>

#include "model/kernel/real.h"

/* What a gap leaves of a sum: 2^(-days / half_life_days); 1 without a gap or a half-life (0). */
real kernel_pool_keep(int64_t gap_s, real half_life_days);

/* sum = keep sum + x; mass = keep mass + 1. */
void kernel_pool_absorb(real *restrict sum, real *restrict mass, const real *restrict x, real keep,
                        uint32_t d);

/* y = sum / mass; zeros without mass. */
void kernel_pool_read(real *restrict y, const real *restrict sum, real mass, uint32_t d);

/*
 * The softmax pool of what came so far: the largest score, the sum of e^(score - peak), and the sum
 * of vectors by these weights. All zero before the first.
 */
struct softmax_pool {
    real *peak, *weight, *sum; /* [1], [1], [d] */
};

/* What an event did: all that was there counts `keep`, the event `add`. */
struct softmax_step {
    real keep, add;
};

/* Absorbs x with its score. */
struct softmax_step kernel_softmax_pool_absorb(struct softmax_pool pool, const real *restrict x,
                                               real score, uint32_t d);

/* What is passed back to the sum of a pool, [d], and to its weight, [1]. */
struct softmax_pool_gradient {
    real *sum, *weight;
};

/* For dy [d], the gradient of y = sum / weight: adds. */
void kernel_softmax_pool_read_backward(struct softmax_pool_gradient gradient,
                                       const real *restrict dy, const real *restrict y, real weight,
                                       uint32_t d);

/*
 * Takes the gradient to before an event. Adds to dx [d] and d_score [1] (each NULL if not wanted)
 * what the event gets; the peak, which cancels, is a constant.
 */
void kernel_softmax_pool_backward(struct softmax_pool_gradient gradient, real *restrict dx,
                                  real *restrict d_score, struct softmax_step step,
                                  const real *restrict x, uint32_t d);

#endif

/*
 * kernel_window.h - attention over the steps of one window (models.md 5.7).
 *
 * Weights are [steps, heads]: a head has a column. Vectors have `d` reals, and that of step t is row
 * rows[t] of a matrix, or row t if `rows` is NULL. Backward kernels add.
 */
#ifndef MODEL_KERNEL_KERNEL_WINDOW_H
#define MODEL_KERNEL_KERNEL_WINDOW_H

#include <stdint.h>

#include "model/kernel/real.h"

enum { WINDOW_HEADS_MAX = 64 };

/* In place, each column: e^(x - max x) over its sum. At most WINDOW_HEADS_MAX columns. */
void kernel_softmax_steps(real *x, uint32_t steps, uint32_t heads);
void kernel_softmax_steps_backward(real *restrict dx, const real *restrict dy,
                                   const real *restrict y, uint32_t steps, uint32_t heads);

/* y [heads, d] = the sums of the vectors, weighted. */
void kernel_window_sums(real *restrict y, const real *restrict weight, const real *restrict x,
                        const uint32_t *rows, uint32_t steps, uint32_t heads, uint32_t d);

/* d_weight and dx (each NULL if not wanted), given dy [heads, d]. */
void kernel_window_sums_backward(real *restrict d_weight, real *restrict dx,
                                 const real *restrict dy, const real *restrict weight,
                                 const real *restrict x, const uint32_t *rows, uint32_t steps,
                                 uint32_t heads, uint32_t d);

#endif

/*
 * kernel_recurrent.h - the elementwise parts of a gated recurrent unit (models.md section 3).
 *
 * `gates` is [rows, 3 n]: reset, update and candidate of each row, side by side. The products
 * between are op_gru's. Backward kernels set their results, they do not add.
 */
#ifndef MODEL_KERNEL_KERNEL_RECURRENT_H
#define MODEL_KERNEL_KERNEL_RECURRENT_H

#include <stdint.h>

#include "model/kernel/real.h"

/*
 * Reset and update become the logistic of themselves plus `recurrent` [rows, 2 n]; `reset` [rows,
 * n] = reset times h.
 */
void kernel_gru_open(real *restrict gates, real *restrict reset, const real *restrict recurrent,
                     const real *restrict h, uint32_t rows, uint32_t n);

/*
 * The candidate becomes tanh of itself plus `recurrent` [rows, n]; y = update h + (1 - update)
 * candidate.
 */
void kernel_gru_close(real *restrict y, real *restrict gates, const real *restrict recurrent,
                      const real *restrict h, uint32_t rows, uint32_t n);

/*
 * d_gates, of what stood in `gates` before the activations: its update and candidate part. The
 * reset part follows when d_reset is known.
 */
void kernel_gru_close_backward(real *restrict d_gates, const real *restrict dy,
                               const real *restrict gates, const real *restrict h, uint32_t rows,
                               uint32_t n);

/*
 * The reset part of d_gates; to dh (if wanted) is added what does not pass through a product.
 * d_reset [rows, n] is the gradient of reset times h.
 */
void kernel_gru_open_backward(real *restrict d_gates, real *restrict dh,
                              const real *restrict d_reset, const real *restrict dy,
                              const real *restrict gates, const real *restrict h, uint32_t rows,
                              uint32_t n);

#endif

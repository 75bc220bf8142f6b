/*
 * kernel_mixture.h - inner products of rows with rows, and what gives back (models.md 5.8).
 */
#ifndef MODEL_KERNEL_KERNEL_MIXTURE_H
#define MODEL_KERNEL_KERNEL_MIXTURE_H

#include <stdint.h>

#include "model/kernel/real.h"

/* dx += what dy gives back of y = softmax of each row. */
void kernel_softmax_backward(real *restrict dx, const real *restrict dy, const real *restrict y,
                             uint32_t rows, uint32_t cols);

/* dx += what dy gives back of y = unit(x). */
void kernel_unit_backward(real *restrict dx, const real *restrict dy, const real *restrict x,
                          uint32_t rows, uint32_t cols);

/* y [m, n] += scale <a_i, b_j> of the rows of a [m, k] and b [n, k]. */
void kernel_dots(real *restrict y, const real *restrict a, const real *restrict b, real scale,
                 uint32_t m, uint32_t n, uint32_t k);

/* y [rows, n] = <x_ij, w_j> of x [rows, n, k] and w [n, k]. */
void kernel_row_dots(real *restrict y, const real *restrict x, const real *restrict w,
                     uint32_t rows, uint32_t n, uint32_t k);

/* Adds to dx and dw (each NULL if not wanted) what dy gives back. */
void kernel_row_dots_backward(real *restrict dx, real *restrict dw, const real *restrict dy,
                              const real *restrict x, const real *restrict w, uint32_t rows,
                              uint32_t n, uint32_t k);

#endif

/*
 * kernel_covariance.h - how much rows vary together (models.md section 3, offdiag).
 */
#ifndef MODEL_KERNEL_KERNEL_COVARIANCE_H
#define MODEL_KERNEL_KERNEL_COVARIANCE_H

#include <stdint.h>

#include "model/kernel/real.h"

/*
 * `centered` [rows, n] = x, each row less its mean. Gives the sum over pairs of rows of the square
 * of their covariance, the inner product of their centered rows over n.
 */
real kernel_offdiag(real *restrict centered, const real *x, uint32_t rows, uint32_t n);

/* dx += what dy gives back. (A centered row sums to 0, and so does the gradient of a row.) */
void kernel_offdiag_backward(real *restrict dx, real dy, const real *centered, uint32_t rows,
                             uint32_t n);

#endif

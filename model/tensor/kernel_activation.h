/*
 * kernel_activation.h - the activations and norms of models.md section 3, beyond those in kernel.h; rows are dense.
 */
#ifndef MODEL_TENSOR_KERNEL_ACTIVATION_H
#define MODEL_TENSOR_KERNEL_ACTIVATION_H

#include <stddef.h>
#include <stdint.h>

#include "model/tensor/real.h"

/* In place: 1 / (1 + e^-x). */
void kernel_sigmoid(real *x, size_t n);

/* In place. Relative error below 3e-7. */
void kernel_tanh(real *x, size_t n);

/* In place: ln(1 + e^x). Relative error below 5e-7. */
void kernel_softplus(real *x, size_t n);

/* In place: x / (1 + e^-x). */
void kernel_silu(real *x, size_t n);

/* x *= the logistic of gate. */
void kernel_gate(real *restrict x, const real *restrict gate, size_t n);

/* Each row of x: *= weight [cols]. */
void kernel_scale_columns(real *restrict x, const real *restrict weight, uint32_t rows,
                          uint32_t cols);

/* In place, each row: e^(x - max x). */
void kernel_expf(real *x, uint32_t rows, uint32_t cols);

/* In place, each row: e^(x - max x) over its sum. */
void kernel_softmax(real *x, uint32_t rows, uint32_t cols);

/* In place, each row: x / sqrt(mean of squares + 1e-3). */
void kernel_rms(real *x, uint32_t rows, uint32_t cols);

/* In place, each row: with q = sum of squares, x sqrt(q + 1e-12) / (1 + q). */
void kernel_squash(real *x, uint32_t rows, uint32_t cols);

#endif

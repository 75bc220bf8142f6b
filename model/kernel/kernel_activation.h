/*
 * kernel_activation.h - the activations and norms of models.md section 3, beyond those in kernel.h;
 * rows are dense.
 */
#ifndef MODEL_KERNEL_KERNEL_ACTIVATION_H
#define MODEL_KERNEL_KERNEL_ACTIVATION_H

#include <stddef.h>
#include <stdint.h>

#include "model/kernel/real.h"

/* In place: 1 / (1 + e^-x). Its backward, and that of tanh, take y, the result. */
void kernel_sigmoid(real *x, size_t n);
void kernel_sigmoid_backward(real *restrict dx, const real *restrict dy, const real *restrict y,
                             size_t n);

/* In place. Relative error below 3e-7. */
void kernel_tanh(real *x, size_t n);
void kernel_tanh_backward(real *restrict dx, const real *restrict dy, const real *restrict y,
                          size_t n);

/* In place: ln(1 + e^x). Relative error below 5e-7. */
void kernel_softplus(real *x, size_t n);

/* dx += factor dy * the logistic of x. */
void kernel_softplus_backward(real *restrict dx, const real *restrict dy, const real *restrict x,
                              real factor, size_t n);

/* In place: x / (1 + e^-x). */
void kernel_silu(real *x, size_t n);

/* In place: x times the share of a standard normal variable below x. Backward takes x. */
void kernel_gelu(real *x, size_t n);
void kernel_gelu_backward(real *restrict dx, const real *restrict dy, const real *restrict x,
                          size_t n);

/* x *= the logistic of gate. dx or d_gate may be NULL. */
void kernel_gate(real *restrict x, const real *restrict gate, size_t n);
void kernel_gate_backward(real *restrict dx, real *restrict d_gate, const real *restrict dy,
                          const real *restrict x, const real *restrict gate, size_t n);

/* In place, each row: e^(x - max x). */
void kernel_expf(real *x, uint32_t rows, uint32_t cols);

/* In place, each row: e^(x - max x) over its sum. */
void kernel_softmax(real *x, uint32_t rows, uint32_t cols);

/* In place, each row: unit(silu(x)). Backward takes x and y. */
void kernel_unit_silu(real *x, uint32_t rows, uint32_t cols);
void kernel_unit_silu_backward(real *restrict dx, const real *restrict dy, const real *restrict x,
                               const real *restrict y, uint32_t rows, uint32_t cols);

/* In place, each row: unit(expf(x)). Backward needs y alone. */
void kernel_unit_expf(real *x, uint32_t rows, uint32_t cols);
void kernel_unit_expf_backward(real *restrict dx, const real *restrict dy, const real *restrict y,
                               uint32_t rows, uint32_t cols);

/* In place, each row: x / sqrt(mean of squares + 1e-3). */
void kernel_rms(real *x, uint32_t rows, uint32_t cols);
void kernel_rms_backward(real *restrict dx, const real *restrict dy, const real *restrict x,
                         uint32_t rows, uint32_t cols);

/* In place, each row: with q = sum of squares, x sqrt(q + 1e-12) / (1 + q). */
void kernel_squash(real *x, uint32_t rows, uint32_t cols);

/* For one row, the gradient of x is scale dy + along x. */
struct squash_slope {
    real scale;
    real along;
};
struct squash_slope kernel_squash_slope(const real *dy, const real *x, uint32_t cols);

#endif

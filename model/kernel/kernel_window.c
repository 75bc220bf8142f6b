/* kernel_window.c - softmax down the steps of a window, and the sums that it weighs. */
#include "model/kernel/kernel_window.h"

#include <string.h>

#include "model/kernel/kernel.h"
#include "model/kernel/vector.h"

void kernel_softmax_steps(real *x, uint32_t steps, uint32_t heads)
{
    real most[WINDOW_HEADS_MAX], sum[WINDOW_HEADS_MAX] = {0};
    const size_t n = (size_t)steps * heads;
    if (steps == 0) return;
    memcpy(most, x, heads * sizeof(real));
    for (size_t i = heads; i < n; i += heads) {
        for (uint32_t k = 0; k < heads; k++) {
            most[k] = x[i + k] > most[k] ? x[i + k] : most[k];
        }
    }
    for (size_t i = 0; i < n; i += heads) {
        for (uint32_t k = 0; k < heads; k++) {
            x[i + k] -= most[k];
        }
    }
    kernel_exp(x, x, n);
    for (size_t i = 0; i < n; i += heads) {
        for (uint32_t k = 0; k < heads; k++) {
            sum[k] += x[i + k];
        }
    }
    for (size_t i = 0; i < n; i += heads) {
        for (uint32_t k = 0; k < heads; k++) {
            x[i + k] /= sum[k];
        }
    }
}

void kernel_softmax_steps_backward(real *restrict dx, const real *restrict dy,
                                   const real *restrict y, uint32_t steps, uint32_t heads)
{
    real mean[WINDOW_HEADS_MAX] = {0};
    const size_t n = (size_t)steps * heads;
    for (size_t i = 0; i < n; i += heads) {
        for (uint32_t k = 0; k < heads; k++) {
            mean[k] += y[i + k] * dy[i + k];
        }
    }
    for (size_t i = 0; i < n; i += heads) {
        for (uint32_t k = 0; k < heads; k++) {
            dx[i + k] += y[i + k] * (dy[i + k] - mean[k]);
        }
    }
}

static size_t row_at(const uint32_t *rows, uint32_t step, uint32_t d)
{
    return (size_t)(rows ? rows[step] : step) * d;
}

void kernel_window_sums(real *restrict y, const real *restrict weight, const real *restrict x,
                        const uint32_t *rows, uint32_t steps, uint32_t heads, uint32_t d)
{
    memset(y, 0, (size_t)heads * d * sizeof(real));
    for (uint32_t step = 0; step < steps; step++) {
        const real *vector = x + row_at(rows, step, d);
        for (uint32_t k = 0; k < heads; k++) {
            const real share = *weight++;
            real *sum = y + (size_t)k * d;
            for (uint32_t i = 0; i < d; i++) {
                sum[i] = REAL_FMA(share, vector[i], sum[i]);
            }
        }
    }
}

void kernel_window_sums_backward(real *restrict d_weight, real *restrict dx,
                                 const real *restrict dy, const real *restrict weight,
                                 const real *restrict x, const uint32_t *rows, uint32_t steps,
                                 uint32_t heads, uint32_t d)
{
    for (uint32_t step = 0; step < steps; step++) {
        const size_t row = row_at(rows, step, d);
        for (uint32_t k = 0; k < heads; k++) {
            const size_t cell = (size_t)step * heads + k;
            const real *gradient = dy + (size_t)k * d;
            if (d_weight) d_weight[cell] += vec_dot(gradient, x + row, d);
            for (uint32_t i = 0; dx && i < d; i++) {
                dx[row + i] += weight[cell] * gradient[i];
            }
        }
    }
}

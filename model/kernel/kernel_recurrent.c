/* kernel_recurrent.c - what a gated recurrent unit does between its products. */
#include "model/kernel/kernel_recurrent.h"

#include <stddef.h>

#include "model/kernel/special.h"

void kernel_gru_open(real *restrict gates, real *restrict reset, const real *restrict recurrent,
                     const real *restrict h, uint32_t rows, uint32_t n)
{
    for (uint32_t row = 0; row < rows; row++) {
        for (uint32_t i = 0; i < 2 * n; i++) {
            gates[i] = sigmoid_of(gates[i] + recurrent[i]);
        }
        for (uint32_t i = 0; i < n; i++) {
            reset[i] = gates[i] * h[i];
        }
        gates += 3 * (size_t)n;
        recurrent += 2 * (size_t)n;
        reset += n;
        h += n;
    }
}

void kernel_gru_close(real *restrict y, real *restrict gates, const real *restrict recurrent,
                      const real *restrict h, uint32_t rows, uint32_t n)
{
    for (uint32_t row = 0; row < rows; row++) {
        const real *update = gates + n;
        real *candidate = gates + 2 * (size_t)n;
        for (uint32_t i = 0; i < n; i++) {
            candidate[i] = tanh_of(candidate[i] + recurrent[i]);
            y[i] = update[i] * h[i] + (1 - update[i]) * candidate[i];
        }
        gates += 3 * (size_t)n;
        recurrent += n;
        y += n;
        h += n;
    }
}

void kernel_gru_close_backward(real *restrict d_gates, const real *restrict dy,
                               const real *restrict gates, const real *restrict h, uint32_t rows,
                               uint32_t n)
{
    for (uint32_t row = 0; row < rows; row++) {
        const real *update = gates + n, *candidate = gates + 2 * (size_t)n;
        for (uint32_t i = 0; i < n; i++) {
            d_gates[n + i] = dy[i] * (h[i] - candidate[i]) * update[i] * (1 - update[i]);
            d_gates[2 * n + i] = dy[i] * (1 - update[i]) * (1 - candidate[i] * candidate[i]);
        }
        d_gates += 3 * (size_t)n;
        gates += 3 * (size_t)n;
        dy += n;
        h += n;
    }
}

void kernel_gru_open_backward(real *restrict d_gates, real *restrict dh,
                              const real *restrict d_reset, const real *restrict dy,
                              const real *restrict gates, const real *restrict h, uint32_t rows,
                              uint32_t n)
{
    for (uint32_t row = 0; row < rows; row++) {
        const real *update = gates + n;
        for (uint32_t i = 0; i < n; i++) {
            d_gates[i] = d_reset[i] * h[i] * gates[i] * (1 - gates[i]);
        }
        for (uint32_t i = 0; dh && i < n; i++) {
            dh[i] += dy[i] * update[i] + d_reset[i] * gates[i];
        }
        d_gates += 3 * (size_t)n;
        d_reset += n;
        gates += 3 * (size_t)n;
        dy += n;
        h += n;
        if (dh) dh += n;
    }
}

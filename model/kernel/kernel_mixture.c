/* kernel_mixture.c - inner products of rows with rows, and what gives back. */
#include "model/kernel/kernel_mixture.h"

#include <stddef.h>

#include "model/kernel/vector.h"

void kernel_softmax_backward(real *restrict dx, const real *restrict dy, const real *restrict y,
                             uint32_t rows, uint32_t cols)
{
    for (uint32_t row = 0; row < rows; row++, dx += cols, dy += cols, y += cols) {
        const real along = vec_dot(dy, y, cols);
        for (uint32_t i = 0; i < cols; i++) {
            dx[i] += y[i] * (dy[i] - along);
        }
    }
}

/* With l = |x|: dx = (dy - <dy, x> x / l^2) / l. */
void kernel_unit_backward(real *restrict dx, const real *restrict dy, const real *restrict x,
                          uint32_t rows, uint32_t cols)
{
    for (uint32_t row = 0; row < rows; row++, dx += cols, dy += cols, x += cols) {
        const real squares = vec_dot(x, x, cols) + (real)1e-12, length = REAL_SQRT(squares);
        const real along = vec_dot(dy, x, cols) / squares;
        for (uint32_t i = 0; i < cols; i++) {
            dx[i] += (dy[i] - along * x[i]) / length;
        }
    }
}

void kernel_dots(real *restrict y, const real *restrict a, const real *restrict b, real scale,
                 uint32_t m, uint32_t n, uint32_t k)
{
    for (uint32_t i = 0; i < m; i++) {
        for (uint32_t j = 0; j < n; j++) {
            *y++ += scale * vec_dot(a + (size_t)i * k, b + (size_t)j * k, k);
        }
    }
}

void kernel_row_dots(real *restrict y, const real *restrict x, const real *restrict w,
                     uint32_t rows, uint32_t n, uint32_t k)
{
    for (uint32_t row = 0; row < rows; row++) {
        for (uint32_t j = 0; j < n; j++, x += k) {
            *y++ = vec_dot(x, w + (size_t)j * k, k);
        }
    }
}

void kernel_row_dots_backward(real *restrict dx, real *restrict dw, const real *restrict dy,
                              const real *restrict x, const real *restrict w, uint32_t rows,
                              uint32_t n, uint32_t k)
{
    for (uint32_t row = 0; row < rows; row++) {
        for (uint32_t j = 0; j < n; j++, x += k, dy++) {
            const size_t at = (size_t)j * k;
            for (uint32_t i = 0; dw && i < k; i++) {
                dw[at + i] = REAL_FMA(*dy, x[i], dw[at + i]);
            }
            for (uint32_t i = 0; dx && i < k; i++) {
                dx[i] = REAL_FMA(*dy, w[at + i], dx[i]);
            }
            if (dx) dx += k;
        }
    }
}

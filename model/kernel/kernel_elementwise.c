/*
 * kernel_elementwise.c - one element in, one element out.
 *
 * Plain loops that the compiler vectorizes; since it may not contract or reassociate, an element
 * has the same value in the vector body and in the scalar tail. The exponential is the library's
 * own: libm chooses its code by processor and is six times slower.
 */
#include "model/kernel/kernel.h"

#include "model/kernel/special.h"
#include "model/kernel/vector.h"

void kernel_exp(real *y, const real *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        y[i] = exp_of(x[i]);
    }
}

void kernel_elu1(real *x, uint32_t rows, uint32_t cols, uint32_t stride)
{
    for (uint32_t row = 0; row < rows; row++, x += stride) {
        for (uint32_t i = 0; i < cols; i++) {
            real power = exp_of(x[i]);
            x[i] = x[i] > 0 ? x[i] + 1 : power;
        }
    }
}

void kernel_elu1_backward(real *restrict dx, const real *restrict dy, const real *restrict y,
                          uint32_t rows, uint32_t cols, uint32_t stride)
{
    for (uint32_t row = 0; row < rows; row++, dx += stride, dy += stride, y += stride) {
        for (uint32_t i = 0; i < cols; i++) {
            dx[i] += dy[i] * (y[i] < 1 ? y[i] : 1);
        }
    }
}

void kernel_relu(real *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        x[i] = x[i] > 0 ? x[i] : 0;
    }
}

void kernel_relu_backward(real *restrict dx, const real *restrict dy, const real *restrict y,
                          size_t n)
{
    for (size_t i = 0; i < n; i++) {
        dx[i] += y[i] > 0 ? dy[i] : 0;
    }
}

void kernel_add(real *restrict y, const real *restrict x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        y[i] += x[i];
    }
}

/* The sum of the rows at one column, or vector of columns, stays in a register. */
void kernel_add_mean(real *restrict y, const real *restrict table, const uint32_t *rows,
                     uint32_t count, uint32_t cols)
{
    const vec parts = vec_all((real)count);
    for (uint32_t i = 0; i < cols; i += LANES) {
        const uint32_t some = cols - i < LANES ? cols - i : 0;
        vec sum = vec_all(0), whole;
        for (uint32_t row = 0; row < count; row++) {
            const real *at = table + (size_t)rows[row] * cols + i;
            sum = vec_add(sum, some ? vec_load_some(at, some) : vec_load(at));
        }
        whole =
            vec_add(some ? vec_load_some(y + i, some) : vec_load(y + i), vec_divide(sum, parts));
        if (some) {
            vec_store_some(y + i, whole, some);
        } else {
            vec_store(y + i, whole);
        }
    }
}

void kernel_add_part(real *restrict y, const real *restrict x, uint32_t parts, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        y[i] += x[i] / (real)parts;
    }
}

void kernel_add_repeated(real *restrict y, const real *restrict x, uint32_t rows, uint32_t copies,
                         uint32_t cols)
{
    for (uint32_t row = 0; row < rows; row++, x += cols) {
        for (uint32_t copy = 0; copy < copies; copy++, y += cols) {
            kernel_add(y, x, cols);
        }
    }
}

void kernel_sum_repeated(real *restrict dx, const real *restrict dy, uint32_t rows, uint32_t copies,
                         uint32_t cols)
{
    for (uint32_t row = 0; row < rows; row++, dx += cols) {
        for (uint32_t copy = 0; copy < copies; copy++, dy += cols) {
            kernel_add(dx, dy, cols);
        }
    }
}

void kernel_multiply(real *restrict y, const real *restrict a, const real *restrict x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        y[i] = a[i] * x[i];
    }
}

void kernel_add_product(real *restrict y, const real *restrict a, const real *restrict x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        y[i] += a[i] * x[i];
    }
}

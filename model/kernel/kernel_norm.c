/* kernel_norm.c - norms of rows. Sums run over vector lanes first, then over the lanes. */
#include "model/kernel/kernel.h"

#include "model/kernel/vector.h"

static inline __attribute__((always_inline)) real sum_of(const real *x, uint32_t n)
{
    vec sum = vec_all(0);
    uint32_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        sum = vec_add(sum, vec_load(x + i));
    }
    if (i < n) sum = vec_add(sum, vec_load_some(x + i, n - i));
    return vec_sum(sum);
}

/* 1 / sqrt(var + 1e-5) */
static inline real scale_of(real squares, uint32_t cols)
{
    return 1 / REAL_SQRT(squares / (real)cols + (real)1e-5);
}

/* One row of whole vectors; `cols` is a constant where it can be, which leaves the row in registers. */
static inline __attribute__((always_inline)) void norm_row(real *restrict y, const real *restrict x,
                                                           const real *gain, const real *shift,
                                                           const uint32_t cols)
{
    const vec mean = vec_all(sum_of(x, cols) / (real)cols);
    vec squares = vec_all(0);
    for (uint32_t i = 0; i < cols; i += LANES) {
        const vec apart = vec_subtract(vec_load(x + i), mean);
        squares = vec_fma(apart, apart, squares);
    }
    const vec scale = vec_all(scale_of(vec_sum(squares), cols));
    for (uint32_t i = 0; i < cols; i += LANES) {
        const vec unit = vec_multiply(vec_subtract(vec_load(x + i), mean), scale);
        vec_store(y + i, vec_fma(unit, vec_load(gain + i), vec_load(shift + i)));
    }
}

/* One row of any length. */
static void norm_row_of_any(real *restrict y, const real *restrict x, const real *gain,
                            const real *shift, uint32_t cols)
{
    const real mean = sum_of(x, cols) / (real)cols;
    for (uint32_t i = 0; i < cols; i++) {
        y[i] = x[i] - mean;
    }
    const real scale = scale_of(vec_dot(y, y, cols), cols);
    for (uint32_t i = 0; i < cols; i++) {
        y[i] = REAL_FMA(y[i] * scale, gain[i], shift[i]);
    }
}

void kernel_layer_norm(real *restrict y, const real *restrict x, const real *gain,
                       const real *shift, uint32_t rows, uint32_t cols)
{
    for (uint32_t row = 0; row < rows; row++, x += cols, y += cols) {
        if (cols == 64) {
            norm_row(y, x, gain, shift, 64);
        } else if (cols % LANES == 0) {
            norm_row(y, x, gain, shift, cols);
        } else {
            norm_row_of_any(y, x, gain, shift, cols);
        }
    }
}

/*
 * With r = 1 / sqrt(var + 1e-5), h = (x - mean) r and e = dy * gain: dx = r (e - mean(e) - h
 * mean(e h)).
 */
void kernel_layer_norm_backward(real *restrict dx, real *restrict d_gain, real *restrict d_shift,
                                const real *restrict dy, const real *restrict x, const real *gain,
                                uint32_t rows, uint32_t cols)
{
    const real epsilon = (real)1e-5, n = (real)cols;
    for (uint32_t row = 0; row < rows; row++, x += cols, dy += cols) {
        real h[NORM_COLS_MAX], e[NORM_COLS_MAX];
        real mean = sum_of(x, cols) / n;
        for (uint32_t i = 0; i < cols; i++) {
            h[i] = x[i] - mean;
        }
        real r = 1 / REAL_SQRT(vec_dot(h, h, cols) / n + epsilon);
        for (uint32_t i = 0; i < cols; i++) {
            h[i] *= r;
            e[i] = dy[i] * gain[i];
        }
        if (d_gain) kernel_add_product(d_gain, dy, h, cols);
        if (d_shift) kernel_add(d_shift, dy, cols);
        if (!dx) continue;
        real mean_e = sum_of(e, cols) / n, mean_eh = vec_dot(e, h, cols) / n;
        for (uint32_t i = 0; i < cols; i++) {
            dx[i] += r * (e[i] - mean_e - h[i] * mean_eh);
        }
        dx += cols;
    }
}

void kernel_unit(real *x, uint32_t rows, uint32_t cols)
{
    const real epsilon = (real)1e-12;
    for (uint32_t row = 0; row < rows; row++, x += cols) {
        real length = REAL_SQRT(vec_dot(x, x, cols) + epsilon);
        for (uint32_t i = 0; i < cols; i++) {
            x[i] /= length;
        }
    }
}

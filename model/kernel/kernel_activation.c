/* kernel_activation.c - activations and norms: elementwise loops, and sums in a fixed order. */
#include "model/kernel/kernel_activation.h"

#include "model/kernel/kernel.h"
#include "model/kernel/special.h"
#include "model/kernel/vector.h"

void kernel_sigmoid(real *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        x[i] = sigmoid_of(x[i]);
    }
}

void kernel_sigmoid_backward(real *restrict dx, const real *restrict dy, const real *restrict y,
                             size_t n)
{
    for (size_t i = 0; i < n; i++) {
        dx[i] += dy[i] * y[i] * (1 - y[i]);
    }
}

void kernel_tanh(real *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        x[i] = tanh_of(x[i]);
    }
}

void kernel_tanh_backward(real *restrict dx, const real *restrict dy, const real *restrict y,
                          size_t n)
{
    for (size_t i = 0; i < n; i++) {
        dx[i] += dy[i] * (1 - y[i] * y[i]);
    }
}

void kernel_softplus(real *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        x[i] = softplus_of(x[i]);
    }
}

void kernel_softplus_backward(real *restrict dx, const real *restrict dy, const real *restrict x,
                              real factor, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        dx[i] += factor * dy[i] * sigmoid_of(x[i]);
    }
}

void kernel_silu(real *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        x[i] *= sigmoid_of(x[i]);
    }
}

static const real SQRT_HALF = (real)0.70710678118654752440;
static const real DENSITY_0 = (real)0.39894228040143267794; /* 1 / sqrt(2 pi) */

void kernel_gelu(real *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        x[i] *= (real)0.5 * erfc_of(-SQRT_HALF * x[i]);
    }
}

void kernel_gelu_backward(real *restrict dx, const real *restrict dy, const real *restrict x,
                          size_t n)
{
    for (size_t i = 0; i < n; i++) {
        real below = (real)0.5 * erfc_of(-SQRT_HALF * x[i]);
        dx[i] += dy[i] * (below + x[i] * DENSITY_0 * exp_of((real)-0.5 * x[i] * x[i]));
    }
}

void kernel_gate(real *restrict x, const real *restrict gate, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        x[i] *= sigmoid_of(gate[i]);
    }
}

void kernel_gate_backward(real *restrict dx, real *restrict d_gate, const real *restrict dy,
                          const real *restrict x, const real *restrict gate, size_t n)
{
    for (size_t i = 0; dx && i < n; i++) {
        dx[i] += dy[i] * sigmoid_of(gate[i]);
    }
    for (size_t i = 0; d_gate && i < n; i++) {
        real open = sigmoid_of(gate[i]);
        d_gate[i] += dy[i] * x[i] * open * (1 - open);
    }
}

static real largest_of(const real *x, uint32_t n)
{
    real largest = x[0];
    for (uint32_t i = 1; i < n; i++) {
        largest = x[i] > largest ? x[i] : largest;
    }
    return largest;
}

void kernel_expf(real *x, uint32_t rows, uint32_t cols)
{
    for (uint32_t row = 0; row < rows; row++, x += cols) {
        real largest = largest_of(x, cols);
        for (uint32_t i = 0; i < cols; i++) {
            x[i] = exp_of(x[i] - largest);
        }
    }
}

void kernel_softmax(real *x, uint32_t rows, uint32_t cols)
{
    kernel_expf(x, rows, cols);
    for (uint32_t row = 0; row < rows; row++, x += cols) {
        real sum = 0;
        for (uint32_t i = 0; i < cols; i++) {
            sum += x[i];
        }
        for (uint32_t i = 0; i < cols; i++) {
            x[i] /= sum;
        }
    }
}

void kernel_unit_silu(real *x, uint32_t rows, uint32_t cols)
{
    kernel_silu(x, (size_t)rows * cols);
    kernel_unit(x, rows, cols);
}

/* y = a / |a|, a = silu(x): da = (dy - <dy, y> y) / |a|, dx = da times the slope of silu. */
void kernel_unit_silu_backward(real *restrict dx, const real *restrict dy, const real *restrict x,
                               const real *restrict y, uint32_t rows, uint32_t cols)
{
    for (uint32_t row = 0; row < rows; row++, dx += cols, dy += cols, x += cols, y += cols) {
        const real along = vec_dot(dy, y, cols);
        real squares = (real)1e-12;
        for (uint32_t i = 0; i < cols; i++) {
            real a = x[i] * sigmoid_of(x[i]);
            squares += a * a;
        }
        const real length = REAL_SQRT(squares);
        for (uint32_t i = 0; i < cols; i++) {
            real open = sigmoid_of(x[i]);
            dx[i] += (dy[i] - along * y[i]) / length * (open * (1 + x[i] * (1 - open)));
        }
    }
}

void kernel_unit_expf(real *x, uint32_t rows, uint32_t cols)
{
    kernel_expf(x, rows, cols);
    kernel_unit(x, rows, cols);
}

/* The slope of e^x is e^x = y |e^x|, so lengths cancel. */
void kernel_unit_expf_backward(real *restrict dx, const real *restrict dy, const real *restrict y,
                               uint32_t rows, uint32_t cols)
{
    for (uint32_t row = 0; row < rows; row++, dx += cols, dy += cols, y += cols) {
        const real along = vec_dot(dy, y, cols);
        for (uint32_t i = 0; i < cols; i++) {
            dx[i] += y[i] * (dy[i] - along * y[i]);
        }
    }
}

static real rms_of(const real *x, uint32_t n)
{
    return REAL_SQRT(vec_dot(x, x, n) / (real)n + (real)1e-3);
}

void kernel_rms(real *x, uint32_t rows, uint32_t cols)
{
    for (uint32_t row = 0; row < rows; row++, x += cols) {
        const real size = rms_of(x, cols);
        for (uint32_t i = 0; i < cols; i++) {
            x[i] /= size;
        }
    }
}

void kernel_rms_backward(real *restrict dx, const real *restrict dy, const real *restrict x,
                         uint32_t rows, uint32_t cols)
{
    for (uint32_t row = 0; row < rows; row++, dx += cols, dy += cols, x += cols) {
        const real size = rms_of(x, cols);
        const real along = vec_dot(dy, x, cols) / (size * size * (real)cols);
        for (uint32_t i = 0; i < cols; i++) {
            dx[i] += (dy[i] - along * x[i]) / size;
        }
    }
}

static const real SQUASH_EPSILON = (real)1e-12;

void kernel_squash(real *x, uint32_t rows, uint32_t cols)
{
    for (uint32_t row = 0; row < rows; row++, x += cols) {
        const real squares = vec_dot(x, x, cols);
        const real scale = REAL_SQRT(squares + SQUASH_EPSILON) / (1 + squares);
        for (uint32_t i = 0; i < cols; i++) {
            x[i] *= scale;
        }
    }
}

/*
 * y = f(q) x: dx = f dy + 2 f' <dy, x> x, f' = (1 / (2 l) - f) / (1 + q) with l = sqrt(q + 1e-12).
 */
struct squash_slope kernel_squash_slope(const real *dy, const real *x, uint32_t cols)
{
    const real squares = vec_dot(x, x, cols);
    const real length = REAL_SQRT(squares + SQUASH_EPSILON), scale = length / (1 + squares);
    const real steepness = (1 / (2 * length) - scale) / (1 + squares);
    return (struct squash_slope){scale, 2 * steepness * vec_dot(dy, x, cols)};
}

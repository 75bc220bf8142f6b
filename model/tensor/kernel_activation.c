/* kernel_activation.c - activations and norms: elementwise loops, and sums in a fixed order. */
#include "model/tensor/kernel_activation.h"

#include "model/tensor/special.h"
#include "model/tensor/vector.h"

void kernel_sigmoid(real *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        x[i] = sigmoid_of(x[i]);
    }
}

void kernel_tanh(real *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        x[i] = tanh_of(x[i]);
    }
}

void kernel_softplus(real *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        x[i] = softplus_of(x[i]);
    }
}

void kernel_silu(real *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        x[i] *= sigmoid_of(x[i]);
    }
}

void kernel_gate(real *restrict x, const real *restrict gate, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        x[i] *= sigmoid_of(gate[i]);
    }
}

void kernel_scale_columns(real *restrict x, const real *restrict weight, uint32_t rows,
                          uint32_t cols)
{
    for (uint32_t row = 0; row < rows; row++, x += cols) {
        for (uint32_t i = 0; i < cols; i++) {
            x[i] *= weight[i];
        }
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

void kernel_rms(real *x, uint32_t rows, uint32_t cols)
{
    const real epsilon = (real)1e-3;
    for (uint32_t row = 0; row < rows; row++, x += cols) {
        real length = REAL_SQRT(vec_dot(x, x, cols) / (real)cols + epsilon);
        for (uint32_t i = 0; i < cols; i++) {
            x[i] /= length;
        }
    }
}

void kernel_squash(real *x, uint32_t rows, uint32_t cols)
{
    const real epsilon = (real)1e-12;
    for (uint32_t row = 0; row < rows; row++, x += cols) {
        real squares = vec_dot(x, x, cols);
        real scale = REAL_SQRT(squares + epsilon) / (1 + squares);
        for (uint32_t i = 0; i < cols; i++) {
            x[i] *= scale;
        }
    }
}

/* op_activation.c - activations and norms: shapes checked, a kernel called. */
#include "model/tensor/op_activation.h"

#include "model/tensor/kernel.h"
#include "model/tensor/kernel_activation.h"

struct tensor *op_sigmoid(struct tape *tape, struct tensor *x)
{
    (void)tape;
    kernel_sigmoid(x->data, (size_t)x->rows * x->cols);
    return x;
}

struct tensor *op_tanh(struct tape *tape, struct tensor *x)
{
    (void)tape;
    kernel_tanh(x->data, (size_t)x->rows * x->cols);
    return x;
}

struct tensor *op_gate(struct tape *tape, struct tensor *x, struct tensor *gate)
{
    (void)tape;
    REQUIRE(x->rows == gate->rows && x->cols == gate->cols);
    kernel_gate(x->data, gate->data, (size_t)x->rows * x->cols);
    return x;
}

struct tensor *op_unit_silu(struct tape *tape, struct tensor *x, uint32_t cols, uint32_t width)
{
    (void)tape;
    REQUIRE(cols <= x->cols && cols % width == 0);
    for (uint32_t row = 0; row < x->rows; row++) {
        real *slices = x->data + (size_t)row * x->cols;
        kernel_silu(slices, cols);
        kernel_unit(slices, cols / width, width);
    }
    return x;
}

struct tensor *op_unit_expf(struct tape *tape, struct tensor *x, uint32_t cols, uint32_t width)
{
    (void)tape;
    REQUIRE(cols <= x->cols && cols % width == 0);
    for (uint32_t row = 0; row < x->rows; row++) {
        real *slices = x->data + (size_t)row * x->cols;
        kernel_expf(slices, cols / width, width);
        kernel_unit(slices, cols / width, width);
    }
    return x;
}

struct tensor *op_rms(struct tape *tape, struct tensor *x, uint32_t width,
                      const struct param *weight)
{
    (void)tape;
    REQUIRE(x->cols % width == 0 && weight->count == x->cols);
    kernel_rms(x->data, x->rows * (x->cols / width), width);
    kernel_scale_columns(x->data, weight->data, x->rows, x->cols);
    return x;
}

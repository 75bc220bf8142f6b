/* op_activation.c - activations and norms: shapes checked, a kernel called. */
#include "model/tensor/op_activation.h"

#include <string.h>

#include "model/kernel/kernel.h"
#include "model/kernel/kernel_activation.h"
#include "model/kernel/kernel_mixture.h"

static void sigmoid_backward(struct tape *tape, const struct node *node)
{
    struct tensor *x = node->inputs[0], *y = node->output;
    kernel_sigmoid_backward(tape_gradient(tape, x), y->gradient, y->data, tensor_count(x));
}

struct tensor *op_sigmoid(struct tape *tape, struct tensor *x)
{
    struct tensor *y = tape_consume(tape, x);
    kernel_sigmoid(y->data, tensor_count(y));
    tape_record(tape, (struct node){sigmoid_backward, y, {x}, NULL});
    return y;
}

static void tanh_backward(struct tape *tape, const struct node *node)
{
    struct tensor *x = node->inputs[0], *y = node->output;
    kernel_tanh_backward(tape_gradient(tape, x), y->gradient, y->data, tensor_count(x));
}

struct tensor *op_tanh(struct tape *tape, struct tensor *x)
{
    struct tensor *y = tape_consume(tape, x);
    kernel_tanh(y->data, tensor_count(y));
    tape_record(tape, (struct node){tanh_backward, y, {x}, NULL});
    return y;
}

static void gelu_backward(struct tape *tape, const struct node *node)
{
    struct tensor *x = node->inputs[0], *y = node->output;
    kernel_gelu_backward(tape_gradient(tape, x), y->gradient, x->data, tensor_count(x));
}

struct tensor *op_gelu(struct tape *tape, struct tensor *x)
{
    struct tensor *y = tape_consume(tape, x);
    kernel_gelu(y->data, tensor_count(y));
    tape_record(tape, (struct node){gelu_backward, y, {x}, NULL});
    return y;
}

static void gate_backward(struct tape *tape, const struct node *node)
{
    struct tensor *x = node->inputs[0], *gate = node->inputs[1];
    kernel_gate_backward(tape_gradient(tape, x), tape_gradient(tape, gate), node->output->gradient,
                         x->data, gate->data, tensor_count(x));
}

struct tensor *op_gate(struct tape *tape, struct tensor *x, struct tensor *gate)
{
    REQUIRE(x->rows == gate->rows && x->cols == gate->cols);
    struct tensor *y = tape_consume(tape, x);
    kernel_gate(y->data, gate->data, tensor_count(y));
    tape_record(tape, (struct node){gate_backward, y, {x, gate}, NULL});
    return y;
}

/* Which columns of each row a map of slices changes. */
struct slices {
    uint32_t cols;
    uint32_t width;
};

static const struct slices *keep_slices(struct tape *tape, uint32_t cols, uint32_t width)
{
    if (!tape_records(tape)) return NULL;
    struct slices *slices = arena_take(tape->arena, sizeof *slices);
    *slices = (struct slices){cols, width};
    return slices;
}

static void unit_silu_backward(struct tape *tape, const struct node *node)
{
    const struct slices *slices = node->saved;
    struct tensor *x = node->inputs[0], *y = node->output;
    real *dx = tape_gradient(tape, x);
    for (uint32_t row = 0; row < x->rows; row++) {
        size_t at = (size_t)row * x->cols;
        kernel_unit_silu_backward(dx + at, y->gradient + at, x->data + at, y->data + at,
                                  slices->cols / slices->width, slices->width);
        at += slices->cols;
        kernel_add(dx + at, y->gradient + at, x->cols - slices->cols);
    }
}

struct tensor *op_unit_silu(struct tape *tape, struct tensor *x, uint32_t cols, uint32_t width)
{
    REQUIRE(cols <= x->cols && cols % width == 0);
    struct tensor *y = tape_consume(tape, x);
    for (uint32_t row = 0; row < y->rows; row++) {
        kernel_unit_silu(y->data + (size_t)row * y->cols, cols / width, width);
    }
    tape_record(tape, (struct node){unit_silu_backward, y, {x}, keep_slices(tape, cols, width)});
    return y;
}

static void unit_expf_backward(struct tape *tape, const struct node *node)
{
    const struct slices *slices = node->saved;
    struct tensor *x = node->inputs[0], *y = node->output;
    real *dx = tape_gradient(tape, x);
    for (uint32_t row = 0; row < x->rows; row++) {
        size_t at = (size_t)row * x->cols;
        kernel_unit_expf_backward(dx + at, y->gradient + at, y->data + at,
                                  slices->cols / slices->width, slices->width);
        at += slices->cols;
        kernel_add(dx + at, y->gradient + at, x->cols - slices->cols);
    }
}

struct tensor *op_unit_expf(struct tape *tape, struct tensor *x, uint32_t cols, uint32_t width)
{
    REQUIRE(cols <= x->cols && cols % width == 0);
    struct tensor *y = tape_consume(tape, x);
    for (uint32_t row = 0; row < y->rows; row++) {
        kernel_unit_expf(y->data + (size_t)row * y->cols, cols / width, width);
    }
    tape_record(tape, (struct node){unit_expf_backward, y, {x}, keep_slices(tape, cols, width)});
    return y;
}

static void rms_backward(struct tape *tape, const struct node *node)
{
    struct tensor *x = node->inputs[0];
    const uint32_t width = *(const uint32_t *)node->saved;
    kernel_rms_backward(tape_gradient(tape, x), node->output->gradient, x->data,
                        x->rows * (x->cols / width), width);
}

struct tensor *op_rms(struct tape *tape, struct tensor *x, uint32_t width)
{
    REQUIRE(x->cols % width == 0);
    struct tensor *y = tape_consume(tape, x);
    kernel_rms(y->data, y->rows * (y->cols / width), width);
    if (tape_records(tape)) {
        uint32_t *saved = arena_take(tape->arena, sizeof *saved);
        *saved = width;
        tape_record(tape, (struct node){rms_backward, y, {x}, saved});
    }
    return y;
}

static void softmax_backward(struct tape *tape, const struct node *node)
{
    const struct tensor *y = node->output;
    kernel_softmax_backward(tape_gradient(tape, node->inputs[0]), y->gradient, y->data, y->rows,
                            y->cols);
}

struct tensor *op_softmax(struct tape *tape, struct tensor *x)
{
    struct tensor *y = tape_consume(tape, x);
    kernel_softmax(y->data, y->rows, y->cols);
    tape_record(tape, (struct node){softmax_backward, y, {x}, NULL});
    return y;
}

static void unit_backward(struct tape *tape, const struct node *node)
{
    struct tensor *x = node->inputs[0];
    kernel_unit_backward(tape_gradient(tape, x), node->output->gradient, x->data, x->rows, x->cols);
}

struct tensor *op_unit(struct tape *tape, struct tensor *x)
{
    struct tensor *y = tape_tensor(tape, x->rows, x->cols);
    memcpy(y->data, x->data, tensor_count(x) * sizeof(real));
    kernel_unit(y->data, y->rows, y->cols);
    tape_record(tape, (struct node){unit_backward, y, {x}, NULL});
    return y;
}

static void multiply_backward(struct tape *tape, const struct node *node)
{
    struct tensor *x = node->inputs[0], *y = node->inputs[1];
    const real *dz = node->output->gradient;
    real *dx = tape_gradient(tape, x), *dy = tape_gradient(tape, y);
    if (dx) kernel_add_product(dx, dz, y->data, tensor_count(x));
    if (dy) kernel_add_product(dy, dz, x->data, tensor_count(x));
}

struct tensor *op_multiply(struct tape *tape, struct tensor *x, struct tensor *y)
{
    REQUIRE(x->rows == y->rows && x->cols == y->cols);
    struct tensor *z = tape_tensor(tape, x->rows, x->cols);
    kernel_multiply(z->data, x->data, y->data, tensor_count(x));
    tape_record(tape, (struct node){multiply_backward, z, {x, y}, NULL});
    return z;
}

static void scale_backward(struct tape *tape, const struct node *node)
{
    struct tensor *x = node->inputs[0], *weight = node->inputs[1];
    real *dx = tape_gradient(tape, x), *d_weight = tape_gradient(tape, weight);
    for (uint32_t row = 0; row < x->rows; row++) {
        const size_t at = (size_t)row * x->cols;
        const real *dy = node->output->gradient + at;
        if (dx) kernel_add_product(dx + at, weight->data, dy, x->cols);
        if (d_weight) kernel_add_product(d_weight, x->data + at, dy, x->cols);
    }
}

struct tensor *op_scale(struct tape *tape, struct tensor *x, const struct param *weight)
{
    REQUIRE(weight->count == x->cols);
    struct tensor *y = tape_consume(tape, x);
    for (uint32_t row = 0; row < y->rows; row++) {
        real *scaled = y->data + (size_t)row * y->cols;
        for (uint32_t i = 0; i < y->cols; i++) {
            scaled[i] *= weight->data[i];
        }
    }
    if (tape_records(tape)) {
        tape_record(tape, (struct node){scale_backward, y, {x, tape_param(tape, weight)}, NULL});
    }
    return y;
}

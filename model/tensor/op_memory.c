/* op_memory.c - an addressed memory of slots: shapes checked, kernels called user by user. */
#include "model/tensor/op_memory.h"

#include <string.h>

#include "model/kernel/kernel.h"
#include "model/kernel/kernel_activation.h"
#include "model/kernel/kernel_memory.h"

/* Where to add the gradient of x; if it wants none, somewhere that nobody looks at. */
static real *gradient_or_scratch(struct tape *tape, struct tensor *x)
{
    real *gradient = tape_gradient(tape, x);
    if (gradient) return gradient;
    return memset(arena_take(tape->arena, tensor_count(x) * sizeof(real)), 0,
                  tensor_count(x) * sizeof(real));
}

static void strength_backward(struct tape *tape, const struct node *node)
{
    struct tensor *x = node->inputs[0];
    kernel_softplus_backward(tape_gradient(tape, x), node->output->gradient, x->data, 2,
                             tensor_count(x));
}

struct tensor *op_strength(struct tape *tape, struct tensor *x)
{
    struct tensor *y = tape_consume(tape, x);
    kernel_softplus(y->data, tensor_count(y));
    for (size_t i = 0; i < tensor_count(y); i++) {
        y->data[i] = 2 * (y->data[i] + 1);
    }
    tape_record(tape, (struct node){strength_backward, y, {x}, NULL});
    return y;
}

/* Inputs: query, strength, keys, memory. */
static void address_backward(struct tape *tape, const struct node *node)
{
    struct tensor *query = node->inputs[0], *strength = node->inputs[1];
    struct tensor *keys = node->inputs[2], *memory = node->inputs[3];
    const struct tensor *w = node->output;
    const uint32_t slots = w->cols, d = query->cols;
    struct address_gradients gradients = {
        gradient_or_scratch(tape, query),
        gradient_or_scratch(tape, strength),
        gradient_or_scratch(tape, keys),
        gradient_or_scratch(tape, memory),
    };
    for (uint32_t user = 0; user < w->rows; user++) {
        const size_t row = (size_t)user * slots;
        kernel_address_backward(gradients, w->gradient + row, w->data + row,
                                query->data + (size_t)user * d, strength->data[user], keys->data,
                                memory->data + row * d, slots, d);
        gradients.query += d;
        gradients.strength++;
        gradients.memory += (size_t)slots * d;
    }
}

struct tensor *op_address(struct tape *tape, struct tensor *query, struct tensor *strength,
                          const struct param *keys, struct tensor *memory)
{
    const uint32_t slots = keys->spec.shape[0], d = query->cols;
    REQUIRE(keys->spec.shape[1] == d && memory->cols == d && slots <= MEMORY_SLOTS_MAX);
    REQUIRE(strength->rows == query->rows && memory->rows == query->rows * slots);
    struct tensor *w = tape_tensor(tape, query->rows, slots);
    for (uint32_t user = 0; user < w->rows; user++) {
        const size_t row = (size_t)user * slots;
        kernel_address(w->data + row, query->data + (size_t)user * d, strength->data[user],
                       keys->data, memory->data + row * d, slots, d);
    }
    if (tape_records(tape)) {
        struct tensor *key_rows = tape_param(tape, keys);
        tape_record(tape,
                    (struct node){address_backward, w, {query, strength, key_rows, memory}, NULL});
    }
    return w;
}

static void balance_backward(struct tape *tape, const struct node *node)
{
    struct tensor *w = node->inputs[0], *logits = node->inputs[1];
    const uint32_t slots = w->cols;
    const real *p = node->saved, *dy = node->output->gradient;
    real *dw = gradient_or_scratch(tape, w), *d_logits = gradient_or_scratch(tape, logits);
    for (uint32_t user = 0; user < w->rows; user++) {
        const size_t row = (size_t)user * slots;
        kernel_balance_backward(dw + row, d_logits + row * slots, dy + row, p + row * slots,
                                w->data + row, slots);
    }
}

struct tensor *op_balance(struct tape *tape, struct tensor *w, struct tensor *logits)
{
    const uint32_t slots = w->cols;
    REQUIRE(logits->rows == w->rows && logits->cols == slots * slots);
    struct tensor *y = tape_tensor(tape, w->rows, slots), *p = tape_consume(tape, logits);
    for (uint32_t user = 0; user < w->rows; user++) {
        const size_t row = (size_t)user * slots;
        kernel_balance(y->data + row, p->data + row * slots, w->data + row, slots);
    }
    tape_record(tape, (struct node){balance_backward, y, {w, logits}, p->data});
    return y;
}

static void read_backward(struct tape *tape, const struct node *node)
{
    struct tensor *w = node->inputs[0], *memory = node->inputs[1];
    const uint32_t slots = w->cols, d = memory->cols;
    real *dw = gradient_or_scratch(tape, w), *d_memory = gradient_or_scratch(tape, memory);
    for (uint32_t user = 0; user < w->rows; user++) {
        const size_t row = (size_t)user * slots;
        kernel_memory_read_backward(dw + row, d_memory + row * d,
                                    node->output->gradient + (size_t)user * d, w->data + row,
                                    memory->data + row * d, slots, d);
    }
}

struct tensor *op_memory_read(struct tape *tape, struct tensor *w, struct tensor *memory)
{
    const uint32_t slots = w->cols, d = memory->cols;
    REQUIRE(memory->rows == w->rows * slots);
    struct tensor *y = tape_tensor(tape, w->rows, d);
    for (uint32_t user = 0; user < w->rows; user++) {
        const size_t row = (size_t)user * slots;
        kernel_memory_read(y->data + (size_t)user * d, w->data + row, memory->data + row * d, slots,
                           d);
    }
    tape_record(tape, (struct node){read_backward, y, {w, memory}, NULL});
    return y;
}

/* Inputs: memory, w, erase, add. */
static void write_backward(struct tape *tape, const struct node *node)
{
    struct tensor *memory = node->inputs[0], *w = node->inputs[1];
    struct tensor *erase = node->inputs[2], *add = node->inputs[3];
    const uint32_t slots = w->cols, d = memory->cols;
    struct write_gradients gradients = {
        gradient_or_scratch(tape, memory),
        gradient_or_scratch(tape, w),
        gradient_or_scratch(tape, erase),
        gradient_or_scratch(tape, add),
    };
    for (uint32_t user = 0; user < w->rows; user++) {
        const size_t row = (size_t)user * slots, at = (size_t)user * d;
        kernel_memory_write_backward(gradients, node->output->gradient + row * d,
                                     memory->data + row * d, w->data + row, erase->data + at,
                                     add->data + at, slots, d);
        gradients.memory += (size_t)slots * d;
        gradients.w += slots;
        gradients.erase += d;
        gradients.add += d;
    }
}

struct tensor *op_memory_write(struct tape *tape, struct tensor *memory, struct tensor *w,
                               struct tensor *erase, struct tensor *add)
{
    const uint32_t slots = w->cols, d = memory->cols;
    REQUIRE(memory->rows == w->rows * slots && erase->cols == d && add->cols == d);
    REQUIRE(erase->rows == w->rows && add->rows == w->rows);
    struct tensor *y = tape_consume(tape, memory);
    for (uint32_t user = 0; user < w->rows; user++) {
        const size_t row = (size_t)user * slots, at = (size_t)user * d;
        kernel_memory_write(y->data + row * d, w->data + row, erase->data + at, add->data + at,
                            slots, d);
    }
    tape_record(tape, (struct node){write_backward, y, {memory, w, erase, add}, NULL});
    return y;
}

static void running_mean_backward(struct tape *tape, const struct node *node)
{
    struct tensor *mean = node->inputs[0], *x = node->inputs[1];
    const real *count = node->saved, *dy = node->output->gradient;
    real *d_mean = gradient_or_scratch(tape, mean), *dx = gradient_or_scratch(tape, x);
    for (uint32_t row = 0; row < x->rows; row++) {
        for (uint32_t i = 0; i < x->cols; i++, d_mean++, dx++, dy++) {
            *d_mean += *dy * (1 - 1 / count[row]);
            *dx += *dy / count[row];
        }
    }
}

struct tensor *op_running_mean(struct tape *tape, struct tensor *mean, struct tensor *x,
                               const real *count)
{
    REQUIRE(mean->rows == x->rows && mean->cols == x->cols);
    struct tensor *y = tape_consume(tape, mean);
    for (uint32_t row = 0; row < x->rows; row++) {
        const size_t at = (size_t)row * x->cols;
        for (uint32_t i = 0; i < x->cols; i++) {
            y->data[at + i] += (x->data[at + i] - y->data[at + i]) / count[row];
        }
    }
    tape_record(tape, (struct node){running_mean_backward, y, {mean, x}, count});
    return y;
}

static real mean_of(const real *x, uint32_t n)
{
    real sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        sum += x[i];
    }
    return sum / (real)n;
}

static void unevenness_backward(struct tape *tape, const struct node *node)
{
    struct tensor *x = node->inputs[0];
    real *dx = tape_gradient(tape, x);
    for (uint32_t row = 0; row < x->rows; row++) {
        const real *from = x->data + (size_t)row * x->cols;
        const real mean = mean_of(from, x->cols);
        for (uint32_t i = 0; i < x->cols; i++) {
            *dx++ += 2 * node->output->gradient[row] * (from[i] - mean);
        }
    }
}

struct tensor *op_unevenness(struct tape *tape, struct tensor *x)
{
    struct tensor *y = tape_tensor(tape, x->rows, 1);
    for (uint32_t row = 0; row < x->rows; row++) {
        const real *from = x->data + (size_t)row * x->cols;
        const real mean = mean_of(from, x->cols);
        y->data[row] = 0;
        for (uint32_t i = 0; i < x->cols; i++) {
            y->data[row] += (from[i] - mean) * (from[i] - mean);
        }
    }
    tape_record(tape, (struct node){unevenness_backward, y, {x}, NULL});
    return y;
}

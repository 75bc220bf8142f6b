/* op_rows.c - rows and columns moved about. */
#include "model/tensor/op_rows.h"

#include <string.h>

#include "model/kernel/kernel.h"

/* The row `row` of x. */
static real *row_of(const struct tensor *x, real *data, uint32_t row)
{
    return data + (size_t)row * x->cols;
}

static void concat_backward(struct tape *tape, const struct node *node)
{
    struct tensor *x = node->inputs[0], *y = node->inputs[1];
    const struct tensor *z = node->output;
    const uint32_t each = y->rows ? x->rows / y->rows : 1;
    real *dx = tape_gradient(tape, x), *dy = tape_gradient(tape, y);
    for (uint32_t row = 0; row < z->rows; row++) {
        const real *dz = row_of(z, z->gradient, row);
        if (dx) kernel_add(row_of(x, dx, row), dz, x->cols);
        if (dy) kernel_add(row_of(y, dy, row / each), dz + x->cols, y->cols);
    }
}

struct tensor *op_concat(struct tape *tape, struct tensor *x, struct tensor *y)
{
    const uint32_t each = y->rows ? x->rows / y->rows : 1;
    REQUIRE(x->rows == y->rows * each);
    struct tensor *z = tape_tensor(tape, x->rows, x->cols + y->cols);
    for (uint32_t row = 0; row < z->rows; row++) {
        real *to = row_of(z, z->data, row);
        memcpy(to, row_of(x, x->data, row), x->cols * sizeof(real));
        memcpy(to + x->cols, row_of(y, y->data, row / each), y->cols * sizeof(real));
    }
    tape_record(tape, (struct node){concat_backward, z, {x, y}, NULL});
    return z;
}

static void copy_rows(struct tensor *to, const struct tensor *from, const uint32_t *rows)
{
    for (uint32_t i = 0; i < from->rows; i++) {
        memcpy(row_of(to, to->data, rows[i]), row_of(from, from->data, i),
               from->cols * sizeof(real));
    }
}

static void add_rows(real *dy, const struct tensor *y, const struct tensor *z, const uint32_t *rows)
{
    for (uint32_t i = 0; i < y->rows; i++) {
        kernel_add(row_of(y, dy, i), row_of(z, z->gradient, rows[i]), y->cols);
    }
}

/* What was replaced gets nothing: its rows of dz, which nobody needs any more, become zero. */
static void replace_backward(struct tape *tape, const struct node *node)
{
    struct tensor *x = node->inputs[0], *y = node->inputs[1], *z = node->output;
    const uint32_t *rows = node->saved;
    real *dx = tape_gradient(tape, x), *dy = tape_gradient(tape, y);
    if (dy) add_rows(dy, y, z, rows);
    if (!dx) return;
    for (uint32_t i = 0; i < y->rows; i++) {
        memset(row_of(z, z->gradient, rows[i]), 0, z->cols * sizeof(real));
    }
    kernel_add(dx, z->gradient, tensor_count(z));
}

struct tensor *op_replace_rows(struct tape *tape, struct tensor *x, struct tensor *y,
                               const uint32_t *rows)
{
    REQUIRE(x->cols == y->cols && y->rows <= x->rows);
    struct tensor *z = tape_consume(tape, x);
    copy_rows(z, y, rows);
    tape_record(tape, (struct node){replace_backward, z, {x, y}, rows});
    return z;
}

static void place_backward(struct tape *tape, const struct node *node)
{
    struct tensor *y = node->inputs[0];
    real *dy = tape_gradient(tape, y);
    if (dy) add_rows(dy, y, node->output, node->saved);
}

void op_place_rows(struct tape *tape, struct tensor *into, struct tensor *y, const uint32_t *rows)
{
    REQUIRE(into->cols == y->cols);
    copy_rows(into, y, rows);
    tape_record(tape, (struct node){place_backward, into, {y}, rows});
}

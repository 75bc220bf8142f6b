/* op_window.c - cells of windows, and what is summed up over them. */
#include "model/tensor/op_window.h"

#include "model/kernel/kernel.h"
#include "model/kernel/kernel_window.h"
#include "model/tensor/op.h"

const struct window_cells *window_cells_of(struct tape *tape, const struct windows *windows)
{
    struct window_cells *cells = arena_take(tape->arena, sizeof *cells);
    uint32_t *offsets = arena_take(tape->arena, (windows->count + (size_t)1) * sizeof *offsets);
    offsets[0] = 0;
    for (uint32_t i = 0; i < windows->count; i++) {
        offsets[i + 1] = offsets[i] + windows->end[i] - windows->first[i];
    }
    const size_t count = offsets[windows->count];
    uint32_t *event = arena_take(tape->arena, count * sizeof *event);
    uint32_t *age = arena_take(tape->arena, count * sizeof *age);
    for (uint32_t i = 0; i < windows->count; i++) {
        for (uint32_t cell = offsets[i]; cell < offsets[i + 1]; cell++) {
            event[cell] = windows->first[i] + cell - offsets[i];
            age[cell] = offsets[i + 1] - 1 - cell;
        }
    }
    *cells = (struct window_cells){offsets, event, age, windows->count};
    return cells;
}

struct tensor *op_window_rows(struct tape *tape, struct tensor *x, const struct window_cells *cells)
{
    const uint32_t count = window_cells_count(cells);
    if (tape_records(tape)) return op_rows(tape, x, cells->event, count);
    REQUIRE(x->rows == count && (count == 0 || cells->event[count - 1] == count - 1));
    return x;
}

static void add_rows_backward(struct tape *tape, const struct node *node)
{
    const struct tensor *z = node->output;
    const uint32_t *rows = node->saved;
    real *dx = tape_gradient(tape, node->inputs[0]), *dy = tape_gradient(tape, node->inputs[1]);
    if (dx) kernel_add(dx, z->gradient, tensor_count(z));
    for (uint32_t i = 0; dy && i < z->rows; i++) {
        kernel_add(dy + (size_t)rows[i] * z->cols, z->gradient + (size_t)i * z->cols, z->cols);
    }
}

struct tensor *op_add_rows(struct tape *tape, struct tensor *x, struct tensor *y,
                           const uint32_t *rows)
{
    REQUIRE(x->cols == y->cols);
    struct tensor *z = tape_consume(tape, x);
    for (uint32_t i = 0; i < z->rows; i++) {
        kernel_add(z->data + (size_t)i * z->cols, y->data + (size_t)rows[i] * y->cols, z->cols);
    }
    tape_record(tape, (struct node){add_rows_backward, z, {x, y}, rows});
    return z;
}

static void softmax_steps_backward(struct tape *tape, const struct node *node)
{
    const struct window_cells *cells = node->saved;
    const struct tensor *y = node->output;
    real *dx = tape_gradient(tape, node->inputs[0]);
    for (uint32_t i = 0; i < cells->windows; i++) {
        const size_t at = (size_t)cells->offsets[i] * y->cols;
        kernel_softmax_steps_backward(dx + at, y->gradient + at, y->data + at,
                                      cells->offsets[i + 1] - cells->offsets[i], y->cols);
    }
}

struct tensor *op_softmax_steps(struct tape *tape, struct tensor *x,
                                const struct window_cells *cells)
{
    REQUIRE(x->rows == window_cells_count(cells) && x->cols <= WINDOW_HEADS_MAX);
    struct tensor *y = tape_consume(tape, x);
    for (uint32_t i = 0; i < cells->windows; i++) {
        kernel_softmax_steps(y->data + (size_t)cells->offsets[i] * y->cols,
                             cells->offsets[i + 1] - cells->offsets[i], y->cols);
    }
    tape_record(tape, (struct node){softmax_steps_backward, y, {x}, cells});
    return y;
}

/* What backward needs of forward. */
struct sums_pass {
    const struct window_cells *cells;
    const uint32_t *rows;
};

/* The steps of one window, as kernels take them. */
struct window_part {
    size_t weights;       /* reals before its weights */
    size_t vectors;       /* reals before row 0 of its vectors */
    const uint32_t *rows; /* [steps], or NULL */
    uint32_t steps;
};

static struct window_part part_of(const struct sums_pass *pass, uint32_t window, uint32_t heads,
                                  uint32_t d)
{
    const uint32_t from = pass->cells->offsets[window];
    return (struct window_part){.weights = (size_t)from * heads,
                                .vectors = pass->rows ? 0 : (size_t)from * d,
                                .rows = pass->rows ? pass->rows + from : NULL,
                                .steps = pass->cells->offsets[window + 1] - from};
}

static void window_sums_backward(struct tape *tape, const struct node *node)
{
    const struct sums_pass *pass = node->saved;
    struct tensor *weight = node->inputs[0], *x = node->inputs[1], *y = node->output;
    const uint32_t heads = weight->cols, d = x->cols;
    real *d_weight = tape_gradient(tape, weight), *dx = tape_gradient(tape, x);
    for (uint32_t i = 0; i < pass->cells->windows; i++) {
        const struct window_part part = part_of(pass, i, heads, d);
        kernel_window_sums_backward(
            d_weight ? d_weight + part.weights : NULL, dx ? dx + part.vectors : NULL,
            y->gradient + (size_t)i * heads * d, weight->data + part.weights,
            x->data + part.vectors, part.rows, part.steps, heads, d);
    }
}

struct tensor *op_window_sums(struct tape *tape, struct tensor *weight, struct tensor *x,
                              const uint32_t *rows, const struct window_cells *cells)
{
    const uint32_t heads = weight->cols, d = x->cols;
    REQUIRE(weight->rows == window_cells_count(cells) && (rows || x->rows == weight->rows));
    struct tensor *y = tape_tensor(tape, cells->windows * heads, d);
    struct sums_pass *pass = arena_take(tape->arena, sizeof *pass);
    *pass = (struct sums_pass){cells, rows};
    for (uint32_t i = 0; i < cells->windows; i++) {
        const struct window_part part = part_of(pass, i, heads, d);
        kernel_window_sums(y->data + (size_t)i * heads * d, weight->data + part.weights,
                           x->data + part.vectors, part.rows, part.steps, heads, d);
    }
    tape_record(tape, (struct node){window_sums_backward, y, {weight, x}, pass});
    return y;
}

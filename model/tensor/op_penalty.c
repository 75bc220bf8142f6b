/* op_penalty.c - penalties and their gradients. */
#include "model/tensor/op_penalty.h"

#include <string.h>

#include "model/kernel/kernel.h"
#include "model/kernel/kernel_covariance.h"

/* `skew` = H H^T - 1, [rows, rows]. The gradient of H is 4 (H H^T - 1) H. */
static void skewness_backward(struct tape *tape, const struct node *node)
{
    struct tensor *h = node->inputs[0];
    const real *skew = node->saved, slope = 4 * node->output->gradient[0];
    const size_t mark = arena_mark(tape->arena), count = (size_t)h->rows * h->rows;
    real *scaled = arena_take(tape->arena, count * sizeof(real));
    for (size_t i = 0; i < count; i++) {
        scaled[i] = slope * skew[i];
    }
    kernel_product(tape_gradient(tape, h), h->cols, factor_of(scaled, h->rows),
                   factor_of(h->data, h->cols), h->rows, h->cols, h->rows, true);
    arena_release(tape->arena, mark);
}

struct tensor *op_skewness(struct tape *tape, const struct param *matrix)
{
    const uint32_t rows = matrix->spec.shape[0], cols = (uint32_t)(matrix->count / rows);
    const size_t packed = kernel_packed_size(rows, cols) * sizeof(real);
    struct tensor *y = tape_tensor(tape, 1, 1);
    real *skew = arena_take(tape->arena, (size_t)rows * rows * sizeof(real));
    const size_t mark = arena_mark(tape->arena);
    real *panels = memset(arena_take(tape->arena, packed), 0, packed);
    kernel_pack(panels, matrix->data, 0, rows, cols);
    kernel_matmul_packed(skew, matrix->data, panels, NULL, rows, rows, cols);
    arena_release(tape->arena, mark);
    y->data[0] = 0;
    for (uint32_t i = 0; i < rows * rows; i++) {
        if (i % (rows + 1) == 0) skew[i] -= 1;
        y->data[0] += skew[i] * skew[i];
    }
    if (tape_records(tape)) {
        tape_record(tape, (struct node){skewness_backward, y, {tape_param(tape, matrix)}, skew});
    }
    return y;
}

static void offdiag_backward(struct tape *tape, const struct node *node)
{
    const struct tensor *y = node->output;
    struct tensor *x = node->inputs[0];
    const size_t size = tensor_count(x) / y->rows;
    const real *centered = node->saved;
    real *dx = tape_gradient(tape, x);
    for (uint32_t group = 0; group < y->rows; group++) {
        kernel_offdiag_backward(dx + group * size, y->gradient[group], centered + group * size,
                                (uint32_t)(size / x->cols), x->cols);
    }
}

struct tensor *op_offdiag(struct tape *tape, struct tensor *x, uint32_t each)
{
    REQUIRE(x->rows % each == 0);
    const size_t size = (size_t)each * x->cols;
    struct tensor *y = tape_tensor(tape, x->rows / each, 1);
    real *centered = arena_take(tape->arena, tensor_count(x) * sizeof(real));
    for (uint32_t group = 0; group < y->rows; group++) {
        y->data[group] =
            kernel_offdiag(centered + group * size, x->data + group * size, each, x->cols);
    }
    tape_record(tape, (struct node){offdiag_backward, y, {x}, centered});
    return y;
}

/*
 * With X the centered rows and G = X^T X, the sum of squares of all X X^T is that of G: offdiag = (|G|^2
 * - sum of |X_i|^4) / (2 n^2), and its gradient 2 (X G - |X_i|^2 X_i) / n^2, which is centered.
 */
struct likeness {
    real *centered; /* [R, n] */
    real *gram;     /* [n, n] */
    real *squares;  /* [R] */
};

static void likeness_backward(struct tape *tape, const struct node *node)
{
    const struct likeness *likeness = node->saved;
    const struct tensor *x = node->inputs[0];
    const uint32_t n = x->cols;
    const real slope = 2 * node->output->gradient[0] / ((real)n * (real)n);
    real *dx = tape_gradient(tape, node->inputs[0]);
    const size_t mark = arena_mark(tape->arena);
    real *product = arena_take(tape->arena, tensor_count(x) * sizeof(real));
    kernel_product(product, n, factor_of(likeness->centered, n), factor_of(likeness->gram, n),
                   x->rows, n, n, false);
    for (size_t i = 0; i < tensor_count(x); i++) {
        dx[i] += slope * (product[i] - likeness->squares[i / n] * likeness->centered[i]);
    }
    arena_release(tape->arena, mark);
}

/* Centers the rows of x and sums up their squares. */
static void center_rows(const struct likeness *likeness, const real *x, uint32_t rows, uint32_t n)
{
    for (uint32_t row = 0; row < rows; row++, x += n) {
        real *to = likeness->centered + (size_t)row * n, sum = 0, squares = 0;
        for (uint32_t i = 0; i < n; i++) {
            sum += x[i];
        }
        for (uint32_t i = 0; i < n; i++) {
            to[i] = x[i] - sum / (real)n;
            squares += to[i] * to[i];
        }
        likeness->squares[row] = squares;
    }
}

struct tensor *op_likeness(struct tape *tape, const struct param *matrix)
{
    const uint32_t rows = matrix->spec.shape[0], n = matrix->spec.shape[1];
    struct tensor *y = tape_tensor(tape, 1, 1);
    struct likeness *likeness = arena_take(tape->arena, sizeof *likeness);
    likeness->centered = arena_take(tape->arena, matrix->count * sizeof(real));
    likeness->gram = arena_take(tape->arena, (size_t)n * n * sizeof(real));
    likeness->squares = arena_take(tape->arena, rows * sizeof(real));
    center_rows(likeness, matrix->data, rows, n);
    kernel_product(likeness->gram, n, factor_turned(likeness->centered, n),
                   factor_of(likeness->centered, n), n, n, rows, false);
    double sum = 0;
    for (size_t i = 0; i < (size_t)n * n; i++) {
        sum += (double)likeness->gram[i] * (double)likeness->gram[i];
    }
    for (uint32_t row = 0; row < rows; row++) {
        sum -= (double)likeness->squares[row] * (double)likeness->squares[row];
    }
    y->data[0] = (real)(sum / (2.0 * n * n));
    if (tape_records(tape)) {
        tape_record(tape,
                    (struct node){likeness_backward, y, {tape_param(tape, matrix)}, likeness});
    }
    return y;
}

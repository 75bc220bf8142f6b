/* op_mixture.c - mixtures, window by window: each is a few small products. */
#include "model/tensor/op_mixture.h"

#include <string.h>

#include "model/kernel/kernel_activation.h"
#include "model/kernel/kernel_mixture.h"

const struct window_cells *window_cells_single(struct tape *tape, uint32_t windows)
{
    struct window_cells *cells = arena_take(tape->arena, sizeof *cells);
    uint32_t *offsets = arena_take(tape->arena, (windows + (size_t)1) * sizeof *offsets);
    for (uint32_t w = 0; w <= windows; w++) {
        offsets[w] = w;
    }
    *cells = (struct window_cells){offsets, NULL, NULL, windows};
    return cells;
}

/* ---- rows of a parameter ---- */

static void row_dots_backward(struct tape *tape, const struct node *node)
{
    struct tensor *x = node->inputs[0], *w = node->inputs[1];
    const struct tensor *y = node->output;
    kernel_row_dots_backward(tape_gradient(tape, x), tape_gradient(tape, w), y->gradient, x->data,
                             w->data, y->rows, y->cols, w->cols);
}

struct tensor *op_row_dots(struct tape *tape, struct tensor *x, const struct param *param)
{
    const uint32_t n = param->spec.shape[0], d = param->spec.shape[1];
    REQUIRE(x->cols == n * d);
    struct tensor *y = tape_tensor(tape, x->rows, n);
    kernel_row_dots(y->data, x->data, param->data, x->rows, n, d);
    if (tape_records(tape)) {
        tape_record(tape, (struct node){row_dots_backward, y, {x, tape_param(tape, param)}, NULL});
    }
    return y;
}

/* The logistic of each score that was chosen. */
struct gated_pass {
    const uint32_t *chosen;
    uint32_t per;
    real *open;
};

static void gated_rows_backward(struct tape *tape, const struct node *node)
{
    const struct gated_pass *pass = node->saved;
    struct tensor *score = node->inputs[0], *param = node->inputs[1];
    const struct tensor *y = node->output;
    const uint32_t d = y->cols;
    real *d_score = tape_gradient(tape, score), *d_param = tape_gradient(tape, param);
    for (uint32_t i = 0; i < y->rows; i++) {
        const real *dy = y->gradient + (size_t)i * d, open = pass->open[i];
        const size_t row = (size_t)pass->chosen[i] * d;
        real along = 0;
        kernel_dots(&along, dy, param->data + row, open * (1 - open), 1, 1, d);
        if (d_score) d_score[(size_t)(i / pass->per) * score->cols + pass->chosen[i]] += along;
        if (d_param) kernel_dots(d_param + row, dy, &open, 1, d, 1, 1);
    }
}

struct tensor *op_gated_rows(struct tape *tape, struct tensor *score, const struct param *param,
                             const uint32_t *chosen, uint32_t per)
{
    const uint32_t d = param->spec.shape[1];
    REQUIRE(score->cols == param->spec.shape[0]);
    struct tensor *y = tape_tensor(tape, score->rows * per, d);
    struct gated_pass *pass = arena_take(tape->arena, sizeof *pass);
    *pass = (struct gated_pass){chosen, per, arena_take(tape->arena, y->rows * sizeof(real))};
    for (uint32_t i = 0; i < y->rows; i++) {
        pass->open[i] = score->data[(size_t)(i / per) * score->cols + chosen[i]];
    }
    kernel_sigmoid(pass->open, y->rows);
    for (uint32_t i = 0; i < y->rows; i++) {
        for (uint32_t at = 0; at < d; at++) {
            y->data[(size_t)i * d + at] = pass->open[i] * param->data[(size_t)chosen[i] * d + at];
        }
    }
    if (tape_records(tape)) {
        tape_record(tape,
                    (struct node){gated_rows_backward, y, {score, tape_param(tape, param)}, pass});
    }
    return y;
}

/* ---- windows ---- */

/* One window of tensors: its cells, and its first row of what there is `per` of. */
struct view {
    size_t cell;
    uint32_t cells;
    uint32_t per;
    size_t row;
};

static struct view view_of(const struct window_cells *cells, uint32_t window, uint32_t per)
{
    return (struct view){cells->offsets[window],
                         cells->offsets[window + 1] - cells->offsets[window], per,
                         (size_t)window * per};
}

/* to [per, d] (+)= w^T [per, cells] from [cells, d] */
static void gather(real *to, const real *w, const real *from, struct view at, uint32_t d, bool keep)
{
    to += at.row * d;
    if (!keep && at.cells == 0) memset(to, 0, (size_t)at.per * d * sizeof(real));
    if (at.cells == 0) return;
    kernel_product(to, d, factor_turned(w + at.cell * at.per, at.per),
                   factor_of(from + at.cell * d, d), at.per, d, at.cells, keep);
}

/* to [cells, d] (+)= w [cells, per] from [per, d] */
static void spread(real *to, const real *w, const real *from, struct view at, uint32_t d, bool keep)
{
    if (at.cells == 0) return;
    kernel_product(to + at.cell * d, d, factor_of(w + at.cell * at.per, at.per),
                   factor_of(from + at.row * d, d), at.cells, d, at.per, keep);
}

/* to [cells, per] += scale x [cells, d] y^T [d, per] */
static void agree(real *to, const real *x, const real *y, real scale, struct view at, uint32_t d)
{
    kernel_dots(to + at.cell * at.per, x + at.cell * d, y + at.row * d, scale, at.cells, at.per, d);
}

static void window_mix_backward(struct tape *tape, const struct node *node)
{
    const struct window_cells *cells = node->saved;
    struct tensor *w = node->inputs[0], *y = node->inputs[1];
    const real *dz = node->output->gradient;
    real *dw = tape_gradient(tape, w), *dy = tape_gradient(tape, y);
    for (uint32_t i = 0; i < cells->windows; i++) {
        const struct view at = view_of(cells, i, w->cols);
        if (dw) agree(dw, dz, y->data, 1, at, y->cols);
        if (dy) gather(dy, w->data, dz, at, y->cols, true);
    }
}

struct tensor *op_window_mix(struct tape *tape, struct tensor *w, struct tensor *y,
                             const struct window_cells *cells)
{
    REQUIRE(y->rows == cells->windows * w->cols && w->rows == cells->offsets[cells->windows]);
    struct tensor *z = tape_tensor(tape, w->rows, y->cols);
    for (uint32_t i = 0; i < cells->windows; i++) {
        spread(z->data, w->data, y->data, view_of(cells, i, w->cols), y->cols, false);
    }
    tape_record(tape, (struct node){window_mix_backward, z, {w, y}, cells});
    return z;
}

struct agree_pass {
    const struct window_cells *cells;
    real scale;
};

static void window_agree_backward(struct tape *tape, const struct node *node)
{
    const struct agree_pass *pass = node->saved;
    struct tensor *x = node->inputs[0], *y = node->inputs[1];
    const struct tensor *z = node->output;
    real *dx = tape_gradient(tape, x), *dy = tape_gradient(tape, y);
    const size_t mark = arena_mark(tape->arena);
    real *dz = arena_take(tape->arena, tensor_count(z) * sizeof(real));
    for (size_t i = 0; i < tensor_count(z); i++) {
        dz[i] = pass->scale * z->gradient[i];
    }
    for (uint32_t i = 0; i < pass->cells->windows; i++) {
        const struct view at = view_of(pass->cells, i, z->cols);
        if (dx) spread(dx, dz, y->data, at, x->cols, true);
        if (dy) gather(dy, dz, x->data, at, x->cols, true);
    }
    arena_release(tape->arena, mark);
}

struct tensor *op_window_agree(struct tape *tape, struct tensor *x, struct tensor *y, real scale,
                               const struct window_cells *cells)
{
    const uint32_t per = y->rows / cells->windows;
    REQUIRE(x->cols == y->cols && x->rows == cells->offsets[cells->windows]);
    struct tensor *z = tape_tensor(tape, x->rows, per);
    struct agree_pass *pass = arena_take(tape->arena, sizeof *pass);
    *pass = (struct agree_pass){cells, scale};
    memset(z->data, 0, tensor_count(z) * sizeof(real));
    for (uint32_t i = 0; i < cells->windows; i++) {
        agree(z->data, x->data, y->data, scale, view_of(cells, i, per), x->cols);
    }
    tape_record(tape, (struct node){window_agree_backward, z, {x, y}, pass});
    return z;
}

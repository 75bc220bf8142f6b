/*
 * op_recurrent.c - the gated recurrent unit: three products and what lies between them, for one step
 * or for whole sequences, as one node.
 */
#include "model/tensor/op_recurrent.h"

#include <string.h>

#include "model/kernel/kernel.h"
#include "model/kernel/kernel_recurrent.h"

void gru_declare(struct param_set *params, const char *name, uint32_t in, uint32_t n)
{
    struct param_spec input = {.init = PARAM_GLOROT_GATES, .rank = 2, .shape = {3 * n, in}};
    struct param_spec recurrent = {.init = PARAM_GLOROT_GATES, .rank = 2, .shape = {3 * n, n}};
    param_declare(params, input, "%s.input.weight", name);
    param_declare(params, recurrent, "%s.recurrent.weight", name);
    param_declare(params, param_vector(PARAM_GRU_BIAS, 3 * n), "%s.bias", name);
}

/* The rows from .. from + count - 1 of a matrix. */
static struct param rows_of(const struct param *param, uint32_t from, uint32_t count)
{
    const uint32_t cols = param->spec.shape[1];
    struct param view = *param;
    view.spec.shape[0] = count;
    view.count = (size_t)count * cols;
    view.data = param->data + (size_t)from * cols;
    return view;
}

enum status gru_open(struct gru *gru, const struct param_set *params, const char *name,
                     struct error *error)
{
    const struct param *input = param_set_get(params, "%s.input.weight", name);
    const struct param *recurrent = param_set_get(params, "%s.recurrent.weight", name);
    const struct param *bias = param_set_get(params, "%s.bias", name);
    gru->in = input->spec.shape[1];
    gru->n = recurrent->spec.shape[1];
    gru->gates = rows_of(recurrent, 0, 2 * gru->n);
    gru->candidate = rows_of(recurrent, 2 * gru->n, gru->n);
    TRY(linear_open(&gru->input, (const struct param *[LINEAR_PARTS_MAX]){input}, bias, error));
    TRY(linear_open(&gru->gates_recurrent, (const struct param *[LINEAR_PARTS_MAX]){&gru->gates},
                    NULL, error));
    return linear_open(&gru->candidate_recurrent,
                       (const struct param *[LINEAR_PARTS_MAX]){&gru->candidate}, NULL, error);
}

void gru_close(struct gru *gru)
{
    linear_close(&gru->input);
    linear_close(&gru->gates_recurrent);
    linear_close(&gru->candidate_recurrent);
}

/* What backward needs of forward. */
struct gru_pass {
    const struct gru *gru;
    const struct waves *waves;
    real *gates; /* [rows, 3n] after their activations */
    real *reset; /* [rows, n]: reset times the h before */
};

/* [rows, n]: the h before each row. */
static real *states_before(struct arena *arena, const struct waves *waves, const struct tensor *h,
                           const struct tensor *y)
{
    real *before = arena_take(arena, tensor_count(y) * sizeof(real));
    const real *from = h->data;
    size_t at = 0;
    for (uint32_t wave = 0; wave < waves->count; wave++) {
        const size_t size = (size_t)waves->sizes[wave] * y->cols;
        memcpy(before + at, from, size * sizeof(real));
        from = y->data + at;
        at += size;
    }
    return before;
}

/*
 * d_gates [rows, 3n], wave by wave from the last; what a wave owes to the one before it is added to
 * that one's gradient, or to dh, which may be NULL.
 */
static void gates_backward(const struct gru_pass *pass, real *d_gates, real *d_reset, real *dh,
                           const real *before, const struct tensor *y)
{
    const uint32_t n = pass->gru->n;
    const struct factor gates_weight = factor_of(pass->gru->gates.data, n);
    const struct factor candidate_weight = factor_of(pass->gru->candidate.data, n);
    uint32_t row = y->rows;
    for (uint32_t wave = pass->waves->count; wave-- > 0;) {
        const uint32_t size = pass->waves->sizes[wave];
        row -= size;
        const real *h = before + (size_t)row * n, *dy = y->gradient + (size_t)row * n;
        const real *gates = pass->gates + (size_t)row * 3 * n;
        real *d_wave = d_gates + (size_t)row * 3 * n;
        const struct factor open = factor_of(d_wave, 3 * n);
        const struct factor candidate = factor_of(d_wave + 2 * (size_t)n, 3 * n);
        real *d_before = dh;
        if (wave > 0) d_before = y->gradient + (size_t)(row - pass->waves->sizes[wave - 1]) * n;
        kernel_gru_close_backward(d_wave, dy, gates, h, size, n);
        kernel_product(d_reset, n, candidate, candidate_weight, size, n, n, false);
        kernel_gru_open_backward(d_wave, d_before, d_reset, dy, gates, h, size, n);
        if (d_before) kernel_product(d_before, n, open, gates_weight, size, n, 2 * n, true);
    }
}

/* Inputs: x, h, the input weight, its bias, the two parts of the recurrent weight. */
static void gru_backward(struct tape *tape, const struct node *node)
{
    const struct gru_pass *pass = node->saved;
    const uint32_t in = pass->gru->in, n = pass->gru->n, rows = node->output->rows;
    struct tensor *x = node->inputs[0], *h = node->inputs[1];
    real *dx = tape_gradient(tape, x), *dh = tape_gradient(tape, h);
    real *dw = tape_gradient(tape, node->inputs[2]), *db = tape_gradient(tape, node->inputs[3]);
    real *du = tape_gradient(tape, node->inputs[4]), *dc = tape_gradient(tape, node->inputs[5]);
    size_t mark = arena_mark(tape->arena);
    real *d_gates = arena_take(tape->arena, (size_t)rows * 3 * n * sizeof(real));
    real *d_reset = arena_take(tape->arena, (size_t)h->rows * n * sizeof(real));
    const real *before = states_before(tape->arena, pass->waves, h, node->output);
    const struct factor all = factor_of(d_gates, 3 * n), turned = factor_turned(d_gates, 3 * n);
    const struct factor candidate_turned = factor_turned(d_gates + 2 * (size_t)n, 3 * n);

    gates_backward(pass, d_gates, d_reset, dh, before, node->output);
    if (dx) {
        kernel_product(dx, in, all, factor_of(node->inputs[2]->data, in), rows, in, 3 * n, true);
    }
    if (dw) kernel_product(dw, in, turned, factor_of(x->data, in), 3 * n, in, rows, true);
    if (db) kernel_sum_repeated(db, d_gates, 1, rows, 3 * n);
    if (du) kernel_product(du, n, turned, factor_of(before, n), 2 * n, n, rows, true);
    if (dc) kernel_product(dc, n, candidate_turned, factor_of(pass->reset, n), n, n, rows, true);
    arena_release(tape->arena, mark);
}

static void record(struct tape *tape, const struct gru_pass *pass, struct tensor *y,
                   struct tensor *x, struct tensor *h)
{
    const struct gru *gru = pass->gru;
    struct gru_pass *saved = arena_take(tape->arena, sizeof *saved);
    *saved = *pass;
    struct node node = {.backward = gru_backward,
                        .output = y,
                        .inputs = {x, h, tape_param(tape, gru->input.parts[0]),
                                   tape_param(tape, gru->input.bias), tape_param(tape, &gru->gates),
                                   tape_param(tape, &gru->candidate)},
                        .saved = saved};
    tape_record(tape, node);
}

struct tensor *op_gru_waves(struct tape *tape, const struct gru *gru, struct tensor *x,
                            struct tensor *h, const struct waves *waves)
{
    const uint32_t n = gru->n;
    REQUIRE(x->cols == gru->in && h->cols == n && h->rows == waves->sizes[0]);
    struct tensor *y = tape_tensor(tape, x->rows, n);
    linear_ready(tape, &gru->input);
    linear_ready(tape, &gru->gates_recurrent);
    linear_ready(tape, &gru->candidate_recurrent);
    const struct gru_pass pass = {gru, waves,
                                  arena_take(tape->arena, (size_t)x->rows * 3 * n * sizeof(real)),
                                  arena_take(tape->arena, (size_t)x->rows * n * sizeof(real))};
    size_t mark = arena_mark(tape->arena);
    real *recurrent = arena_take(tape->arena, (size_t)h->rows * 2 * n * sizeof(real));
    const real *before = h->data;
    size_t row = 0;
    linear_multiply(tape, &gru->input, pass.gates, x->data, x->rows);
    for (uint32_t wave = 0; wave < waves->count; wave++) {
        const uint32_t size = waves->sizes[wave];
        real *gates = pass.gates + row * 3 * n, *reset = pass.reset + row * n;
        linear_multiply(tape, &gru->gates_recurrent, recurrent, before, size);
        kernel_gru_open(gates, reset, recurrent, before, size, n);
        linear_multiply(tape, &gru->candidate_recurrent, recurrent, reset, size);
        kernel_gru_close(y->data + row * n, gates, recurrent, before, size, n);
        before = y->data + row * n;
        row += size;
    }
    REQUIRE(row == x->rows);
    arena_release(tape->arena, mark);
    if (tape_records(tape)) record(tape, &pass, y, x, h);
    return y;
}

struct tensor *op_gru(struct tape *tape, const struct gru *gru, struct tensor *x, struct tensor *h)
{
    REQUIRE(h->rows == x->rows);
    uint32_t *rows = arena_take(tape->arena, sizeof *rows);
    struct waves *wave = arena_take(tape->arena, sizeof *wave);
    *rows = x->rows;
    *wave = (struct waves){rows, 1};
    return op_gru_waves(tape, gru, x, h, wave);
}

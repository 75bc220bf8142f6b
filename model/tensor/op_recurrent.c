/*
 * op_recurrent.c - the gated recurrent unit: three products and what lies between them, as one
 * node.
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
    real *gates; /* [rows, 3n] after their activations */
    real *reset; /* [rows, n]: reset times h */
};

/* Inputs: x, h, the input weight, its bias, the two parts of the recurrent weight. */
static void gru_backward(struct tape *tape, const struct node *node)
{
    const struct gru_pass *pass = node->saved;
    const uint32_t in = pass->gru->in, n = pass->gru->n, rows = node->output->rows;
    struct tensor *x = node->inputs[0], *h = node->inputs[1];
    const real *dy = node->output->gradient;
    real *dx = tape_gradient(tape, x), *dh = tape_gradient(tape, h);
    real *dw = tape_gradient(tape, node->inputs[2]), *db = tape_gradient(tape, node->inputs[3]);
    real *du = tape_gradient(tape, node->inputs[4]), *dc = tape_gradient(tape, node->inputs[5]);
    size_t mark = arena_mark(tape->arena);
    real *d_gates = arena_take(tape->arena, (size_t)rows * 3 * n * sizeof(real));
    real *d_reset = arena_take(tape->arena, (size_t)rows * n * sizeof(real));
    const struct factor open = factor_of(d_gates, 3 * n);
    const struct factor candidate = factor_of(d_gates + 2 * (size_t)n, 3 * n);
    const struct factor open_turned = factor_turned(open.at, open.stride);
    const struct factor candidate_turned = factor_turned(candidate.at, candidate.stride);
    const struct factor gates_weight = factor_of(pass->gru->gates.data, n);
    const struct factor candidate_weight = factor_of(pass->gru->candidate.data, n);

    kernel_gru_close_backward(d_gates, dy, pass->gates, h->data, rows, n);
    kernel_product(d_reset, n, candidate, candidate_weight, rows, n, n, false);
    kernel_gru_open_backward(d_gates, dh, d_reset, dy, pass->gates, h->data, rows, n);
    if (dh) kernel_product(dh, n, open, gates_weight, rows, n, 2 * n, true);
    if (dx) {
        kernel_product(dx, in, open, factor_of(node->inputs[2]->data, in), rows, in, 3 * n, true);
    }
    if (dw) kernel_product(dw, in, open_turned, factor_of(x->data, in), 3 * n, in, rows, true);
    if (db) kernel_sum_repeated(db, d_gates, 1, rows, 3 * n);
    if (du) kernel_product(du, n, open_turned, factor_of(h->data, n), 2 * n, n, rows, true);
    if (dc) kernel_product(dc, n, candidate_turned, factor_of(pass->reset, n), n, n, rows, true);
    arena_release(tape->arena, mark);
}

static void record(struct tape *tape, const struct gru *gru, struct tensor *y, struct tensor *x,
                   struct tensor *h, real *gates, real *reset)
{
    struct gru_pass *pass = arena_take(tape->arena, sizeof *pass);
    *pass = (struct gru_pass){gru, gates, reset};
    struct node node = {.backward = gru_backward,
                        .output = y,
                        .inputs = {x, h, tape_param(tape, gru->input.parts[0]),
                                   tape_param(tape, gru->input.bias), tape_param(tape, &gru->gates),
                                   tape_param(tape, &gru->candidate)},
                        .saved = pass};
    tape_record(tape, node);
}

struct tensor *op_gru(struct tape *tape, const struct gru *gru, struct tensor *x, struct tensor *h)
{
    const uint32_t rows = x->rows, n = gru->n;
    REQUIRE(x->cols == gru->in && h->cols == n && h->rows == rows);
    struct tensor *y = tape_tensor(tape, rows, n);
    linear_ready(tape, &gru->input);
    linear_ready(tape, &gru->gates_recurrent);
    linear_ready(tape, &gru->candidate_recurrent);
    real *gates = arena_take(tape->arena, (size_t)rows * 3 * n * sizeof(real));
    real *reset = arena_take(tape->arena, (size_t)rows * n * sizeof(real));
    size_t mark = arena_mark(tape->arena);
    real *recurrent = arena_take(tape->arena, (size_t)rows * 2 * n * sizeof(real));
    linear_multiply(tape, &gru->input, gates, x->data, rows);
    linear_multiply(tape, &gru->gates_recurrent, recurrent, h->data, rows);
    kernel_gru_open(gates, reset, recurrent, h->data, rows, n);
    linear_multiply(tape, &gru->candidate_recurrent, recurrent, reset, rows);
    kernel_gru_close(y->data, gates, recurrent, h->data, rows, n);
    arena_release(tape->arena, mark);
    if (tape_records(tape)) record(tape, gru, y, x, h, gates, reset);
    return y;
}

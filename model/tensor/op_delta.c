/* op_delta.c - the gated delta rule on states, and over whole sequences with a gradient. */
#include "model/tensor/op_delta.h"

#include <string.h>

#include "model/kernel/kernel_activation.h"
#include "model/kernel/kernel_delta.h"
#include "model/kernel/vector.h"

static const real SECONDS_A_DAY = 86400;

static uint32_t width_of(const struct delta_memory *memory)
{
    return memory->heads * memory->width;
}

static real days_before(const struct behavior_batch *batch, uint32_t event)
{
    const int64_t gap_s = batch->at[event].gap_s;
    return gap_s > 0 ? (real)gap_s / SECONDS_A_DAY : 0;
}

/* Inputs: write, forget, decay. */
static void delta_gates_backward(struct tape *tape, const struct node *node)
{
    const struct behavior_batch *batch = node->saved;
    const struct tensor *gates = node->output;
    struct tensor *write = node->inputs[0], *forget = node->inputs[1], *decay = node->inputs[2];
    const uint32_t heads = write->cols;
    real *d_write = tape_gradient(tape, write), *d_forget = tape_gradient(tape, forget);
    real *d_decay = tape_gradient(tape, decay);
    size_t mark = arena_mark(tape->arena);
    real *d_rate = memset(arena_take(tape->arena, heads * sizeof(real)), 0, heads * sizeof(real));
    for (uint32_t event = 0; event < gates->rows; event++) {
        const real *alpha = gates->data + (size_t)event * gates->cols;
        const real *d_alpha = gates->gradient + (size_t)event * gates->cols;
        const size_t at = (size_t)event * heads;
        kernel_delta_gates_backward(d_write ? d_write + at : NULL, d_forget ? d_forget + at : NULL,
                                    d_rate, d_alpha, d_alpha + heads, alpha, alpha + heads,
                                    forget->data + at, days_before(batch, event), heads);
    }
    if (d_decay) kernel_softplus_backward(d_decay, d_rate, decay->data, 1, heads);
    arena_release(tape->arena, mark);
}

struct tensor *op_delta_gates(struct tape *tape, const struct delta_memory *memory,
                              struct tensor *write, struct tensor *forget,
                              const struct behavior_batch *batch)
{
    const uint32_t heads = memory->heads;
    REQUIRE(write->cols == heads && forget->cols == heads && memory->decay->count == heads);
    REQUIRE(write->rows == batch->offsets[batch->users] && forget->rows == write->rows);
    struct tensor *gates = tape_tensor(tape, write->rows, 2 * heads);
    real *rate = arena_take(tape->arena, heads * sizeof(real));
    memcpy(rate, memory->decay->data, heads * sizeof(real));
    kernel_softplus(rate, heads);
    for (uint32_t event = 0; event < gates->rows; event++) {
        real *alpha = gates->data + (size_t)event * gates->cols;
        const size_t at = (size_t)event * heads;
        kernel_delta_gates(alpha, alpha + heads, write->data + at, forget->data + at, rate,
                           days_before(batch, event), heads);
    }
    if (tape_records(tape)) {
        struct tensor *decay = tape_param(tape, memory->decay);
        tape_record(tape,
                    (struct node){delta_gates_backward, gates, {write, forget, decay}, batch});
    }
    return gates;
}

/* What a recorded pass over sequences needs again. */
struct delta_pass {
    struct delta_rows rows;
    const struct behavior_batch *batch;
    uint32_t points;   /* of all users */
    size_t k_at, v_at; /* reals of a row before its keys and values */
};

/* The user's events, and its points from `point` on. */
static struct delta_span span_of(const struct delta_pass *pass, uint32_t user, uint32_t point)
{
    struct delta_span span = {
        .event = pass->batch->offsets[user],
        .event_end = pass->batch->offsets[user + 1],
        .point = point,
        .point_end = point,
    };
    while (span.point_end < pass->points && pass->rows.points[span.point_end] < span.event_end) {
        span.point_end++;
    }
    return span;
}

static void delta_forward(struct tape *tape, const struct delta_pass *pass, real *y)
{
    const struct delta_rows *rows = &pass->rows;
    const size_t size = (size_t)rows->heads * rows->width * rows->width * sizeof(real);
    size_t mark = arena_mark(tape->arena);
    real *s = arena_take(tape->arena, size);
    for (uint32_t user = 0, point = 0; user < pass->batch->users; user++) {
        struct delta_span span = span_of(pass, user, point);
        memset(s, 0, size);
        kernel_delta_sequence(y, s, rows, span);
        point = span.point_end;
    }
    arena_release(tape->arena, mark);
}

static uint32_t longest_of(const struct behavior_batch *batch)
{
    uint32_t longest = 0;
    for (uint32_t user = 0; user < batch->users; user++) {
        uint32_t length = batch->offsets[user + 1] - batch->offsets[user];
        if (length > longest) longest = length;
    }
    return longest;
}

/*
 * Inputs: the tensor with the queries, the one with keys and values (perhaps the same), the gates.
 */
static void delta_backward(struct tape *tape, const struct node *node)
{
    const struct delta_pass *pass = node->saved;
    real *dq = tape_gradient(tape, node->inputs[0]), *dkv = tape_gradient(tape, node->inputs[1]);
    real *d_gates = tape_gradient(tape, node->inputs[2]);
    size_t mark = arena_mark(tape->arena);
    if (!dq) dq = arena_take(tape->arena, tensor_count(node->inputs[0]) * sizeof(real));
    if (!dkv) dkv = arena_take(tape->arena, tensor_count(node->inputs[1]) * sizeof(real));
    if (!d_gates) d_gates = arena_take(tape->arena, tensor_count(node->inputs[2]) * sizeof(real));
    const struct delta_gradients gradients = {dq, dkv + pass->k_at, dkv + pass->v_at, d_gates};
    const size_t scratch = kernel_delta_scratch(longest_of(pass->batch), pass->rows.width);
    real *memories = arena_take(tape->arena, scratch * sizeof(real));
    for (uint32_t user = 0, point = 0; user < pass->batch->users; user++) {
        struct delta_span span = span_of(pass, user, point);
        kernel_delta_sequence_backward(&gradients, node->output->gradient, &pass->rows, span,
                                       memories);
        point = span.point_end;
    }
    arena_release(tape->arena, mark);
}

static struct tensor *run_delta(struct tape *tape, struct delta_pass pass, struct tensor *q,
                                struct tensor *kv, struct tensor *gates)
{
    const uint32_t d = pass.rows.heads * pass.rows.width;
    struct tensor *y = tape_tensor(tape, pass.points * pass.rows.queries, d);
    struct delta_pass *saved = arena_take(tape->arena, sizeof *saved);
    *saved = pass;
    delta_forward(tape, saved, y->data);
    tape_record(tape, (struct node){delta_backward, y, {q, kv, gates}, saved});
    return y;
}

/* Every event is a point, and q, k and v lie in one row. */
static struct tensor *delta_of_sequences(struct tape *tape, const struct delta_memory *memory,
                                         struct tensor *qkv, struct tensor *gates,
                                         const struct behavior_batch *batch)
{
    const size_t d = width_of(memory);
    uint32_t *points = arena_take(tape->arena, qkv->rows * sizeof *points);
    for (uint32_t event = 0; event < qkv->rows; event++) {
        points[event] = event;
    }
    const struct delta_pass pass = {
        .rows = {.heads = memory->heads,
                 .width = memory->width,
                 .queries = 1,
                 .q = qkv->data,
                 .k = qkv->data + d,
                 .v = qkv->data + 2 * d,
                 .gates = gates->data,
                 .q_stride = qkv->cols,
                 .kv_stride = qkv->cols,
                 .points = points},
        .batch = batch,
        .points = qkv->rows,
        .k_at = d,
        .v_at = 2 * d,
    };
    return run_delta(tape, pass, qkv, qkv, gates);
}

struct tensor *op_delta(struct tape *tape, const struct delta_memory *memory, struct tensor *qkv,
                        struct tensor *gates, real *const *states,
                        const struct behavior_batch *batch)
{
    const uint32_t d = width_of(memory), heads = memory->heads;
    REQUIRE(qkv->cols == 3 * d && qkv->rows == gates->rows);
    if (!states) return delta_of_sequences(tape, memory, qkv, gates, batch);
    REQUIRE(!tape_records(tape));
    struct tensor *y = tape_tensor(tape, qkv->rows, d);
    for (uint32_t user = 0; user < batch->users; user++) {
        real *s = states[user] + memory->at;
        for (uint32_t event = batch->offsets[user]; event < batch->offsets[user + 1]; event++) {
            const real *q = qkv->data + (size_t)event * qkv->cols;
            const real *alpha = gates->data + (size_t)event * gates->cols;
            kernel_delta_step(y->data + (size_t)event * d, s, q, q + d, q + 2 * (size_t)d, alpha,
                              alpha + heads, heads, memory->width);
        }
    }
    return y;
}

struct tensor *op_delta_steps(struct tape *tape, const struct delta_memory *memory,
                              struct tensor *q, struct tensor *kv, struct tensor *gates,
                              const uint32_t *points, const struct behavior_batch *batch)
{
    const uint32_t d = width_of(memory);
    REQUIRE(kv->cols == 2 * d && kv->rows == gates->rows && q->cols % d == 0);
    const struct delta_pass pass = {
        .rows = {.heads = memory->heads,
                 .width = memory->width,
                 .queries = q->cols / d,
                 .q = q->data,
                 .k = kv->data,
                 .v = kv->data + d,
                 .gates = gates->data,
                 .q_stride = q->cols,
                 .kv_stride = kv->cols,
                 .points = points},
        .batch = batch,
        .points = q->rows,
        .k_at = 0,
        .v_at = d,
    };
    return run_delta(tape, pass, q, kv, gates);
}

void op_delta_absorb(struct tape *tape, const struct delta_memory *memory, struct tensor *kv,
                     struct tensor *gates, real *const *states, const struct behavior_batch *batch)
{
    const uint32_t d = width_of(memory), heads = memory->heads;
    REQUIRE(!tape_records(tape) && kv->cols == 2 * d && kv->rows == gates->rows);
    for (uint32_t user = 0; user < batch->users; user++) {
        real *s = states[user] + memory->at;
        for (uint32_t event = batch->offsets[user]; event < batch->offsets[user + 1]; event++) {
            const real *k = kv->data + (size_t)event * kv->cols;
            const real *alpha = gates->data + (size_t)event * gates->cols;
            kernel_delta_absorb(s, k, k + d, alpha, alpha + heads, heads, memory->width);
        }
    }
}

struct tensor *op_delta_read(struct tape *tape, const struct delta_memory *memory, struct tensor *q,
                             const real *const *states, struct tensor **evidencep)
{
    const uint32_t d = width_of(memory);
    const uint32_t queries = q->cols / d;
    REQUIRE(!tape_records(tape) && q->cols == queries * d);
    struct tensor *y = tape_tensor(tape, q->rows * queries, d);
    struct tensor *evidence = tape_tensor(tape, q->rows, queries);
    for (uint32_t row = 0; row < y->rows; row++) {
        real *read = y->data + (size_t)row * d;
        kernel_delta_read(read, states[row / queries] + memory->at, q->data + (size_t)row * d,
                          memory->heads, memory->width);
        evidence->data[row] = REAL_SQRT(vec_dot(read, read, d));
    }
    *evidencep = evidence;
    return y;
}

/* op_attention.c - linear attention on states, and over whole sequences with a gradient. */
#include <string.h>

#include "model/kernel/kernel.h"
#include "model/tensor/op.h"

/* The z of a state's sums, given their s. */
static size_t z_after(const struct attention_sums *sums)
{
    return (size_t)sums->heads * sums->width * sums->width;
}

/* The sums of one user that begin empty: s, then z. */
static real *empty_sums(struct tape *tape, const struct attention_sums *sums)
{
    const size_t size = (z_after(sums) + (size_t)sums->heads * sums->width) * sizeof(real);
    return memset(arena_take(tape->arena, size), 0, size);
}

/* What a recorded attention over sequences needs again. */
struct attention_pass {
    struct attention_rows rows;
    const struct behavior_batch *batch;
    uint32_t points;   /* of all users */
    size_t k_at, v_at; /* reals of a row before its keys and values */
};

/* The next user's events and points. */
static struct attention_span span_after(const struct attention_pass *pass, uint32_t user,
                                        uint32_t point)
{
    struct attention_span span = {
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

static void attention_forward(struct tape *tape, const struct attention_sums *sums,
                              const struct attention_pass *pass, real *y)
{
    size_t mark = arena_mark(tape->arena);
    uint32_t point = 0;
    for (uint32_t user = 0; user < pass->batch->users; user++) {
        struct attention_span span = span_after(pass, user, point);
        real *s = empty_sums(tape, sums);
        kernel_attention_sequence(y, s, s + z_after(sums), &pass->rows, span);
        arena_release(tape->arena, mark);
        point = span.point_end;
    }
    REQUIRE(point == pass->points);
}

/* Inputs: the tensor with the queries, the one with keys and values; they may be the same. */
static void attention_backward(struct tape *tape, const struct node *node)
{
    const struct attention_pass *pass = node->saved;
    struct tensor *kv = node->inputs[1], *y = node->output;
    real *dq = tape_gradient(tape, node->inputs[0]), *dkv = tape_gradient(tape, kv);
    size_t mark = arena_mark(tape->arena);
    if (!dq) dq = arena_take(tape->arena, tensor_count(node->inputs[0]) * sizeof(real));
    if (!dkv) dkv = arena_take(tape->arena, tensor_count(kv) * sizeof(real));
    const struct attention_gradients gradients = {dq, dkv + pass->k_at, dkv + pass->v_at};
    size_t users_mark = arena_mark(tape->arena);
    uint32_t point = 0;
    for (uint32_t user = 0; user < pass->batch->users; user++) {
        struct attention_span span = span_after(pass, user, point);
        uint32_t reads = (span.point_end - span.point) * pass->rows.queries;
        size_t scratch =
            kernel_attention_scratch(reads, pass->rows.queries, pass->rows.width) * sizeof(real);
        kernel_attention_sequence_backward(&gradients, y->data, y->gradient, &pass->rows, span,
                                           arena_take(tape->arena, scratch));
        arena_release(tape->arena, users_mark);
        point = span.point_end;
    }
    arena_release(tape->arena, mark);
}

/* Runs and records a pass whose q, k and v are after elu1. */
static struct tensor *run_attention(struct tape *tape, const struct attention_sums *sums,
                                    struct attention_pass pass, struct tensor *q, struct tensor *kv)
{
    struct tensor *y =
        tape_tensor(tape, pass.points * pass.rows.queries, sums->heads * sums->width);
    struct attention_pass *saved = arena_take(tape->arena, sizeof(*saved));
    *saved = pass;
    attention_forward(tape, sums, saved, y->data);
    tape_record(tape, (struct node){attention_backward, y, {q, kv}, saved});
    return y;
}

/* Every event is a point, and q, k and v lie in one row. */
static struct tensor *attention_of_sequences(struct tape *tape, const struct attention_sums *sums,
                                             struct tensor *qkv, const struct behavior_batch *batch)
{
    const size_t d = (size_t)sums->heads * sums->width;
    uint32_t *points = arena_take(tape->arena, qkv->rows * sizeof(*points));
    for (uint32_t event = 0; event < qkv->rows; event++) {
        points[event] = event;
    }
    const struct attention_pass pass = {
        .rows = {.heads = sums->heads,
                 .width = sums->width,
                 .queries = 1,
                 .q = qkv->data,
                 .k = qkv->data + d,
                 .v = qkv->data + 2 * d,
                 .q_stride = qkv->cols,
                 .kv_stride = qkv->cols,
                 .points = points},
        .batch = batch,
        .points = qkv->rows,
        .k_at = d,
        .v_at = 2 * d,
    };
    return run_attention(tape, sums, pass, qkv, qkv);
}

struct tensor *op_attention(struct tape *tape, const struct attention_sums *sums,
                            struct tensor *qkv, real *const *states,
                            const struct behavior_batch *batch)
{
    const uint32_t d = sums->heads * sums->width;
    REQUIRE(qkv->cols == 3 * d && qkv->rows == batch->offsets[batch->users]);
    qkv = op_elu1(tape, qkv, 2 * d);
    if (!states) return attention_of_sequences(tape, sums, qkv, batch);
    REQUIRE(!tape_records(tape));
    struct tensor *y = tape_tensor(tape, qkv->rows, d);
    for (uint32_t user = 0; user < batch->users; user++) {
        real *s = states[user] + sums->at;
        for (uint32_t event = batch->offsets[user]; event < batch->offsets[user + 1]; event++) {
            const real *q = qkv->data + (size_t)event * qkv->cols;
            kernel_attention_step(y->data + (size_t)event * d, s, s + z_after(sums), q, q + d,
                                  q + 2 * (size_t)d, sums->heads, sums->width);
        }
    }
    return y;
}

struct tensor *op_attention_steps(struct tape *tape, const struct attention_sums *sums,
                                  struct tensor *q, struct tensor *kv, const uint32_t *points,
                                  const struct behavior_batch *batch)
{
    const uint32_t d = sums->heads * sums->width;
    REQUIRE(kv->cols == 2 * d && kv->rows == batch->offsets[batch->users] && q->cols % d == 0);
    q = op_elu1(tape, q, q->cols);
    kv = op_elu1(tape, kv, d);
    const struct attention_pass pass = {
        .rows = {.heads = sums->heads,
                 .width = sums->width,
                 .queries = q->cols / d,
                 .q = q->data,
                 .k = kv->data,
                 .v = kv->data + d,
                 .q_stride = q->cols,
                 .kv_stride = kv->cols,
                 .points = points},
        .batch = batch,
        .points = q->rows,
        .k_at = 0,
        .v_at = d,
    };
    return run_attention(tape, sums, pass, q, kv);
}

void op_attention_absorb(struct tape *tape, const struct attention_sums *sums, struct tensor *kv,
                         real *const *states, const struct behavior_batch *batch)
{
    const uint32_t d = sums->heads * sums->width;
    REQUIRE(!tape_records(tape));
    REQUIRE(kv->cols == 2 * d && kv->rows == batch->offsets[batch->users]);
    kernel_elu1(kv->data, kv->rows, d, kv->cols);
    for (uint32_t user = 0; user < batch->users; user++) {
        real *s = states[user] + sums->at;
        for (uint32_t event = batch->offsets[user]; event < batch->offsets[user + 1]; event++) {
            const real *k = kv->data + (size_t)event * kv->cols;
            kernel_attention_absorb(s, s + z_after(sums), k, k + d, sums->heads, sums->width);
        }
    }
}

struct tensor *op_attention_read(struct tape *tape, const struct attention_sums *sums,
                                 struct tensor *q, const real *const *states,
                                 struct tensor **evidencep)
{
    const uint32_t d = sums->heads * sums->width;
    const uint32_t queries = q->cols / d;
    REQUIRE(!tape_records(tape) && q->cols == queries * d);
    struct tensor *y = tape_tensor(tape, q->rows * queries, d);
    struct tensor *evidence = tape_tensor(tape, q->rows, queries);
    kernel_elu1(q->data, q->rows, q->cols, q->cols);
    for (uint32_t user = 0; user < q->rows; user++) {
        const real *s = states[user] + sums->at;
        kernel_attention_read(y->data + (size_t)user * q->cols,
                              evidence->data + (size_t)user * queries, s, s + z_after(sums),
                              q->data + (size_t)user * q->cols, queries, sums->heads, sums->width);
    }
    *evidencep = evidence;
    return y;
}

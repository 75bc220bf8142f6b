/* op.c - ops on tensors: shapes checked, memory found, a kernel called. */
#include "model/tensor/op.h"

#include <string.h>

#include "model/tensor/kernel.h"

enum status linear_open(struct linear *linear, const struct param *const parts[LINEAR_PARTS_MAX],
                        const struct param *bias, struct error *error)
{
    *linear = (struct linear){.bias = bias};
    for (uint32_t i = 0; i < LINEAR_PARTS_MAX && parts[i]; i++) {
        const struct param_spec *spec = &parts[i]->spec;
        linear->parts[i] = parts[i];
        linear->in = spec->shape[spec->rank - 1];
        linear->out += (uint32_t)(parts[i]->count / linear->in);
    }
    REQUIRE(!bias || bias->count == linear->out);
    size_t panels = kernel_packed_size(linear->out, linear->in) * sizeof(real);
    size_t biases = kernel_packed_size(linear->out, 1) * sizeof(real);
    TRY(arena_open(&linear->packed, panels + biases, error));
    linear->panels = arena_take(&linear->packed, panels);
    memset(linear->panels, 0, panels);
    uint32_t from = 0;
    for (uint32_t i = 0; i < LINEAR_PARTS_MAX && parts[i]; i++) {
        uint32_t rows = (uint32_t)(parts[i]->count / linear->in);
        kernel_pack(linear->panels, parts[i]->data, from, rows, linear->in);
        from += rows;
    }
    if (!bias) return STATUS_OK;
    linear->packed_bias = arena_take(&linear->packed, biases);
    memset(linear->packed_bias, 0, biases);
    kernel_pack(linear->packed_bias, bias->data, 0, linear->out, 1);
    return STATUS_OK;
}

void linear_close(struct linear *linear)
{
    arena_close(&linear->packed);
}

struct tensor *op_linear(struct tape *tape, const struct linear *linear, const struct tensor *x)
{
    REQUIRE(x->cols == linear->in);
    struct tensor *y = tape_tensor(tape, x->rows, linear->out);
    kernel_matmul_fetching(y->data, x->data, linear->panels, linear->packed_bias, x->rows,
                           linear->out, linear->in, &tape->prefetch);
    return y;
}

uint32_t gap_bucket(int64_t gap_s, uint32_t buckets)
{
    if (gap_s < 0) return 0;
    uint32_t bits = 64 - (uint32_t)__builtin_clzll((uint64_t)gap_s + 1);
    return bits < buckets ? bits : buckets - 1;
}

struct tensor *op_embed(struct tape *tape, const struct embedding_tables *tables,
                        const struct behavior_batch *batch)
{
    const uint32_t d = tables->width;
    struct tensor *x = tape_tensor(tape, batch->offsets[batch->users], d);
    for (uint32_t event = 0; event < x->rows; event++) {
        const struct behavior *behavior = &batch->at[event];
        real *row = x->data + (size_t)event * d;
        memcpy(row, tables->item->data + (size_t)behavior->item * d, d * sizeof(real));
        if (tables->category) {
            kernel_add(row, tables->category->data + (size_t)behavior->category * d, d);
        }
        if (tables->gap) {
            uint32_t bucket = gap_bucket(behavior->gap_s, tables->gap->spec.shape[0]);
            kernel_add(row, tables->gap->data + (size_t)bucket * d, d);
        }
    }
    return x;
}

struct tensor *op_layer_norm(struct tape *tape, const struct tensor *x, const struct param *weight,
                             const struct param *bias)
{
    REQUIRE(weight->count == x->cols && bias->count == x->cols);
    struct tensor *y = tape_tensor(tape, x->rows, x->cols);
    kernel_layer_norm(y->data, x->data, weight->data, bias->data, x->rows, x->cols);
    return y;
}

struct tensor *op_relu(struct tape *tape, struct tensor *x)
{
    (void)tape;
    kernel_relu(x->data, (size_t)x->rows * x->cols);
    return x;
}

struct tensor *op_add(struct tape *tape, struct tensor *x, const struct tensor *y)
{
    (void)tape;
    REQUIRE(x->rows == y->rows && x->cols == y->cols);
    kernel_add(x->data, y->data, (size_t)x->rows * x->cols);
    return x;
}

struct tensor *op_add_repeated(struct tape *tape, struct tensor *x, const struct tensor *y)
{
    (void)tape;
    REQUIRE(x->cols == y->cols && x->rows % y->rows == 0);
    kernel_add_repeated(x->data, y->data, y->rows, x->rows / y->rows, x->cols);
    return x;
}

struct tensor *op_repeat(struct tape *tape, const struct param *rows_of, uint32_t rows)
{
    struct tensor *y = tape_tensor(tape, rows, (uint32_t)rows_of->count);
    for (uint32_t row = 0; row < rows; row++) {
        memcpy(y->data + row * rows_of->count, rows_of->data, rows_of->count * sizeof(real));
    }
    return y;
}

struct tensor *op_reshape(struct tape *tape, struct tensor *x, uint32_t rows, uint32_t cols)
{
    (void)tape;
    REQUIRE((size_t)rows * cols == (size_t)x->rows * x->cols);
    x->rows = rows;
    x->cols = cols;
    return x;
}

/* The z of a state's sums, given their s. */
static size_t z_after(const struct attention_sums *sums)
{
    return (size_t)sums->heads * sums->width * sums->width;
}

struct tensor *op_attention(struct tape *tape, const struct attention_sums *sums,
                            struct tensor *qkv, real *const *states,
                            const struct behavior_batch *batch)
{
    const uint32_t d = sums->heads * sums->width;
    REQUIRE(qkv->cols == 3 * d && qkv->rows == batch->offsets[batch->users]);
    struct tensor *y = tape_tensor(tape, qkv->rows, d);
    kernel_elu1(qkv->data, qkv->rows, 2 * d, qkv->cols);
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

void op_attention_absorb(struct tape *tape, const struct attention_sums *sums, struct tensor *kv,
                         real *const *states, const struct behavior_batch *batch)
{
    const uint32_t d = sums->heads * sums->width;
    (void)tape;
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
    REQUIRE(q->cols == queries * d);
    struct tensor *y = tape_tensor(tape, q->rows * queries, d);
    struct tensor *evidence = tape_tensor(tape, q->rows, queries);
    kernel_elu1(q->data, q->rows, q->cols, q->cols);
    for (uint32_t row = 0; row < y->rows; row++) {
        const real *s = states[row / queries] + sums->at;
        evidence->data[row] =
            kernel_attention_read(y->data + (size_t)row * d, s, s + z_after(sums),
                                  q->data + (size_t)row * d, sums->heads, sums->width);
    }
    *evidencep = evidence;
    return y;
}

void op_keep_last(struct tape *tape, const struct tensor *x, size_t at, real *const *states,
                  const struct behavior_batch *batch)
{
    (void)tape;
    for (uint32_t user = 0; user < batch->users; user++) {
        uint32_t end = batch->offsets[user + 1];
        if (end == batch->offsets[user]) continue;
        memcpy(states[user] + at, x->data + (size_t)(end - 1) * x->cols, x->cols * sizeof(real));
    }
}

struct tensor *op_state(struct tape *tape, size_t at, uint32_t cols, const real *const *states,
                        uint32_t users)
{
    struct tensor *y = tape_tensor(tape, users, cols);
    for (uint32_t user = 0; user < users; user++) {
        memcpy(y->data + (size_t)user * cols, states[user] + at, cols * sizeof(real));
    }
    return y;
}

/* op_delta.c - the gated delta rule over ragged batches. */
#include "model/tensor/op_delta.h"

#include <string.h>

#include "model/tensor/kernel_activation.h"
#include "model/tensor/kernel_delta.h"
#include "model/tensor/vector.h"

static const real SECONDS_A_DAY = 86400;

static uint32_t width_of(const struct delta_memory *memory)
{
    return memory->heads * memory->width;
}

struct tensor *op_delta_gates(struct tape *tape, const struct delta_memory *memory,
                              struct tensor *write, struct tensor *forget,
                              const struct behavior_batch *batch)
{
    const uint32_t heads = memory->heads;
    REQUIRE(write->cols == heads && forget->cols == heads && memory->decay->count == heads);
    REQUIRE(write->rows == batch->offsets[batch->users] && forget->rows == write->rows);
    struct tensor *gates = tape_tensor(tape, write->rows, 2 * heads);
    struct tensor *rate = tape_tensor(tape, 1, heads);
    memcpy(rate->data, memory->decay->data, heads * sizeof(real));
    kernel_softplus(rate->data, heads);
    for (uint32_t event = 0; event < gates->rows; event++) {
        int64_t gap_s = batch->at[event].gap_s;
        real *alpha = gates->data + (size_t)event * gates->cols;
        kernel_delta_gates(alpha, alpha + heads, write->data + (size_t)event * heads,
                           forget->data + (size_t)event * heads, rate->data,
                           gap_s > 0 ? (real)gap_s / SECONDS_A_DAY : 0, heads);
    }
    return gates;
}

struct tensor *op_delta(struct tape *tape, const struct delta_memory *memory, struct tensor *qkv,
                        struct tensor *gates, real *const *states,
                        const struct behavior_batch *batch)
{
    const uint32_t d = width_of(memory), heads = memory->heads;
    REQUIRE(qkv->cols == 3 * d && qkv->rows == gates->rows);
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

void op_delta_absorb(struct tape *tape, const struct delta_memory *memory, struct tensor *kv,
                     struct tensor *gates, real *const *states, const struct behavior_batch *batch)
{
    const uint32_t d = width_of(memory), heads = memory->heads;
    (void)tape;
    REQUIRE(kv->cols == 2 * d && kv->rows == gates->rows);
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
    REQUIRE(q->cols == queries * d);
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

/* op_pool.c - pooling on states, and over whole sequences with a gradient. */
#include "model/tensor/op_pool.h"

#include <string.h>

#include "model/kernel/kernel.h"
#include "model/kernel/kernel_pool.h"

static real keep_before(const struct pool *pool, const struct behavior_batch *batch, uint32_t event)
{
    return kernel_pool_keep(batch->at[event].gap_s, pool->half_life_days);
}

void op_pool_absorb(struct tape *tape, const struct pool *pool, struct tensor *x,
                    real *const *states, const struct behavior_batch *batch)
{
    REQUIRE(!tape_records(tape) && x->cols == pool->width);
    for (uint32_t user = 0; user < batch->users; user++) {
        real *sum = states[user] + pool->at;
        for (uint32_t event = batch->offsets[user]; event < batch->offsets[user + 1]; event++) {
            kernel_pool_absorb(sum, sum + x->cols, x->data + (size_t)event * x->cols,
                               keep_before(pool, batch, event), x->cols);
        }
    }
}

struct tensor *op_pool_read(struct tape *tape, const struct pool *pool, const real *const *states,
                            uint32_t users)
{
    struct tensor *y = tape_tensor(tape, users, pool->width);
    for (uint32_t user = 0; user < users; user++) {
        const real *sum = states[user] + pool->at;
        kernel_pool_read(y->data + (size_t)user * y->cols, sum, sum[y->cols], y->cols);
    }
    return y;
}

/* What backward needs of forward. */
struct pool_pass {
    const struct pool *pool;
    const uint32_t *points;
    const struct behavior_batch *batch;
    const real *masses; /* [points] */
};

/* From a sequence's end: what a sum owes to the points after it fades as the sum did. */
static void pool_steps_backward(struct tape *tape, const struct node *node)
{
    const struct pool_pass *pass = node->saved;
    struct tensor *x = node->inputs[0], *y = node->output;
    const uint32_t d = x->cols;
    real *dx = tape_gradient(tape, x);
    size_t mark = arena_mark(tape->arena);
    real *d_sum = arena_take(tape->arena, d * sizeof(real));
    uint32_t point = y->rows;
    for (uint32_t user = pass->batch->users; user-- > 0;) {
        memset(d_sum, 0, d * sizeof(real));
        for (uint32_t event = pass->batch->offsets[user + 1];
             event-- > pass->batch->offsets[user];) {
            if (point > 0 && pass->points[point - 1] == event) {
                point--;
                for (uint32_t i = 0; i < d; i++) {
                    d_sum[i] += y->gradient[(size_t)point * d + i] / pass->masses[point];
                }
            }
            kernel_add(dx + (size_t)event * d, d_sum, d);
            real keep = keep_before(pass->pool, pass->batch, event);
            for (uint32_t i = 0; i < d; i++) {
                d_sum[i] *= keep;
            }
        }
    }
    arena_release(tape->arena, mark);
}

struct tensor *op_pool_steps(struct tape *tape, const struct pool *pool, struct tensor *x,
                             const uint32_t *points, uint32_t count,
                             const struct behavior_batch *batch)
{
    const uint32_t d = pool->width;
    REQUIRE(x->cols == d && x->rows == batch->offsets[batch->users]);
    struct tensor *y = tape_tensor(tape, count, d);
    real *masses = arena_take(tape->arena, count * sizeof(real));
    struct pool_pass *pass = arena_take(tape->arena, sizeof *pass);
    *pass = (struct pool_pass){pool, points, batch, masses};
    size_t mark = arena_mark(tape->arena);
    real *sum = arena_take(tape->arena, (d + 1) * sizeof(real));
    uint32_t point = 0;
    for (uint32_t user = 0; user < batch->users; user++) {
        memset(sum, 0, (d + 1) * sizeof(real));
        for (uint32_t event = batch->offsets[user]; event < batch->offsets[user + 1]; event++) {
            kernel_pool_absorb(sum, sum + d, x->data + (size_t)event * d,
                               keep_before(pool, batch, event), d);
            if (point == count || points[point] != event) continue;
            masses[point] = sum[d];
            kernel_pool_read(y->data + (size_t)point * d, sum, sum[d], d);
            point++;
        }
    }
    arena_release(tape->arena, mark);
    tape_record(tape, (struct node){pool_steps_backward, y, {x}, pass});
    return y;
}

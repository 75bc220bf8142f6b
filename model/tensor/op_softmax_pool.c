/* op_softmax_pool.c - softmax pools on states, and over whole sequences with a gradient. */
#include "model/tensor/op_softmax_pool.h"

#include <string.h>

#include "model/kernel/kernel.h"
#include "model/kernel/kernel_pool.h"

/* Pool `pool` of those that begin at `at`. */
static struct softmax_pool pool_of(const struct softmax_pools *pools, real *at, uint32_t pool)
{
    const size_t sums = 2 * (size_t)pools->pools;
    return (struct softmax_pool){at + pool, at + pools->pools + pool,
                                 at + sums + (size_t)pool * pools->width};
}

/* Reals of one user's pools. */
static size_t size_of(const struct softmax_pools *pools)
{
    return (size_t)pools->pools * (2 + pools->width);
}

static bool is_chosen(const uint32_t *chosen, uint32_t event, uint32_t pool)
{
    return !chosen || chosen[event] == pool;
}

/* One event into the pools at `at`; `steps` [pools], if not NULL, is what it did to those chosen. */
static void absorb_event(const struct softmax_pools *pools, real *at, const struct tensor *x,
                         const struct tensor *score, const uint32_t *chosen, uint32_t event,
                         struct softmax_step *steps)
{
    for (uint32_t pool = 0; pool < pools->pools; pool++) {
        if (!is_chosen(chosen, event, pool)) continue;
        const struct softmax_step step = kernel_softmax_pool_absorb(
            pool_of(pools, at, pool), x->data + (size_t)event * pools->width,
            score->data[(size_t)event * pools->pools + pool], pools->width);
        if (steps) steps[pool] = step;
    }
}

static void read_pools(const struct softmax_pools *pools, real *y, const real *at)
{
    for (uint32_t pool = 0; pool < pools->pools; pool++, y += pools->width) {
        const struct softmax_pool from = pool_of(pools, (real *)at, pool);
        kernel_pool_read(y, from.sum, *from.weight, pools->width);
    }
}

static void check_shapes(const struct softmax_pools *pools, const struct tensor *x,
                         const struct tensor *score, const struct behavior_batch *batch)
{
    REQUIRE(x->cols == pools->width && score->cols == pools->pools);
    REQUIRE(x->rows == batch->offsets[batch->users] && score->rows == x->rows);
}

void op_softmax_pool_absorb(struct tape *tape, const struct softmax_pools *pools, struct tensor *x,
                            struct tensor *score, const uint32_t *chosen, real *const *states,
                            const struct behavior_batch *batch)
{
    REQUIRE(!tape_records(tape));
    check_shapes(pools, x, score, batch);
    for (uint32_t user = 0; user < batch->users; user++) {
        for (uint32_t event = batch->offsets[user]; event < batch->offsets[user + 1]; event++) {
            absorb_event(pools, states[user] + pools->at, x, score, chosen, event, NULL);
        }
    }
}

struct tensor *op_softmax_pool_read(struct tape *tape, const struct softmax_pools *pools,
                                    const real *const *states, uint32_t users)
{
    struct tensor *y = tape_tensor(tape, users * pools->pools, pools->width);
    for (uint32_t user = 0; user < users; user++) {
        read_pools(pools, y->data + (size_t)user * pools->pools * pools->width,
                   states[user] + pools->at);
    }
    return y;
}

/* What a recorded pass over sequences needs again. */
struct pools_pass {
    struct softmax_pools pools;
    const uint32_t *chosen;
    const uint32_t *points;
    const struct behavior_batch *batch;
    struct softmax_step *steps; /* [events, pools] */
    real *weights;              /* [points, pools] */
};

/* The gradient of the pools of one user, on its way from its last event to its first. */
struct pools_walk {
    const struct pools_pass *pass;
    const struct node *node;
    real *dx, *d_score; /* of all events */
    real *d_weight;     /* [pools] */
    real *d_sum;        /* [pools, width] */
};

static struct softmax_pool_gradient gradient_of(const struct pools_walk *walk, uint32_t pool)
{
    return (struct softmax_pool_gradient){walk->d_sum + (size_t)pool * walk->pass->pools.width,
                                          walk->d_weight + pool};
}

static void point_backward(const struct pools_walk *walk, uint32_t point)
{
    const struct softmax_pools *pools = &walk->pass->pools;
    const struct tensor *y = walk->node->output;
    for (uint32_t pool = 0; pool < pools->pools; pool++) {
        const size_t row = (size_t)point * pools->pools + pool;
        const real weight = walk->pass->weights[row];
        if (weight == 0) continue;
        kernel_softmax_pool_read_backward(gradient_of(walk, pool), y->gradient + row * y->cols,
                                          y->data + row * y->cols, weight, y->cols);
    }
}

static void event_backward(const struct pools_walk *walk, uint32_t event)
{
    const struct softmax_pools *pools = &walk->pass->pools;
    const size_t row = (size_t)event * pools->width;
    for (uint32_t pool = 0; pool < pools->pools; pool++) {
        const size_t cell = (size_t)event * pools->pools + pool;
        if (!is_chosen(walk->pass->chosen, event, pool)) continue;
        kernel_softmax_pool_backward(gradient_of(walk, pool), walk->dx ? walk->dx + row : NULL,
                                     walk->d_score ? walk->d_score + cell : NULL,
                                     walk->pass->steps[cell], walk->node->inputs[0]->data + row,
                                     pools->width);
    }
}

static void steps_backward(struct tape *tape, const struct node *node)
{
    const struct pools_pass *pass = node->saved;
    const struct behavior_batch *batch = pass->batch;
    const size_t pools = pass->pools.pools, size = size_of(&pass->pools) * sizeof(real);
    struct pools_walk walk = {
        pass, node, tape_gradient(tape, node->inputs[0]), tape_gradient(tape, node->inputs[1]),
        NULL, NULL};
    const size_t mark = arena_mark(tape->arena);
    walk.d_weight = arena_take(tape->arena, size);
    walk.d_sum = walk.d_weight + pools;
    uint32_t point = node->output->rows / pass->pools.pools;
    for (uint32_t user = batch->users; user-- > 0;) {
        memset(walk.d_weight, 0, size);
        for (uint32_t event = batch->offsets[user + 1]; event-- > batch->offsets[user];) {
            if (point > 0 && pass->points[point - 1] == event) point_backward(&walk, --point);
            event_backward(&walk, event);
        }
    }
    arena_release(tape->arena, mark);
}

struct tensor *op_softmax_pool_steps(struct tape *tape, const struct softmax_pools *pools,
                                     struct tensor *x, struct tensor *score, const uint32_t *chosen,
                                     const uint32_t *points, uint32_t count,
                                     const struct behavior_batch *batch)
{
    const size_t each = pools->pools, d = pools->width, size = size_of(pools) * sizeof(real);
    check_shapes(pools, x, score, batch);
    struct tensor *y = tape_tensor(tape, count * pools->pools, pools->width);
    struct pools_pass *pass = arena_take(tape->arena, sizeof *pass);
    *pass = (struct pools_pass){*pools, chosen, points, batch, NULL, NULL};
    pass->steps = arena_take(tape->arena, x->rows * each * sizeof *pass->steps);
    pass->weights = arena_take(tape->arena, count * each * sizeof(real));
    const size_t mark = arena_mark(tape->arena);
    real *at = arena_take(tape->arena, size);
    uint32_t point = 0;
    for (uint32_t user = 0; user < batch->users; user++) {
        memset(at, 0, size);
        for (uint32_t event = batch->offsets[user]; event < batch->offsets[user + 1]; event++) {
            absorb_event(pools, at, x, score, chosen, event, pass->steps + event * each);
            if (point == count || points[point] != event) continue;
            memcpy(pass->weights + point * each, at + each, each * sizeof(real));
            read_pools(pools, y->data + point * each * d, at);
            point++;
        }
    }
    arena_release(tape->arena, mark);
    tape_record(tape, (struct node){steps_backward, y, {x, score}, pass});
    return y;
}

/* op_ring.c - a diagonal linear recurrence on states, and over whole sequences with a gradient. */
#include "model/tensor/op_ring.h"

#include <string.h>

static struct ring_factors make_factors(const struct ring *ring, struct arena *arena)
{
    const uint32_t n = ring->decay->spec.shape[0];
    real *at = arena_take(arena, 3 * (size_t)n * sizeof(real));
    const struct ring_factors factors = {at, at + n, at + 2 * (size_t)n};
    kernel_ring_make(factors, ring->decay->data, ring->phase->data, ring->gain->data, n);
    return factors;
}

enum status ring_open(struct ring *ring, const struct param *decay, const struct param *phase,
                      const struct param *gain, size_t at, struct error *error)
{
    *ring = (struct ring){.decay = decay, .phase = phase, .gain = gain, .at = at};
    TRY(arena_open(&ring->arena, 3 * decay->count * sizeof(real), error));
    ring->factors = make_factors(ring, &ring->arena);
    return STATUS_OK;
}

void ring_close(struct ring *ring)
{
    arena_close(&ring->arena);
}

/* What a recorded pass needs again; its inputs are w, decay, phase and gain. */
struct ring_pass {
    const struct behavior_batch *batch;
    struct ring_factors factors;
};

static void ring_backward(struct tape *tape, const struct node *node)
{
    const struct ring_pass *pass = node->saved;
    const struct behavior_batch *batch = pass->batch;
    struct tensor *w = node->inputs[0], *decay = node->inputs[1], *phase = node->inputs[2];
    const struct tensor *y = node->output;
    const uint32_t n = decay->cols;
    const size_t row = 2 * (size_t)n;
    real *dw = tape_gradient(tape, w);
    const size_t mark = arena_mark(tape->arena);
    real *d_factors = arena_take(tape->arena, 3 * (size_t)n * sizeof(real));
    real *dy = arena_take(tape->arena, row * sizeof(real));
    memset(d_factors, 0, 3 * (size_t)n * sizeof(real));
    for (uint32_t user = 0; user < batch->users; user++) {
        memset(dy, 0, row * sizeof(real));
        for (uint32_t event = batch->offsets[user + 1]; event-- > batch->offsets[user];) {
            const size_t at = event * row;
            const real *h = event > batch->offsets[user] ? y->data + at - row : NULL;
            kernel_add(dy, y->gradient + at, row);
            kernel_ring_backward(dy, d_factors, dw ? dw + at : NULL, h, w->data + at, pass->factors,
                                 n);
        }
    }
    const struct ring_gradients gradients = {tape_gradient(tape, decay), tape_gradient(tape, phase),
                                             tape_gradient(tape, node->inputs[3])};
    kernel_ring_make_backward(gradients, d_factors, pass->factors, decay->data, phase->data, n);
    arena_release(tape->arena, mark);
}

static struct tensor *ring_of_sequences(struct tape *tape, const struct ring *ring,
                                        struct tensor *w, const struct behavior_batch *batch)
{
    const uint32_t n = w->cols / 2;
    struct tensor *y = tape_tensor(tape, w->rows, w->cols);
    struct ring_pass *pass = arena_take(tape->arena, sizeof *pass);
    *pass = (struct ring_pass){batch, make_factors(ring, tape->arena)};
    real *zeros = arena_take(tape->arena, w->cols * sizeof(real));
    memset(zeros, 0, w->cols * sizeof(real));
    for (uint32_t user = 0; user < batch->users; user++) {
        const real *h = zeros;
        for (uint32_t event = batch->offsets[user]; event < batch->offsets[user + 1]; event++) {
            const size_t at = (size_t)event * w->cols;
            kernel_ring_step(y->data + at, h, w->data + at, pass->factors, n);
            h = y->data + at;
        }
    }
    if (tape_records(tape)) {
        struct tensor *const params[] = {tape_param(tape, ring->decay),
                                         tape_param(tape, ring->phase),
                                         tape_param(tape, ring->gain)};
        tape_record(tape,
                    (struct node){ring_backward, y, {w, params[0], params[1], params[2]}, pass});
    }
    return y;
}

struct tensor *op_ring(struct tape *tape, const struct ring *ring, struct tensor *w,
                       real *const *states, const struct behavior_batch *batch)
{
    const uint32_t n = ring->decay->spec.shape[0];
    REQUIRE(w->cols == 2 * n && w->rows == batch->offsets[batch->users]);
    if (!states) return ring_of_sequences(tape, ring, w, batch);
    REQUIRE(!tape_records(tape));
    struct tensor *y = tape_tensor(tape, w->rows, w->cols);
    for (uint32_t user = 0; user < batch->users; user++) {
        real *h = states[user] + ring->at;
        for (uint32_t event = batch->offsets[user]; event < batch->offsets[user + 1]; event++) {
            const size_t at = (size_t)event * w->cols;
            kernel_ring_step(h, h, w->data + at, ring->factors, n);
            memcpy(y->data + at, h, w->cols * sizeof(real));
        }
    }
    return y;
}

/*
 * kernel_delta.c - the gated delta rule, event by event.
 *
 * Columns of a head's s (value coordinates) do not see each other, so they are taken two vectors at
 * a time: a first walk down the rows asks what the memory answers for k, a second one fades each
 * row, adds its part of the correction and lets q read it. Where the width of a head leaves a rest,
 * scalar code does the same operations in the same order.
 */
#include "model/kernel/kernel_delta.h"

#include "model/kernel/special.h"
#include "model/kernel/vector.h"

/* What one call does: write k and v, read with q, or both. */
enum pass { ABSORB = 1, READ = 2 };

/* One event at one head. */
struct event {
    const real *q;
    const real *k;
    const real *v;
    real alpha;
    real beta;
};

/* `vecs` vectors of value coordinates from `at` on. `pass` and `vecs` are constants here. */
static inline __attribute__((always_inline)) void walk_vectors(const int pass, const int vecs,
                                                               uint32_t at, real *y, real *s,
                                                               const struct event *event,
                                                               const uint32_t width)
{
    const vec alpha = vec_all(event->alpha);
    vec correction[2], sum[2];
    for (int j = 0; j < vecs; j++) {
        correction[j] = sum[j] = vec_all(0);
    }
    for (uint32_t i = 0; pass & ABSORB && i < width; i++) {
        for (int j = 0; j < vecs; j++) {
            vec row = vec_load(s + (size_t)i * width + at + j * LANES);
            correction[j] = vec_fma(vec_all(event->k[i]), row, correction[j]);
        }
    }
    for (int j = 0; pass & ABSORB && j < vecs; j++) {
        vec v = vec_load(event->v + at + j * LANES);
        correction[j] = vec_all(event->beta) * (v - alpha * correction[j]);
    }
    for (uint32_t i = 0; i < width; i++) {
        for (int j = 0; j < vecs; j++) {
            real *cell = s + (size_t)i * width + at + j * LANES;
            vec row = vec_load(cell);
            if (pass & ABSORB) {
                row = vec_fma(vec_all(event->k[i]), correction[j], alpha * row);
                vec_store(cell, row);
            }
            if (pass & READ) sum[j] = vec_fma(vec_all(event->q[i]), row, sum[j]);
        }
    }
    for (int j = 0; pass & READ && j < vecs; j++) {
        vec_store(y + at + j * LANES, sum[j]);
    }
}

/* The value coordinate `at`. */
static inline void walk_scalar(const int pass, uint32_t at, real *y, real *s,
                               const struct event *event, uint32_t width)
{
    real correction = 0, sum = 0;
    for (uint32_t i = 0; pass & ABSORB && i < width; i++) {
        correction = REAL_FMA(event->k[i], s[(size_t)i * width + at], correction);
    }
    if (pass & ABSORB) correction = event->beta * (event->v[at] - event->alpha * correction);
    for (uint32_t i = 0; i < width; i++) {
        real *cell = s + (size_t)i * width + at;
        if (pass & ABSORB) *cell = REAL_FMA(event->k[i], correction, event->alpha * *cell);
        if (pass & READ) sum = REAL_FMA(event->q[i], *cell, sum);
    }
    if (pass & READ) y[at] = sum;
}

static inline __attribute__((always_inline)) void walk_head(const int pass, real *y, real *s,
                                                            const struct event *event,
                                                            const uint32_t width)
{
    uint32_t at = 0;
    for (; at + 2 * LANES <= width; at += 2 * LANES) {
        walk_vectors(pass, 2, at, y, s, event, width);
    }
    for (; at + LANES <= width; at += LANES) {
        walk_vectors(pass, 1, at, y, s, event, width);
    }
    for (; at < width; at++) {
        walk_scalar(pass, at, y, s, event, width);
    }
}

/* The usual width is a constant of its own, which unrolls the walk. */
static inline __attribute__((always_inline)) void walk(const int pass, real *y, real *s,
                                                       struct event event, uint32_t width)
{
    if (width == 16) {
        walk_head(pass, y, s, &event, 16);
    } else {
        walk_head(pass, y, s, &event, width);
    }
}

void kernel_delta_absorb(real *restrict s, const real *k, const real *v, const real *alpha,
                         const real *beta, uint32_t heads, uint32_t width)
{
    for (uint32_t h = 0, at = 0; h < heads; h++, at += width) {
        struct event event = {.k = k + at, .v = v + at, .alpha = alpha[h], .beta = beta[h]};
        walk(ABSORB, NULL, s + (size_t)at * width, event, width);
    }
}

void kernel_delta_step(real *restrict y, real *restrict s, const real *q, const real *k,
                       const real *v, const real *alpha, const real *beta, uint32_t heads,
                       uint32_t width)
{
    for (uint32_t h = 0, at = 0; h < heads; h++, at += width) {
        struct event event = {q + at, k + at, v + at, alpha[h], beta[h]};
        walk(ABSORB | READ, y + at, s + (size_t)at * width, event, width);
    }
}

void kernel_delta_read(real *restrict y, const real *s, const real *q, uint32_t heads,
                       uint32_t width)
{
    for (uint32_t h = 0, at = 0; h < heads; h++, at += width) {
        struct event event = {.q = q + at};
        walk(READ, y + at, (real *)s + (size_t)at * width, event, width);
    }
}

void kernel_delta_gates(real *restrict alpha, real *restrict beta, const real *write,
                        const real *forget, const real *rate, real days, uint32_t heads)
{
    for (uint32_t h = 0; h < heads; h++) {
        alpha[h] = exp_of(-(rate[h] * days) - softplus_of(forget[h]));
        beta[h] = sigmoid_of(write[h]);
    }
}

void kernel_delta_gates_backward(real *restrict d_write, real *restrict d_forget,
                                 real *restrict d_rate, const real *d_alpha, const real *d_beta,
                                 const real *alpha, const real *beta, const real *forget, real days,
                                 uint32_t heads)
{
    for (uint32_t h = 0; h < heads; h++) {
        const real d_exponent = -d_alpha[h] * alpha[h];
        if (d_forget) d_forget[h] += d_exponent * sigmoid_of(forget[h]);
        if (d_write) d_write[h] += d_beta[h] * beta[h] * (1 - beta[h]);
        if (d_rate) d_rate[h] += d_exponent * days;
    }
}

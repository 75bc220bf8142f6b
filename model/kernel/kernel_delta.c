/*
 * kernel_delta.c - the gated delta rule, event by event.
 *
 * Columns of a head's s (value coordinates) do not see each other, so they are taken a vector at a
 * time: a first walk down the rows asks what the memory answers for k, a second one fades each row,
 * adds its part of the correction and lets q read it.
 */
#include "model/kernel/kernel_delta.h"

#include "model/kernel/special.h"
#include "model/kernel/walk.h"

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

/* One vector of value coordinates from `at` on: `some` of its lanes, or 0 for all of them. */
WALK_INLINE void walk_vector(const int pass, uint32_t at, const uint32_t some, real *y, real *s,
                             const struct event *event, const uint32_t width)
{
    const vec alpha = vec_all(event->alpha);
    vec correction = vec_all(0), sum = vec_all(0);
    for (uint32_t i = 0; pass & ABSORB && i < width; i++) {
        vec row = walk_load(s + (size_t)i * width + at, some);
        correction = vec_fma(vec_all(event->k[i]), row, correction);
    }
    if (pass & ABSORB) {
        vec wrong = vec_subtract(walk_load(event->v + at, some), vec_multiply(alpha, correction));
        correction = vec_multiply(vec_all(event->beta), wrong);
    }
    for (uint32_t i = 0; i < width; i++) {
        real *cell = s + (size_t)i * width + at;
        vec row = walk_load(cell, some);
        if (pass & ABSORB) {
            row = vec_fma(vec_all(event->k[i]), correction, vec_multiply(alpha, row));
            walk_store(cell, row, some);
        }
        if (pass & READ) sum = vec_fma(vec_all(event->q[i]), row, sum);
    }
    if (pass & READ) walk_store(y + at, sum, some);
}

WALK_INLINE void walk_head(const int pass, real *y, real *s, const struct event *event,
                           const uint32_t width)
{
    uint32_t at = 0;
    for (; at + LANES <= width; at += LANES) {
        walk_vector(pass, at, 0, y, s, event, width);
    }
    if (at < width) walk_vector(pass, at, width - at, y, s, event, width);
}

/* The usual width is a constant of its own, which unrolls the walk. */
WALK_INLINE void walk(const int pass, real *y, real *s, struct event event, uint32_t width)
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

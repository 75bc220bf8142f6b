/*
 * kernel_attention.c - linear attention over a user's running sums (models.md 5.1).
 *
 * A head's s is walked once, two vectors of value coordinates at a time: each of its rows is loaded,
 * raised by k_i v, stored, and added to the read with q_i. Where the width of a head leaves a rest,
 * scalar code does the same operations in the same order.
 */
#include "model/tensor/kernel.h"

#include "model/tensor/vector.h"

static const real EVIDENCE_MIN = (real)1e-10; /* keeps the quotient finite */

/* What one pass over s does: raise it by k^T v, read it with q, or both. */
enum pass { ABSORB = 1, READ = 2 };

/* `vecs` vectors of value coordinates from `at` on. `pass` and `vecs` are constants here. */
static inline __attribute__((always_inline)) void walk_vectors(const int pass, const int vecs,
                                                               uint32_t at, real *y, real *s,
                                                               const real *q, const real *k,
                                                               const real *v, const uint32_t width)
{
    vec value[2], sum[2];
    for (int j = 0; j < vecs; j++) {
        if (pass & ABSORB) value[j] = vec_load(v + at + j * LANES);
        sum[j] = vec_all(0);
    }
    for (uint32_t i = 0; i < width; i++) {
        for (int j = 0; j < vecs; j++) {
            real *cell = s + (size_t)i * width + at + j * LANES;
            vec row = vec_load(cell);
            if (pass & ABSORB) {
                row = vec_fma(vec_all(k[i]), value[j], row);
                vec_store(cell, row);
            }
            if (pass & READ) sum[j] = vec_fma(vec_all(q[i]), row, sum[j]);
        }
    }
    for (int j = 0; pass & READ && j < vecs; j++) {
        vec_store(y + at + j * LANES, sum[j]);
    }
}

/* The value coordinate `at`. */
static inline void walk_scalar(const int pass, uint32_t at, real *y, real *s, const real *q,
                               const real *k, const real *v, uint32_t width)
{
    real sum = 0;
    for (uint32_t i = 0; i < width; i++) {
        real *cell = s + (size_t)i * width + at;
        if (pass & ABSORB) *cell = REAL_FMA(k[i], v[at], *cell);
        if (pass & READ) sum = REAL_FMA(q[i], *cell, sum);
    }
    if (pass & READ) y[at] = sum;
}

/* One head. Returns <z, q>. */
static inline __attribute__((always_inline)) real walk_head(const int pass, real *y, real *s,
                                                            real *z, const real *q, const real *k,
                                                            const real *v, const uint32_t width)
{
    uint32_t at = 0;
    for (; at + 2 * LANES <= width; at += 2 * LANES) {
        walk_vectors(pass, 2, at, y, s, q, k, v, width);
    }
    for (; at + LANES <= width; at += LANES) {
        walk_vectors(pass, 1, at, y, s, q, k, v, width);
    }
    for (; at < width; at++) {
        walk_scalar(pass, at, y, s, q, k, v, width);
    }
    for (uint32_t i = 0; pass & ABSORB && i < width; i++) {
        z[i] += k[i];
    }
    if (!(pass & READ)) return 0;
    real evidence = vec_dot(z, q, width);
    for (uint32_t i = 0; i < width; i++) {
        y[i] /= evidence + EVIDENCE_MIN;
    }
    return evidence;
}

/* All heads. The usual width is a constant of its own, which unrolls the walk. */
static inline __attribute__((always_inline)) real walk(const int pass, real *y, real *s, real *z,
                                                       const real *q, const real *k, const real *v,
                                                       uint32_t heads, uint32_t width)
{
    real evidence = 0;
    for (uint32_t head = 0; head < heads; head++) {
        evidence += width == 16 ? walk_head(pass, y, s, z, q, k, v, 16)
                                : walk_head(pass, y, s, z, q, k, v, width);
        s += (size_t)width * width;
        z += width;
        if (pass & READ) y += width, q += width;
        if (pass & ABSORB) k += width, v += width;
    }
    return evidence;
}

void kernel_attention_absorb(real *restrict s, real *restrict z, const real *k, const real *v,
                             uint32_t heads, uint32_t width)
{
    walk(ABSORB, NULL, s, z, NULL, k, v, heads, width);
}

void kernel_attention_step(real *restrict y, real *restrict s, real *restrict z, const real *q,
                           const real *k, const real *v, uint32_t heads, uint32_t width)
{
    walk(ABSORB | READ, y, s, z, q, k, v, heads, width);
}

real kernel_attention_read(real *restrict y, const real *s, const real *z, const real *q,
                           uint32_t heads, uint32_t width)
{
    return walk(READ, y, (real *)s, (real *)z, q, NULL, NULL, heads, width);
}

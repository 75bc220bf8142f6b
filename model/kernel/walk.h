/*
 * walk.h - a small square matrix of sums, raised by products and read by vectors in one walk.
 *
 * The matrix s of a recurrence is walked some vectors of columns at a time: each of its rows is
 * loaded, raised by k_i v of every k and v, stored, and added to each read y with q_i. How many
 * raise and read at once are constants where this is called, so that the reads stay in registers:
 * one alone waits for its own sum at every step, four keep the processor busy. Every element has
 * the same operations in the same order however many go together, and in a vector that the columns
 * do not fill.
 */
#ifndef MODEL_KERNEL_WALK_H
#define MODEL_KERNEL_WALK_H

#include <stddef.h>
#include <stdint.h>

#include "model/kernel/vector.h"

enum { WALK_TOGETHER = 4 }; /* vectors that raise, or read, in one walk */
#ifdef __AVX512F__
enum { WALK_VECS = 2 }; /* of columns, whose sums stay in registers */
#else
enum { WALK_VECS = 1 };
#endif

struct walk {
    real *s;           /* [width, width] */
    const real *k, *v; /* s += k^T v: the n-th of them lies n times the step after the first */
    size_t k_step, v_step;
    const real *q; /* y = q s, after all raises */
    real *y;
    size_t q_step, y_step;
};

#define WALK_INLINE static inline __attribute__((always_inline))

/* A vector, or the first `some` of its lanes; 0, a constant where it is meant, is all of them. */
WALK_INLINE vec walk_load(const real *at, const uint32_t some)
{
    return some ? vec_load_some(at, some) : vec_load(at);
}

WALK_INLINE void walk_store(real *at, vec x, const uint32_t some)
{
    if (some) {
        vec_store_some(at, x, some);
    } else {
        vec_store(at, x);
    }
}

/* `vecs` vectors of columns from `at` on; of one vector, only the first `some` if that is not 0. */
WALK_INLINE void walk_vectors(const int raises, const int reads, const int vecs, uint32_t at,
                              const uint32_t some, const struct walk *w, const uint32_t width)
{
    vec value[WALK_TOGETHER][WALK_VECS], sum[WALK_TOGETHER][WALK_VECS];
#pragma GCC unroll 2
    for (int j = 0; j < vecs; j++) {
#pragma GCC unroll 4
        for (int n = 0; n < raises; n++) {
            value[n][j] = walk_load(w->v + (size_t)n * w->v_step + at + j * LANES, some);
        }
#pragma GCC unroll 4
        for (int n = 0; n < reads; n++) {
            sum[n][j] = vec_all(0);
        }
    }
    for (uint32_t i = 0; i < width; i++) {
#pragma GCC unroll 2
        for (int j = 0; j < vecs; j++) {
            real *cell = w->s + (size_t)i * width + at + j * LANES;
            vec row = walk_load(cell, some);
#pragma GCC unroll 4
            for (int n = 0; n < raises; n++) {
                row = vec_fma(vec_all(w->k[(size_t)n * w->k_step + i]), value[n][j], row);
            }
            if (raises > 0) walk_store(cell, row, some);
#pragma GCC unroll 4
            for (int n = 0; n < reads; n++) {
                sum[n][j] = vec_fma(vec_all(w->q[(size_t)n * w->q_step + i]), row, sum[n][j]);
            }
        }
    }
#pragma GCC unroll 4
    for (int n = 0; n < reads; n++) {
#pragma GCC unroll 2
        for (int j = 0; j < vecs; j++) {
            walk_store(w->y + (size_t)n * w->y_step + at + j * LANES, sum[n][j], some);
        }
    }
}

/* All of s, once. */
WALK_INLINE void walk_matrix(const int raises, const int reads, const struct walk *w,
                             const uint32_t width)
{
    uint32_t at = 0;
    for (; at + WALK_VECS * LANES <= width; at += WALK_VECS * LANES) {
        walk_vectors(raises, reads, WALK_VECS, at, 0, w, width);
    }
    for (; at + LANES <= width; at += LANES) {
        walk_vectors(raises, reads, 1, at, 0, w, width);
    }
    if (at < width) walk_vectors(raises, reads, 1, at, width - at, w, width);
}

/* s += the sum of `count` products. */
WALK_INLINE void walk_raise(struct walk w, uint32_t count, const uint32_t width)
{
    for (; count >= WALK_TOGETHER; count -= WALK_TOGETHER) {
        walk_matrix(WALK_TOGETHER, 0, &w, width);
        w.k += WALK_TOGETHER * w.k_step;
        w.v += WALK_TOGETHER * w.v_step;
    }
    for (; count > 0; count--) {
        walk_matrix(1, 0, &w, width);
        w.k += w.k_step;
        w.v += w.v_step;
    }
}

/* `count` reads. */
WALK_INLINE void walk_read(struct walk w, uint32_t count, const uint32_t width)
{
    for (; count >= WALK_TOGETHER; count -= WALK_TOGETHER) {
        walk_matrix(0, WALK_TOGETHER, &w, width);
        w.q += WALK_TOGETHER * w.q_step;
        w.y += WALK_TOGETHER * w.y_step;
    }
    for (; count > 0; count--) {
        walk_matrix(0, 1, &w, width);
        w.q += w.q_step;
        w.y += w.y_step;
    }
}

/* `raises` products, then `reads` reads. */
WALK_INLINE void walk_raise_and_read(struct walk w, uint32_t raises, uint32_t reads,
                                     const uint32_t width)
{
    if (raises == 1 && reads == 1) {
        walk_matrix(1, 1, &w, width);
    } else {
        walk_raise(w, raises, width);
        walk_read(w, reads, width);
    }
}

#endif

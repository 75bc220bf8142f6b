/*
 * vector.h - one 256-bit register of reals, for the loops that the compiler may not reorder.
 *
 * Sums need a fixed order of their terms, and products an explicit fused multiply-add (the library
 * is compiled with -ffp-contract=off): both are written here by hand. Elementwise loops are left to
 * the compiler, which gives each element the same value in a vector body and in its scalar tail.
 */
#ifndef MODEL_KERNEL_VECTOR_H
#define MODEL_KERNEL_VECTOR_H

#include <immintrin.h>
#include <stdint.h>

#include "model/kernel/real.h"

#ifdef REAL_IS_DOUBLE
typedef __m256d vec;
#define VEC_LOAD  _mm256_loadu_pd
#define VEC_STORE _mm256_storeu_pd
#define VEC_ALL   _mm256_set1_pd
#define VEC_FMA   _mm256_fmadd_pd
#define REAL_FMA  __builtin_fma
#define REAL_SQRT __builtin_sqrt
#else
typedef __m256 vec;
#define VEC_LOAD  _mm256_loadu_ps
#define VEC_STORE _mm256_storeu_ps
#define VEC_ALL   _mm256_set1_ps
#define VEC_FMA   _mm256_fmadd_ps
#define REAL_FMA  __builtin_fmaf
#define REAL_SQRT __builtin_sqrtf
#endif

enum { LANES = sizeof(vec) / sizeof(real) };

static inline vec vec_load(const real *at)
{
    return VEC_LOAD(at);
}

static inline void vec_store(real *at, vec x)
{
    VEC_STORE(at, x);
}

static inline vec vec_all(real x)
{
    return VEC_ALL(x);
}

/* a b + c, rounded once. */
static inline vec vec_fma(vec a, vec b, vec c)
{
    return VEC_FMA(a, b, c);
}

/* The lanes added in pairs: halves, then quarters, then neighbors. */
static inline real vec_sum(vec x)
{
#ifdef REAL_IS_DOUBLE
    __m128d half = _mm256_castpd256_pd128(x) + _mm256_extractf128_pd(x, 1);
    return half[0] + half[1];
#else
    __m128 half = _mm256_castps256_ps128(x) + _mm256_extractf128_ps(x, 1);
    __m128 quarter = half + _mm_movehl_ps(half, half);
    return quarter[0] + quarter[1];
#endif
}

/* Sum of a_i b_i over n: lane by lane, then the lanes, then the tail. */
static inline real vec_dot(const real *a, const real *b, uint32_t n)
{
    vec sum = vec_all(0);
    uint32_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        sum = vec_fma(vec_load(a + i), vec_load(b + i), sum);
    }
    real total = vec_sum(sum);
    for (; i < n; i++) {
        total = REAL_FMA(a[i], b[i], total);
    }
    return total;
}

#endif

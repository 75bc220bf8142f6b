/*
 * vector.h - a cache line of reals at once, for the loops that the compiler may not reorder.
 *
 * A vec is 16 floats on every processor: one register of AVX-512, or two of AVX2. So sums across
 * lanes have one shape, and what is written in vecs gives the same bytes at either width. Sums need
 * a fixed order of their terms, and products an explicit fused multiply-add (the library is
 * compiled with -ffp-contract=off): both are written here by hand. Elementwise loops are left to
 * the compiler, which gives each element the same value in a vector body and in its scalar tail.
 */
#ifndef MODEL_KERNEL_VECTOR_H
#define MODEL_KERNEL_VECTOR_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "model/kernel/real.h"

#ifdef REAL_IS_DOUBLE
typedef __m256d half; /* of a vec */
#define HALF(operation) _mm256_##operation##_pd
#define FULL(operation) _mm512_##operation##_pd
#define REAL_FMA        __builtin_fma
#define REAL_SQRT       __builtin_sqrt
#else
typedef __m256 half;
#define HALF(operation) _mm256_##operation##_ps
#define FULL(operation) _mm512_##operation##_ps
#define REAL_FMA        __builtin_fmaf
#define REAL_SQRT       __builtin_sqrtf
#endif

enum { HALF_LANES = sizeof(half) / sizeof(real), LANES = 2 * HALF_LANES };

/* The lanes added in pairs: halves, then neighbors. */
static inline real half_sum(half x)
{
#ifdef REAL_IS_DOUBLE
    __m128d quarter = _mm256_castpd256_pd128(x) + _mm256_extractf128_pd(x, 1);
    return quarter[0] + quarter[1];
#else
    __m128 quarter = _mm256_castps256_ps128(x) + _mm256_extractf128_ps(x, 1);
    __m128 eighth = quarter + _mm_movehl_ps(quarter, quarter);
    return eighth[0] + eighth[1];
#endif
}

#ifdef __AVX512F__

#ifdef REAL_IS_DOUBLE
typedef __m512d vec;
typedef __mmask8 vec_mask;
#define VEC_LOW(x)  _mm512_castpd512_pd256(x)
#define VEC_HIGH(x) _mm512_extractf64x4_pd(x, 1)
#else
typedef __m512 vec;
typedef __mmask16 vec_mask;
#define VEC_LOW(x)  _mm512_castps512_ps256(x)
#define VEC_HIGH(x) _mm512_extractf32x8_ps(x, 1)
#endif

static inline vec vec_load(const real *at)
{
    return FULL(loadu)(at);
}

static inline void vec_store(real *at, vec x)
{
    FULL(storeu)(at, x);
}

/* The first n < LANES, zeros in the rest. */
static inline vec vec_load_some(const real *at, uint32_t n)
{
    return FULL(maskz_loadu)((vec_mask)((1U << n) - 1), at);
}

static inline void vec_store_some(real *at, vec x, uint32_t n)
{
    FULL(mask_storeu)(at, (vec_mask)((1U << n) - 1), x);
}

static inline vec vec_all(real x)
{
    return FULL(set1)(x);
}

/* a b + c, rounded once. */
static inline vec vec_fma(vec a, vec b, vec c)
{
    return FULL(fmadd)(a, b, c);
}

static inline vec vec_add(vec a, vec b)
{
    return FULL(add)(a, b);
}

static inline vec vec_subtract(vec a, vec b)
{
    return FULL(sub)(a, b);
}

static inline vec vec_multiply(vec a, vec b)
{
    return FULL(mul)(a, b);
}

static inline vec vec_divide(vec a, vec b)
{
    return FULL(div)(a, b);
}

/* The lanes added in pairs: halves, then quarters, ..., then neighbors. */
static inline real vec_sum(vec x)
{
    return half_sum(HALF(add)(VEC_LOW(x), VEC_HIGH(x)));
}

#else

typedef struct {
    half low, high;
} vec;

static inline vec vec_load(const real *at)
{
    return (vec){HALF(loadu)(at), HALF(loadu)(at + HALF_LANES)};
}

static inline void vec_store(real *at, vec x)
{
    HALF(storeu)(at, x.low);
    HALF(storeu)(at + HALF_LANES, x.high);
}

/* The first n <= HALF_LANES, zeros in the rest. */
static inline half half_load_some(const real *at, uint32_t n)
{
#ifdef REAL_IS_DOUBLE
    static const int64_t lanes[2 * HALF_LANES] = {-1, -1, -1, -1};
#else
    static const int32_t lanes[2 * HALF_LANES] = {-1, -1, -1, -1, -1, -1, -1, -1};
#endif
    return HALF(maskload)(at, _mm256_loadu_si256((const void *)(lanes + HALF_LANES - n)));
}

static inline vec vec_load_some(const real *at, uint32_t n)
{
    if (n <= HALF_LANES) return (vec){half_load_some(at, n), HALF(setzero)()};
    return (vec){HALF(loadu)(at), half_load_some(at + HALF_LANES, n - HALF_LANES)};
}

static inline void vec_store_some(real *at, vec x, uint32_t n)
{
    if (n >= HALF_LANES) {
        HALF(storeu)(at, x.low);
        at += HALF_LANES;
        n -= HALF_LANES;
        x.low = x.high;
    }
    memcpy(at, &x.low, n * sizeof(real));
}

static inline vec vec_all(real x)
{
    return (vec){HALF(set1)(x), HALF(set1)(x)};
}

static inline vec vec_fma(vec a, vec b, vec c)
{
    return (vec){HALF(fmadd)(a.low, b.low, c.low), HALF(fmadd)(a.high, b.high, c.high)};
}

static inline vec vec_add(vec a, vec b)
{
    return (vec){HALF(add)(a.low, b.low), HALF(add)(a.high, b.high)};
}

static inline vec vec_subtract(vec a, vec b)
{
    return (vec){HALF(sub)(a.low, b.low), HALF(sub)(a.high, b.high)};
}

static inline vec vec_multiply(vec a, vec b)
{
    return (vec){HALF(mul)(a.low, b.low), HALF(mul)(a.high, b.high)};
}

static inline vec vec_divide(vec a, vec b)
{
    return (vec){HALF(div)(a.low, b.low), HALF(div)(a.high, b.high)};
}

static inline real vec_sum(vec x)
{
    return half_sum(HALF(add)(x.low, x.high));
}

#endif

/* Sum of a_i b_i over n: lane by lane, the last vec filled up with zeros, then the lanes. */
static inline real vec_dot(const real *a, const real *b, uint32_t n)
{
    vec sum = vec_all(0);
    uint32_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        sum = vec_fma(vec_load(a + i), vec_load(b + i), sum);
    }
    if (i < n) sum = vec_fma(vec_load_some(a + i, n - i), vec_load_some(b + i, n - i), sum);
    return vec_sum(sum);
}

/* y += a x */
static inline void vec_add_scaled(real *restrict y, real a, const real *restrict x, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        y[i] = REAL_FMA(a, x[i], y[i]);
    }
}

#endif

/*
 * special.h - the library's own transcendental functions, one number at a time, for kernels.
 *
 * libm chooses its code by processor and is several times slower; these are a fixed sequence of
 * operations without a branch, which the compiler vectorizes where they stand in a loop, and which
 * give an element the same value in a vector body and in its scalar tail. Each follows from e^x and
 * log1p on [0, 1]. The double build has libm's functions here: it is what these are compared with.
 */
#ifndef MODEL_KERNEL_SPECIAL_H
#define MODEL_KERNEL_SPECIAL_H

#include <stdint.h>
#include <string.h>

#include "model/kernel/real.h"

#ifdef REAL_IS_DOUBLE

#include <math.h>

static inline real exp_of(real x)
{
    return exp(x);
}

static inline real log1p_of(real x)
{
    return log1p(x);
}

static inline real tanh_of(real x)
{
    return tanh(x);
}

static inline real erfc_of(real x)
{
    return erfc(x);
}

static inline double exp_double(double x)
{
    return exp(x);
}

static inline void turn_double(double angle, double *cosine, double *sine)
{
    *cosine = cos(angle);
    *sine = sin(angle);
}

#else

/*
 * e^x = 2^n e^r with n = round(x / ln 2), |r| <= ln 2 / 2. Adding 1.5 * 2^23 rounds to an integer
 * and leaves it in the low bits of the sum, from where it becomes the exponent of 2^n. ln 2 is
 * split so that n times its upper part is exact. e^r = 1 + r + r^2 q(r), q interpolating
 * (e^r - 1 - r) / r^2 at five Chebyshev nodes (error 1e-8) and evaluated in pairs, which shortens
 * the chain.
 * Relative error below 2e-7 in [-87, 88]; beyond, the value at that end.
 */
static inline real exp_of(real x)
{
    const float round = 0x1.8p23f;
    x = x > -87.0f ? x : -87.0f;
    x = x < 88.0f ? x : 88.0f;
    float shifted = __builtin_fmaf(x, 1.44269504f, round);
    float n = shifted - round;
    float r = __builtin_fmaf(n, -0.693359375f, x);
    r = __builtin_fmaf(n, 2.12194440e-4f, r);
    float r2 = r * r;
    float low = __builtin_fmaf(1.66665768e-1f, r, 0.5f);
    float high = __builtin_fmaf(8.36320297e-3f, r, 4.16665544e-2f);
    high = __builtin_fmaf(1.39262135e-3f, r2, high);
    float q = __builtin_fmaf(high, r2, low);
    float p = __builtin_fmaf(q, r2, r + 1.0f);
    uint32_t bits;
    memcpy(&bits, &shifted, sizeof(bits));
    bits = (bits + 127) << 23;
    float power;
    memcpy(&power, &bits, sizeof(power));
    return p * power;
}

/*
 * ln(1 + x) for x in [0, 1]: 2 atanh(s) with s = x / (2 + x) <= 1/3, its series beyond the first
 * term interpolated at four Chebyshev nodes in s^2. Relative error below 3e-7, also near zero.
 */
static inline real log1p_of(real x)
{
    float s = x / (2.0f + x);
    float z = s * s;
    float p = __builtin_fmaf(0.134257495f, z, 0.141183093f);
    p = __builtin_fmaf(p, z, 0.200037807f);
    p = __builtin_fmaf(p, z, 0.333333194f);
    s += s;
    return __builtin_fmaf(s * z, p, s);
}

/*
 * tanh x: for |x| < 5/8 an odd polynomial, which keeps small values accurate (five Chebyshev nodes
 * in x^2, error 2e-8); beyond, 1 - 2 / (e^2|x| + 1) with the sign of x. Relative error below 3e-7.
 */
static inline real tanh_of(real x)
{
    float size = __builtin_fabsf(x);
    float z = x * x;
    float p = __builtin_fmaf(-0.00609671418f, z, 0.0209971797f);
    p = __builtin_fmaf(p, z, -0.0538509078f);
    p = __builtin_fmaf(p, z, 0.133327693f);
    p = __builtin_fmaf(p, z, -0.333333284f);
    float near = __builtin_fmaf(x * z, p, x);
    float far = __builtin_copysignf(1.0f - 2.0f / (exp_of(2.0f * size) + 1.0f), x);
    return size < 0.625f ? near : far;
}

/*
 * erfc x, for |x| as t e^(p(t) - x^2) with t = 1 / (1 + |x| / 2); p interpolates at ten Chebyshev
 * nodes for |x| <= 13 (error 7e-8). Below zero 2 less that. Relative error below 1e-6 for |x| < 3,
 * absolute error below 4e-7 everywhere.
 */
static inline real erfc_of(real x)
{
    float size = __builtin_fabsf(x);
    float t = 1.0f / (1.0f + 0.5f * size);
    float p = __builtin_fmaf(0.167110807f, t, -0.799341134f);
    p = __builtin_fmaf(p, t, 1.42959598f);
    p = __builtin_fmaf(p, t, -1.05039901f);
    p = __builtin_fmaf(p, t, 0.204253061f);
    p = __builtin_fmaf(p, t, -0.144919679f);
    p = __builtin_fmaf(p, t, 0.0824400398f);
    p = __builtin_fmaf(p, t, 0.377064131f);
    p = __builtin_fmaf(p, t, 0.999693239f);
    p = __builtin_fmaf(p, t, -1.26549737f);
    float tail = t * exp_of(__builtin_fmaf(-size, size, p));
    return x < 0 ? 2.0f - tail : tail;
}

/*
 * For what is made once of parameters and then multiplied into states again and again: e^x and the
 * cosine and sine of an angle, to a few units in the last place of a double. Series around the
 * nearest multiple of ln 2, or of a quarter turn; |x| <= 700, |angle| < 2^50.
 */
static inline double exp_double(double x)
{
    const double round = 0x1.8p52;
    x = x > -700 ? x : -700;
    x = x < 700 ? x : 700;
    double shifted = __builtin_fma(x, 0x1.71547652b82fep0, round);
    double n = shifted - round;
    double r = __builtin_fma(n, -0x1.62e42fefa39efp-1, x);
    r = __builtin_fma(n, -0x1.abc9e3b39803fp-56, r);
    double sum = 1;
    for (int k = 14; k > 0; k--) {
        sum = __builtin_fma(sum, r / k, 1.0);
    }
    uint64_t bits;
    memcpy(&bits, &shifted, sizeof(bits));
    bits = (bits + 1023) << 52;
    double power;
    memcpy(&power, &bits, sizeof(power));
    return sum * power;
}

static inline void turn_double(double angle, double *cosine, double *sine)
{
    const double round = 0x1.8p52;
    double shifted = __builtin_fma(angle, 0x1.45f306dc9c883p-1, round);
    double n = shifted - round;
    double r = __builtin_fma(n, -0x1.921fb54442d18p0, angle);
    r = __builtin_fma(n, -0x1.1a62633145c07p-54, r);
    double square = r * r, c = 1, s = 1;
    for (int k = 18; k > 0; k -= 2) {
        c = __builtin_fma(c, -square / (k * (k - 1)), 1.0);
        s = __builtin_fma(s, -square / (k * (k + 1)), 1.0);
    }
    s *= r;
    uint64_t quarter;
    memcpy(&quarter, &shifted, sizeof(quarter));
    double x = quarter & 1 ? s : c, y = quarter & 1 ? c : s;
    *cosine = (quarter + 1) & 2 ? -x : x;
    *sine = quarter & 2 ? -y : y;
}

#endif

/* 1 / (1 + e^-x) */
static inline real sigmoid_of(real x)
{
    return 1 / (1 + exp_of(-x));
}

/* ln(1 + e^x), without overflow. */
static inline real softplus_of(real x)
{
    real size = x < 0 ? -x : x;
    return (x > 0 ? x : 0) + log1p_of(exp_of(-size));
}

#endif

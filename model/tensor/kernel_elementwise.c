/*
 * kernel_elementwise.c - one element in, one element out.
 *
 * Plain loops that the compiler vectorises; since it may not contract or reassociate, an element has
 * the same value in the vector body and in the scalar tail. The exponential is the library's own:
 * libm chooses its code by processor and is six times slower.
 */
#include "model/tensor/kernel.h"

#include <string.h>

#include "model/tensor/vector.h"

#ifdef REAL_IS_DOUBLE

#include <math.h>

static inline real exp_of(real x)
{
    return exp(x);
}

#else

/*
 * e^x = 2^n e^r with n = round(x / ln 2), |r| <= ln 2 / 2. Adding 1.5 * 2^23 rounds to an integer
 * and leaves it in the low bits of the sum, from where it becomes the exponent of 2^n. ln 2 is split
 * so that n times its upper part is exact. e^r = 1 + r + r^2 q(r), q interpolating (e^r - 1 - r) / r^2
 * at five Chebyshev nodes (error 1e-8) and evaluated in pairs, which shortens the chain.
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

#endif

void kernel_exp(real *y, const real *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        y[i] = exp_of(x[i]);
    }
}

void kernel_elu1(real *x, uint32_t rows, uint32_t cols, uint32_t stride)
{
    for (uint32_t row = 0; row < rows; row++, x += stride) {
        for (uint32_t i = 0; i < cols; i++) {
            real power = exp_of(x[i]);
            x[i] = x[i] > 0 ? x[i] + 1 : power;
        }
    }
}

void kernel_relu(real *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        x[i] = x[i] > 0 ? x[i] : 0;
    }
}

void kernel_add(real *restrict y, const real *restrict x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        y[i] += x[i];
    }
}

void kernel_add_repeated(real *restrict y, const real *restrict x, uint32_t rows, uint32_t copies,
                         uint32_t cols)
{
    for (uint32_t row = 0; row < rows; row++, x += cols) {
        for (uint32_t copy = 0; copy < copies; copy++, y += cols) {
            kernel_add(y, x, cols);
        }
    }
}

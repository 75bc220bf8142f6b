/* similarity.c - rows prepared for products, and the way back. */
#include "model/train/similarity.h"

#include "model/kernel/kernel.h"
#include "model/kernel/vector.h"

size_t similarity_stride(uint32_t d)
{
    return (d + (size_t)LANES - 1) / LANES * LANES;
}

real similarity_scale(struct similarity similarity)
{
    return similarity.cosine ? 1 / similarity.temperature : 1;
}

/* 1 / |x|, as kernel_unit has it. */
static real shrink_of(const real *x, uint32_t d)
{
    return 1 / REAL_SQRT(vec_dot(x, x, d) + (real)1e-12);
}

void similarity_prepare(real *y, const real *x, uint32_t d, struct similarity similarity,
                        real scale)
{
    const real factor = similarity.cosine ? scale * shrink_of(x, d) : 1;
    const size_t stride = similarity_stride(d);
    for (uint32_t i = 0; i < d; i++) {
        y[i] = factor * x[i];
    }
    for (size_t i = d; i < stride; i++) {
        y[i] = 0;
    }
}

/* y = scale r x with r = 1 / |x|, so dx = scale r (dy - r^2 x <x, dy>). */
void similarity_prepare_backward(real *dx, const real *x, const real *dy, uint32_t d,
                                 struct similarity similarity, real scale)
{
    const real shrink = similarity.cosine ? shrink_of(x, d) : 1;
    const real factor = similarity.cosine ? scale * shrink : 1;
    const real along = similarity.cosine ? factor * shrink * shrink * vec_dot(x, dy, d) : 0;
    for (uint32_t i = 0; i < d; i++) {
        dx[i] += factor * dy[i] - along * x[i];
    }
}

/* kernel_pool.c - a fading sum of vectors, and one by the softmax of scores. */
#include "model/kernel/kernel_pool.h"

#include <stdbool.h>

#include "model/kernel/special.h"
#include "model/kernel/vector.h"

real kernel_pool_keep(int64_t gap_s, real half_life_days)
{
    const real ln_2 = (real)0.69314718055994530942, day_s = 86400;
    if (gap_s <= 0 || half_life_days == 0) return 1;
    return exp_of(-ln_2 * ((real)gap_s / day_s / half_life_days));
}

void kernel_pool_absorb(real *restrict sum, real *restrict mass, const real *restrict x, real keep,
                        uint32_t d)
{
    for (uint32_t i = 0; i < d; i++) {
        sum[i] = keep * sum[i] + x[i];
    }
    *mass = keep * *mass + 1;
}

void kernel_pool_read(real *restrict y, const real *restrict sum, real mass, uint32_t d)
{
    for (uint32_t i = 0; i < d; i++) {
        y[i] = mass > 0 ? sum[i] / mass : 0;
    }
}

struct softmax_step kernel_softmax_pool_absorb(struct softmax_pool pool, const real *restrict x,
                                               real score, uint32_t d)
{
    const bool first = *pool.weight == 0;
    const real peak = first || score > *pool.peak ? score : *pool.peak;
    const struct softmax_step step = {first ? 0 : exp_of(*pool.peak - peak), exp_of(score - peak)};
    *pool.peak = peak;
    *pool.weight = REAL_FMA(step.keep, *pool.weight, step.add);
    for (uint32_t i = 0; i < d; i++) {
        pool.sum[i] = REAL_FMA(step.keep, pool.sum[i], step.add * x[i]);
    }
    return step;
}

void kernel_softmax_pool_read_backward(struct softmax_pool_gradient gradient,
                                       const real *restrict dy, const real *restrict y, real weight,
                                       uint32_t d)
{
    for (uint32_t i = 0; i < d; i++) {
        gradient.sum[i] += dy[i] / weight;
    }
    *gradient.weight -= vec_dot(dy, y, d) / weight;
}

void kernel_softmax_pool_backward(struct softmax_pool_gradient gradient, real *restrict dx,
                                  real *restrict d_score, struct softmax_step step,
                                  const real *restrict x, uint32_t d)
{
    if (d_score) *d_score += step.add * (vec_dot(gradient.sum, x, d) + *gradient.weight);
    for (uint32_t i = 0; dx && i < d; i++) {
        dx[i] = REAL_FMA(step.add, gradient.sum[i], dx[i]);
    }
    *gradient.weight *= step.keep;
    for (uint32_t i = 0; i < d; i++) {
        gradient.sum[i] *= step.keep;
    }
}

/* kernel_pool.c - a fading sum of vectors. */
#include "model/kernel/kernel_pool.h"

#include "model/kernel/special.h"

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

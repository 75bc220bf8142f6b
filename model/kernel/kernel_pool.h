/*
 * kernel_pool.h - a fading sum of vectors and its mass (models.md 5.9).
 */
#ifndef MODEL_KERNEL_KERNEL_POOL_H
#define MODEL_KERNEL_KERNEL_POOL_H

#include <stdint.h>

#include "model/kernel/real.h"

/* What a gap leaves of a sum: 2^(-days / half_life_days); 1 without a gap or a half-life (0). */
real kernel_pool_keep(int64_t gap_s, real half_life_days);

/* sum = keep sum + x; mass = keep mass + 1. */
void kernel_pool_absorb(real *restrict sum, real *restrict mass, const real *restrict x, real keep,
                        uint32_t d);

/* y = sum / mass; zeros without mass. */
void kernel_pool_read(real *restrict y, const real *restrict sum, real mass, uint32_t d);

#endif

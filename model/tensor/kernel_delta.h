/*
 * kernel_delta.h - the gated delta rule: an associative memory that fades and corrects (models.md 5.2).
 *
 * A user's memory is s [heads, width, width], row = key coordinate. q, k, v and y are rows of heads *
 * width, queries and keys already mapped; alpha (what is kept) and beta (strength of the write) are
 * [heads].
 */
#ifndef MODEL_TENSOR_KERNEL_DELTA_H
#define MODEL_TENSOR_KERNEL_DELTA_H

#include <stdint.h>

#include "model/tensor/real.h"

/* s = alpha s, then s += beta k^T (v - k s): one event. */
void kernel_delta_absorb(real *restrict s, const real *k, const real *v, const real *alpha,
                         const real *beta, uint32_t heads, uint32_t width);

/* The same, then y = q s. */
void kernel_delta_step(real *restrict y, real *restrict s, const real *q, const real *k,
                       const real *v, const real *alpha, const real *beta, uint32_t heads,
                       uint32_t width);

/* y = q s. */
void kernel_delta_read(real *restrict y, const real *s, const real *q, uint32_t heads,
                       uint32_t width);

/*
 * alpha = exp(-softplus(decay) days - softplus(forget)) and beta = sigmoid(write) of one event, [heads]
 * each; `rate` is softplus(decay), `days` those since the event before.
 */
void kernel_delta_gates(real *restrict alpha, real *restrict beta, const real *write,
                        const real *forget, const real *rate, real days, uint32_t heads);

#endif

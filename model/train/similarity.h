/*
 * similarity.h - how near an interest is to an item: inner product, or cosine over a temperature.
 *
 * Both are an inner product of prepared rows: of the vectors themselves, or of unit vectors of
 * which one carries 1 / temperature. So whoever scores prepares rows once, works with products, and
 * takes gradients back through the preparation.
 */
#ifndef MODEL_TRAIN_SIMILARITY_H
#define MODEL_TRAIN_SIMILARITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/kernel/real.h"

struct similarity {
    bool cosine;
    real temperature; /* of cosine */
};

/* Reals from one prepared row to the next: whole vector registers, the rest of a row zero. */
size_t similarity_stride(uint32_t d);

/* What rows of interests are multiplied with on top of unit length. */
real similarity_scale(struct similarity similarity);

/* y = the row x [d], or its unit vector times `scale` for cosine; zeros up to the stride. */
void similarity_prepare(real *y, const real *x, uint32_t d, struct similarity similarity,
                        real scale);

/* dx += what dy gives back through that preparation of x. */
void similarity_prepare_backward(real *dx, const real *x, const real *dy, uint32_t d,
                                 struct similarity similarity, real scale);

#endif

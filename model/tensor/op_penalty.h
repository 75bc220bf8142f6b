/* op_penalty.h - terms that a model adds to its loss, which keep vectors apart. */
#ifndef MODEL_TENSOR_OP_PENALTY_H
#define MODEL_TENSOR_OP_PENALTY_H

#include <stdint.h>

#include "model/tensor/params.h"
#include "model/tensor/tape.h"

/* [1, 1]: how far the rows of a matrix are from orthonormal, the sum of squares of H H^T - 1. */
struct tensor *op_skewness(struct tape *tape, const struct param *matrix);

/*
 * x [groups * each, n] -> [groups, 1]: the sum over pairs of rows of a group of the square of their
 * covariance over the columns (models.md section 3, offdiag).
 */
struct tensor *op_offdiag(struct tape *tape, struct tensor *x, uint32_t each);

/* [1, 1]: offdiag of the rows of `matrix` [R, n], for any R: through the [n, n] of its columns. */
struct tensor *op_likeness(struct tape *tape, const struct param *matrix);

#endif

/* op_penalty.h - terms that a model adds to its loss. */
#ifndef MODEL_TENSOR_OP_PENALTY_H
#define MODEL_TENSOR_OP_PENALTY_H

#include "model/tensor/params.h"
#include "model/tensor/tape.h"

/* [1, 1]: how far the rows of a matrix are from orthonormal, the sum of squares of H H^T - 1. */
struct tensor *op_skewness(struct tape *tape, const struct param *matrix);

#endif

/*
 * op_activation.h - activations and norms as ops (op.h says what `consumes` means).
 */
#ifndef MODEL_TENSOR_OP_ACTIVATION_H
#define MODEL_TENSOR_OP_ACTIVATION_H

#include <stdint.h>

#include "model/tensor/params.h"
#include "model/tensor/tape.h"

/* Elementwise. Consumes x. */
struct tensor *op_sigmoid(struct tape *tape, struct tensor *x);
struct tensor *op_tanh(struct tape *tape, struct tensor *x);
struct tensor *op_gelu(struct tape *tape, struct tensor *x);

/* x times the logistic of `gate`, which has its shape. Consumes x. */
struct tensor *op_gate(struct tape *tape, struct tensor *x, struct tensor *gate);

/*
 * The first `cols` columns of x are slices of `width`, which become unit(silu(slice)), or
 * unit(expf(slice)); what follows them stays. Consumes x.
 */
struct tensor *op_unit_silu(struct tape *tape, struct tensor *x, uint32_t cols, uint32_t width);
struct tensor *op_unit_expf(struct tape *tape, struct tensor *x, uint32_t cols, uint32_t width);

/* Slices of `width` become rms(slice). Consumes x. */
struct tensor *op_rms(struct tape *tape, struct tensor *x, uint32_t width);

/* Softmax of each row. Consumes x. */
struct tensor *op_softmax(struct tape *tape, struct tensor *x);

/* unit(row). */
struct tensor *op_unit(struct tape *tape, struct tensor *x);

/* x times y, element by element. */
struct tensor *op_multiply(struct tape *tape, struct tensor *x, struct tensor *y);

/* Each column times its weight. Consumes x. */
struct tensor *op_scale(struct tape *tape, struct tensor *x, const struct param *weight);

#endif

/*
 * op_recurrent.h - the gated recurrent unit as an op.
 */
#ifndef MODEL_TENSOR_OP_RECURRENT_H
#define MODEL_TENSOR_OP_RECURRENT_H

#include <stdint.h>

#include "base/status.h"
#include "model/tensor/op.h"
#include "model/tensor/params.h"
#include "model/tensor/tape.h"

/*
 * gru(name) of models.md section 3. Its recurrent weight is used in two parts, since the
 * candidate's product comes after the reset: two views of one parameter.
 */
struct gru {
    uint32_t in;
    uint32_t n;
    struct linear input;    /* [3n, in] and the bias */
    struct param gates;     /* [2n, n]: the rows of reset and update */
    struct param candidate; /* [n, n] */
    struct linear gates_recurrent;
    struct linear candidate_recurrent;
};

/* Declares name.input.weight, name.recurrent.weight and name.bias. */
void gru_declare(struct param_set *params, const char *name, uint32_t in, uint32_t n);

/* Packs the weights for serving. On failure gru_close is still due. The gru stays where it is. */
MUST_CHECK enum status gru_open(struct gru *gru, const struct param_set *params, const char *name,
                                struct error *error);
void gru_close(struct gru *gru);

/* One step: x [rows, in], h [rows, n] -> the next h. */
struct tensor *op_gru(struct tape *tape, const struct gru *gru, struct tensor *x, struct tensor *h);

/*
 * Sequences side by side: wave t holds event t of every sequence that is longer, the longest first,
 * so that sequence i is row i of each wave that it is in.
 */
struct waves {
    const uint32_t *sizes; /* [count] rows of a wave, at least 1, never rising */
    uint32_t count;        /* at least 1 */
};

/*
 * A step for each wave, from h [sizes[0], n] on: x [rows, in] has one wave after the other, and so
 * has the result [rows, n]. The caller keeps `waves` until the backward pass.
 */
struct tensor *op_gru_waves(struct tape *tape, const struct gru *gru, struct tensor *x,
                            struct tensor *h, const struct waves *waves);

#endif

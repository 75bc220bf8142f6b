/*
 * op_mixture.h - behaviors of windows as mixtures of what each window has a few of (models.md 5.8).
 *
 * `per` is how many (K). The caller keeps cells until the backward pass.
 */
#ifndef MODEL_TENSOR_OP_MIXTURE_H
#define MODEL_TENSOR_OP_MIXTURE_H

#include <stdint.h>

#include "model/tensor/params.h"
#include "model/tensor/tape.h"
#include "model/tensor/windows.h"

/* As many windows of one cell each: for what is known of a window once. */
const struct window_cells *window_cells_single(struct tape *tape, uint32_t windows);

/* [cells, d]: the sum over its window's rows of y [windows * per, d] by w [cells, per]. */
struct tensor *op_window_mix(struct tape *tape, struct tensor *w, struct tensor *y,
                             const struct window_cells *cells);

/* [cells, per]: scale times the inner product of x [cells, d] with each row of y of its window. */
struct tensor *op_window_agree(struct tape *tape, struct tensor *x, struct tensor *y, real scale,
                               const struct window_cells *cells);

/* [rows, n]: x [rows, n * d], each slice with its row of `param` [n, d]. */
struct tensor *op_row_dots(struct tape *tape, struct tensor *x, const struct param *param);

/* [rows * per, d]: row `chosen` of `param` [L, d] times the logistic of its score [rows, L]. */
struct tensor *op_gated_rows(struct tape *tape, struct tensor *score, const struct param *param,
                             const uint32_t *chosen, uint32_t per);

#endif

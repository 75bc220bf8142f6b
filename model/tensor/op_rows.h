/*
 * op_rows.h - rows and columns put side by side, replaced, and collected.
 */
#ifndef MODEL_TENSOR_OP_ROWS_H
#define MODEL_TENSOR_OP_ROWS_H

#include <stdint.h>

#include "model/tensor/tape.h"

/* [x->rows, x->cols + y->cols]: the rows of x, each followed by its of y, a row of which is for one
 * row of x or for as many in a row. */
struct tensor *op_concat(struct tape *tape, struct tensor *x, struct tensor *y);

/* x with its rows `rows[i]`, all different, replaced by the rows of y. Consumes x. */
struct tensor *op_replace_rows(struct tape *tape, struct tensor *x, struct tensor *y,
                               const uint32_t *rows);

/*
 * Writes the rows of y to the rows `rows[i]` of `into`. For results that are made in turn: `into`
 * is complete, and of use, when each of its rows has been placed once.
 */
void op_place_rows(struct tape *tape, struct tensor *into, struct tensor *y, const uint32_t *rows);

#endif

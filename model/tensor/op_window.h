/*
 * op_window.h - attention over windows of behaviors (models.md 5.7, kernel_window.h).
 *
 * The caller keeps windows, cells and rows until the backward pass.
 */
#ifndef MODEL_TENSOR_OP_WINDOW_H
#define MODEL_TENSOR_OP_WINDOW_H

#include <stdint.h>

#include "model/tensor/tape.h"
#include "model/tensor/windows.h"

/* The cells of windows, in the tape's arena. */
const struct window_cells *window_cells_of(struct tape *tape, const struct windows *windows);

/*
 * [cells, cols]: the row of each cell's event. On a serving tape, where windows do not overlap and
 * leave no event out, that is x itself.
 */
struct tensor *op_window_rows(struct tape *tape, struct tensor *x,
                              const struct window_cells *cells);

/* x [count, cols] + y [.., cols], row rows[i] of y to row i of x. Consumes x. */
struct tensor *op_add_rows(struct tape *tape, struct tensor *x, struct tensor *y,
                           const uint32_t *rows);

/* x [cells, heads]: of each head its softmax over the steps of each window. Consumes x. */
struct tensor *op_softmax_steps(struct tape *tape, struct tensor *x,
                                const struct window_cells *cells);

/*
 * [windows * heads, d]: the sums of x over the steps of each window by weight [cells, heads]. The
 * vector of a cell is row rows[cell] of x [.., d], or the row of its own number if `rows` is NULL.
 * Zeros of an empty window.
 */
struct tensor *op_window_sums(struct tape *tape, struct tensor *weight, struct tensor *x,
                              const uint32_t *rows, const struct window_cells *cells);

#endif

/*
 * op_memory.h - an addressed memory of slots as ops (models.md 5.3, kernel_memory.h).
 *
 * Each row of `w`, and of whatever has as many rows, belongs to one user; its memory is `slots`
 * rows of a tensor [users * slots, d].
 */
#ifndef MODEL_TENSOR_OP_MEMORY_H
#define MODEL_TENSOR_OP_MEMORY_H

#include <stdint.h>

#include "model/tensor/params.h"
#include "model/tensor/tape.h"

/* 2 (softplus(x) + 1): how sharply a head addresses. Consumes x. */
struct tensor *op_strength(struct tape *tape, struct tensor *x);

/* query [users, d], strength [users, 1], keys [slots, d], memory -> w [users, slots]. */
struct tensor *op_address(struct tape *tape, struct tensor *query, struct tensor *strength,
                          const struct param *keys, struct tensor *memory);

/* w [users, slots] times the row-wise softmax of logits [users, slots * slots]. Consumes logits. */
struct tensor *op_balance(struct tape *tape, struct tensor *w, struct tensor *logits);

/* w memory: [users, d]. */
struct tensor *op_memory_read(struct tape *tape, struct tensor *w, struct tensor *memory);

/* memory_i (1 - w_i erase) + w_i add; erase and add [users, d]. Consumes memory. */
struct tensor *op_memory_write(struct tape *tape, struct tensor *memory, struct tensor *w,
                               struct tensor *erase, struct tensor *add);

/* mean + (x - mean) / count: the next mean, `count` [rows] including x. Consumes mean. */
struct tensor *op_running_mean(struct tape *tape, struct tensor *mean, struct tensor *x,
                               const real *count);

/* [rows, 1]: sum of the squared distances of a row's elements from their mean. */
struct tensor *op_unevenness(struct tape *tape, struct tensor *x);

#endif

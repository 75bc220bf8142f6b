/*
 * op.h - what models are written in: tensors in, a tensor out.
 *
 * An op checks shapes, takes its output from the tape, calls a kernel, and tells the tape how it
 * was made. `consumes x` means that the op may use x's memory for its output on a serving tape: the
 * caller goes on with the result and forgets x. (A recording tape keeps x as it was.)
 *
 * A state is one row of reals per user; states lie wherever the caller keeps them. Ops that fold
 * behaviors into states take the users' rows, a ragged batch, and where in a row their part begins.
 * States have no gradient: in training, sequences begin with empty states that nobody keeps. So a
 * recurrence takes NULL for states then, and the ops that only move states are for serving tapes.
 */
#ifndef MODEL_TENSOR_OP_H
#define MODEL_TENSOR_OP_H

#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"
#include "model/tensor/behavior.h"
#include "model/tensor/params.h"
#include "model/tensor/tape.h"

/* The tables of models.md section 2; `category` and `gap` are NULL where a model does without. */
struct embedding_tables {
    const struct param *item;
    const struct param *category;
    const struct param *gap;
    const struct category_list *lists; /* what a category beyond the table's rows stands for */
    uint32_t width;                    /* d */
};

/* Bucket of a gap in whole seconds, -1 = no previous behavior (models.md section 2). */
uint32_t gap_bucket(int64_t gap_s, uint32_t buckets);

/* [events, d]: item + category + gap, a row for each behavior of the batch. */
struct tensor *op_embed(struct tape *tape, const struct embedding_tables *tables,
                        const struct behavior_batch *batch);

enum { LINEAR_PARTS_MAX = 3 };

/*
 * One or more weights [out_i, in] that share their input, as one product with outputs side by side.
 */
struct linear {
    const struct param *parts[LINEAR_PARTS_MAX];
    const struct param *bias; /* or NULL; of all outputs */
    uint32_t in;
    uint32_t out;
    struct arena arena; /* what `panels` and `packed_bias` point into */
    real *panels;       /* as it was opened, for serving */
    real *packed_bias;
};

/*
 * Packs the weights for serving. A parameter of rank 3 counts as [a * b, in]. Parts end with NULL
 * unless there are LINEAR_PARTS_MAX. On failure there is nothing to close.
 */
MUST_CHECK enum status linear_open(struct linear *linear,
                                   const struct param *const parts[LINEAR_PARTS_MAX],
                                   const struct param *bias, struct error *error);
void linear_close(struct linear *linear);

/*
 * Lets a recording tape multiply: packs the parameters as they are now, once for each pass. Does
 * nothing on a serving tape. What it takes of the arena must stay until the pass ends.
 */
void linear_ready(struct tape *tape, const struct linear *linear);

/*
 * y [rows, out] = x [rows, in] W^T + bias, row by row alike. A recording tape was made ready.
 * Records nothing: a part of ops.
 */
void linear_multiply(struct tape *tape, const struct linear *linear, real *y, const real *x,
                     uint32_t rows);

/* The same as a tensor. */
struct tensor *op_linear(struct tape *tape, const struct linear *linear, struct tensor *x);

/* layer_norm over the columns of x. */
struct tensor *op_layer_norm(struct tape *tape, struct tensor *x, const struct param *weight,
                             const struct param *bias);

/* x + 1 if x > 0, else e^x, of the first `cols` columns; the others as they are. Consumes x. */
struct tensor *op_elu1(struct tape *tape, struct tensor *x, uint32_t cols);

/* max(x, 0). Consumes x. */
struct tensor *op_relu(struct tape *tape, struct tensor *x);

/* x + y. Consumes x. */
struct tensor *op_add(struct tape *tape, struct tensor *x, struct tensor *y);

/* x [rows * copies, cols] + y [rows, cols], each row of y to `copies` rows of x. Consumes x. */
struct tensor *op_add_repeated(struct tape *tape, struct tensor *x, struct tensor *y);

/* Every row holds `rows_of`, flattened: [rows, count]. */
struct tensor *op_repeat(struct tape *tape, const struct param *rows_of, uint32_t rows);

/* The same reals as [rows, cols]. Consumes x. */
struct tensor *op_reshape(struct tape *tape, struct tensor *x, uint32_t rows, uint32_t cols);

/* [count, cols]: the rows `rows[i]` of x; they may repeat. */
struct tensor *op_rows(struct tape *tape, struct tensor *x, const uint32_t *rows, uint32_t count);

/*
 * On a recording tape, zeroes elements with probability tape->dropout and scales the others by
 * 1 / (1 - dropout), as tape->random draws them. Else x.
 */
struct tensor *op_dropout(struct tape *tape, struct tensor *x);

/* ---- ops on states ---- */

/*
 * Where one linear attention keeps its sums in a state row: s [heads, width, width], z [heads,
 * width].
 */
struct attention_sums {
    uint32_t heads;
    uint32_t width; /* of a head */
    size_t at;      /* reals before s; z follows s */
};

/*
 * qkv [events, 3 d]: queries and keys before elu1, values. Each event, in its user's order, adds
 * itself to the sums and reads them: [events, d]. `states` may be NULL: empty before each user's
 * first event, and not kept. Consumes qkv.
 */
struct tensor *op_attention(struct tape *tape, const struct attention_sums *sums,
                            struct tensor *qkv, real *const *states,
                            const struct behavior_batch *batch);

/*
 * The sums of whole sequences, read along the way: kv as for op_attention_absorb, q [points,
 * queries * d] as for op_attention_read, row i reading what user and events up to points[i] have
 * added to sums empty at first. Result [points * queries, d]. Consumes kv and q.
 */
struct tensor *op_attention_steps(struct tape *tape, const struct attention_sums *sums,
                                  struct tensor *q, struct tensor *kv, const uint32_t *points,
                                  const struct behavior_batch *batch);

/*
 * kv [events, 2 d]: keys before elu1, values. Adds every event to the sums. Serving; consumes kv.
 */
void op_attention_absorb(struct tape *tape, const struct attention_sums *sums, struct tensor *kv,
                         real *const *states, const struct behavior_batch *batch);

/*
 * q [users, queries * d] before elu1: reads each user's sums with all its queries. Result
 * [users * queries, d]; evidence [users, queries] = sum over heads of <z, q>.
 * Serving; consumes q.
 */
struct tensor *op_attention_read(struct tape *tape, const struct attention_sums *sums,
                                 struct tensor *q, const real *const *states,
                                 struct tensor **evidencep);

/*
 * Keeps, for each user of the batch, the row x [events, cols] of its last event at `at`. Serving.
 */
void op_keep_last(struct tape *tape, struct tensor *x, size_t at, real *const *states,
                  const struct behavior_batch *batch);

/* [users, cols]: what lies at `at` in each state. Serving. */
struct tensor *op_state(struct tape *tape, size_t at, uint32_t cols, const real *const *states,
                        uint32_t users);

#endif

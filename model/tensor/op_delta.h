/*
 * op_delta.h - the gated delta rule over ragged batches (models.md 5.2, kernel_delta.h).
 *
 * Queries and keys come already mapped (op_unit_silu, op_unit_expf); gates are [events, 2 heads]:
 * what each head keeps, then how strongly it writes.
 */
#ifndef MODEL_TENSOR_OP_DELTA_H
#define MODEL_TENSOR_OP_DELTA_H

#include <stddef.h>
#include <stdint.h>

#include "model/tensor/behavior.h"
#include "model/tensor/params.h"
#include "model/tensor/tape.h"

/*
 * Where one memory lies in a state row: s [heads, width, width]; how fast its heads fade by time.
 */
struct delta_memory {
    uint32_t heads;
    uint32_t width; /* of a head */
    size_t at;      /* reals before s */
    const struct param *decay;
};

/* write and forget [events, heads], before their activations: the gates of the batch's events. */
struct tensor *op_delta_gates(struct tape *tape, const struct delta_memory *memory,
                              struct tensor *write, struct tensor *forget,
                              const struct behavior_batch *batch);

/*
 * qkv [events, 3 d]. Each event, in its user's order, writes itself into the memory and reads it:
 * [events, d]. `states` may be NULL: empty before each user's first event, and not kept.
 */
struct tensor *op_delta(struct tape *tape, const struct delta_memory *memory, struct tensor *qkv,
                        struct tensor *gates, real *const *states,
                        const struct behavior_batch *batch);

/*
 * The memories of whole sequences, read along the way: kv as for op_delta_absorb, q [points,
 * queries * d] as for op_delta_read, row i reading what the user and its events up to points[i]
 * have written into an empty memory. Result [points * queries, d]. The caller keeps `points` and
 * the batch.
 */
struct tensor *op_delta_steps(struct tape *tape, const struct delta_memory *memory,
                              struct tensor *q, struct tensor *kv, struct tensor *gates,
                              const uint32_t *points, const struct behavior_batch *batch);

/* kv [events, 2 d]. Writes every event into the memory. Serving. */
void op_delta_absorb(struct tape *tape, const struct delta_memory *memory, struct tensor *kv,
                     struct tensor *gates, real *const *states, const struct behavior_batch *batch);

/*
 * q [users, queries * d]: reads each user's memory with all its queries. Result [users * queries,
 * d]; evidence [users, queries], the lengths of its rows. Serving.
 */
struct tensor *op_delta_read(struct tape *tape, const struct delta_memory *memory, struct tensor *q,
                             const real *const *states, struct tensor **evidencep);

#endif

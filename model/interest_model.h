/*
 * interest_model.h - the one seam between the stream and every interest model.
 *
 * A model absorbs a user's behaviors into a state of fixed size and reads K interest vectors out of
 * it. Each model is one file of zoo/ that fills in a `struct interest_ops`; registry.c lists them.
 *
 *     serving:  absorb(a poll, ragged) -> read, with the row-invariant kernel and no allocation
 *
 * The bytes of a state and of an interest are a pure function of the generation and the user's
 * behaviors: they do not depend on how those were cut into batches, on who else was in a batch, or
 * on the processor. So nothing in here dispatches at run time, reads a clock or draws a number.
 *
 * Threads: an open model never changes and may be shared; a scratch belongs to one thread.
 * Memory:  interest_absorb and interest_read take nothing from the heap.
 */
#ifndef MODEL_INTEREST_MODEL_H
#define MODEL_INTEREST_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "model/tensor/behavior.h"
#include "model/kernel/real.h"

/*
 * The version of the arithmetic that is served. Raise it when a change of code alters one bit of a
 * state or an interest (unit.numerics says when): snapshots of states made otherwise are then
 * stale, and are folded anew.
 */
enum { INTEREST_NUMERICS = 1 };

struct checkpoint;
struct interest_model;
struct interest_scratch;
struct item_table;

/*
 * What is read of a batch of users, in floats (`real`). The order of a user's interests is the
 * published order.
 */
struct interest_sets {
    real *vectors;   /* [users][K][d]; rows count .. K-1 of a user are zero */
    real *weights;   /* [users][K]; they sum to 1 over the live ones, 0 beyond */
    uint32_t *count; /* [users] live interests: 0 before the first behavior */
    real *intent;    /* [users][d] of a model that has one, zero where count is; NULL: not wanted */
};

/*
 * Opens the model of a checkpoint, which it keeps until closed. STATUS_INVALID: unknown model. On
 * failure *modelp is NULL.
 */
MUST_CHECK enum status interest_model_open(struct interest_model **modelp,
                                           const struct checkpoint *checkpoint,
                                           struct error *error);
void interest_model_close(struct interest_model *model);

const char *interest_model_name(const struct interest_model *model);
uint32_t interest_model_width(const struct interest_model *model); /* d: floats of a vector */
uint32_t interest_model_count(
    const struct interest_model *model); /* K: vectors of a user, at most */
/* Whether it reads an intent vector beside the interests: what the user is after now. */
bool interest_model_has_intent(const struct interest_model *model);
/* Whether what is known of a user enters what it reads. */
bool interest_model_takes_profile(const struct interest_model *model);
uint64_t interest_model_generation(const struct interest_model *model);

/* Of its checkpoint: all parameters, dimensions and the dictionary. */
uint64_t interest_model_fingerprint(const struct interest_model *model);

/*
 * Changes when any state-producing parameter or the dictionary does (models.md section 6), and with
 * INTEREST_NUMERICS.
 */
uint64_t interest_model_state_fingerprint(const struct interest_model *model);

/* Borrowed from the checkpoint. */
const struct item_table *interest_model_items(const struct interest_model *model);

/* Bytes of one user's state (a multiple of 4; 64-byte alignment is expected of its memory). */
size_t interest_model_state_size(const struct interest_model *model);

/* The state before the first behavior. */
void interest_state_init(const struct interest_model *model, void *state);

/* Scratch for calls with any number of users and events: they are worked off in tiles. */
MUST_CHECK enum status interest_scratch_open(struct interest_scratch **scratchp,
                                             const struct interest_model *model,
                                             struct error *error);
void interest_scratch_close(struct interest_scratch *scratch);
size_t interest_scratch_size(const struct interest_scratch *scratch); /* bytes */

/*
 * Absorbs a ragged batch in place, one state per user (all different). The caller has validated the
 * rows. Cannot fail.
 */
void interest_absorb(const struct interest_model *model, struct interest_scratch *scratch,
                     void *const *states, const struct behavior_batch *batch);

/*
 * Reads the interests of `users` states; `events[u]` is how many behaviors that state has absorbed
 * (n - from), which bounds how many interests are live. A checkpoint that selects (select in its
 * dimensions) gives those that interest_select chooses, in the order chosen. `profiles` [users] is
 * what is known of them, NULL: nothing.
 */
void interest_read(const struct interest_model *model, struct interest_scratch *scratch,
                   const void *const *states, const uint64_t *events,
                   const struct user_profile *profiles, uint32_t users, struct interest_sets *sets);

#endif

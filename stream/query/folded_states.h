/*
 * folded_states.h - states that were folded to answer with, kept for the next question about the
 * same user.
 *
 * A state is stamped as a snapshot is, with `from` and n. It stays true whatever is committed later:
 * behaviors are only added to a history, and a `from` that jumps makes it of no use. So nothing is
 * invalidated; whoever takes one folds what came since.
 *
 * Memory: a fixed number of slots, taken at open. Threads: any.
 */
#ifndef STREAM_QUERY_FOLDED_STATES_H
#define STREAM_QUERY_FOLDED_STATES_H

#include <stddef.h>

#include "base/bytes.h"
#include "base/status.h"
#include "model/interest_model.h"
#include "state/snapshot.h"

struct folded_states;

/*
 * For states of `model` and ids of at most `id_size_max` bytes, as many as `size` bytes hold; if
 * that is none, *statesp is NULL.
 */
MUST_CHECK enum status folded_states_open(struct folded_states **statesp, size_t size,
                                          const struct interest_model *model, uint32_t id_size_max,
                                          struct error *error);
void folded_states_close(struct folded_states *states); /* legal on NULL */

/*
 * The user's state that is kept, its first three counts in `stamp`, if it is a fold from
 * `stamp->from` on of at least `least` and at most `most` behaviors; else false. On NULL there is
 * none.
 */
bool folded_states_take(struct folded_states *states, uint32_t partition, struct bytes user,
                        uint64_t least, uint64_t most, struct snapshot_stamp *stamp, void *state);

/* Keeps a state, in place of an older one, or of another user's. On NULL nothing happens. */
void folded_states_keep(struct folded_states *states, uint32_t partition, struct bytes user,
                        const struct snapshot_stamp *stamp, const void *state);

#endif

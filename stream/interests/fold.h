/*
 * fold.h - stored behaviors into model states: the equation the whole project rests on.
 *
 *     state = fold(generation, history[from .. n))
 *
 * A fold collects runs of stored behaviors of many users, resolves their items by the generation's
 * dictionary, computes the gaps, and absorbs all as one ragged batch. The processor, recovery,
 * verify and inspect all fold through here, so that there is one reading of a history.
 *
 *     fold_begin -> (fold_user -> fold_behavior ...) ... -> fold_run
 *
 * Threads: one owner. Memory: taken at open.
 */
#ifndef STREAM_INTERESTS_FOLD_H
#define STREAM_INTERESTS_FOLD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "model/interest_model.h"
#include "state/history.h"

struct fold;
struct interest_explainer;

/* What one user's state is the fold of, beside its bytes. All zero and no time before `from`. */
struct fold_progress {
    uint64_t absorbed; /* behaviors the model has absorbed since `from` */
    int64_t last_ms;   /* latest time among them, HISTORY_NO_TIME if none */
};

/* Room for `behaviors_max` behaviors of `users_max` users in one run. Keeps `model`. */
MUST_CHECK enum status fold_open(struct fold **foldp, const struct interest_model *model,
                                 uint32_t users_max, uint32_t behaviors_max, struct error *error);
void fold_close(struct fold *fold);

/* Forgets what was collected. */
void fold_begin(struct fold *fold);

/*
 * Begins the run of one user, at most one run per user and batch: `state` (initialized by the
 * caller) and `progress` are advanced by fold_run. False if the batch holds users_max users
 * already.
 */
bool fold_user(struct fold *fold, void *state, struct fold_progress *progress);

/*
 * Adds the next behavior of that user, its ordinal in its life beside it; false if the batch is
 * full.
 */
bool fold_behavior(struct fold *fold, uint64_t ordinal, struct history_behavior behavior);

/*
 * Hands what was collected, of one user, to an explainer instead, which must have room for it
 * (model/interest_explain.h); advances the progress, and forgets the batch.
 */
void fold_explain(struct fold *fold, struct interest_explainer *explainer);

/* Absorbs everything collected, advances the progresses, and forgets the batch. */
void fold_run(struct fold *fold);

#endif

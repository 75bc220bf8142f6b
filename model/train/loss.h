/*
 * loss.h - softmax over candidates: forward and backward in one pass over the catalogue.
 *
 * A sample is what was read of a user before an item that he went for. Its loss is
 * ln(sum of exp over the target and the candidates) - the target's score; a candidate that is the
 * target drops out, so the same formula is the full softmax (candidates: every known item, no log_q)
 * and the sampled one (candidates: drawn negatives, scores less ln of how likely they were drawn).
 *
 * An item's score is its best over the sample's active interests; with one vector a sample, which is
 * what the read-outs `hard` and `label-aware` make, that is its inner product.
 *
 * Scores are made, used and forgotten block by block in the cache: [samples, candidates] is never
 * written to memory. Threads: pure; a scratch arena belongs to one call at a time.
 */
#ifndef MODEL_TRAIN_LOSS_H
#define MODEL_TRAIN_LOSS_H

#include <stdint.h>

#include "base/arena.h"
#include "model/train/readout.h"
#include "model/train/similarity.h"

struct loss_options {
    enum readout readout;
    struct similarity similarity;
    real power; /* of label-aware */
};

/* Interests and what each is to find. A sample without a target or an active interest is left out. */
struct loss_samples {
    const real *interests;  /* [count][K][d] */
    const uint32_t *live;   /* [count] active interests */
    const uint32_t *target; /* [count] item row; 0 = none */
    const real *weight;     /* [count] of each loss in the sum */
    uint32_t count;
    uint32_t interests_each; /* K <= READOUT_INTERESTS_MAX */
    uint32_t d;
};

/* What targets compete with. */
struct loss_candidates {
    const real *table;    /* [rows][d], the item embeddings */
    const real *log_q;    /* [rows] ln of how likely each row is drawn; NULL: full softmax */
    const uint32_t *rows; /* [count] */
    uint32_t count;
};

/* Gradients of the weighted sum; all are added to. */
struct loss_gradients {
    real *interests;  /* [samples][K][d] */
    real *candidates; /* [candidates][d] */
    real *targets;    /* [samples][d] */
};

/* Bytes of scratch that samples of K and d against so many candidates need at most. */
size_t loss_scratch_size(uint32_t samples, uint32_t interests_each, uint32_t d,
                         uint32_t candidates);

/* The weighted sum of the losses, its gradients added to `gradients`. */
double loss_softmax(const struct loss_options *options, const struct loss_samples *samples,
                    const struct loss_candidates *candidates, struct arena *scratch,
                    const struct loss_gradients *gradients);

#endif

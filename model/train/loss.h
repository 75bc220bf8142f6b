/*
 * loss.h - softmax over candidates: forward and backward in one pass over the catalogue.
 *
 * A sample is what was read of a user before the item that the user took next. Its loss is
 * ln(sum of exp over the target and the candidates) - the target's score; a candidate that is the
 * target drops out, so the same formula is the full softmax (candidates: every known item, no
 * log_q) and the sampled one (candidates: drawn negatives, scores less ln of how likely they were
 * drawn).
 *
 * An item's score is its best over the sample's active interests; with one vector a sample, which
 * is what the read-outs `hard` and `label-aware` make, that is its inner product.
 *
 * Scores are made, used and forgotten block by block in the cache: [samples, candidates] is never
 * written to memory.
 *
 *     loss_open(candidates) -> loss_add(samples) ... -> loss_finish
 *
 * Threads: one owner; the item table is only read.
 */
#ifndef MODEL_TRAIN_LOSS_H
#define MODEL_TRAIN_LOSS_H

#include <stdint.h>

#include "base/arena.h"
#include "model/tensor/gradients.h"
#include "model/train/readout.h"
#include "model/train/similarity.h"

struct loss_options {
    enum readout readout;
    struct similarity similarity;
    real power; /* of label-aware */
};

/* What targets compete with. */
struct loss_candidates {
    const real *table;    /* [rows][d], the item embeddings */
    const real *log_q;    /* [rows] ln of how likely each row is drawn; NULL: full softmax */
    const uint32_t *rows; /* [count] */
    uint32_t count;
    uint32_t d;
};

/*
 * Interests and what each is to find. A sample without a target or an active interest is left out.
 */
struct loss_samples {
    const real *interests;  /* [count][K][d] */
    const uint32_t *live;   /* [count] active interests */
    const uint32_t *target; /* [count] item row; 0 = none */
    const real *weight;     /* [count] of each loss in the sum */
    uint32_t count;
    uint32_t interests_each; /* K <= READOUT_INTERESTS_MAX */
};

/* Candidates ready for samples, in an arena; `prepared` and on are of loss.c. */
struct loss {
    struct loss_options options;
    struct loss_candidates candidates;
    struct row_gradients *items; /* where gradients of table rows go */
    struct arena *scratch;
    size_t stride;
    real *prepared; /* [count, stride] */
    real *d_prepared;
    real *panels;
    real *bias; /* [count] - log_q */
};

/* Bytes of scratch that calls with at most `samples` need, from loss_open to loss_finish. */
size_t loss_scratch_size(uint32_t samples, uint32_t interests_each, uint32_t d,
                         uint32_t candidates);

/* Keeps `items`, `scratch` and what the candidates point to, until finished. */
void loss_open(struct loss *loss, const struct loss_options *options,
               const struct loss_candidates *candidates, struct row_gradients *items,
               struct arena *scratch);

/*
 * Returns the weighted sum of the losses and adds its gradients: to d_interests [count][K][d], and
 * to the rows of the targets.
 */
double loss_add(struct loss *loss, const struct loss_samples *samples, real *d_interests);

/* Adds the gradients of all samples to the rows of the candidates. */
void loss_finish(struct loss *loss);

#endif

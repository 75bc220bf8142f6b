/*
 * minibatch.h - behavior sequences as training samples.
 *
 * A sequence is a piece of a user's history: what is absorbed, from an empty state on, and after
 * its steps the item that came next, which is what the interests read there are to find. A history
 * longer than `steps_max` is several pieces, counted from its end. A user's first behaviors can be
 * context alone: absorbed by the pieces that reach back to them, and not to be found; a piece without
 * anything to find is left out. Models that advance by one step
 * at a time learn from every step; window models from a few steps of each piece, drawn anew in each
 * epoch. Batches are ragged: nothing is padded.
 *
 *     minibatches_open -> minibatches_shuffle(epoch) -> pieces at [from, to) -> minibatch_fill
 *
 * What is drawn depends on the seed, the epoch and the piece alone, so a run that is resumed draws
 * as it would have. Threads: an open source changes in minibatches_shuffle only; others may fill.
 */
#ifndef MODEL_TRAIN_MINIBATCH_H
#define MODEL_TRAIN_MINIBATCH_H

#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"
#include "model/dataset.h"
#include "model/interest_ops.h"

enum { MINIBATCH_ACTIONS = 256, MINIBATCH_STEPS_MAX = 1 << 14 };

struct minibatch_options {
    uint32_t steps_max; /* behaviors that a piece absorbs; <= MINIBATCH_STEPS_MAX */
    uint32_t cuts;      /* steps of a piece that are samples; 0: all */
    real action_weight[MINIBATCH_ACTIONS]; /* of a sample, by its target's action; 0: no target */
    const uint32_t *context; /* [users] first behaviors that are no targets; NULL: none; copied */
    uint32_t context_max;    /* most of them that a piece absorbs before its first target; 0: all */
    uint64_t seed;
};

struct minibatches;

/*
 * The first known[user] behaviors of each user are there to learn from. Keeps `dataset`.
 * STATUS_INVALID if there is not one sample.
 */
MUST_CHECK enum status minibatches_open(struct minibatches **sourcep, const struct dataset *dataset,
                                        const uint32_t *known,
                                        const struct minibatch_options *options,
                                        struct error *error);
void minibatches_close(struct minibatches *source);

/* Puts the pieces into the order of an epoch, whatever their order was. */
void minibatches_shuffle(struct minibatches *source, uint64_t epoch);

uint32_t minibatches_pieces(const struct minibatches *source);

/* Behaviors of the piece at a place of the order. */
uint32_t minibatches_length(const struct minibatches *source, uint32_t at);

/* Samples of all pieces in one epoch. */
uint64_t minibatches_samples(const struct minibatches *source);

/* How often each row [rows of the dataset] is a target; borrowed. */
const uint32_t *minibatches_targets(const struct minibatches *source);

/* Sum of the weights of the samples of pieces from .. to - 1. */
double minibatches_weight(const struct minibatches *source, uint32_t from, uint32_t to);

/* Sequences and their samples, in an arena. */
struct minibatch {
    struct behavior_batch batch;
    struct read_points points;
    uint32_t *target; /* [points] item row */
    real *weight;     /* [points] */
};

/* Bytes that a minibatch of so many behaviors needs at most, however they are divided. */
size_t minibatch_size(uint32_t behaviors);

/* Pieces from .. to - 1, their weights multiplied by `scale`. */
void minibatch_fill(struct minibatch *minibatch, const struct minibatches *source, uint32_t from,
                    uint32_t to, double scale, struct arena *arena);

#endif

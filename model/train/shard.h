/*
 * shard.h - one thread's part of a minibatch: forward, loss, backward.
 *
 * A shard takes its sequences some at a time (a chunk), so that what the forward pass leaves for
 * the backward pass stays in the cache, and adds the gradients of all of them in order. What a
 * minibatch adds up to depends on how it is cut into shards and chunks, never on the threads.
 *
 *     shard_open -> shard_allow
 *         -> (shard_begin -> shard_pass ... -> shard_end -> shard->gradients) ... -> shard_close
 *
 * Threads: one at a time; parameters must not change between begin and end.
 */
#ifndef MODEL_TRAIN_SHARD_H
#define MODEL_TRAIN_SHARD_H

#include <stdint.h>

#include "base/arena.h"
#include "base/random.h"
#include <stdbool.h>

#include "model/tensor/gradients.h"
#include "model/train/loss.h"
#include "model/train/minibatch.h"
#include "model/train/retention.h"

/* What a shard must have room for. */
struct shard_limits {
    uint32_t samples;    /* of a chunk */
    uint32_t candidates; /* of the loss */
    uint32_t touched;    /* rows of a table between begin and end */
    bool retains;        /* each chunk also goes through the model before */
};

/* What is the same for all shards of a minibatch. */
struct shard_task {
    struct loss_options loss;
    struct loss_candidates candidates;
    float dropout;
    double penalty; /* weight of one user's penalty: the model's, over the users of the minibatch */
    const struct interest_model *before; /* whose interests are retained; NULL: none */
    struct retention retention;
    real retain;       /* weight of that loss, */
    uint32_t retained; /* and how many of the interests it holds, the first ones */
};

struct shard {
    const struct interest_model *model;
    struct gradients gradients;
    struct random random; /* of dropout */
    double loss;          /* since begin: sum over samples, and of the penalties */

    struct shard_task task;
    struct loss open;
    struct arena tape;    /* of one chunk */
    size_t tape_least;    /* bytes that any chunk takes of it, */
    size_t tape_each;     /* and each behavior that is read */
    struct arena scratch; /* of the loss */
};

/* Keeps `model`, whose ops must have `steps`. On failure there is nothing to close. */
MUST_CHECK enum status shard_open(struct shard *shard, const struct interest_model *model,
                                  const struct shard_limits *limits, struct error *error);
void shard_close(struct shard *shard);

/* Bytes of tape that a chunk of so many behaviors needs, however they are divided. */
size_t shard_tape_size(const struct shard *shard, uint32_t behaviors);

/* Makes room for chunks of so many behaviors. STATUS_INVALID: there is no such memory. */
MUST_CHECK enum status shard_allow(struct shard *shard, uint32_t behaviors, struct error *error);

/*
 * Clears gradients and loss. `random` draws dropout. What `task` points to is kept until the end.
 */
void shard_begin(struct shard *shard, const struct shard_task *task, struct random random);

/* One chunk; `chunk` may lie in shard->tape, which is released. */
void shard_pass(struct shard *shard, const struct minibatch *chunk);
void shard_end(struct shard *shard);

/* Where a chunk may be filled: from here on until its pass. */
struct arena *shard_arena(struct shard *shard);

#endif

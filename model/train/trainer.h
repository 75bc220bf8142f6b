/*
 * trainer.h - fits the parameters of a checkpoint to a dataset, epoch by epoch.
 *
 * Each minibatch is cut into shards that run on a thread each; their gradients are added in the
 * order of shards and make one step of Adam. After each epoch some users' held-back behaviors are
 * ranked; the parameters that ranked them best, the later of equals, are what remains.
 *
 *     trainer_open -> [trainer_resume] -> (trainer_epoch -> [trainer_save]) ... -> trainer_finish
 *
 * Everything that is drawn follows from the seed and from where the run stands, so a run that is
 * saved and resumed ends with the same bytes as one that was not interrupted; and so does one that
 * was finished into a checkpoint, as long as no rate or validation follows from the number of epochs.
 *
 * Threads: one owner.
 */
#ifndef MODEL_TRAIN_TRAINER_H
#define MODEL_TRAIN_TRAINER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "model/checkpoint.h"
#include "model/dataset.h"
#include "model/train/minibatch.h"
#include "model/train/readout.h"
#include "model/train/validation.h"

enum { TRAIN_SEQUENCES_MAX = 1 << 14, TRAIN_SHARDS_MAX = 16 };

struct train_options {
    uint32_t epochs;
    uint32_t sequences; /* of a minibatch; <= TRAIN_SEQUENCES_MAX */
    uint32_t shards;    /* that it is cut into; <= TRAIN_SHARDS_MAX; another number, other bytes */
    uint32_t steps_max; /* behaviors of a sequence; a longer history is several */
    uint32_t cuts;      /* steps of a sequence that are samples; 0: every one */
    real action_weight[MINIBATCH_ACTIONS];
    enum readout readout;
    double power;                /* of the read-out label-aware */
    uint32_t full_softmax_items; /* a larger catalogue is sampled: */
    uint32_t negatives;          /* so many for each minibatch */
    double dropout;
    double rate; /* optimizer.h has these */
    double clip;
    uint32_t warmup_steps;
    double final_share;
    uint32_t validation_users; /* 0: none, and the last epoch remains */
    uint32_t patience;         /* epochs without a better NDCG that end the run; 0: never */
    const uint32_t *context;   /* [users] first behaviors that are no targets; NULL: none; copied */
    uint32_t context_max;      /* most of them that a sequence absorbs; 0: all */
    double retain;     /* weight of retention.h; 0: none. It holds, to what they were when */
    uint32_t retained; /* the run began, the first `retained` interests */
    bool warm;         /* go on with the moments that the checkpoint has, if it has any */
    uint64_t seed;
    const atomic_bool *cancel; /* looked at before each minibatch; NULL: never */
};

/* What one epoch gave. */
struct train_epoch {
    uint32_t number; /* from 1 */
    uint64_t steps;  /* since the beginning */
    uint64_t behaviors;
    double loss; /* mean over the sequences of their minibatches' means, penalties included */
    struct validation_result validation;
    bool best; /* so far; true without validation */
};

/* Told after each minibatch; `share` of the epoch is done, `loss` is the minibatch's. */
struct train_observer {
    void (*show)(void *context, double share, uint64_t behaviors, double loss);
    void *context;
};

struct trainer;

/* What `braid train` does unless told otherwise: a shard for each core that it may use. */
struct train_options train_options_defaults(void);

/*
 * The first known[user] behaviors of each user may be learned from; `known` is copied. Keeps
 * `checkpoint`, whose parameters change, and `dataset`. STATUS_INVALID: the model has nothing to
 * train, or the dataset nothing to learn. On failure *trainerp is NULL.
 */
MUST_CHECK enum status trainer_open(struct trainer **trainerp, struct checkpoint *checkpoint,
                                    const struct dataset *dataset, const uint32_t *known,
                                    const struct train_options *options, struct error *error);
void trainer_close(struct trainer *trainer);

uint64_t trainer_samples(const struct trainer *trainer); /* of an epoch */
uint32_t trainer_epochs(const struct trainer *trainer);  /* done */

/* Users who are asked after each epoch, and those that could not be (validation.h). */
uint32_t trainer_asked(const struct trainer *trainer);
uint32_t trainer_left_out(const struct trainer *trainer);

/* False when all epochs are done or too many of them were no better. */
bool trainer_more(const struct trainer *trainer);

/*
 * Trains once over all samples and validates. Of a model that selects, select.prior is measured
 * first: validation reads what would be published. STATUS_INVALID if the loss is no number any
 * more. STATUS_END: canceled; the trainer is good for nothing but to be closed. `observer` may be
 * NULL.
 */
MUST_CHECK enum status trainer_epoch(struct trainer *trainer, const struct train_observer *observer,
                                     struct train_epoch *epoch, struct error *error);

/*
 * The best epoch's parameters and moments, or without validation the last one's, become the
 * checkpoint's. STATUS_IO: no memory for moments; the checkpoint has the parameters and none.
 */
MUST_CHECK enum status trainer_finish(struct trainer *trainer, struct error *error);

/* Where the run stands, in a file (replaced atomically): to be gone on with by trainer_resume. */
MUST_CHECK enum status trainer_save(const struct trainer *trainer, const char *path,
                                    struct error *error);

/*
 * Goes on from a saved file. STATUS_NOT_FOUND: there is none; STATUS_REFUSED: it is of a run with
 * other options, parameters or data.
 */
MUST_CHECK enum status trainer_resume(struct trainer *trainer, const char *path,
                                      struct error *error);

#endif

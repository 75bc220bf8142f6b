/*
 * round.h - one round of training inside the job: from histories to a candidate, and its verdict.
 *
 *     sample of histories -> dictionary of what was seen -> the current generation, grown, trained on
 *     what came up to a cut -> asked, beside the current one, for what came after it
 *
 * The first round has no current generation: it draws one and learns from all there is, and what
 * cannot be compared is adopted. A later one goes on from the parameters that serve, on what came
 * since, with what was learned before as its context, and on the whole histories of a share of the
 * users; it leaves out the newest events, which judge it.
 *
 * What a round gives is a function of the stores, the names, the options and the current generation:
 * no clock and no unseeded draw. Long: never on a polling thread.
 */
#ifndef STREAM_LEARN_ROUND_H
#define STREAM_LEARN_ROUND_H

#include <stdint.h>

#include "base/status.h"
#include "model/checkpoint.h"
#include "model/train/trainer.h"
#include "stream/learn/gate.h"
#include "stream/learn/history_sample.h"
#include "stream/learn/name_set.h"

enum { ROUND_OOV_ROWS = 64 }; /* of a first dictionary */

struct round_options {
    const char *model;      /* registry name of a first generation, */
    struct model_dims dims; /* and its dimensions */
    uint64_t behaviors_max; /* of a sample: bounds memory */
    double rehearsal;       /* share of the users whose whole history is learned from again */
    uint32_t minibatch;     /* events that a step of training is to find, about */
    uint64_t item_min;      /* events that an item needs for a row */
    uint32_t items_max;     /* of a dictionary; of more, those seen least go out */
    double retain;          /* weight of holding interests to what they said before (retention.h) */
    bool fresh;             /* every generation is drawn anew and learns from everybody */
    struct train_options first, next; /* epochs, rate, ... of a first and of a later round */
    struct gate_options gate;
    uint64_t seed;
};

/*
 * What is known of items beside their hashes: sets that stay as they are until the round ends, but
 * for the counts, which the round sets.
 */
typedef enum status round_names(void *context, struct name_set **itemsp,
                                const struct name_set **categoriesp, struct error *error);

struct round_input {
    struct history_stores stores;   /* whose `cancel` ends the round, wherever it is */
    void (*sampled)(void *context); /* the stores are not needed any more; or NULL */
    void *sampled_context;
    round_names *names;
    void *names_context;
    const struct checkpoint *current; /* NULL: none */
    int64_t learned_ms;               /* up to where it has learned; INT64_MIN: not known */
    int64_t measured_ms;              /* up to where it was measured before, or learned_ms */
    uint64_t number;                  /* of the candidate */
    uint64_t size_max; /* bytes that it may take (generation_size), 0: no limit: fewer items then */
};

struct round_result {
    struct checkpoint *candidate; /* the caller's to close; NULL if there was nothing to learn */
    int64_t learned_ms;           /* up to where it has learned */
    struct gate_result gate;
    struct gate_served served; /* the current one on what came after it was measured last */
    int64_t measured_ms;       /* up to where it was measured: the newest event */
    uint64_t users, behaviors; /* of the sample, */
    uint64_t users_learned;    /* and of them those who were learned from */
    uint64_t users_left_out;
    uint32_t items;         /* of the candidate's dictionary, */
    uint32_t items_new;     /* of them without a row before, */
    uint32_t items_evicted; /* and those that had a row before and have none now */
    uint64_t unknown;       /* behaviors of the sample without a row */
    uint64_t samples;       /* trained on, all epochs */
    double loss;            /* of the last epoch */
    double train_seconds;   /* of processor time that training took, all threads */
};

/* What `train.*` is unless configured. */
struct round_options round_options_defaults(void);

/*
 * Runs one. STATUS_NOT_FOUND: too little to learn from or too few new events to judge by, come back
 * later. STATUS_INVALID: the candidate would be too large with a single item, or the loss is no
 * number any more. STATUS_END: canceled. Whatever fails, nothing of the input has changed.
 */
MUST_CHECK enum status round_run(const struct round_options *options,
                                 const struct round_input *input, struct round_result *result,
                                 struct error *error);

#endif

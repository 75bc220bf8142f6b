/*
 * learner.h - the generations of a job that learns: the newest of model.dir, and those that rounds
 * of training add to it, here or in another process of the group (stream/exchange/exchange.h).
 *
 * A job that starts with nothing has generation 0: a model with an empty dictionary, drawn from a
 * seed, of which nothing is published. Its first round gives generation 1. What each round found,
 * and how well the generation that served predicted what came, is logged and added to
 * model.dir/curve.csv.
 *
 * Threads: one call at a time.
 */
#ifndef STREAM_LEARN_LEARNER_H
#define STREAM_LEARN_LEARNER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "config/config.h"
#include "model/generations.h"
#include "stream/learn/history_sample.h"

struct learner;

/* Where a round is due, and on what. */
struct learner_place {
    struct history_stores stores;
    void (*sampled)(void *context); /* the stores are not needed any more; or NULL */
    void *sampled_context;
    const int64_t *offsets; /* [partitions] source records before it, of each partition, */
    uint32_t partitions;
    int64_t position; /* and all together */
    bool last;        /* the source ends here: only a job without a generation still learns */
};

/*
 * Opens the newest generation of config's model.dir, which is made if there is none. Keeps `config`.
 * STATUS_INVALID: no such model as train.model.
 */
MUST_CHECK enum status learner_open(struct learner **learnerp, const struct config *config,
                                    struct error *error);

/*
 * A look at what others have trained, which is added to the generations. `seat`: this process is to
 * be the one of its group that trains. What fails is logged, and tried again at the next call.
 */
void learner_tend(struct learner *learner, bool seat);

/* Whoever took a generation has released it. Legal on NULL. */
void learner_close(struct learner *learner);

/* The generations that a job serves, the newest one first of all. */
struct generations *learner_generations(const struct learner *learner);

/*
 * Runs a round. If it gives another generation, that is on the disk, and among the generations. A
 * round that finds too little, fails or is canceled is logged and changes nothing: then STATUS_OK as
 * well.
 */
MUST_CHECK enum status learner_round(struct learner *learner, const struct learner_place *place,
                                     struct error *error);

#endif

/*
 * learner.h - the generations of a job that learns: the newest of model.dir, and those that rounds
 * of training add to it.
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
#include "model/checkpoint.h"
#include "stream/learn/history_sample.h"

struct learner;

/* Where a round is due, and on what. */
struct learner_place {
    struct history_stores stores;
    int64_t position; /* records of the source before it */
    bool last;        /* the source ends here: only a job without a generation still learns */
};

/*
 * Opens the newest generation of config's model.dir, which is made if there is none. Keeps `config`.
 * STATUS_INVALID: no such model as train.model.
 */
MUST_CHECK enum status learner_open(struct learner **learnerp, const struct config *config,
                                    struct error *error);
void learner_close(struct learner *learner);

/* The generation that serves, valid until a round has adopted another two times. */
const struct checkpoint *learner_current(const struct learner *learner);

/*
 * Runs a round. *adoptedp: another generation is current, and is on the disk. A round that finds too
 * little, or fails, is logged and changes nothing: then STATUS_OK as well.
 */
MUST_CHECK enum status learner_round(struct learner *learner, const struct learner_place *place,
                                     bool *adoptedp, struct error *error);

#endif

/*
 * job_learner.h - who trains: all that the job knows of it.
 *
 * A round is run at a place where all workers hold (hold.h), or beside them (training.h). What it
 * gives is added to the generations, where the workers find it.
 */
#ifndef STREAM_JOB_JOB_LEARNER_H
#define STREAM_JOB_JOB_LEARNER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "model/generations.h"
#include "state/store.h"

/* What a round is given. */
struct job_round {
    const struct store_ops *stores;
    struct store *const *at; /* [count] in the order of their partitions */
    const atomic_bool *const
        *gone; /* [count] leave the store at once when it is set; NULL: never */
    uint32_t count;
    const int64_t
        *offsets; /* [partitions] of the next source record of each; 0: not this process's */
    uint32_t partitions;
    int64_t position; /* source records before it, all together */
    bool last;        /* the input ends here: only a job without a generation still learns */
    const atomic_bool *cancel; /* end the round at once when it is set; NULL: never */
    void (*sampled)(
        void *context); /* to be called when the stores are not needed any more, or NULL */
    void *context;
};

struct job_learner {
    void *context;
    struct generations *generations; /* to which the learner adds */

    /*
     * Runs a round. One that fails is logged and changes nothing; only what must end the job is a
     * failure.
     */
    enum status (*round)(void *context, const struct job_round *round, struct error *error);

    /*
     * Called every few seconds: adds what others have trained meanwhile. `seat`: this process owns
     * partition 0, so it is the one of its group to train. NULL: there is nobody else.
     */
    void (*tend)(void *context, bool seat);
};

#endif

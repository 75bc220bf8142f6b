/* learning.h - a job and its learner joined, which know nothing of each other. */
#ifndef CLI_LEARNING_H
#define CLI_LEARNING_H

#include "stream/job/job_learner.h"
#include "stream/learn/learner.h"

/* Where a job has come to, as its learner takes it. Borrows. */
static inline struct learner_place learning_place(const struct job_round *round)
{
    return (struct learner_place){
        .stores = {round->stores, round->at, round->count, round->gone, round->cancel},
        .sampled = round->sampled,
        .sampled_context = round->context,
        .offsets = round->offsets,
        .partitions = round->partitions,
        .position = round->position,
        .last = round->last,
    };
}

#endif

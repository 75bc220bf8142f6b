/*
 * training.h - rounds of training beside the stream, which waits for none of them.
 *
 * One thread for the process, of low priority, as are those that a round starts. It looks after
 * what others have trained, and runs a round when one is due: so many committed events after the
 * last one, or so much time, and nobody here is left to be moved to the generation of the last one.
 * A round reads the stores of the partitions that the process owns at
 * that moment, while their workers write them (store_leases.h).
 *
 * On Kafka the process that owns partition 0 trains, and a round ends when it loses that.
 *
 * Threads: open, stop and close by the job; want from any.
 */
#ifndef STREAM_JOB_TRAINING_H
#define STREAM_JOB_TRAINING_H

#include <stdint.h>

#include "base/status.h"
#include "stream/job/job_learner.h"
#include "stream/job/job_shared.h"

struct training;

/* Starts the thread. Keeps `shared` and `learner`. */
MUST_CHECK enum status training_open(struct training **trainingp, const struct job_shared *shared,
                                     const struct job_learner *learner, struct error *error);

/* Ends the round under way, without what it has learned, and the thread. Legal on NULL, and again. */
void training_stop(struct training *training);
void training_close(struct training *training);

/* A partition waits for a generation that others have trained: look for it now. Legal on NULL. */
void training_want(struct training *training, uint64_t generation);

#endif

/*
 * hold.h - where the workers of a job on files meet while a round of training runs.
 *
 * All hold at the same place of the input, with everything before it committed. The last to arrive
 * runs the round, on the stores of all, while the others wait; then all go on with the generation
 * that it gave, or with the one they had. The sweep after it is cut into steps that all take
 * together, since a commit of files is all workers'. Where training runs beside the stream there is
 * one hold, at the end of the input: training ends, and everybody is moved before the job ends.
 *
 *     hold_round -> (hold_step ... until nobody has more)
 *
 * Threads: the workers'.
 */
#ifndef STREAM_JOB_HOLD_H
#define STREAM_JOB_HOLD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "stream/broker/broker.h"
#include "stream/job/assignment.h"
#include "stream/job/job_learner.h"

struct hold;
struct training;

/* `training` runs beside the workers, or NULL. */
MUST_CHECK enum status hold_open(struct hold **holdp, uint32_t workers, uint32_t partitions,
                                 const struct job_learner *learner, struct training *training,
                                 const struct store_ops *stores, struct error *error);
void hold_close(struct hold *hold);

/*
 * Brings this worker's tasks to the place of a POLL_HOLD; returns after the round, when another
 * generation may serve. STATUS_IO: another worker has left.
 */
MUST_CHECK enum status hold_round(struct hold *hold, struct task *const *tasks, uint32_t count,
                                  const struct poll *poll, struct error *error);

/* Waits for the others; *anyp: at least one of them said `more`. */
MUST_CHECK enum status hold_step(struct hold *hold, bool more, bool *anyp, struct error *error);

/* A worker has ended: nobody waits for it any more. */
void hold_leave(struct hold *hold);

#endif

/*
 * hold.h - where the workers of a job meet while a round of training runs.
 *
 * All hold at the same place of the input, with everything before it committed. The last to arrive
 * runs the round, on the stores of all, while the others wait; then all go on with the generation
 * that it gave, or with the one they had. The sweep after it is cut into steps that all take
 * together, since a commit of files is all workers'.
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
#include "model/checkpoint.h"
#include "model/interest_model.h"
#include "state/store.h"
#include "stream/broker/broker.h"
#include "stream/job/assignment.h"

/* What a round is given: the stores of all workers, quiet and up to date. */
struct hold_place {
    const struct store_ops *stores;
    struct store *const *at; /* in the order of their partitions */
    uint32_t count;
    int64_t position; /* records of the source before it */
    bool last;        /* the input ends here */
};

/* Who trains: the job knows no more of it. */
struct job_learner {
    void *context;

    /* The generation that serves now; the learner's, valid until it gives another one. */
    const struct checkpoint *(*current)(void *context);

    /*
     * A round is due. *adoptedp: `current` is another generation now; what it was is kept until the
     * next round. A round that fails is logged and changes nothing; only what must end the job is a
     * failure.
     */
    enum status (*round)(void *context, const struct hold_place *place, bool *adoptedp,
                         struct error *error);
};

struct hold;

MUST_CHECK enum status hold_open(struct hold **holdp, uint32_t workers, uint32_t partitions,
                                 const struct job_learner *learner, const struct store_ops *stores,
                                 struct error *error);
void hold_close(struct hold *hold);

/* The generation that serves now, open. */
const struct interest_model *hold_model(const struct hold *hold);

/*
 * Brings this worker's tasks to the place of a POLL_HOLD; returns after the round. *adoptedp: another generation serves now, and
 * *modelp is it open, the hold's. STATUS_IO: another worker has left.
 */
MUST_CHECK enum status hold_round(struct hold *hold, struct task *const *tasks, uint32_t count,
                                  const struct poll *poll, const struct interest_model **modelp,
                                  bool *adoptedp, struct error *error);

/* Waits for the others; *anyp: at least one of them said `more`. */
MUST_CHECK enum status hold_step(struct hold *hold, bool more, bool *anyp, struct error *error);

/* A worker has ended: nobody waits for it any more. */
void hold_leave(struct hold *hold);

#endif

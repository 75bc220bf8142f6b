/* fake_worker.h - a worker of the job over a fake broker: a whole processor, from open to close. */
#ifndef TESTS_UNIT_FAKE_WORKER_H
#define TESTS_UNIT_FAKE_WORKER_H

#include "stream/job/job_learner.h"
#include "stream/job/memory_plan.h"
#include "tests/unit/fake_broker.h"

struct fake_worker {
    const struct config *config;
    const struct memory_plan *plan;
    struct generations *generations;
    const struct job_learner *learner; /* who trains beside it; NULL: nobody */
};

/* Runs it until its session ends or fails. A failure to open fails the test. */
enum status fake_worker_run(const struct fake_worker *worker, struct broker *broker);

#endif

/* job_shared.h - what all workers of a job share; read-only while they run, but for the metrics. */
#ifndef STREAM_JOB_JOB_SHARED_H
#define STREAM_JOB_JOB_SHARED_H

#include "base/metrics.h"
#include "config/config.h"
#include "model/interest_model.h"
#include "state/store.h"
#include "stream/broker/broker.h"
#include "stream/job/memory_plan.h"
#include "stream/source/event.h"

struct hold;

struct job_shared {
    const struct config *config;
    const struct interest_model *model; /* of the generation that serves at the start */
    const struct memory_plan *plan;
    const struct broker_ops *ops;
    struct broker *broker;
    const struct store_ops *stores;
    struct hold *hold; /* of a job that learns, else NULL */
    struct history_seal
        seal; /* what every seal of this job says, its generation that of the start */

    /* Of what is committed: */
    struct metric *events[EVENT_VERDICTS];
    struct metric *late;           /* accepted, but before an earlier one of their user */
    struct metric *unknown;        /* accepted, of an item that the generation does not know */
    struct metric *odd_categories; /* accepted without the category they have */
    struct metric *records;
    struct metric *commits;
};

/* Registers the metrics (job.c). */
void job_shared_init(struct job_shared *shared);

#endif

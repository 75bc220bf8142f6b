/*
 * processor.h - a worker: its session's loop from polled events to committed records.
 *
 *     poll -> group by user -> load those not in memory -> append histories -> absorb as one batch
 *     commit -> publish changed users -> transaction -> stores -> snapshots by budget
 *
 * This is the hot path: read processor.c first, from top to bottom.
 *
 * Thread: one each; it shares the model, the broker and the metrics with the others.
 */
#ifndef STREAM_JOB_PROCESSOR_H
#define STREAM_JOB_PROCESSOR_H

#include <stdint.h>

#include "base/metrics.h"
#include "base/status.h"
#include "config/config.h"
#include "model/interest_model.h"
#include "state/store.h"
#include "stream/broker/broker.h"
#include "stream/source/event.h"
#include "stream/job/memory_plan.h"

/* What all workers share. */
struct processor_shared {
    const struct config *config;
    const struct interest_model *model;
    const struct memory_plan *plan;
    const struct broker_ops *ops;
    struct broker *broker;
    const struct store_ops *stores;
    struct history_seal seal; /* what every seal of this job says; number and offset are its own */

    /* Of what is committed: */
    struct metric *events[EVENT_VERDICTS];
    struct metric *records;
    struct metric *commits;
};

/* Registers the metrics. */
void processor_shared_init(struct processor_shared *shared);

struct processor;

/* Opens worker `worker`'s session and memory. Keeps `shared`. */
MUST_CHECK enum status processor_open(struct processor **processorp,
                                      const struct processor_shared *shared, uint32_t worker,
                                      struct error *error);
void processor_close(struct processor *processor);

/*
 * Works until the session ends. STATUS_OK: everything polled is committed, the stores are flushed.
 */
MUST_CHECK enum status processor_run(struct processor *processor, struct error *error);

/* Heap that a processor takes beside its cache and changeset, for the memory plan. */
size_t processor_size(const struct config *config, const struct interest_model *model);

#endif

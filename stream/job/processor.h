/*
 * processor.h - a worker: its session's loop from polled events to committed records.
 *
 *     poll -> group by user -> load those not in memory -> append histories -> absorb as one batch
 *     commit -> publish changed users -> broker, stores: by a committer, while the worker goes on
 *
 * This is the hot path: read processor.c first, from top to bottom.
 *
 * Thread: one each; it shares the model, the broker and the metrics with the others.
 */
#ifndef STREAM_JOB_PROCESSOR_H
#define STREAM_JOB_PROCESSOR_H

#include <stdint.h>

#include "base/status.h"
#include "config/config.h"
#include "model/interest_model.h"
#include "stream/job/job_shared.h"
#include "stream/source/disorder.h"

struct processor;

/* Opens worker `worker`'s session and memory. Keeps `shared`. */
MUST_CHECK enum status processor_open(struct processor **processorp,
                                      const struct job_shared *shared, uint32_t worker,
                                      struct error *error);
void processor_close(struct processor *processor);

/*
 * Works until the session ends. STATUS_OK: everything polled is committed, the stores are flushed.
 */
MUST_CHECK enum status processor_run(struct processor *processor, struct error *error);

/* Of the events it committed, the one that came latest after a later one of its user. */
const struct late_event *processor_worst_late(const struct processor *processor);

/* Heap that a processor takes beside its cache and changeset, for the memory plan. */
size_t processor_size(const struct config *config, const struct interest_model *model);

#endif

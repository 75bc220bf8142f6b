/*
 * seed_writer.h - sorted runs become histories in a job's companions, step by step.
 *
 * A step is an item, or a user with all of its chunks. The steps of a partition always come in the
 * same order, and those that are committed are passed over.
 */
#ifndef STREAM_REPLAY_SEED_WRITER_H
#define STREAM_REPLAY_SEED_WRITER_H

#include "stream/replay/runs.h"
#include "stream/replay/seed.h"

struct seed_writing {
    const struct seed_log_ops *ops;
    struct seed_log *log;
    const struct config *config; /* the job's */
    const struct runs *runs;     /* and as many files of items */
    const atomic_bool *stopping;
    uint64_t behaviors_total; /* in all runs, for progress */
    struct seed_summary *summary;
};

/* Writes all that is not committed, and the seals. STATUS_END: it was stopped. */
MUST_CHECK enum status seed_write(const struct seed_writing *writing, struct error *error);

#endif

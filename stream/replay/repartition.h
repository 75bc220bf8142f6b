/*
 * repartition.h - a topic that is not keyed by user copied into one that is.
 *
 * All of a user's records come into one partition, the one in which any producer with Kafka's
 * default partitioner would put that user; values, headers and timestamps stay. Records of one
 * source partition keep their order; those of several are merged by their timestamps (merge.h).
 * What has no user that could be read is copied too, so that the job can make a dead letter of it:
 * to the partition of its own key, or without a key to that of the source, modulo the target's.
 * Each record is copied exactly once, however often the copy is killed and run again.
 */
#ifndef STREAM_REPLAY_REPARTITION_H
#define STREAM_REPLAY_REPARTITION_H

#include <stdatomic.h>

#include "stream/broker/topic_copy.h"

struct repartition_summary {
    uint64_t records; /* that were committed: */
    uint64_t keyed;   /* by a user, */
    uint64_t userless;
    uint64_t commits;
    uint32_t source_partitions, target_partitions;
    double seconds;
    bool stopped; /* as asked, before the end */
};

/*
 * Copies until the source's end, or with options->follows until *stopping. STATUS_REFUSED,
 * STATUS_FENCED: as topic_copy.h says. Also after a failure the summary says what was committed.
 */
MUST_CHECK enum status repartition_run(const struct topic_copy_ops *ops,
                                       const struct config *config,
                                       const struct copy_options *options,
                                       const atomic_bool *stopping,
                                       struct repartition_summary *summary, struct error *error);

#endif

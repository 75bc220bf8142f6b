/*
 * replay_plan.h - what a replay would read, and whether its names are free: looked up, nothing changed.
 *
 *     replay_plan_look: configuration of the replay -> its range of each partition, how far it is
 *
 * Thread: one.
 */
#ifndef STREAM_BROKER_REPLAY_PLAN_H
#define STREAM_BROKER_REPLAY_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "config/config.h"
#include "stream/broker/broker.h"

struct replay_plan {
    uint32_t partitions;
    int64_t first[POLL_PARTITIONS_MAX]; /* source offsets: where each one's range begins, */
    int64_t next[POLL_PARTITIONS_MAX];  /* up to where it is committed, */
    int64_t end[POLL_PARTITIONS_MAX];   /* and where it ends; of a replay without an end: now */
    bool begun;                         /* something of it was committed */
    uint64_t generation; /* the highest that has published, or would have; 0: histories alone */
};

/*
 * Looks a replay up. `config` has its names, and source.start and source.end. STATUS_REFUSED: a
 * topic of its names holds records and the group has committed nothing, or not of this source; or
 * an offset of the bounds is not in the topic. STATUS_IO: brokers don't answer.
 */
MUST_CHECK enum status replay_plan_look(struct replay_plan *plan, const struct config *config,
                                        struct error *error);

/* A sample of the events to be read, a part of it from the middle of each partition's range. */
struct replay_sample {
    uint64_t records, bytes; /* read; keys and values */
    uint64_t keys;           /* different ones among them */
    double per_s;            /* records read in a second */
    double users; /* of the whole range, estimated from how often keys came once and twice */
};
MUST_CHECK enum status replay_plan_sample(struct replay_sample *sample,
                                          const struct replay_plan *plan,
                                          const struct config *config, struct error *error);

#endif

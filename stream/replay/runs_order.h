/* runs_order.h - the order of users in a run, and what stands before each. Of runs.h's files only. */
#ifndef STREAM_REPLAY_RUNS_ORDER_H
#define STREAM_REPLAY_RUNS_ORDER_H

#include <stdint.h>
#include <string.h>

#include "base/bytes.h"

/* A user in a run: this, its id, its behaviors. */
struct run_user {
    uint32_t partition;
    uint32_t size; /* of the id */
    uint64_t behaviors;
};

/* < 0: a is before b. */
static inline int run_order(uint32_t partition_a, struct bytes a, uint32_t partition_b,
                            struct bytes b)
{
    if (partition_a != partition_b) return partition_a < partition_b ? -1 : 1;
    if (a.size != b.size) return a.size < b.size ? -1 : 1;
    return memcmp(a.at, b.at, a.size);
}

#endif

/*
 * memory_plan.h - one budget (job.memory) divided among everything that takes memory.
 *
 * What the process has already taken (program, libraries, checkpoint) and what does not scale come
 * off first, then a slack for allocators and the store's own needs; memtables and the block cache
 * get shares; the rest is slots for hot users. Transactions are limited so that their users always
 * fit the slots.
 */
#ifndef STREAM_JOB_MEMORY_PLAN_H
#define STREAM_JOB_MEMORY_PLAN_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "config/config.h"
#include "model/interest_model.h"
#include "state/store.h"

enum { MEMORY_POLLS_IN_FLIGHT = 3 }; /* beside the queued ones: being made, taken, and answered */

struct memory_plan {
    struct store_options store; /* of all workers together */
    size_t answers_size;        /* of states kept to answer with (stream/query/folded_states.h) */
    uint32_t cache_users;       /* slots of each worker */
    uint32_t poll_events_max;   /* as configured, or less where memory is short */
    uint32_t queue_polls_max;
    uint32_t users_max;        /* of one worker's transaction, those of queued polls included */
    uint32_t behaviors_max;    /* the same, of what is appended */
    uint32_t users_wanted;     /* a worker asks for a commit at so many changed users, */
    uint32_t behaviors_wanted; /* or so many behaviors */
};

/*
 * `taken` is what the process uses before anything of the plan is opened (bytes resident).
 * STATUS_INVALID names the least job.memory that would do.
 */
MUST_CHECK enum status memory_plan_make(struct memory_plan *plan, const struct config *config,
                                        const struct interest_model *model, uint64_t taken,
                                        struct error *error);

/* Bytes of this process that are resident. */
uint64_t memory_resident(void);

#endif

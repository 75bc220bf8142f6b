/*
 * user_batch.h - some hundred users out of a history log, folded and read together.
 *
 *     open -> (add ... -> run -> users, sets) ... -> close
 *
 * Behaviors are taken when a user is added, so its chunks may be gone when the batch is run.
 *
 * Thread: one. Memory: taken at open.
 */
#ifndef STREAM_QUERY_USER_BATCH_H
#define STREAM_QUERY_USER_BATCH_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"
#include "model/interest_model.h"
#include "stream/interests/fold.h"
#include "stream/query/history_users.h"

enum {
    USER_BATCH_MAX = 256, /* users: their states stay in the second-level cache */
};

/* A user of the batch, up to the last of its behaviors that were folded. */
struct batch_user {
    struct fold_progress progress;
    struct history_behavior last; /* of them */
    struct user_profile profile;  /* in force with it */
};

struct user_batch {
    const struct interest_model *model;
    struct interest_scratch *scratch;
    struct fold *fold;
    struct arena arena; /* what follows */
    uint8_t *states;    /* [USER_BATCH_MAX] of `stride` bytes */
    size_t stride;
    struct interest_sets
        sets; /* of the users, once the batch was run; intent NULL: model has none */
    struct batch_user users[USER_BATCH_MAX];
    uint32_t count; /* since the last run */
};

/* Keeps `model`. On failure close it all the same. */
MUST_CHECK enum status user_batch_open(struct user_batch *batch, const struct interest_model *model,
                                       struct error *error);
void user_batch_close(struct user_batch *batch); /* legal on one that is all zero */

/*
 * Adds the behaviors [from, end) of a user, which must have them, as number `count` of fewer than
 * USER_BATCH_MAX users.
 */
void user_batch_add(struct user_batch *batch, const struct history_user *user, uint64_t from,
                    uint64_t end);

/* Reads the interests of the users into `sets`, and begins anew: returns how many they were. */
uint32_t user_batch_run(struct user_batch *batch);

#endif

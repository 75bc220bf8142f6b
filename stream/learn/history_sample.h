/*
 * history_sample.h - the histories of some users, read from the stores of a job.
 *
 * What a round of training inside the job learns from. A sample holds each drawn user's behaviors
 * from `from` on, as a fold would see them: the same cut at state.history_max, the same ordinals,
 * the same order. Whoever was active since a given time is drawn first; of the others a share is
 * drawn by a seed, so that what was learned before is rehearsed. What does not fit into the bound is
 * thinned by the same draw, so a sample is fair and the same for the same stores and seed.
 *
 * Reading it takes scans only, which may run beside the owner of a store; no view of it is held for
 * longer than a second. A user whose history changes so much meanwhile that a chunk is missing is
 * left out and counted, and so is one that would go beyond the bound because stores have grown.
 *
 *     history_sample_read -> history_sample_dataset ... -> history_sample_close
 *
 * Memory: 16 bytes a behavior and 48 a user; a dataset made of it about 60 bytes a behavior.
 * Threads: one owner.
 */
#ifndef STREAM_LEARN_HISTORY_SAMPLE_H
#define STREAM_LEARN_HISTORY_SAMPLE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "model/dataset.h"
#include "model/item_table.h"
#include "state/history.h"
#include "state/store.h"

/* Stores to read, in the order of their partitions. */
struct history_stores {
    const struct store_ops *ops;
    struct store *const *at;
    uint32_t count;
    const atomic_bool *const *gone; /* [count] leave the store when it is set; NULL: quiet stores */
    const atomic_bool *cancel;      /* end the reading when it is set; NULL: never */
};

struct history_sample_options {
    int64_t active_since_ms; /* users with a later behavior are active; INT64_MIN: all are */
    double rehearsal;        /* share of the other users, 0..1 */
    uint64_t behaviors_max;  /* of the sample */
    uint64_t seed;
};

struct sampled_user {
    uint64_t hash;  /* identity_of its id */
    uint64_t from;  /* ordinal of its first behavior here */
    size_t at;      /* of that behavior in `behaviors` */
    uint32_t count; /* behaviors */
    uint32_t found; /* of them, while reading */
};

/* What is known of a user from a behavior on. */
struct sampled_profile {
    size_t at; /* of the behavior in `behaviors` */
    struct user_profile profile;
};

struct history_sample {
    struct sampled_user *users; /* in the order of the stores */
    uint32_t users_count;
    struct history_behavior *behaviors; /* user by user, oldest first */
    size_t behaviors_count;
    struct sampled_profile *profiles; /* by their behaviors, once all is read */
    size_t profiles_count;
    size_t profiles_room;

    uint64_t users_seen;     /* in the stores, tombstones not counted */
    uint64_t users_active;   /* of them */
    uint64_t users_left_out; /* drawn, but a chunk of theirs was gone */
    uint64_t behaviors_seen;
};

/*
 * Draws and reads. `sample` is to be closed also after a failure. STATUS_CORRUPT: a store holds a
 * record that does not decode. STATUS_END: canceled, or a store was to be left.
 */
MUST_CHECK enum status history_sample_read(struct history_sample *sample,
                                           const struct history_stores *stores,
                                           const struct history_sample_options *options,
                                           struct error *error);
void history_sample_close(struct history_sample *sample);

/*
 * A sealed dataset of the sample, its items resolved by `items`. *unknownp counts the behaviors
 * whose item has no row of its own. On failure *datasetp is NULL.
 */
MUST_CHECK enum status history_sample_dataset(const struct history_sample *sample,
                                              const struct item_table *items,
                                              struct dataset **datasetp, uint64_t *unknownp,
                                              struct error *error);

#endif

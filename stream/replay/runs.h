/*
 * runs.h - behaviors in the order of a log made into behaviors in the order of users: an external
 * sort.
 *
 * A collector takes behaviors as they come and keeps them by user in a block of fixed size. When it
 * is full, all of it is written as a run: a file of users in the order of (partition, id), each with
 * its behaviors in the order of their coming. A merge reads many runs and gives each user once, with
 * its behaviors of the first run first.
 *
 *     collector_open -> collector_add ... -> collector_spill -> collector_close
 *     runs_merge_open -> (runs_merge_user -> runs_merge_behavior ...) ... -> runs_merge_close
 *
 * A run is the work of one process on one machine: its numbers are in the machine's order.
 * Threads: a collector or a merge has one owner; collectors may work side by side.
 */
#ifndef STREAM_REPLAY_RUNS_H
#define STREAM_REPLAY_RUNS_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"
#include "state/history.h"

enum {
    RUNS_MAX = 1024,      /* of a merge */
    RUN_PATH_MAX = 4200,  /* bytes of a run's path */
    RUN_BUFFER = 1 << 18, /* bytes that a merge reads ahead of a run */
};

struct collector;

/*
 * Its runs are DIR/run-NAME-0000, -0001, ... `size` bytes of memory; a user and its behaviors take
 * 100 bytes, its id, and 16 to 32 bytes a behavior.
 */
MUST_CHECK enum status collector_open(struct collector **collectorp, const char *dir, uint32_t name,
                                      uint64_t size, struct error *error);
/* Legal on NULL. */
void collector_close(struct collector *collector);

MUST_CHECK enum status collector_add(struct collector *collector, uint32_t partition,
                                     struct bytes user, struct history_behavior behavior,
                                     struct error *error);

/* Writes what is in memory as a run, if anything is. */
MUST_CHECK enum status collector_spill(struct collector *collector, struct error *error);

/* Runs it has written. */
uint32_t collector_runs(const struct collector *collector);

void run_path(const char *dir, uint32_t name, uint32_t number, char path[RUN_PATH_MAX]);

/* Which runs: `counts[name]` of each collector, in this order. */
struct runs {
    const char *dir;
    const uint32_t *counts;
    uint32_t names;
};

struct runs_merge;

/* STATUS_REFUSED: more than RUNS_MAX runs. */
MUST_CHECK enum status runs_merge_open(struct runs_merge **mergep, const struct runs *runs,
                                       struct error *error);
/* Legal on NULL. */
void runs_merge_close(struct runs_merge *merge);

struct merged_user {
    uint32_t partition;
    struct bytes user;  /* valid until the next one */
    uint64_t behaviors; /* in all runs */
};

/* The next user, whatever was read of the one before; STATUS_END after the last. */
MUST_CHECK enum status runs_merge_user(struct runs_merge *merge, struct merged_user *user,
                                       struct error *error);

/* Its next behavior; called at most as often as it has some. */
MUST_CHECK enum status runs_merge_behavior(struct runs_merge *merge,
                                           struct history_behavior *behavior, struct error *error);

#endif

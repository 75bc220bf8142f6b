/*
 * sweeper.h - finds the users of a worker that an older generation still folds, who left, or who are
 * known by a hash alone.
 *
 * When a generation is adopted every user is folded anew and published again, whether it acts or
 * not: its record, which names the generation that folded it, says whether that has been done. So a
 * sweep that was interrupted needs no cursor to go on: it passes over those that were moved. Users
 * that were in memory come first, who acted last before all others; then everybody, partition by
 * partition, in the order of their keys.
 *
 * Beside the stream a worker moves what one call finds between two polls. So that no poll waits for
 * long, a call finds users of SWEEPER_BEHAVIORS_MAX behaviors together, not counting the last one
 * (which has at most state.history_max), and reads SWEEPER_VISITS_MAX records: some 20 ms of
 * folding for LimaRec with d = 64, and less of reading.
 *
 * Thread: one owner. Memory: taken at open.
 */
#ifndef STREAM_JOB_SWEEPER_H
#define STREAM_JOB_SWEEPER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"
#include "config/config.h"
#include "state/state_cache.h"
#include "state/store.h"
#include "stream/job/assignment.h"

struct sweeper;

/* A user that is to be moved. */
struct unswept_user {
    struct task *task; /* of its partition */
    struct bytes id;
};

enum { SWEEPER_VISITS_MAX = 4096, SWEEPER_BEHAVIORS_MAX = 16384 };

/* At most `users_max` users are found at a time; `active_max` are kept as the active ones. */
MUST_CHECK enum status sweeper_open(struct sweeper **sweeperp, const struct config *config,
                                    const struct store_ops *stores,
                                    const struct assignment *assignment, uint32_t users_max,
                                    uint32_t active_max, struct error *error);
void sweeper_close(struct sweeper *sweeper);

/* Bytes that it takes beside SWEEPER_ACTIVE_SIZE for each active user, for the memory plan. */
enum { SWEEPER_ACTIVE_SIZE = 56 };
size_t sweeper_size(const struct config *config, uint32_t users_max);

/* The users in memory are the active ones from now on. Nothing of the cache may be dirty. */
void sweeper_note_active(struct sweeper *sweeper, struct state_cache *cache);

/*
 * The next of the active users, at most `most`, that have behaviors and are not of `generation`, of
 * partitions that are unswept; valid until the next call. *endedp: there was none left to look at.
 */
MUST_CHECK enum status sweeper_next_active(struct sweeper *sweeper, uint64_t generation,
                                           uint32_t most, const struct unswept_user **usersp,
                                           uint32_t *countp, bool *endedp, struct error *error);

/*
 * The same of all users of the task's partition, in key order. A call may find none among those it
 * visits; *endedp: there is nobody after these. Another task begins anew.
 */
MUST_CHECK enum status sweeper_next(struct sweeper *sweeper, struct task *task, uint64_t generation,
                                    uint32_t most, const struct unswept_user **usersp,
                                    uint32_t *countp, bool *endedp, struct error *error);

/* Which users have left: by a partition's clock, and, if that is `told`, without a tombstone yet. */
struct leaving {
    int64_t clock_ms, ttl_ms;
    bool told;
};
bool leaving_has(const struct leaving *leaving, const struct history *history);

/* As sweeper_next, of users that have left. */
MUST_CHECK enum status sweeper_next_left(struct sweeper *sweeper, struct task *task,
                                         const struct leaving *leaving, uint32_t most,
                                         const struct unswept_user **usersp, uint32_t *countp,
                                         bool *endedp, struct error *error);

/* As sweeper_next, of users whose cuts are at CUT_SEEKING. */
MUST_CHECK enum status sweeper_next_sought(struct sweeper *sweeper, struct task *task,
                                           uint32_t most, const struct unswept_user **usersp,
                                           uint32_t *countp, bool *endedp, struct error *error);

/* All begin anew. */
void sweeper_restart(struct sweeper *sweeper);

#endif

/*
 * sweeper.h - finds the users of a partition that an older generation still folds.
 *
 * When a generation is adopted every user is folded anew and published again, whether it acts or
 * not: its record, which names the generation that folded it, says whether that has been done. So a
 * sweep that was interrupted needs no cursor to go on: it passes over those that were moved.
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
#include "state/store.h"
#include "stream/job/assignment.h"

struct sweeper;

/* At most `users_max` users are found at a time. */
MUST_CHECK enum status sweeper_open(struct sweeper **sweeperp, const struct config *config,
                                    const struct store_ops *stores, uint32_t users_max,
                                    struct error *error);
void sweeper_close(struct sweeper *sweeper);

/* Bytes that it takes, for the memory plan. */
size_t sweeper_size(const struct config *config, uint32_t users_max);

/*
 * The next users of the task's partition, in key order, at most `most` of them, that have behaviors
 * and are not of `generation`, valid until the next call. A call visits SWEEPER_VISITS_MAX users and
 * may find none among them; *endedp: there is nobody after these. Another task begins anew.
 */
enum { SWEEPER_VISITS_MAX = 4096 };
MUST_CHECK enum status sweeper_next(struct sweeper *sweeper, const struct task *task,
                                    uint64_t generation, uint32_t most, const struct bytes **usersp,
                                    uint32_t *countp, bool *endedp, struct error *error);

/* The next call begins anew. */
void sweeper_restart(struct sweeper *sweeper);

#endif

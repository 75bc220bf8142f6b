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
 * The next users of the task's partition, in key order, that have behaviors and are not of
 * `generation`, valid until the next call; *countp = 0 after the last. Another task begins anew.
 */
MUST_CHECK enum status sweeper_next(struct sweeper *sweeper, const struct task *task,
                                    uint64_t generation, const struct bytes **usersp,
                                    uint32_t *countp, struct error *error);

#endif

/*
 * seal_check.h - whether a job may go on from what was committed.
 *
 * What `braid verify` could not prove afterwards must not be begun: other settings of the source,
 * a generation that falls, another checkpoint under the number of the one that has published, another
 * output that would lack whoever does not act.
 */
#ifndef STREAM_JOB_SEAL_CHECK_H
#define STREAM_JOB_SEAL_CHECK_H

#include "base/status.h"
#include "config/config.h"
#include "state/history.h"

/*
 * Compares the last seal of a partition with `own`, what the job would write into its next one.
 * STATUS_REFUSED says what has changed and what to do. A seal of number 0 is nothing to go on from.
 */
MUST_CHECK enum status seal_check(const struct config *config, uint32_t partition,
                                  const struct history_seal *committed,
                                  const struct history_seal *own, struct error *error);

#endif

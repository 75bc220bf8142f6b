/*
 * takeover.h - whether one job can go on publishing where another has published.
 *
 * Both have read the same source from the same start with the same settings, one beside the other,
 * each with a group and companions of its own. The one that published is stopped; the other is at
 * least as far in every partition and has every behavior of every user. Then each n that it
 * publishes is no less than the last one, and a generation above all those that were published makes
 * each record a new one.
 *
 * Thread: one.
 */
#ifndef STREAM_QUERY_TAKEOVER_H
#define STREAM_QUERY_TAKEOVER_H

#include <stdint.h>
#include <stdio.h>

#include "base/status.h"
#include "config/config.h"
#include "stream/query/compare.h"

struct takeover {
    uint64_t generation;         /* that of the first record must be above it */
    struct compare_report users; /* `after`'s, seen from `before`'s */
};

/*
 * Checks that the job of `after` can publish in the place of the job of `before`, whose group is waited
 * for to be empty for its kafka.session_timeout; with `checks` nothing will follow, and `after` may
 * still publish nothing. STATUS_REFUSED says what is in the way, and what to
 * do.
 */
MUST_CHECK enum status takeover_check(const struct config *before, const struct config *after,
                                      bool checks, FILE *out, struct takeover *takeover,
                                      struct error *error);

#endif

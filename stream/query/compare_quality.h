/*
 * compare_quality.h - how well the generations of two jobs predict the same events.
 *
 * Histories that both jobs have are replayed in the order of time: the last fifth of their behaviors
 * is predicted one by one, each then learned from, by the model of either job as the stream serves it
 * (model/eval/evaluation.h, prequential). Only behaviors whose items both dictionaries know are cases,
 * so both answer the same questions.
 *
 *     open -> take (each user of both) ... -> measure -> close
 *
 * Memory: two datasets of at most so many behaviors as open is given. Thread: one.
 */
#ifndef STREAM_QUERY_COMPARE_QUALITY_H
#define STREAM_QUERY_COMPARE_QUALITY_H

#include <stdint.h>

#include "base/status.h"
#include "model/checkpoint.h"
#include "model/eval/ranking.h"
#include "stream/query/history_users.h"

enum { COMPARE_QUALITY_CUT = 20 }; /* items of a list */

struct compare_quality;

/* Keeps the checkpoints. STATUS_INVALID: a dictionary without rows for unknown items. */
MUST_CHECK enum status compare_quality_open(struct compare_quality **qualityp,
                                            const struct checkpoint *one,
                                            const struct checkpoint *other, uint64_t behaviors_max,
                                            struct error *error);
void compare_quality_close(struct compare_quality *quality); /* legal on NULL */

/* The behaviors of a user that both histories have; of either NULL: none. Beyond the most, none. */
MUST_CHECK enum status compare_quality_take(struct compare_quality *quality,
                                            const struct history_user *one,
                                            const struct history_user *other, struct error *error);

/* Means over the *casesp cases that both have; 0: there is none, and nothing was measured. */
MUST_CHECK enum status compare_quality_measure(struct compare_quality *quality,
                                               struct ranking_metrics means[2], uint64_t *casesp,
                                               struct error *error);

#endif

/*
 * report.h - what a round of training found, for people: a line of the log and a row of curve.csv.
 *
 * The curve is the prequential one: how well the generation that served predicted what came since
 * it was measured last, for all users and apart for newcomers, regulars and returners
 * (user_kind.h), beside counting.
 *
 * Threads: the learner's.
 */
#ifndef STREAM_LEARN_REPORT_H
#define STREAM_LEARN_REPORT_H

#include <stdint.h>

#include "model/checkpoint.h"
#include "stream/learn/round.h"

struct report {
    const char *model_dir;
    int64_t position;                /* records of the source before the round */
    const struct checkpoint *served; /* the generation that serves */
    int64_t since_ms; /* its figures are of the events after it; INT64_MIN: of none */
    double seconds;   /* that the round took */
};

/* Logs, and adds a row to the curve. That it can't be written is logged, and harms nothing. */
void report_round(const struct report *report, const struct round_result *result);

#endif

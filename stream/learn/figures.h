/*
 * figures.h - the rounds of training, as metrics.
 *
 * What a round measured stays until the next one: how well the generation that served predicted
 * what it had not learned from, for all users and apart for newcomers, regulars and returners
 * (user_kind.h), beside counting. A figure that was never measured is not there.
 *
 * Threads: any; a few metrics are looked up by name, so not for a hot loop.
 */
#ifndef STREAM_LEARN_FIGURES_H
#define STREAM_LEARN_FIGURES_H

#include "stream/learn/round.h"

/* This process may train: its counters begin at 0. */
void figures_begin(void);

/* A round came to a verdict; it failed. */
void figures_round(const struct round_result *result);
void figures_failure(void);

#endif

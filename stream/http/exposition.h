/*
 * exposition.h - all metrics as text, for Prometheus.
 *
 * Two forms that differ little: text 0.0.4, which everything reads, and OpenMetrics 1.0.
 */
#ifndef STREAM_HTTP_EXPOSITION_H
#define STREAM_HTTP_EXPOSITION_H

#include <stdbool.h>
#include <stdio.h>

extern const char exposition_text_type[];        /* Content-Type of text 0.0.4, */
extern const char exposition_openmetrics_type[]; /* and of OpenMetrics */

/* Prints what metric_table.h lists and anybody has registered. */
void exposition_print(FILE *out, bool openmetrics);

#endif

/*
 * metric_table.h - every metric of Braid: its kind, its unit and what it says.
 *
 * The table is what /metrics shows of what base/metrics.h counts, in this order. docs/operations.md
 * has a row for each, with what to do.
 */
#ifndef STREAM_HTTP_METRIC_TABLE_H
#define STREAM_HTTP_METRIC_TABLE_H

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metric_row {
    const char *name;
    enum metric_kind kind;
    double unit; /* what one counted is in the unit of the name: 1e-9 where ns are counted */
    const char *help;
};

extern const struct metric_row metric_table[];
extern const unsigned metric_table_count;

#endif

/* exposition.c - see exposition.h: a family for each row of the table that was ever counted. */
#include "stream/http/exposition.h"

#include <inttypes.h>
#include <string.h>

#include "base/metrics.h"
#include "stream/http/metric_table.h"

const char exposition_text_type[] = "text/plain; version=0.0.4; charset=utf-8";
const char exposition_openmetrics_type[] =
    "application/openmetrics-text; version=1.0.0; charset=utf-8";

/* OpenMetrics names a family of counters without the _total of its samples. */
static int family_size(const struct metric_row *row, bool openmetrics)
{
    const size_t size = strlen(row->name);
    const bool cut = openmetrics && row->kind == METRIC_COUNTER;
    return (int)(cut ? size - strlen("_total") : size);
}

static void print_head(FILE *out, const struct metric_row *row, bool openmetrics)
{
    static const char *const kinds[] = {"counter", "gauge", "histogram"};
    const int size = family_size(row, openmetrics);
    fprintf(out, "# HELP %.*s %s\n# TYPE %.*s %s\n", size, row->name, row->help, size, row->name,
            kinds[row->kind]);
}

/* Whole numbers stay whole, however large. */
static void print_value(FILE *out, int64_t value, double unit)
{
    if (unit == 1) {
        fprintf(out, " %" PRId64 "\n", value);
    } else {
        fprintf(out, " %.12g\n", (double)value * unit);
    }
}

static void print_label_value(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '\n') {
            fputs("\\n", out);
        } else {
            if (*text == '"' || *text == '\\') fputc('\\', out);
            fputc(*text, out);
        }
    }
}

static void print_metrics(FILE *out, const struct metric_row *row, bool openmetrics)
{
    bool begun = false;
    const struct metric *metric;
    for (uint32_t i = 0; (metric = metrics_at(i)) != NULL; i++) {
        if (strcmp(metric->name, row->name) != 0) continue;
        if (!begun) print_head(out, row, openmetrics);
        begun = true;
        fputs(metric->name, out);
        if (metric->label) {
            fprintf(out, "{%s=\"", metric->label);
            print_label_value(out, metric->label_value);
            fputs("\"}", out);
        }
        print_value(out, metric_value(metric), row->unit);
    }
}

/* Buckets count all that is at most their bound, so each includes the one before. */
static void print_histogram(FILE *out, const struct metric_row *row,
                            const struct histogram *histogram, bool openmetrics)
{
    int64_t count = 0;
    print_head(out, row, openmetrics);
    for (uint32_t i = 0; i <= histogram->bounds_count; i++) {
        count += atomic_load_explicit(&histogram->counts[i], memory_order_relaxed);
        fprintf(out, "%s_bucket{le=\"", row->name);
        if (i < histogram->bounds_count) {
            fprintf(out, "%g", (double)histogram->bounds[i] * row->unit);
        } else {
            fputs("+Inf", out);
        }
        fprintf(out, "\"} %" PRId64 "\n", count);
    }
    fprintf(out, "%s_count %" PRId64 "\n%s_sum", row->name, count, row->name);
    print_value(out, atomic_load_explicit(&histogram->sum, memory_order_relaxed), row->unit);
}

void exposition_print(FILE *out, bool openmetrics)
{
    for (unsigned r = 0; r < metric_table_count; r++) {
        const struct metric_row *row = &metric_table[r];
        const struct histogram *histogram;
        print_metrics(out, row, openmetrics);
        for (uint32_t i = 0; (histogram = histograms_at(i)) != NULL; i++) {
            if (strcmp(histogram->name, row->name) == 0)
                print_histogram(out, row, histogram, openmetrics);
        }
    }
    if (openmetrics) fputs("# EOF\n", out);
}

/*
 * metrics.h - counters, gauges and histograms that any thread may change and read.
 *
 * A metric is registered once, by name and label, and then costs one relaxed atomic operation. There
 * are at most METRICS_MAX of them, and HISTOGRAMS_MAX histograms; they live as long as the process.
 * Values are whole numbers in the unit that suits who counts (ns, millionths): how they are shown
 * to others is said where they are (stream/http/metric_table.c).
 *
 *     struct metric *dropped = metrics_get("braid_events_total", "reason", "dropped");
 *     metric_add(dropped, 1);
 */
#ifndef BASE_METRICS_H
#define BASE_METRICS_H

#include <stdatomic.h>
#include <stdint.h>

enum {
    METRICS_MAX = 512,
    METRICS_LABEL_MAX = 48, /* bytes of a label's value with its end; the rest is cut */
    HISTOGRAMS_MAX = 16,
    HISTOGRAM_BOUNDS_MAX = 20,
};

struct metric {
    _Alignas(64) _Atomic int64_t value; /* a line of its own: threads do not slow each other */
    const char *name;
    const char *label; /* its key, or NULL */
    char label_value[METRICS_LABEL_MAX];
};

/* How many observations were at most each bound, and the sum of all. */
struct histogram {
    const char *name;
    const int64_t *bounds; /* [bounds_count] ascending */
    uint32_t bounds_count;
    _Atomic int64_t counts[HISTOGRAM_BOUNDS_MAX + 1]; /* at most bounds[i] and above the one before;
                                                       * the last: above all of them */
    _Atomic int64_t sum;
};

/*
 * The metric of that name and label (NULL, NULL for none), registered at the first call. `name` and
 * `label` are kept, `value` is copied. Any thread; not for a hot loop.
 */
struct metric *metrics_get(const char *name, const char *label, const char *value);

static inline void metric_add(struct metric *metric, int64_t amount)
{
    atomic_fetch_add_explicit(&metric->value, amount, memory_order_relaxed);
}

static inline void metric_set(struct metric *metric, int64_t value)
{
    atomic_store_explicit(&metric->value, value, memory_order_relaxed);
}

static inline int64_t metric_value(const struct metric *metric)
{
    return atomic_load_explicit(&metric->value, memory_order_relaxed);
}

/*
 * The histogram of that name, registered at the first call; `name` and `bounds` (at most
 * HISTOGRAM_BOUNDS_MAX) are kept. Any thread; not for a hot loop.
 */
struct histogram *histograms_get(const char *name, const int64_t *bounds, uint32_t bounds_count);

/* Counts `times` observations of `value`. Any thread. */
void histogram_add(struct histogram *histogram, int64_t value, int64_t times);

/* The metric or histogram registered as number `index` from 0, NULL after the last. Any thread. */
const struct metric *metrics_at(uint32_t index);
const struct histogram *histograms_at(uint32_t index);

#endif

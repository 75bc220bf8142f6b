/*
 * metrics.h - counters that any thread may add to and read.
 *
 * A metric is registered once, by name and label, and then costs one relaxed atomic addition. There
 * are at most METRICS_MAX; they live as long as the process.
 *
 *     struct metric *dropped = metrics_get("braid_events_total", "reason", "dropped");
 *     metric_add(dropped, 1);
 */
#ifndef BASE_METRICS_H
#define BASE_METRICS_H

#include <stdatomic.h>
#include <stdint.h>

enum {
    METRICS_MAX = 256,
    METRICS_LABEL_MAX = 48, /* bytes of a label's value with its end; the rest is cut */
};

struct metric {
    _Alignas(64) _Atomic int64_t value; /* a line of its own: threads do not slow each other */
    const char *name;
    const char *label; /* its key, or NULL */
    char label_value[METRICS_LABEL_MAX];
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

static inline int64_t metric_value(const struct metric *metric)
{
    return atomic_load_explicit(&metric->value, memory_order_relaxed);
}

#endif

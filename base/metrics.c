/* metrics.c - fixed tables; a lock guards registration, nothing guards the values. */
#include "base/metrics.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"

static struct metric metrics[METRICS_MAX];
static struct histogram histograms[HISTOGRAMS_MAX];
static uint32_t metrics_count, histograms_count;
static pthread_mutex_t metrics_lock = PTHREAD_MUTEX_INITIALIZER;

static int is_metric(const struct metric *metric, const char *name, const char *label,
                     const char *value)
{
    if (strcmp(metric->name, name) != 0 || !metric->label != !label) return 0;
    return !label || (strcmp(metric->label, label) == 0 &&
                      strncmp(metric->label_value, value, METRICS_LABEL_MAX - 1) == 0);
}

struct metric *metrics_get(const char *name, const char *label, const char *value)
{
    pthread_mutex_lock(&metrics_lock);
    uint32_t i = 0;
    while (i < metrics_count && !is_metric(&metrics[i], name, label, value)) {
        i++;
    }
    if (i == metrics_count) {
        REQUIRE(metrics_count < METRICS_MAX);
        metrics[i].name = name;
        metrics[i].label = label;
        if (label) snprintf(metrics[i].label_value, METRICS_LABEL_MAX, "%s", value);
        metrics_count++;
    }
    pthread_mutex_unlock(&metrics_lock);
    return &metrics[i];
}

struct histogram *histograms_get(const char *name, const int64_t *bounds, uint32_t bounds_count)
{
    pthread_mutex_lock(&metrics_lock);
    uint32_t i = 0;
    while (i < histograms_count && strcmp(histograms[i].name, name) != 0) {
        i++;
    }
    if (i == histograms_count) {
        REQUIRE(histograms_count < HISTOGRAMS_MAX && bounds_count <= HISTOGRAM_BOUNDS_MAX);
        histograms[i].name = name;
        histograms[i].bounds = bounds;
        histograms[i].bounds_count = bounds_count;
        histograms_count++;
    }
    pthread_mutex_unlock(&metrics_lock);
    return &histograms[i];
}

void histogram_add(struct histogram *histogram, int64_t value, int64_t times)
{
    uint32_t i = 0;
    while (i < histogram->bounds_count && value > histogram->bounds[i]) {
        i++;
    }
    atomic_fetch_add_explicit(&histogram->counts[i], times, memory_order_relaxed);
    atomic_fetch_add_explicit(&histogram->sum, value * times, memory_order_relaxed);
}

const struct metric *metrics_at(uint32_t index)
{
    pthread_mutex_lock(&metrics_lock);
    const struct metric *metric = index < metrics_count ? &metrics[index] : NULL;
    pthread_mutex_unlock(&metrics_lock);
    return metric;
}

const struct histogram *histograms_at(uint32_t index)
{
    pthread_mutex_lock(&metrics_lock);
    const struct histogram *histogram = index < histograms_count ? &histograms[index] : NULL;
    pthread_mutex_unlock(&metrics_lock);
    return histogram;
}

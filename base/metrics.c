/* metrics.c - a fixed table; a lock guards registration, nothing guards the values. */
#include "base/metrics.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"

static struct metric metrics[METRICS_MAX];
static unsigned metrics_count;
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
    unsigned i = 0;
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

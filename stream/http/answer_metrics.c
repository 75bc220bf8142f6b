/* answer_metrics.c - the metrics, with what is only looked at when somebody asks. */
#include <stdlib.h>

#include "base/metrics.h"
#include "stream/http/answers.h"
#include "stream/http/exposition.h"
#include "stream/http/process_facts.h"
#include "stream/job/store_leases.h"

/* Whether the client names OpenMetrics among what it takes. */
static bool wants_openmetrics(struct bytes accept)
{
    static const char name[] = "application/openmetrics-text";
    return accept.size > 0 && memmem(accept.at, accept.size, name, sizeof name - 1);
}

/* How far partitions are behind what can be read of them. */
struct lag {
    int64_t records;
    int64_t as_of_ms; /* the oldest of the ends that it is counted to; INT64_MAX: there is none */
    bool unknown;     /* of some partition the end is */
};

static void add_lag(struct lag *lag, const struct job_view *job, const struct store_lease *lease)
{
    int64_t as_of_ms;
    if (!job->ops->source_end) return;
    const int64_t next = atomic_load(&lease->next_offset);
    const int64_t end = job->ops->source_end(job->broker, lease->partition, &as_of_ms);
    lag->unknown |= end < 0;
    if (end > next) lag->records += end - next;
    if (as_of_ms < lag->as_of_ms) lag->as_of_ms = as_of_ms;
}

/* What is not known is not told. */
static void tell_lag(const struct lag *lag)
{
    if (lag->unknown) return;
    metric_set(metrics_get("braid_source_lag_records", NULL, NULL), lag->records);
    if (lag->as_of_ms == INT64_MAX) return;
    metric_set(metrics_get("braid_source_ends_timestamp_seconds", NULL, NULL), lag->as_of_ms);
}

/* What the stores of this process take and lack, all together, and how many of them stall. */
static void measure_stores(struct site *site)
{
    struct store_facts all = {0};
    struct lag lag = {.as_of_ms = INT64_MAX};
    int64_t delayed = 0, stopped = 0;
    const struct job_view *job = site_enter(site);
    if (!job) return;
    for (uint32_t p = 0; p < job->partitions; p++) {
        struct store_lease *lease = store_leases_take_one(job->leases, p);
        if (!lease) continue;
        struct store_facts its;
        job->stores->measure(lease->store, &its);
        add_lag(&lag, job, lease);
        store_leases_give_back(job->leases, &lease, 1);
        all.disk_bytes += its.disk_bytes;
        all.memory_bytes += its.memory_bytes;
        delayed += its.delayed && !its.stopped;
        stopped += its.stopped;
    }
    site_leave(site);
    tell_lag(&lag);
    metric_set(metrics_get("braid_store_bytes", "where", "disk"), (int64_t)all.disk_bytes);
    metric_set(metrics_get("braid_store_bytes", "where", "memory"), (int64_t)all.memory_bytes);
    metric_set(metrics_get("braid_stores_stalled", "how", "delayed"), delayed);
    metric_set(metrics_get("braid_stores_stalled", "how", "stopped"), stopped);
}

void answer_metrics(const struct question *question, struct reply *reply)
{
    const bool openmetrics = wants_openmetrics(question->request->accept);
    process_facts_update();
    measure_stores(question->site);
    FILE *out = open_memstream(&reply->at, &reply->size);
    if (!out) {
        reply_error(reply, CODE_FAILED, "out of memory: metrics");
        return;
    }
    exposition_print(out, openmetrics);
    if (fclose(out) != 0) {
        free(reply->at);
        reply_error(reply, CODE_FAILED, "out of memory: metrics");
        return;
    }
    reply->type = openmetrics ? exposition_openmetrics_type : exposition_text_type;
}

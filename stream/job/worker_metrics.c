/* worker_metrics.c - what a worker counts of its polls and commits, for /metrics. */
#include "base/clock.h"
#include "base/metrics.h"
#include "stream/job/processor_parts.h"

/* Bounds of a transaction's age, ns. */
static const int64_t age_bounds[] = {
    10000000,   25000000,   50000000,   100000000,   250000000,   500000000,
    1000000000, 2500000000, 5000000000, 10000000000, 30000000000, 60000000000,
};

/* Of how old its oldest event is by then, ms: up to a day, since it may lie behind a backlog. */
static const int64_t freshness_bounds[] = {
    50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000, 1800000, 7200000, 86400000,
};

void worker_metrics_open(struct worker_metrics *metrics)
{
    *metrics = (struct worker_metrics){
        .hits = metrics_get("braid_users_looked_up_total", "found", "memory"),
        .misses = metrics_get("braid_users_looked_up_total", "found", "store"),
        .users = metrics_get("braid_users_in_memory", NULL, NULL),
        .aborts = metrics_get("braid_aborts_total", NULL, NULL),
        .assigned = metrics_get("braid_rebalances_total", "kind", "assigned"),
        .revoked = metrics_get("braid_rebalances_total", "kind", "revoked"),
        .lost = metrics_get("braid_rebalances_total", "kind", "lost"),
        .age_ns = histograms_get("braid_transaction_age_seconds", age_bounds,
                                 sizeof age_bounds / sizeof *age_bounds),
        .freshness_ms = histograms_get("braid_freshness_seconds", freshness_bounds,
                                       sizeof freshness_bounds / sizeof *freshness_bounds),
    };
}

void worker_metrics_begin(struct processor *processor, const struct poll *poll)
{
    struct changeset *set = transaction_changes(processor->transaction);
    if (set->events == 0) set->begun_ns = clock_monotonic_ns();
    for (uint32_t i = 0; i < poll->events_count; i++) {
        const int64_t stamp_ms = poll->events[i].broker_ms;
        if (stamp_ms <= 0) continue;
        if (set->oldest_ms == 0 || stamp_ms < set->oldest_ms) set->oldest_ms = stamp_ms;
    }
}

void worker_metrics_grouped(struct processor *processor)
{
    const struct worker_metrics *metrics = &processor->metrics;
    metric_add(metrics->hits, processor->changed_count - processor->missing_count);
    metric_add(metrics->misses, processor->missing_count);
}

/* A gauge is the sum of its workers' parts. */
static void show_part(struct metric *gauge, int64_t *shownp, int64_t value)
{
    metric_add(gauge, value - *shownp);
    *shownp = value;
}

void worker_metrics_committed(struct processor *processor, const struct changeset *set)
{
    struct worker_metrics *metrics = &processor->metrics;
    if (set->events > 0) histogram_add(metrics->age_ns, clock_monotonic_ns() - set->begun_ns, 1);
    if (set->oldest_ms > 0) {
        const int64_t age_ms = clock_wall_ms() - set->oldest_ms;
        histogram_add(metrics->freshness_ms, age_ms > 0 ? age_ms : 0, 1);
    }
    show_part(metrics->users, &metrics->users_shown, cache_users(processor->cache));
}

void worker_metrics_close(struct worker_metrics *metrics)
{
    if (!metrics->users) return;
    show_part(metrics->users, &metrics->users_shown, 0);
}

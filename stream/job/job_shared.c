/* job_shared.c - the metrics of a job, and what it would seal. */
#include "stream/job/job_shared.h"

#include "base/clock.h"

void job_shared_init(struct job_shared *shared)
{
    for (int verdict = 0; verdict < EVENT_VERDICTS; verdict++) {
        shared->events[verdict] = metrics_get("braid_events_total", "verdict",
                                              event_verdict_name((enum event_verdict)verdict));
    }
    shared->late = metrics_get("braid_late_events_total", NULL, NULL);
    shared->unknown = metrics_get("braid_unknown_item_events_total", NULL, NULL);
    shared->odd_categories = metrics_get("braid_odd_category_events_total", NULL, NULL);
    shared->records = metrics_get("braid_records_total", NULL, NULL);
    shared->commits = metrics_get("braid_commits_total", NULL, NULL);
    shared->swept = metrics_get("braid_swept_users_total", NULL, NULL);
    shared->expired = metrics_get("braid_expired_users_total", NULL, NULL);
    shared->erased = metrics_get("braid_erased_users_total", NULL, NULL);
    shared->behind = metrics_get("braid_unswept_partitions", NULL, NULL);
    shared->generation = metrics_get("braid_generation", NULL, NULL);
    shared->learned = metrics_get("braid_generation_learned_timestamp_seconds", NULL, NULL);
    shared->adopted = metrics_get("braid_generation_adopted_timestamp_seconds", NULL, NULL);
}

void job_serves(const struct job_shared *shared, const struct generation *generation)
{
    metric_set(shared->generation, (int64_t)generation->number);
    if (shared->sweeps && shared->ops->serves) {
        shared->ops->serves(shared->broker, generation->number);
    }
    metric_set(shared->learned, generation->checkpoint->training.cut.event_time_ms);
    metric_set(shared->adopted, clock_wall_ms());
}

struct history_seal job_seal(const struct job_shared *shared)
{
    struct history_seal seal = shared->seal;
    struct generation *serving = generations_take(shared->generations);
    seal.generation = seal.target = serving->number;
    seal.checkpoint = interest_model_fingerprint(serving->model);
    generations_release(shared->generations, serving);
    return seal;
}

uint64_t job_events(const struct job_shared *shared)
{
    uint64_t events = 0;
    for (int verdict = 0; verdict < EVENT_VERDICTS; verdict++) {
        events += (uint64_t)metric_value(shared->events[verdict]);
    }
    return events;
}

/*
 * answer_health.c - whether the process is alive, and whether it does its work.
 *
 * Alive: it answers. Ready: a job runs, the broker has given every worker its partitions, and all
 * of them are restored. A worker that is fenced or loses its partitions is not assigned until it
 * has joined again.
 */
#include "base/metrics.h"
#include "stream/http/answers.h"

void answer_healthz(const struct question *question, struct reply *reply)
{
    (void)question;
    struct json_writer json = json_writer_growing();
    json_begin(&json, '{');
    json_key(&json, "alive");
    json_bool(&json, true);
    json_end(&json, '}');
    reply_json(reply, &json);
}

static void put_count(struct json_writer *json, const char *key, int64_t count)
{
    json_key(json, key);
    json_signed(json, count);
}

void answer_readyz(const struct question *question, struct reply *reply)
{
    const struct job_view *job = site_enter(question->site);
    const int64_t workers = site_config(question->site)->job.workers;
    const int64_t assigned = metric_value(metrics_get("braid_workers_assigned", NULL, NULL));
    const int64_t live = metric_value(metrics_get("braid_partitions", "state", "live"));
    const int64_t restoring = metric_value(metrics_get("braid_partitions", "state", "restoring"));
    const bool ready = job && assigned == workers && restoring == 0;
    if (job) site_leave(question->site);
    struct json_writer json = json_writer_growing();
    json_begin(&json, '{');
    json_key(&json, "ready");
    json_bool(&json, ready);
    put_count(&json, "workers", workers);
    put_count(&json, "workers_assigned", assigned);
    put_count(&json, "partitions_live", live);
    put_count(&json, "partitions_restoring", restoring);
    json_end(&json, '}');
    reply->code = ready ? CODE_OK : CODE_UNAVAILABLE;
    reply_json(reply, &json);
}

/*
 * answer_health.c - whether the process is alive, and whether it does its work.
 *
 * Alive: it answers. Ready: a job runs, the broker has given every worker its partitions, and all
 * of them are restored. A worker that is fenced or loses its partitions is not assigned until it
 * has joined again.
 */
#include <inttypes.h>

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

struct readiness readiness_of(struct site *site)
{
    const struct job_view *job = site_enter(site);
    struct readiness found = {
        .workers = site_config(site)->job.workers,
        .workers_assigned = metric_value(metrics_get("braid_workers_assigned", NULL, NULL)),
        .partitions_live = metric_value(metrics_get("braid_partitions", "state", "live")),
        .partitions_restoring = metric_value(metrics_get("braid_partitions", "state", "restoring")),
    };
    found.ready = job && found.workers_assigned == found.workers && found.partitions_restoring == 0;
    if (job) site_leave(site);
    return found;
}

void reply_not_ready(struct reply *reply, const struct readiness *readiness)
{
    if (readiness->partitions_restoring > 0) {
        reply_error(reply, CODE_UNAVAILABLE, "partitions are being restored: %" PRId64 " are left",
                    readiness->partitions_restoring);
    } else {
        reply_error(reply, CODE_UNAVAILABLE, "this process waits for its partitions");
    }
}

static void put_count(struct json_writer *json, const char *key, int64_t count)
{
    json_key(json, key);
    json_signed(json, count);
}

void answer_readyz(const struct question *question, struct reply *reply)
{
    const struct readiness found = readiness_of(question->site);
    struct json_writer json = json_writer_growing();
    json_begin(&json, '{');
    json_key(&json, "ready");
    json_bool(&json, found.ready);
    put_count(&json, "workers", found.workers);
    put_count(&json, "workers_assigned", found.workers_assigned);
    put_count(&json, "partitions_live", found.partitions_live);
    put_count(&json, "partitions_restoring", found.partitions_restoring);
    json_end(&json, '}');
    reply->code = found.ready ? CODE_OK : CODE_UNAVAILABLE;
    reply_json(reply, &json);
}

/*
 * answer_users.c - some users of this process, for somebody who wants to look at one: from each
 * partition the first ones in the order of the store, shorter ids first. Who has left is not shown.
 */
#include <stdlib.h>

#include "base/iso8601.h"
#include "state/history.h"
#include "stream/http/answers.h"
#include "stream/job/store_leases.h"

enum { USERS_MAX = 1000 };

struct listing {
    struct json_writer *json;
    uint32_t partition;
    uint32_t left; /* users that are still wanted */
};

static bool put_user(void *context, const struct store_key *key, struct bytes value)
{
    struct listing *listing = context;
    struct history history;
    char time[ISO8601_SIZE];
    if (history_decode(&history, value, NULL) != STATUS_OK || history_is_gone(&history))
        return true;
    struct json_writer *json = listing->json;
    json_begin(json, '{');
    json_key(json, "user");
    json_text(json, key->user);
    json_key(json, "partition");
    json_unsigned(json, listing->partition);
    json_key(json, "events");
    json_unsigned(json, history_events(&history));
    if (history.event_ms != HISTORY_NO_TIME) {
        json_key(json, "last_time");
        json_text(json, bytes_of(iso8601_print(history_last_ms(&history), time)));
    }
    json_end(json, '}');
    return --listing->left > 0;
}

/* From each store its share of what is left, so that the last one makes up for empty ones. */
static enum status list_users(const struct job_view *job, struct json_writer *json, uint32_t n,
                              uint32_t *listedp, struct error *error)
{
    *listedp = 0;
    for (uint32_t p = 0; p < job->partitions && n > 0; p++) {
        struct store_lease *lease = store_leases_take_one(job->leases, p);
        if (!lease) continue;
        const uint32_t share = (n + job->partitions - p - 1) / (job->partitions - p);
        struct listing listing = {.json = json, .partition = p, .left = share};
        const enum status status =
            job->stores->scan(lease->store, STORE_USERS, NULL, put_user, &listing, error);
        store_leases_give_back(job->leases, &lease, 1);
        TRY(status);
        n -= share - listing.left;
        *listedp += share - listing.left;
    }
    return STATUS_OK;
}

void answer_users(const struct question *question, struct reply *reply)
{
    struct error error;
    uint32_t n = 50;
    if (!request_count(question->request, "n", 1, USERS_MAX, &n, reply)) return;
    const struct job_view *job = site_enter(question->site);
    if (!job) {
        reply_error(reply, CODE_UNAVAILABLE, "the job is not open");
        return;
    }
    struct json_writer json = json_writer_growing();
    json_begin(&json, '{');
    json_key(&json, "users");
    json_begin(&json, '[');
    uint32_t listed;
    const enum status status = list_users(job, &json, n, &listed, &error);
    site_leave(question->site);
    json_end(&json, ']');
    json_end(&json, '}');
    const struct readiness readiness = readiness_of(question->site);
    if (status == STATUS_OK && (listed > 0 || readiness.ready)) {
        reply_json(reply, &json);
        return;
    }
    free(json.at);
    if (status == STATUS_OK) {
        reply_not_ready(reply, &readiness);
    } else {
        reply_error(reply, CODE_FAILED, "%s", error.text);
    }
}

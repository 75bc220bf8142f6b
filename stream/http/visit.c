/* visit.c - see visit.h. */
#include "stream/http/visit.h"

#include "base/checksum.h"
#include "config/listen.h"
#include "model/item_table.h"
#include "stream/job/store_leases.h"
#include "stream/source/decoding.h"

static void fail(struct reply *reply, const struct error *error)
{
    reply_error(reply, CODE_FAILED, "%s", error->text);
}

bool visit_begin(struct visit *visit, const struct question *question, struct reply *reply)
{
    struct error error;
    *visit = (struct visit){.site = question->site, .job = site_enter(question->site)};
    if (!visit->job) {
        reply_error(reply, CODE_UNAVAILABLE, "the job is not open");
        return false;
    }
    if (servings_take(site_servings(visit->site), visit->job, &visit->desk, &error) != STATUS_OK) {
        fail(reply, &error);
        site_leave(visit->site);
        return false;
    }
    visit->items = interest_model_items(visit->desk->generation->model);
    visit->names = (struct user_names){.config = visit->job->config,
                                       .recent = visit->job->recent,
                                       .catalogue = site_catalogue(visit->site)};
    return true;
}

void visit_end(struct visit *visit)
{
    user_history_close(&visit->history);
    servings_give_back(site_servings(visit->site), visit->desk);
    site_leave(visit->site);
}

/* Looks for the user in the store of one partition. STATUS_BUSY: it is not here. */
static enum status look_in(struct visit *visit, uint32_t partition, struct bytes user, bool whole,
                           struct error *error)
{
    struct store_lease *lease = store_leases_take_one(visit->job->leases, partition);
    if (!lease) return STATUS_BUSY;
    const enum status status =
        user_reader_history(visit->desk->users, visit->job->stores, lease->store, partition, user,
                            whole, &visit->history, error);
    store_leases_give_back(visit->job->leases, &lease, 1);
    visit->history.partition = partition;
    return status;
}

/* Where a producer chose the partition, the user may be in any that is here. */
static enum status look_in_all(struct visit *visit, uint32_t likely, struct bytes user, bool whole,
                               struct error *error)
{
    for (uint32_t p = 0; p < visit->job->partitions; p++) {
        if (p == likely) continue;
        const enum status status = look_in(visit, p, user, whole, error);
        if (status != STATUS_BUSY && status != STATUS_NOT_FOUND) return status;
    }
    return STATUS_NOT_FOUND;
}

/*
 * Nobody here has it: it is nowhere (`certain`: it could be in no other partition than one of here),
 * it may be here soon, or it is another process's.
 */
static void say_missing(const struct visit *visit, uint32_t partition, bool here, bool certain,
                        struct reply *reply)
{
    char address[LISTEN_ADDRESS_MAX];
    const struct job_view *job = visit->job;
    const struct readiness readiness = readiness_of(visit->site);
    /* What has become live since it was looked for is as good as being restored. */
    const bool soon = !readiness.ready || (!here && store_leases_has(job->leases, partition));
    if (soon && !(here && certain)) {
        reply_not_ready(reply, &readiness);
    } else if (here) {
        reply_error(reply, CODE_NOT_FOUND, "no such user");
    } else {
        const bool known =
            job->ops->owner && job->ops->owner(job->broker, partition, address, sizeof address);
        reply_misdirected(reply, partition, known ? address : NULL);
    }
}

bool visit_user(struct visit *visit, const struct question *question, bool whole,
                struct reply *reply)
{
    bool certain;
    struct error error;
    const struct job_view *job = visit->job;
    const uint32_t likely = job->ops->partition_of(question->id, job->partitions, &certain);
    enum status status = look_in(visit, likely, question->id, whole, &error);
    const bool here = status != STATUS_BUSY;
    if ((status == STATUS_BUSY || status == STATUS_NOT_FOUND) && !certain) {
        status = look_in_all(visit, likely, question->id, whole, &error);
    }
    if (status == STATUS_OK && history_is_gone(&visit->history.newest)) {
        reply_error(reply, CODE_NOT_FOUND, "the user %s", USER_HAS_LEFT);
        visit_end(visit);
        return false;
    }
    if (status == STATUS_OK) {
        decoding_fingerprints(job->config, visit->history.seal.decoding);
        return true;
    }
    if (status == STATUS_BUSY || status == STATUS_NOT_FOUND) {
        say_missing(visit, likely, here, certain, reply);
    } else {
        fail(reply, &error);
    }
    visit_end(visit);
    return false;
}

void visit_item(const struct visit *visit, struct json_writer *json, uint32_t row)
{
    const struct bytes id = item_table_id(visit->items, row);
    const struct bytes title = catalogue_title(visit->names.catalogue, identity_of(id.at, id.size));
    const struct bytes category =
        item_table_category_name(visit->items, item_table_category_of(visit->items, row));
    json_key(json, "item");
    json_text(json, id);
    if (title.size > 0) json_key(json, "title"), json_text(json, title);
    if (category.size > 0) json_key(json, "category"), json_text(json, category);
}

/*
 * log_dataset.c - events to behaviors.
 */
#include "stream/learn/log_dataset.h"

#include <inttypes.h>

#include "base/checksum.h"
#include "stream/learn/lives.h"

/* What is said of the user, from its next behavior on: by an event, or all of it by a profile. */
static enum status take_profile(struct dataset *dataset, const struct event *event, uint64_t user,
                                struct error *error)
{
    struct user_profile profile = {{0}};
    if (event->features == 0) return STATUS_OK;
    for (uint32_t i = 0; i < event->features; i++) {
        profile.hash[i] = event_feature(event, i);
    }
    return dataset_know(dataset, user, &profile, event->verdict == EVENT_PROFILE, error);
}

/* A life of the user that begins with the event is a sequence of its own. */
static enum status take_life(struct dataset *dataset, struct lives *lives,
                             const struct config *config, const struct event *event, uint64_t user,
                             struct error *error)
{
    bool begins;
    uint64_t ordinal;
    TRY(lives_take(lives, event, &begins, &ordinal, error));
    if (!begins) return STATUS_OK;
    return dataset_begin_life(dataset, user, ordinal, *config->source.profile != 0, error);
}

static enum status take_event(struct dataset *dataset, const struct item_table *items,
                              struct lives *lives, const struct config *config,
                              const struct event *event, uint64_t *unknown, struct error *error)
{
    struct item_resolved row;
    const uint64_t user = identity_of(event->user.at, event->user.size);
    if (event->verdict == EVENT_PROFILE) return take_profile(dataset, event, user, error);
    TRY(take_life(dataset, lives, config, event, user, error));
    *unknown += item_table_find(items, event->item_hash) == 0;
    if (!item_table_resolve(items, event->item_hash, &row)) return STATUS_OK;
    TRY(take_profile(dataset, event, user, error));
    return dataset_add(dataset, user, row.item, row.category, event->time_ms, event->action, error);
}

static enum status collect_events(struct dataset *dataset, struct event_log *log,
                                  const struct item_table *items, struct lives *lives,
                                  uint64_t *unknown, struct error *error)
{
    struct event event;
    enum status status;
    while ((status = event_log_next(log, &event, error)) == STATUS_OK) {
        TRY(take_event(dataset, items, lives, log->config, &event, unknown, error));
    }
    if (status != STATUS_END) return status;
    TRY(event_log_check(log, error));
    if (dataset_behaviors(dataset) > 0) return dataset_seal(dataset, error);
    return error_set(error, STATUS_INVALID,
                     "%s: none of its %" PRIu64 " events is of an item that the dictionary has",
                     log->config->source.path, log->counts.accepted);
}

enum status log_dataset_open(struct dataset **datasetp, const struct config *config,
                             const struct item_table *items, struct progress *progress,
                             struct log_dataset_summary *summary, struct error *error)
{
    struct event_log log;
    struct dataset *dataset = NULL;
    struct lives *lives = NULL;
    *datasetp = NULL;
    *summary = (struct log_dataset_summary){0};
    enum status status = event_log_open(&log, config, progress, error);
    if (status == STATUS_OK) {
        status = dataset_open(&dataset, item_table_rows(items), item_table_oov(items), error);
    }
    if (status == STATUS_OK) status = lives_open(&lives, config, error);
    log.profiles = true;
    if (status == STATUS_OK)
        status = collect_events(dataset, &log, items, lives, &summary->unknown, error);
    summary->log = log.counts;
    event_log_close(&log);
    lives_close(lives);
    if (status == STATUS_OK) {
        *datasetp = dataset;
    } else {
        dataset_close(dataset);
    }
    return status;
}

/*
 * init.c - count the items of a log, rank them, draw the parameters; or take trained items over.
 */
#include "stream/learn/init.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/checksum.h"
#include "model/interest_ops.h"
#include "model/item_table.h"
#include "model/model_dir.h"
#include "model/tensor/params.h"
#include "stream/learn/dictionary.h"
#include "stream/learn/name_set.h"

/* Everything that reading the log needs. */
struct reading {
    struct event_log log;
    struct name_set items;
    struct name_set categories;
    struct init_summary *summary;
};

static enum status count_item(struct reading *reading, const struct event *event,
                              struct error *error)
{
    uint32_t item, category;
    TRY(name_set_add(&reading->items, event->item, event->item_hash, &item, error));
    reading->items.names[item].count++;
    if (event->category.size == 0) return STATUS_OK;
    TRY(name_set_add(&reading->categories, event->category,
                     identity_of(event->category.at, event->category.size), &category, error));
    reading->items.names[item].category = category + 1;
    return STATUS_OK;
}

static enum status count_events(struct reading *reading, struct error *error)
{
    struct event event;
    enum status status;
    while ((status = event_log_next(&reading->log, &event, error)) == STATUS_OK) {
        TRY(count_item(reading, &event, error));
    }
    if (status != STATUS_END) return status;
    reading->summary->items_seen = reading->items.count;
    return event_log_check(&reading->log, error);
}

/* Events of items that the dictionary does not have. */
static uint64_t count_unknown(const struct name_set *items, const struct item_table *table)
{
    uint64_t events = 0;
    for (uint32_t i = 0; i < items->count; i++) {
        const struct name *name = &items->names[i];
        if (item_table_find(table, name->hash) == 0) events += name->count;
    }
    return events;
}

/* Where it was asked for. */
static enum status write_first(struct checkpoint *checkpoint, const struct init_options *options,
                               const char *path, struct error *error)
{
    return path ? checkpoint_write(checkpoint, path, error)
                : model_dir_write(options->dir, checkpoint, error);
}

static enum status make_checkpoint(const struct reading *reading,
                                   const struct init_options *options, const char *path,
                                   struct error *error)
{
    struct init_summary *summary = reading->summary;
    struct model_dims dims = options->dims;
    struct item_table *table;
    struct checkpoint *checkpoint;
    const struct dictionary_options rows = {options->oov, options->items_max, options->count_min,
                                            dims.tags};
    TRY(dictionary_open(&table, NULL, &reading->items, &reading->categories, &rows, error));
    summary->items = item_table_items(table);
    summary->categories = item_table_categories(table);
    summary->unknown = count_unknown(&reading->items, table);
    if (item_table_items(table) == 0) {
        item_table_close(table);
        return error_set(error, STATUS_INVALID, "%s: none of its %u items has %" PRIu64 " events",
                         reading->log.config->source.path, summary->items_seen, options->count_min);
    }
    if (item_table_categories(table) == 0) dims.use_category = dims.tags = false;
    if (!dims.use_gap) dims.gap_buckets = 0; /* what a model does not have is 0 */
    if (!dims.cosine) dims.temperature = 0;
    TRY(checkpoint_init(&checkpoint, options->model, &dims, table, options->seed, error));
    const enum status status = write_first(checkpoint, options, path, error);
    checkpoint_close(checkpoint);
    return status;
}

void init_options_defaults(struct init_options *options)
{
    *options = (struct init_options){
        .model = "limarec",
        .dims = interest_ops_find("limarec")->defaults,
        .oov = 64,
        .items_max = NAMES_MAX,
        .count_min = 1,
        .seed = 1,
    };
}

enum status init_options_model(struct init_options *options, const char *model, struct error *error)
{
    const struct interest_ops *ops = interest_ops_find(model);
    char names[128] = "";
    if (ops) {
        options->model = model;
        options->dims = ops->defaults;
        return STATUS_OK;
    }
    for (uint32_t i = 0; (ops = interest_ops_at(i)); i++) {
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "", ops->name);
    }
    return error_set(error, STATUS_INVALID, "there is no model named \"%s\"; there are %s", model,
                     names);
}

/* A first generation has no other before it. */
static enum status check_dir(const char *dir, struct error *error)
{
    struct model_dir_list list;
    TRY(model_dir_list_open(&list, dir, error));
    const uint32_t count = list.count;
    model_dir_list_close(&list);
    if (count == 0) return STATUS_OK;
    return error_set(error, STATUS_REFUSED,
                     "%s has %u generations: braid train makes the next; for another beginning "
                     "name another directory",
                     dir, count);
}

/* What can be refused before a long log has been read. */
static enum status check_options(const struct init_options *options, const char *path,
                                 struct error *error)
{
    struct param_set *params;
    if (!path) TRY(check_dir(options->dir, error));
    if (path && access(path, F_OK) == 0) {
        return error_set(error, STATUS_REFUSED,
                         "%s exists, and a job may be serving it: remove it, or name another file",
                         path);
    }
    TRY(interest_params_open(&params, options->model, &options->dims, 2, 1, error));
    param_set_close(params);
    return STATUS_OK;
}

enum status init_checkpoint(const struct config *config, const struct init_options *options,
                            const char *path, struct progress *progress,
                            struct init_summary *summary, struct error *error)
{
    *summary = (struct init_summary){0};
    struct reading reading = {.summary = summary};
    TRY(check_options(options, path, error));
    enum status status = event_log_open(&reading.log, config, progress, error);
    if (status == STATUS_OK) status = count_events(&reading, error);
    summary->log = reading.log.counts;
    if (status == STATUS_OK) status = make_checkpoint(&reading, options, path, error);
    name_set_close(&reading.categories);
    name_set_close(&reading.items);
    event_log_close(&reading.log);
    return status;
}

static enum status make_on_items(struct checkpoint *checkpoint, const struct init_options *options,
                                 const char *items_from, const char *path, struct error *error)
{
    const struct model_dims *dims = &options->dims;
    if (dims->d != checkpoint->dims.d) {
        return error_set(error, STATUS_INVALID, "d = %u: the items of %s have --d=%u", dims->d,
                         items_from, checkpoint->dims.d);
    }
    TRY(checkpoint_change(checkpoint, options->model, dims, options->seed, error));
    checkpoint->generation = checkpoint->state_generation = 1;
    checkpoint->seed = options->seed;
    return write_first(checkpoint, options, path, error);
}

enum status init_on_items(const struct init_options *options, const char *items_from,
                          const char *path, struct error *error)
{
    struct checkpoint *checkpoint;
    TRY(check_options(options, path, error));
    if (interest_ops_find(options->model)->steps) {
        return error_set(error, STATUS_INVALID,
                         "%s learns items of its own from a log: only a ledger is made on others'",
                         options->model);
    }
    TRY(checkpoint_open(&checkpoint, items_from, error));
    const enum status status = make_on_items(checkpoint, options, items_from, path, error);
    checkpoint_close(checkpoint);
    return status;
}

/*
 * init.c - count the items of a log, rank them, draw the parameters; or take trained items over.
 *
 * Items and categories are told apart by their hashes, as everywhere: of two ids with the same hash
 * the first seen stands for both.
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

/* A distinct item or category. */
struct name {
    uint64_t hash;
    uint64_t count; /* events */
    size_t at;      /* of its bytes in the set's block */
    uint32_t size;
    uint32_t category; /* items: index + 1 in the categories, as last seen; 0 = none */
};

/* Distinct names, in the order of their first appearance. */
struct name_set {
    struct name *names; /* [slots_count / 2] */
    uint32_t count;
    uint32_t *slots; /* open addressing: index + 1, 0 = free */
    uint32_t slots_count;
    uint8_t *bytes;
    size_t bytes_used;
    size_t bytes_room;
};

/* Everything that reading the log needs. */
struct reading {
    struct event_log log;
    struct name_set items;
    struct name_set categories;
    struct init_summary *summary;
};

static enum status names_no_memory(const struct name_set *set, struct error *error)
{
    return error_set(error, STATUS_IO, "out of memory after %u distinct names", set->count);
}

/* The slot of `hash`, or the free one where it belongs. */
static uint32_t *name_slot(const struct name_set *set, uint64_t hash)
{
    uint32_t at = (uint32_t)splitmix64(hash) & (set->slots_count - 1);
    while (set->slots[at] && set->names[set->slots[at] - 1].hash != hash) {
        at = (at + 1) & (set->slots_count - 1);
    }
    return &set->slots[at];
}

/* Doubles the room for names when half the slots are taken. */
static enum status grow_names(struct name_set *set, struct error *error)
{
    if (set->count < set->slots_count / 2) return STATUS_OK;
    if (set->count == INIT_ITEMS_MAX) {
        return error_set(error, STATUS_INVALID,
                         "the log has more than %d distinct items or categories; is "
                         "source.fields.item the right field?",
                         INIT_ITEMS_MAX);
    }
    const uint32_t slots_count = set->slots_count ? 2 * set->slots_count : 1024;
    struct name *names = realloc(set->names, slots_count / 2 * sizeof *names);
    if (!names) return names_no_memory(set, error);
    set->names = names;
    uint32_t *slots = calloc(slots_count, sizeof *slots);
    if (!slots) return names_no_memory(set, error);
    free(set->slots);
    set->slots = slots;
    set->slots_count = slots_count;
    for (uint32_t i = 0; i < set->count; i++) {
        *name_slot(set, names[i].hash) = i + 1;
    }
    return STATUS_OK;
}

/* The index of a name, which is added at its first appearance. */
static enum status name_index(struct name_set *set, struct bytes text, uint64_t hash,
                              uint32_t *indexp, struct error *error)
{
    TRY(grow_names(set, error));
    uint32_t *slot = name_slot(set, hash);
    if (*slot == 0) {
        if (text.size > set->bytes_room - set->bytes_used) {
            const size_t room = 2 * set->bytes_room + text.size + 4096;
            uint8_t *bytes = realloc(set->bytes, room);
            if (!bytes) return names_no_memory(set, error);
            set->bytes = bytes;
            set->bytes_room = room;
        }
        if (text.size) memcpy(set->bytes + set->bytes_used, text.at, text.size);
        set->names[set->count++] =
            (struct name){.hash = hash, .at = set->bytes_used, .size = (uint32_t)text.size};
        set->bytes_used += text.size;
        *slot = set->count;
    }
    *indexp = *slot - 1;
    return STATUS_OK;
}

static struct bytes name_text(const struct name_set *set, uint32_t index)
{
    return (struct bytes){set->bytes + set->names[index].at, set->names[index].size};
}

static void name_set_close(struct name_set *set)
{
    free(set->bytes);
    free(set->slots);
    free(set->names);
}

static enum status count_event(struct reading *reading, const struct event *event,
                               struct error *error)
{
    uint32_t item, category;
    TRY(name_index(&reading->items, event->item, event->item_hash, &item, error));
    reading->items.names[item].count++;
    if (event->category.size == 0) return STATUS_OK;
    TRY(name_index(&reading->categories, event->category,
                   identity_of(event->category.at, event->category.size), &category, error));
    reading->items.names[item].category = category + 1;
    return STATUS_OK;
}

static enum status count_events(struct reading *reading, struct error *error)
{
    struct event event;
    enum status status;
    while ((status = event_log_next(&reading->log, &event, error)) == STATUS_OK) {
        TRY(count_event(reading, &event, error));
    }
    if (status != STATUS_END) return status;
    reading->summary->items_seen = reading->items.count;
    return event_log_check(&reading->log, error);
}

/* An item that may get a row. */
struct candidate {
    uint64_t count;
    struct bytes id;
    uint32_t category; /* index + 1 in the categories seen */
};

/* The more frequent first; of equally frequent ones by the bytes of their ids. */
static int compare_candidates(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    if (x->count != y->count) return x->count > y->count ? -1 : 1;
    const size_t size = x->id.size < y->id.size ? x->id.size : y->id.size;
    const int order = size ? memcmp(x->id.at, y->id.at, size) : 0;
    if (order != 0) return order;
    return x->id.size < y->id.size ? -1 : x->id.size > y->id.size;
}

static uint32_t rank_items(const struct reading *reading, const struct init_options *options,
                           struct candidate *candidates)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < reading->items.count; i++) {
        const struct name *name = &reading->items.names[i];
        if (name->count < options->count_min) continue;
        candidates[count++] =
            (struct candidate){name->count, name_text(&reading->items, i), name->category};
    }
    qsort(candidates, count, sizeof *candidates, compare_candidates);
    return count < options->items_max ? count : options->items_max;
}

/*
 * The dictionary of the ranked items. Categories get their rows in the order in which the items
 * need them; `rows` [categories seen] are zeros at first, `names` has room for all of them.
 */
static enum status open_table(const struct reading *reading, const struct candidate *candidates,
                              uint32_t count, uint32_t oov, struct item_entry *entries,
                              uint32_t *rows, struct bytes *names, struct item_table **tablep,
                              struct error *error)
{
    uint32_t names_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        entries[i] = (struct item_entry){candidates[i].id, 0};
        if (candidates[i].category == 0) continue;
        const uint32_t seen = candidates[i].category - 1;
        if (rows[seen] == 0) {
            names[names_count++] = name_text(&reading->categories, seen);
            rows[seen] = names_count;
        }
        entries[i].category = rows[seen];
    }
    reading->summary->items = count;
    reading->summary->categories = names_count;
    return item_table_open(tablep, entries, count, names, names_count, oov, error);
}

static enum status make_table(const struct reading *reading, const struct init_options *options,
                              struct item_table **tablep, struct error *error)
{
    const size_t items = reading->items.count, categories = reading->categories.count;
    struct candidate *candidates = malloc(items * sizeof *candidates);
    struct item_entry *entries = malloc(items * sizeof *entries);
    uint32_t *rows = calloc(categories + 1, sizeof *rows);
    struct bytes *names = malloc((categories + 1) * sizeof *names);
    enum status status;
    if (!candidates || !entries || !rows || !names) {
        status = error_set(error, STATUS_IO, "out of memory: ranking %zu items", items);
    } else {
        const uint32_t count = rank_items(reading, options, candidates);
        status = open_table(reading, candidates, count, options->oov, entries, rows, names, tablep,
                            error);
    }
    free(names);
    free(rows);
    free(entries);
    free(candidates);
    return status;
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
    const struct init_summary *summary = reading->summary;
    struct model_dims dims = options->dims;
    struct item_table *table;
    struct checkpoint *checkpoint;
    TRY(make_table(reading, options, &table, error));
    if (item_table_items(table) == 0) {
        item_table_close(table);
        return error_set(error, STATUS_INVALID, "%s: none of its %u items has %" PRIu64 " events",
                         reading->log.config->source.path, summary->items_seen, options->count_min);
    }
    if (item_table_categories(table) == 0) dims.use_category = false;
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
        .items_max = INIT_ITEMS_MAX,
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

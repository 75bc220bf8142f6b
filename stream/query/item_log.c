/* item_log.c - one pass over item records, then sorted by hash. */
#include "stream/query/item_log.h"

#include <stdlib.h>
#include <string.h>

#include "stream/log_input/log_input.h"
#include "stream/source/item_record.h"

struct name {
    uint64_t hash;
    size_t at; /* of the id in `ids`: a newer name lies behind an older one */
    size_t size;
};

struct item_log {
    struct name *names;
    size_t count;
    size_t room;
    char *ids;
    size_t ids_used;
    size_t ids_room;
    struct json_decoder *json;
    size_t record_max; /* bytes of a record */
    char *copy;        /* of a record, padded, and the decoder's scratch behind it */
};

void item_log_close(struct item_log *log)
{
    if (!log) return;
    free(log->names);
    free(log->ids);
    json_decoder_close(log->json);
    free(log->copy);
    free(log);
}

static enum status add_name(struct item_log *log, uint64_t hash, struct bytes id,
                            struct error *error)
{
    if (log->count == log->room) {
        size_t room = 2 * log->room + 1024;
        struct name *names = realloc(log->names, room * sizeof *names);
        if (!names) return error_set(error, STATUS_IO, "out of memory: item names");
        log->names = names;
        log->room = room;
    }
    if (id.size > log->ids_room - log->ids_used) {
        size_t room = 2 * log->ids_room + id.size + 16384;
        char *ids = realloc(log->ids, room);
        if (!ids) return error_set(error, STATUS_IO, "out of memory: item names");
        log->ids = ids;
        log->ids_room = room;
    }
    memcpy(log->ids + log->ids_used, id.at, id.size);
    log->names[log->count++] = (struct name){hash, log->ids_used, id.size};
    log->ids_used += id.size;
    return STATUS_OK;
}

static enum status add_item_record(struct item_log *log, struct bytes record, struct error *error)
{
    struct item_record item;
    if (record.size > log->record_max) return error_set(error, STATUS_CORRUPT, "too long");
    memcpy(log->copy, record.at, record.size);
    char *scratch = log->copy + log->record_max + JSON_PADDING;
    TRY(item_record_decode(log->json, (struct bytes){log->copy, record.size}, scratch, &item,
                           error));
    return add_name(log, item.hash, item.item, error);
}

static enum status read_item_part(struct item_log *log, const struct log_input_ops *ops,
                                  struct log_input *input, uint32_t part, struct error *error)
{
    TRY(ops->begin(input, LOG_ITEMS, part, error));
    for (;;) {
        struct bytes record;
        enum status status = ops->item(input, &record, error);
        if (status == STATUS_END) return STATUS_OK;
        if (status == STATUS_OK) status = add_item_record(log, record, error);
        if (status == STATUS_OK) continue;
        char place[LOG_PLACE_MAX];
        ops->place_text(input, LOG_ITEMS, ops->place(input), place);
        return error_prefix(error, "%s: ", place);
    }
}

/* By hash, of equal ones the newest first. */
static int compare_item_names(const void *a, const void *b)
{
    const struct name *one = a, *other = b;
    if (one->hash != other->hash) return one->hash < other->hash ? -1 : 1;
    return one->at < other->at ? 1 : -1;
}

static enum status read_item_log(struct item_log *log, const struct config *config,
                                 struct error *error)
{
    const struct log_input_ops *ops = log_input_of(config);
    struct log_input *input;
    log->record_max = item_record_size_max(config->source.id_size_max);
    log->copy = malloc(4 * (log->record_max + JSON_PADDING));
    if (!log->copy) return error_set(error, STATUS_IO, "out of memory: item names");
    TRY(json_decoder_open(&log->json, log->record_max, error));
    TRY(ops->open(&input, config, error));
    enum status status = STATUS_OK;
    for (uint32_t part = 0; part < ops->parts(input, LOG_ITEMS) && status == STATUS_OK; part++) {
        status = read_item_part(log, ops, input, part, error);
    }
    ops->close(input);
    if (log->count > 0) qsort(log->names, log->count, sizeof *log->names, compare_item_names);
    return status;
}

enum status item_log_open(struct item_log **logp, const struct config *config, struct error *error)
{
    *logp = NULL;
    struct item_log *log = calloc(1, sizeof *log);
    if (!log) return error_set(error, STATUS_IO, "out of memory: item names");
    enum status status = read_item_log(log, config, error);
    if (status != STATUS_OK) {
        item_log_close(log);
        return status;
    }
    *logp = log;
    return STATUS_OK;
}

struct bytes item_log_id(const struct item_log *log, uint64_t hash)
{
    size_t low = 0, high = log ? log->count : 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (log->names[middle].hash < hash) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (!log || low == log->count || log->names[low].hash != hash) return (struct bytes){NULL, 0};
    return (struct bytes){log->ids + log->names[low].at, log->names[low].size};
}

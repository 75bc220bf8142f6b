/* item_log.c - one pass over item records. */
#include "stream/query/item_log.h"

#include <stdlib.h>
#include <string.h>

#include "stream/broker/file/commit_file.h"
#include "stream/source/item_record.h"
#include "stream/source/line_reader.h"

struct name {
    uint64_t hash;
    size_t at; /* of the id in `ids` */
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

enum status item_log_add(struct item_log *log, struct bytes record, struct error *error)
{
    uint64_t hash;
    struct bytes item;
    if (record.size > log->record_max) return error_set(error, STATUS_CORRUPT, "too long");
    memcpy(log->copy, record.at, record.size);
    char *scratch = log->copy + log->record_max + JSON_PADDING;
    TRY(item_record_decode(log->json, (struct bytes){log->copy, record.size}, scratch, &hash, &item,
                           error));
    return add_name(log, hash, item, error);
}

static enum status read_item_lines(struct item_log *log, struct line_reader *lines, int64_t end,
                                   struct error *error)
{
    enum status status = STATUS_OK;
    while (status == STATUS_OK && line_reader_position(lines).byte < end) {
        struct line line;
        status = line_reader_next(lines, &line, error);
        if (status == STATUS_OK) status = item_log_add(log, line.text, error);
    }
    return status == STATUS_END ? STATUS_OK : status;
}

static enum status read_item_partition(struct item_log *log, const struct config *config,
                                       uint32_t partition, uint64_t size, struct error *error)
{
    struct line_reader *lines;
    char path[COMMIT_PATH_MAX];
    if (size == 0) return STATUS_OK;
    TRY(commit_file_path(config, RECORD_ITEM, partition, 0, path, error));
    TRY(line_reader_open(&lines, path, (struct line_options){(uint32_t)log->record_max, true},
                         (struct line_position){0}, error));
    enum status status = read_item_lines(log, lines, (int64_t)size, error);
    line_reader_close(lines);
    if (status != STATUS_OK) error_prefix(error, "%s: ", path);
    return status;
}

static enum status read_item_files(struct item_log *log, const struct config *config,
                                   struct error *error)
{
    struct commit_file commit;
    TRY(commit_file_read(&commit, config->state.dir, error));
    enum status status = STATUS_OK;
    for (uint32_t p = 0; p < commit.partitions && status == STATUS_OK; p++) {
        status = read_item_partition(log, config, p, commit.entries[p].length[RECORD_ITEM], error);
    }
    commit_file_close(&commit);
    return status;
}

static enum status read_item_log(struct item_log *log, const struct config *config,
                                 struct error *error)
{
    log->record_max = item_record_size_max(config->source.id_size_max);
    log->copy = malloc(2 * (log->record_max + JSON_PADDING));
    if (!log->copy) return error_set(error, STATUS_IO, "out of memory: item names");
    TRY(json_decoder_open(&log->json, log->record_max, error));
    if (config->source.broker == CONFIG_BROKER_KAFKA)
        return item_log_read_kafka(log, config, error);
    return read_item_files(log, config, error);
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
    for (size_t i = log->count; i-- > 0;) {
        const struct name *name = &log->names[i];
        if (name->hash == hash) return (struct bytes){log->ids + name->at, name->size};
    }
    return (struct bytes){NULL, 0};
}

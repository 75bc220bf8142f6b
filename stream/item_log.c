/* item_log.c - one pass over the lines that item_names.c encoded. */
#include "stream/item_log.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "stream/commit_file.h"
#include "stream/item_names.h"
#include "stream/line_reader.h"

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
};

void item_log_close(struct item_log *log)
{
    if (!log) return;
    free(log->names);
    free(log->ids);
    free(log);
}

static enum status add(struct item_log *log, uint64_t hash, struct bytes id, struct error *error)
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

static enum status add_line(struct item_log *log, struct json_decoder *json, struct bytes line,
                            char *scratch, struct error *error)
{
    const struct bytes names[] = {bytes_of("hash"), bytes_of("item")};
    struct json_value values[2];
    const char *why = "no hash or item";
    char digits[17] = {0};
    if (json_decode(json, line, names, 2, scratch, values, &why) != JSON_OK ||
        values[0].type != JSON_STRING || values[0].text.size != sizeof digits - 1 ||
        values[1].type != JSON_STRING) {
        return error_set(error, STATUS_CORRUPT, "not an item's name: %s", why);
    }
    memcpy(digits, values[0].text.at, sizeof digits - 1);
    return add(log, strtoull(digits, NULL, 16), values[1].text, error);
}

static enum status read_lines(struct item_log *log, struct line_reader *lines, int64_t end,
                              size_t line_max, struct error *error)
{
    struct json_decoder *json = NULL;
    char *scratch = malloc(line_max + JSON_PADDING);
    enum status status = STATUS_OK;
    if (!scratch) status = error_set(error, STATUS_IO, "out of memory: item names");
    if (status == STATUS_OK) status = json_decoder_open(&json, line_max, error);
    while (status == STATUS_OK && line_reader_position(lines).byte < end) {
        struct line line;
        status = line_reader_next(lines, &line, error);
        if (status == STATUS_OK) status = add_line(log, json, line.text, scratch, error);
    }
    json_decoder_close(json);
    free(scratch);
    return status == STATUS_END ? STATUS_OK : status;
}

static enum status read_partition(struct item_log *log, const struct config *config,
                                  uint32_t partition, uint64_t size, struct error *error)
{
    struct line_reader *lines;
    char path[COMMIT_PATH_MAX];
    size_t line_max = item_record_size_max(config->source.id_size_max);
    if (size == 0) return STATUS_OK;
    TRY(commit_file_path(config, RECORD_ITEM, partition, 0, path, error));
    TRY(line_reader_open(&lines, path, (uint32_t)line_max, (struct line_position){0}, error));
    enum status status = read_lines(log, lines, (int64_t)size, line_max, error);
    line_reader_close(lines);
    if (status != STATUS_OK) error_prefix(error, "%s: ", path);
    return status;
}

enum status item_log_open(struct item_log **logp, const struct config *config, struct error *error)
{
    struct commit_file commit;
    *logp = NULL;
    TRY(commit_file_read(&commit, config->state.dir, error));
    struct item_log *log = calloc(1, sizeof *log);
    enum status status = STATUS_OK;
    if (!log) status = error_set(error, STATUS_IO, "out of memory: item names");
    for (uint32_t p = 0; p < commit.partitions && status == STATUS_OK; p++) {
        status = read_partition(log, config, p, commit.entries[p].length[RECORD_ITEM], error);
    }
    commit_file_close(&commit);
    if (status == STATUS_OK) {
        *logp = log;
    } else {
        item_log_close(log);
    }
    return status;
}

struct bytes item_log_id(const struct item_log *log, uint64_t hash)
{
    for (size_t i = log->count; i-- > 0;) {
        const struct name *name = &log->names[i];
        if (name->hash == hash) return (struct bytes){log->ids + name->at, name->size};
    }
    return (struct bytes){NULL, 0};
}

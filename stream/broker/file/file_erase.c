/* file_erase.c - lines overwritten in place; logs copied without the erased; stores deleted. */
#include "stream/broker/file/file_erase.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/fault.h"
#include "base/json.h"
#include "stream/broker/file/commit_file.h"
#include "stream/broker/file/file_state.h"
#include "stream/broker/file/history_file.h"
#include "stream/source/erasure/erased.h"

enum { RECORDS_AT_ONCE = 64, LOG_BUFFER = 1 << 20 };

struct erasing {
    const struct config *config;
    struct file_state state;
    struct erased erased;
    struct erase_report *report;
    struct json_document *json;
    char *line; /* getline's */
    size_t line_room;
};

static bool is_erased(const struct erasing *erasing, struct bytes user)
{
    const struct erased_user *found = erased_find(&erasing->erased, user);
    return found && found->pending;
}

static bool partition_is_touched(const struct erasing *erasing, uint32_t partition)
{
    const struct erased *erased = &erasing->erased;
    for (uint32_t i = 0; i < erased->count; i++) {
        if (!erased->at[i].pending) continue;
        if (erased->at[i].hash % erasing->state.commit.partitions == partition) return true;
    }
    return false;
}

/* ---- the outputs ---- */

/* Whether the line of JSON is a record of somebody who is erased. */
static enum status line_is_erased(struct erasing *erasing, size_t size, bool *erasedp,
                                  struct error *error)
{
    struct json_value root, value;
    struct bytes key;
    *erasedp = false;
    TRY(json_document_parse(erasing->json, (struct bytes){erasing->line, size}, &root, error));
    if (root.type != JSON_OBJECT) return STATUS_OK;
    struct json_cursor cursor = json_walk(&root);
    while (json_next(&cursor, &key, &value)) {
        if (!bytes_equal(key, bytes_of("user"))) continue;
        *erasedp = value.type == JSON_STRING && is_erased(erasing, value.text);
        return STATUS_OK;
    }
    return STATUS_OK;
}

static enum status overwrite_line(int file, int64_t at, size_t size, const char *path,
                                  struct error *error)
{
    static const char gone[] = "{\"gone\":true}";
    char *text = malloc(size + sizeof gone);
    if (!text) return error_set(error, STATUS_IO, "out of memory: a line");
    memset(text, ' ', size);
    memcpy(text, gone, strlen(gone));
    const ssize_t n = pwrite(file, text, size, (off_t)at);
    free(text);
    if (n == (ssize_t)size) return STATUS_OK;
    return error_set(error, STATUS_IO, "writing %s: %s", path, strerror(errno));
}

/* A line of the committed ones, without its end, followed by what a parser may read; 0: no more. */
static enum status next_output_line(struct erasing *erasing, FILE *lines, size_t *sizep,
                                    const char *path, struct error *error)
{
    const ssize_t n = getline(&erasing->line, &erasing->line_room, lines);
    *sizep = 0;
    if (n < 0 && ferror(lines)) {
        return error_set(error, STATUS_IO, "reading %s: %s", path, strerror(errno));
    }
    if (n <= 0) return STATUS_OK;
    *sizep = (size_t)n;
    if (erasing->line_room >= (size_t)n + JSON_PADDING) return STATUS_OK;
    char *more = realloc(erasing->line, (size_t)n + JSON_PADDING);
    if (!more) return error_set(error, STATUS_IO, "out of memory: a line");
    erasing->line = more;
    erasing->line_room = (size_t)n + JSON_PADDING;
    return STATUS_OK;
}

static enum status overwrite_lines(struct erasing *erasing, int file, FILE *lines, int64_t end,
                                   const char *path, struct error *error)
{
    int64_t at = 0;
    while (at < end) {
        size_t size;
        bool erased;
        TRY(next_output_line(erasing, lines, &size, path, error));
        if (size == 0) break;
        TRY(line_is_erased(erasing, size - 1, &erased, error));
        if (erased) {
            TRY(overwrite_line(file, at, size - 1, path, error));
            erasing->report->lines++;
        }
        at += (int64_t)size;
    }
    if (fsync(file) == 0) return STATUS_OK;
    return error_set(error, STATUS_IO, "syncing %s: %s", path, strerror(errno));
}

static enum status erase_output(struct erasing *erasing, uint32_t partition, struct error *error)
{
    char path[COMMIT_PATH_MAX];
    const int64_t end = (int64_t)erasing->state.commit.entries[partition].length[RECORD_INTERESTS];
    TRY(commit_file_path(erasing->config, RECORD_INTERESTS, partition, 0, path, error));
    const int file = open(path, O_RDWR | O_CLOEXEC);
    FILE *lines = fopen(path, "re");
    enum status status = STATUS_OK;
    if (file < 0 || !lines || ftruncate(file, (off_t)end) != 0) {
        status = error_set(error, STATUS_IO, "opening %s: %s", path, strerror(errno));
    }
    if (status == STATUS_OK) status = overwrite_lines(erasing, file, lines, end, path, error);
    if (file >= 0) close(file);
    if (lines) fclose(lines);
    return status;
}

/* ---- the logs ---- */

static enum status add_frame(struct append_file *to, struct bytes key, struct bytes value,
                             struct error *error)
{
    uint8_t frame[HISTORY_FRAME_MAX];
    const size_t size = history_frame_encode(key, value, frame);
    return append_file_add(to, (struct bytes){frame, size}, error);
}

/* The records of all others, and the last seal behind them. */
static enum status copy_others(struct erasing *erasing, struct history_file *from,
                               struct append_file *to, struct error *error)
{
    struct record records[RECORDS_AT_ONCE];
    uint8_t value[HISTORY_SEAL_MAX];
    for (uint32_t count = 1; count > 0;) {
        TRY(history_file_next(from, records, RECORDS_AT_ONCE, &count, error));
        for (uint32_t i = 0; i < count; i++) {
            struct bytes user;
            uint64_t chunk;
            TRY(history_key_decode(records[i].key, &user, &chunk, error));
            if (is_erased(erasing, user)) {
                erasing->report->records++;
            } else {
                TRY(add_frame(to, records[i].key, records[i].value, error));
            }
        }
    }
    const struct history_seal *seal = history_file_seal(from);
    if (seal->number > 0) {
        const struct bytes key = {history_seal_key, HISTORY_SEAL_KEY_SIZE};
        TRY(add_frame(to, key, (struct bytes){value, history_seal_encode(seal, value)}, error));
    }
    return append_file_sync(to, error);
}

/* The log before the committed one; a call that was interrupted may have left it. */
static enum status delete_log_before(const struct erasing *erasing, uint32_t partition,
                                     struct error *error)
{
    char path[COMMIT_PATH_MAX];
    const uint64_t log = erasing->state.commit.entries[partition].log;
    TRY(commit_file_path(erasing->config, RECORD_HISTORY, partition, log - 1, path, error));
    if (unlink(path) == 0 || errno == ENOENT) return STATUS_OK;
    return error_set(error, STATUS_IO, "deleting %s: %s", path, strerror(errno));
}

static enum status rewrite_log(struct erasing *erasing, uint32_t partition, struct error *error)
{
    char path[COMMIT_PATH_MAX];
    struct commit_entry *entry = &erasing->state.commit.entries[partition];
    struct history_file *from;
    struct append_file to = {.file = -1};
    TRY(commit_file_path(erasing->config, RECORD_HISTORY, partition, entry->log, path, error));
    TRY(history_file_open(&from, path, 0, entry->length[RECORD_HISTORY], error));
    enum status status =
        commit_file_path(erasing->config, RECORD_HISTORY, partition, entry->log + 1, path, error);
    if (status == STATUS_OK) status = append_file_open(&to, path, 0, LOG_BUFFER, error);
    if (status == STATUS_OK) status = copy_others(erasing, from, &to, error);
    if (status == STATUS_OK) {
        entry->log++;
        entry->base = entry->length[RECORD_HISTORY] = to.length;
    }
    append_file_close(&to);
    history_file_close(from);
    return status;
}

/* A store is a view of its log: the next run builds it again. */
static enum status delete_store(const struct erasing *erasing, uint32_t partition,
                                struct error *error)
{
    char path[COMMIT_PATH_MAX];
    const char *dir = erasing->config->state.dir;
    TRY(delete_log_before(erasing, partition, error));
    if (snprintf(path, sizeof path, "%s/store-%04" PRIu32, dir, partition) >= COMMIT_PATH_MAX) {
        return error_set(error, STATUS_INVALID, "%s: path too long", dir);
    }
    return access(path, F_OK) == 0 ? store_rocksdb.destroy(path, error) : STATUS_OK;
}

/* ---- the receipts ---- */

static enum status write_receipts(const struct erasing *erasing, struct error *error)
{
    char path[COMMIT_PATH_MAX];
    const char *dir = erasing->config->output.dir;
    if (snprintf(path, sizeof path, "%s/erasures.jsonl", dir) >= COMMIT_PATH_MAX) {
        return error_set(error, STATUS_INVALID, "%s: path too long", dir);
    }
    FILE *file = fopen(path, "ae");
    bool written = file != NULL;
    for (uint32_t i = 0; file && i < erasing->erased.count; i++) {
        const struct erased_user *user = &erasing->erased.at[i];
        if (!user->pending) continue;
        fprintf(file, "{\"user_hash\":\"%016" PRIx64 "\",\"cut\":%" PRId64 "}\n", user->hash,
                user->cut);
    }
    if (file) written = fflush(file) == 0 && fsync(fileno(file)) == 0;
    if (file) written = fclose(file) == 0 && written;
    if (written) return append_file_sync_directory(dir, error);
    return error_set(error, STATUS_IO, "writing %s: %s", path, strerror(errno));
}

/* ---- in their order ---- */

static enum status erase_pending(struct erasing *erasing, struct error *error)
{
    const uint32_t partitions = erasing->state.commit.partitions;
    for (uint32_t p = 0; p < partitions; p++) {
        if (!partition_is_touched(erasing, p)) continue;
        erasing->report->partitions++;
        TRY(erase_output(erasing, p, error));
        FAULT_POINT("erase_output_cleared");
        TRY(delete_log_before(erasing, p, error));
        TRY(rewrite_log(erasing, p, error));
        FAULT_POINT("erase_log_written");
    }
    TRY(append_file_sync_directory(erasing->config->state.dir, error));
    TRY(commit_file_write(&erasing->state.commit, erasing->config->state.dir, error));
    for (uint32_t p = 0; p < partitions; p++) {
        if (!partition_is_touched(erasing, p)) continue;
        TRY(delete_store(erasing, p, error));
        FAULT_POINT("erase_store_deleted");
    }
    TRY(write_receipts(erasing, error));
    FAULT_POINT("erase_receipts_written");
    for (uint32_t i = 0; i < erasing->erased.count; i++) {
        erasing->erased.at[i].pending = false;
    }
    return erased_write(&erasing->erased, erasing->config->state.dir, error);
}

static enum status erase_users(struct erasing *erasing, const struct bytes *users, uint32_t count,
                               struct error *error)
{
    const char *dir = erasing->config->state.dir;
    TRY(file_state_open(&erasing->state, erasing->config, error));
    TRY(erased_read(&erasing->erased, dir, error));
    TRY(json_document_open(&erasing->json, error));
    erasing->report->resumed = erased_pending(&erasing->erased);
    erasing->report->cut = erasing->state.commit.offset;
    for (uint32_t i = 0; i < count; i++) {
        TRY(erased_add(&erasing->erased, identity_of(users[i].at, users[i].size),
                       erasing->report->cut, error));
    }
    erasing->report->users = erased_pending(&erasing->erased);
    if (erasing->report->users == 0) return STATUS_OK;
    TRY(erased_write(&erasing->erased, dir, error));
    FAULT_POINT("erase_requested");
    return erase_pending(erasing, error);
}

enum status file_erase(const struct config *config, const struct bytes *users, uint32_t count,
                       struct erase_report *report, struct error *error)
{
    struct commit commit;
    struct erasing erasing = {.config = config, .state.lock = -1, .report = report};
    *report = (struct erase_report){0};
    TRY(commit_file_expect(&commit, config->state.dir, error));
    commit_close(&commit);
    const enum status status = erase_users(&erasing, users, count, error);
    json_document_close(erasing.json);
    free(erasing.line);
    erased_close(&erasing.erased);
    file_state_close(&erasing.state);
    return status;
}

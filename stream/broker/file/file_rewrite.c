/* file_rewrite.c - live records, a seal, and a copied tail. */
#include "stream/broker/file/file_rewrite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fault.h"
#include "stream/broker/file/history_file.h"

enum { COPY_SIZE = 256 << 10 };

struct history_rewrite {
    const struct config *config;
    uint32_t partition;
    uint64_t log;    /* number of the new log */
    int old;         /* the old one, for reading */
    uint64_t copied; /* bytes of the old log that the new one covers */
    struct append_file file;
    bool installed;
};

bool file_rewrite_due(const struct config *config, const struct partition_files *files)
{
    uint64_t length = files->kind[RECORD_HISTORY].length;
    return length >= config->state.flush_size && length >= 2 * files->base;
}

static enum status open_logs(struct history_rewrite *rewrite, uint64_t old_log, struct error *error)
{
    char path[COMMIT_PATH_MAX];
    TRY(commit_file_path(rewrite->config, RECORD_HISTORY, rewrite->partition, old_log, path,
                         error));
    rewrite->old = open(path, O_RDONLY | O_CLOEXEC);
    if (rewrite->old < 0) {
        return error_set(error, STATUS_IO, "opening %s: %s", path, strerror(errno));
    }
    TRY(commit_file_path(rewrite->config, RECORD_HISTORY, rewrite->partition, rewrite->log, path,
                         error));
    TRY(append_file_open(&rewrite->file, path, 0, COPY_SIZE, error));
    return append_file_sync_directory(rewrite->config->state.dir, error);
}

enum status file_rewrite_open(struct history_rewrite **rewritep, const struct config *config,
                              uint32_t partition, const struct store_position *start,
                              struct error *error)
{
    *rewritep = NULL;
    struct history_rewrite *rewrite = calloc(1, sizeof *rewrite);
    if (!rewrite) return error_set(error, STATUS_IO, "out of memory: a log rewrite");
    *rewrite = (struct history_rewrite){
        .config = config,
        .partition = partition,
        .log = start->log + 1,
        .old = -1,
        .copied = (uint64_t)start->next,
        .file.file = -1,
    };
    enum status status = open_logs(rewrite, start->log, error);
    if (status != STATUS_OK) {
        file_rewrite_close(rewrite);
        return status;
    }
    *rewritep = rewrite;
    return STATUS_OK;
}

void file_rewrite_close(struct history_rewrite *rewrite)
{
    if (!rewrite) return;
    if (rewrite->old >= 0) close(rewrite->old);
    if (rewrite->file.path && !rewrite->installed) unlink(rewrite->file.path);
    append_file_close(&rewrite->file);
    free(rewrite);
}

uint32_t file_rewrite_partition(const struct history_rewrite *rewrite)
{
    return rewrite->partition;
}

enum status file_rewrite_add(struct history_rewrite *rewrite, struct bytes key, struct bytes value,
                             struct error *error)
{
    uint8_t frame[HISTORY_FRAME_MAX];
    size_t size = history_frame_encode(key, value, frame);
    return append_file_add(&rewrite->file, (struct bytes){frame, size}, error);
}

/* Copies the old log's bytes up to `end`. */
static enum status copy_tail(struct history_rewrite *rewrite, uint64_t end, struct error *error)
{
    uint8_t buffer[16 << 10];
    while (rewrite->copied < end) {
        uint64_t left = end - rewrite->copied;
        ssize_t n = pread(rewrite->old, buffer, left < sizeof buffer ? left : sizeof buffer,
                          (off_t)rewrite->copied);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            return error_set(error, STATUS_IO, "reading the log that %s is to replace: %s",
                             rewrite->file.path, n == 0 ? "it became shorter" : strerror(errno));
        }
        TRY(append_file_add(&rewrite->file, (struct bytes){buffer, (size_t)n}, error));
        rewrite->copied += (uint64_t)n;
    }
    return append_file_sync(&rewrite->file, error);
}

enum status file_rewrite_finish(struct history_rewrite *rewrite, const struct history_seal *seal,
                                uint64_t end, struct error *error)
{
    uint8_t value[HISTORY_SEAL_MAX];
    struct bytes key = {history_seal_key, HISTORY_SEAL_KEY_SIZE};
    TRY(file_rewrite_add(rewrite, key, (struct bytes){value, history_seal_encode(seal, value)},
                         error));
    TRY(copy_tail(rewrite, end, error));
    FAULT_POINT("log_rewritten");
    return STATUS_OK;
}

enum status file_rewrite_install(struct history_rewrite *rewrite, struct partition_files *files,
                                 uint64_t end, struct error *error)
{
    enum status status = copy_tail(rewrite, end, error);
    if (status == STATUS_OK) {
        struct append_file old = files->kind[RECORD_HISTORY];
        files->kind[RECORD_HISTORY] = rewrite->file;
        files->log = rewrite->log;
        files->base = rewrite->file.length;
        rewrite->file = old;
        rewrite->installed = true; /* what is closed now is the old log, which is still committed */
        FAULT_POINT("log_switched");
    }
    file_rewrite_close(rewrite);
    return status;
}

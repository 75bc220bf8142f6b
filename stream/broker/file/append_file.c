/* append_file.c - a buffer, a descriptor, and a length. */
#include "stream/broker/file/append_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum status append_failed(const struct append_file *file, const char *what,
                                 struct error *error)
{
    return error_set(error, STATUS_IO, "%s %s: %s", what, file->path, strerror(errno));
}

enum status append_file_open(struct append_file *file, const char *path, uint64_t committed,
                             size_t buffer_size, struct error *error)
{
    *file = (struct append_file){.file = -1, .length = committed, .buffer_size = buffer_size};
    file->path = strdup(path);
    if (!file->path) return error_set(error, STATUS_IO, "out of memory: %s", path);

    int create = committed == 0 ? O_CREAT : 0;
    file->file = open(path, O_WRONLY | O_CLOEXEC | create, 0644);
    if (file->file < 0 && errno != ENOENT) return append_failed(file, "opening", error);
    struct stat facts = {0};
    if (file->file >= 0 && fstat(file->file, &facts) != 0)
        return append_failed(file, "reading", error);
    if ((uint64_t)facts.st_size < committed) {
        return error_set(error, STATUS_REFUSED,
                         "%s: %" PRIu64 " bytes were committed, and it has %" PRIu64
                         ": put the missing file back, or begin anew with an empty state.dir and "
                         "output.dir",
                         path, committed, (uint64_t)facts.st_size);
    }
    return append_file_cut(file, committed, error);
}

void append_file_close(struct append_file *file)
{
    if (file->path && file->file >= 0) close(file->file);
    free(file->path);
    free(file->buffer);
    *file = (struct append_file){.file = -1};
}

/* Writes `bytes` behind what the file holds already (the buffer is empty). */
static enum status write_out(struct append_file *file, uint64_t at, struct bytes bytes,
                             struct error *error)
{
    const uint8_t *from = bytes.at;
    size_t done = 0;
    file->unsynced = true;
    while (done < bytes.size) {
        ssize_t n = pwrite(file->file, from + done, bytes.size - done, (off_t)(at + done));
        if (n >= 0)
            done += (size_t)n;
        else if (errno != EINTR)
            return append_failed(file, "writing", error);
    }
    /* Begin to write now what a sync would otherwise have to write all at once. A hint only. */
    (void)sync_file_range(file->file, (off_t)at, (off_t)bytes.size, SYNC_FILE_RANGE_WRITE);
    return STATUS_OK;
}

enum status append_file_flush(struct append_file *file, struct error *error)
{
    if (file->buffered == 0) return STATUS_OK;
    struct bytes bytes = {file->buffer, file->buffered};
    TRY(write_out(file, file->length - file->buffered, bytes, error));
    file->buffered = 0;
    return STATUS_OK;
}

enum status append_file_add(struct append_file *file, struct bytes bytes, struct error *error)
{
    if (!file->buffer) {
        file->buffer = malloc(file->buffer_size);
        if (!file->buffer) return error_set(error, STATUS_IO, "out of memory: %s", file->path);
    }
    if (bytes.size > file->buffer_size - file->buffered) TRY(append_file_flush(file, error));
    if (bytes.size > file->buffer_size) {
        TRY(write_out(file, file->length, bytes, error));
    } else if (bytes.size > 0) {
        memcpy(file->buffer + file->buffered, bytes.at, bytes.size);
        file->buffered += bytes.size;
    }
    file->length += bytes.size;
    return STATUS_OK;
}

enum status append_file_sync(struct append_file *file, struct error *error)
{
    TRY(append_file_flush(file, error));
    if (!file->unsynced) return STATUS_OK;
    if (fdatasync(file->file) != 0) return append_failed(file, "syncing", error);
    file->unsynced = false;
    return STATUS_OK;
}

enum status append_file_cut(struct append_file *file, uint64_t length, struct error *error)
{
    file->buffered = 0;
    file->length = length;
    if (ftruncate(file->file, (off_t)length) != 0) return append_failed(file, "cutting", error);
    return STATUS_OK;
}

enum status append_file_sync_directory(const char *path, struct error *error)
{
    int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool synced = directory >= 0 && fsync(directory) == 0;
    enum status status = STATUS_OK;
    if (!synced) status = error_set(error, STATUS_IO, "syncing %s: %s", path, strerror(errno));
    if (directory >= 0) close(directory);
    return status;
}

/* history_file.c - frames through one buffer, each verified before it is believed. */
#include "stream/broker/file/history_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checksum.h"

enum {
    SIZES = 8,               /* bytes of the two sizes in front */
    BUFFER_SIZE = 512 << 10, /* many frames */
};

#define NO_VALUE UINT32_MAX

_Static_assert(BUFFER_SIZE > 2 * HISTORY_FRAME_MAX, "a frame always fits the buffer");

struct history_file {
    char *path;
    int file;
    uint64_t at;  /* byte of the file after the last frame read */
    uint64_t end; /* committed length */
    struct history_seal seal;
    size_t used;   /* bytes of the buffer that were read as frames */
    size_t filled; /* bytes of the buffer that hold file content */
    uint8_t buffer[BUFFER_SIZE];
};

size_t history_frame_encode(struct bytes key, struct bytes value, void *to)
{
    struct byte_writer writer = byte_writer_of(to, HISTORY_FRAME_MAX);
    write_u32(&writer, (uint32_t)key.size);
    write_u32(&writer, value.at ? (uint32_t)value.size : NO_VALUE);
    write_raw(&writer, key.at, key.size);
    if (value.at) write_raw(&writer, value.at, value.size);
    write_u64(&writer, checksum_of(to, writer.used));
    REQUIRE(!writer.failed);
    return writer.used;
}

enum status history_file_open(struct history_file **filep, const char *path, uint64_t start,
                              uint64_t end, struct error *error)
{
    *filep = NULL;
    struct history_file *file = malloc(sizeof *file);
    if (!file) return error_set(error, STATUS_IO, "out of memory: a history log");
    file->path = strdup(path);
    file->file = open(path, O_RDONLY | O_CLOEXEC);
    file->at = start;
    file->end = end;
    file->seal = (struct history_seal){0};
    file->used = file->filled = 0;

    struct stat facts;
    enum status status = STATUS_OK;
    if (!file->path || file->file < 0 || fstat(file->file, &facts) != 0) {
        status = error_set(error, STATUS_IO, "opening %s: %s", path, strerror(errno));
    } else if ((uint64_t)facts.st_size < end) {
        status = error_set(error, STATUS_REFUSED,
                           "%s: %" PRIu64 " bytes were committed, and it has %" PRIu64
                           ": put the missing file back",
                           path, end, (uint64_t)facts.st_size);
    }
    if (status != STATUS_OK) {
        history_file_close(file);
        return status;
    }
    *filep = file;
    return STATUS_OK;
}

void history_file_close(struct history_file *file)
{
    if (!file) return;
    if (file->file >= 0) close(file->file);
    free(file->path);
    free(file);
}

/* Moves the rest to the front of the buffer and fills it up with committed bytes. */
static enum status refill(struct history_file *file, struct error *error)
{
    size_t rest = file->filled - file->used;
    memmove(file->buffer, file->buffer + file->used, rest);
    file->used = 0;
    file->filled = rest;
    while (file->filled < BUFFER_SIZE && file->at + file->filled < file->end) {
        size_t room = BUFFER_SIZE - file->filled;
        uint64_t left = file->end - file->at - file->filled;
        ssize_t n = pread(file->file, file->buffer + file->filled, left < room ? left : room,
                          (off_t)(file->at + file->filled));
        if (n > 0)
            file->filled += (size_t)n;
        else if (n == 0 || errno != EINTR) {
            return error_set(error, STATUS_IO, "reading %s: %s", file->path,
                             n == 0 ? "it became shorter" : strerror(errno));
        }
    }
    return STATUS_OK;
}

/* Size of the frame at the buffer's reading point; 0 if the buffer does not hold all of it. */
static size_t whole_frame(const struct history_file *file)
{
    struct bytes rest = {file->buffer + file->used, file->filled - file->used};
    struct byte_reader reader = byte_reader_of(rest);
    uint32_t key_size = read_u32(&reader);
    uint32_t value_size = read_u32(&reader);
    size_t size = HISTORY_FRAME_OVERHEAD + (size_t)key_size;
    if (value_size != NO_VALUE) size += value_size;
    return reader.failed || size > rest.size ? 0 : size;
}

/* Reads a frame of `size` bytes, of which key and value are left in the buffer. */
static enum status read_frame(struct history_file *file, size_t size, struct record *record,
                              struct error *error)
{
    struct byte_reader reader = byte_reader_of((struct bytes){file->buffer + file->used, size});
    uint64_t checksum = checksum_of(reader.at, size - 8);
    uint32_t key_size = read_u32(&reader);
    uint32_t value_size = read_u32(&reader);
    *record = (struct record){.kind = RECORD_HISTORY};
    record->key = (struct bytes){read_raw(&reader, key_size), key_size};
    if (value_size != NO_VALUE) {
        record->value = (struct bytes){read_raw(&reader, value_size), value_size};
    }
    if (read_u64(&reader) != checksum || reader.failed) {
        return error_set(error, STATUS_CORRUPT,
                         "%s: the record at byte %" PRIu64
                         " fails its checksum: restore state.dir and output.dir from a backup",
                         file->path, file->at);
    }
    file->used += size;
    file->at += size;
    if (!history_is_seal(record->key)) return STATUS_OK;
    return history_seal_decode(&file->seal, record->value, error);
}

enum status history_file_next(struct history_file *file, struct record *records, uint32_t max,
                              uint32_t *countp, struct error *error)
{
    *countp = 0;
    while (*countp < max && file->at < file->end) {
        size_t size = whole_frame(file);
        if (size == 0) {
            if (*countp > 0) return STATUS_OK; /* what was delivered must stay where it is */
            TRY(refill(file, error));
            size = whole_frame(file);
        }
        if (size == 0) {
            return error_set(error, STATUS_CORRUPT,
                             "%s: no whole record at byte %" PRIu64
                             ": restore state.dir and output.dir from a backup",
                             file->path, file->at);
        }
        TRY(read_frame(file, size, &records[*countp], error));
        if (!history_is_seal(records[*countp].key)) ++*countp;
    }
    return STATUS_OK;
}

uint64_t history_file_at(const struct history_file *file)
{
    return file->at;
}

const struct history_seal *history_file_seal(const struct history_file *file)
{
    return &file->seal;
}

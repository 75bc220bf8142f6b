/*
 * line_reader.c - a buffer that is filled from a file, a gzip stream or standard input, and cut
 * into lines.
 *
 * The buffer holds a longest line, its end and a block to read, and is followed by EVENT_PADDING
 * bytes. A line is found in place; what is left of a block moves to the front when the buffer is
 * filled again. gzip goes through a second buffer of compressed bytes; several members in one file
 * are one stream, as gunzip has it.
 */
#include "stream/source/line_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/checksum.h"
#include "stream/source/event.h"

enum {
    BLOCK_SIZE = 1 << 20,     /* bytes of a read */
    IDENTITY_SIZE_MAX = 65536 /* bytes that identify an input */
};

/* Bytes of an input, decompressed. */
struct input {
    const char *path;
    int file;
    int64_t done;        /* bytes read from the file */
    int64_t total;       /* its size; -1 = unknown */
    z_stream *gzip;      /* NULL: the bytes are taken as they are */
    uint8_t *compressed; /* [BLOCK_SIZE] what was read, also what was read to recognize gzip */
    size_t left;         /* bytes of it that are not taken yet ... */
    uint8_t *next;       /* ... and where they are */
    bool between;        /* gzip: a member has ended, or none has begun */
};

struct line_reader {
    struct input input;
    char *path; /* owned */
    uint32_t line_size_max;
    struct line_position position;
    uint8_t *buffer;
    size_t size;   /* of the buffer, without the padding */
    size_t begin;  /* of what has not been delivered */
    size_t end;    /* of what has been read */
    bool finished; /* nothing more to read */
};

static enum status read_file(struct input *input, void *to, size_t size, size_t *countp,
                             struct error *error)
{
    ssize_t count;
    do {
        count = read(input->file, to, size);
    } while (count < 0 && errno == EINTR);
    *countp = 0;
    if (count < 0) {
        return error_set(error, STATUS_IO, "reading %s: %s", input->path, strerror(errno));
    }
    *countp = (size_t)count;
    input->done += count;
    return STATUS_OK;
}

/* Takes what was read ahead, then reads. *countp = 0 at the end. */
static enum status read_plain(struct input *input, void *to, size_t size, size_t *countp,
                              struct error *error)
{
    if (input->left == 0) return read_file(input, to, size, countp, error);
    size_t count = input->left < size ? input->left : size;
    memcpy(to, input->next, count);
    input->next += count;
    input->left -= count;
    *countp = count;
    return STATUS_OK;
}

static enum status corrupt(const struct input *input, const char *why, struct error *error)
{
    return error_set(error, STATUS_CORRUPT, "%s: gzip: %s", input->path, why ? why : "not valid");
}

/* Makes compressed bytes available; false in *morep at the end of the file. */
static enum status refill(struct input *input, bool *morep, struct error *error)
{
    if (input->left == 0) {
        input->next = input->compressed;
        TRY(read_file(input, input->compressed, BLOCK_SIZE, &input->left, error));
    }
    *morep = input->left > 0;
    return STATUS_OK;
}

static enum status read_gzip(struct input *input, void *to, size_t size, size_t *countp,
                             struct error *error)
{
    z_stream *gzip = input->gzip;
    gzip->next_out = to;
    gzip->avail_out = (uInt)size;
    while (gzip->avail_out == size) {
        bool more;
        TRY(refill(input, &more, error));
        if (!more && input->between) break;
        if (!more) return corrupt(input, "ends in the middle of a stream", error);
        if (input->between && inflateReset(gzip) != Z_OK) return corrupt(input, gzip->msg, error);
        gzip->next_in = input->next;
        gzip->avail_in = (uInt)input->left;
        int result = inflate(gzip, Z_NO_FLUSH);
        if (result != Z_OK && result != Z_STREAM_END) return corrupt(input, gzip->msg, error);
        input->between = result == Z_STREAM_END;
        input->next = gzip->next_in;
        input->left = gzip->avail_in;
    }
    *countp = size - gzip->avail_out;
    return STATUS_OK;
}

static enum status input_read(struct input *input, void *to, size_t size, size_t *countp,
                              struct error *error)
{
    return (input->gzip ? read_gzip : read_plain)(input, to, size, countp, error);
}

/* gzip's two magic bytes; a pipe may deliver them one at a time. */
static enum status recognize(struct input *input, struct error *error)
{
    input->next = input->compressed;
    size_t count = 1;
    while (input->left < 2 && count > 0) {
        TRY(read_file(input, input->compressed + input->left, BLOCK_SIZE - input->left, &count,
                      error));
        input->left += count;
    }
    if (input->left < 2 || input->next[0] != 0x1F || input->next[1] != 0x8B) return STATUS_OK;
    input->gzip = calloc(1, sizeof *input->gzip);
    input->between = true;
    if (!input->gzip || inflateInit2(input->gzip, 15 + 16) != Z_OK) {
        return error_set(error, STATUS_IO, "out of memory: reading %s", input->path);
    }
    return STATUS_OK;
}

static enum status input_open(struct input *input, const char *path, struct error *error)
{
    struct stat stat;
    *input = (struct input){.path = path, .total = -1};
    input->file = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (input->file < 0) {
        return error_set(error, STATUS_INVALID, "%s: %s", path, strerror(errno));
    }
    if (fstat(input->file, &stat) == 0 && S_ISREG(stat.st_mode)) input->total = stat.st_size;
    input->compressed = malloc(BLOCK_SIZE);
    if (!input->compressed) return error_set(error, STATUS_IO, "out of memory: reading %s", path);
    return recognize(input, error);
}

static void input_close(struct input *input)
{
    if (input->gzip) inflateEnd(input->gzip);
    free(input->gzip);
    free(input->compressed);
    if (input->file > STDIN_FILENO) close(input->file);
}

static enum status shorter(const struct input *input, int64_t missing, struct error *error)
{
    return error_set(error, STATUS_REFUSED, "%s is shorter than it was: %lld bytes missing",
                     input->path, (long long)missing);
}

/* Goes to `start`: a plain file seeks, anything else is read up to there. */
static enum status skip_to(struct line_reader *reader, int64_t start, struct error *error)
{
    struct input *input = &reader->input;
    if (!input->gzip && lseek(input->file, start, SEEK_SET) == start) {
        input->left = 0;
        input->done = start;
        if (input->total >= start) return STATUS_OK;
        if (input->total >= 0) return shorter(input, start - input->total, error);
    }
    while (start > 0) {
        size_t size = start < BLOCK_SIZE ? (size_t)start : BLOCK_SIZE;
        size_t count;
        TRY(input_read(input, reader->buffer, size, &count, error));
        if (count == 0) return shorter(input, start, error);
        start -= (int64_t)count;
    }
    return STATUS_OK;
}

static enum status reader_open(struct line_reader *reader, const char *path,
                               struct line_position start, struct error *error)
{
    reader->input.file = -1;
    reader->path = strdup(path);
    reader->size = (size_t)reader->line_size_max + 2 + BLOCK_SIZE;
    reader->buffer = malloc(reader->size + EVENT_PADDING);
    if (!reader->path || !reader->buffer) {
        return error_set(error, STATUS_IO, "out of memory: reading %s", path);
    }
    memset(reader->buffer, 0, reader->size + EVENT_PADDING);
    TRY(input_open(&reader->input, reader->path, error));
    return start.byte > 0 ? skip_to(reader, start.byte, error) : STATUS_OK;
}

enum status line_reader_open(struct line_reader **readerp, const char *path, uint32_t line_size_max,
                             struct line_position start, struct error *error)
{
    *readerp = NULL;
    struct line_reader *reader = calloc(1, sizeof *reader);
    if (!reader) return error_set(error, STATUS_IO, "out of memory: reading %s", path);
    reader->line_size_max = line_size_max;
    reader->position = start;
    enum status status = reader_open(reader, path, start, error);
    if (status != STATUS_OK) {
        line_reader_close(reader);
        return status;
    }
    *readerp = reader;
    return STATUS_OK;
}

void line_reader_close(struct line_reader *reader)
{
    if (!reader) return;
    input_close(&reader->input);
    free(reader->buffer);
    free(reader->path);
    free(reader);
}

/* Moves what is left to the front of the buffer and reads more behind it. */
static enum status fill(struct line_reader *reader, struct error *error)
{
    size_t left = reader->end - reader->begin;
    size_t count;
    memmove(reader->buffer, reader->buffer + reader->begin, left);
    reader->begin = 0;
    reader->end = left;
    TRY(input_read(&reader->input, reader->buffer + left, reader->size - left, &count, error));
    reader->end += count;
    reader->finished = count == 0;
    return STATUS_OK;
}

/*
 * Finds the end of the line at `begin`, filling the buffer as needed; *sizep is what the buffer
 * holds of it. Of a line that is too long one byte more than the limit is kept; what lay behind
 * that is counted in *droppedp.
 */
static enum status find_end(struct line_reader *reader, size_t *sizep, size_t *droppedp,
                            bool *endedp, struct error *error)
{
    size_t keep = (size_t)reader->line_size_max + 1;
    size_t seen = 0;
    *droppedp = 0;
    for (;;) {
        const uint8_t *begin = reader->buffer + reader->begin;
        const uint8_t *end = memchr(begin + seen, '\n', reader->end - reader->begin - seen);
        *endedp = end != NULL;
        *sizep = seen = end ? (size_t)(end - begin) : reader->end - reader->begin;
        if (end || reader->finished) return STATUS_OK;
        if (seen > keep) {
            *droppedp += seen - keep;
            seen = keep;
            reader->end = reader->begin + keep;
        }
        TRY(fill(reader, error));
    }
}

enum status line_reader_next(struct line_reader *reader, struct line *line, struct error *error)
{
    static const char mark[] = "\xEF\xBB\xBF"; /* the byte order mark that some editors write */
    size_t size, dropped;
    bool ended;
    TRY(find_end(reader, &size, &dropped, &ended, error));
    if (size == 0 && !ended) return STATUS_END;

    const uint8_t *at = reader->buffer + reader->begin;
    bool first = reader->position.byte == 0;
    reader->begin += size + ended;
    reader->position.line++;
    reader->position.byte += (int64_t)(size + dropped + ended);

    if (size > 0 && at[size - 1] == '\r' && dropped == 0) size--;
    if (first && size >= 3 && memcmp(at, mark, 3) == 0) {
        at += 3;
        size -= 3;
    }
    line->cut = dropped > 0 || size > reader->line_size_max;
    line->text = (struct bytes){at, line->cut ? reader->line_size_max : size};
    return STATUS_OK;
}

struct line_position line_reader_position(const struct line_reader *reader)
{
    return reader->position;
}

void line_reader_progress(const struct line_reader *reader, int64_t *donep, int64_t *totalp)
{
    *donep = reader->input.done;
    *totalp = reader->input.total;
}

static enum status read_identity(struct input *input, uint8_t *at, size_t size,
                                 struct input_identity *identity, struct error *error)
{
    size_t used = 0, count = 1;
    while (used < size && count > 0) {
        TRY(input_read(input, at + used, size - used, &count, error));
        used += count;
    }
    *identity = (struct input_identity){checksum_of(at, used), (uint32_t)used};
    return STATUS_OK;
}

enum status input_identify(const char *path, uint32_t size, struct input_identity *identity,
                           struct error *error)
{
    *identity = (struct input_identity){0};
    if (strcmp(path, "-") == 0) return STATUS_OK;
    if (size == 0 || size > IDENTITY_SIZE_MAX) size = IDENTITY_SIZE_MAX;
    uint8_t *at = malloc(size);
    if (!at) return error_set(error, STATUS_IO, "out of memory: reading %s", path);
    struct input input;
    enum status status = input_open(&input, path, error);
    if (status == STATUS_OK && input.total < 0) {
        status =
            error_set(error, STATUS_INVALID,
                      "%s: not a regular file, so it cannot be read again after a crash: pipe it "
                      "in and set source.path=-",
                      path);
    }
    if (status == STATUS_OK) status = read_identity(&input, at, size, identity, error);
    input_close(&input);
    free(at);
    return status;
}

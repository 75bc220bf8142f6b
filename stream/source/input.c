/*
 * input.c - bytes are read into a block, and from there inflated if the first two say so.
 *
 * zlib's gzread itself is not used: it waits until its buffers are full, so lines of a pipe would
 * come late.
 */
#include "stream/source/input.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/checksum.h"
#include "base/log.h"

enum {
    BLOCK_SIZE = 1 << 16, /* bytes of a read that is decompressed */
};

struct input {
    char *path; /* owned */
    int file;
    int64_t done;    /* bytes read from the file */
    int64_t total;   /* its size; -1 = unknown */
    bool looked;     /* whether it is gzip is known */
    z_stream *gzip;  /* NULL: the bytes are taken as they are */
    uint8_t *block;  /* [BLOCK_SIZE] what was read from the file ahead of what is wanted */
    size_t left;     /* bytes of it that are not taken yet ... */
    uint8_t *next;   /* ... and where they are */
    bool in_member;  /* gzip: a member has begun and not ended */
    bool ended;      /* gzip: nothing more to inflate */
    bool unfinished; /* gzip: the file ended in a member */
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

static enum status damaged_gzip(const struct input *input, const char *why, struct error *error)
{
    return error_set(error, STATUS_CORRUPT,
                     "%s: damaged gzip at its byte %" PRId64 ": %s; put a whole copy in its place, "
                     "which begins with the same bytes, and run again",
                     input->path, input->done - (int64_t)input->gzip->avail_in,
                     why ? why : "not valid");
}

/* Reads until the block has at least `least` bytes that are not taken, or the file ends. */
static enum status read_ahead(struct input *input, size_t least, struct error *error)
{
    size_t count = 1;
    if (input->left >= least) return STATUS_OK;
    if (input->left) memmove(input->block, input->next, input->left);
    input->next = input->block;
    while (input->left < least && count > 0) {
        TRY(read_file(input, input->block + input->left, BLOCK_SIZE - input->left, &count, error));
        input->left += count;
    }
    return STATUS_OK;
}

/* True if a gzip member begins at what is left: its two magic bytes. */
static bool at_member(const struct input *input)
{
    return input->left >= 2 && input->next[0] == 0x1F && input->next[1] == 0x8B;
}

/* A member has ended: begins the next one, or ends the input. */
static enum status next_member(struct input *input, struct error *error)
{
    TRY(read_ahead(input, 2, error));
    input->in_member = at_member(input);
    if (input->in_member) {
        if (inflateReset(input->gzip) != Z_OK) return damaged_gzip(input, input->gzip->msg, error);
        return STATUS_OK;
    }
    input->ended = true;
    input->unfinished = input->left == 1 && input->next[0] == 0x1F;
    if (input->left > 0 && input->next[0] != 0 && !input->unfinished) {
        log_warn("what lies behind the last gzip member is no gzip and is ignored",
                 log_text("path", input->path));
    }
    return STATUS_OK;
}

static enum status read_gzip(struct input *input, void *to, size_t size, size_t *countp,
                             struct error *error)
{
    z_stream *gzip = input->gzip;
    gzip->next_out = to;
    gzip->avail_out = (uInt)size;
    while (gzip->avail_out == size && !input->ended) {
        if (!input->in_member) TRY(next_member(input, error));
        if (!input->in_member) break;
        TRY(read_ahead(input, 1, error));
        input->ended = input->unfinished = input->left == 0;
        gzip->next_in = input->next;
        gzip->avail_in = (uInt)input->left;
        int result = inflate(gzip, Z_NO_FLUSH);
        input->in_member = result != Z_STREAM_END;
        if (result == Z_BUF_ERROR && input->ended) break;
        if (result == Z_MEM_ERROR) {
            return error_set(error, STATUS_IO, "out of memory: reading %s", input->path);
        }
        if (result != Z_OK && result != Z_STREAM_END) return damaged_gzip(input, gzip->msg, error);
        input->next = gzip->next_in;
        input->left = gzip->avail_in;
    }
    *countp = size - gzip->avail_out;
    return STATUS_OK;
}

/* The first two bytes say whether the input is gzip. */
static enum status look(struct input *input, struct error *error)
{
    if (input->looked) return STATUS_OK;
    TRY(read_ahead(input, 2, error));
    input->looked = true;
    if (!at_member(input)) return STATUS_OK;
    input->gzip = calloc(1, sizeof *input->gzip);
    if (input->gzip && inflateInit2(input->gzip, 15 + 16) == Z_OK) return STATUS_OK;
    free(input->gzip);
    input->gzip = NULL;
    return error_set(error, STATUS_IO, "out of memory: reading %s", input->path);
}

enum status input_read(struct input *input, void *to, size_t size, size_t *countp,
                       struct error *error)
{
    TRY(look(input, error));
    return (input->gzip ? read_gzip : read_plain)(input, to, size, countp, error);
}

static enum status open_file(struct input *input, const char *path, struct error *error)
{
    struct stat stat;
    input->file = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (input->file < 0) {
        return error_set(error, STATUS_INVALID, "%s: %s", path, strerror(errno));
    }
    if (fstat(input->file, &stat) == 0 && S_ISREG(stat.st_mode)) input->total = stat.st_size;
    input->path = strdup(path);
    input->block = malloc(BLOCK_SIZE);
    if (!input->path || !input->block) {
        return error_set(error, STATUS_IO, "out of memory: reading %s", path);
    }
    /* Standard input may have nothing to say for long, and nobody shall wait for that here. */
    return input->file == STDIN_FILENO ? STATUS_OK : look(input, error);
}

enum status input_open(struct input **inputp, const char *path, struct error *error)
{
    *inputp = NULL;
    struct input *input = calloc(1, sizeof *input);
    if (!input) return error_set(error, STATUS_IO, "out of memory: reading %s", path);
    input->file = -1;
    input->total = -1;
    enum status status = open_file(input, path, error);
    if (status != STATUS_OK) {
        input_close(input);
        return status;
    }
    *inputp = input;
    return STATUS_OK;
}

void input_close(struct input *input)
{
    if (!input) return;
    if (input->gzip) inflateEnd(input->gzip);
    if (input->file > STDIN_FILENO) close(input->file);
    free(input->gzip);
    free(input->block);
    free(input->path);
    free(input);
}

static enum status shorter(const struct input *input, int64_t missing, struct error *error)
{
    return error_set(error, STATUS_REFUSED, "%s is shorter than it was: %lld bytes missing",
                     input->path, (long long)missing);
}

enum status input_skip(struct input *input, int64_t count, struct error *error)
{
    uint8_t passed[4096];
    TRY(look(input, error));
    if (!input->gzip && lseek(input->file, count, SEEK_SET) == count) {
        input->left = 0;
        input->done = count;
        if (input->total >= count) return STATUS_OK;
        if (input->total >= 0) return shorter(input, count - input->total, error);
    }
    while (count > 0) {
        size_t size = count < (int64_t)sizeof passed ? (size_t)count : sizeof passed;
        size_t got;
        TRY(input_read(input, passed, size, &got, error));
        if (got == 0) return shorter(input, count, error);
        count -= (int64_t)got;
    }
    return STATUS_OK;
}

bool input_is_unfinished(const struct input *input)
{
    return input->unfinished;
}

void input_progress(const struct input *input, int64_t *donep, int64_t *totalp)
{
    *donep = input->done;
    *totalp = input->total;
}

static enum status identify_head(struct input *input, uint8_t *at, size_t size,
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
    if (size == 0 || size > INPUT_IDENTITY_MAX) size = INPUT_IDENTITY_MAX;
    uint8_t *at = malloc(size);
    if (!at) return error_set(error, STATUS_IO, "out of memory: reading %s", path);
    struct input *input;
    enum status status = input_open(&input, path, error);
    if (status == STATUS_OK && input->total < 0) {
        status =
            error_set(error, STATUS_INVALID,
                      "%s: not a regular file, so it cannot be read again after a crash: pipe it "
                      "in and set source.path=-",
                      path);
    }
    if (status == STATUS_OK) status = identify_head(input, at, size, identity, error);
    input_close(input);
    free(at);
    return status;
}

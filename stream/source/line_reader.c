/*
 * line_reader.c - a buffer that is filled from an input and cut into lines.
 *
 * The buffer holds a longest line, its end and a block to read, and is followed by EVENT_PADDING
 * bytes. A line is found in place; what is left of a block moves to the front when the buffer is
 * filled again.
 */
#include "stream/source/line_reader.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/utf8.h"
#include "stream/source/event.h"

enum {
    BLOCK_SIZE = 1 << 20,           /* bytes of a read */
    FRAME_SIZE = UTF8_MARK_SIZE + 1 /* bytes of a line beside its text: a mark, and \r */
};

struct line_reader {
    struct input *input;
    char *path; /* owned */
    struct line_options options;
    struct row_scanner *scanner; /* NULL: a line ends at the next line break */
    struct line_position position;
    uint8_t *buffer;
    size_t size;  /* of the buffer, without the padding */
    size_t begin; /* of what has not been delivered */
    size_t end;   /* of what has been read */
    bool read;    /* all of the input is in the buffer */
    bool ended;   /* STATUS_END was returned */
    struct line_rest rest;
    bool resumed; /* the position lies behind a line that had no end when it was taken */
};

struct line_options line_options_of(const struct config *config)
{
    struct line_options options = {
        .size_max = config->source.event_size_max + 1,
        .take_unfinished = config->source.unfinished_line == CONFIG_UNFINISHED_TAKE,
    };
    if (config->source.format != CONFIG_JSON) options.rows = table_form_of(config);
    return options;
}

/* Goes to `start`, and sees whether the line before it has an end. */
static enum status go_to(struct line_reader *reader, struct line_position start,
                         struct error *error)
{
    char last;
    size_t count;
    if (start.byte == 0) return STATUS_OK;
    TRY(input_skip(reader->input, start.byte - 1, error));
    TRY(input_read(reader->input, &last, 1, &count, error));
    if (count == 0) {
        return error_set(error, STATUS_REFUSED,
                         "%s is shorter than it was: it ends before byte %" PRId64, reader->path,
                         start.byte);
    }
    reader->resumed = last != '\n';
    return STATUS_OK;
}

static enum status open_input_at(struct line_reader *reader, const char *path,
                                 struct line_position start, struct error *error)
{
    reader->path = strdup(path);
    reader->size = (size_t)reader->options.size_max + FRAME_SIZE + BLOCK_SIZE;
    reader->buffer = calloc(1, reader->size + EVENT_PADDING);
    if (!reader->path || !reader->buffer) {
        return error_set(error, STATUS_IO, "out of memory: reading %s", path);
    }
    if (reader->options.rows.quotes) {
        TRY(row_scanner_open(&reader->scanner, reader->options.rows.separator, error));
    }
    TRY(input_open(&reader->input, path, error));
    return go_to(reader, start, error);
}

enum status line_reader_open(struct line_reader **readerp, const char *path,
                             struct line_options options, struct line_position start,
                             struct error *error)
{
    *readerp = NULL;
    struct line_reader *reader = calloc(1, sizeof *reader);
    if (!reader) return error_set(error, STATUS_IO, "out of memory: reading %s", path);
    reader->options = options;
    reader->position = start;
    enum status status = open_input_at(reader, path, start, error);
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
    row_scanner_close(reader->scanner);
    input_close(reader->input);
    free(reader->buffer);
    free(reader->path);
    free(reader);
}

/* Moves what is left to the front of the buffer and reads more behind it. */
static enum status fill_buffer(struct line_reader *reader, struct error *error)
{
    size_t left = reader->end - reader->begin;
    size_t count;
    memmove(reader->buffer, reader->buffer + reader->begin, left);
    reader->begin = 0;
    reader->end = left;
    TRY(input_read(reader->input, reader->buffer + left, reader->size - left, &count, error));
    reader->end += count;
    reader->read = count == 0;
    return STATUS_OK;
}

/* A line at the front of what is left, with its end. */
struct found {
    size_t size;    /* bytes of it in the buffer */
    size_t dropped; /* bytes of it that are not: of a line that is too long, its end */
    size_t scanned; /* bytes of it that the scanner has seen */
    bool quoted;    /* the last line break lies in a quoted cell */
    bool ended;     /* the last byte is its line break */
};

/* Bytes of a line that are kept, so that it shows whether it is too long. */
static size_t kept_size(const struct line_reader *reader)
{
    return reader->options.size_max + (size_t)FRAME_SIZE;
}

/* Shows the scanner the row up to found->size. Rows without quotes, which are most, need none. */
static enum status scan(struct line_reader *reader, struct found *found, bool line_break,
                        struct error *error)
{
    const struct bytes row = {reader->buffer + reader->begin, found->size};
    const char *at = row.at;
    bool ended = false;
    const bool needed = found->scanned > 0 || found->size > kept_size(reader) ||
                        memchr(at, '"', found->size) != NULL;
    found->ended = line_break;
    if (!needed) return STATUS_OK;
    if (found->scanned == 0 && utf8_has_mark(row)) found->scanned = UTF8_MARK_SIZE;
    const struct bytes piece = {at + found->scanned, found->size - found->scanned};
    TRY(row_scanner_feed(reader->scanner, piece, &ended, error));
    found->scanned = found->size;
    if (line_break) found->quoted = !ended;
    found->ended = ended || (line_break && found->size + found->dropped > QUOTED_SIZE_MAX);
    if (found->ended && !ended) row_scanner_reset(reader->scanner);
    return STATUS_OK;
}

static enum status find_line(struct line_reader *reader, struct found *found, struct error *error)
{
    const size_t keep = kept_size(reader);
    *found = (struct found){0};
    for (;;) {
        const uint8_t *begin = reader->buffer + reader->begin;
        const size_t held = reader->end - reader->begin;
        const uint8_t *end = memchr(begin + found->size, '\n', held - found->size);
        found->size = end ? (size_t)(end - begin) + 1 : held;
        found->ended = end != NULL;
        if (reader->scanner) TRY(scan(reader, found, end != NULL, error));
        if (found->ended) return STATUS_OK;
        if (end) continue;
        if (reader->read) return STATUS_OK;
        if (found->size > keep) {
            found->dropped += found->size - keep;
            found->size = found->scanned = keep;
            reader->end = reader->begin + keep;
        }
        TRY(fill_buffer(reader, error));
    }
}

/* The input is over, and what is left of it has no line end. */
static enum status end_input(struct line_reader *reader, const struct found *found)
{
    bool member = input_is_unfinished(reader->input);
    reader->ended = true;
    reader->rest.size = (int64_t)(found->size + found->dropped);
    if (member) {
        reader->rest.why = "the gzip member is not complete";
    } else if (found->quoted) {
        reader->rest.why = "a quoted cell is still open";
    } else if (reader->rest.size > 0) {
        reader->rest.why = "it has no line end";
    }
    return STATUS_END;
}

/* Moves behind the found line. */
static void pass_line(struct line_reader *reader, const struct found *found)
{
    reader->begin += found->size;
    reader->position.byte += (int64_t)(found->size + found->dropped);
}

/* What was taken as a line must be one now: only its end may have been written since. */
static enum status pass_taken_line(struct line_reader *reader, struct error *error)
{
    struct found found;
    TRY(find_line(reader, &found, error));
    if (!found.ended && found.size == 0) return end_input(reader, &found);
    const uint8_t *at = reader->buffer + reader->begin;
    if (found.ended && (found.size == 1 || (found.size == 2 && at[0] == '\r'))) {
        reader->resumed = false;
        pass_line(reader, &found);
        return STATUS_OK;
    }
    return error_set(error, STATUS_REFUSED,
                     "%s: line %" PRId64 " had no line end when it was taken, and has grown since: "
                     "source.unfinished_line=take is for inputs that are complete",
                     reader->path, reader->position.line);
}

/* The text of a found line. */
static void deliver(const struct line_reader *reader, const struct found *found, struct line *line)
{
    struct bytes text = {reader->buffer + reader->begin, found->size - found->ended};
    const char *at = text.at;
    if (text.size > 0 && at[text.size - 1] == '\r' && found->dropped == 0) text.size--;
    text = utf8_without_mark(text);
    line->cut = found->dropped > 0 || text.size > reader->options.size_max;
    if (line->cut) text.size = reader->options.size_max;
    line->text = text;
}

enum status line_reader_next(struct line_reader *reader, struct line *line, struct error *error)
{
    struct found found;
    if (reader->ended) return STATUS_END;
    if (reader->resumed) TRY(pass_taken_line(reader, error));
    TRY(find_line(reader, &found, error));
    if (!found.ended) {
        if (reader->options.take_unfinished && input_is_unfinished(reader->input)) {
            return error_set(error, STATUS_CORRUPT,
                             "%s: the gzip file is cut short behind %" PRId64 " lines: put all of "
                             "it in its place, and run again",
                             reader->path, reader->position.line);
        }
        if (!reader->options.take_unfinished || found.size == 0) return end_input(reader, &found);
    }
    deliver(reader, &found, line);
    pass_line(reader, &found);
    reader->position.line++;
    return STATUS_OK;
}

struct line_position line_reader_position(const struct line_reader *reader)
{
    return reader->position;
}

struct line_rest line_reader_rest(const struct line_reader *reader)
{
    return reader->rest;
}

void line_reader_warn_of_rest(const struct line_reader *reader)
{
    if (!reader->rest.why) return;
    log_warn("the input's last line is not finished: it is left for the next run "
             "(source.unfinished_line)",
             log_text("path", reader->path), log_int("line", reader->position.line + 1),
             log_int("bytes", reader->rest.size), log_text("why", reader->rest.why));
}

void line_reader_progress(const struct line_reader *reader, int64_t *donep, int64_t *totalp)
{
    input_progress(reader->input, donep, totalp);
}

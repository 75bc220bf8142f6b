/*
 * line_reader.h - a plain or gzipped file, or standard input, as a sequence of lines.
 *
 * Lines come in blocks, each line followed by EVENT_PADDING readable bytes. A line longer than the
 * limit is delivered cut and marked. The reader knows how many lines and bytes it has delivered,
 * and can be opened at a position (a plain file seeks; a gzip stream is decompressed up to there).
 *
 * Of a table with quotes a line is a row: a line break in a quoted cell is part of it. A quote that
 * is not closed within QUOTED_SIZE_MAX bytes is none, so that it does not swallow the input.
 *
 * Only finished lines are delivered: what has no line end yet may still be written. It stays behind
 * the position, for the next reader, unless the options say that the input is complete.
 */
#ifndef STREAM_SOURCE_LINE_READER_H
#define STREAM_SOURCE_LINE_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"
#include "config/config.h"
#include "stream/source/input.h"
#include "stream/source/table_row.h"

struct line_reader;

enum { QUOTED_SIZE_MAX = 16 << 20 };

struct line_options {
    uint32_t size_max;      /* bytes of a line, without its end; a longer one is cut */
    bool take_unfinished;   /* a last line without line end counts: nothing is written any more */
    struct table_form rows; /* with quotes: a line break inside them does not end a line */
};

struct line {
    struct bytes text; /* without its line end (\n or \r\n) and a byte order mark before it */
    bool cut;          /* longer than the limit: text holds the first size_max bytes */
};

struct line_position {
    int64_t line; /* lines delivered so far */
    int64_t byte; /* bytes of (decompressed) input they took */
};

/* What lies behind the position at the end of the input. */
struct line_rest {
    int64_t size;    /* bytes of an unfinished line; may be 0 even if the input is unfinished */
    const char *why; /* a phrase: "it has no line end"; NULL: nothing is unfinished */
};

/* How the configured source is cut into lines: events, one byte longer than an event may be. */
struct line_options line_options_of(const struct config *config);

/*
 * `path` "-" is standard input. STATUS_INVALID: it cannot be opened. STATUS_REFUSED: it ends before
 * `start`, or `start` lies behind an unfinished line that was taken and has grown since.
 */
MUST_CHECK enum status line_reader_open(struct line_reader **readerp, const char *path,
                                        struct line_options options, struct line_position start,
                                        struct error *error);
void line_reader_close(struct line_reader *reader);

/*
 * The next line, valid until the next call. STATUS_END at the end, where line_reader_rest tells
 * what is left; STATUS_CORRUPT: the gzip stream is damaged.
 */
MUST_CHECK enum status line_reader_next(struct line_reader *reader, struct line *line,
                                        struct error *error);

/* Behind the last delivered line. */
struct line_position line_reader_position(const struct line_reader *reader);

/* After STATUS_END: the unfinished line that was not delivered, if there is one. */
struct line_rest line_reader_rest(const struct line_reader *reader);

/* After STATUS_END: logs a warning if something unfinished was left. */
void line_reader_warn_of_rest(const struct line_reader *reader);

/* Bytes of the file (compressed ones) read so far and in all, for progress; -1: unknown. */
void line_reader_progress(const struct line_reader *reader, int64_t *donep, int64_t *totalp);

#endif

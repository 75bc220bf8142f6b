/*
 * line_reader.h - a plain or gzipped file, or standard input, as a sequence of lines.
 *
 * Lines come in blocks, each line followed by EVENT_PADDING readable bytes. A line longer than the
 * limit is delivered cut and marked. The reader knows how many lines and bytes it has delivered,
 * and can be opened at a position (a plain file seeks; a gzip stream is decompressed up to there).
 */
#ifndef STREAM_SOURCE_LINE_READER_H
#define STREAM_SOURCE_LINE_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"

struct line_reader;

struct line {
    struct bytes text; /* without its line end (\n or \r\n) */
    bool cut;          /* longer than the limit: text holds the first line_size_max bytes */
};

struct line_position {
    int64_t line; /* lines delivered so far */
    int64_t byte; /* bytes of (decompressed) input they took */
};

/* `path` "-" is standard input. gzip is recognized by its first bytes; a byte order mark at
 * the start is skipped. */
MUST_CHECK enum status line_reader_open(struct line_reader **readerp, const char *path,
                                        uint32_t line_size_max, struct line_position start,
                                        struct error *error);
void line_reader_close(struct line_reader *reader);

/* The next line, valid until the next call. A last one without \n counts. STATUS_END at the end. */
MUST_CHECK enum status line_reader_next(struct line_reader *reader, struct line *line,
                                        struct error *error);

struct line_position line_reader_position(const struct line_reader *reader);

/* Bytes of the file (compressed ones) read so far and in all, for progress; -1: unknown. */
void line_reader_progress(const struct line_reader *reader, int64_t *donep, int64_t *totalp);

/* Identity of an input: hash over its first bytes (up to 64 KiB of decompressed content). */
struct input_identity {
    uint64_t hash;
    uint32_t size; /* bytes that were hashed */
};

/*
 * Takes the identity of `path`, over `size` bytes (0: as many as there are, up to 64 KiB). Standard
 * input cannot be read twice and has none: {0, 0}.
 */
MUST_CHECK enum status input_identify(const char *path, uint32_t size,
                                      struct input_identity *identity, struct error *error);

#endif

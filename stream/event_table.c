/*
 * event_table.c - the configured columns of a row of a table as cells.
 *
 * csv: cells between commas; a cell that begins with a double quote ends with one, and two inside
 * stand for one (RFC 4180; a row is one line, so no cell has a line break). tsv: cells between tabs,
 * as they are.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "stream/event_decoder.h"

struct row {
    const char *at; /* the next cell; NULL after the last */
    const char *end;
    char separator;
    bool quotes;
    char *scratch; /* where the next unquoted cell goes */
};

static struct row row_of(const struct event_decoder *decoder, struct bytes raw, void *scratch)
{
    bool csv = decoder->config->source.format == CONFIG_CSV;
    const char *at = raw.at;
    return (struct row){at, at + raw.size, csv ? ',' : '\t', csv, scratch};
}

/* A quoted cell, of which `at` is the first quote. False if it does not end as it must. */
static bool next_quoted(struct row *row, struct bytes *cell)
{
    const char *at = row->at + 1;
    char *to = row->scratch;
    for (;;) {
        if (at == row->end) return false;
        bool quote = *at == '"';
        bool doubled = quote && at + 1 < row->end && at[1] == '"';
        if (quote && !doubled) break;
        *to++ = *at;
        at += doubled ? 2 : 1;
    }
    *cell = (struct bytes){row->scratch, (size_t)(to - row->scratch)};
    row->scratch = to;
    at++;
    if (at < row->end && *at != row->separator) return false;
    row->at = at < row->end ? at + 1 : NULL;
    return true;
}

/* The next cell of a row that has one (row->at is not NULL). */
static bool next_cell(struct row *row, struct bytes *cell)
{
    if (row->quotes && row->at < row->end && *row->at == '"') return next_quoted(row, cell);
    const char *end = memchr(row->at, row->separator, (size_t)(row->end - row->at));
    *cell = (struct bytes){row->at, (size_t)((end ? end : row->end) - row->at)};
    row->at = end ? end + 1 : NULL;
    return true;
}

static void set_cell(const struct event_decoder *decoder, int column, struct bytes text,
                     struct event_cell cells[EVENT_FIELDS])
{
    for (unsigned i = 0; i < EVENT_FIELDS; i++) {
        if (decoder->columns[i] == column) cells[i] = (struct event_cell){CELL_TEXT, text};
    }
}

enum event_verdict event_cells_of_row(struct event_decoder *decoder, struct bytes raw,
                                      void *scratch, struct event_cell cells[EVENT_FIELDS],
                                      struct event *event)
{
    if (!json_utf8_valid(raw)) return event_refuse(event, EVENT_BAD_UTF8, "the row is not UTF-8");
    struct row row = row_of(decoder, raw, scratch);
    int column = 0;
    while (row.at) {
        struct bytes text;
        if (!next_cell(&row, &text)) {
            return event_refuse(event, EVENT_MALFORMED, "column %d: quotes do not match",
                                column + 1);
        }
        set_cell(decoder, column++, text, cells);
    }
    if (column < decoder->columns_least || column > decoder->columns_most) {
        return event_refuse(event, EVENT_MALFORMED, "%d columns where %s%d are expected", column,
                            decoder->columns_most == INT_MAX ? "at least " : "",
                            decoder->columns_least);
    }
    return EVENT_ACCEPTED;
}

enum status event_columns_by_number(struct event_decoder *decoder, struct error *error)
{
    decoder->columns_most = INT_MAX;
    for (unsigned i = 0; i < EVENT_FIELDS; i++) {
        const char *name = decoder->names[i];
        char *end;
        decoder->columns[i] = -1;
        if (!*name) continue;
        errno = 0;
        long number = strtol(name, &end, 10);
        if (*end || errno || number < 1 || number > INT_MAX) {
            return error_set(error, STATUS_INVALID,
                             "source.fields: '%s' is no column: without source.header columns are "
                             "named by their number, from 1",
                             name);
        }
        decoder->columns[i] = (int)number - 1;
        if (number > decoder->columns_least) decoder->columns_least = (int)number;
    }
    return STATUS_OK;
}

/* Which field's column has this name; the first of equally named columns counts. */
static void match_column(struct event_decoder *decoder, int column, struct bytes name)
{
    for (unsigned i = 0; i < EVENT_FIELDS; i++) {
        bool wanted = *decoder->names[i] && decoder->columns[i] < 0;
        if (wanted && bytes_equal(bytes_of(decoder->names[i]), name)) decoder->columns[i] = column;
    }
}

enum status event_decoder_header(struct event_decoder *decoder, struct bytes line,
                                 struct error *error)
{
    char *scratch = malloc(line.size + 1);
    if (!scratch) return error_set(error, STATUS_IO, "out of memory: a header");
    struct row row = row_of(decoder, line, scratch);
    int columns = 0;
    bool matched = true;
    for (unsigned i = 0; i < EVENT_FIELDS; i++) {
        decoder->columns[i] = -1;
    }
    while (row.at && matched) {
        struct bytes name;
        matched = next_cell(&row, &name);
        if (matched) match_column(decoder, columns++, name);
    }
    decoder->columns_least = decoder->columns_most = columns;
    free(scratch);
    if (!matched) return error_set(error, STATUS_INVALID, "the header's quotes do not match");
    for (unsigned i = 0; i < EVENT_FIELDS; i++) {
        if (!*decoder->names[i] || decoder->columns[i] >= 0) continue;
        return error_set(
            error, STATUS_INVALID, "the header has no column '%s' (source.fields); it is: %.*s",
            decoder->names[i], (int)(line.size < 200 ? line.size : 200), (const char *)line.at);
    }
    return STATUS_OK;
}

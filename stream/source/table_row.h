/*
 * table_row.h - rows of a table: where one ends, and the cells in it.
 *
 * With quotes (RFC 4180): a cell that begins with a double quote ends with one that a separator or
 * the row's end follows, and two inside stand for one; separators and line breaks inside are part of
 * it. A quote elsewhere is a character like any other. Without quotes a row is a line, and cells are
 * what lies between separators.
 */
#ifndef STREAM_SOURCE_TABLE_ROW_H
#define STREAM_SOURCE_TABLE_ROW_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/status.h"
#include "config/config.h"

/* How a table is written. */
struct table_form {
    char separator;
    bool quotes;
};

/* That of the configured source, whose format is csv or tsv. */
struct table_form table_form_of(const struct config *config);

struct table_parser;

/* For rows of up to `size_max` bytes. One thread's. */
MUST_CHECK enum status table_parser_open(struct table_parser **parserp, struct table_form form,
                                         size_t size_max, struct error *error);
void table_parser_close(struct table_parser *parser);

/*
 * Takes a row, without its line end, apart. cells[i] is that of column wanted[i], from 0, if there is
 * one; it points into `row` or into `scratch`, as many bytes as the row has. *columnsp is how many
 * columns there are. Returns NULL, or a constant text that says what is wrong with column *columnsp.
 */
const char *table_parse(struct table_parser *parser, struct bytes row, void *scratch,
                        const int *wanted, unsigned count, struct bytes *cells, int *columnsp);

/* As table_parse, of a header: columns[i] is the first one named names[i], -1 if none is. */
const char *table_find(struct table_parser *parser, struct bytes row, void *scratch,
                       const struct bytes *names, unsigned count, int *columns, int *columnsp);

struct row_scanner;

/* Finds the ends of rows with quotes. */
MUST_CHECK enum status row_scanner_open(struct row_scanner **scannerp, char separator,
                                        struct error *error);
void row_scanner_close(struct row_scanner *scanner);

/*
 * Looks at the next piece of a row; a line break may only be its last byte. *endedp: the row ends
 * with that line break, and the next piece begins another. A row whose quotes do not match ends at
 * the line break behind the first that does not.
 */
MUST_CHECK enum status row_scanner_feed(struct row_scanner *scanner, struct bytes piece,
                                        bool *endedp, struct error *error);

/* The next piece begins a row. */
void row_scanner_reset(struct row_scanner *scanner);

#endif

/*
 * table_row.h - a line of a table, cell by cell.
 *
 * csv (separator ','): a cell that begins with a double quote ends with one, and two inside stand
 * for one (RFC 4180; a row is one line, so no cell has a line break). tsv (separator '\t'): cells
 * as they are.
 */
#ifndef STREAM_SOURCE_TABLE_ROW_H
#define STREAM_SOURCE_TABLE_ROW_H

#include <stdbool.h>

#include "base/bytes.h"

struct table_row {
    const char *at; /* the next cell; NULL after the last */
    const char *end;
    char separator;
    char *scratch; /* where the next unquoted cell goes */
};

/* `scratch` holds as many bytes as the line; the cells point into either. */
static inline struct table_row table_row_of(struct bytes line, char separator, void *scratch)
{
    const char *at = line.at;
    return (struct table_row){at, at + line.size, separator, scratch};
}

/* Another cell follows. An empty line has one, which is empty. */
static inline bool table_row_more(const struct table_row *row)
{
    return row->at != NULL;
}

/* The next cell, of which there must be more. False if its quotes do not match. */
bool table_row_next(struct table_row *row, struct bytes *cell);

#endif

/* table_row.c - cells between separators, with or without quotes. */
#include "stream/source/table_row.h"

/* A quoted cell, of which row->at is the first quote. False if it does not end as it must. */
static bool next_quoted(struct table_row *row, struct bytes *cell)
{
    const char *at = row->at + 1;
    char *to = row->scratch;
    for (;;) {
        if (at == row->end) return false;
        const bool quote = *at == '"';
        const bool doubled = quote && at + 1 < row->end && at[1] == '"';
        if (quote && !doubled) break;
        *to++ = *at;
        at += doubled ? 2 : 1;
    }
    at++;
    if (at < row->end && *at != row->separator) return false;
    *cell = (struct bytes){row->scratch, (size_t)(to - row->scratch)};
    row->scratch = to;
    row->at = at < row->end ? at + 1 : NULL;
    return true;
}

bool table_row_next(struct table_row *row, struct bytes *cell)
{
    const char *begin = row->at;
    const bool quoted = row->separator == ',' && begin < row->end && *begin == '"';
    if (quoted) return next_quoted(row, cell);
    const char *end = memchr(begin, row->separator, (size_t)(row->end - begin));
    *cell = (struct bytes){begin, (size_t)((end ? end : row->end) - begin)};
    row->at = end ? end + 1 : NULL;
    return true;
}

/* table_row.c - cells between separators, with or without quotes. */
#include "stream/table_row.h"

/* The rest of the line begins with `count` quotes. */
static bool quotes_at(const struct table_row *row, const char *at, int count)
{
    return row->end - at >= count && at[0] == '"' && at[count - 1] == '"';
}

/* A cell of which `at` is the first quote. */
static bool next_quoted(struct table_row *row, struct bytes *cell)
{
    const char *at = row->at + 1;
    char *to = row->scratch;
    while (at < row->end && (quotes_at(row, at, 2) || *at != '"')) {
        if (*at == '"') at++;
        *to++ = *at++;
    }
    if (at == row->end) return false;
    at++; /* the closing quote: the cell must end here */
    if (at < row->end && *at != row->separator) return false;
    *cell = (struct bytes){row->scratch, (size_t)(to - row->scratch)};
    row->scratch = to;
    row->at = at < row->end ? at + 1 : NULL;
    return true;
}

bool table_row_next(struct table_row *row, struct bytes *cell)
{
    const char *begin = row->at;
    if (row->separator == ',' && quotes_at(row, begin, 1)) return next_quoted(row, cell);
    const char *end = memchr(begin, row->separator, (size_t)(row->end - begin));
    *cell = (struct bytes){begin, (size_t)((end ? end : row->end) - begin)};
    row->at = end ? end + 1 : NULL;
    return true;
}

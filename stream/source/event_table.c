/* event_table.c - columns by name or number, and a row cut into cells. */
#include "stream/source/event_table.h"

#include <limits.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/number_text.h"
#include "stream/source/table_row.h"

static void set_cell(const struct event_table *table, int column, struct bytes text,
                     struct event_cell cells[EVENT_FIELDS])
{
    for (unsigned i = 0; i < EVENT_FIELDS; i++) {
        if (table->columns[i] == column) cells[i] = (struct event_cell){CELL_TEXT, text};
    }
}

enum event_verdict event_table_cells(const struct event_table *table, struct bytes raw,
                                     void *scratch, struct event_cell cells[EVENT_FIELDS],
                                     struct event *event)
{
    if (!json_utf8_valid(raw)) return event_refuse(event, EVENT_BAD_UTF8, "the row is not UTF-8");
    struct table_row row = table_row_of(raw, table->separator, scratch);
    int column = 0;
    while (table_row_more(&row)) {
        struct bytes text;
        if (!table_row_next(&row, &text)) {
            return event_refuse(event, EVENT_MALFORMED, "column %d: quotes do not match",
                                column + 1);
        }
        set_cell(table, column++, text, cells);
    }
    if (column < table->columns_least || column > table->columns_most) {
        return event_refuse(event, EVENT_MALFORMED, "%d columns where %s%d are expected", column,
                            table->columns_most == INT_MAX ? "at least " : "",
                            table->columns_least);
    }
    return EVENT_ACCEPTED;
}

enum status event_table_numbers(struct event_table *table, struct error *error)
{
    table->columns_most = INT_MAX;
    for (unsigned i = 0; i < EVENT_FIELDS; i++) {
        const char *name = table->names[i];
        uint64_t number;
        table->columns[i] = -1;
        if (!*name) continue;
        if (!parse_unsigned(bytes_of(name), INT_MAX, &number) || number == 0) {
            return error_set(error, STATUS_INVALID,
                             "source.fields: '%s' is no column: without source.header columns are "
                             "named by their number, from 1",
                             name);
        }
        table->columns[i] = (int)number - 1;
        if ((int)number > table->columns_least) table->columns_least = (int)number;
    }
    return STATUS_OK;
}

/* Which field's column has this name; the first of equally named columns counts. */
static void match_column(struct event_table *table, int column, struct bytes name)
{
    for (unsigned i = 0; i < EVENT_FIELDS; i++) {
        bool wanted = *table->names[i] && table->columns[i] < 0;
        if (wanted && bytes_equal(bytes_of(table->names[i]), name)) table->columns[i] = column;
    }
}

enum status event_table_header(struct event_table *table, struct bytes line, struct error *error)
{
    char *scratch = malloc(line.size + 1);
    if (!scratch) return error_set(error, STATUS_IO, "out of memory: a header");
    struct table_row row = table_row_of(line, table->separator, scratch);
    int columns = 0;
    bool matched = true;
    for (unsigned i = 0; i < EVENT_FIELDS; i++) {
        table->columns[i] = -1;
    }
    while (table_row_more(&row) && matched) {
        struct bytes name;
        matched = table_row_next(&row, &name);
        if (matched) match_column(table, columns++, name);
    }
    table->columns_least = table->columns_most = columns;
    free(scratch);
    if (!matched) return error_set(error, STATUS_INVALID, "the header's quotes do not match");
    for (unsigned i = 0; i < EVENT_FIELDS; i++) {
        if (!*table->names[i] || table->columns[i] >= 0) continue;
        return error_set(
            error, STATUS_INVALID, "the header has no column '%s' (source.fields); it is: %.*s",
            table->names[i], (int)(line.size < 200 ? line.size : 200), (const char *)line.at);
    }
    return STATUS_OK;
}

/* event_table.c - columns by name or number, and a row cut into cells. */
#include "stream/source/event_table.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "base/json.h"
#include "base/number_text.h"
#include "stream/source/event_foreign.h"

enum status event_table_open(struct event_table *table, struct table_form form,
                             const char *const names[EVENT_FIELDS], unsigned count, size_t size_max,
                             struct error *error)
{
    table->names = names;
    table->count = count;
    return table_parser_open(&table->parser, form, size_max, error);
}

void event_table_close(struct event_table *table)
{
    table_parser_close(table->parser);
}

/* A row without the line end that a message may have. */
static struct bytes without_line_end(struct bytes raw)
{
    const char *at = raw.at;
    if (raw.size > 0 && at[raw.size - 1] == '\n') raw.size--;
    if (raw.size > 0 && at[raw.size - 1] == '\r') raw.size--;
    return raw;
}

enum event_verdict event_table_cells(const struct event_table *table, struct bytes raw,
                                     void *scratch, struct event_cell cells[EVENT_FIELDS],
                                     struct event *event)
{
    struct bytes texts[EVENT_FIELDS];
    int columns;
    memset(texts, 0, table->count * sizeof *texts);
    const char *why = table_parse(table->parser, without_line_end(raw), scratch, table->columns,
                                  table->count, texts, &columns);
    if (why) return event_refuse(event, EVENT_MALFORMED, "column %d: %s", columns, why);
    if (columns < table->columns_least || columns > table->columns_most) {
        return event_refuse(event, EVENT_MALFORMED, "%d columns where %s%d are expected", columns,
                            table->columns_most == INT_MAX ? "at least " : "",
                            table->columns_least);
    }
    const bool valid = json_utf8_valid(raw);
    for (unsigned i = 0; i < table->count; i++) {
        if (table->columns[i] < 0) continue;
        const bool text = valid || json_utf8_valid(texts[i]);
        cells[i] = (struct event_cell){text ? CELL_TEXT : CELL_NO_TEXT, texts[i]};
    }
    return EVENT_ACCEPTED;
}

enum status event_table_numbers(struct event_table *table, struct error *error)
{
    table->columns_most = INT_MAX;
    for (unsigned i = 0; i < table->count; i++) {
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

/* Says which configured column the header lacks, and what the header is. */
static enum status check_columns(const struct event_table *table, struct bytes line,
                                 struct error *error)
{
    char shown[200];
    const char *foreign = event_foreign(line);
    for (unsigned i = 0; i < table->count; i++) {
        if (!*table->names[i] || table->columns[i] >= 0) continue;
        if (foreign) return error_set(error, STATUS_INVALID, "it is %s, not a table", foreign);
        return error_set(error, STATUS_INVALID,
                         "the header has no column '%s' (source.fields); it is: %s",
                         table->names[i], escape_message(line, shown, sizeof shown));
    }
    return STATUS_OK;
}

enum status event_table_header(struct event_table *table, struct bytes line, struct error *error)
{
    struct bytes names[EVENT_FIELDS];
    int columns;
    char *scratch = malloc(line.size + 1);
    if (!scratch) return error_set(error, STATUS_IO, "out of memory: a header");
    for (unsigned i = 0; i < table->count; i++) {
        names[i] = bytes_of(table->names[i]);
    }
    const char *why =
        table_find(table->parser, line, scratch, names, table->count, table->columns, &columns);
    free(scratch);
    if (why) return error_set(error, STATUS_INVALID, "the header's column %d: %s", columns, why);
    for (unsigned i = 0; i < table->count; i++) {
        if (!*table->names[i]) table->columns[i] = -1; /* a column without a name is none of ours */
    }
    table->columns_least = table->columns_most = columns;
    return check_columns(table, line, error);
}

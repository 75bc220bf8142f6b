/*
 * event_table.h - the configured columns of a row of a table as cells.
 */
#ifndef STREAM_SOURCE_EVENT_TABLE_H
#define STREAM_SOURCE_EVENT_TABLE_H

#include "stream/source/event.h"
#include "stream/source/event_cell.h"
#include "stream/source/table_row.h"

/* Where the fields are. A zeroed one may be closed. */
struct event_table {
    struct table_parser *parser;
    const char *const *names; /* [count] as configured; "" = the events have no such field */
    unsigned count;
    int columns[EVENT_FIELDS]; /* from 0; -1 = not configured */
    int columns_least;         /* that a row must have */
    int columns_most;
};

/* Of rows of up to `size_max` bytes. Keeps `names`. */
MUST_CHECK enum status event_table_open(struct event_table *table, struct table_form form,
                                        const char *const names[EVENT_FIELDS], unsigned count,
                                        size_t size_max, struct error *error);
void event_table_close(struct event_table *table);

/* Without header: the names are numbers of columns, from 1. STATUS_INVALID: one is not. */
MUST_CHECK enum status event_table_numbers(struct event_table *table, struct error *error);

/* With header: the names are found in the first line. STATUS_INVALID: one is missing. */
MUST_CHECK enum status event_table_header(struct event_table *table, struct bytes line,
                                          struct error *error);

/*
 * Fills `cells`, which are zeroed. EVENT_ACCEPTED: the row is well formed. Texts point into `raw` or
 * are put into `scratch`, as many bytes as `raw` has.
 */
enum event_verdict event_table_cells(const struct event_table *table, struct bytes raw,
                                     void *scratch, struct event_cell cells[EVENT_FIELDS],
                                     struct event *event);

#endif

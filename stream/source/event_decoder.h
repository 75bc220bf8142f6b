/*
 * event_decoder.h - what the files that decode events share; for event*.c only.
 *
 * A format's part (event_json.c, event_table.c) only finds the configured fields in the raw bytes.
 * What a field must be is judged in event.c, the same for all formats.
 */
#ifndef STREAM_SOURCE_EVENT_DECODER_H
#define STREAM_SOURCE_EVENT_DECODER_H

#include "base/json.h"
#include "stream/source/event.h"

enum event_field { FIELD_USER, FIELD_ITEM, FIELD_TIME, FIELD_ACTION, FIELD_CATEGORY, EVENT_FIELDS };

enum event_cell_kind {
    CELL_ABSENT, /* no such member, null, or the field is not configured */
    CELL_TEXT,   /* a text, or an integer as its digits */
    CELL_REAL,   /* a number with a fraction or an exponent, as it is written */
    CELL_OTHER,  /* a truth value, an array, an object */
};

struct event_cell {
    enum event_cell_kind kind;
    struct bytes text;
};

struct event_decoder {
    const struct config *config;
    const char *names[EVENT_FIELDS]; /* as configured; "" = the events have no such field */

    struct json_decoder *json;
    struct bytes members[EVENT_FIELDS];    /* the configured names, without gaps ... */
    enum event_field fields[EVENT_FIELDS]; /* ... and what they are */
    unsigned members_count;

    int columns[EVENT_FIELDS]; /* csv, tsv: from 0; -1 = not configured */
    int columns_least;         /* that a row must have */
    int columns_most;
};

/* A verdict that is not EVENT_ACCEPTED, with the reason in event->why. */
enum event_verdict event_refuse(struct event *event, enum event_verdict verdict, const char *format,
                                ...) PRINTF_LIKE(3, 4);

/* Fill `cells` from raw bytes. EVENT_ACCEPTED: the event is well formed. */
enum event_verdict event_cells_of_json(struct event_decoder *decoder, struct bytes raw,
                                       void *scratch, struct event_cell cells[EVENT_FIELDS],
                                       struct event *event);
enum event_verdict event_cells_of_row(struct event_decoder *decoder, struct bytes raw,
                                      void *scratch, struct event_cell cells[EVENT_FIELDS],
                                      struct event *event);

/* csv/tsv without header: the configured names are numbers of columns, from 1. */
MUST_CHECK enum status event_columns_by_number(struct event_decoder *decoder, struct error *error);

/* Reads a time in the configured unit into milliseconds since 1970. False if it is none. */
bool event_time_parse(struct bytes text, enum config_time unit, int64_t *msp);

#endif

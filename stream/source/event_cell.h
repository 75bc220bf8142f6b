/*
 * event_cell.h - the configured fields of a raw event, as its format's part finds them.
 *
 * event_json.c and event_table.c only find the fields; what a field must be is judged in
 * event_decoder.c, the same for all formats.
 */
#ifndef STREAM_SOURCE_EVENT_CELL_H
#define STREAM_SOURCE_EVENT_CELL_H

#include "base/bytes.h"
#include "stream/source/categories.h"
#include "stream/source/event.h"

/* The first of several categories is at FIELD_CATEGORY, those of the profile are behind the last. */
enum event_field { FIELD_USER, FIELD_ITEM, FIELD_TIME, FIELD_ACTION, FIELD_CATEGORY };
enum { EVENT_FIELDS = FIELD_CATEGORY + CATEGORIES_MAX + EVENT_FEATURES };

enum event_cell_kind {
    CELL_ABSENT,  /* no such member, null, or the field is not configured */
    CELL_TEXT,    /* a text, or an integer as its digits */
    CELL_REAL,    /* a number with a fraction or an exponent, as it is written */
    CELL_ARRAY,   /* as it is written */
    CELL_OTHER,   /* a truth value, an object, nothing that JSON knows */
    CELL_NO_TEXT, /* a text that is no Unicode */
};

struct event_cell {
    enum event_cell_kind kind;
    struct bytes text;
};

#endif

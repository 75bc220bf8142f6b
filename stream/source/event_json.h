/*
 * event_json.h - the configured members of a JSON object as cells.
 */
#ifndef STREAM_SOURCE_EVENT_JSON_H
#define STREAM_SOURCE_EVENT_JSON_H

#include "base/json.h"
#include "stream/source/event.h"
#include "stream/source/event_cell.h"

enum { EVENT_ELEMENTS_MAX = 32 }; /* of an array; what is behind them is not looked at */

/* Which members to ask for. A zeroed one may be closed. */
struct event_json {
    struct json_decoder *json;
    struct bytes members[EVENT_FIELDS]; /* the configured names, without gaps ... */
    unsigned fields[EVENT_FIELDS];      /* ... and which fields they are */
    unsigned members_count;
};

/*
 * Of events of up to `size_max` bytes, with `count` fields; `names[field]` is "" if the events have
 * no such field.
 */
MUST_CHECK enum status event_json_open(struct event_json *format,
                                       const char *const names[EVENT_FIELDS], unsigned count,
                                       size_t size_max, struct error *error);
void event_json_close(struct event_json *format);

/*
 * Fills `cells`, which are zeroed. EVENT_ACCEPTED: the event is well formed. Texts go to `scratch`,
 * as many bytes as `raw` has.
 */
enum event_verdict event_json_cells(struct event_json *format, struct bytes raw, void *scratch,
                                    struct event_cell cells[EVENT_FIELDS], struct event *event);

/*
 * The elements of a CELL_ARRAY as cells; false if it cannot be read. Texts go to `scratch`,
 * as many bytes as the array has.
 */
bool event_json_elements(struct event_json *format, struct bytes array, void *scratch,
                         struct event_cell cells[EVENT_ELEMENTS_MAX], unsigned *countp);

/*
 * True if the event is what Kafka Connect's JSON converter writes with schemas: an object with
 * members "schema" and "payload", of which the payload is the event.
 */
bool event_json_is_envelope(struct event_json *format, struct bytes raw, void *scratch);

#endif

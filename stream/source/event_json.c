/* event_json.c - asks the JSON decoder for the configured members. */
#include "stream/source/event_json.h"

enum status event_json_open(struct event_json *format, const char *const names[EVENT_FIELDS],
                            size_t size_max, struct error *error)
{
    for (unsigned i = 0; i < EVENT_FIELDS; i++) {
        if (!*names[i]) continue;
        format->members[format->members_count] = bytes_of(names[i]);
        format->fields[format->members_count++] = (enum event_field)i;
    }
    return json_decoder_open(&format->json, size_max, error);
}

void event_json_close(struct event_json *format)
{
    json_decoder_close(format->json);
}

enum event_verdict event_json_cells(struct event_json *format, struct bytes raw, void *scratch,
                                    struct event_cell cells[EVENT_FIELDS], struct event *event)
{
    static const enum event_cell_kind kinds[] = {
        [JSON_ABSENT] = CELL_ABSENT,    [JSON_NULL] = CELL_ABSENT,
        [JSON_BOOL] = CELL_OTHER,       [JSON_INTEGER] = CELL_TEXT,
        [JSON_BIG_INTEGER] = CELL_TEXT, [JSON_REAL] = CELL_REAL,
        [JSON_STRING] = CELL_TEXT,      [JSON_ARRAY] = CELL_OTHER,
        [JSON_OBJECT] = CELL_OTHER,     [JSON_BAD_STRING] = CELL_NO_TEXT,
        [JSON_BAD_SCALAR] = CELL_OTHER,
    };
    struct json_value values[EVENT_FIELDS];
    const char *why;
    if (json_decode(format->json, raw, format->members, format->members_count, scratch, values,
                    &why) != JSON_OK) {
        return event_refuse(event, EVENT_MALFORMED, "%s", why);
    }
    for (unsigned i = 0; i < format->members_count; i++) {
        struct bytes text = values[i].text;
        if (values[i].type == JSON_INTEGER && values[i].integer == 0) text = bytes_of("0"); /* -0 */
        cells[format->fields[i]] = (struct event_cell){kinds[values[i].type], text};
    }
    return EVENT_ACCEPTED;
}

bool event_json_is_envelope(struct event_json *format, struct bytes raw, void *scratch)
{
    const struct bytes names[] = {bytes_of("schema"), bytes_of("payload")};
    struct json_value values[2];
    const char *why;
    return json_decode(format->json, raw, names, 2, scratch, values, &why) == JSON_OK &&
           values[0].type == JSON_OBJECT && values[1].type == JSON_OBJECT;
}

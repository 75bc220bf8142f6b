/* event_json.c - asks the JSON decoder for the configured members. */
#include "stream/source/event_json.h"

enum status event_json_open(struct event_json *format, const char *const names[EVENT_FIELDS],
                            unsigned count, size_t size_max, struct error *error)
{
    for (unsigned i = 0; i < count; i++) {
        if (!*names[i]) continue;
        format->members[format->members_count] = bytes_of(names[i]);
        format->fields[format->members_count++] = i;
    }
    return json_decoder_open(&format->json, size_max, error);
}

void event_json_close(struct event_json *format)
{
    json_decoder_close(format->json);
}

/* -0 is 0. */
static struct event_cell cell_of(const struct json_value *value)
{
    static const enum event_cell_kind kinds[] = {
        [JSON_ABSENT] = CELL_ABSENT,    [JSON_NULL] = CELL_ABSENT,
        [JSON_BOOL] = CELL_OTHER,       [JSON_INTEGER] = CELL_TEXT,
        [JSON_BIG_INTEGER] = CELL_TEXT, [JSON_REAL] = CELL_REAL,
        [JSON_STRING] = CELL_TEXT,      [JSON_ARRAY] = CELL_ARRAY,
        [JSON_OBJECT] = CELL_OTHER,     [JSON_BAD_STRING] = CELL_NO_TEXT,
        [JSON_BAD_SCALAR] = CELL_OTHER,
    };
    const bool zero = value->type == JSON_INTEGER && value->integer == 0;
    return (struct event_cell){kinds[value->type], zero ? bytes_of("0") : value->text};
}

enum event_verdict event_json_cells(struct event_json *format, struct bytes raw, void *scratch,
                                    struct event_cell cells[EVENT_FIELDS], struct event *event)
{
    struct json_value values[EVENT_FIELDS];
    const char *why;
    if (json_decode(format->json, raw, format->members, format->members_count, scratch, values,
                    &why) != JSON_OK) {
        return event_refuse(event, EVENT_MALFORMED, "%s", why);
    }
    for (unsigned i = 0; i < format->members_count; i++) {
        cells[format->fields[i]] = cell_of(&values[i]);
    }
    return EVENT_ACCEPTED;
}

bool event_json_elements(struct event_json *format, struct bytes array, void *scratch,
                         struct event_cell cells[EVENT_ELEMENTS_MAX], unsigned *countp)
{
    struct json_value values[EVENT_ELEMENTS_MAX];
    if (!json_decode_elements(format->json, array, scratch, values, EVENT_ELEMENTS_MAX, countp)) {
        return false;
    }
    for (unsigned i = 0; i < *countp; i++) {
        cells[i] = cell_of(&values[i]);
    }
    return true;
}

bool event_json_is_envelope(struct event_json *format, struct bytes raw, void *scratch)
{
    const struct bytes names[] = {bytes_of("schema"), bytes_of("payload")};
    struct json_value values[2];
    const char *why;
    return json_decode(format->json, raw, names, 2, scratch, values, &why) == JSON_OK &&
           values[0].type == JSON_OBJECT && values[1].type == JSON_OBJECT;
}

/* event_json.c - the configured members of a JSON object as cells. */
#include "stream/source/event_decoder.h"

enum event_verdict event_cells_of_json(struct event_decoder *decoder, struct bytes raw,
                                       void *scratch, struct event_cell cells[EVENT_FIELDS],
                                       struct event *event)
{
    static const enum event_cell_kind kinds[] = {
        [JSON_ABSENT] = CELL_ABSENT, [JSON_NULL] = CELL_ABSENT,      [JSON_BOOL] = CELL_OTHER,
        [JSON_INTEGER] = CELL_TEXT,  [JSON_BIG_INTEGER] = CELL_TEXT, [JSON_REAL] = CELL_REAL,
        [JSON_STRING] = CELL_TEXT,   [JSON_ARRAY] = CELL_OTHER,      [JSON_OBJECT] = CELL_OTHER,
    };
    struct json_value values[EVENT_FIELDS];
    const char *why;
    enum json_verdict verdict = json_decode(decoder->json, raw, decoder->members,
                                            decoder->members_count, scratch, values, &why);
    if (verdict != JSON_OK) {
        return event_refuse(event, verdict == JSON_BAD_UTF8 ? EVENT_BAD_UTF8 : EVENT_MALFORMED,
                            "%s", why);
    }
    for (unsigned i = 0; i < decoder->members_count; i++) {
        cells[decoder->fields[i]] = (struct event_cell){kinds[values[i].type], values[i].text};
    }
    return EVENT_ACCEPTED;
}

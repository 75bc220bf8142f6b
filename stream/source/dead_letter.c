/* dead_letter.c - what is written about an event that cannot be used. */
#include "stream/source/dead_letter.h"

#include <string.h>

#include "base/base64.h"
#include "base/escape.h"
#include "base/json_writer.h"

enum {
    SOURCE_MAX = 256,    /* bytes of a path or topic that are kept: its end */
    FRAME_SIZE_MAX = 192 /* braces, names and numbers */
};

size_t dead_letter_size_max(uint32_t payload_max)
{
    size_t texts = SOURCE_MAX + sizeof((struct event *)0)->why;
    return FRAME_SIZE_MAX + texts * ESCAPE_MAX + base64_size(payload_max);
}

size_t dead_letter_encode(const struct event *event, const char *source, uint32_t payload_max,
                          void *to)
{
    struct json_writer json = json_writer_at(to, dead_letter_size_max(payload_max));
    struct bytes payload = event->payload;
    size_t source_size = strlen(source);
    if (payload.size > payload_max) payload.size = payload_max;
    if (source_size > SOURCE_MAX) source += source_size - SOURCE_MAX;
    json_begin(&json, '{');
    json_key(&json, "reason");
    json_text(&json, bytes_of(event_verdict_name(event->verdict)));
    json_key(&json, "detail");
    json_text(&json, bytes_of(event->why));
    json_key(&json, "source");
    json_text(&json, bytes_of(source));
    json_key(&json, "partition");
    json_unsigned(&json, event->partition);
    json_key(&json, "offset");
    json_signed(&json, event->offset);
    json_key(&json, "payload");
    json_base64(&json, payload);
    json_end(&json, '}');
    REQUIRE(!json.failed);
    return json.used;
}

enum status dead_letter_decode(struct json_decoder *json, struct bytes letter, void *scratch,
                               int64_t *offsetp, struct bytes *reasonp, struct error *error)
{
    const struct bytes names[] = {bytes_of("offset"), bytes_of("reason")};
    struct json_value values[2];
    const char *why;
    if (json_decode(json, letter, names, 2, scratch, values, &why) != JSON_OK) {
        return error_set(error, STATUS_CORRUPT, "not a dead letter: %s", why);
    }
    if (values[0].type != JSON_INTEGER || values[1].type != JSON_STRING) {
        return error_set(error, STATUS_CORRUPT, "not a dead letter: no offset or reason");
    }
    *offsetp = values[0].integer;
    *reasonp = values[1].text;
    return STATUS_OK;
}

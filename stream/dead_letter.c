/* dead_letter.c - what is written about an event that cannot be used. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/json.h"
#include "stream/event.h"

enum {
    SOURCE_MAX = 256,    /* bytes of a path or topic that are kept: its end */
    ESCAPED_BYTE = 6,    /* \u0000 */
    FRAME_SIZE_MAX = 192 /* braces, names and numbers */
};

size_t dead_letter_size_max(uint32_t payload_max)
{
    size_t texts = SOURCE_MAX + sizeof((struct event *)0)->why;
    return FRAME_SIZE_MAX + texts * ESCAPED_BYTE + base64_size(payload_max);
}

/* A text inside a JSON string. What is no UTF-8 (it was cut, or is a path) is made so with '?'. */
static char *put_text(char *to, const char *text)
{
    bool valid = json_utf8_valid(bytes_of(text));
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte < 0x20) {
            to += sprintf(to, "\\u%04x", byte);
        } else if (byte >= 0x80 && !valid) {
            *to++ = '?';
        } else {
            if (byte == '"' || byte == '\\') *to++ = '\\';
            *to++ = (char)byte;
        }
    }
    return to;
}

size_t dead_letter_encode(const struct event *event, const char *source, uint32_t payload_max,
                          void *to)
{
    struct bytes payload = event->payload;
    size_t source_size = strlen(source);
    char *at = to;
    if (payload.size > payload_max) payload.size = payload_max;
    if (source_size > SOURCE_MAX) source += source_size - SOURCE_MAX;
    at += sprintf(at, "{\"reason\":\"%s\",\"detail\":\"", event_verdict_name(event->verdict));
    at = put_text(at, event->why);
    at = put_text(at + sprintf(at, "\",\"source\":\""), source);
    at += sprintf(at, "\",\"partition\":%" PRIu32 ",\"offset\":%" PRId64 ",\"payload\":\"",
                  event->partition, event->offset);
    at += base64_encode(payload, at);
    at += sprintf(at, "\"}");
    return (size_t)(at - (char *)to);
}

/* dead_letter.c - what is written about an event that cannot be used. */
#include "stream/source/dead_letter.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"

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

static void PRINTF_LIKE(2, 3) put(struct byte_writer *to, const char *format, ...)
{
    size_t room = to->size - to->used;
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf((char *)to->at + to->used, room, format, arguments);
    va_end(arguments);
    REQUIRE(size >= 0 && (size_t)size < room);
    to->used += (size_t)size;
}

/* A text inside a JSON string. What is no UTF-8 (it was cut, or is a path) is made so with '?'. */
static void put_text(struct byte_writer *to, const char *text)
{
    bool valid = json_utf8_valid(bytes_of(text));
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte < 0x20) {
            put(to, "\\u%04x", byte);
        } else if (byte == '"' || byte == '\\') {
            put(to, "\\%c", byte);
        } else {
            write_u8(to, byte >= 0x80 && !valid ? '?' : byte);
        }
    }
}

size_t dead_letter_encode(const struct event *event, const char *source, uint32_t payload_max,
                          void *to)
{
    struct byte_writer letter = byte_writer_of(to, dead_letter_size_max(payload_max));
    struct bytes payload = event->payload;
    size_t source_size = strlen(source);
    if (payload.size > payload_max) payload.size = payload_max;
    if (source_size > SOURCE_MAX) source += source_size - SOURCE_MAX;
    put(&letter, "{\"reason\":\"%s\",\"detail\":\"", event_verdict_name(event->verdict));
    put_text(&letter, event->why);
    put(&letter, "\",\"source\":\"");
    put_text(&letter, source);
    put(&letter, "\",\"partition\":%" PRIu32 ",\"offset\":%" PRId64 ",\"payload\":\"",
        event->partition, event->offset);
    letter.used += base64_encode(payload, (char *)letter.at + letter.used);
    put(&letter, "\"}");
    REQUIRE(!letter.failed);
    return letter.used;
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

/* item_record.c - the record of an item, written and read. */
#include "stream/source/item_record.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ESCAPED = 6 /* bytes that one byte of an id may take: \u001f */ };

size_t item_record_size_max(size_t id_size_max)
{
    return 64 + 2 * ESCAPED * id_size_max;
}

static char *put_text(char *to, const char *text)
{
    size_t size = strlen(text);
    memcpy(to, text, size);
    return to + size;
}

static char *put_escaped(char *to, struct bytes text)
{
    const unsigned char *from = text.at;
    for (size_t i = 0; i < text.size; i++) {
        if (from[i] < 0x20) {
            to += snprintf(to, ESCAPED + 1, "\\u%04x", from[i]);
            continue;
        }
        if (from[i] == '"' || from[i] == '\\') *to++ = '\\';
        *to++ = (char)from[i];
    }
    return to;
}

size_t item_record_encode(const struct event *event, void *to)
{
    char *at = to;
    at += snprintf(at, 40, "{\"hash\":\"%016" PRIx64 "\",\"item\":\"", event->item_hash);
    at = put_escaped(at, event->item);
    if (event->category.size) {
        at = put_escaped(put_text(at, "\",\"category\":\""), event->category);
    }
    at = put_text(at, "\"}");
    return (size_t)(at - (char *)to);
}

enum status item_record_decode(struct json_decoder *json, struct bytes record, void *scratch,
                               uint64_t *hashp, struct bytes *itemp, struct error *error)
{
    const struct bytes names[] = {bytes_of("hash"), bytes_of("item")};
    struct json_value values[2];
    const char *why = "no hash or item";
    char digits[17] = {0};
    if (json_decode(json, record, names, 2, scratch, values, &why) != JSON_OK ||
        values[0].type != JSON_STRING || values[0].text.size != sizeof digits - 1 ||
        values[1].type != JSON_STRING) {
        return error_set(error, STATUS_CORRUPT, "not an item's name: %s", why);
    }
    memcpy(digits, values[0].text.at, sizeof digits - 1);
    *hashp = strtoull(digits, NULL, 16);
    *itemp = values[1].text;
    return STATUS_OK;
}

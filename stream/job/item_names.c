/* item_names.c - a direct-mapped table: a hash has one place, and the last one there wins. */
#include "stream/job/item_names.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"

enum { PLACES = 1 << 18 };

struct place {
    uint64_t item;
    uint64_t category; /* identity, 0 if none */
};

struct item_names {
    struct place places[PLACES];
};

enum status item_names_open(struct item_names **namesp, struct error *error)
{
    *namesp = calloc(1, sizeof **namesp);
    if (!*namesp) return error_set(error, STATUS_IO, "out of memory: item names");
    return STATUS_OK;
}

void item_names_close(struct item_names *names)
{
    free(names);
}

bool item_names_is_new(struct item_names *names, const struct event *event)
{
    struct place *place = &names->places[splitmix64(event->item_hash) % PLACES];
    uint64_t category =
        event->category.size ? identity_of(event->category.at, event->category.size) : 0;
    if (place->item == event->item_hash && place->category == category) return false;
    *place = (struct place){event->item_hash, category};
    return true;
}

void item_names_forget(struct item_names *names)
{
    memset(names, 0, sizeof *names);
}

size_t item_names_size(void)
{
    return sizeof(struct item_names);
}

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

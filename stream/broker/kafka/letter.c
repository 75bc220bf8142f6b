/* letter.c - what is written to a topic about an event that cannot be used. */
#include "stream/broker/kafka/letter.h"

#include <inttypes.h>
#include <stdio.h>

static void add_header(struct letter_headers *headers, const char *name, const char *value)
{
    REQUIRE(headers->count < LETTER_HEADERS_MAX);
    headers->at[headers->count++] = (struct record_header){name, bytes_of(value)};
}

/* Cuts to `size_max` bytes, and says in a header how many there were. */
static void cut(struct bytes *bytes, size_t size_max, const char *name, char text[24],
                struct letter_headers *headers)
{
    if (bytes->size <= size_max) return;
    snprintf(text, 24, "%zu", bytes->size);
    add_header(headers, name, text);
    bytes->size = size_max;
}

struct record letter_of(const struct event *event, const char *topic, size_t size_max,
                        struct letter_headers *headers)
{
    struct bytes key = event->key, value = event->payload;
    headers->count = 0;
    snprintf(headers->partition, sizeof headers->partition, "%" PRIu32, event->partition);
    snprintf(headers->offset, sizeof headers->offset, "%" PRId64, event->offset);
    add_header(headers, LETTER_REASON, event_verdict_name(event->verdict));
    add_header(headers, LETTER_MESSAGE, event->why);
    add_header(headers, LETTER_TOPIC, topic);
    add_header(headers, LETTER_PARTITION, headers->partition);
    add_header(headers, LETTER_OFFSET, headers->offset);
    cut(&key, size_max, LETTER_KEY_SIZE, headers->key_size, headers);
    cut(&value, size_max - key.size, LETTER_VALUE_SIZE, headers->value_size, headers);
    return (struct record){.kind = RECORD_DEAD_LETTER,
                           .partition = event->partition,
                           .key = key,
                           .value = value,
                           .headers = headers->at,
                           .headers_count = headers->count};
}

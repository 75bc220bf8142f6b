/*
 * letter.h - a dead letter of a topic: the bad event as it came, and headers that say why.
 *
 * Tools that carry dead letters back to their source take key and value as they are, so these are
 * not wrapped or encoded. What is wrong, and where the event lies, is in the headers.
 */
#ifndef STREAM_BROKER_KAFKA_LETTER_H
#define STREAM_BROKER_KAFKA_LETTER_H

#include "stream/broker/broker.h"

#define LETTER_REASON     "__braid.errors.reason"    /* the verdict's name */
#define LETTER_MESSAGE    "__braid.errors.message"   /* what exactly is wrong, for people */
#define LETTER_TOPIC      "__braid.errors.topic"     /* where the event lies */
#define LETTER_PARTITION  "__braid.errors.partition" /* in decimal, as all numbers */
#define LETTER_OFFSET     "__braid.errors.offset"    /* */
#define LETTER_KEY_SIZE   "__braid.errors.key_size"  /* only if the key was cut: its bytes before */
#define LETTER_VALUE_SIZE "__braid.errors.value_size" /* only if the value was cut: the same */

enum {
    LETTER_SIZE_MAX = 1000000, /* bytes of key and value, whatever a topic takes */
    LETTER_HEADERS_MAX = 7,    /* */
    LETTER_HEADERS_SIZE_MAX =
        1024, /* bytes of all in a record: names, a topic's 249, message 127 */
};

/* What the headers of one letter are made of. */
struct letter_headers {
    struct record_header at[LETTER_HEADERS_MAX];
    uint32_t count;
    char partition[16], offset[24], key_size[24], value_size[24];
};

/*
 * The letter of a bad event. Where key and value have more than `size_max` bytes, the value is cut
 * first. Borrows from all it is given.
 */
struct record letter_of(const struct event *event, const char *topic, size_t size_max,
                        struct letter_headers *headers);

#endif

/*
 * item_record.h - what an item's hash stands for, as the item log keeps it.
 *
 * {"hash":"<16 hex digits>","item":"...","category":"..."}; no category if there is none; of several
 * the first, and all in "categories":["...", ...].
 */
#ifndef STREAM_SOURCE_ITEM_RECORD_H
#define STREAM_SOURCE_ITEM_RECORD_H

#include "base/json.h"
#include "stream/source/event.h"

/* The most bytes of the record of an item whose id and categories have up to `id_size_max` each. */
size_t item_record_size_max(size_t id_size_max);

/*
 * Writes the record of an accepted event's item and returns its size; `to` must hold
 * item_record_size_max.
 */
size_t item_record_encode(const struct event *event, void *to);

/* What a record says. The category is empty if there is none; several: categories.h. */
struct item_record {
    uint64_t hash;
    struct bytes item, category;
};

/*
 * Reads a record, which is followed by JSON_PADDING readable bytes. Its texts are put into `scratch`,
 * three times as many bytes as the record has, or point into it. STATUS_CORRUPT says what is wrong.
 */
MUST_CHECK enum status item_record_decode(struct json_decoder *json, struct bytes record,
                                          void *scratch, struct item_record *item,
                                          struct error *error);

#endif

/*
 * erase_request.h - records of the topic of erasures (source.erase), which is compacted.
 *
 *     key: a user's id            value: {}, or {"cut_ms": 1732700000000}      a request
 *     key: erased:9b1c5d0e6f7a8b90:braid  value: {"cut_ms":...}                 who was erased
 *     key: the same    value: {"cut_ms":..., "gone_ms":..., "topics_gone_ms":...} the receipt
 *
 * A request's cut is the time of its record, or cut_ms where that is earlier. A job answers a request
 * by a record under the hash of the id (identity_of, 16 digits) and its own kafka.group, which stays,
 * and deletes the request, so that the id is not kept for being erased. `gone_ms` is when the bytes were
 * gone from the stores of that job, `topics_gone_ms` when they will be from its topics. Several jobs may
 * answer, each under a key of its own, so that none of them takes back what another one has said: the
 * user's cut is the latest of them all.
 */
#ifndef STREAM_SOURCE_ERASURE_ERASE_REQUEST_H
#define STREAM_SOURCE_ERASURE_ERASE_REQUEST_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/json.h"
#include "base/status.h"
#include "stream/source/event.h"

enum {
    ERASE_KEY_SIZE = 24,    /* of a record under a hash, without the group */
    ERASE_VALUE_MAX = 1024, /* of any record */
};

/* What a record says. */
struct erase_record {
    struct bytes user; /* who is to be erased; at = NULL: it stands under the hash alone */
    uint64_t hash;
    struct bytes group; /* whose job says so; of a request it is empty */
    int64_t cut_ms;
    int64_t gone_ms, topics_gone_ms; /* of a receipt; 0: it is none */
};

/*
 * Reads a record that has this timestamp. EVENT_ERASURE: it says something. EVENT_BLANK: a request
 * that was deleted. Else it is bad, and event_refuse has said why. Ids and group are borrowed from `key`.
 */
enum event_verdict erase_record_decode(struct json_decoder *json, struct bytes key,
                                       struct bytes value, int64_t stamp_ms, uint32_t id_size_max,
                                       struct erase_record *record, struct event *event);

/* Key (`to` has ERASE_KEY_SIZE + the group's size + 1) and value under a hash. Return their sizes. */
size_t erase_key_encode(uint64_t hash, struct bytes group, char *to);
size_t erase_value_encode(const struct erase_record *record, char to[ERASE_VALUE_MAX]);

#endif

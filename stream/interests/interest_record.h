/*
 * interest_record.h - what Braid publishes: a user's interests, and what they were read from.
 *
 * A record is a pure function of what it names: user, generation, from, n, and the history. Its
 * checksum is XXH3-64 over this fixed little-endian layout, whatever the encoding on the wire:
 *
 *     u32 user size | user | u64 generation | u64 from | u64 events | i64 event time ms
 *     | u32 source partition | i64 source offset | u32 count | u32 width
 *     | count x width float32 vectors | count float32 weights
 *
 * That is version 1. A record with an intent vector has version 2, which appends to it:
 *
 *     u32 2 | width float32 intent
 *
 * JSON line: {"user":"u1","generation":1,"from":0,"events":7,"event_time_ms":...,"partition":0,
 *   "offset":41,"count":4,"width":64,"weights":[...],"vectors":"<base64 of count*width float32>",
 *   "checksum":"<16 hex digits>"}   with output.vectors=numbers: "vectors":[[...],...]
 * A record of a model that has an intent vector carries it before the checksum, in the same form:
 *   "intent":"<base64 of width float32>" or "intent":[...]
 * Numbers have the fewest digits that read back as the same float32.
 */
#ifndef STREAM_INTERESTS_INTEREST_RECORD_H
#define STREAM_INTERESTS_INTEREST_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"
#include "config/config.h"

struct interest_record {
    struct bytes user;
    uint64_t generation; /* read generation */
    uint64_t from;
    uint64_t events;    /* n: ordinal after the user's last absorbed event */
    int64_t event_ms;   /* event time of event n - 1 */
    uint32_t partition; /* source position of event n - 1 */
    int64_t offset;
    uint32_t count;       /* live interests */
    uint32_t width;       /* d */
    const float *vectors; /* [count][width] */
    const float *weights; /* [count] */
    const float *intent;  /* [width]; NULL: the model has none */
    uint64_t checksum;    /* set by decoding; encoding computes it */
    bool gone;            /* a tombstone of the user: the record says nothing else */
};

/* The checksum of the layout above. */
uint64_t interest_record_checksum(const struct interest_record *record);

/* Upper bound of an encoded record's size. */
size_t interest_record_size_max(uint32_t user_size, uint32_t count, uint32_t width,
                                enum config_vectors vectors);

/* Writes one JSON object without line end; returns its size. User ids are escaped as JSON needs. */
size_t interest_record_encode_json(const struct interest_record *record,
                                   enum config_vectors vectors, void *to);

/* Writes the tombstone of a user, {"user":"...","gone":true}, as a line of a file has it. One
 * without a user is what erasure leaves of a line, and read as one of a user without an id. */
size_t interest_tombstone_encode_json(struct bytes user, void *to);

/*
 * Reads either JSON form, or a tombstone; `line` is followed by JSON_PADDING readable bytes. The user and the
 * floats are put into `arena_at`, aligned as floats are (`arena_size` bytes; twice the line's size
 * is enough). STATUS_CORRUPT says what is wrong; the checksum is read, not checked.
 */
MUST_CHECK enum status interest_record_decode_json(struct bytes line, void *arena_at,
                                                   size_t arena_size,
                                                   struct interest_record *record,
                                                   struct error *error);

/* Writes the message of interest_record.proto, no larger than the JSON line; returns its size. */
size_t interest_record_encode_protobuf(const struct interest_record *record, void *to);

/*
 * Reads it back; user and floats are put into `arena_at` (four times the value's size and 1 KiB is
 * enough). STATUS_CORRUPT says what is wrong; the checksum is read, not checked.
 */
MUST_CHECK enum status interest_record_decode_protobuf(struct bytes value, void *arena_at,
                                                       size_t arena_size,
                                                       struct interest_record *record,
                                                       struct error *error);

#endif

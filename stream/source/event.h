/*
 * event.h - one click as it comes from a source, decoded and validated.
 *
 * Bytes from outside become a `struct event` here and nowhere else; after this the inside may
 * assert. What cannot be used says why: it becomes a dead letter, is counted; the stream goes on.
 *
 * Ids are borrowed from whoever holds the raw event or the scratch memory it was decoded with.
 */
#ifndef STREAM_SOURCE_EVENT_H
#define STREAM_SOURCE_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"
#include "config/config.h"

/* What became of an event. The names are the dead letters' `reason` and the counters' labels. */
enum event_verdict {
    EVENT_ACCEPTED,
    EVENT_DROPPED,       /* its action is not listed: counted, not a dead letter */
    EVENT_MALFORMED,     /* not JSON / not a row of the table */
    EVENT_MISSING_FIELD, /* a field that the configuration names is absent or empty */
    EVENT_BAD_FIELD,     /* a field of the wrong type */
    EVENT_OVERSIZE,      /* the event, or an id in it, is longer than configured */
    EVENT_BAD_TIME,      /* not a time, or outside the valid range */
    EVENT_BAD_UTF8,
    EVENT_VERDICTS
};

/* "accepted", "dropped", "malformed", "missing_field", ... */
const char *event_verdict_name(enum event_verdict verdict);

static inline bool event_is_bad(enum event_verdict verdict)
{
    return verdict >= EVENT_MALFORMED;
}

struct event {
    enum event_verdict verdict;
    uint8_t action;     /* 1-based index into config.actions; 0 = no action field */
    uint32_t partition; /* of the source */
    int64_t offset;     /* in the partition; file broker: record number in the input, from 0 */
    int64_t time_ms;    /* event time */
    uint64_t item_hash; /* identity_of(item) */
    struct bytes user;  /* valid if accepted; also set for a bad event if it could be read */
    struct bytes item;
    struct bytes category; /* empty if none */
    struct bytes payload;  /* bad events: the raw event, cut at source.event_size_max */
    char why[96];          /* bad events: what exactly is wrong, with the field's name */
};

struct event_decoder;
struct json_decoder;

/* Prepares decoding as the configuration says. Keeps `config`. One decoder per thread. */
MUST_CHECK enum status event_decoder_open(struct event_decoder **decoderp,
                                          const struct config *config, struct error *error);
void event_decoder_close(struct event_decoder *decoder);

/* csv, tsv with header: the first line, before any event. STATUS_INVALID names a missing column. */
MUST_CHECK enum status event_decoder_header(struct event_decoder *decoder, struct bytes line,
                                            struct error *error);

/*
 * Decodes one raw event into `event` (verdict, action, time, ids, why); partition and offset are
 * the caller's. Ids may point into `raw` or into `scratch` (at least `raw.size` + 64 bytes, for
 * unescaped strings), which both must outlive the event. `raw` must be followed by EVENT_PADDING
 * readable bytes. `broker_ms` is the broker's timestamp (-1: files), against which the event's time
 * is judged.
 */
enum { EVENT_PADDING = 64 };
void event_decode(struct event_decoder *decoder, struct bytes raw, int64_t broker_ms, void *scratch,
                  struct event *event);

/*
 * Writes the dead letter of a bad event: one JSON object without line end, with reason, detail,
 * source (path or topic), partition, offset, and the payload as base64, cut at `payload_max`.
 * Returns its size; `to` must hold dead_letter_size_max(payload_max).
 */
size_t dead_letter_size_max(uint32_t payload_max);
size_t dead_letter_encode(const struct event *event, const char *source, uint32_t payload_max,
                          void *to);

/*
 * Reads the source offset and the reason of a dead letter, which are put into `scratch` (twice the
 * letter's size) or point into `letter`, followed by JSON_PADDING readable bytes. STATUS_CORRUPT
 * says what is wrong.
 */
MUST_CHECK enum status dead_letter_decode(struct json_decoder *json, struct bytes letter,
                                          void *scratch, int64_t *offsetp, struct bytes *reasonp,
                                          struct error *error);

#endif

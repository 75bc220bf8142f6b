/*
 * dead_letter.h - what is written about an event that cannot be used, and reading it again.
 */
#ifndef STREAM_SOURCE_DEAD_LETTER_H
#define STREAM_SOURCE_DEAD_LETTER_H

#include "base/json.h"
#include "stream/source/event.h"

/* The most bytes of a letter whose payload is cut at `payload_max`. */
size_t dead_letter_size_max(uint32_t payload_max);

/*
 * Writes the dead letter of a bad event: one JSON object without line end, with reason, detail,
 * source (path or topic), partition, offset, and the payload as base64, cut at `payload_max`.
 * Returns its size; `to` must hold dead_letter_size_max(payload_max).
 */
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

/*
 * history_file.h - a partition's history log as a file (file broker).
 *
 * The same records as on Kafka, one frame each, appended transaction by transaction; the last frame
 * of a transaction is its seal:
 *
 *     u32 key size | u32 value size (all ones: no value) | key | value | u64 XXH3 of all that
 *
 * How far the file is committed stands in the commit file; nothing here reads beyond it.
 */
#ifndef STREAM_BROKER_FILE_HISTORY_FILE_H
#define STREAM_BROKER_FILE_HISTORY_FILE_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"
#include "state/history.h"
#include "stream/broker/broker.h"

enum {
    HISTORY_FRAME_OVERHEAD = 16,
    HISTORY_FRAME_MAX = HISTORY_FRAME_OVERHEAD + HISTORY_KEY_MAX + HISTORY_RECORD_MAX,
};

/* Writes a frame into `to` (HISTORY_FRAME_MAX bytes) and returns its size. A NULL value deletes. */
size_t history_frame_encode(struct bytes key, struct bytes value, void *to);

struct history_file;

/* Opens the log `path` for reading its bytes [start, end). STATUS_REFUSED if it is shorter. */
MUST_CHECK enum status history_file_open(struct history_file **filep, const char *path,
                                         uint64_t start, uint64_t end, struct error *error);
void history_file_close(struct history_file *file);

/*
 * Up to `max` records (key and value only), valid until the next call; *countp = 0 at the end.
 * Seals are not delivered. STATUS_CORRUPT names path and byte of a frame that fails its checksum.
 */
MUST_CHECK enum status history_file_next(struct history_file *file, struct record *records,
                                         uint32_t max, uint32_t *countp, struct error *error);

/* The byte after the last frame read, and the last seal read (number 0: none yet). */
uint64_t history_file_at(const struct history_file *file);
const struct history_seal *history_file_seal(const struct history_file *file);

#endif

/*
 * verify_input.h - the seam between verify and where events and records lie.
 *
 * An input gives three sequences of each partition, each of which can be begun again: the events of
 * the source in order up to the last seal; the committed interest records in the order of their
 * publication; the committed dead letters.
 *
 *     open -> (begin -> event | record | dead_letter ... until STATUS_END) ... -> close
 *
 * Thread: one.
 */
#ifndef STREAM_VERIFY_VERIFY_INPUT_H
#define STREAM_VERIFY_VERIFY_INPUT_H

#include <stdint.h>

#include "base/status.h"
#include "config/config.h"
#include "stream/source/event.h"
#include "stream/interests/interest_record.h"

enum verify_sequence { VERIFY_SOURCE, VERIFY_RECORDS, VERIFY_DEAD_LETTERS };

enum { VERIFY_PLACE_MAX = 4200 }; /* bytes of a place in words */

struct verify_input;

struct verify_input_ops {
    /*
     * STATUS_INVALID: nothing was ever committed. STATUS_REFUSED: another input. Keeps `config`.
     */
    enum status (*open)(struct verify_input **inputp, const struct config *config,
                        struct error *error);
    void (*close)(struct verify_input *input);

    uint32_t (*partitions)(const struct verify_input *input);

    /* Events of all partitions up to the last seals: what the counts must add up to. */
    uint64_t (*events)(const struct verify_input *input);

    /*
     * Offset of the first event that the source still has of the partition begun last; 0: it has
     * them all. Which ordinals the events have that are left, only the records can tell then.
     */
    int64_t (*first)(const struct verify_input *input);

    /* Begins one of a partition's sequences (again). One sequence is read at a time. */
    enum status (*begin)(struct verify_input *input, enum verify_sequence sequence,
                         uint32_t partition, struct error *error);

    /* The next of the sequence, valid until the next call; STATUS_END after the last. */
    enum status (*event)(struct verify_input *input, struct event *event, struct error *error);

    /* STATUS_CORRUPT: this one is not a record; `error` says why, and the next can be read. */
    enum status (*record)(struct verify_input *input, struct interest_record *record,
                          struct error *error);
    enum status (*dead_letter)(struct verify_input *input, int64_t *offsetp, struct bytes *reasonp,
                               struct error *error);

    /* Number of the record or dead letter last read, and where such a one lies, in words. */
    int64_t (*at)(const struct verify_input *input);
    void (*place)(const struct verify_input *input, enum verify_sequence sequence,
                  uint32_t partition, int64_t at, char to[VERIFY_PLACE_MAX]);
};

extern const struct verify_input_ops verify_files;
extern const struct verify_input_ops verify_kafka;

#endif

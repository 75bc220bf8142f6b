/*
 * log_input.h - what a job has committed, read from outside: the seam between those who ask (verify,
 * query) and where it lies, files or Kafka.
 *
 * There are five sequences: the events of the source in order, up to the last seals; the interest
 * records in the order of their publication; the dead letters; the history log; the names of items.
 * A sequence has parts that are read one by one, each as often as wanted.
 *
 *     open -> (begin -> event | record | dead_letter | history | item ... until STATUS_END) ...
 *     -> close
 *
 * Nothing is changed, and the job may run meanwhile. Thread: one.
 */
#ifndef STREAM_LOG_INPUT_LOG_INPUT_H
#define STREAM_LOG_INPUT_LOG_INPUT_H

#include <stdint.h>
#include <stdio.h>

#include "base/status.h"
#include "config/config.h"
#include "state/history.h"
#include "state/store.h"
#include "stream/broker/broker.h"
#include "stream/interests/interest_record.h"
#include "stream/source/event.h"

/*
 * What source.profile says beside the source, as events, is a sequence of its own on Kafka; among files
 * it is in the source's.
 */
enum log_sequence {
    LOG_SOURCE,
    LOG_RECORDS,
    LOG_DEAD_LETTERS,
    LOG_HISTORY,
    LOG_ITEMS,
    LOG_PROFILES
};

/* Where something lies: a partition, and the line from 0 (files) or the offset (Kafka) in it. */
struct log_place {
    uint32_t partition;
    int64_t number;
};

enum { LOG_PLACE_MAX = 4200 }; /* bytes of a place in words */

struct log_input;

struct log_input_ops {
    /*
     * STATUS_INVALID: nothing was ever committed. STATUS_REFUSED: topics that are no job's. Keeps
     * `config`.
     */
    enum status (*open)(struct log_input **inputp, const struct config *config,
                        struct error *error);
    void (*close)(struct log_input *input);

    uint32_t (*partitions)(const struct log_input *input);

    /*
     * Into how many parts a sequence falls. The source, records and dead letters have the same
     * ones: on Kafka each partition is one; of files, which one source feeds, there is one with all
     * partitions.
     */
    uint32_t (*parts)(const struct log_input *input, enum log_sequence sequence);

    /* The partition of a user; on Kafka, where its producer chose, the likeliest. */
    uint32_t (*partition_of)(const struct log_input *input, struct bytes user, bool *certainp);

    /* The last seal of a partition; number 0: nothing of it was committed. */
    enum status (*seal)(struct log_input *input, uint32_t partition, struct history_seal *seal,
                        struct error *error);

    /* Members of the job's group now, workers of running jobs; NULL: files do not tell. */
    enum status (*members)(struct log_input *input, uint32_t *countp, struct error *error);

    /* Events of all partitions that were read to the end: what the counts must add up to. */
    uint64_t (*events)(const struct log_input *input);

    /*
     * Offset of the first event that the source still has of the part begun last; 0: it has them
     * all. Which ordinals the events have that are left, only the records can tell then.
     */
    int64_t (*first)(const struct log_input *input);

    /*
     * Up to when a user of the part of the source begun last was erased (source.erase): what it did
     * until then was dropped. HISTORY_NO_TIME: it was not. NULL: the source drops it by itself (files).
     */
    int64_t (*cut)(const struct log_input *input, struct bytes user);

    /*
     * Begins a part of a sequence (again); of the source STATUS_REFUSED if it is another one than
     * was processed.
     */
    enum status (*begin)(struct log_input *input, enum log_sequence sequence, uint32_t part,
                         struct error *error);

    /*
     * Begins a part of LOG_ITEMS where an earlier reading ended: behind the record of number
     * `from` - 1. Files, which are rewritten now and then, begin anew.
     */
    enum status (*begin_items)(struct log_input *input, uint32_t part, int64_t from,
                               struct error *error);

    /* The next of the sequence, valid until the next call; STATUS_END after the last. */
    enum status (*event)(struct log_input *input, struct event *event, struct error *error);

    /* STATUS_CORRUPT: this one is not a record; `error` says why, and the next can be read. */
    enum status (*record)(struct log_input *input, struct interest_record *record,
                          struct error *error);
    enum status (*dead_letter)(struct log_input *input, int64_t *offsetp, struct bytes *reasonp,
                               struct error *error);

    /* Key and value of a history record; a value that is NULL deletes. */
    enum status (*history)(struct log_input *input, struct record *record, struct error *error);

    /* What item_record_encode wrote. */
    enum status (*item)(struct log_input *input, struct bytes *recordp, struct error *error);

    /* Where the last of the sequence lies, and where something of a sequence lies, in words. */
    struct log_place (*place)(const struct log_input *input);
    void (*place_text)(const struct log_input *input, enum log_sequence sequence,
                       struct log_place place, char to[LOG_PLACE_MAX]);

    /* Share of the part that was read (0..1), for progress; -1: not known. */
    double (*progress)(const struct log_input *input);

    /*
     * For people: what the input is, and how far a partition has come. What a store of the
     * partition has to be: its identity, and the position in the log that it may lag behind.
     */
    enum status (*print)(struct log_input *input, FILE *out, struct error *error);
    enum status (*print_partition)(struct log_input *input, uint32_t partition, FILE *out,
                                   struct error *error);
    enum status (*store)(struct log_input *input, uint32_t partition,
                         struct store_identity *identity, struct store_position *position,
                         struct error *error);
};

extern const struct log_input_ops log_input_file;
extern const struct log_input_ops log_input_kafka;

/* The one that reads what a job of this configuration has committed. */
static inline const struct log_input_ops *log_input_of(const struct config *config)
{
    return config->source.broker == CONFIG_BROKER_FILE ? &log_input_file : &log_input_kafka;
}

#endif

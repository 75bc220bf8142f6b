/*
 * log_dataset.h - a source log as the sequences that training and evaluation run on.
 *
 * The whole log is read once, through the same decoding as a job's; items are resolved by the
 * dictionary that will read them. An item without a row is passed over where the dictionary has no
 * shared rows, as a fold does. With state.ttl each life of a user is a sequence of its own.
 *
 * Memory: about 60 bytes an accepted event.
 */
#ifndef STREAM_LEARN_LOG_DATASET_H
#define STREAM_LEARN_LOG_DATASET_H

#include <stdint.h>

#include "base/status.h"
#include "config/config.h"
#include "model/dataset.h"
#include "model/item_table.h"
#include "stream/learn/event_log.h"

/* What was read. */
struct log_dataset_summary {
    struct event_log_counts log;
    uint64_t unknown; /* accepted, their item without a row of its own */
};

/*
 * Reads config's source (a file, or - for standard input) into a sealed dataset. Bad events are
 * counted and passed over. `progress` may be NULL. STATUS_INVALID: no source file, or no event in
 * it that can be used. On failure *datasetp is NULL.
 */
MUST_CHECK enum status log_dataset_open(struct dataset **datasetp, const struct config *config,
                                        const struct item_table *items, struct progress *progress,
                                        struct log_dataset_summary *summary, struct error *error);

#endif

/*
 * item_log.h - names of items out of the item logs, files or a topic, for people.
 *
 * A history holds hashes. What a hash stands for is in the generation's dictionary, or, for an item
 * that is newer than it, in a log of item_record.h: in that of any partition.
 */
#ifndef STREAM_QUERY_ITEM_LOG_H
#define STREAM_QUERY_ITEM_LOG_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"
#include "config/config.h"

struct item_log;

/* Reads the committed item logs of all partitions. On failure *logp is NULL. */
MUST_CHECK enum status item_log_open(struct item_log **logp, const struct config *config,
                                     struct error *error);
void item_log_close(struct item_log *log);

/* The newest id with that hash, empty if none. Legal on NULL. */
struct bytes item_log_id(const struct item_log *log, uint64_t hash);

#endif

/*
 * merge.h - the partitions of a topic as one sequence, in the order of their records' timestamps.
 *
 * Of the records at the front of each partition the earliest comes next, and of equal ones that of
 * the lowest partition. So the order inside a partition is kept whatever its timestamps are; where
 * these rise in every partition, they rise in the whole; and the same topic gives the same order. A
 * partition that has nothing for the moment holds the others up only until it is known to be at its
 * end.
 *
 *     open -> (next -> use it -> pass) ... -> close
 *
 * Thread: one.
 */
#ifndef STREAM_REPLAY_MERGE_H
#define STREAM_REPLAY_MERGE_H

#include <stdint.h>

#include "stream/broker/topic_copy.h"

struct merge;

/* Keeps `copy`. */
MUST_CHECK enum status merge_open(struct merge **mergep, const struct topic_copy_ops *ops,
                                  struct topic_copy *copy, struct error *error);
/* Legal on NULL. */
void merge_close(struct merge *merge);

/*
 * The next record and its partition; it stays the next one until merge_pass, after which it is no longer valid. STATUS_BUSY: a
 * partition was waited for in vain for up to `timeout_ms`. STATUS_END: all are at their ends.
 */
MUST_CHECK enum status merge_next(struct merge *merge, uint32_t timeout_ms, uint32_t *partitionp,
                                  const struct copied_record **recordp, struct error *error);

/* The record that merge_next gave has been sent. */
void merge_pass(struct merge *merge);

/* Asks the partitions that were at their ends again: a copy that follows has more now and then. */
void merge_look_again(struct merge *merge);

#endif

/*
 * ends.h - up to where the source can be read: the last stable offset of each partition.
 *
 * That is the offset behind the last record that no open transaction holds back: what a job, which
 * reads what is committed, could have read by now. librdkafka tells it only when it is asked for
 * the end by a client that reads what is committed, so this keeps such a client.
 *
 * Threads: any.
 */
#ifndef STREAM_BROKER_KAFKA_ENDS_H
#define STREAM_BROKER_KAFKA_ENDS_H

#include "stream/broker/kafka/client.h"

struct source_ends;

MUST_CHECK enum status source_ends_open(struct source_ends **endsp, struct error *error);
void source_ends_close(struct source_ends *ends); /* legal on NULL */

/*
 * The last stable offset of a partition of the broker's source, -1: not known. The brokers are asked
 * for all partitions at most once a second; meanwhile, and while somebody asks, and where they do not
 * answer within a second, what was known before counts.
 */
int64_t source_end(struct source_ends *ends, struct broker *broker, uint32_t partition);

#endif

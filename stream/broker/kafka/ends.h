/*
 * ends.h - up to where the source can be read: the last stable offset of each partition.
 *
 * That is the offset behind the last record that no open transaction holds back: what a job, which
 * reads what is committed, could have read by now. librdkafka tells it only when it is asked for
 * the end by a client that reads what is committed, so this keeps such a client.
 */
#ifndef STREAM_BROKER_KAFKA_ENDS_H
#define STREAM_BROKER_KAFKA_ENDS_H

#include "stream/broker/kafka/client.h"

struct source_ends;

MUST_CHECK enum status source_ends_open(struct source_ends **endsp, uint32_t partitions,
                                        struct error *error);
void source_ends_close(struct source_ends *ends); /* legal on NULL */

/*
 * Asks the brokers for all partitions, and waits a second at most: what is not answered by then stays
 * as it was. Thread: one.
 */
void source_ends_ask(struct source_ends *ends, const struct broker *broker);

/*
 * The last stable offset of a partition, and when it was told (ms since 1970); -1: it never was. Any
 * thread.
 */
int64_t source_end(struct source_ends *ends, uint32_t partition, int64_t *as_of_msp);

#endif

/*
 * copy_target.h - the topic that a copy is written to: found, created, or refused.
 */
#ifndef STREAM_BROKER_KAFKA_COPY_TARGET_H
#define STREAM_BROKER_KAFKA_COPY_TARGET_H

#include "stream/broker/kafka/client.h"
#include "stream/broker/topic_copy.h"

struct copy_target {
    const char *topic;
    uint32_t partitions;
    int64_t batch_size_max; /* bytes that it takes at once */
    int64_t records;        /* offsets that lie in it now, markers included, */
    int64_t written;        /* and that ever did */
};

/*
 * Fills `target` for a copy of broker's source.topic, of which `broker` knows the partitions; creates
 * the topic if it is missing and kafka.create_topics says so. It then keeps records as long as the
 * source does, with their own timestamps. STATUS_REFUSED: one that exists would not.
 */
MUST_CHECK enum status copy_target_open(struct copy_target *target, struct broker *broker,
                                        const struct copy_options *options, struct error *error);

#endif

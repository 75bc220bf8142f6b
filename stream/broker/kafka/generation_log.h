/* generation_log.h - how members of a group share generations on Kafka: stream/broker/generation_log.h. */
#ifndef STREAM_BROKER_KAFKA_GENERATION_LOG_H
#define STREAM_BROKER_KAFKA_GENERATION_LOG_H

#include <stdint.h>

#include "stream/broker/generation_log.h"

enum { GENERATION_QUEUE_KB = 8192 }; /* of what is fetched ahead, and of what waits to be sent */

/* Bytes that it takes at most: both queues, and as much around. */
static const uint64_t generation_log_memory = (uint64_t)4 * GENERATION_QUEUE_KB * 1024;

extern const struct generation_log_ops kafka_generations;

#endif

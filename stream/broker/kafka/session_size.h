/* session_size.h - what a Kafka session takes; broker.h has what it does. */
#ifndef STREAM_BROKER_KAFKA_SESSION_SIZE_H
#define STREAM_BROKER_KAFKA_SESSION_SIZE_H

#include <stddef.h>

#include "config/config.h"

/* Bytes of one worker's session at most, what its clients queue included. */
size_t kafka_session_size(const struct config *config);

#endif

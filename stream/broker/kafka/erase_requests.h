/*
 * erase_requests.h - asks a job on Kafka to erase users: a request of each in source.erase (braid erase).
 *
 * Which partition a user's events are in is for their producer to choose, so a request goes to every
 * partition, and whoever has one looks whether the user is there.
 */
#ifndef STREAM_BROKER_KAFKA_ERASE_REQUESTS_H
#define STREAM_BROKER_KAFKA_ERASE_REQUESTS_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"
#include "config/config.h"

struct erase_requests_report {
    uint32_t users, partitions;
    uint64_t requests; /* that the brokers have */
};

/*
 * STATUS_INVALID: no source.erase, or an id that cannot be one. STATUS_REFUSED: topics are missing or
 * of the wrong kind. STATUS_IO: not all requests were taken; ask again, more of them do no harm.
 */
MUST_CHECK enum status erase_requests_send(const struct config *config, const struct bytes *users,
                                           uint32_t count, struct erase_requests_report *report,
                                           struct error *error);

#endif

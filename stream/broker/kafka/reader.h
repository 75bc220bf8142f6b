/*
 * reader.h - reads a job's topics from outside, as verify and inspect do.
 *
 * It joins no group, creates nothing and changes nothing, so that a job may run meanwhile. Only
 * committed records are seen; what an open transaction hides is waited for.
 *
 *     open -> (begin -> next ... until STATUS_END) ... -> close
 *
 * Memory: a batch of records, and what librdkafka fetches ahead (32 MB; of shared generations
 * 8 MB).
 * Thread: one.
 */
#ifndef STREAM_BROKER_KAFKA_READER_H
#define STREAM_BROKER_KAFKA_READER_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"
#include "config/config.h"
#include "state/history.h"
#include "stream/broker/broker.h"

struct kafka_reader;
struct client;

struct kafka_record {
    struct bytes key;
    struct bytes value; /* at = NULL: a tombstone */
    int64_t offset;
    int64_t record_ms; /* the record's timestamp, -1: none */
    int64_t stamp_ms;  /* by which an event's time is judged (client_event_stamp), -1: none */
};

/*
 * Finds the job's topics and checks them as the job does. Keeps `config`. STATUS_REFUSED: they are missing, or of the wrong kind. STATUS_IO: no broker
 * answers.
 */
MUST_CHECK enum status kafka_reader_open(struct kafka_reader **readerp, const struct config *config,
                                         struct error *error);

/*
 * The same for the topics of shared generations, with a smaller queue. `creates`: those that are
 * missing, the job's included, if the configuration allows it.
 */
MUST_CHECK enum status kafka_reader_open_shared(struct kafka_reader **readerp,
                                                const struct config *config, bool creates,
                                                struct error *error);
/* Legal on NULL. */
void kafka_reader_close(struct kafka_reader *reader);

/* The job's broker, for kafka_history_open and to ask for topics and their partitions. */
struct broker *kafka_reader_broker(struct kafka_reader *reader);

/* The consumer, for questions about offsets while nothing is read. */
struct client *kafka_reader_consumer(struct kafka_reader *reader);

/*
 * The last committed seals of the source's partitions [first, first + count), number 0: none, out
 * of the group's offsets, or, where these have expired, out of the history log. STATUS_IO: they
 * could not be had within a minute.
 */
MUST_CHECK enum status kafka_reader_seals(struct kafka_reader *reader, uint32_t first,
                                          uint32_t count, struct history_seal *seals,
                                          struct error *error);

/* Members that the job's group has now. */
MUST_CHECK enum status kafka_reader_members(struct kafka_reader *reader, uint32_t *countp,
                                            struct error *error);

/*
 * Begins to read a partition from its first record, or `from` if that is later, up to `end`,
 * KAFKA_READER_NOW: what lies there now. *firstp = its first offset. STATUS_REFUSED: the partition
 * does not reach to `end`.
 */
#define KAFKA_READER_NOW INT64_MAX
MUST_CHECK enum status kafka_reader_begin(struct kafka_reader *reader, const char *topic,
                                          uint32_t partition, int64_t from, int64_t end,
                                          int64_t *firstp, struct error *error);

/* Up to where a partition can be read now: what open transactions hide comes later. */
MUST_CHECK enum status kafka_reader_committed(struct kafka_reader *reader, const char *topic,
                                              uint32_t partition, int64_t *endp,
                                              struct error *error);

/*
 * The next record, valid until the next call; STATUS_END after the last. STATUS_IO: no broker has
 * answered for half a minute.
 */
MUST_CHECK enum status kafka_reader_next(struct kafka_reader *reader, struct kafka_record *record,
                                         struct error *error);

/* A header of the record delivered last, at = NULL if it has none of the name. Valid as it is. */
struct bytes kafka_reader_header(const struct kafka_reader *reader, const char *name);

/* The partition into which most producers put a key: Java's default. */
uint32_t kafka_reader_likely_partition(const struct kafka_reader *reader, struct bytes key);

#endif

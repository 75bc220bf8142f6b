/*
 * lone_writer.h - a transactional producer that is no member of a group, and keeps notes in one.
 *
 * It commits records together with offsets of the source and a note of its own for each, as the
 * offset's metadata. Who opens it later with the same group and instance shuts out the one before
 * and ends what it left open; so whatever goes wrong, opening it anew reads what was committed.
 *
 *     open -> places ... -> (begin -> produce ... -> commit) ... -> close
 *
 * After STATUS_ABORTABLE nothing since the last commit has happened: close, and open again.
 * STATUS_FENCED: another has taken over. Thread: one.
 */
#ifndef STREAM_BROKER_KAFKA_LONE_WRITER_H
#define STREAM_BROKER_KAFKA_LONE_WRITER_H

#include "stream/broker/kafka/client.h"

struct lone_writer {
    const struct config *config; /* with the group and the instance that are its own */
    const char *what;            /* "a copy to 'x'", for messages */
    struct client producer, consumer;
    rd_kafka_queue_t *queue; /* the consumer's */
    rd_kafka_consumer_group_metadata_t *membership;
    rd_kafka_resp_err_t delivery_error; /* why a record of this transaction failed, 0: none */
    bool open;                          /* a transaction is */
};

/* `writer` must stay where it is until closed. `queue_kb`: of what its consumer fetches ahead. */
MUST_CHECK enum status lone_writer_open(struct lone_writer *writer, const struct config *config,
                                        const char *what, int64_t batch_size_max, uint32_t queue_kb,
                                        struct error *error);
/* Legal on a zeroed one. */
void lone_writer_close(struct lone_writer *writer);

/* Calls `take` with the group's offset of each partition of source.topic, and its note. */
typedef enum status lone_place(void *context, const rd_kafka_topic_partition_t *place,
                               struct error *error);
MUST_CHECK enum status lone_writer_places(struct lone_writer *writer, uint32_t partitions,
                                          lone_place *take, void *context, struct error *error);

/* Begins a transaction if none is open. */
MUST_CHECK enum status lone_writer_begin(struct lone_writer *writer, struct error *error);

struct lone_record {
    const char *topic;
    int32_t partition; /* RD_KAFKA_PARTITION_UA: that of its key */
    struct bytes key, value;
    int64_t stamp_ms;                  /* 0: now */
    const rd_kafka_headers_t *headers; /* NULL: none */
};

/* Sends a record, which it copies. */
MUST_CHECK enum status lone_writer_produce(struct lone_writer *writer,
                                           const struct lone_record *record, struct error *error);

/* Adds a partition's place to a list for lone_writer_commit. */
void lone_place_add(rd_kafka_topic_partition_list_t *list, const char *topic, uint32_t partition,
                    int64_t offset, const char *note);

/* Ends the transaction with these places, beginning one if none is open; STATUS_OK: committed. */
MUST_CHECK enum status lone_writer_commit(struct lone_writer *writer,
                                          rd_kafka_topic_partition_list_t *places,
                                          struct error *error);

#endif

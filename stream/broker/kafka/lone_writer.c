/* lone_writer.c - the steps of a transaction, each tried again while brokers are out of reach. */
#include "stream/broker/kafka/lone_writer.h"

#include <string.h>

#include "base/clock.h"
#include "base/fault.h"
#include "stream/broker/kafka/session.h"

enum {
    OFFSETS_MS = 60000,  /* for offsets that an open transaction hides */
    PATIENCE_MS = 60000, /* for one step of a transaction */
    SEND_MS = 100,       /* for room in the producer's queue, each time */
    ABORT_MS = 2000,
};

static void on_lone_delivery(rd_kafka_t *handle, const rd_kafka_message_t *message, void *opaque)
{
    struct lone_writer *writer = ((struct client *)opaque)->owner;
    (void)handle;
    if (message->err && !writer->delivery_error) writer->delivery_error = message->err;
}

/* Another has taken the transactional id: opening it anew would take it back. */
static bool is_fenced(const struct lone_writer *writer)
{
    const rd_kafka_resp_err_t code = rd_kafka_fatal_error(writer->producer.handle, NULL, 0);
    return code == RD_KAFKA_RESP_ERR__FENCED || code == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH ||
           code == RD_KAFKA_RESP_ERR_PRODUCER_FENCED;
}

/* What a step of a transaction that ended with `status` means for whoever writes. */
static enum status step_failed(struct lone_writer *writer, enum status status, struct error *error)
{
    if (status == STATUS_OK) return status;
    if (status == STATUS_FENCED || is_fenced(writer)) {
        return error_set(error, STATUS_FENCED,
                         "kafka: another process has taken over %s, or a transaction was open for "
                         "longer than kafka.transaction_timeout; run it again if none has",
                         writer->what);
    }
    if (writer->delivery_error) {
        error_set(error, status, "kafka: a record of %s was not taken: %s", writer->what,
                  rd_kafka_err2str(writer->delivery_error));
    }
    return error->status = STATUS_ABORTABLE;
}

/* Whether a step is to be done again, for brokers are out of reach. */
static bool step_again(struct lone_writer *writer, enum status status, int64_t begun_ns)
{
    if (status != STATUS_BUSY) return false;
    rd_kafka_poll(writer->producer.handle, 0);
    return clock_monotonic_ns() - begun_ns < (int64_t)PATIENCE_MS * 1000000;
}

static enum status open_producer(struct lone_writer *writer, int64_t batch_size_max,
                                 struct error *error)
{
    const struct session_settings settings = session_settings_of(writer->config, 0);
    struct client_setup setup;
    producer_setup(&setup, writer->config, &settings, 0, batch_size_max, error);
    rd_kafka_conf_set_dr_msg_cb(setup.conf, on_lone_delivery);
    writer->producer = (struct client){.role = "producer", .owner = writer};
    TRY(client_open(&writer->producer, &setup, RD_KAFKA_PRODUCER));
    const int64_t begun_ns = clock_monotonic_ns();
    enum status status;
    do {
        status =
            client_failed(rd_kafka_init_transactions(writer->producer.handle, CLIENT_REQUEST_MS),
                          "beginning to use a transactional id", error);
    } while (step_again(writer, status, begun_ns));
    return status == STATUS_BUSY ? STATUS_IO : status;
}

enum status lone_writer_open(struct lone_writer *writer, const struct config *config,
                             const char *what, int64_t batch_size_max, uint32_t queue_kb,
                             struct error *error)
{
    *writer = (struct lone_writer){.config = config, .what = what};
    /* The producer first: what an earlier run left open ends before offsets are read. */
    TRY(open_producer(writer, batch_size_max, error));
    writer->consumer = (struct client){.role = "consumer", .owner = writer};
    TRY(client_open_reader(&writer->consumer, config, queue_kb, &writer->queue, error));
    writer->membership = rd_kafka_consumer_group_metadata(writer->consumer.handle);
    return STATUS_OK;
}

void lone_writer_close(struct lone_writer *writer)
{
    if (writer->open) {
        rd_kafka_error_t *failure = rd_kafka_abort_transaction(writer->producer.handle, ABORT_MS);
        if (failure) rd_kafka_error_destroy(failure); /* who comes next ends it */
    }
    if (writer->membership) rd_kafka_consumer_group_metadata_destroy(writer->membership);
    if (writer->queue) rd_kafka_queue_destroy(writer->queue);
    client_close(&writer->consumer);
    client_close(&writer->producer);
    *writer = (struct lone_writer){0};
}

enum status lone_writer_places(struct lone_writer *writer, uint32_t partitions, lone_place *take,
                               void *context, struct error *error)
{
    const char *group = writer->config->kafka.group, *topic = writer->config->source.topic;
    const int64_t begun_ns = clock_monotonic_ns();
    for (;;) {
        rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)partitions);
        for (uint32_t p = 0; p < partitions; p++) {
            rd_kafka_topic_partition_list_add(list, topic, (int32_t)p);
        }
        rd_kafka_resp_err_t code = rd_kafka_committed(writer->consumer.handle, list, 1000);
        enum status status = STATUS_OK;
        for (int i = 0; i < list->cnt && !code && status == STATUS_OK; i++) {
            code = list->elems[i].err;
            const bool none = list->elems[i].offset == RD_KAFKA_OFFSET_INVALID;
            if (!code && !none) status = take(context, &list->elems[i], error);
        }
        rd_kafka_topic_partition_list_destroy(list);
        if (!code) return status;
        if (clock_monotonic_ns() - begun_ns > (int64_t)OFFSETS_MS * 1000000) {
            char why[CLIENT_WHY_SIZE];
            return error_set(error, STATUS_IO, "kafka: reading the offsets of group '%s': %s",
                             group, client_why(&writer->consumer, code, why));
        }
        rd_kafka_poll(writer->producer.handle, CLIENT_PAUSE_MS);
    }
}

enum status lone_writer_begin(struct lone_writer *writer, struct error *error)
{
    if (writer->open) return STATUS_OK;
    TRY(step_failed(writer,
                    client_failed(rd_kafka_begin_transaction(writer->producer.handle),
                                  "beginning a transaction", error),
                    error));
    writer->open = true;
    FAULT_POINT("lone_begun");
    return STATUS_OK;
}

enum status lone_writer_produce(struct lone_writer *writer, const struct lone_record *record,
                                struct error *error)
{
    rd_kafka_headers_t *headers = record->headers ? rd_kafka_headers_copy(record->headers) : NULL;
    const int64_t begun_ns = clock_monotonic_ns();
    rd_kafka_resp_err_t code;
    do {
        code = rd_kafka_producev(
            writer->producer.handle, RD_KAFKA_V_TOPIC(record->topic),
            RD_KAFKA_V_PARTITION(record->partition), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
            RD_KAFKA_V_KEY(record->key.at, record->key.size),
            RD_KAFKA_V_VALUE((void *)(uintptr_t)record->value.at, record->value.size),
            RD_KAFKA_V_TIMESTAMP(record->stamp_ms), RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
        if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL) rd_kafka_poll(writer->producer.handle, SEND_MS);
    } while (code == RD_KAFKA_RESP_ERR__QUEUE_FULL &&
             clock_monotonic_ns() - begun_ns < (int64_t)PATIENCE_MS * 1000000);
    if (!code) {
        FAULT_POINT("lone_sent");
        return STATUS_OK; /* and the headers are librdkafka's */
    }
    if (headers) rd_kafka_headers_destroy(headers);
    error_set(error, STATUS_ABORTABLE, "kafka: writing to %s[%d]: %s", record->topic,
              record->partition, rd_kafka_err2str(code));
    return step_failed(writer, STATUS_ABORTABLE, error);
}

void lone_place_add(rd_kafka_topic_partition_list_t *list, const char *topic, uint32_t partition,
                    int64_t offset, const char *note)
{
    rd_kafka_topic_partition_t *one =
        rd_kafka_topic_partition_list_add(list, topic, (int32_t)partition);
    one->offset = offset;
    one->metadata = strdup(note);
    one->metadata_size = strlen(note);
    REQUIRE(one->metadata);
}

static enum status send_places(struct lone_writer *writer, rd_kafka_topic_partition_list_t *places,
                               struct error *error)
{
    const int64_t begun_ns = clock_monotonic_ns();
    enum status status;
    do {
        status = client_failed(rd_kafka_send_offsets_to_transaction(writer->producer.handle, places,
                                                                    writer->membership,
                                                                    CLIENT_REQUEST_MS),
                               "adding offsets to a transaction", error);
    } while (step_again(writer, status, begun_ns));
    FAULT_POINT("lone_offsets_sent");
    return status;
}

static enum status end_lone_transaction(struct lone_writer *writer, struct error *error)
{
    const int64_t begun_ns = clock_monotonic_ns();
    enum status status;
    do {
        status =
            client_failed(rd_kafka_commit_transaction(writer->producer.handle, CLIENT_REQUEST_MS),
                          "committing a transaction", error);
    } while (step_again(writer, status, begun_ns));
    return status;
}

enum status lone_writer_commit(struct lone_writer *writer, rd_kafka_topic_partition_list_t *places,
                               struct error *error)
{
    TRY(lone_writer_begin(writer, error));
    TRY(step_failed(writer, send_places(writer, places, error), error));
    TRY(step_failed(writer, end_lone_transaction(writer, error), error));
    writer->open = false;
    FAULT_POINT("lone_committed");
    return STATUS_OK;
}

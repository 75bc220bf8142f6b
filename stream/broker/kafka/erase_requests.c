/* erase_requests.c - one idempotent producer, and a count of what it delivered. */
#include "stream/broker/kafka/erase_requests.h"

#include <inttypes.h>

#include "stream/broker/kafka/client.h"
#include "stream/broker/kafka/reader.h"

enum {
    ROOM_WAIT_MS = 100,
    DELIVERY_MS = 60000, /* until all of them are delivered, at most */
};

struct asking {
    struct client producer;
    const char *topic;
    uint64_t delivered;
    rd_kafka_resp_err_t failure; /* of a record, 0: none */
};

static void on_request_delivery(rd_kafka_t *handle, const rd_kafka_message_t *message, void *opaque)
{
    struct asking *asking = ((struct client *)opaque)->owner;
    (void)handle;
    asking->delivered += !message->err;
    if (message->err) asking->failure = message->err;
}

static enum status send_request(struct asking *asking, struct bytes user, uint32_t partition,
                                struct error *error)
{
    static const char value[] = "{}";
    for (;;) {
        const rd_kafka_resp_err_t code = rd_kafka_producev(
            asking->producer.handle, RD_KAFKA_V_TOPIC(asking->topic),
            RD_KAFKA_V_PARTITION((int32_t)partition), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
            RD_KAFKA_V_KEY(user.at, user.size),
            RD_KAFKA_V_VALUE((void *)(uintptr_t)value, sizeof value - 1), RD_KAFKA_V_END);
        if (!code) return STATUS_OK;
        if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL || asking->failure) {
            return error_set(error, STATUS_IO, "kafka: writing to source.erase '%s': %s",
                             asking->topic,
                             rd_kafka_err2str(asking->failure ? asking->failure : code));
        }
        rd_kafka_poll(asking->producer.handle, ROOM_WAIT_MS);
    }
}

static enum status send_requests(struct asking *asking, const struct config *config,
                                 const struct bytes *users, uint32_t count, uint32_t partitions,
                                 struct error *error)
{
    struct client_setup setup;
    client_setup(&setup, config, error);
    client_set(&setup, "enable.idempotence", "true");
    rd_kafka_conf_set_dr_msg_cb(setup.conf, on_request_delivery);
    asking->producer = (struct client){.role = "producer of requests", .owner = asking};
    TRY(client_open(&asking->producer, &setup, RD_KAFKA_PRODUCER));
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t p = 0; p < partitions; p++) {
            TRY(send_request(asking, users[i], p, error));
        }
    }
    (void)rd_kafka_flush(asking->producer.handle, DELIVERY_MS); /* the count says what came of it */
    const uint64_t wanted = (uint64_t)count * partitions;
    if (asking->delivered == wanted) return STATUS_OK;
    return error_set(
        error, STATUS_IO,
        "kafka: source.erase '%s' took %" PRIu64 " of %" PRIu64
        " requests: %s. Ask again: more of them do no harm",
        asking->topic, asking->delivered, wanted,
        rd_kafka_err2str(asking->failure ? asking->failure : RD_KAFKA_RESP_ERR__TIMED_OUT));
}

static enum status check_users(const struct config *config, const struct bytes *users,
                               uint32_t count, struct error *error)
{
    if (!*config->source.erase) {
        return error_set(error, STATUS_INVALID,
                         "source.erase is not set: name a topic there for the job, restart it, and "
                         "then ask again");
    }
    for (uint32_t i = 0; i < count; i++) {
        if (users[i].size > 0 && users[i].size <= config->source.id_size_max) continue;
        return error_set(error, STATUS_INVALID,
                         "user %" PRIu32 " of the list has %zu bytes: an id has 1 to %" PRIu64
                         " (source.id_size_max)",
                         i + 1, users[i].size, (uint64_t)config->source.id_size_max);
    }
    return STATUS_OK;
}

enum status erase_requests_send(const struct config *config, const struct bytes *users,
                                uint32_t count, struct erase_requests_report *report,
                                struct error *error)
{
    struct kafka_reader *reader;
    struct asking asking = {.topic = config->source.erase};
    *report = (struct erase_requests_report){.users = count};
    TRY(check_users(config, users, count, error));
    TRY(kafka_reader_open(&reader, config, error));
    report->partitions = kafka_reader_broker(reader)->partitions;
    const enum status status =
        send_requests(&asking, config, users, count, report->partitions, error);
    report->requests = asking.delivered;
    client_close(&asking.producer);
    kafka_reader_close(reader);
    return status;
}

/*
 * erasures.c - reads the topic of erasures (source.erase) from its beginning: who was erased so far.
 *
 * Whoever folds events of a partition needs all of its cuts before the first one, also those that
 * another process took a moment ago: its transaction is over, since its seal was found, but the topic's
 * partition may not show that yet. So the end counts only if it is the high watermark.
 */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "stream/broker/kafka/client.h"
#include "stream/source/erasure/erase_request.h"

enum {
    AT_ONCE = 1024,    /* records of one read */
    WAIT_MS = 100,     /* a reader heeds broker_stop so often */
    SILENCE_MS = 3000, /* of the brokers; then the partition is tried again later */
    AHEAD_KB = 4096,   /* fetched ahead */
};

struct reading {
    struct broker *broker;
    struct client consumer;
    rd_kafka_queue_t *queue;
    struct json_decoder *json;
    struct cuts *cuts;
    uint32_t partition;
    int64_t from; /* what the job has not taken notice of begins */
    int64_t end;  /* that a reader of what is committed met, -1: none yet */
};

/* What the job itself has said: so far it has deleted the user, and needs not look for it. */
static enum status take_own(struct reading *reading, const struct erase_record *record,
                            struct error *error)
{
    struct user_cut *cut;
    const bool owes = record->gone_ms == 0;
    TRY(cuts_raise(reading->cuts, record->hash, record->cut_ms, &cut, error));
    if (cut->ms == record->cut_ms) {
        cut_move(reading->cuts, cut, owes ? CUT_KEPT : CUT_GONE);
    } else {
        cut->owes |= owes;
    }
    return STATUS_OK;
}

static enum status take_cut(struct reading *reading, const rd_kafka_message_t *message,
                            struct error *error)
{
    const struct config *config = reading->broker->config;
    struct event event;
    struct erase_record record;
    struct user_cut *cut;
    const struct bytes key = {message->key, message->key_len};
    const struct bytes value = {message->payload, message->len};
    if (erase_record_decode(reading->json, key, value, rd_kafka_message_timestamp(message, NULL),
                            (uint32_t)config->source.id_size_max, &record,
                            &event) != EVENT_ERASURE) {
        return STATUS_OK; /* the session has its letter written */
    }
    const bool is_news = message->offset >= reading->from;
    if (record.user.at && !is_news) return STATUS_OK; /* it was answered */
    if (record.user.at) return cuts_raise(reading->cuts, record.hash, record.cut_ms, &cut, error);
    if (bytes_equal(record.group, bytes_of(config->kafka.group))) {
        return take_own(reading, &record, error);
    }
    return cuts_tell(reading->cuts, record.hash, record.cut_ms, is_news ? CUT_SOUGHT : CUT_GONE,
                     error);
}

static enum status take_message(struct reading *reading, const rd_kafka_message_t *message,
                                struct error *error)
{
    switch (message->err) {
    case RD_KAFKA_RESP_ERR_NO_ERROR: return take_cut(reading, message, error);
    case RD_KAFKA_RESP_ERR__PARTITION_EOF: reading->end = message->offset; return STATUS_OK;
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
        return error_set(error, STATUS_IO, "kafka: reading source.erase '%s': %s",
                         reading->broker->config->source.erase, rd_kafka_message_errstr(message));
    default:
        log_debug("reader of erasures", log_text("text", rd_kafka_message_errstr(message)));
        return STATUS_OK;
    }
}

static enum status read_to(struct reading *reading, int64_t high, struct error *error)
{
    rd_kafka_message_t *messages[AT_ONCE];
    int64_t heard_ns = clock_monotonic_ns();
    while (reading->end < high) {
        enum status status = STATUS_OK;
        const size_t count = client_receive(reading->queue, WAIT_MS, messages, AT_ONCE);
        if (count > 0) heard_ns = clock_monotonic_ns();
        for (size_t i = 0; i < count; i++) {
            if (status == STATUS_OK) status = take_message(reading, messages[i], error);
            rd_kafka_message_destroy(messages[i]);
        }
        TRY(status);
        const bool silent = clock_monotonic_ns() - heard_ns > (int64_t)SILENCE_MS * 1000000;
        if (silent || atomic_load(&reading->broker->stopping)) {
            return error_set(error, STATUS_BUSY,
                             "kafka: nothing comes of source.erase '%s'[%u] before its end",
                             reading->broker->config->source.erase, reading->partition);
        }
    }
    return STATUS_OK;
}

static enum status read_cuts(struct reading *reading, struct error *error)
{
    struct broker *broker = reading->broker;
    const char *topic = broker->config->source.erase;
    int64_t low, high;
    const rd_kafka_resp_err_t code =
        client_watermarks(&broker->admin, topic, reading->partition, &low, &high);
    if (code) {
        char why[CLIENT_WHY_SIZE];
        return error_set(error, STATUS_BUSY, "kafka: asking for the end of %s[%u]: %s", topic,
                         reading->partition, client_why(&broker->admin, code, why));
    }
    if (low == high) return STATUS_OK;
    TRY(json_decoder_open(&reading->json, ERASE_VALUE_MAX, error));
    reading->consumer = (struct client){.role = "reader of erasures", .owner = reading};
    TRY(client_open_reader(&reading->consumer, broker->config, AHEAD_KB, &reading->queue, error));
    client_warm(&reading->consumer, topic);
    TRY(client_read_from(&reading->consumer, topic, reading->partition, low, error));
    return read_to(reading, high, error);
}

enum status kafka_cuts(struct broker *broker, uint32_t partition, int64_t from, struct cuts *cuts,
                       struct error *error)
{
    if (!*broker->config->source.erase) return STATUS_OK;
    cuts->topics_ms =
        broker->compaction_lag_ms < 0 ? 0 : broker->compaction_lag_ms + broker->delete_retention_ms;
    struct reading reading = {
        .broker = broker, .cuts = cuts, .partition = partition, .from = from, .end = -1};
    const enum status status = read_cuts(&reading, error);
    if (reading.queue) rd_kafka_queue_destroy(reading.queue);
    client_close(&reading.consumer);
    json_decoder_close(reading.json);
    return status;
}

/*
 * reader.c - one consumer that is assigned one partition after another.
 *
 * The end is an offset that was the partition's at some moment, open transactions included. A
 * consumer of committed records gets the end of what it may see, which can lie before: then
 * nothing comes until the transaction ends, or because no broker is there. Asking for the
 * watermarks tells one from the other.
 */
#include "stream/broker/kafka/reader.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "stream/broker/kafka/client.h"
#include "stream/broker/kafka/generation_log.h"

enum {
    QUEUE_KB = 32768,
    BATCH = 4096,
    RECEIVE_MS = 100,
    SILENCE_MS = 2000,       /* without a record, before a broker is asked whether it is there */
    OUT_OF_REACH_MS = 30000, /* without any answer, before reading is given up */
    SEALS_WAIT_MS = 60000,   /* for offsets that an open transaction hides */
};

struct kafka_reader {
    struct broker broker;
    struct client consumer;
    rd_kafka_queue_t *queue;

    /* the partition being read: */
    const char *topic;
    uint32_t partition;
    int64_t seen; /* everything before this offset has been delivered */
    int64_t end;
    int64_t heard_ns; /* when something came, or a broker was asked */
    int64_t lost_ns;  /* since when asking is in vain, 0: it is not */
    bool waits;       /* it was logged that an open transaction hides the rest */
    rd_kafka_message_t *messages[BATCH];
    size_t count, cursor;
};

static void kafka_reader_release(struct kafka_reader *reader)
{
    for (size_t i = 0; i < reader->count; i++) {
        rd_kafka_message_destroy(reader->messages[i]);
    }
    reader->count = reader->cursor = 0;
}

void kafka_reader_close(struct kafka_reader *reader)
{
    if (!reader) return;
    kafka_reader_release(reader);
    if (reader->queue) rd_kafka_queue_destroy(reader->queue);
    client_close(&reader->consumer);
    client_close(&reader->broker.admin);
    free(reader);
}

static enum status kafka_reader_open_clients(struct kafka_reader *reader,
                                             const struct config *config, uint32_t queue_kb,
                                             struct error *error)
{
    TRY(kafka_check(config, error));
    reader->broker.config = config;
    TRY(client_open_admin(&reader->broker.admin, config, error));
    TRY(topics_open(&reader->broker, error));
    reader->consumer = (struct client){.role = "reader"};
    return client_open_reader(&reader->consumer, config, queue_kb, &reader->queue, error);
}

static enum status open_reader(struct kafka_reader **readerp, const struct config *config,
                               bool shares, bool creates, struct error *error)
{
    *readerp = NULL;
    struct kafka_reader *reader = calloc(1, sizeof *reader);
    if (!reader) return error_set(error, STATUS_IO, "out of memory: a reader of topics");
    reader->broker.shares = shares;
    reader->broker.looks_only = !creates;
    const uint32_t queue_kb = shares ? GENERATION_QUEUE_KB : QUEUE_KB;
    enum status status = kafka_reader_open_clients(reader, config, queue_kb, error);
    if (status != STATUS_OK) {
        kafka_reader_close(reader);
        return status;
    }
    *readerp = reader;
    return STATUS_OK;
}

enum status kafka_reader_open(struct kafka_reader **readerp, const struct config *config,
                              struct error *error)
{
    return open_reader(readerp, config, false, false, error);
}

enum status kafka_reader_open_shared(struct kafka_reader **readerp, const struct config *config,
                                     bool creates, struct error *error)
{
    return open_reader(readerp, config, true, creates, error);
}

struct broker *kafka_reader_broker(struct kafka_reader *reader)
{
    return &reader->broker;
}

struct client *kafka_reader_consumer(struct kafka_reader *reader)
{
    return &reader->consumer;
}

static void count_members(void *context, const struct rd_kafka_group_info *group)
{
    *(uint32_t *)context = (uint32_t)group->member_cnt;
}

enum status kafka_reader_members(struct kafka_reader *reader, uint32_t *countp, struct error *error)
{
    struct client *admin = &reader->broker.admin;
    const char *group = reader->broker.config->kafka.group;
    char why[CLIENT_WHY_SIZE];
    *countp = 0;
    const rd_kafka_resp_err_t code =
        client_describe_group(admin, group, CLIENT_REQUEST_MS, count_members, countp);
    if (!code) return STATUS_OK;
    return error_set(error, STATUS_IO, "kafka: describing group '%s': %s", group,
                     client_why(admin, code, why));
}

static bool time_is_over(int64_t begun_ns, int64_t limit_ms)
{
    return clock_monotonic_ns() - begun_ns > limit_ms * 1000000;
}

/* A partition whose group has no offset: never committed, or expired; its history log knows. */
static enum status seal_of_log(struct kafka_reader *reader, uint32_t partition,
                               struct history_seal *seal, struct error *error)
{
    const struct store_position start = {.next = -1};
    struct committed_position committed;
    struct history_reader *log;
    const int64_t begun_ns = clock_monotonic_ns();
    enum status status = STATUS_BUSY;
    for (int tries = 0; status == STATUS_BUSY && !time_is_over(begun_ns, SEALS_WAIT_MS); tries++) {
        if (tries > 0) clock_sleep_ms(CLIENT_PAUSE_MS);
        status = kafka_history_open(&log, &reader->broker, partition, &start, &committed, error);
    }
    TRY(status);
    kafka_history_close(log);
    *seal = committed.seal;
    return STATUS_OK;
}

enum status kafka_reader_seals(struct kafka_reader *reader, uint32_t first, uint32_t count,
                               struct history_seal *seals, struct error *error)
{
    uint32_t at[POLL_PARTITIONS_MAX] = {0};
    struct committed_seal found[POLL_PARTITIONS_MAX];
    REQUIRE(count <= POLL_PARTITIONS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        at[i] = first + i;
    }
    enum status status =
        committed_seals(&reader->broker, &reader->consumer, at, count, SEALS_WAIT_MS, found, error);
    for (uint32_t i = 0; i < count && status == STATUS_OK; i++) {
        seals[i] = found[i].seal;
        if (!seals[i].number) status = seal_of_log(reader, at[i], &seals[i], error);
    }
    return status == STATUS_BUSY ? STATUS_IO : status;
}

static rd_kafka_resp_err_t kafka_reader_watermarks(struct kafka_reader *reader, int64_t *lowp,
                                                   int64_t *highp)
{
    return client_watermarks(&reader->broker.admin, reader->topic, reader->partition, lowp, highp);
}

enum status kafka_reader_begin(struct kafka_reader *reader, const char *topic, uint32_t partition,
                               int64_t from, int64_t end, int64_t *firstp, struct error *error)
{
    int64_t low, high;
    kafka_reader_release(reader);
    reader->topic = topic;
    reader->partition = partition;
    client_warm(&reader->consumer, topic);
    TRY(client_bounds(&reader->broker.admin, topic, partition, OUT_OF_REACH_MS, &low, &high,
                      error));
    if (end == KAFKA_READER_NOW) end = high;
    if (end > high) {
        return error_set(error, STATUS_REFUSED,
                         "kafka: %s[%u] ends at offset %lld, but was processed up to %lld: it was "
                         "made anew",
                         topic, partition, (long long)high, (long long)end);
    }
    *firstp = low;
    reader->seen = from > low ? from : low;
    reader->end = end;
    reader->waits = false;
    reader->heard_ns = clock_monotonic_ns();
    reader->lost_ns = 0;
    return client_read_from(&reader->consumer, topic, partition, reader->seen, error);
}

enum status kafka_reader_committed(struct kafka_reader *reader, const char *topic,
                                   uint32_t partition, int64_t *endp, struct error *error)
{
    int64_t low;
    return client_bounds(&reader->consumer, topic, partition, OUT_OF_REACH_MS, &low, endp, error);
}

/* Nothing came for a while: is a broker there, and does a transaction hide what is? */
static enum status kafka_reader_ask(struct kafka_reader *reader, struct error *error)
{
    int64_t low, high;
    rd_kafka_resp_err_t code = kafka_reader_watermarks(reader, &low, &high);
    reader->heard_ns = clock_monotonic_ns();
    if (code) {
        if (!reader->lost_ns) reader->lost_ns = reader->heard_ns;
        if (!time_is_over(reader->lost_ns, OUT_OF_REACH_MS)) return STATUS_OK;
        char why[CLIENT_WHY_SIZE];
        return error_set(error, STATUS_IO,
                         "kafka: reading %s[%u]: no broker has answered for %d s: %s; is "
                         "kafka.brokers (%s) running?",
                         reader->topic, reader->partition, OUT_OF_REACH_MS / 1000,
                         client_why(&reader->broker.admin, code, why),
                         reader->broker.config->kafka.brokers);
    }
    reader->lost_ns = 0;
    if (reader->waits) return STATUS_OK;
    reader->waits = true;
    log_info("nothing to read yet: an open transaction hides it, or brokers are slow",
             log_text("topic", reader->topic), log_int("partition", reader->partition),
             log_int("offset", reader->seen));
    return STATUS_OK;
}

static enum status kafka_reader_receive(struct kafka_reader *reader, struct error *error)
{
    kafka_reader_release(reader);
    reader->count = client_receive(reader->queue, RECEIVE_MS, reader->messages, BATCH);
    if (reader->count > 0) reader->heard_ns = clock_monotonic_ns();
    return time_is_over(reader->heard_ns, SILENCE_MS) ? kafka_reader_ask(reader, error) : STATUS_OK;
}

/* What the consumer says instead of delivering a record. */
static enum status kafka_reader_error(struct kafka_reader *reader,
                                      const rd_kafka_message_t *message, struct error *error)
{
    const char *why = rd_kafka_message_errstr(message);
    switch (message->err) {
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
        if (message->offset > reader->seen) reader->seen = message->offset;
        return STATUS_OK;
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
        return error_set(error, STATUS_REFUSED,
                         "kafka: %s[%u]: records were deleted while they were read: %s",
                         reader->topic, reader->partition, why);
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
        return error_set(error, STATUS_IO, "kafka: reading '%s': %s", reader->topic, why);
    default: client_report_error(&reader->consumer, message->err, why); return STATUS_OK;
    }
}

enum status kafka_reader_next(struct kafka_reader *reader, struct kafka_record *record,
                              struct error *error)
{
    while (reader->seen < reader->end) {
        if (reader->cursor == reader->count) {
            TRY(kafka_reader_receive(reader, error));
            continue;
        }
        const rd_kafka_message_t *message = reader->messages[reader->cursor++];
        if (message->err) {
            TRY(kafka_reader_error(reader, message, error));
            continue;
        }
        reader->lost_ns = 0;
        reader->seen = message->offset + 1;
        if (message->offset >= reader->end) break;
        *record = (struct kafka_record){
            .key = {message->key, message->key_len},
            .value = {message->payload, message->len},
            .offset = message->offset,
            .record_ms = rd_kafka_message_timestamp(message, NULL),
            .stamp_ms = client_event_stamp(message, reader->broker.config),
        };
        return STATUS_OK;
    }
    return STATUS_END;
}

struct bytes kafka_reader_header(const struct kafka_reader *reader, const char *name)
{
    rd_kafka_headers_t *headers;
    struct bytes value = {NULL, 0};
    REQUIRE(reader->cursor > 0);
    if (rd_kafka_message_headers(reader->messages[reader->cursor - 1], &headers) ||
        rd_kafka_header_get_last(headers, name, &value.at, &value.size)) {
        return (struct bytes){NULL, 0};
    }
    return value;
}

uint32_t kafka_reader_likely_partition(const struct kafka_reader *reader, struct bytes key)
{
    bool certain;
    return kafka_partition_of(key, (uint32_t)reader->broker.partitions, &certain);
}

/*
 * verify_kafka.c - what a job on Kafka left behind, as verify's input.
 *
 * The seals in the group's offsets say how far each partition was processed. Outputs are read,
 * committed records only, up to the high watermark of the moment after; a running job may have
 * published more by then, which names source offsets beyond the seal and is passed over.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "stream/broker_kafka_client.h"
#include "stream/verify_input.h"

enum { QUEUE_KB = 32768, BATCH = 4096, RECEIVE_MS = 100 };

struct verify_input {
    const struct config *config; /* the job's */
    struct config quiet;         /* the same, creating nothing */
    struct broker broker;
    struct client consumer;
    rd_kafka_queue_t *queue;
    struct committed_seal *committed; /* [partitions] */
    struct event_decoder *decoder;
    struct json_decoder *json;
    uint8_t *scratch;
    size_t scratch_size;

    /* the sequence being read: */
    enum verify_sequence sequence;
    uint32_t partition;
    const char *topic;
    int64_t end;    /* first offset that is not read any more */
    int64_t seen;   /* everything before this offset has been delivered */
    int64_t number; /* offset of the record last delivered, -1 before the first */
    rd_kafka_message_t *messages[BATCH];
    size_t count, cursor;

    uint64_t passed; /* events delivered since the sequence began */
    bool *counted;   /* [partitions] its events are in `events`: it was read to the end once */
    uint64_t events;
};

static void release(struct verify_input *input)
{
    for (size_t i = 0; i < input->count; i++) {
        rd_kafka_message_destroy(input->messages[i]);
    }
    input->count = input->cursor = 0;
}

static void kafka_close(struct verify_input *input)
{
    release(input);
    if (input->queue) rd_kafka_queue_destroy(input->queue);
    client_close(&input->consumer);
    client_close(&input->broker.admin);
    event_decoder_close(input->decoder);
    json_decoder_close(input->json);
    free(input->committed);
    free(input->counted);
    free(input->scratch);
    free(input);
}

static enum status open_broker(struct verify_input *input, struct error *error)
{
    struct client_setup setup;
    input->quiet = *input->config;
    input->quiet.kafka.create_topics = false;
    input->broker.config = &input->quiet;
    TRY(client_check(input->config, error));
    client_setup(&setup, input->config, error);
    client_set(&setup, "isolation.level", "read_uncommitted");
    input->broker.admin = (struct client){.role = "admin"};
    TRY(client_open(&input->broker.admin, &setup, RD_KAFKA_CONSUMER));
    return topics_open(&input->broker, error);
}

static enum status fetch_seals(struct verify_input *input, struct error *error)
{
    uint32_t partitions = input->broker.partitions, sealed = 0;
    uint32_t *all = calloc(partitions, sizeof *all);
    if (!all) return error_set(error, STATUS_IO, "out of memory: verify");
    for (uint32_t p = 0; p < partitions; p++) {
        all[p] = p;
    }
    enum status status = committed_seals(&input->broker, &input->consumer, all, partitions,
                                         INT64_MAX, input->committed, error);
    free(all);
    TRY(status);
    for (uint32_t p = 0; p < partitions; p++) {
        sealed += input->committed[p].seal.number > 0;
    }
    if (sealed > 0) return STATUS_OK;
    return error_set(error, STATUS_INVALID,
                     "nothing was ever committed by group '%s' for '%s': is this the job's "
                     "configuration?",
                     input->config->kafka.group, input->config->source.topic);
}

/* Partitions are verified one by one, so a record must lie in its source's. */
static enum status check_counts(const struct verify_input *input, struct error *error)
{
    const struct broker *broker = &input->broker;
    for (int kind = 0; kind < RECORD_KINDS; kind++) {
        if (kind == RECORD_ITEM || broker->topic_partitions[kind] == broker->partitions) continue;
        return error_set(error, STATUS_REFUSED,
                         "kafka: '%s' has %u partitions, its source %u: only equal counts can be "
                         "verified",
                         broker->topics[kind], broker->topic_partitions[kind], broker->partitions);
    }
    return STATUS_OK;
}

static enum status open_parts(struct verify_input *input, struct error *error)
{
    const struct config *config = input->config;
    TRY(open_broker(input, error));
    TRY(check_counts(input, error));
    input->consumer = (struct client){.role = "verify"};
    TRY(client_open_reader(&input->consumer, config, QUEUE_KB, &input->queue, error));
    input->committed = calloc(input->broker.partitions, sizeof *input->committed);
    input->counted = calloc(input->broker.partitions, sizeof *input->counted);
    if (!input->committed || !input->counted) {
        return error_set(error, STATUS_IO, "out of memory: verify");
    }
    TRY(fetch_seals(input, error));
    TRY(event_decoder_open(&input->decoder, config, error));
    return json_decoder_open(&input->json, BATCH_SIZE_MAX, error);
}

static enum status kafka_open(struct verify_input **inputp, const struct config *config,
                              struct error *error)
{
    *inputp = NULL;
    struct verify_input *input = calloc(1, sizeof *input);
    if (!input) return error_set(error, STATUS_IO, "out of memory: verify");
    input->config = config;
    enum status status = open_parts(input, error);
    if (status != STATUS_OK) {
        kafka_close(input);
        return status;
    }
    *inputp = input;
    return STATUS_OK;
}

static uint32_t kafka_partitions(const struct verify_input *input)
{
    return input->broker.partitions;
}

static uint64_t kafka_events(const struct verify_input *input)
{
    return input->events;
}

static enum status kafka_begin(struct verify_input *input, enum verify_sequence sequence,
                               uint32_t partition, struct error *error)
{
    struct broker *broker = &input->broker;
    int64_t low, high;
    release(input);
    input->sequence = sequence;
    input->partition = partition;
    input->number = -1;
    input->passed = 0;
    input->topic = sequence == VERIFY_SOURCE    ? input->config->source.topic
                   : sequence == VERIFY_RECORDS ? broker->topics[RECORD_INTERESTS]
                                                : broker->topics[RECORD_DEAD_LETTER];
    client_warm(&input->consumer, input->topic);
    rd_kafka_resp_err_t code = rd_kafka_query_watermark_offsets(
        broker->admin.handle, input->topic, (int32_t)partition, &low, &high, CLIENT_REQUEST_MS);
    if (code) {
        return error_set(error, STATUS_IO, "kafka: asking for the end of %s[%u]: %s", input->topic,
                         partition, rd_kafka_err2str(code));
    }
    input->end = high;
    input->seen = low;
    if (sequence == VERIFY_SOURCE) {
        const struct history_seal *seal = &input->committed[partition].seal;
        input->end = seal->number ? seal->next_offset : low;
        if (low > 0 && seal->number) {
            return error_set(error, STATUS_REFUSED,
                             "kafka: %s[%u] begins at offset %" PRId64 ": retention has deleted "
                             "events that were processed, so nothing can be proven",
                             input->topic, partition, low);
        }
    }
    return client_read_from(&input->consumer, input->topic, partition, low, error);
}

/* The next committed record before the sequence's end; waits for what open transactions hide. */
static enum status next(struct verify_input *input, const rd_kafka_message_t **messagep,
                        struct error *error)
{
    while (input->seen < input->end) {
        if (input->cursor == input->count) {
            release(input);
            input->count = client_receive(input->queue, RECEIVE_MS, input->messages, BATCH);
            continue;
        }
        const rd_kafka_message_t *message = input->messages[input->cursor++];
        if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
            if (message->offset > input->seen) input->seen = message->offset;
        } else if (message->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET) {
            return error_set(error, STATUS_REFUSED, "kafka: %s[%u]: %s", input->topic,
                             input->partition, rd_kafka_message_errstr(message));
        } else if (!message->err) {
            input->seen = message->offset + 1;
            if (message->offset >= input->end) break;
            input->number = message->offset;
            *messagep = message;
            return STATUS_OK;
        }
    }
    return STATUS_END;
}

/* Copies a payload, cut at `size_max`, to where a decoder may read beyond its end. */
static enum status padded(struct verify_input *input, const rd_kafka_message_t *message,
                          size_t size_max, struct bytes *copyp, uint8_t **restp,
                          struct error *error)
{
    size_t size = message->len < size_max ? message->len : size_max;
    size_t needed = 5 * size + 2 * EVENT_PADDING + 1024; /* the copy, and a decoder's output */
    *restp = NULL;
    *copyp = (struct bytes){NULL, 0};
    if (needed > input->scratch_size) {
        free(input->scratch);
        input->scratch_size = 0;
        input->scratch = malloc(needed);
        if (!input->scratch) return error_set(error, STATUS_IO, "out of memory: verify");
        input->scratch_size = needed;
    }
    if (size) memcpy(input->scratch, message->payload, size);
    *copyp = (struct bytes){input->scratch, size};
    *restp = input->scratch + (size + EVENT_PADDING) / 16 * 16 + 16;
    return STATUS_OK;
}

static enum status kafka_event(struct verify_input *input, struct event *event, struct error *error)
{
    const rd_kafka_message_t *message;
    struct bytes raw;
    uint8_t *rest;
    enum status status = next(input, &message, error);
    if (status == STATUS_END && !input->counted[input->partition]) {
        input->counted[input->partition] = true;
        input->events += input->passed;
    }
    TRY(status);
    input->passed++;
    TRY(padded(input, message, (size_t)input->config->source.event_size_max + 1, &raw, &rest,
               error));
    event_decode(input->decoder, raw, rd_kafka_message_timestamp(message, NULL), rest, event);
    event->partition = input->partition;
    event->offset = message->offset;
    return STATUS_OK;
}

static enum status decode_record(struct verify_input *input, const rd_kafka_message_t *message,
                                 struct interest_record *record, struct error *error)
{
    struct bytes value;
    uint8_t *rest;
    TRY(padded(input, message, SIZE_MAX / 8, &value, &rest, error));
    size_t room = input->scratch_size - (size_t)(rest - input->scratch);
    if (input->config->output.record == CONFIG_RECORD_JSON) {
        TRY(interest_record_decode_json(value, rest, room, record, error));
    } else {
        TRY(interest_record_decode_protobuf(value, rest, room, record, error));
    }
    if (bytes_equal(record->user, (struct bytes){message->key, message->key_len})) return STATUS_OK;
    return error_set(error, STATUS_CORRUPT, "its key is not its user");
}

static enum status kafka_record(struct verify_input *input, struct interest_record *record,
                                struct error *error)
{
    for (;;) {
        const rd_kafka_message_t *message;
        TRY(next(input, &message, error));
        TRY(decode_record(input, message, record, error));
        if (record->offset < input->committed[input->partition].seal.next_offset) return STATUS_OK;
    }
}

static enum status kafka_dead_letter(struct verify_input *input, int64_t *offsetp,
                                     struct bytes *reasonp, struct error *error)
{
    for (;;) {
        const rd_kafka_message_t *message;
        struct bytes letter;
        uint8_t *rest;
        TRY(next(input, &message, error));
        TRY(padded(input, message, BATCH_SIZE_MAX, &letter, &rest, error));
        TRY(dead_letter_decode(input->json, letter, rest, offsetp, reasonp, error));
        if (*offsetp < input->committed[input->partition].seal.next_offset) return STATUS_OK;
    }
}

static int64_t kafka_at(const struct verify_input *input)
{
    return input->number;
}

static void kafka_place(const struct verify_input *input, enum verify_sequence sequence,
                        uint32_t partition, int64_t at, char to[VERIFY_PLACE_MAX])
{
    const char *topic = sequence == VERIFY_SOURCE    ? input->config->source.topic
                        : sequence == VERIFY_RECORDS ? input->broker.topics[RECORD_INTERESTS]
                                                     : input->broker.topics[RECORD_DEAD_LETTER];
    snprintf(to, VERIFY_PLACE_MAX, "%s[%u]:%" PRId64, topic, partition, at);
}

const struct verify_input_ops verify_kafka = {
    .open = kafka_open,
    .close = kafka_close,
    .partitions = kafka_partitions,
    .events = kafka_events,
    .begin = kafka_begin,
    .event = kafka_event,
    .record = kafka_record,
    .dead_letter = kafka_dead_letter,
    .at = kafka_at,
    .place = kafka_place,
};

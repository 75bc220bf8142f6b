/*
 * verify_kafka.c - what a job on Kafka left behind, as verify's input.
 *
 * The last committed seals say how far each partition was processed. Outputs are read up to what
 * lies there afterwards, so nothing that belongs to the seals is missed. A running job may have
 * published more by then, which names source offsets beyond the seal and is passed over; that it
 * was committed indeed is asked for when the sequence is over.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "stream/broker/kafka/client.h"
#include "stream/broker/kafka/reader.h"
#include "stream/source/dead_letter.h"
#include "stream/source/event_decoder.h"
#include "stream/verify/verify_input.h"

struct verify_input {
    const struct config *config;
    struct kafka_reader *reader;
    const struct broker *broker;
    struct history_seal *seals; /* [partitions] number 0: nothing was committed */
    struct event_decoder *decoder;
    struct json_decoder *json;
    uint8_t *scratch;
    size_t scratch_size;

    /* the sequence being read: */
    enum verify_sequence sequence;
    uint32_t partition;
    int64_t first;  /* offset at which the source's partition begins */
    int64_t number; /* offset of the record last delivered, -1 before the first */
    struct {
        int64_t offset; /* the highest of the source that was passed over, -1: none */
        int64_t number; /* of the record that names it */
    } beyond;

    uint64_t passed; /* events delivered since the sequence began */
    bool *counted;   /* [partitions] its events are in `events`: it was read to the end once */
    uint64_t events;
};

static void kafka_close(struct verify_input *input)
{
    kafka_reader_close(input->reader);
    event_decoder_close(input->decoder);
    json_decoder_close(input->json);
    free(input->seals);
    free(input->counted);
    free(input->scratch);
    free(input);
}

static enum status fetch_seals(struct verify_input *input, struct error *error)
{
    uint32_t sealed = 0;
    TRY(kafka_reader_seals(input->reader, 0, input->broker->partitions, input->seals, error));
    for (uint32_t p = 0; p < input->broker->partitions; p++) {
        sealed += input->seals[p].number > 0;
    }
    if (sealed > 0) return STATUS_OK;
    return error_set(error, STATUS_INVALID,
                     "nothing was ever committed by group '%s' for '%s': is this the job's "
                     "configuration?",
                     input->config->kafka.group, input->config->source.topic);
}

/* Partitions are verified one by one, so a record must lie in its source's. */
static enum status check_counts(const struct broker *broker, struct error *error)
{
    static const enum record_kind kinds[] = {RECORD_INTERESTS, RECORD_DEAD_LETTER};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        uint32_t partitions = broker->topic_partitions[kinds[i]];
        if (partitions == broker->partitions) continue;
        return error_set(error, STATUS_REFUSED,
                         "kafka: '%s' has %u partitions, its source %u: only equal counts can be "
                         "verified",
                         broker->topics[kinds[i]], partitions, broker->partitions);
    }
    return STATUS_OK;
}

static enum status open_parts(struct verify_input *input, struct error *error)
{
    TRY(kafka_reader_open(&input->reader, input->config, error));
    input->broker = kafka_reader_broker(input->reader);
    TRY(check_counts(input->broker, error));
    input->seals = calloc(input->broker->partitions, sizeof *input->seals);
    input->counted = calloc(input->broker->partitions, sizeof *input->counted);
    if (!input->seals || !input->counted) {
        return error_set(error, STATUS_IO, "out of memory: verify");
    }
    TRY(fetch_seals(input, error));
    TRY(event_decoder_open(&input->decoder, input->config, error));
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
    return input->broker->partitions;
}

static uint64_t kafka_events(const struct verify_input *input)
{
    return input->events;
}

static int64_t kafka_first(const struct verify_input *input)
{
    return input->first;
}

static const char *topic_of(const struct verify_input *input, enum verify_sequence sequence)
{
    switch (sequence) {
    case VERIFY_SOURCE: return input->config->source.topic;
    case VERIFY_RECORDS: return input->broker->topics[RECORD_INTERESTS];
    default: return input->broker->topics[RECORD_DEAD_LETTER];
    }
}

static enum status kafka_begin(struct verify_input *input, enum verify_sequence sequence,
                               uint32_t partition, struct error *error)
{
    int64_t first, end = KAFKA_READER_NOW;
    if (sequence == VERIFY_SOURCE) end = input->seals[partition].next_offset;
    input->sequence = sequence;
    input->partition = partition;
    input->number = input->beyond.offset = -1;
    input->passed = 0;
    TRY(kafka_reader_begin(input->reader, topic_of(input, sequence), partition, end, &first,
                           error));
    if (sequence == VERIFY_SOURCE) input->first = first;
    return STATUS_OK;
}

/* Copies `size_max` bytes of a value to where a decoder may read beyond its end. */
static enum status padded(struct verify_input *input, struct bytes value, size_t size_max,
                          struct bytes *copyp, uint8_t **restp, struct error *error)
{
    size_t size = value.size < size_max ? value.size : size_max;
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
    if (size) memcpy(input->scratch, value.at, size);
    *copyp = (struct bytes){input->scratch, size};
    *restp = input->scratch + (size + EVENT_PADDING) / 16 * 16 + 16;
    return STATUS_OK;
}

static enum status kafka_event(struct verify_input *input, struct event *event, struct error *error)
{
    struct kafka_record found;
    struct bytes raw;
    uint8_t *rest;
    enum status status = kafka_reader_next(input->reader, &found, error);
    if (status == STATUS_END && !input->counted[input->partition]) {
        input->counted[input->partition] = true;
        input->events += input->passed;
    }
    TRY(status);
    input->passed++;
    input->number = found.offset;
    TRY(padded(input, found.value, (size_t)input->config->source.event_size_max + 1, &raw, &rest,
               error));
    event_decode(input->decoder, raw, found.time_ms, rest, event);
    event->partition = input->partition;
    event->offset = found.offset;
    return STATUS_OK;
}

/*
 * The output is over. If records named events beyond the seal, these must have been committed
 * since, as they became visible together.
 */
static enum status check_beyond(struct verify_input *input, struct error *error)
{
    struct history_seal seal;
    if (input->beyond.offset < 0) return STATUS_END;
    TRY(kafka_reader_seals(input->reader, input->partition, 1, &seal, error));
    int64_t offset = input->beyond.offset;
    input->beyond.offset = -1;
    if (offset < seal.next_offset) return STATUS_END;
    input->number = input->beyond.number;
    return error_set(error, STATUS_CORRUPT,
                     "it names source offset %" PRId64 ", and only those before %" PRId64
                     " were processed",
                     offset, seal.next_offset);
}

/* The next of an output's records. */
static enum status next_output(struct verify_input *input, struct kafka_record *found,
                               struct error *error)
{
    enum status status = kafka_reader_next(input->reader, found, error);
    if (status == STATUS_END) return check_beyond(input, error);
    if (status == STATUS_OK) input->number = found->offset;
    return status;
}

/* True if a record that names this source offset is later than what is verified. */
static bool is_beyond(struct verify_input *input, int64_t offset)
{
    if (offset < input->seals[input->partition].next_offset) return false;
    if (offset > input->beyond.offset) {
        input->beyond.offset = offset;
        input->beyond.number = input->number;
    }
    return true;
}

static enum status decode_record(struct verify_input *input, const struct kafka_record *found,
                                 struct interest_record *record, struct error *error)
{
    struct bytes value;
    uint8_t *rest;
    if (!found->value.at) {
        return error_set(error, STATUS_CORRUPT, "a tombstone, which no job has written");
    }
    TRY(padded(input, found->value, SIZE_MAX / 8, &value, &rest, error));
    size_t room = input->scratch_size - (size_t)(rest - input->scratch);
    if (input->config->output.record == CONFIG_RECORD_JSON) {
        TRY(interest_record_decode_json(value, rest, room, record, error));
    } else {
        TRY(interest_record_decode_protobuf(value, rest, room, record, error));
    }
    if (bytes_equal(record->user, found->key)) return STATUS_OK;
    return error_set(error, STATUS_CORRUPT, "its key is not its user");
}

static enum status kafka_record(struct verify_input *input, struct interest_record *record,
                                struct error *error)
{
    struct kafka_record found;
    do {
        TRY(next_output(input, &found, error));
        TRY(decode_record(input, &found, record, error));
    } while (is_beyond(input, record->offset));
    return STATUS_OK;
}

/* Letters of events that the source has forgotten are passed over. */
static enum status kafka_dead_letter(struct verify_input *input, int64_t *offsetp,
                                     struct bytes *reasonp, struct error *error)
{
    struct kafka_record found;
    struct bytes letter;
    uint8_t *rest;
    do {
        TRY(next_output(input, &found, error));
        TRY(padded(input, found.value, BATCH_SIZE_MAX, &letter, &rest, error));
        TRY(dead_letter_decode(input->json, letter, rest, offsetp, reasonp, error));
    } while (*offsetp < input->first || is_beyond(input, *offsetp));
    return STATUS_OK;
}

static int64_t kafka_at(const struct verify_input *input)
{
    return input->number;
}

static void kafka_place(const struct verify_input *input, enum verify_sequence sequence,
                        uint32_t partition, int64_t at, char to[VERIFY_PLACE_MAX])
{
    snprintf(to, VERIFY_PLACE_MAX, "%s[%u]:%" PRId64, topic_of(input, sequence), partition, at);
}

const struct verify_input_ops verify_kafka = {
    .open = kafka_open,
    .close = kafka_close,
    .partitions = kafka_partitions,
    .events = kafka_events,
    .first = kafka_first,
    .begin = kafka_begin,
    .event = kafka_event,
    .record = kafka_record,
    .dead_letter = kafka_dead_letter,
    .at = kafka_at,
    .place = kafka_place,
};

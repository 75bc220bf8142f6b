/*
 * log_input_kafka.c - what a job on Kafka has committed.
 *
 * The last committed seals say how far each partition was processed. Outputs are read up to what
 * lies there afterwards, so nothing that belongs to the seals is missed. A running job may have
 * published more by then, which names source offsets beyond the seal and is passed over; that it
 * was committed indeed is asked for when the sequence is over.
 */
#include "stream/log_input/log_input.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/number_text.h"
#include "stream/broker/kafka/client.h"
#include "stream/broker/kafka/letter.h"
#include "stream/broker/kafka/reader.h"
#include "stream/source/dead_letter.h"
#include "stream/source/event_decoder.h"

enum {
    HISTORY_BATCH = 1024,     /* records of one read */
    HISTORY_RETRY_MS = 60000, /* with brokers out of reach, or transactions that hide the rest */
};

struct log_input {
    const struct config *config;
    struct kafka_reader *reader;
    struct broker *broker;
    struct history_seal *seals; /* [partitions], once they were asked for */
    struct event_decoder *decoder;
    struct event_decoder *profile_decoder; /* NULL: no source.profile */
    bool profiles;                         /* are read */
    struct json_decoder *json;
    uint8_t *scratch;
    size_t scratch_size;

    /* the sequence being read: */
    uint32_t partition;
    int64_t
        first; /* where the source's partition begins if what the job has read is gone, else 0 */
    int64_t number; /* offset of the record last delivered, -1 before the first */
    struct {
        int64_t offset; /* the highest of the source that was passed over, -1: none */
        int64_t number; /* of the record that names it */
    } beyond;

    struct cuts cuts; /* of the source's partition that was begun last */

    uint64_t passed; /* events delivered since the sequence began */
    bool *counted;   /* [partitions] its events are in `events`: it was read to the end once */
    uint64_t events;

    struct history_reader *history;
    int64_t history_end; /* offset, for progress */
    struct record records[HISTORY_BATCH];
    uint32_t records_count;
    uint32_t records_next;
};

/* Gives up the history log that was read. */
static void end_history(struct log_input *input)
{
    kafka_history_close(input->history);
    input->history = NULL;
    input->records_count = input->records_next = 0;
}

static void kafka_input_close(struct log_input *input)
{
    end_history(input);
    kafka_reader_close(input->reader);
    cuts_close(&input->cuts);
    event_decoder_close(input->decoder);
    event_decoder_close(input->profile_decoder);
    json_decoder_close(input->json);
    free(input->seals);
    free(input->counted);
    free(input->scratch);
    free(input);
}

/* What was committed when it is asked for first is what is read. */
static enum status fetch_seals(struct log_input *input, struct error *error)
{
    uint32_t partitions = input->broker->partitions, sealed = 0;
    if (input->seals) return STATUS_OK;
    input->seals = calloc(partitions, sizeof *input->seals);
    if (!input->seals) return error_set(error, STATUS_IO, "out of memory: reading a job's topics");
    TRY(kafka_reader_seals(input->reader, 0, partitions, input->seals, error));
    for (uint32_t p = 0; p < partitions; p++) {
        sealed += input->seals[p].number > 0;
    }
    if (sealed > 0) return STATUS_OK;
    return error_set(error, STATUS_INVALID,
                     "nothing was ever committed by group '%s' for '%s': is this the job's "
                     "configuration?",
                     input->config->kafka.group, input->config->source.topic);
}

/* Partitions are read one by one, so a record must lie in its source's. */
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

static enum status open_kafka_input(struct log_input *input, struct error *error)
{
    TRY(kafka_reader_open(&input->reader, input->config, error));
    input->broker = kafka_reader_broker(input->reader);
    input->counted = calloc(input->broker->partitions, sizeof *input->counted);
    if (!input->counted)
        return error_set(error, STATUS_IO, "out of memory: reading a job's topics");
    TRY(event_decoder_open(&input->decoder, input->config, error));
    if (*input->config->source.profile) {
        TRY(event_decoder_open_profiles(&input->profile_decoder, input->config, error));
    }
    return json_decoder_open(&input->json, BATCH_SIZE_MAX, error);
}

static enum status kafka_input_open(struct log_input **inputp, const struct config *config,
                                    struct error *error)
{
    *inputp = NULL;
    struct log_input *input = calloc(1, sizeof *input);
    if (!input) return error_set(error, STATUS_IO, "out of memory: reading a job's topics");
    input->config = config;
    enum status status = open_kafka_input(input, error);
    if (status != STATUS_OK) {
        kafka_input_close(input);
        return status;
    }
    *inputp = input;
    return STATUS_OK;
}

static uint32_t kafka_input_partitions(const struct log_input *input)
{
    return input->broker->partitions;
}

static uint32_t kafka_input_parts(const struct log_input *input, enum log_sequence sequence)
{
    if (sequence == LOG_ITEMS) return input->broker->topic_partitions[RECORD_ITEM];
    return input->broker->partitions;
}

static uint32_t kafka_input_partition_of(const struct log_input *input, struct bytes user,
                                         bool *certainp)
{
    *certainp = false;
    return kafka_reader_likely_partition(input->reader, user);
}

static enum status kafka_input_seal(struct log_input *input, uint32_t partition,
                                    struct history_seal *seal, struct error *error)
{
    TRY(fetch_seals(input, error));
    *seal = input->seals[partition];
    return STATUS_OK;
}

static enum status kafka_input_members(struct log_input *input, uint32_t *countp,
                                       struct error *error)
{
    return kafka_reader_members(input->reader, countp, error);
}

static uint64_t kafka_input_events(const struct log_input *input)
{
    return input->events;
}

static int64_t kafka_input_cut(const struct log_input *input, struct bytes user)
{
    const struct user_cut *cut = cuts_find(&input->cuts, identity_of(user.at, user.size));
    return cut ? cut->ms : HISTORY_NO_TIME;
}

static int64_t kafka_input_first(const struct log_input *input)
{
    return input->first;
}

static const char *topic_of(const struct log_input *input, enum log_sequence sequence)
{
    switch (sequence) {
    case LOG_SOURCE: return input->config->source.topic;
    case LOG_RECORDS: return input->broker->topics[RECORD_INTERESTS];
    case LOG_DEAD_LETTERS: return input->broker->topics[RECORD_DEAD_LETTER];
    case LOG_HISTORY: return input->broker->topics[RECORD_HISTORY];
    case LOG_PROFILES: return input->config->source.profile;
    default: return input->broker->topics[RECORD_ITEM];
    }
}

/* After a pause; false if it takes too long. */
static bool may_retry(int64_t since_ns)
{
    clock_sleep_ms(CLIENT_PAUSE_MS);
    return clock_monotonic_ns() - since_ns < (int64_t)HISTORY_RETRY_MS * 1000000;
}

static enum status begin_kafka_history(struct log_input *input, uint32_t partition,
                                       struct error *error)
{
    const struct store_position start = {.next = -1};
    const int64_t begun_ns = clock_monotonic_ns();
    struct committed_position committed;
    enum status status;
    do {
        status = kafka_history_open(&input->history, input->broker, partition, &start, &committed,
                                    error);
    } while (status == STATUS_BUSY && may_retry(begun_ns));
    if (status == STATUS_BUSY) return STATUS_IO;
    input->history_end = committed.end;
    return status;
}

/* Whom of the partition the job has erased so far. */
static enum status read_input_cuts(struct log_input *input, uint32_t partition, struct error *error)
{
    const int64_t begun_ns = clock_monotonic_ns();
    enum status status;
    do {
        cuts_close(&input->cuts);
        status = kafka_cuts(input->broker, partition, INT64_MAX, &input->cuts, error);
    } while (status == STATUS_BUSY && may_retry(begun_ns));
    return status == STATUS_BUSY ? STATUS_IO : status;
}

static void begin_part(struct log_input *input, uint32_t part)
{
    end_history(input);
    input->partition = part;
    input->number = input->beyond.offset = -1;
    input->passed = 0;
}

static enum status kafka_input_begin_items(struct log_input *input, uint32_t part, int64_t from,
                                           struct error *error)
{
    const char *topic = topic_of(input, LOG_ITEMS);
    int64_t first, end;
    begin_part(input, part);
    TRY(kafka_reader_committed(input->reader, topic, part, &end, error));
    if (from > end) from = 0; /* the topic was made anew */
    return kafka_reader_begin(input->reader, topic, part, from, end, &first, error);
}

static enum status kafka_input_begin(struct log_input *input, enum log_sequence sequence,
                                     uint32_t part, struct error *error)
{
    int64_t first, end = KAFKA_READER_NOW;
    if (sequence == LOG_ITEMS) return kafka_input_begin_items(input, part, 0, error);
    begin_part(input, part);
    if (sequence == LOG_HISTORY) return begin_kafka_history(input, part, error);
    TRY(check_counts(input->broker, error));
    TRY(fetch_seals(input, error));
    const int64_t begun = sequence == LOG_SOURCE ? input->seals[part].range.first : 0;
    if (sequence == LOG_SOURCE) end = input->seals[part].next_offset;
    if (sequence == LOG_PROFILES) end = input->seals[part].next_profile;
    input->profiles = sequence == LOG_PROFILES;
    TRY(kafka_reader_begin(input->reader, topic_of(input, sequence), part, begun, end, &first,
                           error));
    if (sequence != LOG_SOURCE) return STATUS_OK;
    input->first = first > begun ? first : 0;
    return read_input_cuts(input, part, error);
}

/* Copies `size_max` bytes of a value to where a decoder may read beyond its end. */
static enum status padded(struct log_input *input, struct bytes value, size_t size_max,
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
        if (!input->scratch)
            return error_set(error, STATUS_IO, "out of memory: reading a job's topics");
        input->scratch_size = needed;
    }
    if (size) memcpy(input->scratch, value.at, size);
    *copyp = (struct bytes){input->scratch, size};
    *restp = input->scratch + (size + EVENT_PADDING) / 16 * 16 + 16;
    return STATUS_OK;
}

static enum status kafka_input_event(struct log_input *input, struct event *event,
                                     struct error *error)
{
    struct kafka_record found;
    struct bytes raw;
    uint8_t *rest;
    enum status status = kafka_reader_next(input->reader, &found, error);
    if (status == STATUS_END && !input->profiles && !input->counted[input->partition]) {
        input->counted[input->partition] = true;
        input->events += input->passed;
    }
    TRY(status);
    input->passed++;
    input->number = found.offset;
    TRY(padded(input, found.value, (size_t)input->config->source.event_size_max + 1, &raw, &rest,
               error));
    if (input->profiles) {
        event_decode_profile(input->profile_decoder, found.key, raw, rest, event);
    } else if (history_behind_cut(input->seals[input->partition].range.cut_ms, found.record_ms)) {
        *event = (struct event){.verdict = EVENT_DROPPED, .broker_ms = found.stamp_ms};
    } else {
        event_decode(input->decoder, raw, found.stamp_ms, rest, event);
    }
    event->partition = input->partition;
    event->offset = found.offset;
    return STATUS_OK;
}

/*
 * The output is over. If records named events beyond the seal, these must have been committed
 * since, as they became visible together.
 */
static enum status check_beyond(struct log_input *input, struct error *error)
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
static enum status next_kafka_output(struct log_input *input, struct kafka_record *found,
                                     struct error *error)
{
    enum status status = kafka_reader_next(input->reader, found, error);
    if (status == STATUS_END) return check_beyond(input, error);
    if (status == STATUS_OK) input->number = found->offset;
    return status;
}

/* True if a record that names this source offset is later than what is verified. */
static bool is_beyond(struct log_input *input, int64_t offset)
{
    if (offset < input->seals[input->partition].next_offset) return false;
    if (offset > input->beyond.offset) {
        input->beyond.offset = offset;
        input->beyond.number = input->number;
    }
    return true;
}

static enum status decode_record(struct log_input *input, const struct kafka_record *found,
                                 struct interest_record *record, struct error *error)
{
    struct bytes value;
    uint8_t *rest;
    if (!found->value.at) {
        *record = (struct interest_record){.user = found->key, .offset = -1, .gone = true};
        (void)parse_unsigned(kafka_reader_header(input->reader, "generation"), UINT64_MAX,
                             &record->generation);
        return STATUS_OK;
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

static enum status kafka_input_record(struct log_input *input, struct interest_record *record,
                                      struct error *error)
{
    struct kafka_record found;
    do {
        TRY(next_kafka_output(input, &found, error));
        TRY(decode_record(input, &found, record, error));
    } while (is_beyond(input, record->offset));
    return STATUS_OK;
}

/*
 * Of what event a letter is: its headers say so. Without them it is an
 * earlier build's: JSON, as in files.
 */
static enum status decode_letter(struct log_input *input, struct bytes value, int64_t *offsetp,
                                 struct bytes *reasonp, struct error *error)
{
    struct bytes offset = kafka_reader_header(input->reader, LETTER_OFFSET), letter;
    uint8_t *rest;
    *reasonp = kafka_reader_header(input->reader, LETTER_REASON);
    if (!offset.at) {
        TRY(padded(input, value, BATCH_SIZE_MAX, &letter, &rest, error));
        return dead_letter_decode(input->json, letter, rest, offsetp, reasonp, error);
    }
    if (reasonp->at && parse_signed(offset, offsetp)) return STATUS_OK;
    return error_set(error, STATUS_CORRUPT, "not a dead letter: no number in %s or no %s",
                     LETTER_OFFSET, LETTER_REASON);
}

/* Letters of events that the source has forgotten are passed over. */
/* Whether the dead letter is of a topic beside the source, whose offsets are others. */
static bool is_of_beside(const struct log_input *input)
{
    const struct bytes topic = kafka_reader_header(input->reader, LETTER_TOPIC);
    return topic.size > 0 && (bytes_equal(topic, bytes_of(input->config->source.profile)) ||
                              bytes_equal(topic, bytes_of(input->config->source.erase)));
}

static enum status kafka_input_dead_letter(struct log_input *input, int64_t *offsetp,
                                           struct bytes *reasonp, struct error *error)
{
    struct kafka_record found;
    do {
        TRY(next_kafka_output(input, &found, error));
        TRY(decode_letter(input, found.value, offsetp, reasonp, error));
    } while (is_of_beside(input) || *offsetp < input->first || is_beyond(input, *offsetp));
    return STATUS_OK;
}

static enum status kafka_input_item(struct log_input *input, struct bytes *recordp,
                                    struct error *error)
{
    struct kafka_record found;
    do {
        TRY(kafka_reader_next(input->reader, &found, error));
    } while (!found.value.at);
    input->number = found.offset;
    *recordp = found.value;
    return STATUS_OK;
}

/* Reads the next records of the history log; none at its end. */
static enum status read_history(struct log_input *input, struct error *error)
{
    const int64_t begun_ns = clock_monotonic_ns();
    enum status status;
    do {
        status = kafka_history_next(input->history, input->records, HISTORY_BATCH,
                                    &input->records_count, error);
    } while (status == STATUS_BUSY && may_retry(begun_ns));
    return status == STATUS_BUSY ? STATUS_IO : status;
}

static enum status kafka_input_history(struct log_input *input, struct record *record,
                                       struct error *error)
{
    if (input->records_next == input->records_count) {
        input->records_next = 0;
        TRY(read_history(input, error));
        if (input->records_count == 0) return STATUS_END;
    }
    *record = input->records[input->records_next++];
    return STATUS_OK;
}

static struct log_place kafka_input_place(const struct log_input *input)
{
    return (struct log_place){input->partition, input->number};
}

static void kafka_input_place_text(const struct log_input *input, enum log_sequence sequence,
                                   struct log_place place, char to[LOG_PLACE_MAX])
{
    snprintf(to, LOG_PLACE_MAX, "%s[%u]:%" PRId64, topic_of(input, sequence), place.partition,
             place.number);
}

/* Of a history log; nothing else takes long enough. */
static double kafka_input_progress(const struct log_input *input)
{
    if (!input->history) return -1;
    return (double)kafka_history_position(input->history).next / (double)(input->history_end + 1);
}

static enum status kafka_input_print(struct log_input *input, FILE *out, struct error *error)
{
    TRY(fetch_seals(input, error));
    fprintf(out, "  group      %s, reading %s\n", input->config->kafka.group,
            input->config->source.topic);
    return STATUS_OK;
}

static enum status kafka_input_print_partition(struct log_input *input, uint32_t partition,
                                               FILE *out, struct error *error)
{
    TRY(fetch_seals(input, error));
    const struct history_seal *seal = &input->seals[partition];
    fprintf(out,
            "  committed  seal %" PRIu64 ", generation %" PRIu64 ", source offset %" PRId64 "\n",
            seal->number, seal->generation, seal->next_offset);
    if (seal->next_profile) {
        fprintf(out, "  profiles   up to offset %" PRId64 "\n", seal->next_profile);
    }
    if (seal->lost) fprintf(out, "  lost       %" PRIu64 " events\n", seal->lost);
    return STATUS_OK;
}

static enum status kafka_input_store(struct log_input *input, uint32_t partition,
                                     struct store_identity *identity,
                                     struct store_position *position, struct error *error)
{
    TRY(fetch_seals(input, error));
    *identity = (struct store_identity){
        .source = broker_kafka.source_identity(input->broker),
        .partition = partition,
        .partitions = input->broker->partitions,
    };
    *position = (struct store_position){.next = -1, .seal = input->seals[partition].number};
    return STATUS_OK;
}

const struct log_input_ops log_input_kafka = {
    .open = kafka_input_open,
    .close = kafka_input_close,
    .partitions = kafka_input_partitions,
    .parts = kafka_input_parts,
    .partition_of = kafka_input_partition_of,
    .seal = kafka_input_seal,
    .members = kafka_input_members,
    .events = kafka_input_events,
    .first = kafka_input_first,
    .cut = kafka_input_cut,
    .begin = kafka_input_begin,
    .begin_items = kafka_input_begin_items,
    .event = kafka_input_event,
    .record = kafka_input_record,
    .dead_letter = kafka_input_dead_letter,
    .history = kafka_input_history,
    .item = kafka_input_item,
    .place = kafka_input_place,
    .place_text = kafka_input_place_text,
    .progress = kafka_input_progress,
    .print = kafka_input_print,
    .print_partition = kafka_input_print_partition,
    .store = kafka_input_store,
};

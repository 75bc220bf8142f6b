/*
 * history.c - reads a partition's history log back, up to what was committed last.
 *
 * What was committed last is what the group's offset says, whose metadata is the seal of the
 * transaction that committed it. So the offsets are fetched first and the log is then read until
 * that very seal. A read-committed reader meets the end of a partition before records that lie
 * behind another member's open transaction: the end counts only if it is the high watermark.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "stream/broker/kafka/client.h"

enum {
    READ_MAX = 4096,        /* records of one history_next */
    OPEN_WAIT_MS = 1000,    /* for offsets that an open transaction hides */
    READ_WAIT_MS = 100,     /* a reader heeds broker_stop so often */
    READ_QUEUE_KB = 16384,  /* fetched ahead by one reader */
    SEAL_WINDOW_MIN = 1024, /* records at the log's end that are searched for a seal at first */
};

struct history_reader {
    struct broker *broker;
    struct client consumer;
    rd_kafka_queue_t *queue;
    uint32_t partition;
    uint64_t seal; /* number of the seal to read up to */
    bool done;     /* it has been read, or there is nothing to read */
    int64_t end;   /* offset at which this reader met the end of what it may see, -1 */
    struct store_position position;
    rd_kafka_message_t *messages[READ_MAX]; /* behind the records delivered last */
    size_t count;
};

static enum status history_reader_connect(struct history_reader *reader, struct error *error)
{
    reader->consumer = (struct client){.role = "history reader", .owner = reader};
    TRY(client_open_reader(&reader->consumer, reader->broker->config, READ_QUEUE_KB, &reader->queue,
                           error));
    client_warm(&reader->consumer, reader->broker->topics[RECORD_HISTORY]);
    return STATUS_OK;
}

static void history_reader_disconnect(struct history_reader *reader)
{
    if (reader->queue) rd_kafka_queue_destroy(reader->queue);
    reader->queue = NULL;
    client_close(&reader->consumer);
}

/*
 * First offset and end, open transactions included, of this partition of a topic. STATUS_BUSY: it
 * has no leader now.
 */
static enum status history_reader_watermarks(const struct history_reader *reader, const char *topic,
                                             int64_t *lowp, int64_t *highp, struct error *error)
{
    struct broker *broker = reader->broker;
    rd_kafka_resp_err_t code =
        client_watermarks(&broker->admin, topic, reader->partition, lowp, highp);
    if (!code) return STATUS_OK;
    bool forbidden = code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    char why[CLIENT_WHY_SIZE];
    return error_set(error, forbidden ? STATUS_IO : STATUS_BUSY,
                     "kafka: asking for the end of %s[%u]: %s", topic, reader->partition,
                     client_why(&broker->admin, code, why));
}

static void history_reader_release(struct history_reader *reader)
{
    for (size_t i = 0; i < reader->count; i++) {
        rd_kafka_message_destroy(reader->messages[i]);
    }
    reader->count = 0;
}

/* What is in the way of reading on, said by the consumer instead of a record. */
static enum status history_reader_error(struct history_reader *reader,
                                        const rd_kafka_message_t *message, struct error *error)
{
    const char *topic = reader->broker->topics[RECORD_HISTORY];
    switch (message->err) {
    case RD_KAFKA_RESP_ERR__PARTITION_EOF: reader->end = message->offset; return STATUS_OK;
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
        return error_set(error, STATUS_REFUSED,
                         "kafka: the log %s[%u] does not reach back to offset %lld: %s", topic,
                         reader->partition, (long long)reader->position.next,
                         rd_kafka_message_errstr(message));
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
        return error_set(error, STATUS_IO, "kafka: reading %s: %s", topic,
                         rd_kafka_message_errstr(message));
    default:
        log_debug("history reader", log_text("text", rd_kafka_message_errstr(message)));
        return STATUS_OK;
    }
}

/* Takes note of a seal on the way. */
static enum status history_reader_seal(struct history_reader *reader,
                                       const rd_kafka_message_t *message, struct history_seal *seal,
                                       struct error *error)
{
    const struct broker *broker = reader->broker;
    TRY(history_seal_decode(seal, (struct bytes){message->payload, message->len}, error));
    if (seal->source_identity != broker->source_identity ||
        seal->partitions != broker->partitions) {
        return error_set(error, STATUS_REFUSED,
                         "kafka: the log %s[%u] belongs to another source than %s with %u "
                         "partitions; use another output.history_topic",
                         broker->topics[RECORD_HISTORY], reader->partition,
                         broker->config->source.topic, broker->partitions);
    }
    reader->position.seal = seal->number;
    reader->position.written_ms = rd_kafka_message_timestamp(message, NULL);
    return STATUS_OK;
}

/* The last seal among the last `window` records of a log that ends at `high`; number 0: none. */
static enum status seal_in_window(struct history_reader *reader, int64_t window, int64_t high,
                                  struct history_seal *seal, struct error *error)
{
    const char *topic = reader->broker->topics[RECORD_HISTORY];
    TRY(client_read_from(&reader->consumer, topic, reader->partition,
                         high > window ? high - window : 0, error));
    reader->end = -1;
    int64_t heard_ns = clock_monotonic_ns();
    while (reader->end < high) {
        enum status status = STATUS_OK;
        if (atomic_load(&reader->broker->stopping)) {
            return error_set(error, STATUS_BUSY, "kafka: the job stops");
        }
        reader->count = client_receive(reader->queue, READ_WAIT_MS, reader->messages, READ_MAX);
        if (reader->count > 0) heard_ns = clock_monotonic_ns();
        if (clock_monotonic_ns() - heard_ns > (int64_t)CLIENT_REQUEST_MS * 1000000) {
            return error_set(error, STATUS_BUSY, "kafka: nothing comes of %s[%u] before its end",
                             topic, reader->partition);
        }
        for (size_t i = 0; i < reader->count && status == STATUS_OK; i++) {
            const rd_kafka_message_t *message = reader->messages[i];
            if (message->err) {
                status = history_reader_error(reader, message, error);
            } else if (history_is_seal((struct bytes){message->key, message->key_len})) {
                status = history_reader_seal(reader, message, seal, error);
            }
        }
        history_reader_release(reader);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

/*
 * The group has no offset (it expired, or nothing was ever committed): the log itself knows. What
 * searched it is closed: librdkafka 2.0.2 stops a partition twice, which ends the process, if it is
 * assigned anew and given up before the first stop is done.
 */
static enum status seal_from_log(struct history_reader *reader, int64_t high,
                                 struct history_seal *seal, struct error *error)
{
    if (high == 0) return STATUS_OK;
    for (int64_t window = SEAL_WINDOW_MIN; seal->number == 0; window *= 16) {
        TRY(seal_in_window(reader, window, high, seal, error));
        if (window >= high) break;
    }
    history_reader_disconnect(reader);
    return history_reader_connect(reader, error);
}

/*
 * What the store may build on: a log of its own, from its first record, that reaches its position.
 */
static enum status history_reader_check_start(const struct history_reader *reader, int64_t low,
                                              int64_t high, const struct store_position *start,
                                              uint64_t seal, struct error *error)
{
    const char *topic = reader->broker->topics[RECORD_HISTORY];
    if (low != 0) {
        return error_set(error, STATUS_REFUSED,
                         "kafka: the log %s[%u] begins at offset %lld: records were deleted from "
                         "it, and histories with them",
                         topic, reader->partition, (long long)low);
    }
    if (start->next > high || start->seal > seal) {
        return error_set(error, STATUS_REFUSED,
                         "kafka: the store of partition %u is ahead of its log %s (offset %lld of "
                         "%lld, seal %llu of %llu): the topic was made anew, or the store is "
                         "another's",
                         reader->partition, topic, (long long)start->next, (long long)high,
                         (unsigned long long)start->seal, (unsigned long long)seal);
    }
    return STATUS_OK;
}

/* A job that was seeded, or is older than ranges are, has begun at 0 by its seal. */
static enum status warn_of_start(struct broker *broker, uint32_t partition,
                                 const struct history_seal *seal, struct error *error)
{
    int64_t first;
    if (seal->range.first == 0) return STATUS_OK;
    TRY(range_says_start(broker, partition, seal, &first, error));
    if (first == seal->range.first) return STATUS_OK;
    log_warn("a job begins once: source.start is not where this one did, and changes nothing",
             log_text("start", broker->config->source.start), log_int("partition", partition),
             log_int("says", first), log_int("began", seal->range.first),
             log_int("next", seal->next_offset));
    return STATUS_OK;
}

/*
 * `seal` is the one that the group's offset names. Where there is none, or it may have been changed,
 * the log knows it; and where nothing was ever committed source.start says where to read.
 */
static enum status complete_seal(struct history_reader *reader, int64_t high,
                                 struct history_seal *seal, struct error *error)
{
    struct broker *broker = reader->broker;
    if (seal->number == 0 || broker->config->kafka.accept_gap) {
        struct history_seal of_log = {0};
        TRY(seal_from_log(reader, high, &of_log, error));
        if (of_log.number > seal->number) *seal = of_log;
        seal->range.unsealed = broker->bound != 0; /* the group is to know it, too */
    }
    if (seal->number > 0) TRY(warn_of_start(broker, reader->partition, seal, error));
    if (seal->number > 0 && !range_wants_end(broker, seal)) return STATUS_OK;
    const char *source = broker->config->source.topic;
    int64_t first, end;
    TRY(history_reader_watermarks(reader, source, &first, &end, error));
    if (seal->number == 0) {
        TRY(range_fix_start(broker, reader->partition, first, end, seal, error));
    }
    if (!range_wants_end(broker, seal)) return STATUS_OK;
    return range_fix_end(broker, reader->partition, end, seal, error);
}

static enum status history_reader_open(struct history_reader *reader,
                                       const struct store_position *start,
                                       struct committed_position *committed, struct error *error)
{
    struct broker *broker = reader->broker;
    struct committed_seal of_group;
    int64_t low, high;
    TRY(history_reader_connect(reader, error));
    TRY(committed_seals(broker, &reader->consumer, &reader->partition, 1, OPEN_WAIT_MS, &of_group,
                        error));
    committed->seal = of_group.seal;
    TRY(history_reader_watermarks(reader, broker->topics[RECORD_HISTORY], &low, &high, error));
    TRY(complete_seal(reader, high, &committed->seal, error));
    TRY(history_reader_check_start(reader, low, high, start, committed->seal.number, error));

    committed->end = high;
    reader->seal = committed->seal.number;
    reader->position = *start;
    reader->done = start->seal == reader->seal;
    reader->end = -1;
    if (reader->done) return STATUS_OK;
    int64_t age_ms = start->written_ms > 0 ? clock_wall_ms() - start->written_ms : 0;
    committed->rebuild = start->next >= 0 && age_ms > broker->delete_retention_ms / 2;
    return client_read_from(&reader->consumer, broker->topics[RECORD_HISTORY], reader->partition,
                            start->next < 0 ? 0 : start->next, error);
}

enum status kafka_history_open(struct history_reader **readerp, struct broker *broker,
                               uint32_t partition, const struct store_position *start,
                               struct committed_position *committed, struct error *error)
{
    struct history_reader *reader = calloc(1, sizeof *reader);
    *readerp = NULL;
    *committed = (struct committed_position){0};
    if (!reader) return error_set(error, STATUS_IO, "out of memory");
    reader->broker = broker;
    reader->partition = partition;
    enum status status = history_reader_open(reader, start, committed, error);
    if (status != STATUS_OK) {
        kafka_history_close(reader);
        return status;
    }
    *readerp = reader;
    return STATUS_OK;
}

void kafka_history_close(struct history_reader *reader)
{
    if (!reader) return;
    history_reader_release(reader);
    history_reader_disconnect(reader);
    free(reader);
}

struct store_position kafka_history_position(const struct history_reader *reader)
{
    return reader->position;
}

/* Nothing came: is that the end, or is the rest hidden? */
static enum status history_reader_wait(struct history_reader *reader, struct error *error)
{
    const char *topic = reader->broker->topics[RECORD_HISTORY];
    if (reader->end >= 0) {
        int64_t low, high;
        TRY(history_reader_watermarks(reader, topic, &low, &high, error));
        if (reader->end >= high) {
            return error_set(error, STATUS_REFUSED,
                             "kafka: the log %s[%u] ends at %lld without seal %llu, which the "
                             "group's offset names: it was made anew or cut",
                             topic, reader->partition, (long long)high,
                             (unsigned long long)reader->seal);
        }
        return error_set(error, STATUS_BUSY,
                         "kafka: what lies behind offset %lld of %s[%u] has to wait for another "
                         "member's open transaction to end",
                         (long long)reader->end, topic, reader->partition);
    }
    return error_set(error, STATUS_BUSY, "kafka: nothing to read from %s[%u] yet", topic,
                     reader->partition);
}

/* Sorts what was received into records and what must not be delivered. */
static enum status history_reader_sort(struct history_reader *reader, struct record *records,
                                       uint32_t *countp, struct error *error)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < reader->count && !reader->done && status == STATUS_OK; i++) {
        const rd_kafka_message_t *message = reader->messages[i];
        struct bytes key = {message->key, message->key_len};
        if (message->err) {
            status = history_reader_error(reader, message, error);
            continue;
        }
        reader->position.log = 0;
        reader->position.next = message->offset + 1;
        if (!history_is_seal(key)) {
            records[(*countp)++] = (struct record){
                .kind = RECORD_HISTORY,
                .partition = reader->partition,
                .key = key,
                .value = {message->payload, message->len},
            };
            continue;
        }
        struct history_seal seal;
        status = history_reader_seal(reader, message, &seal, error);
        bool later = status == STATUS_OK && seal.number > reader->seal;
        if (later && !reader->broker->looks_only) {
            status = error_set(error, STATUS_REFUSED,
                               "kafka: %s[%u] holds seal %llu, the group's offset names %llu: it "
                               "was set back. kafka.accept_gap: true goes on where the history log "
                               "ends, so that no event is lost or counted twice",
                               reader->broker->topics[RECORD_HISTORY], reader->partition,
                               (unsigned long long)seal.number, (unsigned long long)reader->seal);
        }
        /* A job that goes on has sealed anew, and compaction removed the seal that was looked for. */
        reader->done = seal.number == reader->seal || later;
    }
    return status;
}

enum status kafka_history_next(struct history_reader *reader, struct record *records, uint32_t max,
                               uint32_t *countp, struct error *error)
{
    *countp = 0;
    while (*countp == 0 && !reader->done) {
        history_reader_release(reader);
        reader->count = client_receive(reader->queue, READ_WAIT_MS, reader->messages,
                                       max < READ_MAX ? max : READ_MAX);
        if (reader->count == 0) return history_reader_wait(reader, error);
        TRY(history_reader_sort(reader, records, countp, error));
    }
    return STATUS_OK;
}

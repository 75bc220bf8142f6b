/*
 * sample.c - looks at the newest events of a source before a job starts on it.
 *
 * A user's events must all lie in one partition: their order is its history, and its state lives
 * with that partition. A source that is not keyed by user would be folded wrongly without a sign,
 * so a user who is seen in two partitions stops the job. A partition that has no leader for the
 * moment is not looked at: the job waits for it later, and its others flow.
 */
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "base/clock.h"
#include "base/escape.h"
#include "base/log.h"
#include "stream/broker/kafka/client.h"
#include "stream/source/event_decoder.h"

enum {
    SAMPLE_PARTITIONS_MAX = 16,
    SAMPLE_EVENTS_MAX = 1024, /* of each partition */
    SAMPLE_SLOTS = 2 * SAMPLE_PARTITIONS_MAX * SAMPLE_EVENTS_MAX,
    SAMPLE_MS_MAX = 5000,
    SAMPLE_QUEUE_KB = 4096,
};

struct seen {
    uint64_t user; /* hash; 0: free */
    uint32_t partition;
};

struct sample {
    struct broker *broker;
    struct client consumer;
    rd_kafka_queue_t *queue;
    struct event_decoder *decoder;
    uint8_t *room; /* one event, padded, and the decoder's scratch */
    struct seen *seen;
    uint32_t left; /* partitions that may have more to say */
    bool over[SAMPLE_PARTITIONS_MAX];
};

/* Remembers where a user was; STATUS_REFUSED if that was elsewhere. Open addressing. */
static enum status sample_user(struct sample *sample, struct bytes user, uint32_t partition,
                               struct error *error)
{
    uint64_t hash = identity_of(user.at, user.size) | 1;
    size_t slot = splitmix64(hash) % SAMPLE_SLOTS;
    while (sample->seen[slot].user && sample->seen[slot].user != hash) {
        slot = (slot + 1) % SAMPLE_SLOTS;
    }
    struct seen *seen = &sample->seen[slot];
    if (!seen->user) *seen = (struct seen){hash, partition};
    char shown[200];
    if (sample->broker->needs_murmur2 &&
        client_murmur2(user, sample->broker->partitions) != partition) {
        return error_set(error, STATUS_REFUSED,
                         "kafka: user '%s' is in partition %u of '%s', and Kafka's default "
                         "partitioner (murmur2) puts it into %u: histories from elsewhere would "
                         "not meet its events; produce with murmur2, or copy the topic: braid "
                         "repartition",
                         escape_message(user, shown, sizeof shown), partition,
                         sample->broker->config->source.topic,
                         client_murmur2(user, sample->broker->partitions));
    }
    if (seen->partition == partition) return STATUS_OK;
    return error_set(
        error, STATUS_REFUSED,
        "kafka: user '%s' has events in partitions %u and %u of '%s': the source is "
        "not keyed by user; produce it with the user id as the record key, or copy it: braid "
        "repartition --to TOPIC",
        escape_message(user, shown, sizeof shown), seen->partition, partition,
        sample->broker->config->source.topic);
}

static enum status sample_event(struct sample *sample, const rd_kafka_message_t *message,
                                struct error *error)
{
    uint32_t size_max = sample->broker->config->source.event_size_max;
    if (!message->payload || message->len > size_max) return STATUS_OK;
    struct event event = {0};
    memcpy(sample->room, message->payload, message->len);
    event_decode(sample->decoder, (struct bytes){sample->room, message->len},
                 client_event_stamp(message, sample->broker->config),
                 sample->room + size_max + EVENT_PADDING, &event);
    if (event_is_bad(event.verdict) || event.user.size == 0) return STATUS_OK;
    return sample_user(sample, event.user, (uint32_t)message->partition, error);
}

/* Assigns the newest events of some partitions. */
static enum status sample_assign(struct sample *sample, struct error *error)
{
    const struct broker *broker = sample->broker;
    const char *topic = broker->config->source.topic;
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new(SAMPLE_PARTITIONS_MAX);
    for (int32_t p = 0; p < (int32_t)broker->partitions && p < SAMPLE_PARTITIONS_MAX; p++) {
        rd_kafka_topic_partition_list_add(list, topic, p)->offset =
            RD_KAFKA_OFFSET_TAIL(SAMPLE_EVENTS_MAX);
    }
    sample->left = (uint32_t)list->cnt;
    rd_kafka_resp_err_t code = rd_kafka_assign(sample->consumer.handle, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (!code) return STATUS_OK;
    return error_set(error, STATUS_IO, "kafka: sampling '%s': %s", topic, rd_kafka_err2str(code));
}

static enum status sample_message(struct sample *sample, const rd_kafka_message_t *message,
                                  struct error *error)
{
    if (!message->err) return sample_event(sample, message, error);
    bool *over = &sample->over[message->partition]; /* its end, or what bars the way to it */
    sample->left -= !*over;
    *over = true;
    return STATUS_OK;
}

static enum status sample_read(struct sample *sample, struct error *error)
{
    enum { BATCH = 512 };
    rd_kafka_message_t *messages[BATCH];
    int64_t deadline_ns = clock_monotonic_ns() + (int64_t)SAMPLE_MS_MAX * 1000000;
    size_t taken = 0;
    enum status status = sample_assign(sample, error);
    while (status == STATUS_OK && sample->left > 0 && taken < SAMPLE_SLOTS / 2 &&
           clock_monotonic_ns() < deadline_ns) {
        size_t count = client_receive(sample->queue, 100, messages, BATCH);
        for (size_t i = 0; i < count; i++) {
            if (status == STATUS_OK && taken < SAMPLE_SLOTS / 2) {
                status = sample_message(sample, messages[i], error);
                taken++;
            }
            rd_kafka_message_destroy(messages[i]);
        }
    }
    log_debug("source sampled", log_int("messages", (int64_t)taken));
    return status;
}

static enum status sample_open(struct sample *sample, struct error *error)
{
    const struct config *config = sample->broker->config;
    sample->consumer = (struct client){.role = "source sample", .owner = sample};
    TRY(client_open_reader(&sample->consumer, config, SAMPLE_QUEUE_KB, &sample->queue, error));
    client_warm(&sample->consumer, config->source.topic);
    TRY(event_decoder_open(&sample->decoder, config, error));
    sample->room = calloc(1, config->source.event_size_max + EVENT_PADDING +
                                 event_scratch_size(config->source.event_size_max));
    sample->seen = calloc(SAMPLE_SLOTS, sizeof *sample->seen);
    if (!sample->room || !sample->seen) return error_set(error, STATUS_IO, "out of memory");
    return STATUS_OK;
}

enum status source_sample(struct broker *broker, struct error *error)
{
    struct sample sample = {.broker = broker};
    enum status status = sample_open(&sample, error);
    if (status == STATUS_OK) status = sample_read(&sample, error);
    event_decoder_close(sample.decoder);
    if (sample.queue) rd_kafka_queue_destroy(sample.queue);
    client_close(&sample.consumer);
    free(sample.room);
    free(sample.seen);
    return status;
}

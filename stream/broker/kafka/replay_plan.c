/*
 * replay_plan.c - the topics and the group of a replay, looked at from outside.
 *
 * A name is free if its group has no offsets and none of its topics holds a record. Offsets that are
 * seals of this source are the replay itself, which goes on. How many users there are is estimated
 * by Chao's lower bound: keys seen, and a share for those not seen, of which the number seen once and
 * twice tells.
 */
#include "stream/broker/replay_plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "base/clock.h"
#include "stream/broker/kafka/client.h"

enum {
    WAIT_MS = 30000,        /* for brokers to answer */
    SAMPLE_RECORDS = 40000, /* of all partitions together */
    SAMPLE_SLOTS = 1 << 17, /* keys of them: a power of two */
    SAMPLE_BATCH = 1000,
    SAMPLE_QUEUE_KB = 4096,
    SAMPLE_SILENCE_MS = 5000, /* with a partition of which nothing comes; then it is left out */
};

struct plan_clients {
    struct broker broker;
    struct client consumer;
    rd_kafka_queue_t *queue;
};

static void close_clients(struct plan_clients *clients)
{
    if (clients->queue) rd_kafka_queue_destroy(clients->queue);
    client_close(&clients->consumer);
    client_close(&clients->broker.admin);
    free(clients->broker.reaches);
}

static enum status open_clients(struct plan_clients *clients, const struct config *config,
                                struct error *error)
{
    struct broker *broker = &clients->broker;
    broker->config = config;
    broker->looks_only = true;
    TRY(client_open_admin(&broker->admin, config, error));
    TRY(topic_count_source(broker, error));
    TRY(topics_identify_source(broker, error));
    TRY(range_open(broker, error));
    clients->consumer = (struct client){.role = "plan"};
    return client_open_reader(&clients->consumer, config, SAMPLE_QUEUE_KB, &clients->queue, error);
}

/* ---- whether the names are free ---- */

/* Whether the partition has a record that is committed: a transaction that was cut short leaves none. */
static enum status find_record(struct plan_clients *clients, const char *topic, uint32_t partition,
                               bool *foundp, struct error *error)
{
    rd_kafka_message_t *messages[SAMPLE_BATCH];
    int64_t heard_ns = clock_monotonic_ns();
    *foundp = false;
    TRY(client_read_from(&clients->consumer, topic, partition, 0, error));
    for (bool over = false; !over;) {
        const size_t count =
            client_receive(clients->queue, CLIENT_PAUSE_MS, messages, SAMPLE_BATCH);
        if (count > 0) heard_ns = clock_monotonic_ns();
        for (size_t i = 0; i < count; i++) {
            const rd_kafka_message_t *message = messages[i];
            const bool here = message->partition == (int32_t)partition && message->rkt &&
                              strcmp(rd_kafka_topic_name(message->rkt), topic) == 0;
            *foundp |= here && !message->err;
            over |= here && (!message->err || message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF);
            rd_kafka_message_destroy(messages[i]);
        }
        if (clock_monotonic_ns() - heard_ns > (int64_t)WAIT_MS * 1000000) {
            return error_set(error, STATUS_IO, "kafka: nothing comes of %s[%u]", topic, partition);
        }
    }
    return STATUS_OK;
}

static enum status refuse_content(struct plan_clients *clients, const char *topic,
                                  struct error *error)
{
    struct broker *broker = &clients->broker;
    uint32_t partitions;
    TRY(topic_count(broker, topic, &partitions, error));
    for (uint32_t p = 0; p < partitions; p++) {
        int64_t low, high;
        TRY(client_bounds(&broker->admin, topic, p, WAIT_MS, &low, &high, error));
        bool found = low > 0;
        if (low == 0 && high > 0) TRY(find_record(clients, topic, p, &found, error));
        if (!found) continue;
        return error_set(error, STATUS_REFUSED,
                         "kafka: '%s' holds records, and group '%s' has committed nothing: another "
                         "job's, or a replay whose offsets expired. Take another name, or delete "
                         "the topics of this one",
                         topic, broker->config->kafka.group);
    }
    return STATUS_OK;
}

static enum status check_free(struct plan_clients *clients, struct error *error)
{
    const struct config *config = clients->broker.config;
    const char *const topics[] = {config->output.topic, config->output.history_topic,
                                  config->output.dead_letter_topic, config->output.items_topic};
    for (size_t i = 0; i < sizeof topics / sizeof *topics; i++) {
        TRY(refuse_content(clients, topics[i], error));
    }
    return STATUS_OK;
}

/* ---- its range ---- */

/* What has begun goes on within the bounds that it began with. */
static enum status check_same_range(struct broker *broker, uint32_t partition,
                                    const struct history_seal *seal, struct error *error)
{
    const struct config *config = broker->config;
    int64_t first;
    TRY(range_says_start(broker, partition, seal, &first, error));
    if (first != seal->range.first) {
        return error_set(error, STATUS_REFUSED,
                         "source.start=%s is offset %" PRId64
                         " of partition %u, where this replay began at %" PRId64
                         ": go on with the source.start that it began with, or take another name",
                         config->source.start, first, partition, seal->range.first);
    }
    if (!range_wants_end(broker, seal)) return STATUS_OK;
    char end[32];
    snprintf(end, sizeof end, seal->range.bound ? "offset %" PRId64 : "no end", seal->range.end);
    return error_set(error, STATUS_REFUSED,
                     "source.end=%s: this replay has %s in partition %u, by another source.end: go "
                     "on with that, take another name, or let braid run go on under these names",
                     config->source.end, end, partition);
}

static enum status look_at_partition(struct broker *broker, uint32_t partition,
                                     struct history_seal *seal, struct replay_plan *plan,
                                     struct error *error)
{
    int64_t low, high;
    TRY(client_bounds(&broker->admin, broker->config->source.topic, partition, WAIT_MS, &low, &high,
                      error));
    if (seal->number > 0) TRY(check_same_range(broker, partition, seal, error));
    if (seal->number == 0) TRY(range_fix_start(broker, partition, low, high, seal, error));
    if (range_wants_end(broker, seal)) TRY(range_fix_end(broker, partition, high, seal, error));
    plan->first[partition] = seal->range.first;
    plan->next[partition] = seal->next_offset;
    plan->end[partition] = broker->bound ? seal->range.end : high;
    if (seal->target > plan->generation) plan->generation = seal->target;
    return STATUS_OK;
}

static enum status look(struct plan_clients *clients, struct replay_plan *plan, struct error *error)
{
    struct broker *broker = &clients->broker;
    struct committed_seal found[POLL_PARTITIONS_MAX];
    uint32_t at[POLL_PARTITIONS_MAX];
    plan->partitions = broker->partitions;
    for (uint32_t p = 0; p < broker->partitions; p++) {
        at[p] = p;
    }
    /* A process that was killed may have left a transaction open, which hides the group's offsets. */
    const int64_t wait_ms = (int64_t)broker->config->kafka.transaction_timeout_ms + WAIT_MS;
    TRY(committed_seals(broker, &clients->consumer, at, broker->partitions, wait_ms, found, error));
    for (uint32_t p = 0; p < broker->partitions; p++) {
        plan->begun = plan->begun || found[p].seal.number > 0;
    }
    if (!plan->begun) TRY(check_free(clients, error));
    for (uint32_t p = 0; p < broker->partitions; p++) {
        TRY(look_at_partition(broker, p, &found[p].seal, plan, error));
    }
    return STATUS_OK;
}

enum status replay_plan_look(struct replay_plan *plan, const struct config *config,
                             struct error *error)
{
    struct plan_clients clients = {0};
    *plan = (struct replay_plan){0};
    enum status status = open_clients(&clients, config, error);
    if (status == STATUS_OK) status = look(&clients, plan, error);
    close_clients(&clients);
    return status == STATUS_BUSY ? STATUS_IO : status;
}

/* ---- a sample ---- */

struct key_count {
    uint64_t key; /* hash; 0: free */
    uint32_t count;
};

static void count_key(struct key_count *slots, uint64_t key)
{
    if (key == 0) key = 1;
    uint64_t at = key & (SAMPLE_SLOTS - 1);
    while (slots[at].key != 0 && slots[at].key != key) {
        at = (at + 1) & (SAMPLE_SLOTS - 1);
    }
    slots[at].key = key;
    slots[at].count++;
}

static void count_message(struct replay_sample *sample, struct key_count *slots,
                          const rd_kafka_message_t *message)
{
    sample->records++;
    sample->bytes += message->len + message->key_len;
    if (message->key_len > 0) count_key(slots, checksum_of(message->key, message->key_len));
}

static enum status sample_partition(struct plan_clients *clients, uint32_t partition, int64_t from,
                                    int64_t end, uint64_t most, struct replay_sample *sample,
                                    struct key_count *slots, struct error *error)
{
    rd_kafka_message_t *messages[SAMPLE_BATCH];
    const char *topic = clients->broker.config->source.topic;
    const uint64_t until = sample->records + most;
    int64_t heard_ns = clock_monotonic_ns();
    if (from >= end) return STATUS_OK;
    TRY(client_read_from(&clients->consumer, topic, partition, from, error));
    bool over = false;
    while (!over && clock_monotonic_ns() - heard_ns < (int64_t)SAMPLE_SILENCE_MS * 1000000) {
        const size_t count =
            client_receive(clients->queue, CLIENT_PAUSE_MS, messages, SAMPLE_BATCH);
        if (count > 0) heard_ns = clock_monotonic_ns();
        for (size_t i = 0; i < count; i++) {
            const rd_kafka_message_t *message = messages[i];
            const bool here = message->partition == (int32_t)partition;
            if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF && here) over = true;
            if (!message->err && here && !over) count_message(sample, slots, message);
            if (here && (message->offset >= end - 1 || sample->records >= until)) over = true;
            rd_kafka_message_destroy(messages[i]);
        }
    }
    return STATUS_OK;
}

static void estimate_users(struct replay_sample *sample, const struct key_count *slots,
                           uint64_t events)
{
    double once = 0, twice = 0;
    sample->keys = 0;
    for (size_t i = 0; i < SAMPLE_SLOTS; i++) {
        sample->keys += slots[i].count > 0;
        once += slots[i].count == 1;
        twice += slots[i].count == 2;
    }
    sample->users = (double)sample->keys;
    if (sample->records < events) sample->users += once * (once - 1) / (2 * (twice + 1));
    if (sample->users > (double)events) sample->users = (double)events;
}

enum status replay_plan_sample(struct replay_sample *sample, const struct replay_plan *plan,
                               const struct config *config, struct error *error)
{
    struct plan_clients clients = {0};
    struct key_count *slots = calloc(SAMPLE_SLOTS, sizeof *slots);
    const uint64_t most = SAMPLE_RECORDS / plan->partitions + 1;
    uint64_t events = 0;
    *sample = (struct replay_sample){0};
    enum status status = slots ? open_clients(&clients, config, error)
                               : error_set(error, STATUS_IO, "out of memory: a sample");
    const int64_t begun_ns = clock_monotonic_ns();
    for (uint32_t p = 0; p < plan->partitions && status == STATUS_OK; p++) {
        const int64_t next = plan->next[p], end = plan->end[p];
        const int64_t spare = end - next > (int64_t)most ? end - next - (int64_t)most : 0;
        if (end > next) events += (uint64_t)(end - next);
        status = sample_partition(&clients, p, next + spare / 2, end, most, sample, slots, error);
    }
    sample->per_s = (double)sample->records * 1e9 / (double)(clock_monotonic_ns() - begun_ns + 1);
    if (status == STATUS_OK) estimate_users(sample, slots, events);
    free(slots);
    close_clients(&clients);
    return status;
}

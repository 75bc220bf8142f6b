/*
 * topic_copy.c - copies between topics of one cluster, in transactions.
 *
 * A consumer of no subscription reads all partitions of the source, each from a queue of its own.
 * How far each was read is committed with what was sent (lone_writer.h), as an offset of a group
 * that belongs to this copy alone (GROUP-repartition-TARGET), with a note of what was copied where.
 * The first transaction holds only that, so that a target with records and without such offsets is
 * somebody else's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "base/fault.h"
#include "base/hex.h"
#include "base/log.h"
#include "stream/broker/kafka/copy_target.h"
#include "stream/broker/kafka/lone_writer.h"

enum {
    BATCH = 256,      /* messages of a partition that are received together */
    QUEUES_SHARE = 8, /* what was fetched, of all partitions, may take this part of job.memory */
    QUEUE_KB_LEAST = 256, /* of one partition */
    QUEUE_KB_MOST = 16384,
    BOUNDS_MS = 60000, /* for the ends of a partition whose leader is out of reach */
    NOTE_VERSION = 1,
    NOTE_SIZE = 1 + 8 + 8 + 4 + 8,
    GROUP_SIZE = 2 * CONFIG_VALUE_MAX,
};

struct copy_partition {
    rd_kafka_queue_t *queue;
    int64_t first; /* where this copy began to read, */
    int64_t next;  /* everything before was sent, or held no record */
    int64_t committed;
    int64_t end;      /* it does not read on from here; INT64_MAX: it follows */
    int64_t seen_end; /* where there was nothing more last, -1 */
    uint64_t written; /* records that were sent, ever */
    rd_kafka_message_t *messages[BATCH];
    size_t count, cursor; /* the message at cursor - 1 is the one given last */
};

struct topic_copy {
    struct broker broker;
    struct config own; /* the job's, but group and instance */
    char group[GROUP_SIZE];
    struct copy_target target;
    bool follows;
    char what[GROUP_SIZE];
    struct lone_writer writer;
    struct copy_partition *partitions; /* [of the source] */
};

/* --- what was committed ----------------------------------------------------------------------- */

static void put_note(const struct topic_copy *copy, uint64_t copied, char text[2 * NOTE_SIZE + 1])
{
    uint8_t raw[NOTE_SIZE];
    struct byte_writer writer = byte_writer_of(raw, sizeof raw);
    write_u8(&writer, NOTE_VERSION);
    write_u64(&writer, copy->broker.source_identity);
    write_u64(&writer, checksum_of(copy->target.topic, strlen(copy->target.topic)));
    write_u32(&writer, copy->target.partitions);
    write_u64(&writer, copied);
    *put_hex_bytes(text, (struct bytes){raw, sizeof raw}) = 0;
}

/* Takes one partition's committed offset; its note must be that of this copy. */
static enum status take_place(void *context, const rd_kafka_topic_partition_t *answer,
                              struct error *error)
{
    struct topic_copy *copy = context;
    struct copy_partition *mine = &copy->partitions[answer->partition];
    uint8_t raw[NOTE_SIZE] = {0};
    const bool ours =
        answer->metadata_size == 2 * NOTE_SIZE &&
        parse_hex_bytes((struct bytes){answer->metadata, answer->metadata_size}, raw, NOTE_SIZE);
    struct byte_reader reader = byte_reader_of((struct bytes){raw, sizeof raw});
    const bool version = read_u8(&reader) == NOTE_VERSION;
    const bool source = read_u64(&reader) == copy->broker.source_identity;
    const bool target =
        read_u64(&reader) == checksum_of(copy->target.topic, strlen(copy->target.topic));
    const uint32_t partitions = read_u32(&reader);
    if (!ours || !version || !source || !target) {
        return error_set(error, STATUS_REFUSED,
                         "kafka: the offset %lld of group '%s' for %s[%d] is not one of a copy to "
                         "'%s'; delete that group, and the target",
                         (long long)answer->offset, copy->group, answer->topic, answer->partition,
                         copy->target.topic);
    }
    if (partitions != copy->target.partitions) {
        return error_set(error, STATUS_REFUSED,
                         "kafka: --to '%s' has %u partitions, and had %u when the copy began: "
                         "users have moved between them. Delete it, and group '%s'",
                         copy->target.topic, copy->target.partitions, partitions, copy->group);
    }
    mine->written = read_u64(&reader);
    mine->committed = answer->offset;
    return STATUS_OK;
}

/* --- transactions ----------------------------------------------------------------------------- */

static enum status copy_commit(struct topic_copy *copy, struct error *error)
{
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new((int)copy->broker.partitions);
    for (uint32_t p = 0; p < copy->broker.partitions; p++) {
        const struct copy_partition *mine = &copy->partitions[p];
        char text[2 * NOTE_SIZE + 1];
        if (mine->next == mine->committed) continue;
        put_note(copy, mine->written, text);
        lone_place_add(list, copy->own.source.topic, p, mine->next, text);
    }
    const enum status status =
        list->cnt > 0 ? lone_writer_commit(&copy->writer, list, error) : STATUS_OK;
    rd_kafka_topic_partition_list_destroy(list);
    for (uint32_t p = 0; p < copy->broker.partitions && status == STATUS_OK; p++) {
        copy->partitions[p].committed = copy->partitions[p].next;
    }
    return status;
}

static enum status copy_send(struct topic_copy *copy, uint32_t from, struct bytes key, uint32_t to,
                             struct error *error)
{
    struct copy_partition *mine = &copy->partitions[from];
    REQUIRE(mine->cursor > 0);
    const rd_kafka_message_t *message = mine->messages[mine->cursor - 1];
    const int64_t stamp_ms = rd_kafka_message_timestamp(message, NULL);
    rd_kafka_headers_t *headers = NULL;
    if (rd_kafka_message_headers(message, &headers)) headers = NULL;
    const struct lone_record record = {
        .topic = copy->target.topic,
        .partition = (int32_t)to,
        .key = key,
        .value = {message->payload, message->len},
        .stamp_ms = stamp_ms > 0 ? stamp_ms : 1, /* 0 would be now, and its event a new one */
        .headers = headers,
    };
    TRY(lone_writer_begin(&copy->writer, error));
    const enum status status = lone_writer_produce(&copy->writer, &record, error);
    if (status != STATUS_OK) {
        error_prefix(error, "copying %s[%u] offset %lld: ", copy->own.source.topic, from,
                     (long long)message->offset);
        return status;
    }
    mine->next = message->offset + 1;
    mine->written++;
    return STATUS_OK;
}

/* --- reading ---------------------------------------------------------------------------------- */

static void release_messages(struct copy_partition *mine)
{
    for (size_t i = 0; i < mine->count; i++) {
        rd_kafka_message_destroy(mine->messages[i]);
    }
    mine->count = mine->cursor = 0;
}

static enum status source_gap(const struct topic_copy *copy, uint32_t partition, int64_t low,
                              struct error *error)
{
    const struct copy_partition *mine = &copy->partitions[partition];
    return error_set(error, STATUS_REFUSED,
                     "kafka: up to %lld records of %s[%u], from offset %lld on, were deleted "
                     "before they were copied. kafka.accept_gap: true goes on without them",
                     (long long)(low - mine->next), copy->own.source.topic, partition,
                     (long long)mine->next);
}

static enum status copy_event(struct topic_copy *copy, uint32_t partition,
                              const rd_kafka_message_t *message, struct error *error)
{
    struct copy_partition *mine = &copy->partitions[partition];
    const char *why = rd_kafka_message_errstr(message);
    switch (message->err) {
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
        mine->seen_end = message->offset;
        if (message->offset > mine->next) mine->next = message->offset;
        client_report_recovery(&copy->writer.consumer);
        return STATUS_OK;
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
        /* Opening it anew says what is gone. */
        return error_set(error, STATUS_ABORTABLE, "kafka: %s[%u] offset %lld is gone: %s",
                         copy->own.source.topic, partition, (long long)mine->next, why);
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
        return error_set(error, STATUS_IO, "kafka: reading '%s': %s", copy->own.source.topic, why);
    default: client_report_error(&copy->writer.consumer, message->err, why); return STATUS_OK;
    }
}

static enum status copy_next(struct topic_copy *copy, uint32_t partition, uint32_t timeout_ms,
                             struct copied_record *record, struct error *error)
{
    struct copy_partition *mine = &copy->partitions[partition];
    if (mine->cursor == mine->count) {
        release_messages(mine);
        const bool at_end = copy->follows && mine->seen_end >= 0;
        if (mine->next < mine->end) {
            mine->count =
                client_receive(mine->queue, at_end ? 0 : timeout_ms, mine->messages, BATCH);
        }
        if (mine->count > 0) mine->seen_end = -1;
        rd_kafka_poll(copy->writer.producer.handle, 0);
    }
    while (mine->cursor < mine->count) {
        const rd_kafka_message_t *message = mine->messages[mine->cursor++];
        if (message->err) {
            TRY(copy_event(copy, partition, message, error));
            continue;
        }
        if (message->offset >= mine->end) {
            mine->next = mine->end;
            break;
        }
        *record = (struct copied_record){
            .stamp_ms = rd_kafka_message_timestamp(message, NULL),
            .key = {message->key, message->key_len},
            .value = {message->payload, message->len},
        };
        return STATUS_OK;
    }
    const bool over = mine->next >= mine->end || (copy->follows && mine->seen_end >= 0);
    return over ? STATUS_END : STATUS_BUSY;
}

/* --- opening and closing ---------------------------------------------------------------------- */

static void copy_close(struct topic_copy *copy)
{
    if (!copy) return;
    for (uint32_t p = 0; copy->partitions && p < copy->broker.partitions; p++) {
        release_messages(&copy->partitions[p]);
        if (copy->partitions[p].queue) rd_kafka_queue_destroy(copy->partitions[p].queue);
    }
    lone_writer_close(&copy->writer);
    client_close(&copy->broker.admin);
    free(copy->partitions);
    free(copy);
}

/* Bounds of one source partition, and where to read on. */
static enum status place_partition(struct topic_copy *copy, uint32_t partition, struct error *error)
{
    struct copy_partition *mine = &copy->partitions[partition];
    const char *topic = copy->own.source.topic;
    int64_t low, high;
    TRY(client_bounds(&copy->broker.admin, topic, partition, BOUNDS_MS, &low, &high, error));
    mine->next = mine->committed < 0 ? low : mine->committed;
    if (mine->next > high) {
        return error_set(error, STATUS_REFUSED,
                         "kafka: %s[%u] ends at offset %lld and was copied up to %lld: it was made "
                         "anew. Delete '%s' and group '%s'",
                         topic, partition, (long long)high, (long long)mine->next,
                         copy->target.topic, copy->group);
    }
    if (mine->next < low && !copy->own.kafka.accept_gap) {
        return source_gap(copy, partition, low, error);
    }
    if (mine->next < low) {
        log_warn("gap accepted: records were deleted before they were copied",
                 log_text("topic", topic), log_int("partition", partition),
                 log_int("first", mine->next), log_int("last", low - 1));
        mine->next = low;
    }
    mine->first = mine->next;
    mine->end = copy->follows ? INT64_MAX : high;
    return STATUS_OK;
}

/* Is the target what earlier transactions of this copy have made it? */
static enum status check_target(const struct topic_copy *copy, bool *firstp, struct error *error)
{
    const struct copy_target *target = &copy->target;
    uint64_t copied = 0;
    *firstp = true;
    for (uint32_t p = 0; p < copy->broker.partitions; p++) {
        if (copy->partitions[p].committed >= 0) *firstp = false;
        copied += copy->partitions[p].written;
    }
    if (*firstp && target->records > 0) {
        return error_set(error, STATUS_REFUSED,
                         "kafka: --to '%s' holds records that no copy of group '%s' has written: "
                         "take an empty or a new topic",
                         target->topic, copy->group);
    }
    if ((uint64_t)target->written < copied) {
        return error_set(error, STATUS_REFUSED,
                         "kafka: --to '%s' has had %lld records, and %llu were copied into it: it "
                         "was made anew. Delete group '%s' to copy everything again",
                         target->topic, (long long)target->written, (unsigned long long)copied,
                         copy->group);
    }
    return STATUS_OK;
}

static enum status start_reading(struct topic_copy *copy, struct error *error)
{
    const char *topic = copy->own.source.topic;
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new((int)copy->broker.partitions);
    for (uint32_t p = 0; p < copy->broker.partitions; p++) {
        struct copy_partition *mine = &copy->partitions[p];
        mine->queue = rd_kafka_queue_get_partition(copy->writer.consumer.handle, topic, (int32_t)p);
        rd_kafka_queue_forward(mine->queue, NULL);
        rd_kafka_topic_partition_list_add(list, topic, (int32_t)p)->offset = mine->next;
    }
    rd_kafka_resp_err_t code = rd_kafka_assign(copy->writer.consumer.handle, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (!code) return STATUS_OK;
    return error_set(error, STATUS_IO, "kafka: reading '%s': %s", topic, rd_kafka_err2str(code));
}

static uint32_t copy_queue_kb(const struct topic_copy *copy)
{
    const uint64_t kb = copy->own.job.memory / 1024 / QUEUES_SHARE / copy->broker.partitions;
    if (kb < QUEUE_KB_LEAST) return QUEUE_KB_LEAST;
    return kb < QUEUE_KB_MOST ? (uint32_t)kb : QUEUE_KB_MOST;
}

static enum status open_topics(struct topic_copy *copy, const struct copy_options *options,
                               struct error *error)
{
    TRY(client_open_admin(&copy->broker.admin, &copy->own, error));
    TRY(topic_count_source(&copy->broker, error));
    TRY(topics_identify_source(&copy->broker, error));
    return copy_target_open(&copy->target, &copy->broker, options, error);
}

static enum status open_with(struct topic_copy *copy, const struct copy_options *options,
                             struct error *error)
{
    bool first;
    TRY(kafka_check(&copy->own, error));
    TRY(open_topics(copy, options, error));
    copy->partitions = calloc(copy->broker.partitions, sizeof *copy->partitions);
    if (!copy->partitions) return error_set(error, STATUS_IO, "out of memory");
    for (uint32_t p = 0; p < copy->broker.partitions; p++) {
        copy->partitions[p].committed = copy->partitions[p].seen_end = -1;
    }
    TRY(lone_writer_open(&copy->writer, &copy->own, copy->what, copy->target.batch_size_max,
                         copy_queue_kb(copy), error));
    client_warm(&copy->writer.producer, copy->target.topic);
    TRY(lone_writer_places(&copy->writer, copy->broker.partitions, take_place, copy, error));
    TRY(check_target(copy, &first, error));
    for (uint32_t p = 0; p < copy->broker.partitions; p++) {
        TRY(place_partition(copy, p, error));
    }
    if (first) TRY(copy_commit(copy, error));
    FAULT_POINT("copy_claimed");
    return start_reading(copy, error);
}

static enum status copy_open(struct topic_copy **copyp, const struct config *config,
                             const struct copy_options *options, struct error *error)
{
    struct topic_copy *copy = calloc(1, sizeof *copy);
    *copyp = NULL;
    if (!copy) return error_set(error, STATUS_IO, "out of memory");
    copy->own = *config;
    snprintf(copy->group, sizeof copy->group, "%s-repartition-%s", config->kafka.group,
             options->target);
    snprintf(copy->what, sizeof copy->what, "a copy to '%s'", options->target);
    copy->own.kafka.group = copy->group;
    copy->own.kafka.instance = "copy";
    copy->broker.config = &copy->own;
    copy->follows = options->follows;
    const enum status status = open_with(copy, options, error);
    if (status != STATUS_OK) {
        copy_close(copy);
        return status;
    }
    *copyp = copy;
    return STATUS_OK;
}

static uint32_t copy_source_partitions(const struct topic_copy *copy)
{
    return copy->broker.partitions;
}

static uint32_t copy_target_partitions(const struct topic_copy *copy)
{
    return copy->target.partitions;
}

static uint32_t copy_partition_of(const struct topic_copy *copy, struct bytes key)
{
    return client_murmur2(key, copy->target.partitions);
}

static double copy_progress(const struct topic_copy *copy)
{
    int64_t done = 0, whole = 0;
    if (copy->follows) return -1;
    for (uint32_t p = 0; p < copy->broker.partitions; p++) {
        const struct copy_partition *mine = &copy->partitions[p];
        done += mine->next - mine->first;
        whole += mine->end - mine->first;
    }
    return whole > 0 ? (double)done / (double)whole : 1;
}

const struct topic_copy_ops topic_copy_kafka = {
    .open = copy_open,
    .close = copy_close,
    .source_partitions = copy_source_partitions,
    .target_partitions = copy_target_partitions,
    .partition_of = copy_partition_of,
    .progress = copy_progress,
    .next = copy_next,
    .send = copy_send,
    .commit = copy_commit,
};

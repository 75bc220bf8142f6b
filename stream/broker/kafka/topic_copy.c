/*
 * topic_copy.c - copies between topics of one cluster, in transactions.
 *
 * A consumer of no subscription reads all partitions of the source, each from a queue of its own,
 * and a transactional producer sends. How far each partition was read is committed in the same
 * transaction, as an offset of a group that belongs to this copy alone (GROUP-repartition-TARGET),
 * with a note of what was copied where. The first transaction holds only that, so that a target
 * with records and without such offsets is somebody else's. The producer's transactional id follows
 * from the group: who opens the copy later fences the one before, and ends what it left open.
 *
 * Whatever goes wrong in between, opening the copy anew reads what was committed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/hex.h"
#include "base/log.h"
#include "stream/broker/kafka/copy_target.h"
#include "stream/broker/kafka/session.h"

enum {
    BATCH = 256,      /* messages of a partition that are received together */
    QUEUES_SHARE = 8, /* what was fetched, of all partitions, may take this part of job.memory */
    QUEUE_KB_LEAST = 256, /* of one partition */
    QUEUE_KB_MOST = 16384,
    OFFSETS_MS = 60000,  /* for offsets that an open transaction hides */
    PATIENCE_MS = 60000, /* for one step of a transaction */
    SEND_MS = 100,       /* for room in the producer's queue, each time */
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
    struct client consumer, producer;
    rd_kafka_queue_t *queue; /* the consumer's: errors */
    rd_kafka_consumer_group_metadata_t *membership;
    rd_kafka_resp_err_t delivery_error; /* why a record of this transaction failed, 0: none */
    bool open;                          /* a transaction is */
    struct copy_partition *partitions;  /* [of the source] */
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
static enum status take_place(struct topic_copy *copy, const rd_kafka_topic_partition_t *answer,
                              struct error *error)
{
    struct copy_partition *mine = &copy->partitions[answer->partition];
    uint8_t raw[NOTE_SIZE] = {0};
    if (answer->offset == RD_KAFKA_OFFSET_INVALID) return STATUS_OK;
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

static enum status read_places(struct topic_copy *copy, struct error *error)
{
    const int64_t begun_ns = clock_monotonic_ns();
    for (;;) {
        rd_kafka_topic_partition_list_t *list =
            rd_kafka_topic_partition_list_new((int)copy->broker.partitions);
        for (uint32_t p = 0; p < copy->broker.partitions; p++) {
            rd_kafka_topic_partition_list_add(list, copy->own.source.topic, (int32_t)p);
        }
        rd_kafka_resp_err_t code = rd_kafka_committed(copy->consumer.handle, list, 1000);
        enum status status = STATUS_OK;
        for (int i = 0; i < list->cnt && !code && status == STATUS_OK; i++) {
            code = list->elems[i].err;
            if (!code) status = take_place(copy, &list->elems[i], error);
        }
        rd_kafka_topic_partition_list_destroy(list);
        if (!code) return status;
        if (clock_monotonic_ns() - begun_ns > (int64_t)OFFSETS_MS * 1000000) {
            char why[CLIENT_WHY_SIZE];
            return error_set(error, STATUS_IO, "kafka: reading the offsets of group '%s': %s",
                             copy->group, client_why(&copy->consumer, code, why));
        }
        rd_kafka_poll(copy->consumer.handle, CLIENT_PAUSE_MS);
    }
}

/* --- transactions ----------------------------------------------------------------------------- */

static void on_copy_delivery(rd_kafka_t *handle, const rd_kafka_message_t *message, void *opaque)
{
    struct topic_copy *copy = ((struct client *)opaque)->owner;
    (void)handle;
    if (message->err && !copy->delivery_error) copy->delivery_error = message->err;
}

/* Another has taken the transactional id: opening the copy anew would take it back. */
static bool is_fenced(const struct topic_copy *copy)
{
    const rd_kafka_resp_err_t code = rd_kafka_fatal_error(copy->producer.handle, NULL, 0);
    return code == RD_KAFKA_RESP_ERR__FENCED || code == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH ||
           code == RD_KAFKA_RESP_ERR_PRODUCER_FENCED;
}

/* What a step of a transaction that ended with `status` means for the copy. */
static enum status copy_failed(struct topic_copy *copy, enum status status, struct error *error)
{
    if (status == STATUS_OK) return status;
    if (status == STATUS_FENCED || is_fenced(copy)) {
        return error_set(error, STATUS_FENCED,
                         "kafka: another copy to '%s' has taken over, or a transaction was open "
                         "for longer than kafka.transaction_timeout; run it again if none has",
                         copy->target.topic);
    }
    if (copy->delivery_error) {
        error_set(error, status, "kafka: '%s' does not take a record: %s", copy->target.topic,
                  rd_kafka_err2str(copy->delivery_error));
    }
    return error->status = STATUS_ABORTABLE;
}

/* Whether a step is to be done again, for brokers are out of reach. */
static bool step_again(struct topic_copy *copy, enum status status, int64_t begun_ns)
{
    if (status != STATUS_BUSY) return false;
    rd_kafka_poll(copy->producer.handle, 0);
    return clock_monotonic_ns() - begun_ns < (int64_t)PATIENCE_MS * 1000000;
}

static enum status copy_begin(struct topic_copy *copy, struct error *error)
{
    if (copy->open) return STATUS_OK;
    TRY(copy_failed(copy,
                    client_failed(rd_kafka_begin_transaction(copy->producer.handle),
                                  "beginning a transaction", error),
                    error));
    copy->open = true;
    FAULT_POINT("copy_begun");
    return STATUS_OK;
}

static enum status send_places(struct topic_copy *copy, rd_kafka_topic_partition_list_t *list,
                               struct error *error)
{
    const int64_t begun_ns = clock_monotonic_ns();
    enum status status;
    do {
        status =
            client_failed(rd_kafka_send_offsets_to_transaction(copy->producer.handle, list,
                                                               copy->membership, CLIENT_REQUEST_MS),
                          "adding offsets to a transaction", error);
    } while (step_again(copy, status, begun_ns));
    FAULT_POINT("copy_offsets_sent");
    return status;
}

static enum status copy_end(struct topic_copy *copy, struct error *error)
{
    const int64_t begun_ns = clock_monotonic_ns();
    enum status status;
    do {
        status =
            client_failed(rd_kafka_commit_transaction(copy->producer.handle, CLIENT_REQUEST_MS),
                          "committing a transaction", error);
    } while (step_again(copy, status, begun_ns));
    return status;
}

static enum status copy_commit(struct topic_copy *copy, struct error *error)
{
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new((int)copy->broker.partitions);
    for (uint32_t p = 0; p < copy->broker.partitions; p++) {
        const struct copy_partition *mine = &copy->partitions[p];
        char text[2 * NOTE_SIZE + 1];
        if (mine->next == mine->committed) continue;
        rd_kafka_topic_partition_t *one =
            rd_kafka_topic_partition_list_add(list, copy->own.source.topic, (int32_t)p);
        put_note(copy, mine->written, text);
        one->offset = mine->next;
        one->metadata = strdup(text);
        one->metadata_size = strlen(text);
        REQUIRE(one->metadata);
    }
    const bool changed = list->cnt > 0;
    enum status status = changed ? copy_begin(copy, error) : STATUS_OK;
    if (status == STATUS_OK && changed) {
        status = copy_failed(copy, send_places(copy, list, error), error);
    }
    rd_kafka_topic_partition_list_destroy(list);
    if (status != STATUS_OK || !changed) return status;
    TRY(copy_failed(copy, copy_end(copy, error), error));
    for (uint32_t p = 0; p < copy->broker.partitions; p++) {
        copy->partitions[p].committed = copy->partitions[p].next;
    }
    copy->open = false;
    FAULT_POINT("copy_committed");
    return STATUS_OK;
}

static enum status copy_send(struct topic_copy *copy, uint32_t from, struct bytes key, uint32_t to,
                             struct error *error)
{
    struct copy_partition *mine = &copy->partitions[from];
    REQUIRE(mine->cursor > 0);
    const rd_kafka_message_t *message = mine->messages[mine->cursor - 1];
    const int64_t stamp_ms = rd_kafka_message_timestamp(message, NULL);
    rd_kafka_headers_t *theirs, *headers = NULL;
    TRY(copy_begin(copy, error));
    if (!rd_kafka_message_headers(message, &theirs)) headers = rd_kafka_headers_copy(theirs);
    const int64_t begun_ns = clock_monotonic_ns();
    rd_kafka_resp_err_t code;
    do {
        code = rd_kafka_producev(
            copy->producer.handle, RD_KAFKA_V_TOPIC(copy->target.topic),
            RD_KAFKA_V_PARTITION((int32_t)to), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
            RD_KAFKA_V_KEY(key.at, key.size), RD_KAFKA_V_VALUE(message->payload, message->len),
            /* librdkafka takes 0 for now, which would make an event without a time a new one */
            RD_KAFKA_V_TIMESTAMP(stamp_ms > 0 ? stamp_ms : 1), RD_KAFKA_V_HEADERS(headers),
            RD_KAFKA_V_END);
        if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL) rd_kafka_poll(copy->producer.handle, SEND_MS);
    } while (code == RD_KAFKA_RESP_ERR__QUEUE_FULL &&
             clock_monotonic_ns() - begun_ns < (int64_t)PATIENCE_MS * 1000000);
    if (code) {
        if (headers) rd_kafka_headers_destroy(headers);
        error_set(error, STATUS_ABORTABLE, "kafka: copying %s[%u] offset %lld to %s[%u]: %s",
                  copy->own.source.topic, from, (long long)message->offset, copy->target.topic, to,
                  rd_kafka_err2str(code));
        return copy_failed(copy, STATUS_ABORTABLE, error);
    }
    mine->next = message->offset + 1;
    mine->written++;
    FAULT_POINT("copy_sent");
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
        client_report_recovery(&copy->consumer);
        return STATUS_OK;
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
        /* Opening it anew says what is gone. */
        return error_set(error, STATUS_ABORTABLE, "kafka: %s[%u] offset %lld is gone: %s",
                         copy->own.source.topic, partition, (long long)mine->next, why);
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
        return error_set(error, STATUS_IO, "kafka: reading '%s': %s", copy->own.source.topic, why);
    default: client_report_error(&copy->consumer, message->err, why); return STATUS_OK;
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
        rd_kafka_poll(copy->producer.handle, 0);
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
    if (copy->open && copy->producer.handle) {
        rd_kafka_error_t *failure = rd_kafka_abort_transaction(copy->producer.handle, 2000);
        if (failure) rd_kafka_error_destroy(failure); /* who comes next ends it */
    }
    for (uint32_t p = 0; copy->partitions && p < copy->broker.partitions; p++) {
        release_messages(&copy->partitions[p]);
        if (copy->partitions[p].queue) rd_kafka_queue_destroy(copy->partitions[p].queue);
    }
    if (copy->membership) rd_kafka_consumer_group_metadata_destroy(copy->membership);
    if (copy->queue) rd_kafka_queue_destroy(copy->queue);
    client_close(&copy->consumer);
    client_close(&copy->producer);
    client_close(&copy->broker.admin);
    free(copy->partitions);
    free(copy);
}

static enum status open_producer(struct topic_copy *copy, struct error *error)
{
    const struct session_settings settings = session_settings_of(&copy->own, 0);
    struct client_setup setup;
    producer_setup(&setup, &copy->own, &settings, 0, copy->target.batch_size_max, error);
    rd_kafka_conf_set_dr_msg_cb(setup.conf, on_copy_delivery);
    copy->producer = (struct client){.role = "producer", .owner = copy};
    TRY(client_open(&copy->producer, &setup, RD_KAFKA_PRODUCER));
    const int64_t begun_ns = clock_monotonic_ns();
    enum status status;
    do {
        status = client_failed(rd_kafka_init_transactions(copy->producer.handle, CLIENT_REQUEST_MS),
                               "beginning to use a transactional id", error);
    } while (step_again(copy, status, begun_ns));
    client_warm(&copy->producer, copy->target.topic);
    return status == STATUS_BUSY ? STATUS_IO : status;
}

/* Bounds of one source partition, and where to read on. */
static enum status place_partition(struct topic_copy *copy, uint32_t partition, struct error *error)
{
    struct copy_partition *mine = &copy->partitions[partition];
    const char *topic = copy->own.source.topic;
    int64_t low, high;
    TRY(client_bounds(&copy->broker.admin, topic, partition, PATIENCE_MS, &low, &high, error));
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
        mine->queue = rd_kafka_queue_get_partition(copy->consumer.handle, topic, (int32_t)p);
        rd_kafka_queue_forward(mine->queue, NULL);
        rd_kafka_topic_partition_list_add(list, topic, (int32_t)p)->offset = mine->next;
    }
    rd_kafka_resp_err_t code = rd_kafka_assign(copy->consumer.handle, list);
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
    const char *topic = copy->own.source.topic;
    TRY(client_open_admin(&copy->broker.admin, &copy->own, error));
    TRY(topic_count_patiently(&copy->broker, topic, &copy->broker.partitions, error));
    if (copy->broker.partitions == 0) {
        return error_set(error, STATUS_REFUSED, "kafka: source.topic: '%s' does not exist", topic);
    }
    if (copy->broker.partitions > POLL_PARTITIONS_MAX) {
        return error_set(error, STATUS_REFUSED, "kafka: '%s' has %u partitions; at most %d work",
                         topic, copy->broker.partitions, POLL_PARTITIONS_MAX);
    }
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
    /* The producer first: what an earlier run left open ends before offsets are read. */
    TRY(open_producer(copy, error));
    copy->consumer = (struct client){.role = "consumer", .owner = copy};
    TRY(client_open_reader(&copy->consumer, &copy->own, copy_queue_kb(copy), &copy->queue, error));
    copy->membership = rd_kafka_consumer_group_metadata(copy->consumer.handle);
    TRY(read_places(copy, error));
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
    return (uint32_t)rd_kafka_msg_partitioner_murmur2(NULL, key.at, key.size,
                                                      (int32_t)copy->target.partitions, NULL, NULL);
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

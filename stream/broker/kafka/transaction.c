/*
 * transaction.c - the producer's half of a session: transactions and their outcome.
 *
 * Every commit sends the offsets of all partitions it writes, each with its seal, and the live
 * membership of the consumer: that is what fences a worker which was declared dead. What librdkafka
 * leaves open about an outcome is settled here, before the processor hears of it.
 */
#include <string.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "stream/broker/kafka/session.h"

enum {
    SEND_WAIT_MS = 100,   /* for room in the producer's queue, each time */
    STOP_WAIT_MS = 30000, /* how long brokers out of reach may delay the end of a job */
    ABORTS_MAX = 20,      /* in a row: it would go on for ever */
    ABORT_MS = 2000,
};

/* A seal's delivery tells the position that its store will record. */
static void on_delivery(rd_kafka_t *handle, const rd_kafka_message_t *message, void *opaque)
{
    struct session *session = ((struct client *)opaque)->owner;
    struct store_position *position = message->_private;
    (void)handle;
    if (message->err) {
        if (!session->delivery_error) session->delivery_error = message->err;
    } else if (position) {
        position->next = message->offset + 1;
        position->written_ms = rd_kafka_message_timestamp(message, NULL);
    }
}

/*
 * Whether a call that ended with `status` is to be made again. While brokers are out of reach it
 * is, however long that takes; only the end of the job limits the patience.
 */
static bool call_again(struct session *session, enum status status, int64_t begun_ns)
{
    if (status != STATUS_BUSY) return false;
    rd_kafka_poll(session->producer.handle, 0);
    return !atomic_load(&session->broker->stopping) ||
           clock_monotonic_ns() - begun_ns < (int64_t)STOP_WAIT_MS * 1000000;
}

/* A new producer under the old id: ends whatever an earlier one of that id has left open. */
enum status producer_open(struct session *session, struct error *error)
{
    struct client_setup setup;
    producer_setup(&setup, session->broker->config, &session->settings, session->worker,
                   session->broker->batch_size_max, error);
    rd_kafka_conf_set_dr_msg_cb(setup.conf, on_delivery);
    session->producer = (struct client){.role = "producer", .owner = session};
    TRY(client_open(&session->producer, &setup, RD_KAFKA_PRODUCER));

    const int64_t begun_ns = clock_monotonic_ns();
    enum status status;
    do {
        status =
            client_failed(rd_kafka_init_transactions(session->producer.handle, CLIENT_REQUEST_MS),
                          "beginning to use a transactional id", error);
    } while (call_again(session, status, begun_ns));
    if (status != STATUS_OK) return status == STATUS_BUSY ? STATUS_IO : status;
    for (int kind = 0; kind <= RECORD_ERASURE; kind++) {
        const char *topic = session->broker->topics[kind];
        if (*topic) client_warm(&session->producer, topic);
    }
    return STATUS_OK;
}

/*
 * Replaces a producer that can't go on; its open transaction, if any, ends with it. Mostly that
 * transaction was open for longer than transaction.timeout.ms, which fences its producer. Since the
 * new one fences in turn, the name must not be another process's by now.
 */
static enum status producer_replace(struct session *session, struct error *error)
{
    const bool fenced =
        session->producer_error.status == STATUS_FENCED || session->producer.fatal_error;
    TRY(fenced ? fencing_check_producer(session, error)
               : fencing_check_consumer(session, false, error));
    log_warn("producer is replaced: its transaction took too long, or the brokers lost it",
             log_int("worker", session->worker), log_text("reason", session->producer_error.text));
    client_close(&session->producer);
    session->ended = session->open;
    session->producer_error = (struct error){.status = STATUS_OK};
    return producer_open(session, error);
}

static bool producer_broken(const struct session *session)
{
    return session->producer_error.status != STATUS_OK || session->producer.fatal_error;
}

/* What a failed call means for the processor, and whether the producer survives it. */
static enum status transaction_failed(struct session *session, enum status status,
                                      const struct error *error)
{
    if (status == STATUS_ABORTABLE) return status;
    if (status != STATUS_FENCED) return STATUS_IO;
    session->producer_error = *error;
    return STATUS_ABORTABLE;
}

enum status kafka_begin(struct session *session, struct error *error)
{
    REQUIRE(!session->open);
    if (producer_broken(session)) TRY(producer_replace(session, error));
    enum status status = client_failed(rd_kafka_begin_transaction(session->producer.handle),
                                       "beginning a transaction", error);
    if (status != STATUS_OK) {
        session->producer_error = *error;
        TRY(producer_replace(session, error));
        status = client_failed(rd_kafka_begin_transaction(session->producer.handle),
                               "beginning a transaction", error);
    }
    if (status != STATUS_OK) return STATUS_IO;
    session->open = true;
    session->ended = false;
    session->delivery_error = RD_KAFKA_RESP_ERR_NO_ERROR;
    session->begun_ns = clock_monotonic_ns();
    return STATUS_OK;
}

/* Produces one record; `position` is filled when it has been delivered (or NULL). */
static enum status session_produce(struct session *session, const struct record *record,
                                   struct store_position *position, struct error *error)
{
    const struct broker *broker = session->broker;
    bool same = broker->topic_partitions[record->kind] == broker->partitions;
    rd_kafka_headers_t *headers = NULL;
    REQUIRE(session->open && session->partitions[record->partition].state == PARTITION_LIVE);
    REQUIRE(record->key.size > 0 || record->kind == RECORD_DEAD_LETTER);
    if (record->headers_count) {
        headers = rd_kafka_headers_new(record->headers_count);
        for (uint32_t i = 0; i < record->headers_count; i++) {
            const struct record_header *header = &record->headers[i];
            rd_kafka_header_add(headers, header->name, -1, header->value.at,
                                (ssize_t)header->value.size);
        }
    }
    const int64_t begun_ns = clock_monotonic_ns();
    for (;;) {
        rd_kafka_resp_err_t code = rd_kafka_producev(
            session->producer.handle, RD_KAFKA_V_TOPIC(broker->topics[record->kind]),
            RD_KAFKA_V_PARTITION(same ? (int32_t)record->partition : RD_KAFKA_PARTITION_UA),
            RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
            RD_KAFKA_V_KEY(record->key.at, record->key.size), /* NULL: without key */
            RD_KAFKA_V_VALUE((void *)(uintptr_t)record->value.at, record->value.size),
            RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_OPAQUE(position), RD_KAFKA_V_END);
        if (!code) return STATUS_OK; /* and the headers are librdkafka's */
        int64_t waited_ms = (clock_monotonic_ns() - begun_ns) / 1000000;
        if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL &&
            waited_ms < broker->config->kafka.transaction_timeout_ms) {
            rd_kafka_poll(session->producer.handle, SEND_WAIT_MS);
            continue;
        }
        if (headers) rd_kafka_headers_destroy(headers);
        if (session->delivery_error)
            code = session->delivery_error; /* says more than "wrong state" */
        error_set(error, STATUS_ABORTABLE, "kafka: writing to %s[%u]: %s",
                  broker->topics[record->kind], record->partition, rd_kafka_err2str(code));
        return STATUS_ABORTABLE;
    }
}

enum status kafka_send(struct session *session, const struct record *record, struct error *error)
{
    return session_produce(session, record, NULL, error);
}

static enum status send_seals(struct session *session, struct commit_partition *parts,
                              uint32_t count, struct error *error)
{
    for (uint32_t i = 0; i < count; i++) {
        uint8_t raw[HISTORY_SEAL_MAX];
        parts[i].seal.lost = session->partitions[parts[i].partition].lost;
        struct record record = {
            .kind = RECORD_HISTORY,
            .partition = parts[i].partition,
            .key = {history_seal_key, HISTORY_SEAL_KEY_SIZE},
            .value = {raw, history_seal_encode(&parts[i].seal, raw)},
        };
        struct store_position *position = &session->partitions[parts[i].partition].position;
        *position = (struct store_position){.next = -1, .seal = parts[i].seal.number};
        session->partitions[parts[i].partition].sealed = true;
        TRY(session_produce(session, &record, position, error));
    }
    FAULT_POINT("seals_sent");
    return STATUS_OK;
}

/* The offsets to commit, with the seals as their metadata, and the membership that may do so. */
static void note_offsets(struct session *session, const struct commit_partition *parts,
                         uint32_t count)
{
    session->offsets = rd_kafka_topic_partition_list_new((int)count);
    for (uint32_t i = 0; i < count; i++) {
        char text[SEAL_TEXT_SIZE];
        rd_kafka_topic_partition_t *one = rd_kafka_topic_partition_list_add(
            session->offsets, session->broker->config->source.topic, (int32_t)parts[i].partition);
        seal_to_text(&(struct committed_seal){parts[i].seal, session->writer}, text);
        one->offset = parts[i].seal.next_offset;
        one->metadata_size = strlen(text);
        one->metadata = strdup(text);
        REQUIRE(one->metadata);
    }
    session->membership = rd_kafka_consumer_group_metadata(session->consumer.handle);
}

static void forget_offsets(struct session *session)
{
    if (session->membership) rd_kafka_consumer_group_metadata_destroy(session->membership);
    if (session->offsets) rd_kafka_topic_partition_list_destroy(session->offsets);
    session->membership = NULL;
    session->offsets = NULL;
}

enum status kafka_seal(struct session *session, struct commit_partition *parts, uint32_t count,
                       struct error *error)
{
    REQUIRE(session->open && count > 0);
    FAULT_POINT("outputs_sent");
    TRY(send_seals(session, parts, count, error));
    note_offsets(session, parts, count);
    session->gathering = session->wants_commit = false;
    atomic_store(&session->committing, true);
    return STATUS_OK;
}

static enum status send_offsets(struct session *session, struct error *error)
{
    const int64_t begun_ns = clock_monotonic_ns();
    enum status status;
    do {
        status = client_failed(
            rd_kafka_send_offsets_to_transaction(session->producer.handle, session->offsets,
                                                 session->membership, CLIENT_REQUEST_MS),
            "adding offsets to a transaction", error);
    } while (call_again(session, status, begun_ns));
    forget_offsets(session);
    FAULT_POINT("offsets_sent");
    return status;
}

/*
 * Learns how a commit of unknown outcome ended: a new producer ends the old one's transaction one
 * way or the other, and then the group's offsets name the seal of the last one that was committed.
 */
static enum status resolve_commit(struct session *session, const struct commit_partition *parts,
                                  struct error *error)
{
    struct committed_seal found;
    TRY(producer_replace(session, error));
    const int64_t begun_ns = clock_monotonic_ns();
    enum status status;
    do {
        status = committed_seals(session->broker, &session->consumer, &parts[0].partition, 1,
                                 CLIENT_REQUEST_MS, &found, error);
    } while (call_again(session, status, begun_ns));
    if (status != STATUS_OK) return status;
    bool ours = found.writer == session->writer;
    bool committed = ours && found.seal.number == parts[0].seal.number;
    log_info("outcome of an interrupted commit is known", log_int("worker", session->worker),
             log_text("outcome", committed ? "committed" : "aborted"));
    if (committed) return STATUS_OK;
    return error_set(error, STATUS_ABORTABLE, "kafka: an interrupted commit was not carried out");
}

/* Ends the transaction; while brokers are out of reach the commit goes on in the background. */
static enum status end_transaction(struct session *session, struct error *error)
{
    const int64_t begun_ns = clock_monotonic_ns();
    enum status status;
    do {
        status =
            client_failed(rd_kafka_commit_transaction(session->producer.handle, CLIENT_REQUEST_MS),
                          "committing a transaction", error);
    } while (call_again(session, status, begun_ns));
    return status;
}

static void transaction_committed(struct session *session, struct commit_partition *parts,
                                  uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct session_partition *mine = &session->partitions[parts[i].partition];
        mine->committed = parts[i].seal.next_offset;
        beside_committed(mine, &parts[i].seal);
        mine->unsealed = false;
        parts[i].position = mine->position;
    }
    session->open = false;
    session->aborts = 0;
    client_report_recovery(&session->producer);
    atomic_store(&session->committing, false);
}

enum status kafka_commit(struct session *session, struct commit_partition *parts, uint32_t count,
                         struct error *error)
{
    enum status status = send_offsets(session, error);
    if (status != STATUS_OK) return transaction_failed(session, status, error);
    status = end_transaction(session, error);
    if (status == STATUS_OK) transaction_committed(session, parts, count);
    if (status == STATUS_ABORTABLE && session->delivery_error) {
        error_set(error, status, "kafka: a record was not taken: %s",
                  rd_kafka_err2str(session->delivery_error));
    }
    if (status == STATUS_OK || status == STATUS_ABORTABLE) return status;
    session->producer_error = *error;
    return STATUS_BUSY;
}

enum status kafka_settle(struct session *session, struct commit_partition *parts, uint32_t count,
                         struct error *error)
{
    enum status status = resolve_commit(session, parts, error);
    if (status == STATUS_OK) transaction_committed(session, parts, count);
    return status == STATUS_BUSY ? STATUS_IO : status;
}

enum status kafka_abort(struct session *session, struct error *error)
{
    forget_offsets(session);
    if (++session->aborts > ABORTS_MAX) {
        return error_set(error, STATUS_IO,
                         "kafka: worker %u aborted %d transactions in a row: see why above",
                         session->worker, ABORTS_MAX);
    }
    /*
     * A new producer ends the transaction as well, so there is no need to be patient with this one.
     */
    if (session->open && !session->ended && !producer_broken(session) &&
        client_failed(rd_kafka_abort_transaction(session->producer.handle, ABORT_MS),
                      "aborting a transaction", &session->producer_error) == STATUS_OK) {
        session->producer_error.status = STATUS_OK;
    }
    if (producer_broken(session)) TRY(producer_replace(session, error));
    session->open = session->gathering = session->wants_commit = false;
    atomic_store(&session->committing, false);
    for (uint32_t p = 0; p < session->broker->partitions; p++) {
        session->partitions[p].next = session->partitions[p].committed;
        beside_rewind(&session->partitions[p]);
    }
    session->assignment_dirty = true;
    return STATUS_OK;
}

void transaction_abandon(struct session *session)
{
    forget_offsets(session);
    if (!session->open || session->ended || producer_broken(session)) return;
    rd_kafka_error_t *failure = rd_kafka_abort_transaction(session->producer.handle, ABORT_MS);
    if (failure) rd_kafka_error_destroy(failure); /* then it times out */
}

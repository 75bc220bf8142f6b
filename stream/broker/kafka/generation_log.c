/*
 * generation_log.c - two compacted topics, and a producer whose transactional id is the seat.
 *
 * The id is the group's, whoever takes it: the coordinator shuts out the producer that had it. A
 * consumer is there only while there is something to read, since an idle one goes on asking for it;
 * whether there is, the ends of the topics tell.
 *
 * Visible in all logs before the next one: a coordinator answers a commit before it has marked all
 * partitions, so readers of two topics see it at two moments. But it accepts no record of the next
 * transaction before all have been marked.
 */
#include "stream/broker/kafka/generation_log.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "stream/broker/kafka/client.h"
#include "stream/broker/kafka/reader.h"

enum {
    TRANSACTION_MS = 300000, /* a generation is some hundred megabytes */
    SEAT_TRIES = 6,          /* requests of CLIENT_REQUEST_MS each, before brokers are given up */
    SEND_WAIT_MS = 100,      /* for room in the producer's queue, each time */
    OFFSETS_WAIT_MS = 10000, /* for offsets that an open transaction hides */
    RECORD_AROUND = 512,     /* bytes of a batch beside its one record */
};

struct generation_log {
    const struct config *config;
    struct kafka_reader *watch;         /* asks for ends and offsets, and never reads */
    struct kafka_reader *reader;        /* NULL: nothing is being read */
    struct client seat;                 /* handle NULL: it is another's */
    bool open;                          /* a transaction is */
    rd_kafka_resp_err_t delivery_error; /* why its first record failed */
};

static const char *topic_of(const struct generation_log *log, enum shared_log which)
{
    return kafka_reader_broker(log->watch)->topics[TOPIC_MODELS + (unsigned)which];
}

static void kafka_leave_seat(struct generation_log *log)
{
    log->open = false;
    client_close(&log->seat);
}

static void kafka_generations_close(struct generation_log *log)
{
    if (!log) return;
    kafka_leave_seat(log);
    kafka_reader_close(log->reader);
    kafka_reader_close(log->watch);
    free(log);
}

static enum status kafka_generations_open(struct generation_log **logp, const struct config *config,
                                          bool creates, struct error *error)
{
    struct generation_log *log = calloc(1, sizeof *log);
    *logp = NULL;
    if (!log) return error_set(error, STATUS_IO, "out of memory: shared generations");
    log->config = config;
    const enum status status = kafka_reader_open_shared(&log->watch, config, creates, error);
    if (status != STATUS_OK) {
        kafka_generations_close(log);
        return status;
    }
    *logp = log;
    return STATUS_OK;
}

static uint32_t kafka_record_size_max(const struct generation_log *log)
{
    return (uint32_t)(kafka_reader_broker(log->watch)->shared_size_max - RECORD_AROUND);
}

/* ---- reading ---- */

static enum status kafka_read(struct generation_log *log, enum shared_log which, int64_t from,
                              int64_t *endp, struct error *error)
{
    int64_t first;
    kafka_reader_close(log->reader);
    log->reader = NULL;
    TRY(kafka_reader_committed(log->watch, topic_of(log, which), 0, endp, error));
    if (from >= *endp) return STATUS_OK;
    TRY(kafka_reader_open_shared(&log->reader, log->config, false, error));
    return kafka_reader_begin(log->reader, topic_of(log, which), 0, from, *endp, &first, error);
}

static enum status kafka_next(struct generation_log *log, struct shared_record *record,
                              struct error *error)
{
    struct kafka_record read;
    if (!log->reader) return STATUS_END;
    const enum status status = kafka_reader_next(log->reader, &read, error);
    if (status == STATUS_OK) {
        *record = (struct shared_record){read.key, read.value};
        return STATUS_OK;
    }
    kafka_reader_close(log->reader);
    log->reader = NULL;
    return status;
}

static enum status kafka_oldest(struct generation_log *log, uint64_t *generationp,
                                struct error *error)
{
    struct broker *broker = kafka_reader_broker(log->watch);
    struct committed_seal seals[POLL_PARTITIONS_MAX];
    uint32_t at[POLL_PARTITIONS_MAX];
    for (uint32_t i = 0; i < broker->partitions; i++) {
        at[i] = i;
    }
    TRY(committed_seals(broker, kafka_reader_consumer(log->watch), at, broker->partitions,
                        OFFSETS_WAIT_MS, seals, error));
    *generationp = UINT64_MAX;
    for (uint32_t i = 0; i < broker->partitions; i++) {
        const struct history_seal *seal = &seals[i].seal;
        if (seal->number > 0 && seal->generation < *generationp) *generationp = seal->generation;
    }
    return STATUS_OK;
}

/* ---- the seat ---- */

static void on_shared(rd_kafka_t *handle, const rd_kafka_message_t *message, void *opaque)
{
    struct generation_log *log = ((struct client *)opaque)->owner;
    (void)handle;
    if (message->err && !log->delivery_error) log->delivery_error = message->err;
}

static enum status open_seat(struct generation_log *log, struct error *error)
{
    const struct config *config = log->config;
    struct client_setup setup;
    client_setup(&setup, config, error);
    client_set(&setup, "transactional.id", "%s-trainer", config->kafka.group);
    client_set(&setup, "transaction.timeout.ms", "%d", TRANSACTION_MS);
    client_set(&setup, "retry.backoff.ms", "5");
    client_set(&setup, "batch.size", "%lld",
               (long long)kafka_reader_broker(log->watch)->shared_size_max);
    client_set(&setup, "queue.buffering.max.kbytes", "%d", GENERATION_QUEUE_KB);
    rd_kafka_conf_set_dr_msg_cb(setup.conf, on_shared);
    log->seat = (struct client){.role = "trainer's seat", .owner = log};
    return client_open(&log->seat, &setup, RD_KAFKA_PRODUCER);
}

static enum status kafka_take_seat(struct generation_log *log, struct error *error)
{
    kafka_leave_seat(log);
    TRY(open_seat(log, error));
    enum status status = STATUS_BUSY;
    for (int tries = 0; status == STATUS_BUSY && tries < SEAT_TRIES; tries++) {
        rd_kafka_poll(log->seat.handle, 0);
        status = client_failed(rd_kafka_init_transactions(log->seat.handle, CLIENT_REQUEST_MS),
                               "taking the trainer's seat", error);
    }
    if (status == STATUS_OK) {
        client_warm(&log->seat, topic_of(log, SHARED_MODELS));
        client_warm(&log->seat, topic_of(log, SHARED_ITEM_VECTORS));
        return STATUS_OK;
    }
    kafka_leave_seat(log);
    return STATUS_IO; /* nobody is shut out by taking it: what is fatal is a setting */
}

static void kafka_abort_generation(struct generation_log *log)
{
    struct error error;
    if (!log->open) return;
    log->open = false;
    const enum status status =
        client_failed(rd_kafka_abort_transaction(log->seat.handle, CLIENT_REQUEST_MS),
                      "aborting a transaction", &error);
    if (status != STATUS_OK) kafka_leave_seat(log);
}

/* What a failed call means: the transaction is aborted, or with it the seat is gone. */
static enum status seat_failed(struct generation_log *log, enum status status, struct error *error)
{
    if (status == STATUS_ABORTABLE) {
        if (log->delivery_error) {
            error_set(error, status, "kafka: a record of a generation was not taken: %s",
                      rd_kafka_err2str(log->delivery_error));
        }
        kafka_abort_generation(log);
        if (log->seat.handle) return STATUS_IO;
    }
    kafka_leave_seat(log);
    return STATUS_FENCED;
}

static enum status kafka_begin_generation(struct generation_log *log, struct error *error)
{
    if (!log->seat.handle) {
        return error_set(error, STATUS_FENCED, "kafka: the trainer's seat is not held");
    }
    log->delivery_error = RD_KAFKA_RESP_ERR_NO_ERROR;
    const enum status status = client_failed(rd_kafka_begin_transaction(log->seat.handle),
                                             "beginning a transaction", error);
    if (status != STATUS_OK) return seat_failed(log, status, error);
    log->open = true;
    return STATUS_OK;
}

static enum status kafka_send_generation(struct generation_log *log, enum shared_log which,
                                         const struct shared_record *record, struct error *error)
{
    const int64_t begun_ns = clock_monotonic_ns();
    for (;;) {
        rd_kafka_resp_err_t code = rd_kafka_producev(
            log->seat.handle, RD_KAFKA_V_TOPIC(topic_of(log, which)), RD_KAFKA_V_PARTITION(0),
            RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
            RD_KAFKA_V_KEY(record->key.at, record->key.size),
            RD_KAFKA_V_VALUE((void *)(uintptr_t)record->value.at, record->value.size),
            RD_KAFKA_V_END);
        if (!code) return STATUS_OK;
        const int64_t waited_ms = (clock_monotonic_ns() - begun_ns) / 1000000;
        if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL && waited_ms < TRANSACTION_MS) {
            rd_kafka_poll(log->seat.handle, SEND_WAIT_MS);
            continue;
        }
        error_set(error, STATUS_ABORTABLE, "kafka: writing to %s: %s", topic_of(log, which),
                  rd_kafka_err2str(code));
        const bool fenced = log->seat.fatal_error || code == RD_KAFKA_RESP_ERR__FATAL ||
                            code == RD_KAFKA_RESP_ERR__FENCED;
        return seat_failed(log, fenced ? STATUS_FENCED : STATUS_ABORTABLE, error);
    }
}

static enum status kafka_commit_generation(struct generation_log *log, struct error *error)
{
    const int64_t begun_ns = clock_monotonic_ns();
    enum status status;
    do {
        rd_kafka_poll(log->seat.handle, 0);
        status = client_failed(rd_kafka_commit_transaction(log->seat.handle, CLIENT_REQUEST_MS),
                               "committing a generation", error);
    } while (status == STATUS_BUSY &&
             clock_monotonic_ns() - begun_ns < (int64_t)TRANSACTION_MS * 1000000);
    if (status != STATUS_OK) return seat_failed(log, status, error);
    log->open = false;
    return STATUS_OK;
}

const struct generation_log_ops kafka_generations = {
    .open = kafka_generations_open,
    .close = kafka_generations_close,
    .record_size_max = kafka_record_size_max,
    .read = kafka_read,
    .next = kafka_next,
    .oldest = kafka_oldest,
    .take_seat = kafka_take_seat,
    .leave_seat = kafka_leave_seat,
    .begin = kafka_begin_generation,
    .send = kafka_send_generation,
    .commit = kafka_commit_generation,
    .abort = kafka_abort_generation,
};

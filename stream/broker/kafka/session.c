/*
 * session.c - the Kafka broker: what a worker's session consumes, and its rebalances.
 *
 * What a session consumes is a pure function of its partitions: session_assign hands librdkafka the
 * live ones, each with the offset of its next event, after every change (a partition restored, an
 * abort that rewinds). A partition that is being restored is not among them, so nothing is fetched
 * for it and the others flow; nothing is ever paused or sought, which races with batch consumption.
 * Offsets are absolute: librdkafka 2.0.2 asks again for a logical one (the beginning) whose answer
 * came after an assignment had changed, and then goes back there in the middle of a partition.
 * A rebalance is noted by its callback and carried out by kafka_poll, step by step and in order.
 *
 * Thread: a session is its worker's; while a transaction that was sealed is committed, its producer
 * is the committing thread's.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/clock.h"
#include "base/log.h"
#include "stream/broker/kafka/generation_log.h"
#include "stream/broker/kafka/letter.h"
#include "stream/broker/kafka/session.h"
#include "stream/broker/kafka/watch.h"
#include "stream/source/event_decoder.h"

enum {
    ROOM_SIZE =
        8 << 20, /* payloads and scratch of one poll, beside one event of the largest size */
};

/* --- the consumer ----------------------------------------------------------------------------- */

static size_t room_size(const struct config *config)
{
    const size_t size_max = (size_t)config->source.event_size_max + 1;
    return ROOM_SIZE + size_max + event_scratch_size(size_max) + EVENT_PADDING;
}

/* Of each worker: what its two clients queue, and a poll. */
static uint64_t kafka_memory(const struct config *config)
{
    uint64_t queues = session_queues_kb(config) * 1024;
    uint64_t of_event = sizeof(struct event) + sizeof(rd_kafka_message_t *);
    uint64_t session = queues + room_size(config) + config->job.poll_events_max * of_event;
    const uint64_t shared = config_shares(config) ? generation_log_memory : 0;
    return config->job.workers * session + shared;
}

/* Hands the live partitions to librdkafka; what was fetched of an earlier assignment is dropped. */
static rd_kafka_resp_err_t session_assign(struct session *session)
{
    const struct broker *broker = session->broker;
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new((int)broker->partitions);
    for (uint32_t p = 0; p < broker->partitions; p++) {
        const struct session_partition *mine = &session->partitions[p];
        if (mine->state != PARTITION_LIVE) continue;
        beside_assign(session, p, list);
        if (mine->profiles_due || mine->next >= mine->end) continue;
        rd_kafka_topic_partition_list_add(list, broker->config->source.topic, (int32_t)p)->offset =
            mine->next;
    }
    rd_kafka_resp_err_t code = rd_kafka_assign(session->consumer.handle, list);
    rd_kafka_topic_partition_list_destroy(list);
    session->assignment_dirty = code != RD_KAFKA_RESP_ERR_NO_ERROR;
    return code;
}

/* Forgets what was received and not delivered. */
static void session_release(struct session *session)
{
    for (size_t i = 0; i < session->count; i++) {
        rd_kafka_message_destroy(session->messages[i]);
    }
    session->count = session->cursor = 0;
}

/* Only notes what is to do: the processor may be in the middle of a transaction. */
static void on_rebalance(rd_kafka_t *handle, rd_kafka_resp_err_t code,
                         rd_kafka_topic_partition_list_t *list, void *opaque)
{
    struct session *session = ((struct client *)opaque)->owner;
    if (session->closing) {
        rd_kafka_assign(handle, NULL);
        return;
    }
    session->rebalance_reported = false;
    if (code != RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        bool lost =
            code != RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS || rd_kafka_assignment_lost(handle);
        session->rebalance = lost ? REBALANCE_LOST : REBALANCE_REVOKE;
        return;
    }
    session->rebalance = REBALANCE_ASSIGN;
    fencing_note_member(session);
    for (int i = 0; i < list->cnt; i++) {
        uint32_t partition = (uint32_t)list->elems[i].partition;
        if (partition >= session->broker->partitions) {
            session->partitions_added = true;
            continue;
        }
        struct session_partition *mine = &session->partitions[partition];
        *mine = (struct session_partition){.state = PARTITION_RESTORING, .unreported = true};
    }
    session_assign(session); /* none is live yet; this acknowledges the assignment */
}

static void consumer_close(struct session *session)
{
    session->closing = true;
    if (session->consumer.handle) {
        bool owed = session->rebalance == REBALANCE_REVOKE || session->rebalance == REBALANCE_LOST;
        if (owed) rd_kafka_assign(session->consumer.handle, NULL);
        rd_kafka_consumer_close(session->consumer.handle);
    }
    if (session->queue) rd_kafka_queue_destroy(session->queue);
    session->queue = NULL;
    client_close(&session->consumer);
    session->closing = session->consumer_must_reopen = false;
}

static enum status consumer_open(struct session *session, struct error *error)
{
    const struct config *config = session->broker->config;
    struct client_setup setup;
    consumer_setup(&setup, config, &session->settings, error);
    rd_kafka_conf_set_rebalance_cb(setup.conf, on_rebalance);
    session->consumer = (struct client){.role = "consumer", .owner = session};
    TRY(client_open(&session->consumer, &setup, RD_KAFKA_CONSUMER));
    session->queue = client_messages(&session->consumer);

    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, config->source.topic, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t code = rd_kafka_subscribe(session->consumer.handle, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    if (!code) return STATUS_OK;
    return error_set(error, STATUS_IO, "kafka: subscribing to '%s': %s", config->source.topic,
                     rd_kafka_err2str(code));
}

/* --- opening and closing ---------------------------------------------------------------------- */

static void kafka_session_close(struct session *session)
{
    if (!session) return;
    session_release(session);
    transaction_abandon(session);
    consumer_close(session);
    client_close(&session->producer);
    event_decoder_close(session->decoder);
    beside_close(session);
    free(session->partitions);
    free(session->events);
    free(session->messages);
    free(session->room);
    free(session);
}

static enum status session_take_memory(struct session *session, struct error *error)
{
    const struct config *config = session->broker->config;
    size_t events_max = config->job.poll_events_max;
    session->partitions = calloc(session->broker->partitions, sizeof *session->partitions);
    session->events = calloc(events_max, sizeof *session->events);
    session->messages = calloc(events_max, sizeof(rd_kafka_message_t *));
    session->room = malloc(room_size(config));
    if (!session->partitions || !session->events || !session->messages || !session->room) {
        return error_set(error, STATUS_IO, "out of memory");
    }
    TRY(event_decoder_open(&session->decoder, config, error));
    return beside_open(session, error);
}

static enum status kafka_session_open(struct session **sessionp, struct broker *broker,
                                      uint32_t worker, struct error *error)
{
    struct session *session = calloc(1, sizeof *session);
    *sessionp = NULL;
    if (!session) return error_set(error, STATUS_IO, "out of memory");
    session->broker = broker;
    session->worker = worker;
    session->settings = session_settings_of(broker->config, worker);
    session->writer =
        splitmix64((uint64_t)clock_wall_ms() << 20 ^ (uint64_t)getpid() << 8 ^ worker);
    enum status status = session_take_memory(session, error);
    /* Transactions first: what an earlier run left open ends before anybody fetches offsets. */
    if (status == STATUS_OK) status = producer_open(session, error);
    if (status == STATUS_OK) status = consumer_open(session, error);
    if (status != STATUS_OK) {
        kafka_session_close(session);
        return status;
    }
    *sessionp = session;
    return STATUS_OK;
}

static void kafka_close(struct broker *broker)
{
    if (!broker) return;
    watch_close(broker->watch);
    client_close(&broker->admin);
    free(broker->reaches);
    free(broker);
}

static enum status kafka_open(struct broker **brokerp, const struct config *config,
                              struct error *error)
{
    *brokerp = NULL;
    TRY(kafka_check(config, error));
    if (mkdir(config->state.dir, 0777) != 0 && errno != EEXIST) {
        return error_set(error, STATUS_IO, "state.dir: making %s: %s", config->state.dir,
                         strerror(errno));
    }
    struct broker *broker = calloc(1, sizeof *broker);
    if (!broker) return error_set(error, STATUS_IO, "out of memory");
    broker->config = config;
    broker->shares = config_shares(config);
    broker->lost = metrics_get("braid_lost_events_total", NULL, NULL);
    enum status status = client_open_admin(&broker->admin, config, error);
    if (status == STATUS_OK) status = topics_open(broker, error);
    if (status == STATUS_OK) status = source_sample(broker, error);
    if (status == STATUS_OK) status = range_open(broker, error);
    if (status == STATUS_OK) status = watch_open(&broker->watch, broker, error);
    if (status != STATUS_OK) {
        kafka_close(broker);
        return status;
    }
    *brokerp = broker;
    return STATUS_OK;
}

/* --- polling ---------------------------------------------------------------------------------- */

static void poll_partitions(struct session *session, struct poll *poll, enum poll_kind kind)
{
    poll->kind = kind;
    poll->partitions_count = 0;
    for (uint32_t p = 0; p < session->broker->partitions; p++) {
        struct session_partition *mine = &session->partitions[p];
        if (mine->state == PARTITION_AWAY || (kind == POLL_ASSIGN && !mine->unreported)) continue;
        mine->unreported = false;
        poll->partitions[poll->partitions_count++] = p;
    }
}

/* The next step of a rebalance; *overp: it is over, and there was nothing to tell. */
static enum status session_rebalance(struct session *session, struct poll *poll, bool *overp,
                                     struct error *error)
{
    enum rebalance rebalance = session->rebalance;
    *overp = false;
    if (rebalance == REBALANCE_REVOKE && session->gathering) {
        poll->kind = POLL_COMMIT;
        return STATUS_OK;
    }
    if (!session->rebalance_reported) {
        static const enum poll_kind kinds[] = {
            [REBALANCE_ASSIGN] = POLL_ASSIGN,
            [REBALANCE_REVOKE] = POLL_REVOKE,
            [REBALANCE_LOST] = POLL_LOST,
        };
        session->rebalance_reported = true;
        poll_partitions(session, poll, kinds[rebalance]);
        if (rebalance == REBALANCE_ASSIGN) session->rebalance = REBALANCE_NONE;
        if (poll->partitions_count > 0) return STATUS_OK;
    }
    if (rebalance != REBALANCE_ASSIGN) {
        REQUIRE(!session->open);
        /* The consumer joins again once the partitions are given up: not in another's place. */
        if (rebalance == REBALANCE_LOST && !session->consumer_must_reopen)
            TRY(fencing_check_consumer(session, false, error));
        session->gathering = false;
        session_release(session);
        for (uint32_t p = 0; p < session->broker->partitions; p++) {
            session->partitions[p].state = PARTITION_AWAY;
        }
        rd_kafka_assign(session->consumer.handle, NULL);
        session->assignment_dirty = false;
    }
    session->rebalance = REBALANCE_NONE;
    *overp = true;
    return STATUS_OK;
}

/* Whether another process has taken over is asked when all partitions are given up. */
static void consumer_fenced(struct session *session)
{
    session->fenced_as_member = fencing_note_member(session);
    session->consumer_must_reopen = true;
    session->rebalance = REBALANCE_LOST;
    session->rebalance_reported = false;
}

static enum status consumer_replace(struct session *session, struct error *error)
{
    consumer_close(session);
    session->consumer_must_reopen = atomic_load(&session->broker->stopping);
    if (session->consumer_must_reopen) return STATUS_OK; /* too late to join */
    TRY(fencing_check_consumer(session, session->fenced_as_member, error));
    log_warn("consumer is replaced: it was fenced, and not by another process",
             log_int("worker", session->worker));
    return consumer_open(session, error);
}

/* The end of a partition, or an error, that the consumer delivers in place of a message. */
static enum status consumer_error(struct session *session, const rd_kafka_message_t *message,
                                  struct error *error)
{
    const char *topic = session->broker->config->source.topic;
    const char *why = rd_kafka_message_errstr(message);
    switch (message->err) {
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
        session_pass(session, (uint32_t)message->partition, message->offset);
        client_report_recovery(&session->consumer);
        return STATUS_OK;
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
        if (session->partitions[message->partition].state != PARTITION_LIVE) return STATUS_OK;
        return gap_resolve(session, (uint32_t)message->partition, error);
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
        return error_set(error, STATUS_IO, "kafka: reading '%s': %s", topic, why);
    default: client_report_error(&session->consumer, message->err, why); return STATUS_OK;
    }
}

/* Copies and decodes one message into `event`; false if the poll's room is full. */
static bool session_decode(struct session *session, const rd_kafka_message_t *message,
                           size_t *usedp, struct event *event)
{
    /* A byte more than the largest event is enough to see that it is too large. */
    size_t size_max = (size_t)session->broker->config->source.event_size_max + 1;
    size_t size = message->len < size_max ? message->len : size_max;
    size_t take = size + event_scratch_size(size);
    if (*usedp > 0 && *usedp + take > ROOM_SIZE) return false;
    uint8_t *raw = session->room + *usedp, *scratch = raw + size;
    *usedp += take;
    if (size) memcpy(raw, message->payload, size);
    const struct bytes key = {message->key, message->key_len}, value = {raw, size};
    const enum event_origin origin = beside_origin(session, message);
    const int64_t cut_ms = session->partitions[message->partition].cut_ms;
    const int64_t stamp_ms = client_event_stamp(message, session->broker->config);
    if (origin) {
        beside_decode(session, origin, message, value, scratch, event);
    } else if (history_behind_cut(cut_ms, rd_kafka_message_timestamp(message, NULL))) {
        *event = (struct event){.verdict = EVENT_DROPPED, .broker_ms = stamp_ms};
    } else {
        event_decode(session->decoder, value, stamp_ms, scratch, event);
    }
    event->origin = origin;
    event->partition = (uint32_t)message->partition;
    event->offset = message->offset;
    if (event_is_bad(event->verdict)) { /* its letter is the message, which lives until next poll */
        event->payload = (struct bytes){message->payload, message->len};
        event->key = key;
    }
    return true;
}

/* Turns received messages into the events of this poll. */
static enum status session_deliver(struct session *session, struct poll *poll, struct error *error)
{
    size_t used = 0;
    uint32_t events = 0;
    for (; session->cursor < session->count; session->cursor++) {
        const rd_kafka_message_t *message = session->messages[session->cursor];
        const enum event_origin origin = beside_origin(session, message);
        if (message->err) {
            TRY(origin ? beside_error(session, origin, message, error)
                       : consumer_error(session, message, error));
            continue;
        }
        struct session_partition *mine = &session->partitions[message->partition];
        if (mine->state != PARTITION_LIVE) continue;
        if (message->offset < (origin ? mine->beside[origin].next : mine->next)) continue;
        if (!origin && message->offset >= mine->end) {
            session_pass(session, (uint32_t)message->partition, mine->end);
            continue;
        }
        if (!session_decode(session, message, &used, &session->events[events])) break;
        if (origin) {
            mine->beside[origin].next = message->offset + 1;
        } else {
            session_advance(session, mine, message->offset + 1);
        }
        events++;
    }
    if (events > 0) client_report_recovery(&session->consumer);
    if (events > 0) session_gather(session);
    poll->kind = POLL_EVENTS;
    poll->events = session->events;
    poll->events_count = events;
    return STATUS_OK;
}

/* At a limit at once, by time only when the commit before is over. */
static bool commit_due(const struct session *session)
{
    if (!session->gathering) return false;
    if (session->wants_commit || atomic_load(&session->broker->stopping)) return true;
    int64_t age_ms = (clock_monotonic_ns() - session->gathering_ns) / 1000000;
    return age_ms >= session->broker->config->job.commit_interval_ms &&
           !atomic_load(&session->committing);
}

static enum status kafka_poll(struct session *session, uint32_t timeout_ms, struct poll *poll,
                              struct error *error)
{
    poll->events_count = poll->partitions_count = 0;
    if (session->consumer.fatal_error && !session->consumer_must_reopen) consumer_fenced(session);
    if (session->partitions_added) {
        return error_set(error, STATUS_REFUSED,
                         "kafka: '%s' has more than its %u partitions now, and users have moved "
                         "between them: copy it to a new topic, and use a new group and new "
                         "companion topics",
                         session->broker->config->source.topic, session->broker->partitions);
    }
    bool rebalanced = true, range_over;
    if (session->rebalance != REBALANCE_NONE) {
        TRY(session_rebalance(session, poll, &rebalanced, error));
    }
    if (!rebalanced) return STATUS_OK;
    if (range_wants_commit(session)) {
        session_gather(session);
        session->wants_commit = true;
    }
    if (commit_due(session)) {
        poll->kind = POLL_COMMIT;
        return STATUS_OK;
    }
    TRY(range_is_over(session, &range_over, error));
    if (range_over) atomic_store(&session->broker->stopping, true);
    if (atomic_load(&session->broker->stopping)) {
        poll->kind = POLL_END;
        return STATUS_OK;
    }
    if (session->consumer_must_reopen) {
        poll->kind = POLL_EVENTS;
        return consumer_replace(session, error);
    }
    if (!atomic_load(&session->committing)) rd_kafka_poll(session->producer.handle, 0);
    if (session->assignment_dirty) {
        session_release(session);
        rd_kafka_resp_err_t code = session_assign(session);
        if (code) log_warn("assignment refused", log_text("code", rd_kafka_err2name(code)));
    }
    if (session->cursor == session->count) {
        session_release(session);
        session_refill(session);
        session->count = client_receive(session->queue, timeout_ms, session->messages,
                                        session->broker->config->job.poll_events_max);
    }
    if (session->rebalance == REBALANCE_LOST) session_release(session);
    return session_deliver(session, poll, error);
}

static enum status kafka_resume(struct session *session, uint32_t partition,
                                const struct history_seal *seal, struct error *error)
{
    struct session_partition *mine = &session->partitions[partition];
    (void)error;
    if (mine->state != PARTITION_RESTORING) return STATUS_OK; /* revoked meanwhile */
    mine->next = mine->committed = seal->next_offset;
    beside_committed(mine, seal);
    beside_rewind(mine);
    mine->sealed = seal->number > 0;
    mine->lost = seal->lost;
    mine->state = PARTITION_LIVE;
    session->assignment_dirty = true;
    beside_resume(session, partition, seal);
    range_resume(session, partition, seal);
    return STATUS_OK;
}

static void kafka_want_commit(struct session *session)
{
    session->wants_commit = true;
}

static void kafka_gather(struct session *session)
{
    session_gather(session);
}

static int64_t kafka_position(const struct session *session, uint32_t partition)
{
    return session->partitions[partition].next;
}

/* --- the table -------------------------------------------------------------------------------- */

static uint32_t kafka_partitions(const struct broker *broker)
{
    return broker->partitions;
}

static uint64_t kafka_source_identity(const struct broker *broker)
{
    return broker->source_identity;
}

static void kafka_stop(struct broker *broker)
{
    atomic_store(&broker->stopping, true);
}

static void kafka_serves(struct broker *broker, uint64_t generation)
{
    atomic_store(&broker->serves, generation);
}

static size_t kafka_dead_letter_size(const struct config *config)
{
    (void)config;
    return sizeof(struct letter_headers) + LETTER_SIZE_MAX;
}

static struct record kafka_dead_letter(const struct broker *broker, const struct event *event,
                                       void *scratch)
{
    return letter_of(event, beside_topic(broker->config, event->origin), broker->letter_size_max,
                     scratch);
}

const struct broker_ops broker_kafka = {
    .name = "kafka",
    .memory = kafka_memory,
    .check = kafka_check,
    .open = kafka_open,
    .close = kafka_close,
    .partitions = kafka_partitions,
    .partition_of = kafka_partition_of,
    .owner = watch_owner,
    .source_end = watch_source_end,
    .source_identity = kafka_source_identity,
    .stop = kafka_stop,
    .serves = kafka_serves,
    .dead_letter = kafka_dead_letter,
    .dead_letter_size = kafka_dead_letter_size,
    .progress = range_progress,
    .session_open = kafka_session_open,
    .session_close = kafka_session_close,
    .poll = kafka_poll,
    .resume = kafka_resume,
    .want_commit = kafka_want_commit,
    .gather = kafka_gather,
    .position = kafka_position,
    .begin = kafka_begin,
    .send = kafka_send,
    .seal = kafka_seal,
    .commit = kafka_commit,
    .settle = kafka_settle,
    .abort = kafka_abort,
    .history_open = kafka_history_open,
    .history_next = kafka_history_next,
    .history_position = kafka_history_position,
    .history_close = kafka_history_close,
    .cuts = kafka_cuts,
    .generations = &kafka_generations,
};

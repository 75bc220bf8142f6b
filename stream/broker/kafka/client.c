/*
 * client.c - librdkafka handles: settings, log lines, errors.
 *
 * What librdkafka says in its log is for whoever debugs a connection (log level debug); an
 * error is logged once, when it begins, and once when it is over.
 */
#include "stream/broker/kafka/client.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

enum {
    DESCRIBE_MS = 200, /* that brokers have to describe a group, at first */
    DESCRIBE_AGAIN_MS = 20,
};

static void on_log(const rd_kafka_t *handle, int level, const char *facility, const char *text)
{
    (void)handle;
    (void)level;
    log_debug("librdkafka", log_text("facility", facility), log_text("text", text));
}

/*
 * Not by the Admin API: where its request to a coordinator fails or times out at the wrong moment
 * librdkafka aborts the program (issue 4605, pull request 5397).
 *
 * rd_kafka_list_groups asks all brokers and fails for the last that failed, whatever the others
 * said: with one broker down it would fail until that one is back. Whoever has not answered within
 * its patience is left out, though (_PARTIAL), and a broker that is down mostly fails later than the
 * others answer. So it is asked for a short while, and again for twice as long.
 */
rd_kafka_resp_err_t client_describe_group(struct client *admin, const char *group, int wait_ms,
                                          look_at_group *look, void *context)
{
    static const struct rd_kafka_group_info nobody;
    const struct rd_kafka_group_list *list = NULL;
    const int64_t end_ms = clock_monotonic_ns() / 1000000 + wait_ms;
    int64_t left_ms = wait_ms;
    rd_kafka_resp_err_t code;
    for (int patience_ms = DESCRIBE_MS;; patience_ms *= 2) {
        code = rd_kafka_list_groups(admin->handle, group, &list,
                                    left_ms < patience_ms ? (int)left_ms : patience_ms);
        if (code == RD_KAFKA_RESP_ERR__PARTIAL) code = RD_KAFKA_RESP_ERR_NO_ERROR;
        left_ms = end_ms - clock_monotonic_ns() / 1000000;
        if (!code || left_ms <= 0) break;
        clock_sleep_ms(DESCRIBE_AGAIN_MS);
    }
    const struct rd_kafka_group_info *its = list && list->group_cnt > 0 ? list->groups : &nobody;
    if (!code) code = its->err;
    if (!code) look(context, its);
    if (list) rd_kafka_group_list_destroy(list);
    return code;
}

void client_report_error(struct client *client, rd_kafka_resp_err_t code, const char *reason)
{
    char text[512] = "";
    if (code == RD_KAFKA_RESP_ERR__FATAL) {
        code = rd_kafka_fatal_error(client->handle, text, sizeof text);
        client->fatal_error = code;
        reason = text;
    }
    /* A lost connection and the loss of all of them come in turns. */
    if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) code = RD_KAFKA_RESP_ERR__TRANSPORT;
    if (atomic_exchange(&client->last_error, (int)code) == (int)code) return;
    log_warn("kafka error", log_text("client", client->role),
             log_text("code", rd_kafka_err2name(code)), log_text("reason", reason));
}

static void on_error(rd_kafka_t *handle, int code, const char *reason, void *opaque)
{
    struct client *client = opaque;
    (void)handle;
    if (code != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) { /* which says no more than that */
        pthread_mutex_lock(&client->lock);
        snprintf(client->said, sizeof client->said, "%s", reason);
        pthread_mutex_unlock(&client->lock);
    }
    client_report_error(client, (rd_kafka_resp_err_t)code, reason);
}

/* Serves on_error, or only waits: librdkafka aborts the program if a poll meets a message. */
static void serve(struct client *client, uint32_t wait_ms)
{
    if (client->consumes) {
        if (wait_ms > 0) clock_sleep_ms(wait_ms);
        return;
    }
    rd_kafka_poll(client->handle, (int)wait_ms);
}

const char *client_why(struct client *client, rd_kafka_resp_err_t code, char why[CLIENT_WHY_SIZE])
{
    bool connection =
        code == RD_KAFKA_RESP_ERR__TRANSPORT || code == RD_KAFKA_RESP_ERR__TIMED_OUT ||
        code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || code == RD_KAFKA_RESP_ERR__RESOLVE ||
        code == RD_KAFKA_RESP_ERR__SSL || code == RD_KAFKA_RESP_ERR__AUTHENTICATION ||
        code == RD_KAFKA_RESP_ERR__WAIT_COORD;
    serve(client, 0);
    pthread_mutex_lock(&client->lock);
    snprintf(why, CLIENT_WHY_SIZE, "%s",
             connection && client->said[0] ? client->said : rd_kafka_err2str(code));
    pthread_mutex_unlock(&client->lock);
    return why;
}

void client_report_recovery(struct client *client)
{
    if (!atomic_exchange(&client->last_error, RD_KAFKA_RESP_ERR_NO_ERROR)) return;
    log_info("kafka recovered", log_text("client", client->role));
}

static bool is_set(const struct config *config, const char *key)
{
    for (uint32_t i = 0; i < config->kafka.client_count; i++) {
        if (strcmp(config->kafka.client[i].key, key) == 0) return true;
    }
    return false;
}

void client_setup(struct client_setup *setup, const struct config *config, struct error *error)
{
    *setup = (struct client_setup){.config = config, .conf = rd_kafka_conf_new(), .error = error};
    rd_kafka_conf_set_log_cb(setup->conf, on_log);
    rd_kafka_conf_set_error_cb(setup->conf, on_error);
    client_set(setup, "bootstrap.servers", "%s", config->kafka.brokers);
    client_set(setup, "client.id", "braid-%s", config->kafka.instance);
    client_set(setup, "log.queue", "true");
    client_set(setup, "socket.nagle.disable", "true");
    if (!is_set(config, "reconnect.backoff.ms"))
        client_set(setup, "reconnect.backoff.max.ms", "2000");
}

static void client_set_value(struct client_setup *setup, const char *key, const char *value)
{
    char why[512];
    if (setup->status != STATUS_OK) return;
    if (rd_kafka_conf_set(setup->conf, key, value, why, sizeof why) == RD_KAFKA_CONF_OK) return;
    /* `why` may quote the value, which may be a secret. */
    bool unknown = strstr(why, "No such configuration property") != NULL;
    setup->status = error_set(setup->error, STATUS_INVALID, "kafka.client.%s: librdkafka %s", key,
                              unknown ? "has no such property" : "refuses its value");
}

void client_set(struct client_setup *setup, const char *key, const char *format, ...)
{
    char value[CONFIG_VALUE_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(value, sizeof value, format, arguments);
    va_end(arguments);
    client_set_value(setup, key, value);
}

enum status client_open(struct client *client, struct client_setup *setup, rd_kafka_type_t type)
{
    const struct config *config = setup->config;
    for (uint32_t i = 0; i < config->kafka.client_count; i++) {
        client_set_value(setup, config->kafka.client[i].key, config->kafka.client[i].value);
    }
    client->handle = NULL;
    client->said[0] = 0;
    client->last_error = client->fatal_error = RD_KAFKA_RESP_ERR_NO_ERROR;
    if (setup->status != STATUS_OK) {
        rd_kafka_conf_destroy(setup->conf);
        return setup->status;
    }
    pthread_mutex_init(&client->lock, NULL);
    char why[512];
    rd_kafka_conf_set_opaque(setup->conf, client);
    client->handle = rd_kafka_new(type, setup->conf, why, sizeof why);
    if (!client->handle) {
        rd_kafka_conf_destroy(setup->conf);
        pthread_mutex_destroy(&client->lock);
        return error_set(setup->error, STATUS_INVALID,
                         "kafka.client: librdkafka refuses the settings of the %s: %s",
                         client->role, why);
    }
    rd_kafka_set_log_queue(client->handle, NULL);
    return STATUS_OK;
}

static enum status open_asking(struct client *client, const char *role, const char *isolation,
                               const struct config *config, struct error *error)
{
    struct client_setup setup;
    *client = (struct client){.role = role};
    client_setup(&setup, config, error);
    client_set(&setup, "isolation.level", "%s", isolation);
    return client_open(client, &setup, RD_KAFKA_CONSUMER);
}

enum status client_open_admin(struct client *client, const struct config *config,
                              struct error *error)
{
    return open_asking(client, "admin", "read_uncommitted", config, error);
}

enum status client_open_committed(struct client *client, const struct config *config,
                                  struct error *error)
{
    return open_asking(client, "ends", "read_committed", config, error);
}

rd_kafka_queue_t *client_messages(struct client *client)
{
    rd_kafka_poll_set_consumer(client->handle);
    client->consumes = true;
    return rd_kafka_queue_get_consumer(client->handle);
}

enum status client_open_reader(struct client *client, const struct config *config,
                               uint32_t queue_kb, rd_kafka_queue_t **queuep, struct error *error)
{
    struct client_setup setup;
    *queuep = NULL;
    client_setup(&setup, config, error);
    client_set(&setup, "group.id", "%s", config->kafka.group);
    client_set(&setup, "enable.auto.commit", "false");
    client_set(&setup, "isolation.level", "read_committed");
    client_set(&setup, "auto.offset.reset", "error");
    client_set(&setup, "enable.partition.eof", "true");
    client_set(&setup, "fetch.wait.max.ms", "20"); /* the end is reported after this */
    client_set(&setup, "queued.max.messages.kbytes", "%u", queue_kb);
    TRY(client_open(client, &setup, RD_KAFKA_CONSUMER));
    *queuep = client_messages(client);
    return STATUS_OK;
}

/* Learns where a topic's partitions are. An error if that can't be had, or `partition` has no leader. */
static rd_kafka_resp_err_t find_leader(struct client *client, const char *topic, int32_t partition)
{
    const struct rd_kafka_metadata *metadata;
    rd_kafka_topic_t *named = rd_kafka_topic_new(client->handle, topic, NULL);
    if (!named) return rd_kafka_last_error();
    rd_kafka_resp_err_t code =
        rd_kafka_metadata(client->handle, 0, named, &metadata, CLIENT_REQUEST_MS);
    rd_kafka_topic_destroy(named);
    if (code) return code;
    const struct rd_kafka_metadata_topic *found = &metadata->topics[0];
    code = found->err;
    for (int i = 0; i < found->partition_cnt && !code; i++) {
        if (found->partitions[i].id == partition) code = found->partitions[i].err;
    }
    rd_kafka_metadata_destroy(metadata);
    return code;
}

void client_warm(struct client *client, const char *topic)
{
    (void)find_leader(client, topic, -1); /* the topic's next use fails and says why */
}

/* The offset of a partition at `time`: RD_KAFKA_OFFSET_BEGINNING or RD_KAFKA_OFFSET_END. */
static rd_kafka_resp_err_t offset_at(struct client *client, const char *topic, uint32_t partition,
                                     int64_t time, int64_t *offsetp)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *asked =
        rd_kafka_topic_partition_list_add(list, topic, (int32_t)partition);
    asked->offset = time;
    rd_kafka_resp_err_t code = rd_kafka_offsets_for_times(client->handle, list, CLIENT_REQUEST_MS);
    if (!code) code = asked->err;
    *offsetp = asked->offset;
    rd_kafka_topic_partition_list_destroy(list);
    return code;
}

rd_kafka_resp_err_t client_offsets_for_times(struct client *client,
                                             rd_kafka_topic_partition_list_t *list,
                                             uint32_t wait_ms)
{
    serve(client, 0);
    return rd_kafka_offsets_for_times(client->handle, list, (int)wait_ms);
}

rd_kafka_resp_err_t client_watermarks(struct client *client, const char *topic, uint32_t partition,
                                      int64_t *lowp, int64_t *highp)
{
    serve(client, 0);
    rd_kafka_resp_err_t code = find_leader(client, topic, (int32_t)partition);
    if (!code) code = offset_at(client, topic, partition, RD_KAFKA_OFFSET_BEGINNING, lowp);
    if (!code) code = offset_at(client, topic, partition, RD_KAFKA_OFFSET_END, highp);
    return code;
}

rd_kafka_resp_err_t client_offset_at(struct client *client, const char *topic, uint32_t partition,
                                     int64_t time_ms, int64_t *offsetp)
{
    const rd_kafka_resp_err_t code = find_leader(client, topic, (int32_t)partition);
    return code ? code : offset_at(client, topic, partition, time_ms, offsetp);
}

enum status client_bounds(struct client *client, const char *topic, uint32_t partition,
                          int64_t wait_ms, int64_t *lowp, int64_t *highp, struct error *error)
{
    const int64_t begun_ns = clock_monotonic_ns();
    rd_kafka_resp_err_t code;
    while ((code = client_watermarks(client, topic, partition, lowp, highp))) {
        const bool forbidden = code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
        if (forbidden || clock_monotonic_ns() - begun_ns > wait_ms * 1000000) {
            char why[CLIENT_WHY_SIZE];
            return error_set(error, STATUS_IO, "kafka: asking for the end of %s[%u]: %s", topic,
                             partition, client_why(client, code, why));
        }
        serve(client, CLIENT_PAUSE_MS);
    }
    return STATUS_OK;
}

void client_close(struct client *client)
{
    if (!client->handle) return;
    rd_kafka_destroy(client->handle);
    pthread_mutex_destroy(&client->lock);
    client->handle = NULL;
}

enum status client_failed(rd_kafka_error_t *failure, const char *what, struct error *error)
{
    if (!failure) return STATUS_OK;
    enum status status = STATUS_IO;
    if (rd_kafka_error_is_fatal(failure)) {
        status = STATUS_FENCED;
    } else if (rd_kafka_error_txn_requires_abort(failure)) {
        status = STATUS_ABORTABLE;
    } else if (rd_kafka_error_is_retriable(failure)) {
        status = STATUS_BUSY;
    }
    error_set(error, status, "kafka: %s: %s (%s)", what, rd_kafka_error_string(failure),
              rd_kafka_error_name(failure));
    rd_kafka_error_destroy(failure);
    return status;
}

size_t client_receive(rd_kafka_queue_t *queue, uint32_t timeout_ms, rd_kafka_message_t **messages,
                      size_t max)
{
    /* A batch call returns when it is full or its time is over, so wait only for the first. */
    ssize_t count = rd_kafka_consume_batch_queue(queue, 0, messages, max);
    if (count > 0) return (size_t)count;
    count = rd_kafka_consume_batch_queue(queue, (int)timeout_ms, messages, 1);
    if (count <= 0 || max == 1) return count > 0 ? 1 : 0;
    count = rd_kafka_consume_batch_queue(queue, 0, messages + 1, max - 1);
    return count > 0 ? (size_t)count + 1 : 1;
}

int64_t client_event_stamp(const rd_kafka_message_t *message, const struct config *config)
{
    rd_kafka_timestamp_type_t type;
    if (config->source.time_by == CONFIG_TIME_BY_RANGE) return -1;
    const int64_t stamp_ms = rd_kafka_message_timestamp(message, &type);
    const bool plausible =
        stamp_ms >= config->source.time_min_ms && stamp_ms <= config->source.time_max_ms;
    const bool brokers = type == RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME && stamp_ms >= 0 &&
                         stamp_ms <= HISTORY_TIME_MAX_MS;
    return brokers || plausible ? stamp_ms : -1;
}

uint32_t client_murmur2(struct bytes key, uint32_t partitions)
{
    return (uint32_t)rd_kafka_msg_partitioner_murmur2(NULL, key.at, key.size, (int32_t)partitions,
                                                      NULL, NULL);
}

enum status client_read_from(struct client *client, const char *topic, uint32_t partition,
                             int64_t offset, struct error *error)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, (int32_t)partition)->offset = offset;
    rd_kafka_resp_err_t code = rd_kafka_assign(client->handle, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (!code) return STATUS_OK;
    return error_set(error, STATUS_IO, "kafka: reading %s[%u] from %lld: %s", topic, partition,
                     (long long)offset, rd_kafka_err2str(code));
}

uint32_t kafka_partition_of(struct bytes user, uint32_t partitions, bool *certainp)
{
    *certainp = false;
    return (uint32_t)rd_kafka_msg_partitioner_murmur2_random(NULL, user.at, user.size,
                                                             (int32_t)partitions, NULL, NULL);
}

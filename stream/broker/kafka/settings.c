/*
 * settings.c - what a session's consumer and producer are told, and whether librdkafka takes it.
 *
 * kafka.client hands a user's properties through, and they come last. Those on which exactly-once
 * delivery rests are refused by name. Of the others librdkafka itself knows which exclude each
 * other, but says so only when a client is made; so both are made once before anything is asked of
 * a broker, without the address of one.
 */
#include <stdio.h>
#include <string.h>

#include "stream/broker/kafka/session.h"

enum {
    HEARTBEAT_MS_MAX = 500,
    POLL_INTERVAL_MS_MIN = 300000, /* librdkafka's default; never below the session's timeout */
    FETCH_SHARE = 16, /* what was fetched, of all workers, may take this part of job.memory, */
    SEND_SHARE = 32,  /* and what is to be sent this one */
    QUEUE_KB_MIN = 2048,
    FETCH_KB_MAX = 128 * 1024,
    SEND_KB_MAX = 32 * 1024,
    FETCHED_SIZE = 320, /* what librdkafka takes for a fetched message beside its content, */
    SENT_SIZE = 512,    /* and for one to be sent, with its headers, at most */
    FETCH_BACKOFF_MS = 10,
};

/*
 * Properties on which exactly-once delivery rests, that Braid reckons with, or that the
 * configuration names elsewhere.
 */
static const char *const own_properties[] = {
    "auto.offset.reset",
    "batch.size",
    "bootstrap.servers",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.idempotence",
    "enable.partition.eof",
    "group.id",
    "group.instance.id",
    "group.protocol",
    "heartbeat.interval.ms",
    "isolation.level",
    "log.queue",
    "metadata.broker.list",
    "partition.assignment.strategy",
    "partitioner",
    "session.timeout.ms",
    "transaction.timeout.ms",
    "transactional.id",
};

/* Of those the ones that a user can change, by another name. */
static const struct {
    const char *property, *option;
} named_elsewhere[] = {
    {"transaction.timeout.ms", "kafka.transaction_timeout"},
    {"session.timeout.ms", "kafka.session_timeout"},
};

/* A worker's part of what the queues of one kind may take. */
static uint64_t queue_kb(const struct config *config, uint64_t share, uint64_t kb_max)
{
    uint64_t kb = config->job.memory / 1024 / share / config->job.workers;
    if (kb < QUEUE_KB_MIN) return QUEUE_KB_MIN;
    return kb < kb_max ? kb : kb_max;
}

static uint64_t fetch_kb(const struct config *config)
{
    return queue_kb(config, FETCH_SHARE, FETCH_KB_MAX);
}

static uint64_t send_kb(const struct config *config)
{
    return queue_kb(config, SEND_SHARE, SEND_KB_MAX);
}

uint64_t session_queues_kb(const struct config *config)
{
    return fetch_kb(config) + send_kb(config);
}

/*
 * Of what was fetched a quarter is content: an event of a hundred bytes takes three hundred around
 * it. Of what is to be sent it is half.
 */
struct session_settings session_settings_of(const struct config *config, uint32_t worker)
{
    const uint32_t tenth = config->kafka.session_timeout_ms / 10;
    struct session_settings settings = {
        .heartbeat_ms = tenth < HEARTBEAT_MS_MAX ? tenth : HEARTBEAT_MS_MAX,
        .fetch_kb = fetch_kb(config) / 4,
        .send_kb = send_kb(config) / 2,
    };
    settings.fetch_messages = 3 * settings.fetch_kb * 1024 / FETCHED_SIZE;
    settings.send_messages = settings.send_kb * 1024 / SENT_SIZE;
    snprintf(settings.instance, sizeof settings.instance, "%s-%u", config->kafka.instance, worker);
    return settings;
}

void consumer_setup(struct client_setup *setup, const struct config *config,
                    const struct session_settings *settings, struct error *error)
{
    const uint32_t session_ms = config->kafka.session_timeout_ms;
    client_setup(setup, config, error);
    if (*config->kafka.advertise) {
        client_set(setup, "client.id", "braid-%s@%s", config->kafka.instance,
                   config->kafka.advertise);
    }
    client_set(setup, "group.id", "%s", config->kafka.group);
    client_set(setup, "group.instance.id", "%s", settings->instance);
    client_set(setup, "partition.assignment.strategy", "range");
    client_set(setup, "session.timeout.ms", "%u", session_ms);
    client_set(setup, "max.poll.interval.ms", "%u",
               session_ms > POLL_INTERVAL_MS_MIN ? session_ms : POLL_INTERVAL_MS_MIN);
    client_set(setup, "heartbeat.interval.ms", "%u", settings->heartbeat_ms);
    client_set(setup, "enable.auto.commit", "false");
    client_set(setup, "enable.auto.offset.store", "false");
    client_set(setup, "enable.partition.eof", "true");
    client_set(setup, "auto.offset.reset", "error");
    client_set(setup, "isolation.level", "read_committed");
    /* When a full queue is filled again: refill.c. */
    client_set(setup, "queued.max.messages.kbytes", "%llu", (unsigned long long)settings->fetch_kb);
    client_set(setup, "queued.min.messages", "%llu", (unsigned long long)settings->fetch_messages);
    if (rd_kafka_version() >= FETCH_BACKOFF_SINCE) {
        client_set(setup, "fetch.queue.backoff.ms", "%d", FETCH_BACKOFF_MS);
    }
}

/*
 * The id ends with the size of the group's name, or group a, instance b-0 would have that of group
 * a-b, instance 0.
 */
void producer_setup(struct client_setup *setup, const struct config *config,
                    const struct session_settings *settings, uint32_t worker,
                    int64_t batch_size_max, struct error *error)
{
    client_setup(setup, config, error);
    client_set(setup, "transactional.id", "%s-%s-%u-%zu", config->kafka.group,
               config->kafka.instance, worker, strlen(config->kafka.group));
    client_set(setup, "transaction.timeout.ms", "%u", config->kafka.transaction_timeout_ms);
    client_set(setup, "retry.backoff.ms", "5");
    client_set(setup, "partitioner", "murmur2_random");
    client_set(setup, "batch.size", "%lld", (long long)batch_size_max);
    client_set(setup, "queue.buffering.max.kbytes", "%llu", (unsigned long long)settings->send_kb);
    client_set(setup, "queue.buffering.max.messages", "%llu",
               (unsigned long long)settings->send_messages);
}

static enum status check_own(const struct config *config, struct error *error)
{
    for (uint32_t i = 0; i < config->kafka.client_count; i++) {
        const char *key = config->kafka.client[i].key, *option = NULL;
        if (strcmp(key, "client.id") == 0 && *config->kafka.advertise) {
            return error_set(error, STATUS_INVALID,
                             "kafka.client.client.id: kafka.advertise is told by it; remove one");
        }
        for (size_t j = 0; j < sizeof named_elsewhere / sizeof *named_elsewhere; j++) {
            if (strcmp(key, named_elsewhere[j].property) == 0) option = named_elsewhere[j].option;
        }
        for (size_t j = 0; j < sizeof own_properties / sizeof *own_properties; j++) {
            if (strcmp(key, own_properties[j]) != 0) continue;
            return error_set(error, STATUS_INVALID,
                             "kafka.client.%s is decided by Braid itself: %s%s", key,
                             option ? "set " : "remove it", option ? option : "");
        }
    }
    return STATUS_OK;
}

/* Makes a client that knows no broker, and closes it. Takes the setup. */
static enum status try_client(const char *role, struct client_setup *setup, rd_kafka_type_t type)
{
    struct client client = {.role = role};
    client_set(setup, "bootstrap.servers", "%s", "");
    enum status status = client_open(&client, setup, type);
    client_close(&client);
    if (status == STATUS_OK || !setup->error) return status;
    char why[ERROR_TEXT_MAX];
    snprintf(why, sizeof why, "%s", setup->error->text);
    for (size_t i = 0; i < sizeof named_elsewhere / sizeof *named_elsewhere; i++) {
        if (!strstr(why, named_elsewhere[i].property)) continue;
        return error_set(setup->error, status, "%s; %s sets `%s`", why, named_elsewhere[i].option,
                         named_elsewhere[i].property);
    }
    return status;
}

enum status kafka_check(const struct config *config, struct error *error)
{
    const struct session_settings settings = session_settings_of(config, 0);
    struct client_setup setup;
    TRY(check_own(config, error));
    consumer_setup(&setup, config, &settings, error);
    TRY(try_client("consumer", &setup, RD_KAFKA_CONSUMER));
    producer_setup(&setup, config, &settings, 0, BATCH_SIZE_MAX, error);
    return try_client("producer", &setup, RD_KAFKA_PRODUCER);
}

/*
 * topics.c - the job's topics: found, created if the configuration says so, or
 * refused.
 *
 * Exactly-once rests on what these topics are: a history log that expires records is no history, a
 * record without a key aborts the transaction that writes it to a compacted topic for ever. So
 * their settings are read from the cluster at every start and held against the table below.
 */
#include <stdio.h>
#include <string.h>

#include "base/checksum.h"
#include "base/log.h"
#include "base/number_text.h"
#include "stream/broker/kafka/client.h"
#include "stream/broker/kafka/letter.h"

enum {
    SETTINGS_MAX = 5,
    RECORD_OVERHEAD = 512,          /* bytes of a record beside its value, at most */
    DELETE_RETENTION_MS = 86400000, /* Kafka's defaults: 1 day, */
    MESSAGE_BYTES_MAX = 1048588,    /* and a megabyte with its overhead */
};

/* Of a topic's compaction; Kafka's default is for ever. */
#define LAG_MS_MAX (INT64_C(3650) * 86400000)

enum cleanup { CLEANUP_COMPACT_ONLY, CLEANUP_COMPACT, CLEANUP_NOT_COMPACT };

static const struct topic_rule {
    const char *option; /* that names the topic */
    enum cleanup cleanup;
    enum { COUNT_ANY, COUNT_OF_SOURCE, COUNT_ONE } partitions; /* that it must have */
    struct topic_setting settings[SETTINGS_MAX];               /* of a topic that Braid creates */
    bool has_users;                                            /* it is compacted, with their ids */
} rules[TOPICS] = {
    [RECORD_INTERESTS] =
        {"output.topic", CLEANUP_COMPACT, COUNT_ANY, {{"cleanup.policy", "compact"}}, true},
    [RECORD_HISTORY] = {"output.history_topic",
                        CLEANUP_COMPACT_ONLY,
                        COUNT_OF_SOURCE,
                        {{"cleanup.policy", "compact"},
                         {"segment.bytes", "67108864"},
                         {"min.cleanable.dirty.ratio", "0.2"},
                         {"delete.retention.ms", "604800000"}},
                        true},
    [RECORD_DEAD_LETTER] = {"output.dead_letter_topic",
                            CLEANUP_NOT_COMPACT,
                            COUNT_ANY,
                            {{"cleanup.policy", "delete"}}},
    [RECORD_ITEM] = {"output.items_topic",
                     CLEANUP_COMPACT,
                     COUNT_ANY,
                     {{"cleanup.policy", "compact"}}},
    [TOPIC_ERASURES] = {"source.erase",
                        CLEANUP_COMPACT_ONLY,
                        COUNT_OF_SOURCE,
                        {{"cleanup.policy", "compact"},
                         {"message.timestamp.type", "LogAppendTime"}},
                        true},
    [TOPIC_MODELS] = {"output.models_topic",
                      CLEANUP_COMPACT_ONLY,
                      COUNT_ONE,
                      {{"cleanup.policy", "compact"}, {"segment.bytes", "67108864"}}},
    [TOPIC_ITEM_VECTORS] = {"output.item_vectors_topic",
                            CLEANUP_COMPACT_ONLY,
                            COUNT_ONE,
                            {{"cleanup.policy", "compact"}, {"segment.bytes", "67108864"}}},
};

enum status admin_answer(struct broker *broker, rd_kafka_queue_t *queue, const char *what,
                         rd_kafka_event_t **eventp, struct error *error)
{
    char why[CLIENT_WHY_SIZE];
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 3 * CLIENT_REQUEST_MS);
    *eventp = NULL;
    if (!event) {
        return error_set(error, STATUS_IO, "kafka: %s: no answer: %s", what,
                         client_why(&broker->admin, RD_KAFKA_RESP_ERR__TIMED_OUT, why));
    }
    if (rd_kafka_event_error(event)) {
        error_set(error, STATUS_IO, "kafka: %s: %s (%s)", what, rd_kafka_event_error_string(event),
                  client_why(&broker->admin, rd_kafka_event_error(event), why));
        rd_kafka_event_destroy(event);
        return STATUS_IO;
    }
    *eventp = event;
    return STATUS_OK;
}

enum status topic_create(struct broker *broker, const char *topic, uint32_t partitions,
                         const struct topic_setting *settings, uint32_t settings_count,
                         struct error *error)
{
    char why[256];
    rd_kafka_NewTopic_t *wanted = rd_kafka_NewTopic_new(
        topic, (int)partitions, (int)broker->config->kafka.replication, why, sizeof why);
    if (!wanted) {
        return error_set(error, STATUS_INVALID, "kafka: creating '%s': %s", topic, why);
    }
    for (uint32_t i = 0; i < settings_count && settings[i].name; i++) {
        rd_kafka_NewTopic_set_config(wanted, settings[i].name, settings[i].value);
    }
    rd_kafka_queue_t *queue = rd_kafka_queue_new(broker->admin.handle);
    rd_kafka_CreateTopics(broker->admin.handle, &wanted, 1, NULL, queue);
    rd_kafka_event_t *event;
    enum status status = admin_answer(broker, queue, "creating a topic", &event, error);
    if (status == STATUS_OK) {
        size_t count;
        const rd_kafka_topic_result_t *result =
            *rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
        rd_kafka_resp_err_t code = rd_kafka_topic_result_error(result);
        /* Another instance that starts at the same time may have been quicker. */
        if (code && code != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) {
            status = error_set(error, STATUS_IO, "kafka: creating '%s': %s", topic,
                               rd_kafka_topic_result_error_string(result));
        }
        rd_kafka_event_destroy(event);
    }
    rd_kafka_queue_destroy(queue);
    rd_kafka_NewTopic_destroy(wanted);
    if (status == STATUS_OK) {
        log_info("topic created", log_text("topic", topic), log_int("partitions", partitions));
    }
    return status;
}

static enum status check_count(const struct broker *broker, unsigned kind, struct error *error)
{
    const uint32_t count = broker->topic_partitions[kind];
    const char *topic = broker->topics[kind];
    if (rules[kind].partitions == COUNT_OF_SOURCE && count != broker->partitions) {
        return error_set(
            error, STATUS_REFUSED,
            "kafka: %s: topic '%s' has %u partitions, its source '%s' %u; they must be "
            "equal: a changed source needs new companion topics and a new group",
            rules[kind].option, topic, count, broker->config->source.topic, broker->partitions);
    }
    if (rules[kind].partitions == COUNT_ONE && count != 1) {
        return error_set(error, STATUS_REFUSED,
                         "kafka: %s: topic '%s' has %u partitions; it must have one, which keeps "
                         "its records in order",
                         rules[kind].option, topic, count);
    }
    return STATUS_OK;
}

static enum status topic_create_ruled(struct broker *broker, unsigned kind, uint32_t partitions,
                                      struct error *error)
{
    struct topic_setting settings[SETTINGS_MAX + 1] = {{0}};
    char lag[32];
    uint32_t count = 0;
    for (; count < SETTINGS_MAX && rules[kind].settings[count].name; count++) {
        settings[count] = rules[kind].settings[count];
    }
    snprintf(lag, sizeof lag, "%lld", (long long)broker->config->output.compaction_lag_ms);
    if (rules[kind].has_users) {
        settings[count++] = (struct topic_setting){"max.compaction.lag.ms", lag};
    }
    return topic_create(broker, broker->topics[kind], partitions, settings, count, error);
}

/* Finds one topic, creating it if it is absent and that is wanted. */
static enum status topic_find(struct broker *broker, unsigned kind, struct error *error)
{
    const char *topic = broker->topics[kind];
    const bool may_create = broker->config->kafka.create_topics && !broker->looks_only;
    uint32_t *countp = &broker->topic_partitions[kind];
    if (may_create) {
        TRY(topic_count(broker, topic, countp, error));
        const uint32_t wanted = rules[kind].partitions == COUNT_ONE ? 1 : broker->partitions;
        if (*countp == 0) {
            TRY(topic_create_ruled(broker, kind, wanted, error));
        }
    }
    if (*countp == 0) TRY(topic_count_patiently(broker, topic, countp, error));
    if (*countp == 0 && !may_create) {
        return error_set(error, STATUS_REFUSED,
                         "kafka: %s: topic '%s' does not exist; create it, or let Braid do it "
                         "with kafka.create_topics: true",
                         rules[kind].option, topic);
    }
    if (*countp == 0) {
        return error_set(error, STATUS_IO, "kafka: topic '%s' was created and does not show",
                         topic);
    }
    return check_count(broker, kind, error);
}

const char *topic_setting_of(const rd_kafka_ConfigResource_t *resource, const char *name)
{
    size_t count;
    const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(resource, &count);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(rd_kafka_ConfigEntry_name(entries[i]), name) != 0) continue;
        return rd_kafka_ConfigEntry_value(entries[i]);
    }
    return NULL;
}

/* A setting that is a number; Kafka's default, and a warning, if the cluster does not tell it. */
static int64_t number_of(const rd_kafka_ConfigResource_t *resource, const char *name,
                         int64_t otherwise)
{
    const char *value = topic_setting_of(resource, name);
    int64_t number;
    if (value && parse_signed(bytes_of(value), &number) && number >= 0) return number;
    log_warn("a topic's setting can't be read, Kafka's default is taken for it",
             log_text("topic", rd_kafka_ConfigResource_name(resource)), log_text("setting", name),
             log_int("default", otherwise));
    return otherwise;
}

static enum status check_cleanup(const struct broker *broker, unsigned kind, const char *policy,
                                 struct error *error)
{
    static const char *const wanted[] = {
        [CLEANUP_COMPACT_ONLY] = "to be exactly 'compact': what is in it must never expire",
        [CLEANUP_COMPACT] = "to contain 'compact', so that each user's newest record stays",
        [CLEANUP_NOT_COMPACT] = "not to contain 'compact': dead letters may have no key",
    };
    if (!policy) {
        return error_set(error, STATUS_REFUSED,
                         "kafka: %s: the cluster does not tell cleanup.policy of topic '%s', on "
                         "which the histories' safety rests: allow this client to describe it",
                         rules[kind].option, broker->topics[kind]);
    }
    bool compacts = strstr(policy, "compact") != NULL;
    bool fits = rules[kind].cleanup == CLEANUP_COMPACT_ONLY
                    ? strcmp(policy, "compact") == 0
                    : compacts == (rules[kind].cleanup == CLEANUP_COMPACT);
    if (fits) return STATUS_OK;
    return error_set(error, STATUS_REFUSED,
                     "kafka: %s: topic '%s' has cleanup.policy=%s; it has %s", rules[kind].option,
                     broker->topics[kind], policy, wanted[rules[kind].cleanup]);
}

/* How much of a bad event's key and value fits into a record of at most `message_max` bytes. */
static size_t letter_room(int64_t message_max)
{
    int64_t room = message_max - RECORD_OVERHEAD - LETTER_HEADERS_SIZE_MAX;
    if (room > LETTER_SIZE_MAX) return LETTER_SIZE_MAX;
    return room > 0 ? (size_t)room : 0;
}

/* The largest message that the producer sends at all. */
static int64_t client_message_max(const struct broker *broker)
{
    char text[32] = "";
    size_t size = sizeof text;
    int64_t most;
    bool told = rd_kafka_conf_get(rd_kafka_conf(broker->admin.handle), "message.max.bytes", text,
                                  &size) == RD_KAFKA_CONF_OK;
    return told && parse_signed(bytes_of(text), &most) ? most : 0;
}

/* What bounds how long somebody who was erased stays in the topic; warns where nothing does. */
static void note_lag(struct broker *broker, unsigned kind,
                     const rd_kafka_ConfigResource_t *resource)
{
    static const char setting[] = "max.compaction.lag.ms";
    const char *value = topic_setting_of(resource, setting);
    int64_t lag_ms;
    if (!*broker->topics[TOPIC_ERASURES]) return;
    const bool told = value && parse_signed(bytes_of(value), &lag_ms) && lag_ms >= 0;
    if (told && lag_ms <= LAG_MS_MAX) {
        const bool known = broker->compaction_lag_ms >= 0;
        if (known && lag_ms > broker->compaction_lag_ms) broker->compaction_lag_ms = lag_ms;
        return;
    }
    broker->compaction_lag_ms = -1;
    log_warn("users who are erased may stay in a topic for ever: set the longest time before it is "
             "compacted",
             log_text("topic", broker->topics[kind]), log_text("setting", setting),
             log_int("recommended", broker->config->output.compaction_lag_ms));
}

enum status topics_apply_settings(struct broker *broker, unsigned kind,
                                  const rd_kafka_ConfigResource_t *resource, struct error *error)
{
    rd_kafka_resp_err_t code = rd_kafka_ConfigResource_error(resource);
    if (code) {
        bool hidden = code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
        return error_set(error, hidden ? STATUS_BUSY : STATUS_IO,
                         "kafka: reading the settings of '%s': %s", broker->topics[kind],
                         rd_kafka_ConfigResource_error_string(resource));
    }
    TRY(check_cleanup(broker, kind, topic_setting_of(resource, "cleanup.policy"), error));
    if (rules[kind].has_users) note_lag(broker, kind, resource);
    if (kind == RECORD_HISTORY) {
        broker->delete_retention_ms =
            number_of(resource, "delete.retention.ms", DELETE_RETENTION_MS);
    }
    /* What a topic limits is a batch, and librdkafka neither splits one nor knows the limit. */
    int64_t message_max = number_of(resource, "max.message.bytes", MESSAGE_BYTES_MAX);
    int64_t *size_max = kind <= TOPIC_ERASURES ? &broker->batch_size_max : &broker->shared_size_max;
    if (message_max < *size_max) *size_max = message_max;
    if (kind == RECORD_DEAD_LETTER) {
        int64_t sends_max = client_message_max(broker);
        broker->letter_size_max = letter_room(message_max < sends_max ? message_max : sends_max);
    }
    return STATUS_OK;
}

/* Whether this job has the topic. */
static bool is_of_job(const struct broker *broker, unsigned kind)
{
    if (kind == TOPIC_ERASURES) return *broker->topics[kind] != 0;
    return kind < RECORD_KINDS || broker->shares;
}

/* STATUS_BUSY: a topic does not show yet on the broker that was asked. */
static enum status settings_check(struct broker *broker, struct error *error)
{
    rd_kafka_ConfigResource_t *asked[TOPICS];
    unsigned kinds = 0;
    for (unsigned kind = 0; kind < TOPICS; kind++) {
        if (!is_of_job(broker, kind)) continue;
        asked[kinds++] = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, broker->topics[kind]);
    }
    rd_kafka_queue_t *queue = rd_kafka_queue_new(broker->admin.handle);
    rd_kafka_DescribeConfigs(broker->admin.handle, asked, kinds, NULL, queue);
    rd_kafka_event_t *event;
    enum status status = admin_answer(broker, queue, "reading the topics' settings", &event, error);
    if (status == STATUS_OK) {
        size_t count;
        const rd_kafka_ConfigResource_t **described = rd_kafka_DescribeConfigs_result_resources(
            rd_kafka_event_DescribeConfigs_result(event), &count);
        for (size_t i = 0; i < count && status == STATUS_OK; i++) {
            const char *name = rd_kafka_ConfigResource_name(described[i]);
            for (unsigned kind = 0; kind < TOPICS && status == STATUS_OK; kind++) {
                if (!is_of_job(broker, kind) || strcmp(name, broker->topics[kind]) != 0) continue;
                status = topics_apply_settings(broker, kind, described[i], error);
            }
        }
        rd_kafka_event_destroy(event);
    }
    rd_kafka_queue_destroy(queue);
    rd_kafka_ConfigResource_destroy_array(asked, kinds);
    return status;
}

/* Of cluster and topic: librdkafka 2.0.2 does not tell topic ids. */
enum status topics_identify_source(struct broker *broker, struct error *error)
{
    char text[1024];
    char *cluster = rd_kafka_clusterid(broker->admin.handle, CLIENT_REQUEST_MS);
    if (!cluster) {
        char why[CLIENT_WHY_SIZE];
        return error_set(error, STATUS_IO, "kafka: the cluster does not tell its id: %s",
                         client_why(&broker->admin, RD_KAFKA_RESP_ERR__TIMED_OUT, why));
    }
    int size = snprintf(text, sizeof text, "%s/%s", cluster, broker->config->source.topic);
    rd_kafka_mem_free(broker->admin.handle, cluster);
    REQUIRE(size > 0 && (size_t)size < sizeof text);
    broker->source_identity = checksum_of(text, (size_t)size);
    return STATUS_OK;
}

enum status topics_open(struct broker *broker, struct error *error)
{
    const struct config *config = broker->config;
    broker->topics[RECORD_INTERESTS] = config->output.topic;
    broker->topics[RECORD_HISTORY] = config->output.history_topic;
    broker->topics[RECORD_DEAD_LETTER] = config->output.dead_letter_topic;
    broker->topics[RECORD_ITEM] = config->output.items_topic;
    broker->topics[TOPIC_ERASURES] = config->source.erase;
    broker->topics[TOPIC_MODELS] = config->output.models_topic;
    broker->topics[TOPIC_ITEM_VECTORS] = config->output.item_vectors_topic;
    TRY(topic_count_source(broker, error));
    TRY(topics_identify_source(broker, error));
    broker->batch_size_max = broker->shared_size_max = BATCH_SIZE_MAX;
    for (unsigned kind = 0; kind < TOPICS; kind++) {
        if (is_of_job(broker, kind)) TRY(topic_find(broker, kind, error));
    }
    TRY(profiles_check(broker, error));
    enum status status = STATUS_BUSY;
    for (int tries = 0; status == STATUS_BUSY && tries < TOPIC_SHOW_TRIES; tries++) {
        broker->compaction_lag_ms = 0;
        if (tries > 0) rd_kafka_poll(broker->admin.handle, TOPIC_SHOW_PAUSE_MS);
        status = settings_check(broker, error);
    }
    return status == STATUS_BUSY ? STATUS_IO : status;
}

/*
 * copy_target.c - makes sure that a copied record stays as long in the target as in the source.
 *
 * Old records keep their timestamps, and a topic deletes by these: one with Kafka's default of seven
 * days would delete last month's records an hour after they were copied, one that compacts would
 * keep each user's last event only, and one that stamps records anew would make old events look
 * invalid. So a target is made after its source, and one that exists is held to it.
 */
#include "stream/broker/kafka/copy_target.h"

#include <stdio.h>
#include <string.h>

#include "base/number_text.h"

enum {
    KEY_ROOM = 1024, /* bytes that a user's id in place of the old key may add, beside the id */
    SETTINGS_COUNT = 8,
    RETENTION_MS = 604800000, /* Kafka's defaults: 7 days, */
    MESSAGE_BYTES = 1048588,  /* and a megabyte with its overhead */
    NUMBER_SIZE = 24,
};

static const char any_age[] = "9223372036854775807";

/* What decides how long and as what a record stays. */
struct keeping {
    bool compacts, deletes;
    bool stamps_anew;
    int64_t retention_ms; /* -1: for ever */
    int64_t message_bytes;
    bool knows_difference, knows_before; /* limits of timestamps, by the cluster's version */
};

static int64_t number_or(const rd_kafka_ConfigResource_t *resource, const char *name,
                         int64_t otherwise)
{
    int64_t number;
    const char *value = topic_setting_of(resource, name);
    return value && parse_signed(bytes_of(value), &number) ? number : otherwise;
}

static void read_keeping(const rd_kafka_ConfigResource_t *resource, struct keeping *keeping)
{
    const char *policy = topic_setting_of(resource, "cleanup.policy");
    const char *stamps = topic_setting_of(resource, "message.timestamp.type");
    *keeping = (struct keeping){
        .compacts = policy && strstr(policy, "compact"),
        .deletes = !policy || strstr(policy, "delete"),
        .stamps_anew = stamps && strcmp(stamps, "LogAppendTime") == 0,
        .retention_ms = number_or(resource, "retention.ms", RETENTION_MS),
        .message_bytes = number_or(resource, "max.message.bytes", MESSAGE_BYTES),
        .knows_difference = topic_setting_of(resource, "message.timestamp.difference.max.ms"),
        .knows_before = topic_setting_of(resource, "message.timestamp.before.max.ms"),
    };
    if (!keeping->deletes) keeping->retention_ms = -1;
}

static enum status describe_keeping(struct broker *broker, const char *topic,
                                    struct keeping *keeping, struct error *error)
{
    rd_kafka_ConfigResource_t *asked = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(broker->admin.handle);
    rd_kafka_DescribeConfigs(broker->admin.handle, &asked, 1, NULL, queue);
    rd_kafka_event_t *event;
    enum status status = admin_answer(broker, queue, "reading a topic's settings", &event, error);
    if (status == STATUS_OK) {
        size_t count;
        const rd_kafka_ConfigResource_t **described = rd_kafka_DescribeConfigs_result_resources(
            rd_kafka_event_DescribeConfigs_result(event), &count);
        if (count == 1 && !rd_kafka_ConfigResource_error(described[0])) {
            read_keeping(described[0], keeping);
        } else {
            status =
                error_set(error, STATUS_IO, "kafka: reading the settings of '%s': %s", topic,
                          count ? rd_kafka_ConfigResource_error_string(described[0]) : "no answer");
        }
        rd_kafka_event_destroy(event);
    }
    rd_kafka_queue_destroy(queue);
    rd_kafka_ConfigResource_destroy(asked);
    return status;
}

static enum status create_target(struct broker *broker, const char *topic, uint32_t partitions,
                                 const struct keeping *source, struct error *error)
{
    char retention[NUMBER_SIZE], bytes[NUMBER_SIZE];
    const int64_t size = source->message_bytes + broker->config->source.id_size_max + KEY_ROOM;
    snprintf(retention, sizeof retention, "%lld", (long long)source->retention_ms);
    snprintf(bytes, sizeof bytes, "%lld", (long long)(size < INT32_MAX ? size : INT32_MAX));
    struct topic_setting settings[SETTINGS_COUNT] = {
        {"cleanup.policy", "delete"}, {"message.timestamp.type", "CreateTime"},
        {"retention.ms", retention},  {"retention.bytes", "-1"},
        {"max.message.bytes", bytes},
    };
    uint32_t count = 5;
    if (source->knows_before) {
        settings[count++] = (struct topic_setting){"message.timestamp.before.max.ms", any_age};
        settings[count++] = (struct topic_setting){"message.timestamp.after.max.ms", any_age};
    } else if (source->knows_difference) {
        settings[count++] = (struct topic_setting){"message.timestamp.difference.max.ms", any_age};
    }
    return topic_create(broker, topic, partitions, settings, count, error);
}

static enum status check_keeping(const char *topic, const struct keeping *target,
                                 const char *source_topic, const struct keeping *source,
                                 struct error *error)
{
    if (target->compacts) {
        return error_set(error, STATUS_REFUSED,
                         "kafka: --to '%s' is compacted: of each user it would keep the last event "
                         "only; set cleanup.policy=delete",
                         topic);
    }
    if (target->stamps_anew) {
        return error_set(error, STATUS_REFUSED,
                         "kafka: --to '%s' has message.timestamp.type=LogAppendTime, which would "
                         "make every event new; set CreateTime",
                         topic);
    }
    if (target->retention_ms >= 0 &&
        (source->retention_ms < 0 || target->retention_ms < source->retention_ms)) {
        return error_set(error, STATUS_REFUSED,
                         "kafka: --to '%s' has retention.ms=%lld, its source '%s' %lld: records "
                         "keep their timestamps, and it would delete what the source still has",
                         topic, (long long)target->retention_ms, source_topic,
                         (long long)source->retention_ms);
    }
    return STATUS_OK;
}

/* How many offsets the topic has, and ever had. */
static enum status measure_target(struct copy_target *target, struct broker *broker,
                                  struct error *error)
{
    for (uint32_t p = 0; p < target->partitions; p++) {
        int64_t low, high;
        TRY(client_bounds(&broker->admin, target->topic, p, CLIENT_REQUEST_MS, &low, &high, error));
        target->records += high - low;
        target->written += high;
    }
    return STATUS_OK;
}

enum status copy_target_open(struct copy_target *target, struct broker *broker,
                             const struct copy_options *options, struct error *error)
{
    const char *source_topic = broker->config->source.topic;
    struct keeping source, found;
    *target = (struct copy_target){.topic = options->target};
    TRY(describe_keeping(broker, source_topic, &source, error));
    TRY(topic_count(broker, target->topic, &target->partitions, error));
    if (target->partitions == 0 && !broker->config->kafka.create_topics) {
        return error_set(error, STATUS_REFUSED,
                         "kafka: --to '%s' does not exist; create it, or let Braid do it with "
                         "kafka.create_topics: true",
                         target->topic);
    }
    if (target->partitions == 0) {
        const uint32_t wanted = options->partitions ? options->partitions : broker->partitions;
        TRY(create_target(broker, target->topic, wanted, &source, error));
        TRY(topic_count_patiently(broker, target->topic, &target->partitions, error));
    }
    if (target->partitions == 0) {
        return error_set(error, STATUS_IO, "kafka: topic '%s' was created and does not show",
                         target->topic);
    }
    if (options->partitions && options->partitions != target->partitions) {
        return error_set(error, STATUS_REFUSED,
                         "kafka: --to '%s' exists with %u partitions, not %u: take another topic",
                         target->topic, target->partitions, options->partitions);
    }
    TRY(describe_keeping(broker, target->topic, &found, error));
    TRY(check_keeping(target->topic, &found, source_topic, &source, error));
    target->batch_size_max =
        found.message_bytes < BATCH_SIZE_MAX ? found.message_bytes : BATCH_SIZE_MAX;
    return measure_target(target, broker, error);
}

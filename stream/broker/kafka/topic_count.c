/* topic_count.c - whether a topic exists, and how many partitions it has. */
#include "base/clock.h"
#include "base/log.h"
#include "stream/broker/kafka/client.h"

enum status topic_count(struct broker *broker, const char *topic, uint32_t *countp,
                        struct error *error)
{
    rd_kafka_t *handle = broker->admin.handle;
    int64_t deadline_ns = clock_monotonic_ns() + (int64_t)CLIENT_REQUEST_MS * 1000000;
    rd_kafka_topic_t *named = rd_kafka_topic_new(handle, topic, NULL);
    if (!named) return error_set(error, STATUS_INVALID, "kafka: '%s' names no topic", topic);
    rd_kafka_resp_err_t code;
    do {
        const struct rd_kafka_metadata *metadata;
        *countp = 0;
        rd_kafka_poll(handle, 0);
        code = rd_kafka_metadata(handle, 0, named, &metadata, CLIENT_REQUEST_MS);
        if (code) break;
        const struct rd_kafka_metadata_topic *found = &metadata->topics[0];
        code = found->err;
        if (!code) *countp = (uint32_t)found->partition_cnt;
        for (int i = 0; i < found->partition_cnt && !code; i++) {
            code = found->partitions[i].err;
        }
        rd_kafka_metadata_destroy(metadata);
    } while (code == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE && clock_monotonic_ns() < deadline_ns &&
             rd_kafka_poll(handle, 100) >= 0);
    rd_kafka_topic_destroy(named);
    if (code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
        *countp = 0;
    } else if (code == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE && *countp > 0) {
        log_warn("partitions without a leader are waited for", log_text("topic", topic));
    } else if (code) {
        char why[CLIENT_WHY_SIZE];
        return error_set(
            error, STATUS_IO,
            "kafka: asking for topic '%s': %s; is kafka.brokers (%s) right and running?", topic,
            client_why(&broker->admin, code, why), broker->config->kafka.brokers);
    }
    return STATUS_OK;
}

enum status topic_count_patiently(struct broker *broker, const char *topic, uint32_t *countp,
                                  struct error *error)
{
    TRY(topic_count(broker, topic, countp, error));
    for (int tries = 1; *countp == 0 && tries < TOPIC_SHOW_TRIES; tries++) {
        rd_kafka_poll(broker->admin.handle, TOPIC_SHOW_PAUSE_MS);
        TRY(topic_count(broker, topic, countp, error));
    }
    return STATUS_OK;
}

enum status topic_count_source(struct broker *broker, struct error *error)
{
    const char *topic = broker->config->source.topic;
    TRY(topic_count_patiently(broker, topic, &broker->partitions, error));
    if (broker->partitions == 0) {
        return error_set(error, STATUS_REFUSED, "kafka: source.topic: '%s' does not exist", topic);
    }
    if (broker->partitions <= POLL_PARTITIONS_MAX) return STATUS_OK;
    return error_set(error, STATUS_REFUSED, "kafka: '%s' has %u partitions; at most %d work", topic,
                     broker->partitions, POLL_PARTITIONS_MAX);
}

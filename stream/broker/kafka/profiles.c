/*
 * profiles.c - source.profile: a topic that says what is known of users, read beside the source.
 *
 * Its partition p says it of the users of the source's partition p, so it goes with that one: it is
 * assigned, revoked and rewound with it, and how far it was read stands in the same seal
 * (next_profile), which is what counts; the group has no offsets of it. The topic may be compacted:
 * a record is all that is known of its user, so those that are gone say nothing that is missed.
 */
#include <string.h>

#include "base/log.h"
#include "stream/broker/kafka/session.h"

enum status profiles_check(struct broker *broker, struct error *error)
{
    const char *topic = broker->config->source.profile;
    uint32_t count;
    if (!*topic) return STATUS_OK;
    TRY(topic_count_patiently(broker, topic, &count, error));
    if (count == broker->partitions) return STATUS_OK;
    if (count == 0) {
        return error_set(error, STATUS_REFUSED, "kafka: source.profile: topic '%s' does not exist",
                         topic);
    }
    return error_set(
        error, STATUS_REFUSED,
        "kafka: source.profile: topic '%s' has %u partitions, the source '%s' %u; they "
        "must be equal, and both keyed by user with the same partitioner",
        topic, count, broker->config->source.topic, broker->partitions);
}

bool profiles_are_of(const struct session *session, const rd_kafka_message_t *message)
{
    return session->profile_decoder && message->rkt &&
           strcmp(rd_kafka_topic_name(message->rkt), session->broker->config->source.profile) == 0;
}

/* A job that was seeded has begun behind the first event, and none of these was read. */
void profiles_resume(struct session *session, uint32_t partition, const struct history_seal *seal)
{
    const bool fresh = seal->next_offset == seal->range.first || seal->next_profile == 0;
    session->partitions[partition].profiles_due = session->profile_decoder && fresh;
}

static void note_end(struct session *session, struct session_partition *mine)
{
    if (mine->state != PARTITION_LIVE || !mine->profiles_due) return;
    mine->profiles_due = false;
    session->assignment_dirty = true;
}

void profiles_assign(const struct session *session, uint32_t partition,
                     rd_kafka_topic_partition_list_t *list)
{
    if (!session->profile_decoder) return;
    rd_kafka_topic_partition_list_add(list, session->broker->config->source.profile,
                                      (int32_t)partition)
        ->offset = session->partitions[partition].next_profile;
}

/* What it begins with is gone, as a topic forgets in time, or it was made anew. */
static enum status find_next(struct session *session, uint32_t partition, struct error *error)
{
    struct session_partition *mine = &session->partitions[partition];
    const char *topic = session->broker->config->source.profile;
    int64_t low, high;
    session->assignment_dirty = true; /* librdkafka has stopped fetching it */
    const rd_kafka_resp_err_t code =
        client_watermarks(&session->broker->admin, topic, partition, &low, &high);
    if (code) {
        client_report_error(&session->consumer, code, "asking for the offsets of profiles");
        rd_kafka_poll(session->producer.handle, CLIENT_PAUSE_MS);
        return STATUS_OK;
    }
    if (high < mine->next_profile) {
        return error_set(
            error, STATUS_REFUSED,
            "kafka: source.profile: %s[%u] ends at offset %lld and was processed up to "
            "%lld: the topic was made anew. Use a new kafka.group and new companion "
            "topics",
            topic, partition, (long long)high, (long long)mine->next_profile);
    }
    if (low > mine->next_profile) {
        log_warn("profiles were deleted before they were read", log_text("topic", topic),
                 log_int("partition", partition), log_int("first", mine->next_profile),
                 log_int("last", low - 1));
        mine->next_profile = low;
    }
    return STATUS_OK;
}

enum status profiles_error(struct session *session, const rd_kafka_message_t *message,
                           struct error *error)
{
    const char *why = rd_kafka_message_errstr(message);
    switch (message->err) {
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
        note_end(session, &session->partitions[message->partition]);
        return STATUS_OK;
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
        if (session->partitions[message->partition].state != PARTITION_LIVE) return STATUS_OK;
        return find_next(session, (uint32_t)message->partition, error);
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
        return error_set(error, STATUS_IO, "kafka: reading source.profile '%s': %s",
                         session->broker->config->source.profile, why);
    default: client_report_error(&session->consumer, message->err, why); return STATUS_OK;
    }
}

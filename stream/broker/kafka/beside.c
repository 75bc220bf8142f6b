/*
 * beside.c - topics that are read beside the source: what is known of users (source.profile), and who
 * is to be erased (source.erase).
 *
 * Their partition p says it of the users of the source's partition p, so it goes with that one: it is
 * assigned, revoked and rewound with it, and how far it was read stands in the same seal, which is
 * what counts; the group has no offsets of it. They may be compacted: a record is all that is said of
 * its user, so those that are gone say nothing that is missed.
 */
#include <string.h>

#include "base/log.h"
#include "stream/broker/kafka/session.h"
#include "stream/source/erasure/erase_request.h"
#include "stream/source/event_decoder.h"

static const char *const options[EVENT_ORIGINS] = {"source.topic", "source.profile",
                                                   "source.erase"};

const char *beside_topic(const struct config *config, enum event_origin origin)
{
    switch (origin) {
    case EVENT_OF_PROFILES: return config->source.profile;
    case EVENT_OF_ERASURES: return config->source.erase;
    default: return config->source.topic;
    }
}

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

enum event_origin beside_origin(const struct session *session, const rd_kafka_message_t *message)
{
    const struct config *config = session->broker->config;
    if (!session->reads_beside || !message->rkt) return EVENT_OF_SOURCE;
    const char *name = rd_kafka_topic_name(message->rkt);
    enum event_origin origin = EVENT_ORIGINS - 1;
    while (origin > EVENT_OF_SOURCE && strcmp(name, beside_topic(config, origin)) != 0) {
        origin--;
    }
    return origin;
}

void beside_assign(const struct session *session, uint32_t partition,
                   rd_kafka_topic_partition_list_t *list)
{
    const struct session_partition *mine = &session->partitions[partition];
    for (enum event_origin origin = EVENT_OF_SOURCE + 1; origin < EVENT_ORIGINS; origin++) {
        const char *topic = beside_topic(session->broker->config, origin);
        if (!*topic) continue;
        rd_kafka_topic_partition_list_add(list, topic, (int32_t)partition)->offset =
            mine->beside[origin].next;
    }
}

void beside_committed(struct session_partition *mine, const struct history_seal *seal)
{
    mine->beside[EVENT_OF_PROFILES].committed = seal->next_profile;
    mine->beside[EVENT_OF_ERASURES].committed = seal->next_erasure;
}

void beside_rewind(struct session_partition *mine)
{
    for (enum event_origin origin = EVENT_OF_SOURCE + 1; origin < EVENT_ORIGINS; origin++) {
        mine->beside[origin].next = mine->beside[origin].committed;
    }
}

/* A job that was seeded has begun behind the first event, and none of its profiles was read. */
void beside_resume(struct session *session, uint32_t partition, const struct history_seal *seal)
{
    const bool fresh = seal->next_offset == seal->range.first || seal->next_profile == 0;
    session->partitions[partition].profiles_due = session->profile_decoder && fresh;
}

/* The source waits for the end of its profiles (profiles_due), not of erasures, which were read. */
static void note_end(struct session *session, enum event_origin origin,
                     struct session_partition *mine)
{
    if (mine->state != PARTITION_LIVE || !mine->profiles_due || origin != EVENT_OF_PROFILES) return;
    mine->profiles_due = false;
    session->assignment_dirty = true;
}

/* ---- what they say ---- */

enum status beside_open(struct session *session, struct error *error)
{
    const struct config *config = session->broker->config;
    session->reads_beside = *config->source.profile || *config->source.erase;
    if (*config->source.erase) TRY(json_decoder_open(&session->json, ERASE_VALUE_MAX, error));
    if (!*config->source.profile) return STATUS_OK;
    return event_decoder_open_profiles(&session->profile_decoder, config, error);
}

void beside_close(struct session *session)
{
    event_decoder_close(session->profile_decoder);
    json_decoder_close(session->json);
}

static void decode_erasure(struct session *session, const rd_kafka_message_t *message,
                           struct event *event)
{
    const struct bytes key = {message->key, message->key_len};
    const struct bytes value = {message->payload, message->len};
    struct erase_record record;
    *event = (struct event){.broker_ms = -1};
    event->verdict =
        erase_record_decode(session->json, key, value, rd_kafka_message_timestamp(message, NULL),
                            (uint32_t)session->broker->config->source.id_size_max, &record, event);
    event->user = record.user;
    event->item_hash = record.hash;
    event->time_ms = record.cut_ms;
}

void beside_decode(struct session *session, enum event_origin origin,
                   const rd_kafka_message_t *message, struct bytes value, void *scratch,
                   struct event *event)
{
    if (origin == EVENT_OF_ERASURES) {
        decode_erasure(session, message, event);
        return;
    }
    const struct bytes key = {message->key, message->key_len};
    event_decode_profile(session->profile_decoder, key, value, scratch, event);
    event->time_ms = rd_kafka_message_timestamp(message, NULL);
}

/* ---- what comes in place of a record ---- */

/* What it begins with is gone, as a topic forgets in time, or it was made anew. */
static enum status find_next(struct session *session, enum event_origin origin, uint32_t partition,
                             struct error *error)
{
    int64_t *next = &session->partitions[partition].beside[origin].next;
    const char *topic = beside_topic(session->broker->config, origin);
    int64_t low, high;
    session->assignment_dirty = true; /* librdkafka has stopped fetching it */
    const rd_kafka_resp_err_t code =
        client_watermarks(&session->broker->admin, topic, partition, &low, &high);
    if (code) {
        client_report_error(&session->consumer, code, "asking for the offsets beside the source");
        rd_kafka_poll(session->producer.handle, CLIENT_PAUSE_MS);
        return STATUS_OK;
    }
    if (high < *next) {
        return error_set(
            error, STATUS_REFUSED,
            "kafka: %s: %s[%u] ends at offset %lld and was processed up to %lld: the topic was "
            "made anew. Use a new kafka.group and new companion topics",
            options[origin], topic, partition, (long long)high, (long long)*next);
    }
    if (low > *next) {
        log_warn("records beside the source were deleted before they were read",
                 log_text("topic", topic), log_int("partition", partition), log_int("first", *next),
                 log_int("last", low - 1));
        *next = low;
    }
    return STATUS_OK;
}

enum status beside_error(struct session *session, enum event_origin origin,
                         const rd_kafka_message_t *message, struct error *error)
{
    const char *why = rd_kafka_message_errstr(message);
    switch (message->err) {
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
        note_end(session, origin, &session->partitions[message->partition]);
        return STATUS_OK;
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
        if (session->partitions[message->partition].state != PARTITION_LIVE) return STATUS_OK;
        return find_next(session, origin, (uint32_t)message->partition, error);
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
        return error_set(error, STATUS_IO, "kafka: reading %s '%s': %s", options[origin],
                         beside_topic(session->broker->config, origin), why);
    default: client_report_error(&session->consumer, message->err, why); return STATUS_OK;
    }
}

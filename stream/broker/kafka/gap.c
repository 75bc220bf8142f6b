/*
 * gap.c - what to do when a partition no longer holds the event at which it is to be read on.
 *
 * A session passes offsets that hold no event (markers, aborted records) as soon as it meets the
 * end of a partition, and commits that, so retention may take them. What is gone beyond that may
 * have been events. They are lost to this job whatever it does: it stops and says how many, or,
 * with kafka.accept_gap, goes on behind them with all histories, logs and counts them, and keeps
 * the count in the partition's seals.
 *
 * Thread: the session's worker. These are rare and bounded requests to brokers that just answered.
 */
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "stream/broker/kafka/session.h"

enum { RANGES_SIZE = 600 }; /* bytes of a message that say which offsets are gone */

/* Offsets that are gone, summed over partitions, and their first ranges as text. */
struct gaps {
    int64_t offsets;
    uint32_t partitions;
    char ranges[RANGES_SIZE];
    size_t used;
};

static void gaps_add(struct gaps *gaps, const char *topic, int32_t partition, int64_t first,
                     int64_t end)
{
    if (first < 0 || first >= end) return;
    gaps->offsets += end - first;
    gaps->partitions++;
    size_t left = sizeof gaps->ranges - gaps->used;
    int size =
        snprintf(gaps->ranges + gaps->used, left, "%s%s[%d] %lld to %lld", gaps->used ? ", " : "",
                 topic, partition, (long long)first, (long long)end - 1);
    if ((size_t)size < left) {
        gaps->used += (size_t)size;
    } else {
        gaps->ranges[gaps->used] = 0; /* no half range; the totals count it */
    }
}

/*
 * Adds the other partitions of the source, so that whoever decides sees all of it at once. What
 * can't be had now is left out: the partition at hand is reason enough.
 */
static void gaps_add_others(struct gaps *gaps, struct session *session, int32_t except)
{
    struct broker *broker = session->broker;
    const char *topic = broker->config->source.topic;
    rd_kafka_topic_partition_list_t *committed =
        rd_kafka_topic_partition_list_new((int)broker->partitions);
    for (int32_t p = 0; p < (int32_t)broker->partitions; p++) {
        if (p != except) rd_kafka_topic_partition_list_add(committed, topic, p);
    }
    rd_kafka_topic_partition_list_t *first = rd_kafka_topic_partition_list_copy(committed);
    for (int i = 0; i < first->cnt; i++) {
        first->elems[i].offset = RD_KAFKA_OFFSET_BEGINNING;
    }
    if (first->cnt > 0 &&
        !rd_kafka_committed(session->consumer.handle, committed, CLIENT_REQUEST_MS) &&
        !rd_kafka_offsets_for_times(broker->admin.handle, first, CLIENT_REQUEST_MS)) {
        for (int i = 0; i < first->cnt; i++) {
            if (committed->elems[i].err || first->elems[i].err) continue;
            gaps_add(gaps, topic, first->elems[i].partition, committed->elems[i].offset,
                     first->elems[i].offset);
        }
    }
    rd_kafka_topic_partition_list_destroy(first);
    rd_kafka_topic_partition_list_destroy(committed);
}

static enum status refuse(struct session *session, uint32_t partition, int64_t low,
                          struct error *error)
{
    struct gaps gaps = {0};
    const char *topic = session->broker->config->source.topic;
    gaps_add(&gaps, topic, (int32_t)partition, session->partitions[partition].next, low);
    gaps_add_others(&gaps, session, (int32_t)partition);
    return error_set(error, STATUS_REFUSED,
                     "kafka: up to %lld events in %u of %u partitions of '%s' were deleted before "
                     "they were read (offsets %s). To go on without them, with all histories, set "
                     "kafka.accept_gap: true; what is missing is counted and kept in the seals",
                     (long long)gaps.offsets, gaps.partitions, session->broker->partitions, topic,
                     gaps.ranges);
}

static void pass(struct session *session, uint32_t partition, int64_t low)
{
    struct session_partition *mine = &session->partitions[partition];
    const int64_t lost = mine->sealed ? low - mine->next : 0;
    if (mine->sealed) {
        log_warn("gap accepted: events were deleted before they were read",
                 log_text("topic", session->broker->config->source.topic),
                 log_int("partition", partition), log_int("first", mine->next),
                 log_int("last", low - 1), log_int("events_at_most", lost));
        metric_add(session->broker->lost, lost);
    }
    mine->lost += (uint64_t)lost;
    session_pass(session, partition, low);
}

enum status gap_resolve(struct session *session, uint32_t partition, struct error *error)
{
    struct broker *broker = session->broker;
    struct session_partition *mine = &session->partitions[partition];
    const char *topic = broker->config->source.topic;
    int64_t low, high;
    session->assignment_dirty = true; /* librdkafka has stopped fetching it */
    rd_kafka_resp_err_t code = client_watermarks(&broker->admin, topic, partition, &low, &high);
    if (!code && high < mine->next) {
        return error_set(error, STATUS_REFUSED,
                         "kafka: %s[%u] ends at offset %lld and was processed up to %lld: the "
                         "topic was made anew, or brokers lost its end. Its offsets name other "
                         "events now: use a new kafka.group and new companion topics",
                         topic, partition, (long long)high, (long long)mine->next);
    }
    if (low > mine->end) low = mine->end;
    if (!code && low > mine->next) {
        if (mine->sealed && !broker->config->kafka.accept_gap) {
            return refuse(session, partition, low, error);
        }
        pass(session, partition, low);
        return STATUS_OK;
    }
    if (code) client_report_error(&session->consumer, code, "asking for the offsets of a gap");
    rd_kafka_poll(session->producer.handle, CLIENT_PAUSE_MS);
    return STATUS_OK;
}

/*
 * refill.c - a consumer whose queue was full fetches again before the queue is empty.
 *
 * librdkafka stops fetching while its queue is full. Before 2.2 nothing tells the thread of the
 * broker's connection that there is room again: it looks after a second, or when it has something
 * else to do. So it is given that: a question for the ends of the partitions, whose answer nobody
 * waits for. A small queue is then enough, and what is in it is still in the processor's cache.
 */
#include "base/clock.h"
#include "stream/broker/kafka/session.h"

enum { REFILL_EVERY_MS = 10 };

/* A request to every leader that the session reads from. It is sent, and its answer dropped. */
static void wake_connections(struct session *session)
{
    const struct broker *broker = session->broker;
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new((int)broker->partitions);
    for (uint32_t p = 0; p < broker->partitions; p++) {
        const struct session_partition *mine = &session->partitions[p];
        if (mine->state != PARTITION_LIVE || mine->next >= mine->end) continue;
        rd_kafka_topic_partition_list_add(list, broker->config->source.topic, (int32_t)p)->offset =
            RD_KAFKA_OFFSET_END;
    }
    if (list->cnt > 0) rd_kafka_offsets_for_times(session->consumer.handle, list, 0);
    rd_kafka_topic_partition_list_destroy(list);
}

void session_refill(struct session *session)
{
    const size_t take_max = session->broker->config->job.poll_events_max;
    const size_t length = rd_kafka_queue_length(session->queue);
    const bool grew = length > session->queue_left;
    session->queue_left = length > take_max ? length - take_max : 0;
    if (grew) session->queue_peak = length;
    if (grew || length == 0 || length >= session->queue_peak / 2) return;
    if (rd_kafka_version() >= FETCH_BACKOFF_SINCE) return;
    const int64_t now_ns = clock_monotonic_ns();
    if (now_ns - session->refill_ns < REFILL_EVERY_MS * INT64_C(1000000)) return;
    session->refill_ns = now_ns;
    wake_connections(session);
}

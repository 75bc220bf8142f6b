/* ends.c - see ends.h. */
#include "stream/broker/kafka/ends.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"

enum { ENDS_WAIT_MS = 1000 };

struct known_end {
    int64_t offset; /* -1: not known */
    int64_t as_of_ms;
};

struct source_ends {
    struct client client; /* of who asks, opened by its first question */
    pthread_mutex_t lock;
    struct known_end known[]; /* by partition */
};

enum status source_ends_open(struct source_ends **endsp, uint32_t partitions, struct error *error)
{
    struct source_ends *ends = calloc(1, sizeof *ends + partitions * sizeof *ends->known);
    *endsp = ends;
    if (!ends) return error_set(error, STATUS_IO, "out of memory: ends of the source");
    pthread_mutex_init(&ends->lock, NULL);
    for (uint32_t p = 0; p < partitions; p++) {
        ends->known[p].offset = -1;
    }
    return STATUS_OK;
}

void source_ends_close(struct source_ends *ends)
{
    if (!ends) return;
    client_close(&ends->client);
    pthread_mutex_destroy(&ends->lock);
    free(ends);
}

/* The list of all partitions with their ends; NULL: there was no answer. */
static rd_kafka_topic_partition_list_t *ask_for_ends(struct source_ends *ends,
                                                     const struct broker *broker)
{
    struct error error = {0};
    if (!ends->client.handle &&
        client_open_committed(&ends->client, broker->config, &error) != STATUS_OK) {
        log_warn("the ends of the source cannot be asked for", log_text("why", error.text));
        return NULL;
    }
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new((int)broker->partitions);
    for (uint32_t p = 0; p < broker->partitions; p++) {
        rd_kafka_topic_partition_list_add(list, broker->config->source.topic, (int32_t)p)->offset =
            RD_KAFKA_OFFSET_END;
    }
    if (!client_offsets_for_times(&ends->client, list, ENDS_WAIT_MS)) return list;
    rd_kafka_topic_partition_list_destroy(list);
    return NULL;
}

void source_ends_ask(struct source_ends *ends, const struct broker *broker)
{
    const int64_t now_ms = clock_wall_ms(); /* no later than any answer */
    rd_kafka_topic_partition_list_t *list = ask_for_ends(ends, broker);
    if (!list) return;
    pthread_mutex_lock(&ends->lock);
    for (int i = 0; i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *its = &list->elems[i];
        if (its->err || its->offset < 0) continue;
        ends->known[its->partition] = (struct known_end){its->offset, now_ms};
    }
    pthread_mutex_unlock(&ends->lock);
    rd_kafka_topic_partition_list_destroy(list);
}

int64_t source_end(struct source_ends *ends, uint32_t partition, int64_t *as_of_msp)
{
    pthread_mutex_lock(&ends->lock);
    const struct known_end known = ends->known[partition];
    pthread_mutex_unlock(&ends->lock);
    *as_of_msp = known.as_of_ms;
    return known.offset;
}

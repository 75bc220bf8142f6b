/* ends.c - see ends.h. */
#include "stream/broker/kafka/ends.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"

enum {
    ENDS_FRESH_MS = 1000, /* that what is known counts, */
    ENDS_WAIT_MS = 1000,  /* and that an answer is waited for */
};

struct source_ends {
    pthread_mutex_t lock;
    bool asking;          /* somebody does, and has the client */
    int64_t asked_ns;     /* when somebody had asked last, 0: never */
    int64_t *known;       /* [partitions]; NULL: nobody has asked */
    struct client client; /* opened by who asks first */
};

enum status source_ends_open(struct source_ends **endsp, struct error *error)
{
    *endsp = calloc(1, sizeof **endsp);
    if (!*endsp) return error_set(error, STATUS_IO, "out of memory: ends of the source");
    pthread_mutex_init(&(*endsp)->lock, NULL);
    return STATUS_OK;
}

void source_ends_close(struct source_ends *ends)
{
    if (!ends) return;
    client_close(&ends->client);
    free(ends->known);
    pthread_mutex_destroy(&ends->lock);
    free(ends);
}

/* Whether the caller is to ask, since what is known is old; makes room for the answer. Under the lock. */
static bool begin_to_ask(struct source_ends *ends, uint32_t partitions)
{
    const int64_t since_ns = clock_monotonic_ns() - ends->asked_ns;
    if (ends->asking || (ends->asked_ns && since_ns < (int64_t)ENDS_FRESH_MS * 1000000))
        return false;
    if (!ends->known) {
        ends->known = malloc(partitions * sizeof *ends->known);
        if (!ends->known) return false;
        for (uint32_t p = 0; p < partitions; p++) {
            ends->known[p] = -1;
        }
    }
    ends->asking = true;
    return true;
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

static void ask(struct source_ends *ends, const struct broker *broker)
{
    rd_kafka_topic_partition_list_t *list = ask_for_ends(ends, broker);
    pthread_mutex_lock(&ends->lock);
    for (int i = 0; list && i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *its = &list->elems[i];
        if (!its->err && its->offset >= 0) ends->known[its->partition] = its->offset;
    }
    ends->asking = false;
    ends->asked_ns = clock_monotonic_ns();
    pthread_mutex_unlock(&ends->lock);
    if (list) rd_kafka_topic_partition_list_destroy(list);
}

int64_t source_end(struct source_ends *ends, struct broker *broker, uint32_t partition)
{
    pthread_mutex_lock(&ends->lock);
    const bool asks = begin_to_ask(ends, broker->partitions);
    pthread_mutex_unlock(&ends->lock);
    if (asks) ask(ends, broker);
    pthread_mutex_lock(&ends->lock);
    const int64_t end = ends->known ? ends->known[partition] : -1;
    pthread_mutex_unlock(&ends->lock);
    return end;
}

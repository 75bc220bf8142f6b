/* owners.c - see owners.h. */
#include "stream/broker/kafka/owners.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "config/listen.h"

enum {
    OWNERS_FRESH_MS = 1000, /* that what is known counts, */
    OWNERS_WAIT_MS = 1000,  /* and that an answer is waited for */
};

struct group_owners {
    pthread_mutex_t lock;
    bool asking;         /* somebody does */
    int64_t asked_ns;    /* when somebody had asked last, 0: never */
    char **addresses;    /* [partitions] of the heap; NULL each: not known */
    uint32_t partitions; /* 0: there was no answer yet */
};

/* What is found out, before it is shown. */
struct asking {
    const char *topic;
    char **addresses;
    uint32_t partitions;
};

enum status group_owners_open(struct group_owners **ownersp, struct error *error)
{
    *ownersp = calloc(1, sizeof **ownersp);
    if (!*ownersp) return error_set(error, STATUS_IO, "out of memory: whose partitions are");
    pthread_mutex_init(&(*ownersp)->lock, NULL);
    return STATUS_OK;
}

static void free_addresses(char **addresses, uint32_t partitions)
{
    for (uint32_t p = 0; p < partitions; p++) {
        free(addresses[p]);
    }
    free(addresses);
}

void group_owners_close(struct group_owners *owners)
{
    if (!owners) return;
    free_addresses(owners->addresses, owners->partitions);
    pthread_mutex_destroy(&owners->lock);
    free(owners);
}

static void note_member(const struct asking *asking, const rd_kafka_MemberDescription_t *member)
{
    const char *address = strrchr(rd_kafka_MemberDescription_client_id(member), '@');
    const rd_kafka_MemberAssignment_t *assigned = rd_kafka_MemberDescription_assignment(member);
    const rd_kafka_topic_partition_list_t *list =
        assigned ? rd_kafka_MemberAssignment_partitions(assigned) : NULL;
    if (!address || !listen_is_address(address + 1)) return;
    for (int i = 0; list && i < list->cnt; i++) {
        const int32_t p = list->elems[i].partition;
        if (strcmp(list->elems[i].topic, asking->topic) != 0) continue;
        if (p < 0 || (uint32_t)p >= asking->partitions || asking->addresses[p]) continue;
        asking->addresses[p] = strdup(address + 1);
    }
}

static void note_members(void *context, const rd_kafka_ConsumerGroupDescription_t *group)
{
    for (size_t i = 0; i < rd_kafka_ConsumerGroupDescription_member_count(group); i++) {
        note_member(context, rd_kafka_ConsumerGroupDescription_member(group, i));
    }
}

/* Whether the caller is to ask, since what is known is old. Under the lock. */
static bool begin_asking(struct group_owners *owners, int64_t now_ns)
{
    const bool fresh =
        owners->asked_ns && now_ns - owners->asked_ns < (int64_t)OWNERS_FRESH_MS * 1000000;
    if (fresh || owners->asking) return false;
    owners->asking = true;
    return true;
}

/* Asks, and shows what came; without an answer what was known stays. */
static void ask(struct group_owners *owners, struct broker *broker)
{
    struct asking asking = {broker->config->source.topic,
                            calloc(broker->partitions, sizeof *asking.addresses),
                            broker->partitions};
    const bool answered =
        asking.addresses && !client_describe_group(&broker->admin, broker->config->kafka.group,
                                                   OWNERS_WAIT_MS, note_members, &asking);
    pthread_mutex_lock(&owners->lock);
    char **const before = owners->addresses;
    const uint32_t count = owners->partitions;
    if (answered) {
        owners->addresses = asking.addresses;
        owners->partitions = asking.partitions;
    }
    owners->asking = false;
    owners->asked_ns = clock_monotonic_ns();
    pthread_mutex_unlock(&owners->lock);
    if (answered) {
        free_addresses(before, count);
    } else if (asking.addresses) {
        free_addresses(asking.addresses, asking.partitions);
    }
}

bool group_owner(struct group_owners *owners, struct broker *broker, uint32_t partition, char *to,
                 size_t room)
{
    pthread_mutex_lock(&owners->lock);
    const bool asks = begin_asking(owners, clock_monotonic_ns());
    pthread_mutex_unlock(&owners->lock);
    if (asks) ask(owners, broker);
    pthread_mutex_lock(&owners->lock);
    const char *address = partition < owners->partitions ? owners->addresses[partition] : NULL;
    if (address) snprintf(to, room, "%s", address);
    pthread_mutex_unlock(&owners->lock);
    return address != NULL;
}

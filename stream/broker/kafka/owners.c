/* owners.c - see owners.h. */
#include "stream/broker/kafka/owners.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/listen.h"

enum { OWNERS_WAIT_MS = 1000 };

struct group_owners {
    pthread_mutex_t lock;
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

/* What is left of a member's assignment, as the consumer protocol writes it (big-endian). */
struct assigned {
    const unsigned char *at;
    size_t left;
};

/* The next number of `size` bytes; 0 where there is none. */
static uint32_t next_number(struct assigned *assigned, size_t size)
{
    uint32_t number = 0;
    if (assigned->left < size) {
        assigned->left = 0;
        return 0;
    }
    for (size_t i = 0; i < size; i++) {
        number = number << 8 | assigned->at[i];
    }
    assigned->at += size;
    assigned->left -= size;
    return number;
}

/* Skips the name of a topic; says whether it is that one. */
static bool next_topic_is(struct assigned *assigned, const char *topic)
{
    const size_t size = next_number(assigned, 2);
    if (size > assigned->left) {
        assigned->left = 0;
        return false;
    }
    const bool same = size == strlen(topic) && memcmp(assigned->at, topic, size) == 0;
    assigned->at += size;
    assigned->left -= size;
    return same;
}

/* version | topics: name, partitions | data of the user's */
static void note_member(const struct asking *asking,
                        const struct rd_kafka_group_member_info *member)
{
    struct assigned assigned = {member->member_assignment, (size_t)member->member_assignment_size};
    const char *address = strrchr(member->client_id, '@');
    if (!address || !listen_is_address(address + 1)) return;
    (void)next_number(&assigned, 2);
    for (uint32_t topics = next_number(&assigned, 4); topics > 0 && assigned.left > 0; topics--) {
        const bool ours = next_topic_is(&assigned, asking->topic);
        for (uint32_t left = next_number(&assigned, 4); left > 0 && assigned.left >= 4; left--) {
            const uint32_t p = next_number(&assigned, 4);
            if (!ours || p >= asking->partitions || asking->addresses[p]) continue;
            asking->addresses[p] = strdup(address + 1);
        }
    }
}

static void note_members(void *context, const struct rd_kafka_group_info *group)
{
    for (int i = 0; i < group->member_cnt; i++) {
        note_member(context, &group->members[i]);
    }
}

void group_owners_ask(struct group_owners *owners, struct broker *broker)
{
    struct asking asking = {broker->config->source.topic,
                            calloc(broker->partitions, sizeof *asking.addresses),
                            broker->partitions};
    if (!asking.addresses) return;
    const bool answered = !client_describe_group(&broker->admin, broker->config->kafka.group,
                                                 OWNERS_WAIT_MS, note_members, &asking);
    if (answered) {
        pthread_mutex_lock(&owners->lock);
        const struct asking before = {NULL, owners->addresses, owners->partitions};
        owners->addresses = asking.addresses;
        owners->partitions = asking.partitions;
        pthread_mutex_unlock(&owners->lock);
        asking = before;
    }
    free_addresses(asking.addresses, asking.partitions);
}

bool group_owner(struct group_owners *owners, uint32_t partition, char *to, size_t room)
{
    pthread_mutex_lock(&owners->lock);
    const char *address = partition < owners->partitions ? owners->addresses[partition] : NULL;
    if (address) snprintf(to, room, "%s", address);
    pthread_mutex_unlock(&owners->lock);
    return address != NULL;
}

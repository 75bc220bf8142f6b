/* recent_items.c - a direct-mapped table: a hash has one place, and the last one there wins. */
#include "stream/source/recent_items.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"

enum { PLACES = 1 << 14 };

struct place {
    uint64_t hash;
    uint32_t size; /* 0: free */
    char id[RECENT_ITEM_SIZE_MAX];
};

struct recent_items {
    pthread_mutex_t lock;
    struct place places[PLACES];
};

enum status recent_items_open(struct recent_items **itemsp, struct error *error)
{
    *itemsp = calloc(1, sizeof **itemsp);
    if (!*itemsp) return error_set(error, STATUS_IO, "out of memory: recent items");
    pthread_mutex_init(&(*itemsp)->lock, NULL);
    return STATUS_OK;
}

void recent_items_close(struct recent_items *items)
{
    if (!items) return;
    pthread_mutex_destroy(&items->lock);
    free(items);
}

static struct place *recent_place(struct recent_items *items, uint64_t hash)
{
    return &items->places[splitmix64(hash) % PLACES];
}

void recent_items_add(struct recent_items *items, uint64_t hash, struct bytes id)
{
    if (id.size > RECENT_ITEM_SIZE_MAX) return;
    pthread_mutex_lock(&items->lock);
    struct place *place = recent_place(items, hash);
    place->hash = hash;
    place->size = (uint32_t)id.size;
    memcpy(place->id, id.at, id.size);
    pthread_mutex_unlock(&items->lock);
}

struct bytes recent_items_id(struct recent_items *items, uint64_t hash, char *room)
{
    size_t size = 0;
    if (!items) return (struct bytes){NULL, 0};
    pthread_mutex_lock(&items->lock);
    const struct place *place = recent_place(items, hash);
    if (place->hash == hash) {
        size = place->size;
        memcpy(room, place->id, size);
    }
    pthread_mutex_unlock(&items->lock);
    return (struct bytes){room, size};
}

size_t recent_items_size(void)
{
    return sizeof(struct recent_items);
}

/* item_names.c - a direct-mapped table: a hash has one place, and the last one there wins. */
#include "stream/source/item_names.h"

#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"

enum { PLACES = 1 << 18 };

struct place {
    uint64_t item;
    uint64_t category; /* identity, 0 if none */
};

struct item_names {
    struct place places[PLACES];
};

enum status item_names_open(struct item_names **namesp, struct error *error)
{
    *namesp = calloc(1, sizeof **namesp);
    if (!*namesp) return error_set(error, STATUS_IO, "out of memory: item names");
    return STATUS_OK;
}

void item_names_close(struct item_names *names)
{
    free(names);
}

static size_t place_of(const struct event *event)
{
    return splitmix64(event->item_hash) % PLACES;
}

void item_names_prefetch(const struct item_names *names, const struct event *event)
{
    __builtin_prefetch(&names->places[place_of(event)]);
}

bool item_names_is_new(struct item_names *names, const struct event *event)
{
    struct place *place = &names->places[place_of(event)];
    uint64_t category =
        event->category.size ? identity_of(event->category.at, event->category.size) : 0;
    if (place->item == event->item_hash && place->category == category) return false;
    *place = (struct place){event->item_hash, category};
    return true;
}

void item_names_forget(struct item_names *names)
{
    memset(names, 0, sizeof *names);
}

size_t item_names_size(void)
{
    return sizeof(struct item_names);
}

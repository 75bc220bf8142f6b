/* name_set.c - one table of hashes over an array of names. */
#include "stream/learn/name_set.h"

#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"

static enum status names_no_memory(const struct name_set *set, struct error *error)
{
    return error_set(error, STATUS_IO, "out of memory after %u distinct names", set->count);
}

/* The slot of `hash`, or the free one where it belongs. */
static uint32_t *name_slot(const struct name_set *set, uint64_t hash)
{
    uint32_t at = (uint32_t)splitmix64(hash) & (set->slots_count - 1);
    while (set->slots[at] && set->names[set->slots[at] - 1].hash != hash) {
        at = (at + 1) & (set->slots_count - 1);
    }
    return &set->slots[at];
}

/* What there is room for once another name has joined: doubled when half the slots are taken, */
static uint32_t slots_with(const struct name_set *set)
{
    if (set->count < set->slots_count / 2) return set->slots_count;
    return set->slots_count ? 2 * set->slots_count : 1024;
}

/* or when the bytes are. */
static size_t room_with(const struct name_set *set, size_t text)
{
    if (text <= set->bytes_room - set->bytes_used) return set->bytes_room;
    return 2 * set->bytes_room + text + 4096;
}

size_t name_set_size_with(const struct name_set *set, size_t text)
{
    const size_t slots = slots_with(set);
    return slots * sizeof *set->slots + slots / 2 * sizeof *set->names + room_with(set, text);
}

static enum status grow_names(struct name_set *set, struct error *error)
{
    const uint32_t slots_count = slots_with(set);
    if (slots_count == set->slots_count) return STATUS_OK;
    if (set->count == NAMES_MAX) {
        return error_set(error, STATUS_INVALID,
                         "the log has more than %d distinct items or categories; is "
                         "source.fields.item the right field?",
                         NAMES_MAX);
    }
    struct name *names = realloc(set->names, slots_count / 2 * sizeof *names);
    if (!names) return names_no_memory(set, error);
    set->names = names;
    uint32_t *slots = calloc(slots_count, sizeof *slots);
    if (!slots) return names_no_memory(set, error);
    free(set->slots);
    set->slots = slots;
    set->slots_count = slots_count;
    for (uint32_t i = 0; i < set->count; i++) {
        *name_slot(set, names[i].hash) = i + 1;
    }
    return STATUS_OK;
}

enum status name_set_add(struct name_set *set, struct bytes text, uint64_t hash, uint32_t *numberp,
                         struct error *error)
{
    TRY(grow_names(set, error));
    uint32_t *slot = name_slot(set, hash);
    if (*slot == 0) {
        const size_t room = room_with(set, text.size);
        if (room != set->bytes_room) {
            uint8_t *bytes = realloc(set->bytes, room);
            if (!bytes) return names_no_memory(set, error);
            set->bytes = bytes;
            set->bytes_room = room;
        }
        if (text.size) memcpy(set->bytes + set->bytes_used, text.at, text.size);
        set->names[set->count++] =
            (struct name){.hash = hash, .at = set->bytes_used, .size = (uint32_t)text.size};
        set->bytes_used += text.size;
        *slot = set->count;
    }
    *numberp = *slot - 1;
    return STATUS_OK;
}

struct bytes name_set_text(const struct name_set *set, uint32_t number)
{
    return (struct bytes){set->bytes + set->names[number].at, set->names[number].size};
}

void name_set_close(struct name_set *set)
{
    free(set->bytes);
    free(set->slots);
    free(set->names);
}

struct name *name_set_find(const struct name_set *set, uint64_t hash)
{
    if (set->count == 0) return NULL;
    const uint32_t *slot = name_slot(set, hash);
    return *slot ? &set->names[*slot - 1] : NULL;
}

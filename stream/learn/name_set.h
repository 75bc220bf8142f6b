/*
 * name_set.h - the distinct items or categories of a log, told apart by their hashes and counted.
 *
 * Names are numbered in the order of their first appearance. Of two ids with the same hash the first
 * seen stands for both, as everywhere.
 *
 * Memory: about 100 bytes and the id for each name. Threads: one owner.
 */
#ifndef STREAM_LEARN_NAME_SET_H
#define STREAM_LEARN_NAME_SET_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"

enum { NAMES_MAX = 1 << 28 }; /* of a set */

struct name {
    uint64_t hash;
    uint64_t count; /* events; the owner's to add up */
    size_t at;      /* of its bytes in the set's block */
    uint32_t size;
    uint32_t category; /* items: number + 1 in the categories, as last seen; 0 = none */
};

/* All zero is an empty set. */
struct name_set {
    struct name *names; /* [slots_count / 2] */
    uint32_t count;
    uint32_t *slots; /* open addressing: number + 1, 0 = free */
    uint32_t slots_count;
    uint8_t *bytes;
    size_t bytes_used;
    size_t bytes_room;
};

void name_set_close(struct name_set *set);

/* Bytes that the set takes once another name of `text` bytes has joined. */
size_t name_set_size_with(const struct name_set *set, size_t text);

/* The number of a name, which joins at its first appearance. STATUS_INVALID beyond NAMES_MAX. */
MUST_CHECK enum status name_set_add(struct name_set *set, struct bytes text, uint64_t hash,
                                    uint32_t *numberp, struct error *error);

/* The name with that hash, or NULL. */
struct name *name_set_find(const struct name_set *set, uint64_t hash);

/* Valid until the next name joins. */
struct bytes name_set_text(const struct name_set *set, uint32_t number);

#endif

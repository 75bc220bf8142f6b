/*
 * recent_items.h - ids of items that events have brought lately and that the model does not know.
 *
 * A history holds hashes, and the generation's dictionary has the ids of the items that it has
 * learned. Whoever is asked about a user meanwhile finds the ids of newer items here: those of events
 * that this process has taken since its start, as far as they are short and have not been pushed out.
 *
 * Threads: any. Memory: bounded, recent_items_size.
 */
#ifndef STREAM_SOURCE_RECENT_ITEMS_H
#define STREAM_SOURCE_RECENT_ITEMS_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"

enum { RECENT_ITEM_SIZE_MAX = 116 }; /* bytes of an id; longer ones are not kept */

struct recent_items;

MUST_CHECK enum status recent_items_open(struct recent_items **itemsp, struct error *error);
void recent_items_close(struct recent_items *items); /* legal on NULL */

/* Keeps the id that an event had for the hash. */
void recent_items_add(struct recent_items *items, uint64_t hash, struct bytes id);

/* The id with that hash, copied to `room` [RECENT_ITEM_SIZE_MAX]; empty: it is not kept. Legal on NULL. */
struct bytes recent_items_id(struct recent_items *items, uint64_t hash, char *room);

size_t recent_items_size(void);

#endif

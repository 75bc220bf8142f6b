/*
 * item_names.h - which items' names were sent lately, so that each is sent about once.
 *
 * Histories hold hashes. What a hash stands for (id and category) goes to a compacted log of its
 * own when this bounded table does not know it: sending one twice costs bytes and nothing else.
 *
 * Thread: one owner.
 */
#ifndef STREAM_SOURCE_ITEM_NAMES_H
#define STREAM_SOURCE_ITEM_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
#include "stream/source/event.h"

struct item_names;

MUST_CHECK enum status item_names_open(struct item_names **namesp, struct error *error);
void item_names_close(struct item_names *names);

/* True if the item of `event`, in its category, has not been seen lately; from now on it has. */
bool item_names_is_new(struct item_names *names, const struct event *event);

/* Begins to fetch into the processor's caches what item_names_is_new will read. */
void item_names_prefetch(const struct item_names *names, const struct event *event);

/* Forgets everything, after an abort: what was sent did not arrive. */
void item_names_forget(struct item_names *names);

/* Bytes of a table, for the memory plan. */
size_t item_names_size(void);

#endif

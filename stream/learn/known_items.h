/*
 * known_items.h - what a job has written down of the items it has met: ids and categories.
 *
 * Histories hold hashes; a dictionary needs names. Read from the item logs, files or topic, as
 * anybody outside the job would. What was read is kept, so that the next reading of a topic begins
 * where the last one ended.
 *
 * Memory: that of the names (name_set.h) and of the dictionary made of them, up to `size_max`. What
 * was met first has room first; an item without has no name, and so no row of its own.
 * Threads: one owner.
 */
#ifndef STREAM_LEARN_KNOWN_ITEMS_H
#define STREAM_LEARN_KNOWN_ITEMS_H

#include "base/status.h"
#include "config/config.h"
#include "stream/learn/name_set.h"

/* All zero is nothing known. */
struct known_items {
    struct name_set items, categories;
    int64_t *next; /* [parts] number of the record that is read next */
    uint32_t parts;
    uint64_t size_max; /* bytes; 0: no limit */
    uint64_t left_out; /* records that the last reading had no room for */
};

void known_items_close(struct known_items *known);

/*
 * Adds what the committed item logs have now: every item with the category it was last met with,
 * and every category. Counts stay as they are. After a failure the next call reads on.
 */
MUST_CHECK enum status known_items_read(struct known_items *known, const struct config *config,
                                        struct error *error);

#endif

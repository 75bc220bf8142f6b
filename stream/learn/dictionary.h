/*
 * dictionary.h - the item dictionary of a generation, out of counted names.
 *
 * The first generation's dictionary has the most frequent items first. A later one goes on from the
 * one before: what has a row keeps it, for parameters lie there, and items that have been seen often
 * enough get the rows behind, the most frequent first. Where that would be more items than there may
 * be, those with the fewest counted events go out; of equals, who has a row stays, and before those
 * who came to it later. Nothing is lost of an item that goes: histories hold its hash, older
 * generations know it still, and counted often enough it has a row again.
 *
 * Categories likewise: the rows there were, then new ones. One that no item of the dictionary had
 * in the one before has no row any more.
 */
#ifndef STREAM_LEARN_DICTIONARY_H
#define STREAM_LEARN_DICTIONARY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "model/item_table.h"
#include "stream/learn/name_set.h"

struct dictionary_options {
    uint32_t oov;       /* of a first dictionary: rows that items without one of their own share */
    uint32_t items_max; /* items with a row, the others go out */
    uint64_t count_min; /* events that an item needs for a row */
    bool tags;          /* an item takes all its categories; else the first */
};

/*
 * `before` is the dictionary to go on from, or NULL. An item takes the category that it was last
 * seen with; several are one name in `categories` (stream/source/categories.h). STATUS_IO: out of memory. On failure *tablep is NULL.
 */
MUST_CHECK enum status dictionary_open(struct item_table **tablep, const struct item_table *before,
                                       const struct name_set *items,
                                       const struct name_set *categories,
                                       const struct dictionary_options *options,
                                       struct error *error);

#endif

/*
 * known_items.h - what a job has written down of the items it has met: ids and categories.
 *
 * Histories hold hashes; a dictionary needs names. Read from the item logs, files or topic, as
 * anybody outside the job would.
 */
#ifndef STREAM_LEARN_KNOWN_ITEMS_H
#define STREAM_LEARN_KNOWN_ITEMS_H

#include "base/status.h"
#include "config/config.h"
#include "stream/learn/name_set.h"

/*
 * Adds every item of the committed item logs, with the category it was last met with, and every
 * category. Counts stay as they are.
 */
MUST_CHECK enum status known_items_read(const struct config *config, struct name_set *items,
                                        struct name_set *categories, struct error *error);

#endif

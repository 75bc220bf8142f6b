/*
 * catalogue.h - titles of items, for people: what inspect and the demo print beside an id.
 *
 * A catalogue is a table in a file, plain or gzipped: tsv if its first line has a tab, else csv.
 * Two of its columns count. Nothing that is published depends on it.
 *
 * Threads: an open catalogue never changes and may be shared.
 */
#ifndef STREAM_QUERY_CATALOGUE_H
#define STREAM_QUERY_CATALOGUE_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"

enum { CATALOGUE_LINE_SIZE_MAX = 64 << 10 }; /* a longer line loses its end */

struct catalogue;

/*
 * Reads a catalogue. A column is given by its number from 1 or, if that is no number, by its name
 * in the first line; with two numbers every line is an item. NULL for both: the columns named item
 * and title if the first line has them, else 1 and 2. A line without a title is passed over; of two
 * titles the first counts. STATUS_INVALID: no such column, or quotes that do not match (with the
 * line's number). On failure *cataloguep is NULL.
 */
MUST_CHECK enum status catalogue_open(struct catalogue **cataloguep, const char *path,
                                      const char *item_column, const char *title_column,
                                      struct error *error);
void catalogue_close(struct catalogue *catalogue);

/* Title of the item with that hash (identity_of its id), empty if none. Legal on NULL. Borrowed. */
struct bytes catalogue_title(const struct catalogue *catalogue, uint64_t item_hash);

#endif

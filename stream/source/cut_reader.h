/*
 * cut_reader.h - the events of a file, and which of them come before a cut.
 *
 * An event is held against the cut by its own time, or by another field, which says when its record
 * came into a topic: then the file is read by two readers side by side, one for each.
 *
 *     open -> next ... until STATUS_END -> close
 *
 * Thread: one.
 */
#ifndef STREAM_SOURCE_CUT_READER_H
#define STREAM_SOURCE_CUT_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "config/config.h"
#include "stream/source/event.h"
#include "stream/source/event_reader.h"

struct cut {
    int64_t ms;
    const char *field; /* named as source.fields.time is, of the same form; NULL: that one */
};

struct cut_reader;

/* `files` says how the file is read. On failure *readerp is NULL. */
MUST_CHECK enum status cut_reader_open(struct cut_reader **readerp, const struct config *files,
                                       const char *path, const struct cut *cut,
                                       struct error *error);
/* Legal on NULL. */
void cut_reader_close(struct cut_reader *reader);

/*
 * The next event, valid until the next call; STATUS_END after the last. *beforep: it is accepted, and
 * before the cut. One whose other field is no time is bad.
 */
MUST_CHECK enum status cut_reader_next(struct cut_reader *reader, struct event *event,
                                       bool *beforep, struct error *error);

/* Where its last event lies, in words (event_reader_place). */
void cut_reader_place(const struct cut_reader *reader, const struct event *event,
                      char to[SOURCE_PLACE_MAX]);

#endif

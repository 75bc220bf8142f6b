/*
 * file_part.h - the part of the source that a run takes (source.start, source.end), and how much of
 * it was read.
 *
 * Thread: one at a time.
 */
#ifndef STREAM_BROKER_FILE_FILE_PART_H
#define STREAM_BROKER_FILE_FILE_PART_H

#include <stdbool.h>
#include <stdint.h>

#include "config/bound.h"
#include "stream/source/event.h"

struct file_part {
    struct bound start; /* BOUND_NONE, too, of a job that has committed something */
    struct bound end;
    double bytes;        /* the share of the source's bytes before the first event; -1: unknown */
    int64_t first, next; /* offset of the first event that was taken, and behind the last one */
    int64_t first_ms, last_ms; /* time of the first accepted event, and the latest; 0: none yet */
    bool begun;
};

/* Whether the event is the first one behind a bound. */
bool file_part_reaches(const struct bound *bound, const struct event *event);

/* An event of the part was read, of a source of whose bytes this share was (-1: unknown). */
void file_part_take(struct file_part *part, const struct event *event, double bytes);

/* Whether there was nothing in a part that a place or a time bounds. */
bool file_part_is_empty(const struct file_part *part);

/*
 * The share of the part that was read (0..1): of its offsets, of the time between its first event and
 * its end, or of the bytes from its first event on, whichever says more, as the log may end before
 * the part does. -1: unknown, or it has no end.
 */
double file_part_share(const struct file_part *part, double bytes);

#endif

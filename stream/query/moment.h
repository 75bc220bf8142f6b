/*
 * moment.h - which behaviors a user had at a moment, of those that its history still has.
 *
 * As of a time a user has the behaviors before the first one that is later: what comes behind that
 * was not known then, even if its own time is earlier.
 */
#ifndef STREAM_QUERY_MOMENT_H
#define STREAM_QUERY_MOMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "state/history.h"

#define MOMENT_NOW INT64_MAX /* later than any behavior */

enum moment_kind {
    MOMENT_THERE,
    MOMENT_LATER, /* the user had none */
    MOMENT_CUT,   /* some of those that its state needs are gone */
};

/* Looks at the chunks of a user in the order of their ordinals. All zero at first. */
struct moment {
    uint64_t oldest; /* ordinal from which on nothing is missing, */
    uint64_t end;    /* up to this one */
    uint64_t events; /* ordinal of the first behavior that is later; `end` if there is none */
    bool later;      /* there is one */
    uint64_t from;   /* once it is decided: where the fold begins */
};

/* Takes in the user's next chunk; the moment is `as_of_ms`. */
void moment_add(struct moment *moment, const struct history *chunk, int64_t as_of_ms);

/* Decides, the header of the user's last chunk at hand. There: it had [from, events). */
enum moment_kind moment_decide(struct moment *moment, const struct history *newest,
                               uint32_t history_max);

#endif

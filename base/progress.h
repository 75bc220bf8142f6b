/*
 * progress.h - how much of a long run is done, on standard error.
 *
 * On a terminal one line that is redrawn, elsewhere a plain line now and then, while there is
 * something new to say, so that a log stays readable; with log.format=logfmt or json lines of the
 * log. How often is decided here: call progress_show as often as you like.
 *
 *     progress_start -> progress_show ... -> progress_end
 *
 * Thread: one at a time.
 */
#ifndef BASE_PROGRESS_H
#define BASE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    const char *what; /* "run", "verify" */
    const char *unit; /* of what is counted: "events" */
    bool quiet;
    bool redraws; /* one line on a terminal */
    int64_t started_ns;
    double begun;     /* the share at the first call: an earlier run did so much; -1: none yet */
    int64_t shown_ns; /* when a line was last written */
    double share;     /* what that line said */
    uint64_t count;
    bool drawn; /* a redrawn line stands on the terminal */
};

/* Keeps the texts. `quiet`: nothing is ever written. */
void progress_start(struct progress *progress, const char *what, const char *unit, bool quiet);

/* `share` of the whole is done (0..1, -1 if there is no end), `count` units so far. */
void progress_show(struct progress *progress, double share, uint64_t count);

/* Wipes the redrawn line, so that what is written next stands alone. */
void progress_end(struct progress *progress);

/* "1234567" as "1,234,567", into `to`; returns `to`. */
enum { PROGRESS_NUMBER_MAX = 32 };
const char *progress_number(uint64_t number, char to[PROGRESS_NUMBER_MAX]);

#endif

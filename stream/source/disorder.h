/*
 * disorder.h - how far a log is from the order of time, user by user.
 *
 * What comes before an earlier event of its user is late: a model sees it after what followed it,
 * so a log that is not in the order of time trains, and reads, another story. The latest time of
 * each user is remembered in a table of fixed size that users share; one that was crowded out since
 * its last event is not compared. So the counts are exact for thousands of users at a time, and a
 * fair share of any number.
 *
 * Threads: one owner.
 */
#ifndef STREAM_SOURCE_DISORDER_H
#define STREAM_SOURCE_DISORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "stream/source/event.h"

enum { DISORDER_SLOTS = 1 << 14, LATE_USER_SIZE = 64 };

/* An event that came after a later one of its user. */
struct late_event {
    int64_t by_ms; /* how much later that one is; 0: there is no such event */
    uint32_t partition;
    int64_t offset;
    char user[LATE_USER_SIZE]; /* escaped, and cut if it is long */
};

/* Notes an event in `worst` if it came later than the one there. True if it did. */
bool late_event_note(struct late_event *worst, int64_t by_ms, struct bytes user, uint32_t partition,
                     int64_t offset);

struct disorder {
    struct disorder_slot {
        uint64_t user;
        int64_t latest_ms;
    } slots[DISORDER_SLOTS];
    uint64_t compared; /* events whose user was remembered, */
    uint64_t late;     /* and those of them that came late */
    struct late_event worst;
};

/* Takes in the next accepted event. True if it is the worst so far. All zeros is an empty table. */
bool disorder_note(struct disorder *disorder, const struct event *event);

#endif

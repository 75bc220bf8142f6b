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

#include <stdint.h>

enum { DISORDER_SLOTS = 1 << 14 };

struct disorder {
    struct disorder_slot {
        uint64_t user;
        int64_t latest_ms;
    } slots[DISORDER_SLOTS];
    uint64_t compared; /* events whose user was remembered, */
    uint64_t late;     /* and those of them that came late */
    int64_t worst_ms;  /* how late the latest was, */
    int64_t worst_at;  /* and where: a line or an offset */
};

/* Takes in the next event of a user (identity_of its id). All zeros is an empty table. */
void disorder_note(struct disorder *disorder, uint64_t user, int64_t time_ms, int64_t at);

#endif

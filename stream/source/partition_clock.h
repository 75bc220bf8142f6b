/*
 * partition_clock.h - what time it is in a partition, by the events that it has brought.
 *
 * The greatest event time so far: a function of the source alone, which a replay and a verification
 * come to as the job did. Where records have a timestamp an event counts as no later than its
 * record, and after the first none moves the clock by more than a part of state.ttl: so an event of
 * a wrong time does not make everybody leave.
 */
#ifndef STREAM_SOURCE_PARTITION_CLOCK_H
#define STREAM_SOURCE_PARTITION_CLOCK_H

#include "config/config.h"
#include "state/history.h"
#include "stream/source/event.h"

enum { PARTITION_CLOCK_PARTS = 16 }; /* of the ttl, by one of which an event moves it at most */

/*
 * The clock with an event of the partition taken in, of those that are accepted, or would be if their
 * user had not been erased: others' lives shall not depend on that. `clock_ms`, HISTORY_NO_TIME before
 * the first one, is where it stood. It stays that if users' lives do not end (state.ttl: 0).
 */
static inline int64_t partition_clock_with(int64_t clock_ms, const struct event *event,
                                           const struct config *config)
{
    const int64_t ttl_ms = config->state.ttl_ms, stamp_ms = event->broker_ms;
    if (ttl_ms == 0 || (event->verdict != EVENT_ACCEPTED && !event->erased)) return clock_ms;
    const int64_t now_ms = stamp_ms >= 0 && stamp_ms < event->time_ms ? stamp_ms : event->time_ms;
    if (clock_ms == HISTORY_NO_TIME) return now_ms;
    if (now_ms <= clock_ms) return clock_ms;
    const int64_t most_ms = ttl_ms / PARTITION_CLOCK_PARTS + 1;
    return now_ms - clock_ms < most_ms ? now_ms : clock_ms + most_ms;
}

#endif

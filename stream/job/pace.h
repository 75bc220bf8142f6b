/*
 * pace.h - how fast a process takes events in (job.rate_max): a replay that leaves room for others.
 *
 * All workers of a process share one rate. A poll is paid for after it was processed, by waiting, so
 * polls are made small enough for a worker to look up several times a second.
 *
 * Threads: any.
 */
#ifndef STREAM_JOB_PACE_H
#define STREAM_JOB_PACE_H

#include <stdatomic.h>
#include <stdint.h>

struct pace {
    uint64_t rate;        /* events a second; 0: no limit */
    _Atomic int64_t paid; /* up to when what was taken in has been waited for, monotonic, in ns */
};

/* The most events of a poll at that rate. */
uint32_t pace_poll_events(uint64_t rate, uint32_t workers, uint32_t poll_events_max);

/* Waits as long as `events` more take. What was not taken in while there was none is not made up. */
void pace_wait(struct pace *pace, uint32_t events);

#endif

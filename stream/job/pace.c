/* pace.c - each poll reserves its share of time behind those before it. */
#include "stream/job/pace.h"

#include "base/clock.h"

enum { POLLS_A_SECOND = 10 };

uint32_t pace_poll_events(uint64_t rate, uint32_t workers, uint32_t poll_events_max)
{
    const uint64_t events = rate / ((uint64_t)workers * POLLS_A_SECOND);
    if (rate == 0 || events >= poll_events_max) return poll_events_max;
    return events > 0 ? (uint32_t)events : 1;
}

void pace_wait(struct pace *pace, uint32_t events)
{
    if (pace->rate == 0 || events == 0) return;
    const int64_t now = clock_monotonic_ns();
    const int64_t cost = (int64_t)((double)events * 1e9 / (double)pace->rate);
    int64_t paid = atomic_load(&pace->paid), until;
    do {
        until = (paid > now ? paid : now) + cost;
    } while (!atomic_compare_exchange_weak(&pace->paid, &paid, until));
    clock_sleep_ms((uint32_t)((until - now) / 1000000));
}

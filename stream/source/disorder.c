/* disorder.c - a table of latest times, one slot for all users that share it. */
#include "stream/source/disorder.h"

#include "base/checksum.h"
#include "base/escape.h"

bool late_event_note(struct late_event *worst, int64_t by_ms, struct bytes user, uint32_t partition,
                     int64_t offset)
{
    if (by_ms <= worst->by_ms) return false;
    *worst = (struct late_event){.by_ms = by_ms, .partition = partition, .offset = offset};
    escape_message(user, worst->user, sizeof worst->user);
    return true;
}

bool disorder_note(struct disorder *disorder, const struct event *event)
{
    const uint64_t user = identity_of(event->user.at, event->user.size);
    struct disorder_slot *slot = &disorder->slots[splitmix64(user) % DISORDER_SLOTS];
    if (slot->user != user) {
        *slot = (struct disorder_slot){user, event->time_ms};
        return false;
    }
    disorder->compared++;
    const int64_t by_ms = slot->latest_ms - event->time_ms;
    if (by_ms <= 0) {
        slot->latest_ms = event->time_ms;
        return false;
    }
    disorder->late++;
    return late_event_note(&disorder->worst, by_ms, event->user, event->partition, event->offset);
}

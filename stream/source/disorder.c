/* disorder.c - a table of latest times, one slot for all users that share it. */
#include "stream/source/disorder.h"

#include "base/checksum.h"

void disorder_note(struct disorder *disorder, uint64_t user, int64_t time_ms, int64_t at)
{
    struct disorder_slot *slot = &disorder->slots[splitmix64(user) % DISORDER_SLOTS];
    if (slot->user != user) {
        *slot = (struct disorder_slot){user, time_ms};
        return;
    }
    disorder->compared++;
    if (time_ms >= slot->latest_ms) {
        slot->latest_ms = time_ms;
        return;
    }
    disorder->late++;
    if (slot->latest_ms - time_ms <= disorder->worst_ms) return;
    disorder->worst_ms = slot->latest_ms - time_ms;
    disorder->worst_at = at;
}

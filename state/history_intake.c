/* history_intake.c - which events a user's history takes, and where its lives end. */
#include "state/history.h"

#include <string.h>

enum { HOUR_MS = 3600 * 1000 };

/* Whether one of the last 32 behaviors behind `from` is the same. */
static bool has_of_late(const struct history *history, struct history_behavior behavior)
{
    for (uint32_t i = 0; i < HISTORY_CHUNK_BEHAVIORS; i++) {
        const struct history_behavior had = history->at[i];
        if (had.item != behavior.item || had.stamp != behavior.stamp) continue;
        uint64_t ordinal = history->first + i;
        if (i >= history->count) {
            if (history->first == 0) return false;
            ordinal -= HISTORY_CHUNK_BEHAVIORS;
        }
        if (ordinal >= history->from) return true;
    }
    return false;
}

/* Counts it for its hour; false if the hour is full. */
static bool counts_for_hour(struct history *history, struct history_behavior behavior,
                            uint32_t hour_max)
{
    const uint64_t hour = (uint64_t)history_time_ms(behavior) / HOUR_MS;
    if (hour != history->hour) history->hour_events = 0;
    if (history->hour_events >= hour_max) return false;
    history->hour = hour;
    history->hour_events++;
    return true;
}

bool history_pulse_left(struct history_pulse pulse, int64_t clock_ms, int64_t ttl_ms)
{
    const int64_t seen_ms = pulse.clock_ms > pulse.last_ms ? pulse.clock_ms : pulse.last_ms;
    return clock_ms != HISTORY_NO_TIME && clock_ms - seen_ms > ttl_ms;
}

bool history_pulse_ends(struct history_pulse pulse, int64_t time_ms, int64_t clock_ms,
                        int64_t ttl_ms)
{
    return time_ms - pulse.last_ms > ttl_ms || history_pulse_left(pulse, clock_ms, ttl_ms);
}

static struct history_pulse pulse_of(const struct history *history)
{
    return (struct history_pulse){history_last_ms(history), history->clock_ms};
}

bool history_left(const struct history *history, int64_t clock_ms, int64_t ttl_ms)
{
    return history->start < history_events(history) &&
           history_pulse_left(pulse_of(history), clock_ms, ttl_ms);
}

void history_forget(struct history *history, bool keeps_profile)
{
    history->start = history->from = history_events(history);
    history->before_ms = history->clock_ms = history->event_ms = HISTORY_NO_TIME;
    memset(history->at, 0, sizeof history->at);
    if (!keeps_profile) history->profile = (struct history_profile){0};
}

/* Whether the behavior comes too late to be of the life that the history tells of. */
static bool ends_life(const struct history *history, struct history_behavior behavior,
                      int64_t clock_ms, int64_t ttl_ms)
{
    if (ttl_ms == 0 || history->start == history_events(history)) return false;
    return history_pulse_ends(pulse_of(history), history_time_ms(behavior), clock_ms, ttl_ms);
}

enum history_intake history_admit(struct history *history, struct history_behavior behavior,
                                  int64_t clock_ms, const struct history_rules *rules)
{
    const bool ends = ends_life(history, behavior, clock_ms, rules->ttl_ms);
    if (rules->distinct && !ends && has_of_late(history, behavior)) return HISTORY_DUPLICATE;
    if (rules->hour_max > 0 && !counts_for_hour(history, behavior, rules->hour_max)) {
        return HISTORY_FLOODED;
    }
    if (ends) history_forget(history, rules->keeps_profile);
    if (rules->ttl_ms > 0) history->clock_ms = clock_ms;
    return HISTORY_TAKES;
}

void history_recall(struct history *history, const struct history *before)
{
    for (uint32_t i = history->count; i < HISTORY_CHUNK_BEHAVIORS; i++) {
        history->at[i] = before->at[i];
    }
}

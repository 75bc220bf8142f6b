/*
 * intake.h - which of a user's accepted events its history takes: bots and deliveries in double. And
 * before which of them its life ends.
 *
 * Decided by the user's history alone, so that a job, a replay and a verification agree. What is not
 * taken is counted under a verdict of its own, and is no dead letter.
 */
#ifndef STREAM_SOURCE_INTAKE_H
#define STREAM_SOURCE_INTAKE_H

#include "config/config.h"
#include "state/history.h"
#include "stream/source/event.h"

static inline struct history_rules intake_rules(const struct config *config)
{
    return (struct history_rules){config->source.user_events_max, config->source.deduplicate,
                                  config->state.ttl_ms, *config->source.profile != 0};
}

static inline bool intake_takes_all(const struct history_rules *rules)
{
    return rules->hour_max == 0 && !rules->distinct && rules->ttl_ms == 0;
}

static inline enum event_verdict intake_verdict(enum history_intake intake)
{
    switch (intake) {
    case HISTORY_FLOODED: return EVENT_FLOODED;
    case HISTORY_DUPLICATE: return EVENT_DUPLICATE;
    default: return EVENT_ACCEPTED;
    }
}

#endif

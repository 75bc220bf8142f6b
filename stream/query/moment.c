/* moment.c - the first later behavior, and whether the fold up to it can still be had. */
#include "stream/query/moment.h"

void moment_add(struct moment *moment, const struct history *chunk, int64_t as_of_ms)
{
    if (chunk->first != moment->end) {
        *moment = (struct moment){.oldest = chunk->first, .events = chunk->first};
    }
    moment->end = history_events(chunk);
    for (uint32_t i = 0; i < chunk->count && !moment->later; i++) {
        moment->later = history_time_ms(chunk->at[i]) > as_of_ms;
        moment->events += !moment->later;
    }
}

enum moment_kind moment_decide(struct moment *moment, const struct history *newest,
                               uint32_t history_max)
{
    if (moment->events == 0) return MOMENT_LATER;
    if (moment->events <= newest->start || moment->events == moment->oldest) return MOMENT_CUT;
    moment->from =
        moment->later ? history_from(newest->start, moment->events, history_max) : newest->from;
    return moment->from < moment->oldest ? MOMENT_CUT : MOMENT_THERE;
}

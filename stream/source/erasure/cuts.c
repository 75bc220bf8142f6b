/* cuts.c - an open-addressing table of hashes, at most half full. */
#include "stream/source/erasure/cuts.h"

#include <stdlib.h>

#include "base/checksum.h"
#include "state/history.h"

enum { ROOM_MIN = 16 };

void cuts_close(struct cuts *cuts)
{
    free(cuts->at);
    *cuts = (struct cuts){0};
}

/* The place of a hash, or the free one where it would be put. There is a free one. */
static struct user_cut *cut_place(const struct cuts *cuts, uint64_t hash)
{
    uint32_t place = (uint32_t)splitmix64(hash) & (cuts->room - 1);
    while (cuts->at[place].ms != HISTORY_NO_TIME && cuts->at[place].hash != hash) {
        place = (place + 1) & (cuts->room - 1);
    }
    return &cuts->at[place];
}

struct user_cut *cuts_find(const struct cuts *cuts, uint64_t hash)
{
    if (cuts->count == 0) return NULL;
    struct user_cut *cut = cut_place(cuts, hash);
    return cut->ms == HISTORY_NO_TIME ? NULL : cut;
}

static enum status widen(struct cuts *cuts, struct error *error)
{
    struct cuts wider = {.room = cuts->room ? 2 * cuts->room : ROOM_MIN,
                         .count = cuts->count,
                         .topics_ms = cuts->topics_ms};
    wider.at = calloc(wider.room, sizeof *wider.at);
    if (!wider.at) return error_set(error, STATUS_IO, "out of memory: users who were erased");
    for (uint32_t i = 0; i < wider.room; i++) {
        wider.at[i].ms = HISTORY_NO_TIME;
    }
    for (uint32_t i = 0; i < cuts->room; i++) {
        if (cuts->at[i].ms == HISTORY_NO_TIME) continue;
        *cut_place(&wider, cuts->at[i].hash) = cuts->at[i];
    }
    free(cuts->at);
    *cuts = wider;
    return STATUS_OK;
}

enum status cuts_raise(struct cuts *cuts, uint64_t hash, int64_t ms, struct user_cut **cutp,
                       struct error *error)
{
    if (cuts->count >= CUTS_MAX) {
        return error_set(error, STATUS_INVALID,
                         "source.erase: more than %d users of a partition were erased", CUTS_MAX);
    }
    if (2 * cuts->count >= cuts->room) TRY(widen(cuts, error));
    struct user_cut *cut = cut_place(cuts, hash);
    if (cut->ms == HISTORY_NO_TIME) {
        *cut = (struct user_cut){.hash = hash, .ms = ms};
        cuts->count++;
    } else if (ms > cut->ms) {
        cut->ms = ms;
        cut->stage = CUT_ASKED;
    }
    *cutp = cut;
    return STATUS_OK;
}

enum event_verdict cuts_verdict(const struct cuts *cuts, const struct event *event)
{
    if (cuts->count == 0) return event->verdict;
    if (event->verdict != EVENT_ACCEPTED && event->verdict != EVENT_PROFILE) return event->verdict;
    const struct user_cut *cut = cuts_find(cuts, identity_of(event->user.at, event->user.size));
    return cut && event->time_ms <= cut->ms ? EVENT_DROPPED : event->verdict;
}

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
    struct cuts wider = *cuts;
    wider.room = cuts->room ? 2 * cuts->room : ROOM_MIN;
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
    *cutp = cut;
    if (cut->ms == HISTORY_NO_TIME) {
        *cut = (struct user_cut){.hash = hash, .ms = ms, .stage = CUT_ASKED};
        cuts->count++;
        cuts->of_stage[CUT_ASKED]++;
    } else if (ms > cut->ms) {
        cut->ms = ms;
        cut->owes |= cut->stage > CUT_SEEKING && cut->stage < CUT_GONE;
        cut_move(cuts, cut, CUT_ASKED);
    }
    return STATUS_OK;
}

enum status cuts_tell(struct cuts *cuts, uint64_t hash, int64_t ms, enum cut_stage stage,
                      struct error *error)
{
    struct user_cut *cut;
    TRY(cuts_raise(cuts, hash, ms, &cut, error));
    if (cut->stage == CUT_ASKED && cut->ms == ms) cut_move(cuts, cut, stage);
    return STATUS_OK;
}

/* ---- stages ---- */

void cut_move(struct cuts *cuts, struct user_cut *cut, enum cut_stage to)
{
    cuts->of_stage[cut->stage]--;
    cuts->of_stage[to]++;
    cut->stage = (uint8_t)to;
}

struct user_cut *cuts_next(const struct cuts *cuts, enum cut_stage stage, uint32_t *atp)
{
    while (cuts->of_stage[stage] > 0 && *atp < cuts->room) {
        struct user_cut *cut = &cuts->at[(*atp)++];
        if (cut->ms != HISTORY_NO_TIME && cut->stage == stage) return cut;
    }
    return NULL;
}

void cuts_move(struct cuts *cuts, enum cut_stage from, enum cut_stage to)
{
    struct user_cut *cut;
    for (uint32_t at = 0; (cut = cuts_next(cuts, from, &at)) != NULL;) {
        if (to == CUT_GONE) cut->owes = false;
        cut_move(cuts, cut, to);
    }
}

void cut_take(struct cuts *cuts, struct user_cut *cut, int64_t last_ms)
{
    cut->before_ms = cut->ms;
    cut->before = cut->stage;
    if (last_ms > cut->ms) cut->ms = last_ms;
    cut_move(cuts, cut, CUT_TAKEN);
}

void cuts_end_seeking(struct cuts *cuts)
{
    struct user_cut *cut;
    for (uint32_t at = 0; (cut = cuts_next(cuts, CUT_SEEKING, &at)) != NULL;) {
        cut_move(cuts, cut, cut->owes ? CUT_KEPT : CUT_GONE);
    }
}

static void undo(struct cuts *cuts, enum cut_stage stage)
{
    struct user_cut *cut;
    for (uint32_t at = 0; (cut = cuts_next(cuts, stage, &at)) != NULL;) {
        cut->ms = cut->before_ms;
        cut_move(cuts, cut, cut->before);
    }
}

void cuts_undo(struct cuts *cuts)
{
    undo(cuts, CUT_TAKEN);
    undo(cuts, CUT_CLOSED);
    cuts_move(cuts, CUT_TOLD, CUT_KEPT);
    cuts_move(cuts, CUT_SEALED, CUT_KEPT);
}

enum event_verdict cuts_verdict(const struct cuts *cuts, const struct event *event)
{
    if (cuts->count == 0) return event->verdict;
    if (event->verdict != EVENT_ACCEPTED && event->verdict != EVENT_PROFILE) return event->verdict;
    const struct user_cut *cut = cuts_find(cuts, identity_of(event->user.at, event->user.size));
    return cut && event->time_ms <= cut->ms ? EVENT_DROPPED : event->verdict;
}

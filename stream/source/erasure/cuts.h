/*
 * cuts.h - which users of a partition were erased, by hash, and up to when (source.erase).
 *
 * The cut of a user is a time: what the user did at that time or before does not count, wherever and
 * however often it is read. It is compared with the event's own time, which a stored behavior and an
 * event of the source both have, so that a job, a replay and a verification agree. A cut only rises.
 *
 * Thread: one owner.
 */
#ifndef STREAM_SOURCE_ERASURE_CUTS_H
#define STREAM_SOURCE_ERASURE_CUTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "stream/source/event.h"

enum { CUTS_MAX = 1 << 22 }; /* users of one table */

/* How far an erasure is: each step leads to the next one. */
enum cut_stage {
    CUT_ASKED,   /* a request says it */
    CUT_SOUGHT,  /* another job says it, under the hash: who of the partition is it, if anybody? */
    CUT_SEEKING, /* its users are being looked through for that */
    CUT_TAKEN,   /* the open changeset deletes the user, and says so under the hash, */
    CUT_CLOSED,  /* or the one whose commit is under way */
    CUT_KEPT,    /* that is committed */
    CUT_PURGED,  /* the store's files are written anew without it */
    CUT_TOLD,    /* there is a receipt in the open changeset, */
    CUT_SEALED,  /* in the one whose commit is under way, */
    CUT_GONE,    /* in the topic; or there was nothing of the user to begin with */
    CUT_STAGES
};

struct user_cut {
    uint64_t hash;     /* identity_of the user's id */
    int64_t ms;        /* HISTORY_NO_TIME: this place is free */
    int64_t before_ms; /* what it was, and */
    uint8_t before;    /* the stage, before it came to CUT_TAKEN */
    uint8_t stage;
    bool owes; /* raised since, while the files may have had what was deleted */
};

/* Zeroes: nobody was erased. */
struct cuts {
    struct user_cut *at;
    uint32_t room, count;
    uint32_t of_stage[CUT_STAGES]; /* how many are at each */
    int64_t topics_ms; /* how long the job's topics may keep what was deleted; 0: it has no bound */
};

void cuts_close(struct cuts *cuts);

/* The user's cut, or NULL. Valid until the next cuts_raise. */
struct user_cut *cuts_find(const struct cuts *cuts, uint64_t hash);

/* The user's cut is `ms` or later; one that is raised begins anew at CUT_ASKED. STATUS_INVALID beyond CUTS_MAX users. */
MUST_CHECK enum status cuts_raise(struct cuts *cuts, uint64_t hash, int64_t ms,
                                  struct user_cut **cutp, struct error *error);

/* What a record under a hash says: as cuts_raise, at `stage` if it was not known that high, or only asked for. */
MUST_CHECK enum status cuts_tell(struct cuts *cuts, uint64_t hash, int64_t ms, enum cut_stage stage,
                                 struct error *error);

/* The next one at a stage from place *atp on, which moves behind it; NULL: none. */
struct user_cut *cuts_next(const struct cuts *cuts, enum cut_stage stage, uint32_t *atp);

/* A cut comes to a stage; all that are at one come to another. */
void cut_move(struct cuts *cuts, struct user_cut *cut, enum cut_stage to);
void cuts_move(struct cuts *cuts, enum cut_stage from, enum cut_stage to);

/* The open changeset deletes the user, of which it has behaviors up to `last_ms`. */
void cut_take(struct cuts *cuts, struct user_cut *cut, int64_t last_ms);

/* All users were looked through: of who is at CUT_SEEKING still there is nothing, but in files. */
void cuts_end_seeking(struct cuts *cuts);

/* The changesets are dropped: what they said was not said. */
void cuts_undo(struct cuts *cuts);

/* The event's verdict: what an erased user did up to its cut is dropped. */
enum event_verdict cuts_verdict(const struct cuts *cuts, const struct event *event);

#endif

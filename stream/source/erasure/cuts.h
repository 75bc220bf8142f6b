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
    CUT_ASKED,  /* a request says it */
    CUT_TAKEN,  /* the open changeset deletes the user, and says so under the hash, */
    CUT_CLOSED, /* or the one whose commit is under way */
    CUT_KEPT,   /* that is committed: the topic has it under the hash */
    CUT_PURGED, /* the store's files are written anew without it */
    CUT_TOLD,   /* there is a receipt in the open changeset, */
    CUT_SEALED, /* in the one whose commit is under way, */
    CUT_GONE,   /* in the topic */
};

struct user_cut {
    uint64_t hash; /* identity_of the user's id */
    int64_t ms;    /* HISTORY_NO_TIME: this place is free */
    enum cut_stage stage;
};

/* Zeroes: nobody was erased. */
struct cuts {
    struct user_cut *at;
    uint32_t room, count;
    int64_t topics_ms; /* how long the job's topics may keep what was deleted; 0: it has no bound */
};

void cuts_close(struct cuts *cuts);

/* The user's cut, or NULL. Valid until the next cuts_raise. */
struct user_cut *cuts_find(const struct cuts *cuts, uint64_t hash);

/* The user's cut is `ms` or later; one that is raised begins anew at CUT_ASKED. STATUS_INVALID beyond CUTS_MAX users. */
MUST_CHECK enum status cuts_raise(struct cuts *cuts, uint64_t hash, int64_t ms,
                                  struct user_cut **cutp, struct error *error);

/* The event's verdict: what an erased user did up to its cut is dropped. */
enum event_verdict cuts_verdict(const struct cuts *cuts, const struct event *event);

#endif

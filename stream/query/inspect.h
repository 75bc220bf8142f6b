/*
 * inspect.h - what a job keeps, for a person to read: `braid inspect`.
 *
 * A user is read from the history log, from which stores are rebuilt: the job may run meanwhile,
 * and a store may be missing. Nothing is changed.
 */
#ifndef STREAM_QUERY_INSPECT_H
#define STREAM_QUERY_INSPECT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/status.h"
#include "config/config.h"
#include "state/history.h"
#include "stream/query/moment.h"

/* A user's history as far as its state needs it, from the history log. */
struct user_history {
    uint32_t partition;
    struct history_seal seal; /* the partition's last */
    struct history newest;    /* with the header that counts */
    struct history *chunks;   /* every chunk found, in the order of ordinals; owned */
    uint32_t chunks_count;
    uint32_t chunks_room;
};

/* Why nothing is told of a user who is gone (history_is_gone): its interests were withdrawn. */
#define USER_HAS_LEFT "has left: it was erased, or had no event for longer than state.ttl"

/*
 * Reads the committed history of `user` from the job's log, a file or a topic. STATUS_NOT_FOUND:
 * nothing of it was ever committed, or it has left. On failure there is nothing to close.
 */
MUST_CHECK enum status user_history_read(struct user_history *history, const struct config *config,
                                         const char *user, struct error *error);
void user_history_close(struct user_history *history);

/*
 * Makes the history what it was at a moment (moment.h): `newest` ends with the last behavior of then,
 * whose source offset is not known. STATUS_NOT_FOUND: the user had none, or they are gone.
 */
MUST_CHECK enum status user_history_as_of(struct user_history *history, int64_t as_of_ms,
                                          uint32_t history_max, struct error *error);

/* Puts a chunk into the place of its predecessor, or between the others. */
MUST_CHECK enum status user_history_keep(struct user_history *history, const struct history *chunk,
                                         struct error *error);

/* Forgets the chunks, and keeps their memory. */
void user_history_clear(struct user_history *history);

/* The behavior of that ordinal; false if its chunk is gone. */
bool user_history_at(const struct user_history *history, uint64_t ordinal,
                     struct history_behavior *behavior);

struct inspect_user_options {
    const char *user;
    const char *catalogue; /* file of titles, or NULL */
    uint32_t last;         /* behaviors that are shown */
    int64_t as_of_ms;      /* the moment that it is shown as of; MOMENT_NOW */
    bool explain;          /* with their shares in the interests */
    bool json;             /* as one object, as user_view.h says */
};

/*
 * Prints a user: its counts, its latest behaviors with the items' ids and titles, its state and its
 * interests now. STATUS_INVALID: it cannot be explained (user_view_open).
 */
MUST_CHECK enum status inspect_user(const struct config *config,
                                    const struct inspect_user_options *options, FILE *out,
                                    struct error *error);

/*
 * Prints columns of a table of figures, `columns` ("a,b,...", the first is what the others lie over)
 * or the prequential curve's if that is NULL, of the file `path`; and draws them, if `svg` is a
 * path. A row whose `events` are 0 is passed over. STATUS_INVALID: no such column.
 */
MUST_CHECK enum status inspect_curve(const char *path, const char *columns, const char *svg,
                                     FILE *out, struct error *error);

/*
 * Prints each partition's committed position, and what there is of it in state.dir. No job may run
 * on that directory.
 */
MUST_CHECK enum status inspect_store(const struct config *config, FILE *out, struct error *error);

#endif

/*
 * changeset.h - what a transaction changes: the dirty users, and the chunks they filled.
 *
 * It is written twice, in the same form: to the history log inside the transaction, and to the
 * store after it is committed. If it is not committed the changeset is dropped and nothing ever saw
 * it.
 *
 *     changeset_touch -> changeset_keep_chunk ... -> changeset_writes -> changeset_clear
 *
 * Memory is reserved at open for the transaction's limits. Thread: one owner.
 */
#ifndef STREAM_JOB_CHANGESET_H
#define STREAM_JOB_CHANGESET_H

#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"
#include "state/state_cache.h"
#include "state/store.h"
#include "stream/source/disorder.h"
#include "stream/source/event.h"

/* A full chunk that was closed by the changeset; in order of ordinals. */
struct closed_chunk {
    struct closed_chunk *before;
    struct closed_chunk *after;
    struct history history;
};

/* One dirty user. */
struct change {
    struct cached_user *user;
    uint64_t from; /* where its fold began and how many behaviors it had, as committed before */
    uint64_t events;
    uint64_t generation;    /* that folded it then */
    bool profiled;          /* its profile was set beside its events */
    bool tombstone;         /* it was gone then */
    struct {                /* of a user that was erased, what was committed of it before: */
        uint64_t from, end; /* the first of its behaviors that are kept, and behind the last one */
        bool is;            /* it was erased; what is above is of the history that begins behind */
        bool published;     /* its readers are to know */
    } erased;
    struct closed_chunk *oldest;
    struct closed_chunk *newest;
    struct change *next; /* of the same partition, in the order of their first change */
};

/* The changes of one partition. */
struct change_list {
    struct change *first;
    struct change *last;
    uint32_t count;
};

struct changeset {
    struct arena arena;
    struct change *changes; /* [users_max] */
    uint32_t users_max;
    uint32_t count;
    uint32_t unchanged; /* users of them that are as they were: none of their events was taken */
    uint32_t silent;    /* those of whom there is something to write and nothing to publish */
    uint64_t behaviors; /* appended */
    int64_t begun_ns;   /* when its first events were taken in */
    int64_t oldest_ms;  /* least timestamp of its events' records; 0: they have none */
    uint64_t events;    /* that it is of, and how many of each verdict: */
    uint64_t verdicts[EVENT_VERDICTS];
    uint64_t late;           /* accepted, but before an earlier one of their user, */
    struct late_event worst; /* and the one of them that came latest */
    uint64_t unknown;        /* accepted, of an item that the generation does not know */
    uint64_t odd_categories; /* accepted without the category they have */
    uint64_t expired;        /* users who left */
    uint64_t erased;         /* requests to erase that were answered */
    uint64_t swept;          /* users that were moved to another generation, and did not act */
};

/* For transactions of at most so many users, and behaviors. */
MUST_CHECK enum status changeset_open(struct changeset *set, uint32_t users_max,
                                      uint32_t behaviors_max, struct error *error);
void changeset_close(struct changeset *set);

/* Bytes that it takes. */
size_t changeset_size(uint32_t users_max, uint32_t behaviors_max);

/* The user's change, begun if it is clean: it becomes dirty and joins `list`. */
struct change *changeset_touch(struct changeset *set, struct state_cache *cache,
                               struct cached_user *user, struct change_list *list);

static inline struct change *changeset_of(const struct changeset *set,
                                          const struct cached_user *user)
{
    return &set->changes[user->change];
}

/* Notes what is committed of the user: at the touch, and again when its record has been loaded. */
void change_committed(struct change *change);

/*
 * Whether there is something to publish of the user: it has events that were taken, or another
 * generation reads those that it had. A profile alone is published with the event that follows.
 */
static inline bool change_has_record(const struct change *change)
{
    const struct history *history = &change->user->history;
    if (history->tombstone) return !change->tombstone;
    return history_events(history) != change->events ||
           (history->generation != change->generation && change->events > 0);
}

/* The same, or that it was erased. */
static inline bool change_is_published(const struct change *change)
{
    return change->erased.published || change_has_record(change);
}

/* Whether there is something to write of the user; else none of its events was taken. Who is
 * forgotten by a job that publishes nothing has another `from`. */
static inline bool change_is_some(const struct change *change)
{
    return change->profiled || change->erased.is || change_is_published(change) ||
           change->user->history.from != change->from;
}

/* Keeps the user's full open chunk, which its next behavior will close. */
void changeset_keep_chunk(struct changeset *set, struct change *change);

/*
 * Erases the user, whose record was loaded: all that is committed of it is deleted, what is not is
 * forgotten, and its next behavior begins a history.
 */
void change_erase(struct change *change);

/* First ordinal of the user's behaviors that lie in memory; earlier ones are in the store. */
uint64_t change_first_in_memory(const struct change *change);

/*
 * The writes of one partition, user by user: full chunks, chunks left behind, the record last. They
 * and what they point to live in the changeset until it is cleared.
 */
struct store_write *changeset_writes(struct changeset *set, const struct change_list *list,
                                     size_t *countp);

/* Empties it. The cache's dirty users are dropped by the cache (cache_drop_dirty). */
void changeset_clear(struct changeset *set);

#endif

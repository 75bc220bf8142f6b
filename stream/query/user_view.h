/*
 * user_view.h - a user as somebody looks at it: its behaviors, its interests now, and what these are
 * made of.
 *
 *     state = fold(generation, history[from .. n))     interests, shares = read(generation, state)
 *
 * The history comes from a log or a store (inspect.h); nothing is kept but what is shown. As text:
 * `braid inspect user`; as JSON: the same command, and whoever answers over a network.
 *
 * Threads: a view belongs to one; the model and the names may be shared.
 */
#ifndef STREAM_QUERY_USER_VIEW_H
#define STREAM_QUERY_USER_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json_writer.h"
#include "base/status.h"
#include "config/config.h"
#include "model/interest_model.h"
#include "stream/query/catalogue.h"
#include "stream/query/inspect.h"
#include "stream/query/item_log.h"
#include "stream/source/recent_items.h"

enum { EXPLAINED_MAX = 100000 }; /* behaviors of a user that is explained */

struct user_view {
    const struct user_history *history;
    const struct interest_model *model;
    uint64_t absorbed; /* behaviors that the model has taken */
    uint32_t count;    /* live interests */
    float *vectors;    /* [K][d] */
    float *weights;    /* [K] */
    float *intent;     /* [d]; NULL: the model has none */
    float *shares;     /* [n - from][K], as model/interest_explain.h says; NULL: not explained */
};

/*
 * Folds and reads the user, keeping `model` and `history`; with `explain` also tells the shares.
 * STATUS_INVALID: the model does not explain (interest_explains), or the user has more than
 * EXPLAINED_MAX behaviors; STATUS_CORRUPT: a behavior is missing. On failure there is nothing to
 * close.
 */
MUST_CHECK enum status user_view_open(struct user_view *view, const struct interest_model *model,
                                      const struct user_history *history, bool explain,
                                      struct error *error);
void user_view_close(struct user_view *view);

/*
 * The shares [K] of the behavior of that ordinal (from .. n - 1), zeros of one whose item the
 * dictionary does not have; NULL if they were not asked for.
 */
const float *user_view_shares(const struct user_view *view, uint64_t ordinal);

/* The ordinal of the first of the latest `last` behaviors. */
uint64_t user_view_first(const struct user_view *view, uint32_t last);

/* Where the names of what is shown come from. */
struct user_names {
    const struct config *config;       /* names of actions */
    const struct item_log *items;      /* ids of items newer than the dictionary: of the log, */
    struct recent_items *recent;       /* or of a job that runs; NULL each: none */
    const struct catalogue *catalogue; /* titles; NULL: none */
};

/* The item's id, empty if nobody knows it. `room` [RECENT_ITEM_SIZE_MAX] may hold it. */
struct bytes user_names_item(const struct user_names *names, const struct user_view *view,
                             uint64_t item, char *room);

enum { USER_ACTION_SIZE = 24 };

/*
 * What the configuration calls a behavior's action; empty if it has none. `room` [USER_ACTION_SIZE]
 * may hold it.
 */
const char *user_names_action(const struct user_names *names, const struct user_view *view,
                              struct history_behavior behavior, char *room);

/*
 * Writes the user as one object: its counts, its interests, and its latest `last` behaviors with
 * their shares, if the view has them. An item whose id nobody knows is null, and has its hash.
 */
void user_view_json(struct json_writer *json, struct bytes user, const struct user_view *view,
                    const struct user_names *names, uint32_t last);

#endif

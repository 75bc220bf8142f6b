/*
 * recommend.h - the best items for one user, for a person to read: `braid recommend`.
 *
 * Its behaviors come from a job's history log, or straight from a source log; its state is folded
 * anew by the generation of model.checkpoint, and all of its items are ranked exactly. Nothing is
 * changed.
 */
#ifndef STREAM_QUERY_RECOMMEND_H
#define STREAM_QUERY_RECOMMEND_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/status.h"
#include "config/config.h"
#include "stream/query/item_ranks.h"

enum { RECOMMEND_TOP_MAX = RANKS_TOP_MAX };

struct recommend_options {
    const char *user;
    uint32_t top;          /* items of a list; <= RECOMMEND_TOP_MAX */
    bool from_log;         /* from source.path; else from state.dir */
    bool each_interest;    /* a list for each interest, not one for all */
    bool by_interests;     /* one for all, of the interests also where there is an intent */
    bool by_intent;        /* of the intent vector, which the model must have */
    bool seen;             /* what the user has had may be in the lists */
    double diversity;      /* above 0: chosen for different categories, */
    uint32_t pool;         /* out of so many best; <= RECOMMEND_TOP_MAX */
    const char *catalogue; /* file of titles, or NULL */
};

/*
 * Prints the lists. STATUS_NOT_FOUND: nothing is known of the user; STATUS_INVALID: no source, or a
 * diversity without categories in the dictionary, or an intent of a model without one.
 */
MUST_CHECK enum status recommend(const struct config *config,
                                 const struct recommend_options *options, FILE *out,
                                 struct error *error);

#endif

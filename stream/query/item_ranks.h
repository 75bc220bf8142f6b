/*
 * item_ranks.h - the items of one generation, ready to be ranked for a user or beside an item.
 *
 * Ranking is exact: every item of the dictionary is scored, by the tile that serves. What a list
 * leaves out, and how diverse it is to be, is the caller's to say.
 *
 * Threads: open ranks never change and may be shared; a desk belongs to one thread.
 */
#ifndef STREAM_QUERY_ITEM_RANKS_H
#define STREAM_QUERY_ITEM_RANKS_H

#include <stdint.h>

#include "base/status.h"
#include "model/checkpoint.h"
#include "model/eval/topn.h"

enum { RANKS_TOP_MAX = 1000 }; /* items of a list */

struct item_ranks;
struct item_desk;

/* Copies the item vectors of `checkpoint`, whose dictionary it keeps. */
MUST_CHECK enum status item_ranks_open(struct item_ranks **ranksp,
                                       const struct checkpoint *checkpoint, struct error *error);
void item_ranks_close(struct item_ranks *ranks); /* legal on NULL */

/* Memory for one list at a time. */
MUST_CHECK enum status item_desk_open(struct item_desk **deskp, const struct item_ranks *ranks,
                                      struct error *error);
void item_desk_close(struct item_desk *desk); /* legal on NULL */

struct list_wanted {
    const real *vectors; /* [count][d]: interests, or an intent */
    uint32_t count;
    struct topn_excluded excluded;
    uint32_t top;     /* 1 .. RANKS_TOP_MAX */
    double diversity; /* above 0: chosen for different categories, */
    uint32_t pool;    /* out of so many best; <= RANKS_TOP_MAX */
};

/* The best items, valid until the desk's next list. */
struct topn_list item_ranks_list(const struct item_ranks *ranks, struct item_desk *desk,
                                 const struct list_wanted *wanted);

/* The `top` items whose vectors have the greatest cosine with that of the item in `row`. */
struct topn_list item_ranks_similar(const struct item_ranks *ranks, struct item_desk *desk,
                                    uint32_t row, uint32_t top);

#endif

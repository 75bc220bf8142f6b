/*
 * topn.h - the exact N best items of a catalogue for users with several interests.
 *
 * An item's score is its best over the user's live interests, and a user gets N items however many
 * interests it has. That is the same list as each interest's own N best, united and cut to N
 * (models.md section 8), found in one pass: the catalogue is multiplied block by block with the
 * interests of many users, and scores are looked at while they are still in the cache.
 *
 * Threads: an open catalogue may be shared; scratch belongs to one thread.
 */
#ifndef MODEL_EVAL_TOPN_H
#define MODEL_EVAL_TOPN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "model/kernel/real.h"

enum { TOPN_INTERESTS_MAX = 64 }; /* of one user */

struct topn_item {
    uint32_t row;
    uint32_t interest; /* whose score this is; the lower of equals */
    real score;
};

/* The best items found, best first; of equal scores the lower row. `at` has room for N. */
struct topn_list {
    struct topn_item *at;
    uint32_t count; /* N, unless there are fewer candidates */
};

/* Rows that are no candidates, ascending. */
struct topn_excluded {
    const uint32_t *at;
    uint32_t count;
};

/* What a list is asked for: one user's live interests [count][d]. */
struct topn_query {
    const real *interests;
    uint32_t count; /* 0 gives an empty list */
    struct topn_excluded excluded;
};

struct topn_catalogue;
struct topn_scratch;

/*
 * The rows `first` .. `rows` - 1 of an item table [rows][d] as candidates; copied. With `cosine`,
 * items are brought to length 1, and interests are expected so.
 */
MUST_CHECK enum status topn_catalogue_open(struct topn_catalogue **cataloguep, const real *items,
                                           uint32_t rows, uint32_t first, uint32_t d, bool cosine,
                                           struct error *error);
void topn_catalogue_close(struct topn_catalogue *catalogue);

MUST_CHECK enum status topn_scratch_open(struct topn_scratch **scratchp,
                                         const struct topn_catalogue *catalogue,
                                         struct error *error);
void topn_scratch_close(struct topn_scratch *scratch);

/* The `n` best items of each of `queries`, in lists[i]. */
void topn_rank(const struct topn_catalogue *catalogue, struct topn_scratch *scratch,
               const struct topn_query *queries, uint32_t count, uint32_t n,
               struct topn_list *lists);

/* The same for scores that are known: score[row] of the rows `first` .. `rows` - 1. */
void topn_of_scores(const real *scores, uint32_t first, uint32_t rows,
                    struct topn_excluded excluded, uint32_t n, struct topn_list *list);

#endif

/*
 * agreement.h - how far interests follow the items' categories, which models are not told to.
 *
 * Two clusterings of the same things are compared by their normalized mutual information: NMI =
 * 2 I(A; B) / (H(A) + H(B)), 1 if each tells the other, 0 if neither tells anything. Of few things
 * in many clusters chance alone gives more than 0: so beside each figure stands what is left of it
 * when the same labels are shuffled.
 *
 *     items    the groups that all users share, sine's prototypes and octopus' channels: each item
 *              of the dictionary that has a category, by the group that it falls into by itself
 *     users    of each user, its known behaviors that have a category, by the interest in which
 *              their share is greatest (model/interest_explain.h); the mean over the users of whom
 *              two or more categories are known. Behaviors without a share are left out
 */
#ifndef MODEL_EVAL_AGREEMENT_H
#define MODEL_EVAL_AGREEMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "model/dataset.h"
#include "model/interest_model.h"
#include "model/item_table.h"

struct agreement_part {
    uint32_t count; /* items, or users; 0: the model has no such thing, or nothing has categories */
    double nmi;
    double chance; /* the same, labels shuffled */
};

struct agreement {
    struct agreement_part items, users;
    uint32_t groups;      /* that items may fall into, */
    uint32_t groups_used; /* and do */
};

/* What was measured of a model at one place of the items' categories, 0 the first. */
struct agreement_line {
    const char *model;
    uint32_t level;
    struct agreement at;
};

/* NMI of two labels of `count` things; 0 if neither varies. `room` [count] is used up. */
double agreement_nmi(const uint32_t *a, const uint32_t *b, uint32_t count, uint64_t *room);

/*
 * Fills category [rows] with what each item has at place `level` (below TAGS_MAX) of its categories,
 * 0: none. False if no item has one there.
 */
bool agreement_level(const struct item_table *items, uint32_t level, uint32_t *category);

/*
 * Of a model on the users of a dataset, whose first known[user] behaviors count; at most
 * `users_max` of them, the first. `category` [rows] of the dictionary, 0: none.
 */
MUST_CHECK enum status agreement_measure(struct agreement *agreement,
                                         const struct interest_model *model,
                                         const struct dataset *dataset, const uint32_t *known,
                                         uint32_t users_max, const uint32_t *category,
                                         struct error *error);

#endif

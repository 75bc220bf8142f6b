/*
 * ranker.h - whatever can rank the catalogue for users of a dataset: a model, or a baseline.
 *
 * Evaluation sees nothing else, so all are measured by the same code. A ranker may know the first
 * `known` behaviors of the user it is asked about, and what it has been shown of others.
 */
#ifndef MODEL_EVAL_RANKER_H
#define MODEL_EVAL_RANKER_H

#include <stdint.h>

#include "model/dataset.h"
#include "model/eval/topn.h"

struct ranker_query {
    uint32_t user;
    uint32_t known; /* behaviors of the user that may be used */
    struct topn_excluded excluded;
};

/* What was read to rank for one user; all zero for a ranker without interests. */
struct ranker_read {
    uint32_t interests; /* live ones */
    uint32_t ranked; /* of them, those that the list is of: all, or none if an intent vector is */
    uint32_t idle;   /* of these, those that gave the list no item */
    double cosine;   /* mean over the pairs of them; 0 with less than two */
};

struct ranker {
    const char *name;
    void *context;
    uint32_t batch_max; /* queries of one call; 1 if what others do changes the answer */

    /*
     * Shows a behavior, in the order of training or replay. NULL: it learns nothing by being shown.
     */
    void (*observe)(void *context, const struct dataset *dataset, struct dataset_point point);

    /* Lists[i] gets the `n` best for queries[i], whose users are all different. */
    enum status (*rank)(void *context, const struct dataset *dataset,
                        const struct ranker_query *queries, uint32_t count, uint32_t n,
                        struct topn_list *lists, struct ranker_read *reads, struct error *error);
};

#endif

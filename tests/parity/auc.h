/*
 * auc.h - the area under the ROC curve, overall and by users: what ranking models are reported by.
 *
 * The product has no ranking model yet; the metric lies here, held to its fixture, until one does.
 */
#ifndef TESTS_PARITY_AUC_H
#define TESTS_PARITY_AUC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One shown item and what the user did. */
struct impression {
    uint32_t user;
    double score;
    bool positive;
};

/*
 * Share of (positive, negative) pairs in the right order, a tie counting half. The impressions are
 * reordered. False if one class is missing.
 */
bool auc_of_impressions(struct impression *at, size_t count, double *aucp);

/* AUC of each user with both classes, weighted by its impressions. False if no user has both. */
bool auc_of_users(struct impression *at, size_t count, double *gaucp);

#endif

/*
 * prior.h - what the selection of interests measures a user against: the share of the evidence that
 * each interest has on average (models.md 7.2).
 */
#ifndef MODEL_TRAIN_PRIOR_H
#define MODEL_TRAIN_PRIOR_H

#include "model/checkpoint.h"
#include "model/dataset.h"

/*
 * Sets select.prior to the mean over the users of `dataset`, each after its first known[user]
 * behaviors; those without any do not count. A checkpoint that does not select is left as it is.
 * One state at a time; O(behaviors).
 */
MUST_CHECK enum status prior_measure(struct checkpoint *checkpoint, const struct dataset *dataset,
                                     const uint32_t *known, struct error *error);

#endif

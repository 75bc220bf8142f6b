/*
 * readout.h - one vector of a user's interests, in view of the target (models.md section 4).
 *
 * `hard` takes the interest that is nearest to the target, `label-aware` their mean weighted by how
 * near each one is. The third read-out, `max`, chooses no vector: it is the loss that scores every
 * item with its best interest.
 *
 * Pure functions over rows; nothing is kept between forward and backward.
 */
#ifndef MODEL_TRAIN_READOUT_H
#define MODEL_TRAIN_READOUT_H

#include <stdint.h>

#include "model/train/similarity.h"

enum { READOUT_INTERESTS_MAX = 64 };

enum readout { READOUT_HARD, READOUT_LABEL_AWARE, READOUT_MAX };

/* How one user's `live` (>= 1) interests [live][d] are read for the item vector `target` [d]. */
struct readout_rule {
    enum readout readout; /* hard or label-aware */
    struct similarity similarity;
    real power; /* of label-aware, >= 1 */
    uint32_t d;
};

/* y [d] = the vector read. */
void readout_forward(const struct readout_rule *rule, real *y, const real *interests, uint32_t live,
                     const real *target);

/* Adds to d_interests [live][d] and d_target [d] what dy [d] gives back to them. */
void readout_backward(const struct readout_rule *rule, real *d_interests, real *d_target,
                      const real *dy, const real *interests, uint32_t live, const real *target);

#endif

/*
 * retention.h - what keeps a user's old interests as they are while new ones are learned beside them
 * (models.md 7.3).
 *
 * Of the interests that there were before a training, each score of the target is held to what it
 * was: with p = sigmoid(<h_old, e> / temperature), which is frozen, and x = <h_new, e> / temperature,
 *
 *     L = mean over samples of sum over k of softplus(x_k) - p_k x_k
 *
 * Threads: pure.
 */
#ifndef MODEL_TRAIN_RETENTION_H
#define MODEL_TRAIN_RETENTION_H

#include <stdint.h>

#include "model/kernel/real.h"

struct retention {
    real temperature;
    uint32_t d;
};

/*
 * One sample: `count` interests old [count][d], and the same of now [count][d], and the vector of the
 * item that the user took [d]. Returns weight * loss, and adds its gradients to d_now [count][d] and
 * d_target [d].
 */
double retention_add(const struct retention *retention, const real *old, const real *now,
                     uint32_t count, const real *target, real weight, real *d_now, real *d_target);

#endif

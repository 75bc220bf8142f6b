/*
 * op_ring.h - a diagonal linear recurrence over behaviors (models.md 5.11, kernel_ring.h).
 */
#ifndef MODEL_TENSOR_OP_RING_H
#define MODEL_TENSOR_OP_RING_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"
#include "model/kernel/kernel_ring.h"
#include "model/tensor/behavior.h"
#include "model/tensor/params.h"
#include "model/tensor/tape.h"

struct ring {
    const struct param *decay, *phase, *gain; /* [n] each */
    size_t at;                                /* reals before h [2, n] in a state */
    struct arena arena;                       /* what `factors` point into */
    struct ring_factors factors;              /* as it was opened, for serving */
};

/* Makes the factors of the parameters. On failure there is nothing to close. */
MUST_CHECK enum status ring_open(struct ring *ring, const struct param *decay,
                                 const struct param *phase, const struct param *gain, size_t at,
                                 struct error *error);
void ring_close(struct ring *ring);

/*
 * w [events, 2 n]: each event, in its user's order, turns the state and is added to it. Result
 * [events, 2 n], the states after the events. `states` may be NULL: zero before each user's first
 * event, and not kept.
 */
struct tensor *op_ring(struct tape *tape, const struct ring *ring, struct tensor *w,
                       real *const *states, const struct behavior_batch *batch);

#endif

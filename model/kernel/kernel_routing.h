/*
 * kernel_routing.h - dynamic routing of a user's behaviors to interests (models.md 5.5).
 */
#ifndef MODEL_KERNEL_KERNEL_ROUTING_H
#define MODEL_KERNEL_KERNEL_ROUTING_H

#include <stddef.h>
#include <stdint.h>

#include "model/kernel/real.h"

/* Behavior i as interest j sees it lies at `projected` + i * event_stride + j * interest_stride. */
struct routed {
    const real *projected;
    size_t event_stride;
    size_t interest_stride; /* 0: all interests see the same */
    uint32_t events;
    uint32_t interests; /* that take part */
    uint32_t d;
};

/*
 * `logits` [events, interests] is what routing begins with, and is used up; `coupling` [events,
 * interests] is the shares of the last iteration, `sums` [interests, d] what they sum up,
 * `capsules` [interests, d] its squash. At least one iteration.
 */
void kernel_route(real *restrict capsules, real *restrict sums, real *restrict coupling,
                  real *restrict logits, const struct routed *routed, uint32_t iterations);

/*
 * Adds to d_projected, which lies as `projected` does. Shares are constants: only the last sum and
 * its squash pass anything back.
 */
void kernel_route_backward(real *restrict d_projected, const real *d_capsules, const real *sums,
                           const real *coupling, const struct routed *routed);

#endif

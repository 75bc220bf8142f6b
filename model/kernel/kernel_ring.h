/*
 * kernel_ring.h - a diagonal linear recurrence in complex numbers (models.md 5.11).
 *
 * Complex rows are [2 n]: the real parts, then the imaginary ones. Each coordinate turns and shrinks
 * at its own constant rate as events come, and each event is added to it.
 */
#ifndef MODEL_KERNEL_KERNEL_RING_H
#define MODEL_KERNEL_KERNEL_RING_H

#include <stdint.h>

#include "model/kernel/real.h"

/* What an event multiplies the state with, and with what it is added itself; [n] each. */
struct ring_factors {
    real *re, *im, *gain;
};

/* e^(-e^decay) (cos e^phase, sin e^phase) and e^gain. */
void kernel_ring_make(struct ring_factors factors, const real *decay, const real *phase,
                      const real *gain, uint32_t n);

/* Gradients of decay, phase and gain, [n] each; NULL if not wanted. */
struct ring_gradients {
    real *decay, *phase, *gain;
};

/* Adds what d_factors, [3 n] (of re, im and gain, one behind the other), gives back. */
void kernel_ring_make_backward(struct ring_gradients gradients, const real *d_factors,
                               struct ring_factors factors, const real *decay, const real *phase,
                               uint32_t n);

/* y = factors * h + gain * w. y may be h. */
void kernel_ring_step(real *y, const real *h, const real *w, struct ring_factors factors,
                      uint32_t n);

/*
 * Of one step, dy [2 n] being all that y gets. Adds to d_factors [3 n] and dw [2 n] (may be NULL);
 * dy becomes the gradient of h, which is NULL if it was all zero.
 */
void kernel_ring_backward(real *restrict dy, real *restrict d_factors, real *restrict dw,
                          const real *h, const real *w, struct ring_factors factors, uint32_t n);

#endif

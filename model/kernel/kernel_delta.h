/*
 * kernel_delta.h - the gated delta rule: an associative memory that fades and corrects (models.md
 * 5.2).
 *
 * A user's memory is s [heads, width, width], row = key coordinate. q, k, v and y are rows of
 * heads * width, queries and keys already mapped; alpha (what is kept) and beta (strength of the
 * write) are [heads].
 */
#ifndef MODEL_KERNEL_KERNEL_DELTA_H
#define MODEL_KERNEL_KERNEL_DELTA_H

#include <stddef.h>
#include <stdint.h>

#include "model/kernel/real.h"

/* s = alpha s, then s += beta k^T (v - k s): one event. */
void kernel_delta_absorb(real *restrict s, const real *k, const real *v, const real *alpha,
                         const real *beta, uint32_t heads, uint32_t width);

/* The same, then y = q s. */
void kernel_delta_step(real *restrict y, real *restrict s, const real *q, const real *k,
                       const real *v, const real *alpha, const real *beta, uint32_t heads,
                       uint32_t width);

/* y = q s. */
void kernel_delta_read(real *restrict y, const real *s, const real *q, uint32_t heads,
                       uint32_t width);

/*
 * alpha = exp(-softplus(decay) days - softplus(forget)) and beta = sigmoid(write) of one event,
 * [heads] each; `rate` is softplus(decay), `days` those since the event before.
 */
void kernel_delta_gates(real *restrict alpha, real *restrict beta, const real *write,
                        const real *forget, const real *rate, real days, uint32_t heads);

/*
 * Adds to d_write, d_forget and d_rate (each NULL if not wanted) what d_alpha and d_beta pass back.
 */
void kernel_delta_gates_backward(real *restrict d_write, real *restrict d_forget,
                                 real *restrict d_rate, const real *d_alpha, const real *d_beta,
                                 const real *alpha, const real *beta, const real *forget, real days,
                                 uint32_t heads);

/* ---- whole sequences, for training ---- */

/* Rows of many users' events and points, each with its stride to the next. */
struct delta_rows {
    uint32_t heads, width; /* heads * width = d */
    uint32_t queries;      /* of a point, one behind the other */
    const real *q;         /* [points][queries * d] */
    const real *k, *v;     /* [events][d] each */
    const real *gates;     /* [events][2 heads]: alpha, then beta */
    size_t q_stride, kv_stride;
    const uint32_t *points; /* the event after which each point reads, ascending */
};

/* The events and points of one user. */
struct delta_span {
    uint32_t event, event_end;
    uint32_t point, point_end;
};

/* From the memory s on: y [points][queries][d] at the rows of the user's points. */
void kernel_delta_sequence(real *y, real *s, const struct delta_rows *rows, struct delta_span span);

/* Where gradients are added up, shaped like q, k, v and gates of delta_rows. */
struct delta_gradients {
    real *q, *k, *v, *gates;
};

/* Reals of scratch for a user with so many events. */
size_t kernel_delta_scratch(uint32_t events, uint32_t width);

/* What dy gives back, the user's memory having been empty at first. */
void kernel_delta_sequence_backward(const struct delta_gradients *gradients, const real *dy,
                                    const struct delta_rows *rows, struct delta_span span,
                                    real *scratch);

#endif

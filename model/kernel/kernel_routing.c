/* kernel_routing.c - dynamic routing: shares, sums, agreement, as often as asked for. */
#include "model/kernel/kernel_routing.h"

#include <string.h>

#include "model/kernel/kernel_activation.h"
#include "model/kernel/vector.h"

/* sums_j = the events' vectors weighted by their shares. */
static void sum_up(real *restrict sums, const real *restrict coupling, const struct routed *routed)
{
    memset(sums, 0, (size_t)routed->interests * routed->d * sizeof(real));
    for (uint32_t i = 0; i < routed->events; i++) {
        const real *event = routed->projected + i * routed->event_stride;
        for (uint32_t j = 0; j < routed->interests; j++, event += routed->interest_stride) {
            const real share = *coupling++;
            real *sum = sums + (size_t)j * routed->d;
            for (uint32_t at = 0; at < routed->d; at++) {
                sum[at] = REAL_FMA(share, event[at], sum[at]);
            }
        }
    }
}

/* Each event leans more to the capsules that it agrees with. */
static void agree(real *restrict logits, const real *restrict capsules, const struct routed *routed)
{
    for (uint32_t i = 0; i < routed->events; i++) {
        const real *event = routed->projected + i * routed->event_stride;
        for (uint32_t j = 0; j < routed->interests; j++, event += routed->interest_stride) {
            *logits++ += vec_dot(capsules + (size_t)j * routed->d, event, routed->d);
        }
    }
}

void kernel_route(real *restrict capsules, real *restrict sums, real *restrict coupling,
                  real *restrict logits, const struct routed *routed, uint32_t iterations)
{
    const uint32_t interests = routed->interests, d = routed->d;
    for (uint32_t iteration = 1;; iteration++) {
        memcpy(coupling, logits, (size_t)routed->events * interests * sizeof(real));
        kernel_softmax(coupling, routed->events, interests);
        sum_up(sums, coupling, routed);
        memcpy(capsules, sums, (size_t)interests * d * sizeof(real));
        kernel_squash(capsules, interests, d);
        if (iteration >= iterations) return;
        agree(logits, capsules, routed);
    }
}

void kernel_route_backward(real *restrict d_projected, const real *d_capsules, const real *sums,
                           const real *coupling, const struct routed *routed)
{
    const uint32_t d = routed->d;
    for (uint32_t j = 0; j < routed->interests; j++, d_capsules += d, sums += d) {
        const struct squash_slope slope = kernel_squash_slope(d_capsules, sums, d);
        for (uint32_t i = 0; i < routed->events; i++) {
            const real share = coupling[(size_t)i * routed->interests + j];
            real *to = d_projected + i * routed->event_stride + j * routed->interest_stride;
            for (uint32_t at = 0; at < d; at++) {
                to[at] += share * (slope.scale * d_capsules[at] + slope.along * sums[at]);
            }
        }
    }
}

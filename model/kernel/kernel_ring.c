/* kernel_ring.c - a diagonal linear recurrence: factors, a step, and back. */
#include "model/kernel/kernel_ring.h"

#include <stddef.h>

#include "model/kernel/special.h"
#include "model/kernel/vector.h"

/* Beyond, an angle is a number without meaning. */
static const double PHASE_MAX = 30;

static double angle_of(real phase)
{
    return exp_double((double)phase < PHASE_MAX ? (double)phase : PHASE_MAX);
}

void kernel_ring_make(struct ring_factors factors, const real *decay, const real *phase,
                      const real *gain, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        const double size = exp_double(-exp_double((double)decay[i]));
        double cosine, sine;
        turn_double(angle_of(phase[i]), &cosine, &sine);
        factors.re[i] = (real)(size * cosine);
        factors.im[i] = (real)(size * sine);
        factors.gain[i] = (real)exp_double((double)gain[i]);
    }
}

/* With l = re + i im: dl / d decay = -e^decay l, dl / d phase = i e^phase l. */
void kernel_ring_make_backward(struct ring_gradients gradients, const real *d_factors,
                               struct ring_factors factors, const real *decay, const real *phase,
                               uint32_t n)
{
    const real *d_re = d_factors, *d_im = d_factors + n, *d_gain = d_factors + 2 * (size_t)n;
    for (uint32_t i = 0; i < n; i++) {
        const real re = factors.re[i], im = factors.im[i];
        if (gradients.decay) {
            const real rate = (real)exp_double((double)decay[i]);
            gradients.decay[i] -= rate * (d_re[i] * re + d_im[i] * im);
        }
        if (gradients.phase) {
            gradients.phase[i] += (real)angle_of(phase[i]) * (d_im[i] * re - d_re[i] * im);
        }
        if (gradients.gain) gradients.gain[i] += d_gain[i] * factors.gain[i];
    }
}

void kernel_ring_step(real *y, const real *h, const real *w, struct ring_factors factors,
                      uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        const real re = h[i], im = h[n + i];
        const real added_re = factors.gain[i] * w[i], added_im = factors.gain[i] * w[n + i];
        y[i] = REAL_FMA(factors.re[i], re, REAL_FMA(-factors.im[i], im, added_re));
        y[n + i] = REAL_FMA(factors.im[i], re, REAL_FMA(factors.re[i], im, added_im));
    }
}

void kernel_ring_backward(real *restrict dy, real *restrict d_factors, real *restrict dw,
                          const real *h, const real *w, struct ring_factors factors, uint32_t n)
{
    real *d_re = d_factors, *d_im = d_factors + n, *d_gain = d_factors + 2 * (size_t)n;
    for (uint32_t i = 0; i < n; i++) {
        const real re = dy[i], im = dy[n + i];
        d_gain[i] += re * w[i] + im * w[n + i];
        if (h) {
            d_re[i] += re * h[i] + im * h[n + i];
            d_im[i] += im * h[i] - re * h[n + i];
        }
        if (dw) {
            dw[i] += factors.gain[i] * re;
            dw[n + i] += factors.gain[i] * im;
        }
        dy[i] = factors.re[i] * re + factors.im[i] * im;
        dy[n + i] = factors.re[i] * im - factors.im[i] * re;
    }
}

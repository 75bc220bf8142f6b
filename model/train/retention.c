/* retention.c - binary cross-entropy with a soft target, and its gradient sigmoid(x) - p. */
#include "model/train/retention.h"

#include <math.h>
#include <stddef.h>

#include "model/kernel/vector.h"

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

/* ln(1 + e^x), also where e^x is too great. */
static double softplus(double x)
{
    return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

double retention_add(const struct retention *retention, const real *old, const real *now,
                     uint32_t count, const real *target, real weight, real *d_now, real *d_target)
{
    const uint32_t d = retention->d;
    const double scale = 1 / (double)retention->temperature;
    double loss = 0;
    for (uint32_t k = 0; k < count; k++) {
        const size_t row = (size_t)k * d;
        const double p = sigmoid(scale * (double)vec_dot(old + row, target, d));
        const double x = scale * (double)vec_dot(now + row, target, d);
        const real gradient = (real)((double)weight * scale * (sigmoid(x) - p));
        loss += (double)weight * (softplus(x) - p * x);
        for (uint32_t i = 0; i < d; i++) {
            d_now[row + i] += gradient * target[i];
            d_target[i] += gradient * now[row + i];
        }
    }
    return loss;
}

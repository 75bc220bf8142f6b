/* readout.c - nearness of each interest to the target, and the choice or the mean made of it. */
#include "model/train/readout.h"

#include <math.h>
#include <tgmath.h>

#include "base/status.h"
#include "model/kernel/kernel.h"
#include "model/kernel/vector.h"

/* 1 / |x| of cosine, 1 of dot. */
static real rule_shrink(const struct readout_rule *rule, const real *x)
{
    if (!rule->similarity.cosine) return 1;
    return 1 / REAL_SQRT(vec_dot(x, x, rule->d) + (real)1e-12);
}

static void nearness(const struct readout_rule *rule, real *near, const real *interests,
                     uint32_t live, const real *target)
{
    const real factor = similarity_scale(rule->similarity) * rule_shrink(rule, target);
    REQUIRE(live >= 1 && live <= READOUT_INTERESTS_MAX);
    for (uint32_t k = 0; k < live; k++) {
        const real *interest = interests + (size_t)k * rule->d;
        near[k] = factor * rule_shrink(rule, interest) * vec_dot(interest, target, rule->d);
    }
}

/* The lower of equals. */
static uint32_t nearest(const real *near, uint32_t live)
{
    uint32_t best = 0;
    for (uint32_t k = 1; k < live; k++) {
        if (near[k] > near[best]) best = k;
    }
    return best;
}

/* weight = softmax over the live interests of sign(s) |s|^power. */
static void label_weights(const struct readout_rule *rule, real *weight, const real *near,
                          uint32_t live)
{
    real most = -INFINITY, sum = 0;
    for (uint32_t k = 0; k < live; k++) {
        weight[k] = copysign(pow(fabs(near[k]), rule->power), near[k]);
        if (weight[k] > most) most = weight[k];
    }
    for (uint32_t k = 0; k < live; k++) {
        weight[k] -= most;
    }
    kernel_exp(weight, weight, live);
    for (uint32_t k = 0; k < live; k++) {
        sum += weight[k];
    }
    for (uint32_t k = 0; k < live; k++) {
        weight[k] /= sum;
    }
}

static void add_weighted(real *y, const real *x, real factor, uint32_t d)
{
    for (uint32_t i = 0; i < d; i++) {
        y[i] += factor * x[i];
    }
}

void readout_forward(const struct readout_rule *rule, real *y, const real *interests, uint32_t live,
                     const real *target)
{
    real near[READOUT_INTERESTS_MAX], weight[READOUT_INTERESTS_MAX] = {0};
    nearness(rule, near, interests, live, target);
    if (rule->readout == READOUT_HARD) {
        weight[nearest(near, live)] = 1;
    } else {
        label_weights(rule, weight, near, live);
    }
    for (uint32_t i = 0; i < rule->d; i++) {
        y[i] = 0;
    }
    for (uint32_t k = 0; k < live; k++) {
        if (weight[k] != 0) add_weighted(y, interests + (size_t)k * rule->d, weight[k], rule->d);
    }
}

/* s = c <x, t> / (|x| |t|), so ds/dx = c t / (|x| |t|) - s x / |x|^2; dot: ds/dx = t. */
static void add_nearness_gradient(const struct readout_rule *rule, real *dx, const real *x,
                                  const real *t, real near, real gradient)
{
    const bool cosine = rule->similarity.cosine;
    const real shrink = rule_shrink(rule, x);
    const real along = similarity_scale(rule->similarity) * shrink * rule_shrink(rule, t);
    add_weighted(dx, t, gradient * (cosine ? along : 1), rule->d);
    if (cosine) add_weighted(dx, x, -gradient * near * shrink * shrink, rule->d);
}

void readout_backward(const struct readout_rule *rule, real *d_interests, real *d_target,
                      const real *dy, const real *interests, uint32_t live, const real *target)
{
    const uint32_t d = rule->d;
    real near[READOUT_INTERESTS_MAX], weight[READOUT_INTERESTS_MAX];
    real d_weight[READOUT_INTERESTS_MAX], mean = 0;
    nearness(rule, near, interests, live, target);
    if (rule->readout == READOUT_HARD) {
        add_weighted(d_interests + (size_t)nearest(near, live) * d, dy, 1, d);
        return;
    }
    label_weights(rule, weight, near, live);
    for (uint32_t k = 0; k < live; k++) {
        d_weight[k] = vec_dot(dy, interests + (size_t)k * d, d);
        mean += weight[k] * d_weight[k];
    }
    for (uint32_t k = 0; k < live; k++) {
        const real *interest = interests + (size_t)k * d;
        real *d_interest = d_interests + (size_t)k * d;
        /* Of the softmax, then of sign(s) |s|^power, which is power |s|^(power - 1). */
        const real d_near =
            weight[k] * (d_weight[k] - mean) * rule->power * pow(fabs(near[k]), rule->power - 1);
        add_weighted(d_interest, dy, weight[k], d);
        add_nearness_gradient(rule, d_interest, interest, target, near[k], d_near);
        add_nearness_gradient(rule, d_target, target, interest, near[k], d_near);
    }
}

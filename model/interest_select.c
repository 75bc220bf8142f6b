/*
 * interest_select.c - greedy choice by falling evidence, against an orthogonal basis of the chosen.
 *
 * The residual is modified Gram-Schmidt, swept twice: once leaves rounding of the size of the
 * residual where vectors are nearly dependent, which is exactly where the decision lies.
 */
#include <math.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
#include "model/interest_select.h"

static const double LENGTH_MIN = 1e-12; /* a shorter read says nothing */

/* In lanes of fixed order, which a vector unit keeps. */
static double product(const double *a, const double *b, uint32_t d)
{
    double lane[8] = {0};
    uint32_t i = 0;
    for (; i + 8 <= d; i += 8) {
        for (uint32_t j = 0; j < 8; j++) {
            lane[j] += a[i + j] * b[i + j];
        }
    }
    for (uint32_t j = 0; i < d; i++, j++) {
        lane[j] += a[i] * b[i];
    }
    return ((lane[0] + lane[1]) + (lane[2] + lane[3])) +
           ((lane[4] + lane[5]) + (lane[6] + lane[7]));
}

/* Takes from r [d] its part in the span of the `count` rows of the basis. */
static void project_out(double *r, const double *basis, uint32_t count, uint32_t d)
{
    for (uint32_t sweep = 0; sweep < 2; sweep++) {
        for (uint32_t k = 0; k < count; k++) {
            const double *b = basis + (size_t)k * d;
            double part = product(r, b, d);
            for (uint32_t i = 0; i < d; i++) {
                r[i] -= part * b[i];
            }
        }
    }
}

/* The interest with the most relative evidence that was not looked at before; lower of equals. */
static uint32_t next_of(const double *relative, uint32_t interests, uint64_t *lookedp)
{
    uint32_t best = interests;
    for (uint32_t k = 0; k < interests; k++) {
        if (*lookedp >> k & 1) continue;
        if (best == interests || relative[k] > relative[best]) best = k;
    }
    *lookedp |= UINT64_C(1) << best;
    return best;
}

/* Whether `vector` is chosen; if so its direction outside the basis is row `count` of the basis. */
static bool admits(const struct interest_select *options, const real *vector, double relative,
                   double *basis, uint32_t count, uint32_t d)
{
    double *r = basis + (size_t)count * d;
    for (uint32_t i = 0; i < d; i++) {
        r[i] = (double)vector[i];
    }
    double length = sqrt(product(r, r, d));
    if (length < LENGTH_MIN) return false;
    project_out(r, basis, count, d);
    double residual = sqrt(product(r, r, d));
    bool first = count == 0;
    if (!first && relative < options->evidence_min) return false;
    if (!first && residual <= options->residual_min * length) return false;
    for (uint32_t i = 0; i < d; i++) {
        r[i] /= residual;
    }
    return true;
}

uint32_t interest_select(const struct interest_select *options,
                         const struct interest_select_read *read, double *basis, uint32_t *chosen,
                         real *weights)
{
    uint32_t interests = read->interests, d = read->d;
    REQUIRE(interests <= INTEREST_SELECT_MAX);
    uint32_t limit = options->limit && options->limit < interests ? options->limit : interests;
    if (read->events < limit) limit = (uint32_t)read->events;
    if (d < limit) limit = d;

    double relative[INTEREST_SELECT_MAX];
    for (uint32_t k = 0; k < interests; k++) {
        double prior = read->prior ? (double)read->prior[k] : 1.0 / interests;
        relative[k] = (double)read->share[k] / prior;
    }
    uint64_t looked = 0;
    uint32_t count = 0;
    double whole = 0;
    for (uint32_t i = 0; i < interests && count < limit; i++) {
        uint32_t k = next_of(relative, interests, &looked);
        if (!admits(options, read->vectors + (size_t)k * d, relative[k], basis, count, d)) continue;
        chosen[count++] = k;
        whole += (double)read->share[k];
    }
    for (uint32_t i = 0; i < count; i++) {
        weights[i] = (real)(whole > 0 ? (double)read->share[chosen[i]] / whole : 1.0 / count);
    }
    return count;
}

/* interest_detect.c - ln of the mean of exp, less the mean. */
#include "model/eval/interest_detect.h"

#include <math.h>
#include <stddef.h>

#include "base/status.h"

enum { DETECT_INTERESTS_MAX = 64 };

static double dot(const real *a, const real *b, uint32_t d)
{
    double sum = 0;
    for (uint32_t i = 0; i < d; i++) {
        sum += (double)a[i] * (double)b[i];
    }
    return sum;
}

double interest_divergence(const struct interest_detect *detect, const real *interests,
                           uint32_t count, const real *item)
{
    double score[DETECT_INTERESTS_MAX], most = -INFINITY, mean = 0, sum = 0;
    const double length = sqrt(dot(item, item, detect->d) + 1e-12);
    REQUIRE(count >= 1 && count <= DETECT_INTERESTS_MAX);
    for (uint32_t k = 0; k < count; k++) {
        const real *interest = interests + (size_t)k * detect->d;
        score[k] = dot(item, interest, detect->d) / detect->temperature;
        if (detect->cosine) {
            score[k] /= length * sqrt(dot(interest, interest, detect->d) + 1e-12);
        }
        most = score[k] > most ? score[k] : most;
        mean += score[k] / count;
    }
    for (uint32_t k = 0; k < count; k++) {
        sum += exp(score[k] - most);
    }
    const double divergence = most + log(sum / count) - mean;
    return divergence > 0 ? divergence : 0;
}

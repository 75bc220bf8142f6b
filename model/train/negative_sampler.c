/* negative_sampler.c - a cumulative distribution, searched. */
#include "model/train/negative_sampler.h"

#include <math.h>
#include <stdlib.h>

static const double SMOOTHING = 0.75;

struct negative_sampler {
    uint32_t first, rows;
    double *upto; /* [rows - first] probability of this row or one before it */
    real *log_q;  /* [rows] */
};

enum status negative_sampler_open(struct negative_sampler **samplerp, const uint32_t *counts,
                                  uint32_t first, uint32_t rows, struct error *error)
{
    *samplerp = NULL;
    REQUIRE(first < rows);
    struct negative_sampler *sampler = calloc(1, sizeof *sampler);
    if (!sampler) return error_set(error, STATUS_IO, "out of memory for negatives");
    *sampler = (struct negative_sampler){first, rows, calloc(rows - first, sizeof(double)),
                                         calloc(rows, sizeof(real))};
    if (!sampler->upto || !sampler->log_q) {
        negative_sampler_close(sampler);
        return error_set(error, STATUS_IO, "out of memory for negatives");
    }
    double sum = 0;
    for (uint32_t row = first; row < rows; row++) {
        sampler->upto[row - first] = sum += pow(1 + (double)counts[row], SMOOTHING);
    }
    for (uint32_t row = first; row < rows; row++) {
        sampler->upto[row - first] /= sum;
        sampler->log_q[row] = (real)log(pow(1 + (double)counts[row], SMOOTHING) / sum);
    }
    *samplerp = sampler;
    return STATUS_OK;
}

void negative_sampler_close(struct negative_sampler *sampler)
{
    if (!sampler) return;
    free(sampler->upto);
    free(sampler->log_q);
    free(sampler);
}

const real *negative_sampler_log_q(const struct negative_sampler *sampler)
{
    return sampler->log_q;
}

void negative_sampler_draw(const struct negative_sampler *sampler, struct random *random,
                           uint32_t *drawn, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const double u = random_uniform(random);
        uint32_t low = 0, high = sampler->rows - sampler->first - 1;
        while (low < high) {
            const uint32_t middle = low + (high - low) / 2;
            if (sampler->upto[middle] > u) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        drawn[i] = sampler->first + low;
    }
}

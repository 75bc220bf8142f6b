/*
 * param_draw.c - the first values of parameters, as models.md section 1 says.
 *
 * Drawing needs random numbers and libm; nothing here is part of serving.
 */
#include "model/param_draw.h"

#include <math.h>
#include <string.h>

#include "base/checksum.h"
#include "base/random.h"

static void draw_normal(struct param *param, size_t from, double spread, struct random *random)
{
    for (size_t i = from; i < param->count; i++) {
        param->data[i] = (real)(spread * random_normal(random));
    }
}

static void draw_uniform(struct param *param, double bound, struct random *random)
{
    for (size_t i = 0; i < param->count; i++) {
        param->data[i] = (real)(bound * (2 * random_uniform(random) - 1));
    }
}

static void fill_value(struct param *param, size_t count, size_t step, double value)
{
    for (size_t i = 0; i < count; i += step) {
        param->data[i] = (real)value;
    }
}

/* Half-lives spaced evenly in their logarithm; of one head, 8 days, the middle. */
static double decay_of(size_t head, size_t heads)
{
    double power = heads > 1 ? 9.0 * (double)head / (double)(heads - 1) - 3 : 3;
    return log(expm1(log(2) / exp2(power)));
}

/* Inside the unit circle, the square of the distance from 0.8^2 to 0.99^2, at any angle. */
static void draw_ring(struct param *param, struct random *random)
{
    for (size_t i = 0; i < param->count; i++) {
        const double square = 0.64 + random_uniform(random) * (0.99 * 0.99 - 0.64);
        const double angle = 2 * 3.14159265358979323846 * (1 - random_uniform(random));
        switch (param->spec.init) {
        case PARAM_RING_DECAY: param->data[i] = (real)log(-0.5 * log(square)); break;
        case PARAM_RING_PHASE: param->data[i] = (real)log(angle); break;
        default: param->data[i] = (real)(0.5 * log(1 - square)); break;
        }
    }
}

static void draw_param(struct param *param, struct random *random)
{
    const struct param_spec *spec = &param->spec;
    const uint32_t in = spec->shape[spec->rank - 1];
    const uint32_t out = spec->rank > 1 ? spec->shape[spec->rank - 2] : 1;
    const size_t count = param->count;
    switch (spec->init) {
    case PARAM_ZEROS: break;
    case PARAM_ONES: fill_value(param, count, 1, 1); break;
    case PARAM_FILL: fill_value(param, count, 1, spec->value); break;
    case PARAM_DIAGONAL:
        fill_value(param, count, (size_t)sqrt((double)count) + 1, spec->value);
        break;
    case PARAM_GRU_BIAS: fill_value(param, count / 3 * 2, 1, 1); break;
    case PARAM_NORMAL: draw_normal(param, 0, spec->spread, random); break;
    case PARAM_TABLE: draw_normal(param, count / spec->shape[0], spec->spread, random); break;
    case PARAM_GLOROT: draw_uniform(param, sqrt(6.0 / (in + out)), random); break;
    case PARAM_GLOROT_GATES: draw_uniform(param, sqrt(6.0 / (in + out / 3)), random); break;
    case PARAM_TANH_NORMAL:
        draw_normal(param, 0, 0.5, random);
        for (size_t i = 0; i < count; i++) {
            param->data[i] = (real)tanh((double)param->data[i]);
        }
        break;
    case PARAM_RING_DECAY:
    case PARAM_RING_PHASE:
    case PARAM_RING_GAIN: draw_ring(param, random); break;
    case PARAM_DECAY:
        for (size_t head = 0; head < count; head++) {
            param->data[head] = (real)decay_of(head, count);
        }
        break;
    }
}

/* How much of its name seeds a parameter: those that share it are drawn of the same numbers. */
static size_t drawn_with(const struct param *param)
{
    const enum param_init init = param->spec.init;
    const bool ring = init >= PARAM_RING_DECAY && init <= PARAM_RING_GAIN;
    return ring ? (size_t)(strrchr(param->name, '.') - param->name) : strlen(param->name);
}

void param_set_draw(struct param_set *set, uint64_t seed)
{
    for (uint32_t i = 0; i < param_set_count(set); i++) {
        struct param *param = param_set_at(set, i);
        struct random random = random_seeded(seed ^ identity_of(param->name, drawn_with(param)));
        draw_param(param, &random);
    }
}

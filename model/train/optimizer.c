/* optimizer.c - one loop over whatever has a gradient. */
#include "model/train/optimizer.h"

#include <math.h>
#include <string.h>

#include "model/kernel/vector.h"

static const double MEAN_KEEP = 0.9, SQUARE_KEEP = 0.999, EPSILON = 1e-8;

enum status optimizer_open(struct optimizer *optimizer, const struct param_set *params,
                           const struct optimizer_options *options, struct error *error)
{
    const size_t size = param_set_size(params) * sizeof(real);
    *optimizer = (struct optimizer){.options = *options, .params = params};
    TRY(arena_open(&optimizer->memory, 2 * size, error));
    memset(optimizer->memory.block, 0, 2 * size);
    optimizer->mean = arena_take(&optimizer->memory, size);
    optimizer->square = arena_take(&optimizer->memory, size);
    return STATUS_OK;
}

void optimizer_close(struct optimizer *optimizer)
{
    arena_close(&optimizer->memory);
}

double optimizer_rate(const struct optimizer_options *options, uint64_t step)
{
    const uint64_t warm = options->warmup_steps;
    if (step < warm) return options->rate * (double)step / (double)warm;
    if (options->steps <= warm) return options->rate;
    const uint64_t end = step < options->steps ? step : options->steps;
    const double done = (double)(end - warm) / (double)(options->steps - warm);
    const double fall = (1 + cos(M_PI * done)) / 2;
    return options->rate * (options->final_share + (1 - options->final_share) * fall);
}

static double square_of(const real *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += (double)x[i] * (double)x[i];
    }
    return sum;
}

static double gradients_norm(const struct gradients *gradients)
{
    double sum = square_of(gradients->block, gradients->size);
    for (uint32_t i = 0; i < gradients->tables; i++) {
        const struct row_gradients *rows = &gradients->rows[i];
        sum += square_of(rows->at, (size_t)rows->count * rows->width);
    }
    return sqrt(sum);
}

/* What is the same for every element of a step. */
struct adam {
    real rate;       /* over the bias of the mean */
    real square_fix; /* 1 over the bias of the square */
    real clip;       /* what gradients are multiplied with */
};

static void update(const struct optimizer *optimizer, const struct adam *adam, size_t at,
                   const real *restrict gradient, size_t count)
{
    const real keep = (real)MEAN_KEEP, keep_square = (real)SQUARE_KEEP, epsilon = (real)EPSILON;
    real *restrict x = param_set_block(optimizer->params) + at;
    real *restrict mean = optimizer->mean + at, *restrict square = optimizer->square + at;
    for (size_t i = 0; i < count; i++) {
        const real g = gradient[i] * adam->clip;
        mean[i] = keep * mean[i] + (1 - keep) * g;
        square[i] = keep_square * square[i] + (1 - keep_square) * g * g;
        x[i] -= adam->rate * mean[i] / (REAL_SQRT(square[i] * adam->square_fix) + epsilon);
    }
}

double optimizer_step(struct optimizer *optimizer, struct gradients *gradients)
{
    const double norm = gradients_norm(gradients), clip = optimizer->options.clip;
    const uint64_t step = ++optimizer->step;
    const struct param_set *params = optimizer->params;
    const double rate = optimizer_rate(&optimizer->options, step - optimizer->options.begun);
    const struct adam adam = {
        (real)(rate / (1 - pow(MEAN_KEEP, (double)step))),
        (real)(1 / (1 - pow(SQUARE_KEEP, (double)step))),
        clip > 0 && norm > clip ? (real)(clip / norm) : 1,
    };
    const real *block = param_set_block(params);
    for (uint32_t i = 0; i < param_set_count(params); i++) {
        const struct param *param = param_set_at(params, i);
        if (param->spec.init == PARAM_TABLE || param->spec.constant) continue;
        update(optimizer, &adam, (size_t)(param->data - block), gradients_of(gradients, param),
               param->count);
    }
    for (uint32_t i = 0; i < gradients->tables; i++) {
        const struct row_gradients *rows = &gradients->rows[i];
        const size_t first = (size_t)(rows->table->data - block);
        for (uint32_t slot = 0; slot < rows->count; slot++) {
            update(optimizer, &adam, first + (size_t)rows->touched[slot] * rows->width,
                   rows->at + (size_t)slot * rows->width, rows->width);
        }
    }
    return norm;
}

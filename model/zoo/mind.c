/*
 * mind.c - behavior-to-interest dynamic routing over a window (models.md 5.5).
 *
 * Reading embeds the window, routes it to at most K capsules, as many as the window can fill, and
 * passes each through two layers.
 */
#include <stdlib.h>

#include "model/tensor/op_profile.h"
#include "model/tensor/op_routing.h"
#include "model/tensor/op_rows.h"
#include "model/zoo/layers.h"
#include "model/zoo/window.h"

struct mind {
    struct linear bilinear;
    struct routing routing;
    struct linear hidden;
    struct linear output;
    struct window window;
};

static enum status mind_check(const struct model_dims *dims, struct error *error)
{
    if (dims->window < 1 || dims->iterations < 1 || dims->mlp < 1) {
        return error_set(error, STATUS_INVALID,
                         "window = %u, iterations = %u, mlp = %u: mind needs at least 1 of each",
                         dims->window, dims->iterations, dims->mlp);
    }
    return STATUS_OK;
}

static void mind_declare(struct param_set *params, const struct model_dims *dims)
{
    const uint32_t d = dims->d, mlp = dims->mlp;
    const struct param_spec init = {.init = PARAM_NORMAL,
                                    .spread = 1,
                                    .rank = 2,
                                    .shape = {dims->window, dims->interests},
                                    .constant = true};
    param_declare(params, param_matrix(d, d), "bilinear.weight");
    param_declare(params, init, "routing.init");
    param_declare(params, param_matrix(mlp, dims->profile_buckets ? 2 * d : d), "output.0.weight");
    param_declare(params, param_vector(PARAM_ZEROS, mlp), "output.0.bias");
    param_declare(params, param_matrix(d, mlp), "output.1.weight");
    param_declare(params, param_vector(PARAM_ZEROS, d), "output.1.bias");
}

static void mind_close(struct interest_model *model)
{
    struct mind *mind = model->zoo;
    if (!mind) return;
    linear_close(&mind->bilinear);
    linear_close(&mind->hidden);
    linear_close(&mind->output);
    free(mind);
}

static enum status mind_open_weights(struct mind *mind, const struct param_set *params,
                                     struct error *error)
{
    TRY(layer_open(&mind->bilinear, params, error, "bilinear"));
    TRY(layer_open(&mind->hidden, params, error, "output.0"));
    return layer_open(&mind->output, params, error, "output.1");
}

static enum status mind_open(struct interest_model *model, struct error *error)
{
    const struct param_set *params = model->checkpoint->params;
    struct mind *mind = calloc(1, sizeof *mind);
    if (!mind) return error_set(error, STATUS_IO, "out of memory for the model");
    model->zoo = mind;
    mind->routing = (struct routing){.init = param_set_get(params, "routing.init"),
                                     .interests = model->dims.interests,
                                     .iterations = model->dims.iterations};
    mind->window = window_of(model);
    enum status status = mind_open_weights(mind, params, error);
    if (status != STATUS_OK) mind_close(model);
    return status;
}

static void mind_absorb(struct tape *tape, const struct interest_model *model, real *const *states,
                        const struct behavior_batch *batch)
{
    const struct mind *mind = model->zoo;
    (void)tape;
    window_absorb(&mind->window, states, batch);
}

/* max(1, min(K, floor(log2 n))) of a window of n > 0 behaviors; min(K, n) if K is fixed. */
static uint32_t mind_live(const struct model_dims *dims, uint64_t events)
{
    const uint32_t n = window_fill(dims->window, events);
    if (dims->fixed_interests) return n < dims->interests ? n : dims->interests;
    if (n < 4) return n > 0;
    const uint32_t log2 = 31 - (uint32_t)__builtin_clz(n);
    return log2 < dims->interests ? log2 : dims->interests;
}

/* Interests of windows over the events of `batch`. Both are kept until the backward pass. */
static struct interest_reads mind_interests(struct tape *tape, const struct interest_model *model,
                                            const struct behavior_batch *batch,
                                            const struct windows *windows)
{
    const struct mind *mind = model->zoo;
    struct tensor *x = op_dropout(tape, op_embed(tape, &model->tables, batch));
    struct tensor *projected = op_linear(tape, &mind->bilinear, x);
    struct tensor *coupling;
    struct tensor *capsules = op_route(tape, &mind->routing, projected, windows, &coupling);
    if (model->profile) {
        capsules = op_concat(tape, capsules, op_profile(tape, model->profile, windows->count));
    }
    struct tensor *hidden = op_relu(tape, op_linear(tape, &mind->hidden, capsules));
    return (struct interest_reads){.vectors = op_linear(tape, &mind->output, hidden),
                                   .shares = coupling};
}

static struct interest_reads mind_read(struct tape *tape, const struct interest_model *model,
                                       const real *const *states, uint32_t users)
{
    const struct mind *mind = model->zoo;
    const struct behavior_batch *batch = window_unroll(tape, &mind->window, states, users);
    return mind_interests(tape, model, batch, window_whole(tape, model, batch));
}

static struct interest_reads mind_steps(struct tape *tape, const struct interest_model *model,
                                        const struct behavior_batch *batch,
                                        const struct read_points *points)
{
    return mind_interests(tape, model, batch, window_points(tape, model, batch, points));
}

const struct interest_ops mind_ops = {
    .name = "mind",
    .paper = "Li et al., Multi-Interest Network with Dynamic Routing for Recommendation at Tmall, "
             "CIKM 2019, arXiv 1904.08030",
    .defaults = {.d = 64,
                 .interests = 4,
                 .use_category = true,
                 .use_gap = true,
                 .gap_buckets = 32,
                 .temperature = 0.1f,
                 .window = 50,
                 .iterations = 3,
                 .mlp = 256},
    .takes_profile = true,
    .keeps_history = window_keeps_history,
    .check = mind_check,
    .declare = mind_declare,
    .layout = window_layout,
    .open = mind_open,
    .close = mind_close,
    .absorb = mind_absorb,
    .read = mind_read,
    .steps = mind_steps,
    .explain = window_explain,
    .live = mind_live,
};

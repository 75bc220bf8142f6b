/*
 * sine.c - a few of many prototypes, and what the user is after now (models.md 5.8).
 *
 * Prototypes are shared by all users. The window's mean by attention agrees with some of them most;
 * each of these K collects what belongs to it into an interest, and an attention over the behaviors,
 * as mixtures of the prototypes, says how much each interest counts now: their sum is the intent
 * vector, which is what the loss sees.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/kernel/vector.h"
#include "model/tensor/op_activation.h"
#include "model/tensor/op_mixture.h"
#include "model/tensor/op_penalty.h"
#include "model/tensor/op_window.h"
#include "model/zoo/layers.h"
#include "model/zoo/window.h"

enum { HIDDEN_MAX = 1 << 22 }; /* reals of a window's attention for all its interests */

struct sine {
    struct window window;
    real sharpness;                 /* 1 / tau */
    const struct param *prototypes; /* [L, d] */
    const struct param *positions;  /* [window, d], by age */
    const struct param *attend_score;
    struct linear activity; /* the prototypes as weights */
    struct linear activate_hidden, activate_score;
    struct linear assign;
    struct linear attend_hidden; /* [K * d, d] */
    struct linear aggregate_hidden, aggregate_score;
    struct norm item_norm, prototype_norm, interest_norm, intent_norm;
};

static enum status sine_check(const struct model_dims *dims, struct error *error)
{
    if (dims->window < 1 || !(dims->tau > 0)) {
        return error_set(error, STATUS_INVALID,
                         "window = %u, tau = %g: sine needs a window and a temperature",
                         dims->window, (double)dims->tau);
    }
    if (dims->prototypes < dims->interests) {
        return error_set(error, STATUS_INVALID,
                         "prototypes = %u: sine needs as many as interests = %u at least",
                         dims->prototypes, dims->interests);
    }
    if ((uint64_t)dims->window * dims->interests * dims->d > HIDDEN_MAX) {
        return error_set(error, STATUS_INVALID,
                         "window = %u, interests = %u, d = %u: their product must be at most %d",
                         dims->window, dims->interests, dims->d, HIDDEN_MAX);
    }
    return STATUS_OK;
}

static void sine_declare(struct param_set *params, const struct model_dims *dims)
{
    const uint32_t d = dims->d, interests = dims->interests;
    struct param_spec rows = {
        .init = PARAM_NORMAL, .spread = 1 / sqrt(d), .rank = 2, .shape = {dims->prototypes, d}};
    const struct param_spec attend = {.init = PARAM_GLOROT, .rank = 3, .shape = {interests, d, d}};
    param_declare(params, rows, "prototype.embedding");
    rows.shape[0] = dims->window;
    param_declare(params, rows, "position.embedding");
    param_declare(params, param_matrix(d, d), "activate.hidden.weight");
    param_declare(params, param_matrix(1, d), "activate.score.weight");
    param_declare(params, param_matrix(d, d), "assign.weight");
    param_declare(params, attend, "attend.hidden.weight");
    param_declare(params, param_matrix(interests, d), "attend.score.weight");
    param_declare(params, param_matrix(d, d), "aggregate.hidden.weight");
    param_declare(params, param_matrix(1, d), "aggregate.score.weight");
    norm_declare(params, d, "item_norm");
    norm_declare(params, d, "prototype_norm");
    norm_declare(params, d, "interest_norm");
    norm_declare(params, d, "intent_norm");
}

static void sine_close(struct interest_model *model)
{
    struct sine *sine = model->zoo;
    if (!sine) return;
    linear_close(&sine->activity);
    linear_close(&sine->activate_hidden);
    linear_close(&sine->activate_score);
    linear_close(&sine->assign);
    linear_close(&sine->attend_hidden);
    linear_close(&sine->aggregate_hidden);
    linear_close(&sine->aggregate_score);
    free(sine);
}

static enum status sine_open_layers(struct sine *sine, const struct param_set *params,
                                    struct error *error)
{
    const struct param *activity[LINEAR_PARTS_MAX] = {sine->prototypes};
    TRY(linear_open(&sine->activity, activity, NULL, error));
    TRY(layer_open(&sine->activate_hidden, params, error, "activate.hidden"));
    TRY(layer_open(&sine->activate_score, params, error, "activate.score"));
    TRY(layer_open(&sine->assign, params, error, "assign"));
    TRY(layer_open(&sine->attend_hidden, params, error, "attend.hidden"));
    TRY(layer_open(&sine->aggregate_hidden, params, error, "aggregate.hidden"));
    return layer_open(&sine->aggregate_score, params, error, "aggregate.score");
}

/* 1 / tau, of the decimal number that was given rather than of the float nearest to it. */
static real sharpness_of(float tau)
{
    const double unit = 1e-6;
    return (real)(1 / ((double)(int64_t)((double)tau / unit + 0.5) * unit));
}

static enum status sine_open(struct interest_model *model, struct error *error)
{
    const struct param_set *params = model->checkpoint->params;
    struct sine *sine = calloc(1, sizeof *sine);
    if (!sine) return error_set(error, STATUS_IO, "out of memory for the model");
    model->zoo = sine;
    sine->window = window_of(model);
    sine->sharpness = sharpness_of(model->dims.tau);
    sine->prototypes = param_set_get(params, "prototype.embedding");
    sine->positions = param_set_get(params, "position.embedding");
    sine->attend_score = param_set_get(params, "attend.score.weight");
    sine->item_norm = norm_of(params, "item_norm");
    sine->prototype_norm = norm_of(params, "prototype_norm");
    sine->interest_norm = norm_of(params, "interest_norm");
    sine->intent_norm = norm_of(params, "intent_norm");
    enum status status = sine_open_layers(sine, params, error);
    if (status != STATUS_OK) sine_close(model);
    return status;
}

static void sine_absorb(struct tape *tape, const struct interest_model *model, real *const *states,
                        const struct behavior_batch *batch)
{
    const struct sine *sine = model->zoo;
    (void)tape;
    window_absorb(&sine->window, states, batch);
}

/* The `per` largest of each row, in descending order, the first of equals. */
static const uint32_t *choose_prototypes(struct tape *tape, const struct tensor *activity,
                                         uint32_t per)
{
    uint32_t *chosen = arena_take(tape->arena, (size_t)activity->rows * per * sizeof *chosen);
    for (uint32_t row = 0; row < activity->rows; row++) {
        const real *score = activity->data + (size_t)row * activity->cols;
        uint32_t *best = chosen + (size_t)row * per, count = 0;
        for (uint32_t i = 0; i < activity->cols; i++) {
            if (count == per && !(score[i] > score[best[per - 1]])) continue;
            uint32_t at = count < per ? count++ : per - 1;
            for (; at > 0 && score[i] > score[best[at - 1]]; at--) {
                best[at] = best[at - 1];
            }
            best[at] = i;
        }
    }
    return chosen;
}

/* The scores [rows, 1] of an attention: score . tanh(hidden x). */
static struct tensor *attention_score(struct tape *tape, const struct linear *hidden,
                                      const struct linear *score, struct tensor *x)
{
    return op_linear(tape, score, op_tanh(tape, op_linear(tape, hidden, x)));
}

/* The mean of x over each window by an attention of one head: [windows, d]. */
static struct tensor *attend_once(struct tape *tape, const struct linear *hidden,
                                  const struct linear *score, struct tensor *x,
                                  const struct window_cells *cells)
{
    struct tensor *weights = op_softmax_steps(tape, attention_score(tape, hidden, score, x), cells);
    return op_window_sums(tape, weights, x, NULL, cells);
}

/* The prototypes that each window activates, as far as it does: [windows * K, d]. */
static struct tensor *activate(struct tape *tape, const struct interest_model *model,
                               struct tensor *x, const struct window_cells *cells)
{
    const struct sine *sine = model->zoo;
    struct tensor *mean =
        attend_once(tape, &sine->activate_hidden, &sine->activate_score, x, cells);
    struct tensor *activity = op_linear(tape, &sine->activity, mean);
    const uint32_t *chosen = choose_prototypes(tape, activity, model->dims.interests);
    return op_gated_rows(tape, activity, sine->prototypes, chosen, model->dims.interests);
}

/* p(k | t): how much each behavior belongs to each prototype, [cells, K]. */
static struct tensor *assign(struct tape *tape, const struct interest_model *model,
                             struct tensor *x, struct tensor *concepts,
                             const struct window_cells *cells)
{
    const struct sine *sine = model->zoo;
    struct tensor *left = norm_apply(tape, &sine->item_norm, op_linear(tape, &sine->assign, x));
    struct tensor *right = norm_apply(tape, &sine->prototype_norm, concepts);
    real scale = 1;
    if (model->dims.intent_cosine) {
        left = op_unit(tape, left);
        right = op_unit(tape, right);
        scale = sine->sharpness;
    }
    return op_softmax(tape, op_window_agree(tape, left, right, scale, cells));
}

/* p(t | k): how much each behavior of x [events, d] counts for each interest, [cells, K]. */
static struct tensor *weigh(struct tape *tape, const struct interest_model *model, struct tensor *x,
                            const struct window_cells *cells)
{
    const struct sine *sine = model->zoo;
    struct tensor *position =
        op_reshape(tape, op_repeat(tape, sine->positions, 1), model->dims.window, model->dims.d);
    struct tensor *placed = op_linear(tape, &sine->attend_hidden, position);
    struct tensor *hidden = op_window_rows(tape, op_linear(tape, &sine->attend_hidden, x), cells);
    hidden = op_tanh(tape, op_add_rows(tape, hidden, placed, cells->age));
    return op_softmax_steps(tape, op_row_dots(tape, hidden, sine->attend_score), cells);
}

/* The interests by how they agree with what the mixtures of prototypes say is next: [windows, d]. */
static struct tensor *aggregate(struct tape *tape, const struct interest_model *model,
                                struct tensor *mixtures, struct tensor *interests,
                                const struct window_cells *cells)
{
    const struct sine *sine = model->zoo;
    const struct window_cells *once = window_cells_single(tape, cells->windows);
    struct tensor *next =
        attend_once(tape, &sine->aggregate_hidden, &sine->aggregate_score, mixtures, cells);
    next = norm_apply(tape, &sine->intent_norm, next);
    struct tensor *by = interests;
    if (model->dims.intent_cosine) {
        next = op_unit(tape, next);
        by = op_unit(tape, interests);
    }
    struct tensor *share = op_softmax(tape, op_window_agree(tape, next, by, sine->sharpness, once));
    return op_window_mix(tape, share, interests, once);
}

/* Interests and intent of windows over the events of `batch`. Both are kept until backward. */
static struct interest_reads sine_interests(struct tape *tape, const struct interest_model *model,
                                            const struct behavior_batch *batch,
                                            const struct windows *windows)
{
    const struct sine *sine = model->zoo;
    const struct window_cells *cells = window_cells_of(tape, windows);
    struct tensor *events = op_dropout(tape, op_embed(tape, &model->tables, batch));
    struct tensor *x = op_window_rows(tape, events, cells);
    struct tensor *concepts = activate(tape, model, x, cells);
    struct tensor *belongs = assign(tape, model, x, concepts, cells);
    struct tensor *counts = op_multiply(tape, belongs, weigh(tape, model, events, cells));
    struct tensor *interests =
        norm_apply(tape, &sine->interest_norm, op_window_sums(tape, counts, x, NULL, cells));
    struct tensor *mixtures = op_window_mix(tape, belongs, concepts, cells);
    return (struct interest_reads){
        .vectors = interests,
        .shares = counts,
        .intent = aggregate(tape, model, mixtures, interests, cells),
    };
}

static struct interest_reads sine_read(struct tape *tape, const struct interest_model *model,
                                       const real *const *states, uint32_t users)
{
    const struct sine *sine = model->zoo;
    const struct behavior_batch *batch = window_unroll(tape, &sine->window, states, users);
    return sine_interests(tape, model, batch, window_whole(tape, model, batch));
}

static struct interest_reads sine_steps(struct tape *tape, const struct interest_model *model,
                                        const struct behavior_batch *batch,
                                        const struct read_points *points)
{
    const struct sine *sine = model->zoo;
    uint32_t *same = arena_take(tape->arena, batch->users * sizeof *same);
    memset(same, 0, batch->users * sizeof *same);
    struct interest_reads reads =
        sine_interests(tape, model, batch, window_points(tape, model, batch, points));
    reads.penalty = op_rows(tape, op_likeness(tape, sine->prototypes), same, batch->users);
    return reads;
}

/* All K, once there is a behavior. */
static uint32_t sine_live(const struct model_dims *dims, uint64_t events)
{
    return events > 0 ? dims->interests : 0;
}

static uint32_t sine_groups(const struct model_dims *dims)
{
    return dims->prototypes;
}

/* The prototype that p(k | t) would favor, were all of them active. */
static void sine_group(struct tape *tape, const struct interest_model *model,
                       const struct behavior_batch *batch, uint32_t *group)
{
    const struct sine *sine = model->zoo;
    const uint32_t d = model->dims.d, count = model->dims.prototypes;
    struct tensor *all = op_reshape(tape, op_repeat(tape, sine->prototypes, 1), count, d);
    struct tensor *x = op_embed(tape, &model->tables, batch);
    struct tensor *left = norm_apply(tape, &sine->item_norm, op_linear(tape, &sine->assign, x));
    struct tensor *right = norm_apply(tape, &sine->prototype_norm, all);
    struct tensor *agree = tape_tensor(tape, left->rows, count);
    if (model->dims.intent_cosine) {
        left = op_unit(tape, left);
        right = op_unit(tape, right);
    }
    for (uint32_t i = 0; i < left->rows; i++) {
        for (uint32_t k = 0; k < count; k++) {
            agree->data[(size_t)i * count + k] =
                vec_dot(left->data + (size_t)i * d, right->data + (size_t)k * d, d);
        }
    }
    memcpy(group, choose_prototypes(tape, agree, 1), left->rows * sizeof *group);
}

static const struct group_ops sine_group_ops = {sine_groups, sine_group};

const struct interest_ops sine_ops = {
    .name = "sine",
    .paper = "Tan et al., Sparse-Interest Network for Sequential Recommendation, WSDM 2021, "
             "arXiv 2102.09267",
    .defaults = {.d = 64,
                 .interests = 4,
                 .use_category = true,
                 .use_gap = true,
                 .gap_buckets = 32,
                 .temperature = 0.1f,
                 .penalty_weight = 0.1f,
                 .window = 50,
                 .prototypes = 256,
                 .tau = 0.1f},
    .keeps_history = window_keeps_history,
    .has_intent = true,
    .check = sine_check,
    .declare = sine_declare,
    .layout = window_layout,
    .open = sine_open,
    .close = sine_close,
    .absorb = sine_absorb,
    .read = sine_read,
    .steps = sine_steps,
    .group = &sine_group_ops,
    .explain = window_explain,
    .live = sine_live,
};

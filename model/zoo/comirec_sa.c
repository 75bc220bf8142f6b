/*
 * comirec_sa.c - self-attention with a head for each interest (models.md 5.7).
 *
 *     s_tk = tanh(y_t W_hidden^T + b) . score_k;   A_tk = softmax over t;   v_k = sum_t A_tk x_t
 *
 * With positions, y_t = x_t + position.embedding[age of t], over the last W behaviors, age 0 being
 * the newest; the state is that window. Without them y_t = x_t, so that a score never changes, and
 * the softmax over all of a life is exact in one step per event: the state is a peak, a weight and a
 * sum for each interest (op_softmax_pool.h), and nothing is read again. The evidence of an interest
 * is peak + ln weight there, so its share is that of weight e^peak.
 *
 * The hidden layer is linear before its tanh: x_t and the position of an age are multiplied apart,
 * each once, and added for every window that has them.
 */
#include <stdlib.h>
#include <string.h>

#include "model/kernel/kernel_activation.h"
#include "model/kernel/special.h"
#include "model/tensor/op_activation.h"
#include "model/tensor/op_softmax_pool.h"
#include "model/tensor/op_window.h"
#include "model/zoo/layers.h"
#include "model/zoo/window.h"

struct comirec_sa {
    struct linear hidden; /* with positions, without the bias, which `placed` has */
    struct linear score;
    const struct param *positions; /* [W, d]; NULL: without */
    struct linear placed;          /* the hidden layer of a position */
    struct window window;          /* the state with positions, */
    struct softmax_pools pools;    /* and without */
};

static enum status comirec_sa_check(const struct model_dims *dims, struct error *error)
{
    if (dims->attention < 1) {
        return error_set(error, STATUS_INVALID, "attention = 0: must be from 1 on");
    }
    if (dims->positions && dims->window < 1) {
        return error_set(error, STATUS_INVALID, "window = 0: positions are those in a window");
    }
    if (dims->positions && dims->select) {
        return error_set(error, STATUS_INVALID,
                         "select: of comirec-sa only without positions, when it knows how much "
                         "evidence an interest has (--positions=false)");
    }
    return STATUS_OK;
}

static void comirec_sa_declare(struct param_set *params, const struct model_dims *dims)
{
    const struct param_spec position = {.init = PARAM_NORMAL,
                                        .spread = 1 / __builtin_sqrt(dims->d),
                                        .rank = 2,
                                        .shape = {dims->window, dims->d}};
    param_declare(params, param_matrix(dims->attention, dims->d), "attention.hidden.weight");
    param_declare(params, param_vector(PARAM_ZEROS, dims->attention), "attention.hidden.bias");
    param_declare(params, param_matrix(dims->interests, dims->attention), "attention.score.weight");
    if (dims->positions) param_declare(params, position, "position.embedding");
}

static void comirec_sa_layout(struct state_layout *layout, const struct model_dims *dims)
{
    const size_t interests = dims->interests;
    if (dims->positions) {
        window_layout(layout, dims);
        return;
    }
    state_layout_add(layout, interests, "peak");
    state_layout_add(layout, interests, "weight");
    state_layout_add(layout, interests * dims->d, "sum");
}

static void comirec_sa_close(struct interest_model *model)
{
    struct comirec_sa *comirec = model->zoo;
    if (!comirec) return;
    linear_close(&comirec->hidden);
    linear_close(&comirec->placed);
    linear_close(&comirec->score);
    free(comirec);
}

static enum status comirec_sa_open_weights(struct comirec_sa *comirec,
                                           const struct param_set *params, struct error *error)
{
    const struct param *hidden[LINEAR_PARTS_MAX] = {
        param_set_get(params, "attention.hidden.weight")};
    TRY(layer_open(&comirec->score, params, error, "attention.score"));
    if (!comirec->positions) return layer_open(&comirec->hidden, params, error, "attention.hidden");
    TRY(linear_open(&comirec->hidden, hidden, NULL, error));
    return layer_open(&comirec->placed, params, error, "attention.hidden");
}

static enum status comirec_sa_open(struct interest_model *model, struct error *error)
{
    const struct param_set *params = model->checkpoint->params;
    struct comirec_sa *comirec = calloc(1, sizeof *comirec);
    if (!comirec) return error_set(error, STATUS_IO, "out of memory for the model");
    model->zoo = comirec;
    if (model->dims.positions) {
        comirec->positions = param_set_get(params, "position.embedding");
        comirec->window = window_of(model);
    } else {
        comirec->pools = (struct softmax_pools){.pools = model->dims.interests,
                                                .width = model->dims.d,
                                                .at = state_layout_at(&model->state, "peak")};
    }
    enum status status = comirec_sa_open_weights(comirec, params, error);
    if (status != STATUS_OK) comirec_sa_close(model);
    return status;
}

/* The scores that vectors before tanh have: [rows, K]. */
static struct tensor *scores(struct tape *tape, const struct comirec_sa *comirec,
                             struct tensor *hidden)
{
    return op_linear(tape, &comirec->score, op_tanh(tape, hidden));
}

/* ---- with positions, over a window ---- */

/* Interests of windows over the events of `batch`. Both are kept until the backward pass. */
static struct interest_reads window_interests(struct tape *tape, const struct interest_model *model,
                                              const struct behavior_batch *batch,
                                              const struct windows *windows)
{
    const struct comirec_sa *comirec = model->zoo;
    const struct window_cells *cells = window_cells_of(tape, windows);
    struct tensor *position =
        op_reshape(tape, op_repeat(tape, comirec->positions, 1), model->dims.window, model->dims.d);
    struct tensor *placed = op_linear(tape, &comirec->placed, position);
    struct tensor *x = op_dropout(tape, op_embed(tape, &model->tables, batch));
    struct tensor *hidden = op_window_rows(tape, op_linear(tape, &comirec->hidden, x), cells);
    hidden = op_add_rows(tape, hidden, placed, cells->age);
    struct tensor *weight = op_softmax_steps(tape, scores(tape, comirec, hidden), cells);
    return (struct interest_reads){.vectors = op_window_sums(tape, weight, x, cells->event, cells),
                                   .shares = weight};
}

/* ---- without, in one step per event ---- */

static struct tensor *event_scores(struct tape *tape, const struct comirec_sa *comirec,
                                   struct tensor *x)
{
    return scores(tape, comirec, op_linear(tape, &comirec->hidden, x));
}

/* weight e^peak, but for a factor that all of a user's interests have alike. */
static struct tensor *evidence_of(struct tape *tape, const struct softmax_pools *pools,
                                  const real *const *states, uint32_t users)
{
    struct tensor *peak = op_state(tape, pools->at, pools->pools, states, users);
    struct tensor *weight = op_state(tape, pools->at + pools->pools, pools->pools, states, users);
    struct tensor *evidence = tape_tensor(tape, users, pools->pools);
    kernel_expf(peak->data, users, pools->pools);
    kernel_multiply(evidence->data, peak->data, weight->data, tensor_count(weight));
    return evidence;
}

/* Gives the scores of the events. */
static struct tensor *pools_absorb(struct tape *tape, const struct interest_model *model,
                                   real *const *states, const struct behavior_batch *batch)
{
    const struct comirec_sa *comirec = model->zoo;
    struct tensor *x = op_embed(tape, &model->tables, batch);
    struct tensor *score = event_scores(tape, comirec, x);
    op_softmax_pool_absorb(tape, &comirec->pools, x, score, NULL, states, batch);
    return score;
}

static uint32_t pools_noted(const struct model_dims *dims)
{
    return dims->interests;
}

static void pools_note(struct tape *tape, const struct interest_model *model, real *const *states,
                       const struct behavior_batch *batch, const struct explain_notes *notes)
{
    const struct tensor *score = pools_absorb(tape, model, states, batch);
    memcpy(explain_note(notes, notes->count), score->data, tensor_count(score) * sizeof(real));
}

static void pools_weigh(struct tape *tape, const struct interest_model *model, const real *state,
                        const struct explain_notes *notes, real *weights)
{
    const struct comirec_sa *comirec = model->zoo;
    const real *peak = state + comirec->pools.at;
    (void)tape;
    for (size_t i = 0; i < (size_t)notes->count * notes->each; i++) {
        weights[i] = exp_of(notes->at[i] - peak[i % notes->each]);
    }
}

/* ---- either ---- */

static void comirec_sa_absorb(struct tape *tape, const struct interest_model *model,
                              real *const *states, const struct behavior_batch *batch)
{
    const struct comirec_sa *comirec = model->zoo;
    if (comirec->positions) {
        window_absorb(&comirec->window, states, batch);
    } else {
        pools_absorb(tape, model, states, batch);
    }
}

static struct interest_reads comirec_sa_read(struct tape *tape, const struct interest_model *model,
                                             const real *const *states, uint32_t users)
{
    const struct comirec_sa *comirec = model->zoo;
    if (comirec->positions) {
        const struct behavior_batch *batch = window_unroll(tape, &comirec->window, states, users);
        return window_interests(tape, model, batch, window_whole(tape, model, batch));
    }
    return (struct interest_reads){.vectors =
                                       op_softmax_pool_read(tape, &comirec->pools, states, users),
                                   .evidence = evidence_of(tape, &comirec->pools, states, users)};
}

static struct interest_reads comirec_sa_steps(struct tape *tape, const struct interest_model *model,
                                              const struct behavior_batch *batch,
                                              const struct read_points *points)
{
    const struct comirec_sa *comirec = model->zoo;
    if (comirec->positions) {
        return window_interests(tape, model, batch, window_points(tape, model, batch, points));
    }
    struct tensor *x = op_dropout(tape, op_embed(tape, &model->tables, batch));
    struct tensor *score = event_scores(tape, comirec, x);
    return (struct interest_reads){.vectors =
                                       op_softmax_pool_steps(tape, &comirec->pools, x, score, NULL,
                                                             points->events, points->count, batch)};
}

/* After one event all interests are equal. */
static uint32_t comirec_sa_live(const struct model_dims *dims, uint64_t events)
{
    return skeleton_live(dims, dims->positions ? window_fill(dims->window, events) : events);
}

static const struct explain_ops *comirec_sa_explain(const struct model_dims *dims)
{
    static const struct explain_ops pools = {pools_noted, pools_note, pools_weigh};
    return dims->positions ? window_explain(dims) : &pools;
}

static bool comirec_sa_keeps_history(const struct model_dims *dims)
{
    return dims->positions;
}

const struct interest_ops comirec_sa_ops = {
    .name = "comirec-sa",
    .paper = "Cen et al., Controllable Multi-Interest Framework for Recommendation, KDD 2020, "
             "arXiv 2005.09347",
    .defaults = {.d = 64,
                 .interests = 4,
                 .use_category = true,
                 .use_gap = true,
                 .gap_buckets = 32,
                 .cosine = true, /* a mean is shorter than its items, the more they differ */
                 .temperature = 0.1f,
                 .window = 50,
                 .attention = 256,
                 .positions = true},
    .keeps_history = comirec_sa_keeps_history,
    .selectable = true,
    .check = comirec_sa_check,
    .declare = comirec_sa_declare,
    .layout = comirec_sa_layout,
    .open = comirec_sa_open,
    .close = comirec_sa_close,
    .absorb = comirec_sa_absorb,
    .read = comirec_sa_read,
    .steps = comirec_sa_steps,
    .explain = comirec_sa_explain,
    .live = comirec_sa_live,
};

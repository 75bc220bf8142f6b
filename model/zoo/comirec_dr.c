/*
 * comirec_dr.c - dynamic routing with a matrix for each interest (models.md 5.6).
 *
 * Over the last W behaviors x_i of a user, with b_ij = 0 at first, `iterations` times:
 *
 *     e_ij = x_i transform_j^T;   c_ij = softmax over j of b_ij;   u_j = squash(sum_i c_ij e_ij);
 *     b_ij <- b_ij + <u_j, e_ij>  (except in the last);            v_j = u_j
 *
 * Gradient flows through the last sum only. The order of the behaviors does not matter.
 */
#include <stdlib.h>

#include "model/tensor/op_routing.h"
#include "model/zoo/layers.h"
#include "model/zoo/window.h"

struct comirec_dr {
    struct linear transform; /* [K * d, d] */
    struct routing routing;
    struct window window;
};

static enum status comirec_dr_check(const struct model_dims *dims, struct error *error)
{
    if (dims->window < 1 || dims->iterations < 1) {
        return error_set(error, STATUS_INVALID,
                         "window = %u, iterations = %u: comirec-dr needs at least 1 of each",
                         dims->window, dims->iterations);
    }
    return STATUS_OK;
}

static void comirec_dr_declare(struct param_set *params, const struct model_dims *dims)
{
    const struct param_spec transform = {
        .init = PARAM_GLOROT, .rank = 3, .shape = {dims->interests, dims->d, dims->d}};
    param_declare(params, transform, "transform.weight");
}

static void comirec_dr_close(struct interest_model *model)
{
    struct comirec_dr *comirec = model->zoo;
    if (!comirec) return;
    linear_close(&comirec->transform);
    free(comirec);
}

static enum status comirec_dr_open(struct interest_model *model, struct error *error)
{
    struct comirec_dr *comirec = calloc(1, sizeof *comirec);
    if (!comirec) return error_set(error, STATUS_IO, "out of memory for the model");
    model->zoo = comirec;
    comirec->routing = (struct routing){.interests = model->dims.interests,
                                        .own_vectors = true,
                                        .iterations = model->dims.iterations};
    comirec->window = window_of(model);
    enum status status =
        layer_open(&comirec->transform, model->checkpoint->params, error, "transform");
    if (status != STATUS_OK) comirec_dr_close(model);
    return status;
}

static void comirec_dr_absorb(struct tape *tape, const struct interest_model *model,
                              real *const *states, const struct behavior_batch *batch)
{
    const struct comirec_dr *comirec = model->zoo;
    (void)tape;
    window_absorb(&comirec->window, states, batch);
}

/* Interests of windows over the events of `batch`. Both are kept until the backward pass. */
static struct interest_reads comirec_dr_interests(struct tape *tape,
                                                  const struct interest_model *model,
                                                  const struct behavior_batch *batch,
                                                  const struct windows *windows)
{
    const struct comirec_dr *comirec = model->zoo;
    struct tensor *x = op_dropout(tape, op_embed(tape, &model->tables, batch));
    struct tensor *projected = op_linear(tape, &comirec->transform, x);
    struct interest_reads reads = {0};
    reads.vectors = op_route(tape, &comirec->routing, projected, windows, &reads.shares);
    return reads;
}

static struct interest_reads comirec_dr_read(struct tape *tape, const struct interest_model *model,
                                             const real *const *states, uint32_t users)
{
    const struct comirec_dr *comirec = model->zoo;
    const struct behavior_batch *batch = window_unroll(tape, &comirec->window, states, users);
    return comirec_dr_interests(tape, model, batch, window_whole(tape, model, batch));
}

static struct interest_reads comirec_dr_steps(struct tape *tape, const struct interest_model *model,
                                              const struct behavior_batch *batch,
                                              const struct read_points *points)
{
    return comirec_dr_interests(tape, model, batch, window_points(tape, model, batch, points));
}

static uint32_t comirec_dr_live(const struct model_dims *dims, uint64_t events)
{
    return events > 0 ? dims->interests : 0;
}

const struct interest_ops comirec_dr_ops = {
    .name = "comirec-dr",
    .paper = "Cen et al., Controllable Multi-Interest Framework for Recommendation, KDD 2020, "
             "arXiv 2005.09347",
    .defaults = {.d = 64,
                 .interests = 4,
                 .use_category = true,
                 .use_gap = true,
                 .gap_buckets = 32,
                 .cosine = true, /* a capsule is shorter than 1: an inner product says little */
                 .temperature = 0.1f,
                 .window = 50,
                 .iterations = 3},
    .keeps_history = window_keeps_history,
    .check = comirec_dr_check,
    .declare = comirec_dr_declare,
    .layout = window_layout,
    .open = comirec_dr_open,
    .close = comirec_dr_close,
    .absorb = comirec_dr_absorb,
    .read = comirec_dr_read,
    .steps = comirec_dr_steps,
    .explain = window_explain,
    .live = comirec_dr_live,
};

/*
 * single.c - one vector, the baseline (models.md 5.9).
 *
 * The mean of all behaviors, or one in which they fade with time, through a linear layer. Whatever
 * reads several interests of a user should be better than this.
 */
#include <stdlib.h>

#include "model/kernel/kernel_pool.h"
#include "model/tensor/op_pool.h"
#include "model/tensor/op_profile.h"
#include "model/zoo/layers.h"

struct single {
    struct pool pool;
    struct linear project; /* if there is one */
    struct linear profile; /* of what is known of a user, if the model asks for it */
};

static enum status single_check(const struct model_dims *dims, struct error *error)
{
    if (dims->interests != 1) {
        return error_set(error, STATUS_INVALID, "interests = %u: single has 1", dims->interests);
    }
    return STATUS_OK;
}

static void single_declare(struct param_set *params, const struct model_dims *dims)
{
    const uint32_t d = dims->d;
    const struct param_spec weight = {
        .init = PARAM_DIAGONAL, .value = 1, .rank = 2, .shape = {d, d}, .read_side = true};
    const struct param_spec bias = {
        .init = PARAM_ZEROS, .rank = 1, .shape = {d}, .read_side = true};
    if (dims->project) {
        param_declare(params, weight, "project.weight");
        param_declare(params, bias, "project.bias");
    }
    if (!dims->profile_buckets) return;
    struct param_spec profile = param_matrix(d, d);
    profile.read_side = true;
    param_declare(params, profile, "profile.weight");
}

static void single_layout(struct state_layout *layout, const struct model_dims *dims)
{
    state_layout_add(layout, dims->d, "sum");
    state_layout_add(layout, 1, "mass");
}

static void single_close(struct interest_model *model)
{
    struct single *single = model->zoo;
    if (!single) return;
    linear_close(&single->project);
    linear_close(&single->profile);
    free(single);
}

static enum status single_open(struct interest_model *model, struct error *error)
{
    struct single *single = calloc(1, sizeof *single);
    if (!single) return error_set(error, STATUS_IO, "out of memory for the model");
    model->zoo = single;
    single->pool = (struct pool){
        .width = model->dims.d,
        .at = state_layout_at(&model->state, "sum"),
        .half_life_days = (real)model->dims.half_life_days,
    };
    const struct param_set *params = model->checkpoint->params;
    enum status status = STATUS_OK;
    if (model->dims.project) status = layer_open(&single->project, params, error, "project");
    if (status == STATUS_OK && model->profile) {
        status = layer_open(&single->profile, params, error, "profile");
    }
    if (status != STATUS_OK) single_close(model);
    return status;
}

static void single_absorb(struct tape *tape, const struct interest_model *model,
                          real *const *states, const struct behavior_batch *batch)
{
    const struct single *single = model->zoo;
    struct tensor *x = op_embed(tape, &model->tables, batch);
    op_pool_absorb(tape, &single->pool, x, states, batch);
}

static struct interest_reads projected(struct tape *tape, const struct interest_model *model,
                                       struct tensor *pooled)
{
    const struct single *single = model->zoo;
    if (model->dims.project) pooled = op_linear(tape, &single->project, pooled);
    if (model->profile) {
        struct tensor *known = op_profile(tape, model->profile, pooled->rows);
        pooled = op_add(tape, pooled, op_linear(tape, &single->profile, known));
    }
    return (struct interest_reads){.vectors = pooled};
}

static struct interest_reads single_read(struct tape *tape, const struct interest_model *model,
                                         const real *const *states, uint32_t users)
{
    const struct single *single = model->zoo;
    return projected(tape, model, op_pool_read(tape, &single->pool, states, users));
}

static struct interest_reads single_steps(struct tape *tape, const struct interest_model *model,
                                          const struct behavior_batch *batch,
                                          const struct read_points *points)
{
    const struct single *single = model->zoo;
    struct tensor *x = op_dropout(tape, op_embed(tape, &model->tables, batch));
    struct tensor *pooled =
        op_pool_steps(tape, &single->pool, x, points->events, points->count, batch);
    return projected(tape, model, pooled);
}

static uint32_t single_live(const struct model_dims *dims, uint64_t events)
{
    (void)dims;
    return events > 0;
}

/* What the gap before a behavior leaves of those before it. */
static uint32_t single_noted(const struct model_dims *dims)
{
    (void)dims;
    return 1;
}

static void single_note(struct tape *tape, const struct interest_model *model, real *const *states,
                        const struct behavior_batch *batch, const struct explain_notes *notes)
{
    const struct single *single = model->zoo;
    single_absorb(tape, model, states, batch);
    for (uint32_t i = 0; i < batch->offsets[1]; i++) {
        *explain_note(notes, notes->count + i) =
            kernel_pool_keep(batch->at[i].gap_s, single->pool.half_life_days);
    }
}

static void single_weigh(struct tape *tape, const struct interest_model *model, const real *state,
                         const struct explain_notes *notes, real *weights)
{
    (void)tape;
    (void)model;
    (void)state;
    real left = 1;
    for (uint32_t i = notes->count; i-- > 0;) {
        weights[i] = left;
        left *= *explain_note(notes, i);
    }
}

static const struct explain_ops *single_explain(const struct model_dims *dims)
{
    static const struct explain_ops ops = {single_noted, single_note, single_weigh};
    (void)dims;
    return &ops;
}

const struct interest_ops single_ops = {
    .name = "single",
    .paper = "models.md section 5.9; in the manner of Covington et al., Deep Neural Networks for "
             "YouTube Recommendations, RecSys 2016",
    .defaults = {.d = 64,
                 .interests = 1,
                 .use_category = true,
                 .use_gap = true,
                 .gap_buckets = 32,
                 .cosine = true,
                 .temperature = 0.1f,
                 .project = true},
    .takes_profile = true,
    .check = single_check,
    .declare = single_declare,
    .layout = single_layout,
    .open = single_open,
    .close = single_close,
    .absorb = single_absorb,
    .read = single_read,
    .steps = single_steps,
    .explain = single_explain,
    .live = single_live,
};

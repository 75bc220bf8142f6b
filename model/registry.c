/* registry.c - every model there is, by name, and the parameters that each declares. */
#include <math.h>
#include <string.h>

#include "model/interest_ops.h"

extern const struct interest_ops gdelta_ops;
extern const struct interest_ops ledger_ops;
extern const struct interest_ops limarec_ops;
extern const struct interest_ops mimn_ops;
extern const struct interest_ops mind_ops;
extern const struct interest_ops single_ops;

static const struct interest_ops *const models[] = {
    &limarec_ops, &gdelta_ops, &mimn_ops, &mind_ops, &single_ops, &ledger_ops,
};

enum { MODELS = sizeof(models) / sizeof(models[0]) };

const struct interest_ops *interest_ops_at(uint32_t index)
{
    return index < MODELS ? models[index] : NULL;
}

const struct interest_ops *interest_ops_find(const char *name)
{
    for (uint32_t i = 0; i < MODELS; i++) {
        if (strcmp(models[i]->name, name) == 0) return models[i];
    }
    return NULL;
}

static enum status check_select(const struct interest_ops *ops, const struct model_dims *dims,
                                struct error *error)
{
    if (dims->select && !ops->selectable) {
        return error_set(error, STATUS_INVALID, "select: not of %s, which has its own rule",
                         ops->name);
    }
    if (!dims->select && (dims->evidence_min != 0 || dims->residual_min != 0)) {
        return error_set(error, STATUS_INVALID, "evidence_min and residual_min need select");
    }
    if (!(dims->evidence_min >= 0 && isfinite(dims->evidence_min))) {
        return error_set(error, STATUS_INVALID, "evidence_min must be from 0 on");
    }
    if (!(dims->residual_min >= 0 && dims->residual_min <= 1)) {
        return error_set(error, STATUS_INVALID, "residual_min must be from 0 to 1");
    }
    return STATUS_OK;
}

/* What every model's dimensions must satisfy. */
static enum status check_common(const struct model_dims *dims, struct error *error)
{
    if (dims->d < 1 || dims->d > WIDTH_MAX) {
        return error_set(error, STATUS_INVALID, "d = %u: must be 1 .. %d", dims->d, WIDTH_MAX);
    }
    if (dims->interests < 1 || dims->interests > INTERESTS_MAX) {
        return error_set(error, STATUS_INVALID, "interests = %u: must be 1 .. %d", dims->interests,
                         INTERESTS_MAX);
    }
    if (dims->use_gap && (dims->gap_buckets < 2 || dims->gap_buckets > GAP_BUCKETS_MAX)) {
        return error_set(error, STATUS_INVALID, "gap_buckets = %u: must be 2 .. %d",
                         dims->gap_buckets, GAP_BUCKETS_MAX);
    }
    if (dims->cosine && !(dims->temperature > 0 && isfinite(dims->temperature))) {
        return error_set(error, STATUS_INVALID, "temperature must be positive and finite");
    }
    return STATUS_OK;
}

/* Every parameter; of a model that keeps raw behaviors, all are of the read side. */
static void declare_all(struct param_set *params, const struct interest_ops *ops,
                        const struct model_dims *dims, uint32_t item_rows, uint32_t category_rows)
{
    const double spread = 1 / sqrt(dims->d);
    param_declare(params, param_table(spread, item_rows, dims->d), "item.embedding");
    if (dims->use_category) {
        param_declare(params, param_table(spread, category_rows, dims->d), "category.embedding");
    }
    if (dims->use_gap) {
        param_declare(params, param_table(0, dims->gap_buckets, dims->d), "gap.embedding");
    }
    ops->declare(params, dims);
    if (dims->select) {
        const struct param_spec prior = {.init = PARAM_FILL,
                                         .value = 1.0 / dims->interests,
                                         .rank = 1,
                                         .shape = {dims->interests},
                                         .read_side = true,
                                         .constant = true};
        param_declare(params, prior, "select.prior");
    }
    for (uint32_t i = 0; ops->keeps_history && i < param_set_count(params); i++) {
        param_set_at(params, i)->spec.read_side = true;
    }
}

enum status interest_params_open(struct param_set **paramsp, const char *model,
                                 const struct model_dims *dims, uint32_t item_rows,
                                 uint32_t categories, struct error *error)
{
    *paramsp = NULL;
    const struct interest_ops *ops = interest_ops_find(model);
    if (!ops) return error_set(error, STATUS_INVALID, "there is no model named \"%s\"", model);
    TRY(check_common(dims, error));
    TRY(check_select(ops, dims, error));
    TRY(ops->check(dims, error));
    struct param_set *params = NULL;
    TRY(param_set_open(&params, error));
    declare_all(params, ops, dims, item_rows, 1 + categories);
    enum status status = param_set_allocate(params, error);
    if (status != STATUS_OK) {
        param_set_close(params);
        return status;
    }
    *paramsp = params;
    return STATUS_OK;
}

/* registry.c - every model there is, by name, and the parameters that each declares. */
#include <math.h>
#include <string.h>

#include "model/interest_ops.h"

extern const struct interest_ops comirec_dr_ops;
extern const struct interest_ops comirec_sa_ops;
extern const struct interest_ops gdelta_ops;
extern const struct interest_ops hpmn_ops;
extern const struct interest_ops ledger_ops;
extern const struct interest_ops limarec_ops;
extern const struct interest_ops lru_ops;
extern const struct interest_ops mimn_ops;
extern const struct interest_ops mind_ops;
extern const struct interest_ops octopus_ops;
extern const struct interest_ops sine_ops;
extern const struct interest_ops single_ops;

/* clang-format off */
static const struct interest_ops *const models[] = {
    &limarec_ops,
    &gdelta_ops,
    &mimn_ops,
    &hpmn_ops,
    &mind_ops,
    &comirec_dr_ops,
    &comirec_sa_ops,
    &sine_ops,
    &octopus_ops,
    &lru_ops,
    &single_ops,
    &ledger_ops,
};
/* clang-format on */

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
    return STATUS_OK;
}

/* What every model must have. */
static enum status check_common(const struct model_dims *dims, struct error *error)
{
    TRY(model_dims_check(dims, error));
    if (dims->d == 0) return error_set(error, STATUS_INVALID, "d = 0: must be from 1 on");
    if (dims->interests == 0) {
        return error_set(error, STATUS_INVALID, "interests = 0: must be from 1 on");
    }
    if (dims->use_gap && dims->gap_buckets == 0) {
        return error_set(error, STATUS_INVALID, "use_gap needs gap_buckets");
    }
    if (dims->tags && !dims->use_category) {
        return error_set(error, STATUS_INVALID, "tags need use_category");
    }
    if (dims->cosine && !(dims->temperature > 0)) {
        return error_set(error, STATUS_INVALID, "cosine needs a temperature");
    }
    return STATUS_OK;
}

static enum status check_profile(const struct interest_ops *ops, const struct model_dims *dims,
                                 struct error *error)
{
    if (!dims->profile_buckets || ops->takes_profile) return STATUS_OK;
    return error_set(error, STATUS_INVALID, "profile_buckets: %s takes no profile", ops->name);
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
    if (dims->profile_buckets) {
        struct param_spec table = param_table(spread, 1 + dims->profile_buckets, dims->d);
        table.read_side = true;
        param_declare(params, table, "profile.embedding");
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
    for (uint32_t i = 0; interest_keeps_history(ops, dims) && i < param_set_count(params); i++) {
        param_set_at(params, i)->spec.read_side = true;
    }
}

/* The set, with everything declared. */
static enum status declare_params(struct param_set **paramsp, const char *model,
                                  const struct model_dims *dims, uint32_t item_rows,
                                  uint32_t categories, struct error *error)
{
    const struct interest_ops *ops = interest_ops_find(model);
    if (!ops) return error_set(error, STATUS_INVALID, "there is no model named \"%s\"", model);
    TRY(check_common(dims, error));
    TRY(check_select(ops, dims, error));
    TRY(check_profile(ops, dims, error));
    TRY(ops->check(dims, error));
    TRY(param_set_open(paramsp, error));
    declare_all(*paramsp, ops, dims, item_rows, 1 + categories);
    return STATUS_OK;
}

enum status interest_params_open(struct param_set **paramsp, const char *model,
                                 const struct model_dims *dims, uint32_t item_rows,
                                 uint32_t categories, struct error *error)
{
    struct param_set *params;
    *paramsp = NULL;
    TRY(declare_params(&params, model, dims, item_rows, categories, error));
    const enum status status = param_set_allocate(params, error);
    if (status != STATUS_OK) {
        param_set_close(params);
        return status;
    }
    *paramsp = params;
    return STATUS_OK;
}

enum status interest_params_size(const char *model, const struct model_dims *dims,
                                 uint32_t item_rows, uint32_t categories, size_t *sizep,
                                 struct error *error)
{
    struct param_set *params;
    TRY(declare_params(&params, model, dims, item_rows, categories, error));
    *sizep = param_set_size(params);
    param_set_close(params);
    return STATUS_OK;
}

/*
 * interest_ops.h - what a model of zoo/ provides, and what the checkpoint needs of it.
 *
 * The stream sees interest_model.h only; this is the other side of that seam. A model is one file
 * that fills in a `struct interest_ops` and has one line in registry.c.
 */
#ifndef MODEL_INTEREST_OPS_H
#define MODEL_INTEREST_OPS_H

#include <stdint.h>

#include "base/status.h"

struct model_dims;
struct param_set;

/*
 * Declares and allocates (as zeros) every parameter of `model` (registry name): the embedding tables
 * of `item_rows` and 1 + `categories` rows, then the model's own. STATUS_INVALID: no such model, or
 * dimensions that it cannot have. On failure *paramsp is NULL.
 */
MUST_CHECK enum status interest_params_open(struct param_set **paramsp, const char *model,
                                            const struct model_dims *dims, uint32_t item_rows,
                                            uint32_t categories, struct error *error);

#endif

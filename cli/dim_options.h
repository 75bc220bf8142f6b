/*
 * dim_options.h - the dimensions of a model as options of a command: --d=64, --select=true.
 *
 * They are taken out of the arguments first, and understood once it is known which model they are
 * of.
 *
 * Threads: one owner.
 */
#ifndef CLI_DIM_OPTIONS_H
#define CLI_DIM_OPTIONS_H

#include "base/status.h"
#include "model/checkpoint.h"
#include "cli/command.h"

enum { DIM_OPTIONS_MAX = 48 };

/* What was given for each; borrowed from the arguments. */
struct dim_options {
    const char *text[DIM_OPTIONS_MAX];
};

/*
 * All of them, or only those that a finished model can still be given: they change how it is read.
 */
enum dim_part { DIMS_ALL, DIMS_READ_SIDE };

MUST_CHECK enum status dim_options_take(struct dim_options *options, enum dim_part part,
                                        struct arguments *arguments, struct error *error);

/*
 * Sets what was given. A model that begins to select has the thresholds of models.md where none are
 * given, and none when it stops. STATUS_INVALID: no such value, or `model` has no such dimension.
 */
MUST_CHECK enum status dim_options_apply(const struct dim_options *options, const char *model,
                                         struct model_dims *dims, struct error *error);

#endif

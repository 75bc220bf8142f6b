/*
 * interests_due.h - of how many users new interests are due (interest_detect.h).
 *
 * A user's interests, as they are read where a span of its behaviors begins, are held against the
 * items of the span. If those interests do not tell the items apart, they were made for others.
 *
 * Threads: one owner.
 */
#ifndef MODEL_EVAL_INTERESTS_DUE_H
#define MODEL_EVAL_INTERESTS_DUE_H

#include <stdint.h>

#include "base/status.h"
#include "model/checkpoint.h"
#include "model/dataset.h"
#include "model/interest_model.h"

struct interests_due {
    uint32_t users;    /* who had interests, and items with rows of their own in the span; */
    uint32_t due;      /* of them, whose mean divergence is below INTEREST_DETECT_MIN */
    double divergence; /* mean over users */
};

/*
 * Measures `model`, of `checkpoint`, over behaviors from[user] .. of each user; who has none there,
 * or none before, is not measured. `dataset` is resolved by the checkpoint's dictionary.
 */
MUST_CHECK enum status interests_due_measure(const struct interest_model *model,
                                             const struct checkpoint *checkpoint,
                                             const struct dataset *dataset, const uint32_t *from,
                                             struct interests_due *due, struct error *error);

#endif

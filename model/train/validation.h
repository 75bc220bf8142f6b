/*
 * validation.h - how well a model in training ranks what it has not been shown.
 *
 * Some users' newest behaviors that training may use are taken from it; each is to be found among
 * all items its user has not seen before, by the model as it would be served.
 *
 * Threads: one owner.
 */
#ifndef MODEL_TRAIN_VALIDATION_H
#define MODEL_TRAIN_VALIDATION_H

#include <stdint.h>

#include "base/status.h"
#include "model/checkpoint.h"
#include "model/dataset.h"

enum { VALIDATION_CUT = 10 }; /* length of the lists */

struct validation_result {
    double hit_rate;
    double ndcg;
};

struct validation;

/*
 * Takes the last of the first known[user] behaviors of up to `users` users, drawn by `seed`, out of
 * `known`. There may be fewer such users, or none: who returns to an item that it has had is not
 * asked, since that is no candidate.
 */
MUST_CHECK enum status validation_open(struct validation **validationp,
                                       const struct dataset *dataset, uint32_t *known,
                                       uint32_t users, uint64_t seed, struct error *error);
void validation_close(struct validation *validation);

uint32_t validation_users(const struct validation *validation);

/* Users that could not be asked, since their last item is one that they have had before. */
uint32_t validation_left_out(const struct validation *validation);

MUST_CHECK enum status validation_run(const struct validation *validation,
                                      const struct checkpoint *checkpoint,
                                      struct validation_result *result, struct error *error);

#endif

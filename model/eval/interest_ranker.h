/*
 * interest_ranker.h - an interest model as a ranker, through the seam that serves it.
 *
 * Evaluation runs what is served: each user's state is advanced by interest_absorb, read by
 * interest_read, and the items ranked exactly. States stay between questions, so that a replay
 * costs each behavior once.
 *
 * Threads: one owner.
 */
#ifndef MODEL_EVAL_INTEREST_RANKER_H
#define MODEL_EVAL_INTEREST_RANKER_H

#include "model/eval/ranker.h"

struct checkpoint;
struct interest_model;
struct interest_ranker;

/*
 * Keeps `model` (of `checkpoint`) and `dataset`, whose items are resolved by the model's
 * dictionary.
 */
MUST_CHECK enum status interest_ranker_open(struct interest_ranker **rankerp,
                                            const struct interest_model *model,
                                            const struct checkpoint *checkpoint,
                                            const struct dataset *dataset, struct error *error);
void interest_ranker_close(struct interest_ranker *ranker);

/*
 * Ranks by the interests from now on, also of a model with an intent vector, which is what such a
 * model ranks by else. Before the first question.
 */
void interest_ranker_by_interests(struct interest_ranker *ranker);

/*
 * Its name is the model's and, if that has an intent vector, what it ranks by. It learns
 * nothing by being shown: its parameters are frozen.
 */
struct ranker interest_ranker_ranker(struct interest_ranker *ranker);

#endif

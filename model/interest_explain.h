/*
 * interest_explain.h - what a user's interests are made of: the share of each behavior in each.
 *
 * A model whose read is a sum over behaviors gives each of them a weight in each interest. Its share
 * is that weight by the sum of all magnitudes of the interest: so the magnitudes of an interest's
 * shares sum to 1 (or all are 0, where the read gives no weight to anything), and only gdelta has
 * negative ones. The weight of behavior i in interest k is
 *
 *     single       what fading has left of i: without project, the vector is the sum of share x_i
 *     comirec-sa   the attention A_ik: the interest is the sum of share x_i, exactly
 *     octopus      the softmax in its channel, 0 for behaviors of other channels: exactly as well
 *     mind, comirec-dr    the coupling c_ik of the last iteration: the capsule is what squash makes
 *                  of a multiple of the sum of share e_ik
 *     sine         p(k | i) p(i | k): the interest is the layer norm of the sum of weight x_i
 *     limarec, lru with extract_heads    the mean over heads of <q, k_i> / sum_j <q, k_j>, which
 *                  weigh the head's values of the hidden vectors in the extractor
 *     gdelta       the mean over heads of w_i / sum_j |w_j|, where the head reads sum_i w_i v_i: what
 *                  later writes have left of i for this query. Negative: it counts against its value
 *     ledger       the mass of i in the entry; a split halves it, a merge adds, time fades it
 *
 * x_i is the embedding of a behavior, e_ik what routing makes of it. A hidden vector has seen the
 * behaviors before its own, so there a share tells at which behavior the interest was read off, and
 * not that nothing else had a part. Window models give 0 to what lies before the window. hpmn, mimn
 * and lru without extract_heads read what a chain of nonlinear steps has left: they have no such
 * weights and are not explained.
 *
 * The weights are those of the fold: `explainer` absorbs the behaviors themselves, in any cuts, and
 * gives the same bytes however they are cut. It is meant for one user whom somebody asks for, not
 * for every commit: it keeps some reals of each behavior.
 *
 *     interest_explainer_open -> (begin -> absorb ... -> read) ... -> interest_explainer_close
 *
 * Threads: one owner. Memory: taken at open.
 */
#ifndef MODEL_INTEREST_EXPLAIN_H
#define MODEL_INTEREST_EXPLAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "model/interest_model.h"

struct interest_explainer;

/* Whether interests of this model have shares. */
bool interest_explains(const struct interest_model *model);

/*
 * Room for `behaviors_max` >= 1 behaviors of one user at a time; keeps `model`. STATUS_INVALID: the
 * model does not explain. On failure *explainerp is NULL.
 */
MUST_CHECK enum status interest_explainer_open(struct interest_explainer **explainerp,
                                               const struct interest_model *model,
                                               uint32_t behaviors_max, struct error *error);
void interest_explainer_close(struct interest_explainer *explainer);

/* Begins with a user before its first behavior. */
void interest_explainer_begin(struct interest_explainer *explainer);

/* The next behaviors of that user. False, and nothing absorbed: there is no room for them. */
bool interest_explainer_absorb(struct interest_explainer *explainer, const struct behavior *at,
                               uint32_t count);

/* Behaviors absorbed since begin. */
uint32_t interest_explainer_count(const struct interest_explainer *explainer);

/*
 * The shares of all behaviors in the interests that interest_read publishes of them, in its order:
 * [behaviors][K], 0 beyond the live ones. Returns how many are live.
 */
uint32_t interest_explainer_read(struct interest_explainer *explainer, real *shares);

#endif

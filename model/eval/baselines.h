/*
 * baselines.h - what every model must be reported beside: popularity and item-to-item transitions.
 *
 * Both are counts over the behaviors they are shown, and nothing is tuned. Transitions: an item
 * followed by another within the window counts 1/distance; a count is normalized by the square root
 * of both items' popularity; a user's last items vote, each with less weight than the next one.
 * They beat many a published neural number, so a model that stays below them has learned little.
 * What was never counted is not listed: before a user's first behavior there are no transitions.
 *
 * Threads: one owner each.
 */
#ifndef MODEL_EVAL_BASELINES_H
#define MODEL_EVAL_BASELINES_H

#include <stdint.h>

#include "model/eval/ranker.h"

enum {
    TRANSITIONS_WINDOW = 5,  /* behaviors after an item that count as following it */
    TRANSITIONS_VOTERS = 10, /* last behaviors of a user that vote */
};

struct popularity;

MUST_CHECK enum status popularity_open(struct popularity **popularityp,
                                       const struct dataset *dataset, struct error *error);
void popularity_close(struct popularity *popularity);
struct ranker popularity_ranker(struct popularity *popularity);

struct transitions;

/* Keeps at most `pairs_max` different pairs (16 bytes each or less); later ones are not counted. */
MUST_CHECK enum status transitions_open(struct transitions **transitionsp,
                                        const struct dataset *dataset, uint64_t pairs_max,
                                        struct error *error);
void transitions_close(struct transitions *transitions);
struct ranker transitions_ranker(struct transitions *transitions);

/* Pairs that were met when the table was full. */
uint64_t transitions_dropped(const struct transitions *transitions);

#endif

/*
 * checkpoint_grow.h - a checkpoint over the next dictionary: items came, and others may have gone.
 *
 * Threads: the checkpoint belongs to the caller.
 */
#ifndef MODEL_CHECKPOINT_GROW_H
#define MODEL_CHECKPOINT_GROW_H

#include <stdint.h>

#include "base/status.h"
#include "model/checkpoint.h"

/*
 * A checkpoint like `from` over `items`, which it takes (also on failure). Items and categories that
 * the dictionary of `from` has come first there, in the same order; some may be missing, and more may
 * follow. Known rows keep their values and moments.
 * A new item starts as the mean of the known items of its category, or as the mean of all known items
 * if there is none of its category, plus normal(0.1 / sqrt d) drawn from `seed` (models.md section
 * 6); new categories are drawn as in a first generation. On failure *grownp is NULL.
 */
MUST_CHECK enum status checkpoint_grow(struct checkpoint **grownp, const struct checkpoint *from,
                                       struct item_table *items, uint64_t seed,
                                       struct error *error);

#endif

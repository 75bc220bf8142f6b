/*
 * generation.h - which generations of a model the configuration means, and one made the newest.
 *
 * A file, model.checkpoint, or if none is named the newest of the directory model.dir.
 *
 * Threads: one; what is chosen is kept for the rest of the process.
 */
#ifndef CLI_GENERATION_H
#define CLI_GENERATION_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"

/*
 * Sets model.checkpoint to the newest generation of model.dir, if there is a directory and no file
 * is named. Where members of a group share generations the directory is first brought up to date;
 * if that can't be done `serves` decides whether it is a failure, or a warning. STATUS_INVALID: the
 * directory has none, or there is no file model.checkpoint.
 *
 * Where neither is named, the directory is that of a job on files which learns, state.dir/models.
 * `serves`: the command is a job; it trains if the configuration says so, and then takes none.
 */
MUST_CHECK enum status generation_choose(struct config *config, bool serves, struct error *error);

/* Sets model.dir, where nothing is said of generations, to that of a job on files which learns. */
void generation_choose_dir(struct config *config);

/*
 * Appends the paths of all generations of model.dir to `paths` [*countp], the newest first, until
 * there are `most`. Those that do not open are passed over.
 */
MUST_CHECK enum status generation_list(const struct config *config, const char **paths,
                                       uint32_t most, uint32_t *countp, struct error *error);

/*
 * Writes the parameters of generation *parentp of model.dir again as the newest one, its number
 * above `above`, and publishes it to the group. *parentp becomes the number that was meant by a name.
 */
#define GENERATION_NEWEST 0
#define GENERATION_BEFORE UINT64_MAX /* the one before the newest */
MUST_CHECK enum status generation_promote(struct config *config, uint64_t above, uint64_t *parentp,
                                          uint64_t *numberp, struct error *error);

#endif

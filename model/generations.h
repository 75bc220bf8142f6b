/*
 * generations.h - the generation that serves, and those before it that somebody still uses.
 *
 * A generation is a checkpoint and its open model, which borrows the checkpoint's dictionary, so
 * they live and end together. Whoever learns adds one; whoever serves sees by its number that there
 * is a newer one, takes it when that suits, and gives the old one back. The last user closes it.
 *
 *     generations_number (cheap) -> generations_take -> ... -> generation_release
 *
 * Threads: any.
 */
#ifndef MODEL_GENERATIONS_H
#define MODEL_GENERATIONS_H

#include <stdint.h>

#include "base/status.h"
#include "model/checkpoint.h"
#include "model/interest_model.h"

struct generation {
    struct checkpoint *checkpoint;
    struct interest_model *model;
    uint64_t number;
    uint32_t users; /* who took it and have not released it; under the lock of all */
};

struct generations;

/* The first one to serve. Takes `checkpoint`, also on failure. */
MUST_CHECK enum status generations_open(struct generations **generationsp,
                                        struct checkpoint *checkpoint, struct error *error);

/* Everybody has released what they took. Legal on NULL. */
void generations_close(struct generations *generations);

/*
 * Another one serves from now on. Takes `checkpoint`, also on failure. STATUS_REFUSED: its number is
 * not greater than that of the one that serves: numbers rise. STATUS_INVALID: it is larger than
 * generations_limit allows. Whatever fails, that one goes on.
 */
MUST_CHECK enum status generations_add(struct generations *generations,
                                       struct checkpoint *checkpoint, struct error *error);

/*
 * Bytes that a generation takes that serves and is learned from further: parameters, the same packed,
 * two moments of each, the dictionary.
 */
uint64_t generation_size(const struct checkpoint *checkpoint);

/* The same of one that is still to be made: STATUS_INVALID if there is no such model. */
MUST_CHECK enum status generation_size_of(const char *model, const struct model_dims *dims,
                                          const struct item_table *items, uint64_t *sizep,
                                          struct error *error);

/* STATUS_INVALID, saying what would help, if it takes more than `size_max`; 0: no limit. */
MUST_CHECK enum status generation_check_size(const struct checkpoint *checkpoint, uint64_t size_max,
                                             struct error *error);

/* From now on a larger one cannot be added; the first one may be. Before other threads add any. */
void generations_limit(struct generations *generations, uint64_t size_max);
uint64_t generations_size_max(const struct generations *generations);

/* The number of the one that serves: one atomic load. */
uint64_t generations_number(const struct generations *generations);

/* The one that serves, open until it is released. */
struct generation *generations_take(struct generations *generations);
void generations_release(struct generations *generations, struct generation *generation);

#endif

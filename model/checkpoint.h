/*
 * checkpoint.h - one generation of a model in a file: parameters, dimensions, item dictionary, and
 * how it was trained.
 *
 * The file is safetensors (https://github.com/huggingface/safetensors): 8 bytes little-endian
 * header length, JSON header, raw little-endian tensors; the safetensors Python package reads it.
 * The __metadata__ holds `format` = braid-checkpoint-1 (-2 with what checkpoint_training.h has, as
 * `training.*`), model, dimensions, generation, fingerprint
 * and a checksum over every other byte of the file; the dictionary is stored as tensors of its own
 * (`dictionary.*`: ids as one byte blob with offsets, category rows). Written to a temporary file,
 * synced, renamed.
 */
#ifndef MODEL_CHECKPOINT_H
#define MODEL_CHECKPOINT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/status.h"
#include "model/checkpoint_training.h"
#include "model/item_table.h"
#include "model/model_dims.h"

enum { CHECKPOINT_WEIGHT_MAX = 1000000 }; /* what is greater is no weight but damage */

struct checkpoint {
    char model[32]; /* registry name */
    struct model_dims dims;
    uint64_t generation;       /* read generation: rises with every published checkpoint */
    uint64_t state_generation; /* rises when a state-producing parameter changes */
    uint64_t fingerprint;      /* XXH3 over all parameters, dimensions and the dictionary */
    uint64_t seed;             /* that the parameters were drawn or trained with */
    struct param_set *params;
    struct item_table *items;
    struct checkpoint_training training;
};

/*
 * Reads a checkpoint. Refused with what is wrong and the path: not safetensors, not a Braid
 * checkpoint, newer format, truncated, failed checksum or fingerprint, a parameter missing, extra
 * or of another shape, a weight or moment that is not finite or absurd. The moments of training are
 * checked and not kept. On failure *checkpointp is NULL.
 */
MUST_CHECK enum status checkpoint_open(struct checkpoint **checkpointp, const char *path,
                                       struct error *error);
void checkpoint_close(struct checkpoint *checkpoint);

/* The same with the moments: three times the memory. */
MUST_CHECK enum status checkpoint_open_to_train(struct checkpoint **checkpointp, const char *path,
                                                struct error *error);

/*
 * Writes atomically (temporary file, fsync, rename, fsync of the directory). Sets `fingerprint` and
 * changes nothing else. STATUS_INVALID: a weight or moment that checkpoint_open would refuse.
 */
MUST_CHECK enum status checkpoint_write(struct checkpoint *checkpoint, const char *path,
                                        struct error *error);

/*
 * Generation 1: declares the parameters of `model` (registry name) for these dimensions and draws
 * them from `seed`. Takes `items` (also on failure).
 */
MUST_CHECK enum status checkpoint_init(struct checkpoint **checkpointp, const char *model,
                                       const struct model_dims *dims, struct item_table *items,
                                       uint64_t seed, struct error *error);

/*
 * Makes it a checkpoint of `model` with `dims` over the same dictionary: parameters of the same
 * name keep their values and moments as far as shapes agree (params.h), the rest is drawn from `seed`. STATUS_INVALID: no such
 * model, or dimensions that it cannot have; then nothing has changed.
 */
MUST_CHECK enum status checkpoint_change(struct checkpoint *checkpoint, const char *model,
                                         const struct model_dims *dims, uint64_t seed,
                                         struct error *error);

/* Whether both are the same generation of one model with the same dimensions, so two seeds of it. */
bool checkpoint_alike(const struct checkpoint *a, const struct checkpoint *b);

/* Human-readable account for `braid inspect checkpoint`. */
void checkpoint_print(const struct checkpoint *checkpoint, FILE *out);

#endif

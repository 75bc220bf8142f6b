/*
 * training_file.h - where a training run stands, as a safetensors file.
 *
 * Parameters, both moments of Adam and the best parameters so far, each as one block; in
 * __metadata__ the counters. What is drawn later follows from the seed and these, so there is no
 * generator to store.
 */
#ifndef MODEL_TRAIN_TRAINING_FILE_H
#define MODEL_TRAIN_TRAINING_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "model/kernel/real.h"

struct training_progress {
    uint32_t epochs; /* done */
    uint32_t best_epoch;
    uint64_t steps;
    double best_ndcg;
};

/* Blocks of `size` reals; `best` may be NULL. */
struct training_blocks {
    size_t size;
    real *parameters, *mean, *square, *best;
};

/* Writes to a temporary file, syncs, renames. */
MUST_CHECK enum status training_file_write(const char *path, uint64_t identity,
                                           const struct training_progress *progress,
                                           const struct training_blocks *blocks,
                                           struct error *error);

/*
 * Fills the blocks. STATUS_NOT_FOUND: no such file; STATUS_REFUSED: its identity is another;
 * STATUS_CORRUPT: it is damaged. Nothing is changed on failure.
 */
MUST_CHECK enum status training_file_read(const char *path, uint64_t identity,
                                          struct training_progress *progress,
                                          const struct training_blocks *blocks,
                                          struct error *error);

#endif

/*
 * training_file.h - where a training run stands, as a safetensors file.
 *
 * Parameters and both moments of Adam, as they are and as they were when they were best, each as one
 * block; in __metadata__ the counters. What is drawn later follows from the seed and these, so there is no
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
    uint32_t better_epoch; /* the last one whose NDCG was greater than any before */
    uint64_t steps;
    uint64_t best_steps;
    double best_ndcg;
};

enum { TRAINING_BLOCKS = 6 };

/*
 * Blocks of `size` reals: parameters, means, squares, and the same three when they were best, all of
 * which may be NULL.
 */
struct training_blocks {
    size_t size;
    real *at[TRAINING_BLOCKS];
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

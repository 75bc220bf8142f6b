/*
 * op_profile.h - what is known of users as vectors (models.md section 2).
 *
 * A feature and its value are one hash, and a row of a table by that hash. Rows of different values
 * may be one; a user of whom nothing is known is the zero vector.
 */
#ifndef MODEL_TENSOR_OP_PROFILE_H
#define MODEL_TENSOR_OP_PROFILE_H

#include <stdint.h>

#include "model/tensor/behavior.h"
#include "model/tensor/params.h"
#include "model/tensor/tape.h"

/* Rows of a profile table [1 + buckets, d], those of absent features left out; returns how many. */
uint32_t profile_rows(const struct param *table, const struct user_profile *profile,
                      uint32_t rows[PROFILE_MAX]);

/*
 * [rows, d]: of each of the tape's profiles, which the caller keeps until backward, the mean of its
 * rows of `table`.
 */
struct tensor *op_profile(struct tape *tape, const struct param *table, uint32_t rows);

#endif

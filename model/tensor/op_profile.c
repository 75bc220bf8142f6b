/* op_profile.c - means of rows that hashes choose. */
#include "model/tensor/op_profile.h"

#include <string.h>

#include "base/checksum.h"
#include "model/kernel/kernel.h"

uint32_t profile_rows(const struct param *table, const struct user_profile *profile,
                      uint32_t rows[PROFILE_MAX])
{
    const uint32_t buckets = table->spec.shape[0] - 1;
    uint32_t count = 0;
    for (uint32_t i = 0; i < PROFILE_MAX; i++) {
        if (profile->hash[i] == 0) continue;
        rows[count++] = 1 + (uint32_t)(splitmix64(profile->hash[i]) % buckets);
    }
    return count;
}

/* What the rows of a tensor were made of. */
struct profile_read {
    const struct param *table;
    const struct user_profile *profiles;
};

static void profile_backward(struct tape *tape, const struct node *node)
{
    const struct profile_read *read = node->saved;
    const struct tensor *y = node->output;
    struct row_gradients *gradients = gradients_rows(tape->gradients, read->table);
    for (uint32_t i = 0; i < y->rows; i++) {
        uint32_t rows[PROFILE_MAX];
        const uint32_t count = profile_rows(read->table, &read->profiles[i], rows);
        for (uint32_t k = 0; k < count; k++) {
            kernel_add_part(row_gradient(gradients, rows[k]), y->gradient + (size_t)i * y->cols,
                            count, y->cols);
        }
    }
}

struct tensor *op_profile(struct tape *tape, const struct param *table, uint32_t rows)
{
    struct tensor *y = tape_tensor(tape, rows, table->spec.shape[1]);
    memset(y->data, 0, tensor_count(y) * sizeof *y->data);
    if (!tape->profiles) return y;
    for (uint32_t i = 0; i < rows; i++) {
        uint32_t found[PROFILE_MAX];
        const uint32_t count = profile_rows(table, &tape->profiles[i], found);
        if (count == 0) continue;
        kernel_add_mean(y->data + (size_t)i * y->cols, table->data, found, count, y->cols);
    }
    if (!tape_records(tape)) return y;
    struct profile_read *saved = arena_take(tape->arena, sizeof *saved);
    *saved = (struct profile_read){table, tape->profiles};
    y->wants_gradient = tape->gradients != NULL;
    tape_record(tape, (struct node){profile_backward, y, {NULL}, saved});
    return y;
}

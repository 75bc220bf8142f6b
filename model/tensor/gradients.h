/*
 * gradients.h - what backward passes add up for the parameters of one set.
 *
 * Parameters have one block, shaped like the part of the parameters' own block behind the embedding
 * tables, so that clipping, adding and Adam are loops over one array. Tables (PARAM_TABLE) have
 * gradients of the rows that were touched and no others: nothing here is ever [items, d], unless
 * every item was touched.
 *
 * Threads: one at a time. Each shard of a minibatch has gradients of its own; they are added in the
 * order of shards, so that a sum does not depend on which shard was ready first.
 */
#ifndef MODEL_TENSOR_GRADIENTS_H
#define MODEL_TENSOR_GRADIENTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"
#include "model/tensor/params.h"
#include "model/kernel/real.h"

enum { GRADIENT_TABLES_MAX = 4 };

/* The touched rows of one table. */
struct row_gradients {
    const struct param *table;
    uint32_t width;
    uint32_t capacity;
    uint32_t count;
    uint32_t *slots;   /* [rows of the table] 1 + the row's slot; 0 = not touched */
    uint32_t *touched; /* [count] the row of each slot, in the order they were first touched */
    real *at;          /* [count, width] */
};

struct gradients {
    const struct param_set *params;
    struct arena memory;
    size_t skipped; /* reals of the parameters' block before `block`: the tables */
    size_t size;    /* reals of `block` */
    real *block;    /* block[i] belongs to param_set_block(params)[skipped + i] */
    uint32_t tables;
    struct row_gradients rows[GRADIENT_TABLES_MAX];
};

/*
 * All zero, for the allocated parameters of `params` (borrowed), whose tables are declared first.
 * At most `touched_max` rows of a table will be touched between two clearings. On failure there is
 * nothing to close.
 */
MUST_CHECK enum status gradients_open(struct gradients *gradients, const struct param_set *params,
                                      uint32_t touched_max, struct error *error);
void gradients_close(struct gradients *gradients);

/* Back to zero, no row touched. */
void gradients_clear(struct gradients *gradients);

/* gradients += other, of the same set. */
void gradients_add(struct gradients *gradients, const struct gradients *other);

/* The gradient of a parameter that is no table. */
real *gradients_of(const struct gradients *gradients, const struct param *param);

/* The gradients of a table's rows. */
struct row_gradients *gradients_rows(struct gradients *gradients, const struct param *table);

/* The gradient of one row, zeros when it is first touched. Row 0 is padding and has none. */
real *row_gradient(struct row_gradients *rows, uint32_t row);

#endif

/* checkpoint_grow.c - tables keep their rows and get more; everything else is taken over. */
#include "model/checkpoint_grow.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "model/tensor/params.h"

static const double NEW_ITEM_SPREAD = 0.1; /* times 1 / sqrt d */

/* The rows that both have, of the tables that grew. */
static void grow_copy_rows(struct param_set *to, const struct param_set *from)
{
    for (uint32_t i = 0; i < param_set_count(from); i++) {
        const struct param *known = param_set_at(from, i);
        const struct param *grown = param_set_get(to, "%s", known->name);
        if (known->count >= grown->count) continue;
        memcpy(grown->data, known->data, known->count * sizeof(real));
    }
}

/* Adam's memory of what both have; new rows begin with none. */
static enum status copy_moments(struct checkpoint *to, const struct checkpoint *from,
                                struct error *error)
{
    const struct training_moments *known = &from->training.moments;
    struct training_moments *grown = &to->training.moments;
    if (!known->mean) return STATUS_OK;
    TRY(training_make_moments(&to->training, param_set_size(to->params), error));
    grown->step = known->step;
    grown->epochs = known->epochs;
    for (uint32_t i = 0; i < param_set_count(from->params); i++) {
        const struct param *param = param_set_at(from->params, i);
        const ptrdiff_t at = param->data - param_set_block(from->params);
        const ptrdiff_t place =
            param_set_get(to->params, "%s", param->name)->data - param_set_block(to->params);
        memcpy(grown->mean + place, known->mean + at, param->count * sizeof(real));
        memcpy(grown->square + place, known->square + at, param->count * sizeof(real));
    }
    return STATUS_OK;
}

static void add_row(double *sum, const real *row, uint32_t d)
{
    for (uint32_t i = 0; i < d; i++) {
        sum[i] += (double)row[i];
    }
}

/* Sums of the known items' rows by category, and over all in the place of category 0. */
static void sum_known(const struct item_table *items, const real *table, uint32_t known, uint32_t d,
                      double *sums, uint32_t *counts)
{
    for (uint32_t row = 1 + item_table_oov(items); row < known; row++) {
        const uint32_t category = item_table_category_of(items, row);
        add_row(sums, table + (size_t)row * d, d);
        counts[0]++;
        if (category == 0) continue;
        add_row(sums + (size_t)category * d, table + (size_t)row * d, d);
        counts[category]++;
    }
}

static enum status start_items(struct param_set *params, const struct item_table *items,
                               uint32_t known, uint64_t seed, struct error *error)
{
    const struct param *table = param_set_get(params, "item.embedding");
    const uint32_t d = table->spec.shape[1], rows = item_table_rows(items);
    const size_t categories = item_table_categories(items) + (size_t)1;
    const double spread = NEW_ITEM_SPREAD / sqrt(d);
    struct random random = random_seeded(seed);
    double *sums = calloc(categories * d, sizeof *sums);
    uint32_t *counts = calloc(categories, sizeof *counts);
    enum status status = STATUS_OK;
    if (sums && counts) {
        sum_known(items, table->data, known, d, sums, counts);
    } else {
        status = error_set(error, STATUS_IO, "out of memory: new items");
    }
    for (uint32_t row = known; status == STATUS_OK && row < rows; row++) {
        const uint32_t own = item_table_category_of(items, row);
        const uint32_t category = counts[own] ? own : 0;
        const double scale = counts[category] ? 1.0 / counts[category] : 0;
        for (uint32_t i = 0; i < d; i++) {
            table->data[(size_t)row * d + i] =
                (real)(sums[(size_t)category * d + i] * scale + spread * random_normal(&random));
        }
    }
    free(counts);
    free(sums);
    return status;
}

enum status checkpoint_grow(struct checkpoint **grownp, const struct checkpoint *from,
                            struct item_table *items, uint64_t seed, struct error *error)
{
    struct checkpoint *grown;
    const struct item_table *before = from->items;
    REQUIRE(item_table_oov(items) == item_table_oov(before) &&
            item_table_rows(items) >= item_table_rows(before) &&
            item_table_categories(items) >= item_table_categories(before));
    *grownp = NULL;
    TRY(checkpoint_init(&grown, from->model, &from->dims, items, seed, error));
    grown->generation = from->generation;
    grown->state_generation = from->state_generation;
    param_set_copy(grown->params, from->params);
    grow_copy_rows(grown->params, from->params);
    enum status status = start_items(grown->params, items, item_table_rows(before), seed, error);
    if (status == STATUS_OK) status = copy_moments(grown, from, error);
    if (status != STATUS_OK) {
        checkpoint_close(grown);
        return status;
    }
    *grownp = grown;
    return STATUS_OK;
}

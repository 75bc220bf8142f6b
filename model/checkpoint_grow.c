/* checkpoint_grow.c - tables keep the rows of what stays and get more; all else is taken over. */
#include "model/checkpoint_grow.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "model/tensor/params.h"

static const double NEW_ITEM_SPREAD = 0.1; /* times 1 / sqrt d */

/* Where the first rows of a table, as many as both have, lay in the table before. */
struct kept_rows {
    uint32_t *before; /* [count] */
    uint32_t count;
};

/* Of the two tables that a dictionary gives rows; all zero if there was no memory. */
struct kept {
    struct kept_rows items, categories;
};

/* `shared` rows come before the first string's; what is left of them is in the same order. */
static enum status find_kept(struct kept_rows *kept, uint32_t shared, struct item_strings before,
                             struct item_strings now, struct error *error)
{
    kept->before = malloc((shared + (size_t)before.count) * sizeof *kept->before);
    if (!kept->before)
        return error_set(error, STATUS_IO, "out of memory: the rows of %" PRIu32 " items",
                         before.count);
    for (; kept->count < shared; kept->count++) {
        kept->before[kept->count] = kept->count;
    }
    for (uint32_t i = 0; i < before.count && kept->count - shared < now.count; i++) {
        const uint64_t *a = &before.offsets[i], *b = &now.offsets[kept->count - shared];
        if (a[1] - a[0] != b[1] - b[0]) continue;
        if (a[1] > a[0] && memcmp(before.at + a[0], now.at + b[0], a[1] - a[0]) != 0) continue;
        kept->before[kept->count++] = shared + i;
    }
    return STATUS_OK;
}

static enum status kept_open(struct kept *kept, const struct item_table *before,
                             const struct item_table *now, struct error *error)
{
    TRY(find_kept(&kept->items, 1 + item_table_oov(before), item_table_ids(before),
                  item_table_ids(now), error));
    return find_kept(&kept->categories, 1, item_table_category_names(before),
                     item_table_category_names(now), error);
}

/* One value for each real of a parameter: itself, or what Adam remembers of it. */
static void copy_kept(real *to, const real *from, const struct param *param,
                      const struct kept *kept)
{
    const bool item = strcmp(param->name, "item.embedding") == 0;
    const bool category = strcmp(param->name, "category.embedding") == 0;
    if (!item && !category) {
        memcpy(to, from, param->count * sizeof *to);
        return;
    }
    const struct kept_rows *rows = item ? &kept->items : &kept->categories;
    const size_t d = param->spec.shape[1];
    for (uint32_t row = 0; row < rows->count; row++) {
        memcpy(to + row * d, from + rows->before[row] * d, d * sizeof *to);
    }
}

/* Adam's memory of what both have; new rows begin with none. */
static enum status copy_all(struct checkpoint *to, const struct checkpoint *from,
                            const struct kept *kept, struct error *error)
{
    const struct training_moments *known = &from->training.moments;
    struct training_moments *grown = &to->training.moments;
    if (known->mean) {
        TRY(training_make_moments(&to->training, param_set_size(to->params), error));
        grown->step = known->step;
        grown->epochs = known->epochs;
    }
    for (uint32_t i = 0; i < param_set_count(from->params); i++) {
        const struct param *param = param_set_at(from->params, i);
        const ptrdiff_t at = param->data - param_set_block(from->params);
        real *place = param_set_get(to->params, "%s", param->name)->data;
        const ptrdiff_t to_at = place - param_set_block(to->params);
        copy_kept(place, param->data, param, kept);
        if (!known->mean) continue;
        copy_kept(grown->mean + to_at, known->mean + at, param, kept);
        copy_kept(grown->square + to_at, known->square + at, param, kept);
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

static enum status take_values(struct checkpoint *grown, const struct checkpoint *from,
                               uint64_t seed, struct error *error)
{
    struct kept kept = {{NULL, 0}, {NULL, 0}};
    enum status status = kept_open(&kept, from->items, grown->items, error);
    if (status == STATUS_OK) status = copy_all(grown, from, &kept, error);
    if (status == STATUS_OK) {
        status = start_items(grown->params, grown->items, kept.items.count, seed, error);
    }
    free(kept.items.before);
    free(kept.categories.before);
    return status;
}

enum status checkpoint_grow(struct checkpoint **grownp, const struct checkpoint *from,
                            struct item_table *items, uint64_t seed, struct error *error)
{
    struct checkpoint *grown;
    REQUIRE(item_table_oov(items) == item_table_oov(from->items));
    *grownp = NULL;
    TRY(checkpoint_init(&grown, from->model, &from->dims, items, seed, error));
    grown->generation = from->generation;
    grown->state_generation = from->state_generation;
    const enum status status = take_values(grown, from, seed, error);
    if (status != STATUS_OK) {
        checkpoint_close(grown);
        return status;
    }
    *grownp = grown;
    return STATUS_OK;
}

/* gradients.c - a block for most parameters, touched rows for the tables. */
#include "model/tensor/gradients.h"

#include <string.h>

#include "model/kernel/kernel.h"

static bool is_table(const struct param *param)
{
    return param->spec.init == PARAM_TABLE;
}

static uint32_t capacity_of(const struct param *table, uint32_t touched_max)
{
    const uint32_t rows = table->spec.shape[0];
    return touched_max < rows ? touched_max : rows;
}

/* Bytes that the arena needs for one table's rows, each of three pieces rounded up. */
static size_t rows_size(const struct param *table, uint32_t capacity)
{
    return table->spec.shape[0] * sizeof(uint32_t) + capacity * sizeof(uint32_t) +
           (size_t)capacity * table->spec.shape[1] * sizeof(real) + 3 * (size_t)ARENA_ALIGNMENT;
}

static void rows_open(struct row_gradients *rows, struct arena *memory, const struct param *table,
                      uint32_t capacity)
{
    const uint32_t count = table->spec.shape[0], width = table->spec.shape[1];
    *rows = (struct row_gradients){.table = table, .width = width, .capacity = capacity};
    rows->slots = arena_take(memory, count * sizeof(*rows->slots));
    rows->touched = arena_take(memory, capacity * sizeof(*rows->touched));
    rows->at = arena_take(memory, (size_t)capacity * width * sizeof(real));
    memset(rows->slots, 0, count * sizeof(*rows->slots));
}

enum status gradients_open(struct gradients *gradients, const struct param_set *params,
                           uint32_t touched_max, struct error *error)
{
    const uint32_t count = param_set_count(params);
    uint32_t tables = 0;
    size_t size = 0;
    *gradients = (struct gradients){.params = params};
    while (tables < count && is_table(param_set_at(params, tables))) {
        const struct param *table = param_set_at(params, tables++);
        size += rows_size(table, capacity_of(table, touched_max));
    }
    REQUIRE(tables <= GRADIENT_TABLES_MAX);
    gradients->tables = tables;
    gradients->skipped = param_set_size(params);
    if (tables < count) {
        const struct param *first = param_set_at(params, tables);
        gradients->skipped = (size_t)(first->data - param_set_block(params));
    }
    gradients->size = param_set_size(params) - gradients->skipped;
    TRY(arena_open(&gradients->memory, size + gradients->size * sizeof(real), error));
    gradients->block = arena_take(&gradients->memory, gradients->size * sizeof(real));
    for (uint32_t i = 0; i < tables; i++) {
        const struct param *table = param_set_at(params, i);
        rows_open(&gradients->rows[i], &gradients->memory, table, capacity_of(table, touched_max));
    }
    gradients_clear(gradients);
    return STATUS_OK;
}

void gradients_close(struct gradients *gradients)
{
    arena_close(&gradients->memory);
}

void gradients_clear(struct gradients *gradients)
{
    memset(gradients->block, 0, gradients->size * sizeof(real));
    for (uint32_t i = 0; i < gradients->tables; i++) {
        struct row_gradients *rows = &gradients->rows[i];
        for (uint32_t slot = 0; slot < rows->count; slot++) {
            rows->slots[rows->touched[slot]] = 0;
        }
        rows->count = 0;
    }
}

void gradients_add(struct gradients *gradients, const struct gradients *other)
{
    REQUIRE(gradients->params == other->params);
    for (size_t i = 0; i < gradients->size; i++) {
        gradients->block[i] += other->block[i];
    }
    for (uint32_t i = 0; i < other->tables; i++) {
        const struct row_gradients *from = &other->rows[i];
        for (uint32_t slot = 0; slot < from->count; slot++) {
            real *row = row_gradient(&gradients->rows[i], from->touched[slot]);
            kernel_add(row, from->at + (size_t)slot * from->width, from->width);
        }
    }
}

real *gradients_of(const struct gradients *gradients, const struct param *param)
{
    REQUIRE(!is_table(param));
    return gradients->block + (param->data - param_set_block(gradients->params)) -
           gradients->skipped;
}

struct row_gradients *gradients_rows(struct gradients *gradients, const struct param *table)
{
    uint32_t i = 0;
    while (i < gradients->tables && gradients->rows[i].table != table) {
        i++;
    }
    REQUIRE(i < gradients->tables);
    return &gradients->rows[i];
}

real *row_gradient(struct row_gradients *rows, uint32_t row)
{
    REQUIRE(row > 0);
    if (rows->slots[row] == 0) {
        REQUIRE(rows->count < rows->capacity);
        rows->touched[rows->count++] = row;
        rows->slots[row] = rows->count;
        memset(rows->at + (size_t)(rows->count - 1) * rows->width, 0, rows->width * sizeof(real));
    }
    return rows->at + (size_t)(rows->slots[row] - 1) * rows->width;
}

/*
 * item_table.c - the frozen dictionary as one open-addressing table over the item hashes.
 *
 * Resolving an item is on the hot path, once per event, and touches one 16-byte slot (hash, row and
 * category together) in almost every case: the table is at most half full, so a lookup
 * probes 1.5 neighboring slots (an unknown item's 2.5), four of which share a cache line.
 */
#include "model/item_table.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"

enum { ID_SHOWN = 64 };

struct slot {
    uint64_t hash;
    uint32_t row; /* 0: the slot is free (row 0 is padding and never an item's) */
    uint32_t category;
};

struct item_table {
    struct slot *slots;
    unsigned
        shift; /* a hash starts at the slot of its scrambled upper bits: 2^(64 - shift) slots */
    uint64_t mask;
    uint32_t oov;
    struct item_strings ids;
    struct item_strings names;
    uint32_t *categories; /* [ids.count] */
    struct category_list *lists;
    uint32_t lists_count;
};

/* The slot of `hash`, or the free one where it belongs. */
static struct slot *item_slot(const struct item_table *table, uint64_t hash)
{
    uint64_t at = (hash * 0x9E3779B97F4A7C15u) >> table->shift;
    while (table->slots[at].row && table->slots[at].hash != hash) {
        at = (at + 1) & table->mask;
    }
    return &table->slots[at];
}

/* Copies strings that lie `stride` bytes apart end to end, with their offsets. */
static enum status copy_strings(struct item_strings *strings, const struct bytes *first,
                                size_t stride, uint32_t count, struct error *error)
{
    uint64_t size = 0;
    for (uint32_t i = 0; i < count; i++) {
        size += ((const struct bytes *)((const char *)first + i * stride))->size;
    }
    uint64_t *offsets = malloc((count + (size_t)1) * sizeof *offsets);
    uint8_t *at = malloc(size + 1);
    *strings = (struct item_strings){at, offsets, count};
    if (!offsets || !at) return error_set(error, STATUS_IO, "out of memory for the item table");
    offsets[0] = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct bytes *from = (const void *)((const char *)first + i * stride);
        if (from->size) memcpy(at + offsets[i], from->at, from->size);
        offsets[i + 1] = offsets[i] + from->size;
    }
    return STATUS_OK;
}

/* Of an id in a message: ids may be long, and end in no zero. */
static int shown(struct bytes id)
{
    return id.size < ID_SHOWN ? (int)id.size : ID_SHOWN;
}

static enum status insert_items(struct item_table *table, const struct item_entry *items,
                                struct error *error)
{
    for (uint32_t i = 0; i < table->ids.count; i++) {
        const struct bytes id = items[i].id;
        if (items[i].category > table->names.count + (uint64_t)table->lists_count) {
            return error_set(error, STATUS_INVALID,
                             "item '%.*s': category %u of %u and %u lists of them", shown(id),
                             (const char *)id.at, items[i].category, table->names.count,
                             table->lists_count);
        }
        const uint64_t hash = identity_of(id.at, id.size);
        struct slot *slot = item_slot(table, hash);
        if (slot->row) {
            const struct bytes other = item_table_id(table, slot->row);
            return error_set(error, STATUS_INVALID,
                             "items '%.*s' and '%.*s' have the same hash %016" PRIx64, shown(other),
                             (const char *)other.at, shown(id), (const char *)id.at, hash);
        }
        *slot = (struct slot){hash, 1 + table->oov + i, items[i].category};
        table->categories[i] = items[i].category;
    }
    return STATUS_OK;
}

/* Takes the slots: a power of two, at most half of which will be used. */
static enum status open_slots(struct item_table *table, uint32_t count, struct error *error)
{
    unsigned bits = 3;
    while ((uint64_t)1 << bits < (uint64_t)2 * count) {
        bits++;
    }
    table->shift = 64 - bits;
    table->mask = ((uint64_t)1 << bits) - 1;
    table->slots = calloc((size_t)1 << bits, sizeof *table->slots);
    table->categories = malloc((count + (size_t)1) * sizeof *table->categories);
    if (table->slots && table->categories) return STATUS_OK;
    return error_set(error, STATUS_IO, "out of memory for a table of %u items", count);
}

/* Two rows or more, none twice, and zeros behind them. */
static bool is_list(const struct category_list *list, uint32_t categories)
{
    const uint32_t count = category_list_count(list);
    for (uint32_t i = 0; i < TAGS_MAX; i++) {
        if (list->rows[i] > categories || (i >= count && list->rows[i])) return false;
        for (uint32_t j = 0; j < i && i < count; j++) {
            if (list->rows[i] == list->rows[j]) return false;
        }
    }
    return count >= 2;
}

static enum status copy_lists(struct item_table *table, const struct category_list *lists,
                              uint32_t count, struct error *error)
{
    if (count == 0) return STATUS_OK;
    table->lists = malloc(count * sizeof *lists);
    if (!table->lists) return error_set(error, STATUS_IO, "out of memory for the item table");
    table->lists_count = count;
    for (uint32_t i = 0; i < count; i++) {
        if (!is_list(&lists[i], table->names.count)) {
            return error_set(error, STATUS_INVALID, "list %u of categories is none of the %u rows",
                             i, table->names.count);
        }
        table->lists[i] = lists[i];
    }
    return STATUS_OK;
}

enum status item_table_open(struct item_table **tablep, const struct item_entry *items,
                            uint32_t items_count, const struct bytes *categories,
                            uint32_t categories_count, uint32_t oov, struct error *error)
{
    return item_table_open_lists(tablep, items, items_count, categories, categories_count, NULL, 0,
                                 oov, error);
}

enum status item_table_open_lists(struct item_table **tablep, const struct item_entry *items,
                                  uint32_t items_count, const struct bytes *categories,
                                  uint32_t categories_count, const struct category_list *lists,
                                  uint32_t lists_count, uint32_t oov, struct error *error)
{
    *tablep = NULL;
    if ((uint64_t)1 + oov + items_count > UINT32_MAX ||
        (uint64_t)1 + categories_count + lists_count > UINT32_MAX) {
        return error_set(error, STATUS_INVALID, "%u items and %u OOV rows are too many rows",
                         items_count, oov);
    }
    struct item_table *table = calloc(1, sizeof *table);
    if (!table) return error_set(error, STATUS_IO, "out of memory for the item table");
    table->oov = oov;

    enum status status = open_slots(table, items_count, error);
    if (status == STATUS_OK) {
        status = copy_strings(&table->ids, items_count ? &items->id : NULL, sizeof *items,
                              items_count, error);
    }
    if (status == STATUS_OK) {
        status =
            copy_strings(&table->names, categories, sizeof *categories, categories_count, error);
    }
    if (status == STATUS_OK) status = copy_lists(table, lists, lists_count, error);
    if (status == STATUS_OK) status = insert_items(table, items, error);
    if (status != STATUS_OK) {
        item_table_close(table);
        return status;
    }
    *tablep = table;
    return STATUS_OK;
}

static void free_strings(struct item_strings *strings)
{
    free((void *)strings->at);
    free((void *)strings->offsets);
}

void item_table_close(struct item_table *table)
{
    if (!table) return;
    free_strings(&table->ids);
    free_strings(&table->names);
    free(table->categories);
    free(table->lists);
    free(table->slots);
    free(table);
}

bool item_table_resolve(const struct item_table *table, uint64_t item_hash,
                        struct item_resolved *resolved)
{
    const struct slot *slot = item_slot(table, item_hash);
    if (slot->row) {
        *resolved = (struct item_resolved){slot->row, slot->category};
        return true;
    }
    if (table->oov == 0) return false;
    *resolved = (struct item_resolved){1 + (uint32_t)(splitmix64(item_hash) % table->oov), 0};
    return true;
}

uint32_t item_table_find(const struct item_table *table, uint64_t item_hash)
{
    return item_slot(table, item_hash)->row;
}

uint32_t item_table_items(const struct item_table *table)
{
    return table->ids.count;
}

uint32_t item_table_rows(const struct item_table *table)
{
    return 1 + table->oov + table->ids.count;
}

uint32_t item_table_oov(const struct item_table *table)
{
    return table->oov;
}

uint32_t item_table_categories(const struct item_table *table)
{
    return table->names.count;
}

static size_t strings_size(const struct item_strings *strings)
{
    return strings->offsets[strings->count] + (strings->count + (size_t)1) * sizeof(uint64_t);
}

size_t item_table_size(const struct item_table *table)
{
    return sizeof *table + (table->mask + 1) * sizeof *table->slots + strings_size(&table->ids) +
           strings_size(&table->names) + table->ids.count * sizeof *table->categories +
           table->lists_count * sizeof *table->lists;
}

struct item_strings item_table_ids(const struct item_table *table)
{
    return table->ids;
}

struct item_strings item_table_category_names(const struct item_table *table)
{
    return table->names;
}

const uint32_t *item_table_item_categories(const struct item_table *table)
{
    return table->categories;
}

const struct category_list *item_table_lists(const struct item_table *table)
{
    return table->lists;
}

uint32_t item_table_lists_count(const struct item_table *table)
{
    return table->lists_count;
}

/* Index of a known item's row in the dictionary, or its count if the row is none's. */
static uint32_t index_of(const struct item_table *table, uint32_t row)
{
    const uint32_t first = 1 + table->oov;
    return row < first || row - first >= table->ids.count ? table->ids.count : row - first;
}

static struct bytes string_of(const struct item_strings *strings, uint32_t index)
{
    if (index >= strings->count) return (struct bytes){NULL, 0};
    const uint64_t *offsets = strings->offsets + index;
    return (struct bytes){strings->at + offsets[0], offsets[1] - offsets[0]};
}

struct bytes item_table_id(const struct item_table *table, uint32_t row)
{
    return string_of(&table->ids, index_of(table, row));
}

struct bytes item_table_category_name(const struct item_table *table, uint32_t category)
{
    return category ? string_of(&table->names, category - 1) : (struct bytes){NULL, 0};
}

struct category_list item_table_categories_of(const struct item_table *table, uint32_t row)
{
    const uint32_t index = index_of(table, row);
    const uint32_t category = index < table->ids.count ? table->categories[index] : 0;
    if (category > table->names.count) return table->lists[category - table->names.count - 1];
    return (struct category_list){{category}};
}

uint32_t item_table_category_of(const struct item_table *table, uint32_t row)
{
    return item_table_categories_of(table, row).rows[0];
}

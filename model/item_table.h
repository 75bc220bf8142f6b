/*
 * item_table.h - the item dictionary frozen with a generation: from item ids to rows.
 *
 * A stored behavior holds the FNV-1a hash of its item id; which row that is, and which category,
 * is decided when a history is folded, by the dictionary of the generation that folds it. An item
 * without a row of its own reads as one of the `oov` rows 1 .. oov (models.md section 2).
 *
 * What an item has of categories is one number: 0 is none, 1 .. categories one, and what is greater
 * by i + 1 is list i of those that the table holds.
 *
 * Threads: immutable after open, shared freely.
 */
#ifndef MODEL_ITEM_TABLE_H
#define MODEL_ITEM_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"
#include "model/tensor/behavior.h"

struct item_table;

/* What a table is made of: known items in row order (row = 1 + oov + index). Borrowed. */
struct item_entry {
    struct bytes id;
    uint32_t category; /* as above */
};

/* Strings end to end, as memory and a checkpoint have them; string i at offsets[i] .. [i + 1]. */
struct item_strings {
    const uint8_t *at;
    const uint64_t *offsets; /* [count + 1] */
    uint32_t count;
};

struct item_resolved {
    uint32_t item;     /* row of item.embedding */
    uint32_t category; /* as above; 0 also where the item is unknown */
};

/*
 * Copies the entries. STATUS_INVALID if two ids have the same hash or a category row exceeds
 * `categories_count`. `categories` are the names of the rows 1 .. categories_count.
 */
MUST_CHECK enum status item_table_open(struct item_table **tablep, const struct item_entry *items,
                                       uint32_t items_count, const struct bytes *categories,
                                       uint32_t categories_count, uint32_t oov,
                                       struct error *error);

/* The same with lists of categories, which are copied. STATUS_INVALID also if one is no list. */
MUST_CHECK enum status item_table_open_lists(
    struct item_table **tablep, const struct item_entry *items, uint32_t items_count,
    const struct bytes *categories, uint32_t categories_count, const struct category_list *lists,
    uint32_t lists_count, uint32_t oov, struct error *error);
void item_table_close(struct item_table *table);

/* False if the item is unknown and oov is 0: its behavior is not absorbed. */
bool item_table_resolve(const struct item_table *table, uint64_t item_hash,
                        struct item_resolved *resolved);

size_t item_table_size(const struct item_table *table);    /* bytes */
uint32_t item_table_items(const struct item_table *table); /* known items */
uint32_t item_table_rows(const struct item_table *table);  /* 1 + oov + items */
uint32_t item_table_oov(const struct item_table *table);
uint32_t item_table_categories(const struct item_table *table); /* without row 0 */

/* Id of a known item's row, name of a category row; empty for other rows. Borrowed. */
struct bytes item_table_id(const struct item_table *table, uint32_t row);
struct bytes item_table_category_name(const struct item_table *table, uint32_t category);

/* Row of a known item's first category, and all of them (zeros if it has none). */
uint32_t item_table_category_of(const struct item_table *table, uint32_t row);
struct category_list item_table_categories_of(const struct item_table *table, uint32_t row);

/*
 * The whole dictionary: ids and categories [items] in row order, names of the rows 1, 2, ... and the
 * lists, which begin at the number 1 + item_table_categories.
 */
struct item_strings item_table_ids(const struct item_table *table);
const uint32_t *item_table_item_categories(const struct item_table *table);
struct item_strings item_table_category_names(const struct item_table *table);
const struct category_list *item_table_lists(const struct item_table *table);
uint32_t item_table_lists_count(const struct item_table *table);

/* Row of an item by its hash, 0 if it is not known. */
uint32_t item_table_find(const struct item_table *table, uint64_t item_hash);

#endif

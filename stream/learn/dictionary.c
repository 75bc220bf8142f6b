/* dictionary.c - the rows there were, and behind them the items that earned one, by frequency. */
#include "stream/learn/dictionary.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"

/* An item that may get a row. */
struct candidate {
    uint64_t count;
    struct bytes id;
    uint32_t category; /* number + 1 in the categories seen */
};

struct making {
    const struct item_table *before; /* NULL: none */
    const struct name_set *items;
    const struct name_set *categories;
    const struct dictionary_options *options;

    struct candidate *candidates; /* [items] without a row so far */
    struct item_entry *entries;   /* [items before + items] of the new table, in row order */
    struct bytes *names;          /* [categories before + categories] of its categories */
    uint32_t *rows;               /* [categories] their rows, 0: none yet */
    uint32_t entries_count, names_count;
};

/* The row of a category that was seen (number + 1, 0 = none), which gets one if it has none. */
static uint32_t category_row(struct making *making, uint32_t seen)
{
    if (seen == 0) return 0;
    if (making->rows[seen - 1] == 0) {
        making->names[making->names_count++] = name_set_text(making->categories, seen - 1);
        making->rows[seen - 1] = making->names_count;
    }
    return making->rows[seen - 1];
}

/* What has a row keeps it. */
static void keep_rows(struct making *making)
{
    const struct item_table *before = making->before;
    const uint32_t categories = item_table_categories(before), oov = item_table_oov(before);
    for (uint32_t row = 1; row <= categories; row++) {
        const struct bytes text = item_table_category_name(before, row);
        const struct name *seen =
            name_set_find(making->categories, identity_of(text.at, text.size));
        making->names[making->names_count++] = text;
        if (seen) making->rows[seen - making->categories->names] = row;
    }
    for (uint32_t i = 0; i < item_table_items(before); i++) {
        const uint32_t row = 1 + oov + i;
        const struct bytes id = item_table_id(before, row);
        const struct name *seen = name_set_find(making->items, identity_of(id.at, id.size));
        uint32_t category = item_table_category_of(before, row);
        if (seen && seen->category) category = category_row(making, seen->category);
        making->entries[making->entries_count++] = (struct item_entry){id, category};
    }
}

/* The more frequent first; of equally frequent ones by the bytes of their ids. */
static int compare_candidates(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    if (x->count != y->count) return x->count > y->count ? -1 : 1;
    const size_t size = x->id.size < y->id.size ? x->id.size : y->id.size;
    const int order = size ? memcmp(x->id.at, y->id.at, size) : 0;
    if (order != 0) return order;
    return x->id.size < y->id.size ? -1 : x->id.size > y->id.size;
}

/* Categories get their rows in the order in which the items need them. */
static void dictionary_add_rows(struct making *making)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < making->items->count; i++) {
        const struct name *name = &making->items->names[i];
        if (name->count < making->options->count_min) continue;
        if (making->before && item_table_find(making->before, name->hash)) continue;
        making->candidates[count++] =
            (struct candidate){name->count, name_set_text(making->items, i), name->category};
    }
    qsort(making->candidates, count, sizeof *making->candidates, compare_candidates);
    for (uint32_t i = 0; i < count && making->entries_count < making->options->items_max; i++) {
        const struct candidate *candidate = &making->candidates[i];
        making->entries[making->entries_count++] =
            (struct item_entry){candidate->id, category_row(making, candidate->category)};
    }
}

static enum status make_rows(struct making *making, struct item_table **tablep, struct error *error)
{
    const struct item_table *before = making->before;
    if (before) keep_rows(making);
    dictionary_add_rows(making);
    return item_table_open(tablep, making->entries, making->entries_count, making->names,
                           making->names_count,
                           before ? item_table_oov(before) : making->options->oov, error);
}

enum status dictionary_open(struct item_table **tablep, const struct item_table *before,
                            const struct name_set *items, const struct name_set *categories,
                            const struct dictionary_options *options, struct error *error)
{
    const size_t entries = items->count + (before ? item_table_items(before) : 0) + (size_t)1;
    const size_t names = categories->count + (before ? item_table_categories(before) : 0);
    struct making making = {
        .before = before,
        .items = items,
        .categories = categories,
        .options = options,
        .candidates = malloc(entries * sizeof *making.candidates),
        .entries = malloc(entries * sizeof *making.entries),
        .names = malloc((names + 1) * sizeof *making.names),
        .rows = calloc(categories->count + (size_t)1, sizeof *making.rows),
    };
    *tablep = NULL;
    const bool opened = making.candidates && making.entries && making.names && making.rows;
    enum status status =
        opened ? make_rows(&making, tablep, error)
               : error_set(error, STATUS_IO, "out of memory: a dictionary of %zu items", entries);
    free(making.rows);
    free(making.names);
    free(making.entries);
    free(making.candidates);
    return status;
}

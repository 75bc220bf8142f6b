/* dictionary.c - the rows there were, and behind them the items that earned one, by frequency. */
#include "stream/learn/dictionary.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "stream/source/categories.h"

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
    struct name_set rows;         /* names of its categories: number + 1 is the row */
    struct name_set lists;        /* bytes of its lists of categories */
    uint32_t entries_count;
};

#define A_LIST                                                                                     \
    (UINT32_C(1) << 31) /* with the number of a list; how many rows there are is not known */

/* A list as an item's category; lists of less than two are none. */
static enum status take_list(struct making *making, const struct category_list *list,
                             uint32_t *categoryp, struct error *error)
{
    uint32_t number;
    *categoryp = list->rows[0];
    if (category_list_count(list) < 2) return STATUS_OK;
    TRY(name_set_add(&making->lists, (struct bytes){list, sizeof *list},
                     checksum_of(list, sizeof *list), &number, error));
    *categoryp = A_LIST | number;
    return STATUS_OK;
}

/*
 * The category, or list of them, of what was seen as number + 1 (0 = none); rows come with need.
 */
static enum status take_categories(struct making *making, uint32_t seen, uint32_t *categoryp,
                                   struct error *error)
{
    struct category_list list = {{0}};
    struct bytes rest = {NULL, 0}, text;
    const uint32_t most = making->options->tags ? TAGS_MAX : 1;
    if (seen) rest = name_set_text(making->categories, seen - 1);
    for (uint32_t i = 0; i < most && categories_next(&rest, &text); i++) {
        uint32_t number;
        TRY(name_set_add(&making->rows, text, identity_of(text.at, text.size), &number, error));
        list.rows[i] = number + 1;
    }
    return take_list(making, &list, categoryp, error);
}

/* What has a row keeps it. */
static enum status keep_rows(struct making *making, struct error *error)
{
    const struct item_table *before = making->before;
    const uint32_t categories = item_table_categories(before), oov = item_table_oov(before);
    for (uint32_t row = 1; row <= categories; row++) {
        const struct bytes text = item_table_category_name(before, row);
        uint32_t number;
        TRY(name_set_add(&making->rows, text, identity_of(text.at, text.size), &number, error));
    }
    for (uint32_t i = 0; i < item_table_items(before); i++) {
        const uint32_t row = 1 + oov + i;
        const struct bytes id = item_table_id(before, row);
        const struct name *seen = name_set_find(making->items, identity_of(id.at, id.size));
        const struct category_list kept = item_table_categories_of(before, row);
        struct item_entry *entry = &making->entries[making->entries_count++];
        entry->id = id;
        if (seen && seen->category) {
            TRY(take_categories(making, seen->category, &entry->category, error));
        } else {
            TRY(take_list(making, &kept, &entry->category, error));
        }
    }
    return STATUS_OK;
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
static enum status dictionary_add_rows(struct making *making, struct error *error)
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
        struct item_entry *entry = &making->entries[making->entries_count++];
        entry->id = candidate->id;
        TRY(take_categories(making, candidate->category, &entry->category, error));
    }
    return STATUS_OK;
}

/* The table of what was made: names of categories and lists, whose numbers follow them. */
static enum status open_table(const struct making *making, struct item_table **tablep,
                              struct error *error)
{
    const uint32_t categories = making->rows.count, lists_count = making->lists.count;
    const uint32_t oov = making->before ? item_table_oov(making->before) : making->options->oov;
    struct bytes *names = malloc((categories + (size_t)1) * sizeof *names);
    struct category_list *lists = malloc((lists_count + (size_t)1) * sizeof *lists);
    enum status status;
    if (!names || !lists) {
        status = error_set(error, STATUS_IO, "out of memory: a dictionary's categories");
    } else {
        for (uint32_t i = 0; i < categories; i++) {
            names[i] = name_set_text(&making->rows, i);
        }
        for (uint32_t i = 0; i < lists_count; i++) {
            memcpy(&lists[i], name_set_text(&making->lists, i).at, sizeof *lists);
        }
        for (uint32_t i = 0; i < making->entries_count; i++) {
            uint32_t *category = &making->entries[i].category;
            if (*category & A_LIST) *category = 1 + categories + (*category & ~A_LIST);
        }
        status = item_table_open_lists(tablep, making->entries, making->entries_count, names,
                                       categories, lists, lists_count, oov, error);
    }
    free(lists);
    free(names);
    return status;
}

enum status dictionary_open(struct item_table **tablep, const struct item_table *before,
                            const struct name_set *items, const struct name_set *categories,
                            const struct dictionary_options *options, struct error *error)
{
    const size_t entries = items->count + (before ? item_table_items(before) : 0) + (size_t)1;
    struct making making = {
        .before = before,
        .items = items,
        .categories = categories,
        .options = options,
        .candidates = malloc(entries * sizeof *making.candidates),
        .entries = malloc(entries * sizeof *making.entries),
    };
    *tablep = NULL;
    enum status status = STATUS_OK;
    if (!making.candidates || !making.entries) {
        status = error_set(error, STATUS_IO, "out of memory: a dictionary of %zu items", entries);
    }
    if (status == STATUS_OK && before) status = keep_rows(&making, error);
    if (status == STATUS_OK) status = dictionary_add_rows(&making, error);
    if (status == STATUS_OK) status = open_table(&making, tablep, error);
    name_set_close(&making.lists);
    name_set_close(&making.rows);
    free(making.entries);
    free(making.candidates);
    return status;
}

/* dictionary.c - who has a row or earned one, the most frequent of them, and their rows in order. */
#include "stream/learn/dictionary.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "stream/source/categories.h"

/* An item that has a row or may get one. */
struct candidate {
    uint64_t count;
    struct bytes id;
    uint32_t row;      /* before; 0: none */
    uint32_t category; /* number + 1 in the categories seen; 0: none */
};

struct making {
    const struct item_table *before; /* NULL: none */
    const struct name_set *items;
    const struct name_set *categories;
    const struct dictionary_options *options;

    struct candidate *candidates; /* [items before + items] */
    uint32_t count;               /* of them */
    struct item_entry *entries;   /* [items before + items] of the new table, in row order */
    struct name_set rows;         /* names of its categories: number + 1 is the row */
    struct name_set lists;        /* bytes of its lists of categories */
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

static enum status take_row(struct making *making, struct bytes category, uint32_t *rowp,
                            struct error *error)
{
    uint32_t number;
    TRY(name_set_add(&making->rows, category, identity_of(category.at, category.size), &number,
                     error));
    *rowp = number + 1;
    return STATUS_OK;
}

/* The category, or list of them, of what was seen as number + 1; rows come with need. */
static enum status take_seen(struct making *making, uint32_t seen, uint32_t *categoryp,
                             struct error *error)
{
    struct category_list list = {{0}};
    struct bytes rest = name_set_text(making->categories, seen - 1), text;
    const uint32_t most = making->options->tags ? TAGS_MAX : 1;
    for (uint32_t i = 0; i < most && categories_next(&rest, &text); i++) {
        TRY(take_row(making, text, &list.rows[i], error));
    }
    return take_list(making, &list, categoryp, error);
}

/* The same of what an item had before, if anything. */
static enum status take_kept(struct making *making, uint32_t item_row, uint32_t *categoryp,
                             struct error *error)
{
    struct category_list list = {{0}}, kept = {{0}};
    if (item_row) kept = item_table_categories_of(making->before, item_row);
    for (uint32_t i = 0; i < category_list_count(&kept); i++) {
        TRY(take_row(making, item_table_category_name(making->before, kept.rows[i]), &list.rows[i],
                     error));
    }
    return take_list(making, &list, categoryp, error);
}

/* ---- who has a row ---- */

static void add_those_with_rows(struct making *making)
{
    const uint32_t rows = item_table_rows(making->before);
    for (uint32_t row = 1 + item_table_oov(making->before); row < rows; row++) {
        const struct bytes id = item_table_id(making->before, row);
        const struct name *seen = name_set_find(making->items, identity_of(id.at, id.size));
        making->candidates[making->count++] =
            (struct candidate){seen ? seen->count : 0, id, row, seen ? seen->category : 0};
    }
}

static void add_those_seen_enough(struct making *making)
{
    for (uint32_t i = 0; i < making->items->count; i++) {
        const struct name *name = &making->items->names[i];
        if (name->count < making->options->count_min) continue;
        if (making->before && item_table_find(making->before, name->hash)) continue;
        making->candidates[making->count++] =
            (struct candidate){name->count, name_set_text(making->items, i), 0, name->category};
    }
}

/* By rows; those without one behind, the more frequent first, of equals by the bytes of their ids. */
static int compare_rows(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    if (x->row || y->row) return x->row - 1 < y->row - 1 ? -1 : 1;
    if (x->count != y->count) return x->count > y->count ? -1 : 1;
    const size_t size = x->id.size < y->id.size ? x->id.size : y->id.size;
    const int order = size ? memcmp(x->id.at, y->id.at, size) : 0;
    if (order != 0) return order;
    return x->id.size < y->id.size ? -1 : x->id.size > y->id.size;
}

/* The more frequent first; of equals by their rows. */
static int compare_counts(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    if (x->count != y->count) return x->count > y->count ? -1 : 1;
    return compare_rows(a, b);
}

static void choose_items(struct making *making)
{
    if (making->before) add_those_with_rows(making);
    add_those_seen_enough(making);
    if (making->count > making->options->items_max) {
        qsort(making->candidates, making->count, sizeof *making->candidates, compare_counts);
        making->count = making->options->items_max;
    }
    qsort(making->candidates, making->count, sizeof *making->candidates, compare_rows);
}

/* ---- their rows ---- */

/* The categories that items which stay had before, in the order of their rows. */
static enum status keep_categories(struct making *making, struct error *error)
{
    const uint32_t categories = item_table_categories(making->before);
    bool *kept = calloc(categories + (size_t)1, sizeof *kept);
    if (!kept) return error_set(error, STATUS_IO, "out of memory: a dictionary's categories");
    for (uint32_t i = 0; i < making->count && making->candidates[i].row; i++) {
        const struct category_list list =
            item_table_categories_of(making->before, making->candidates[i].row);
        for (uint32_t j = 0; j < category_list_count(&list); j++) {
            kept[list.rows[j]] = true;
        }
    }
    enum status status = STATUS_OK;
    for (uint32_t row = 1; status == STATUS_OK && row <= categories; row++) {
        uint32_t now;
        if (!kept[row]) continue;
        status = take_row(making, item_table_category_name(making->before, row), &now, error);
    }
    free(kept);
    return status;
}

/* New categories get their rows in the order in which the items need them. */
static enum status make_entries(struct making *making, struct error *error)
{
    if (making->before) TRY(keep_categories(making, error));
    for (uint32_t i = 0; i < making->count; i++) {
        const struct candidate *candidate = &making->candidates[i];
        struct item_entry *entry = &making->entries[i];
        entry->id = candidate->id;
        if (candidate->category) {
            TRY(take_seen(making, candidate->category, &entry->category, error));
        } else {
            TRY(take_kept(making, candidate->row, &entry->category, error));
        }
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
        for (uint32_t i = 0; i < making->count; i++) {
            uint32_t *category = &making->entries[i].category;
            if (*category & A_LIST) *category = 1 + categories + (*category & ~A_LIST);
        }
        status = item_table_open_lists(tablep, making->entries, making->count, names, categories,
                                       lists, lists_count, oov, error);
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
    if (status == STATUS_OK) choose_items(&making);
    if (status == STATUS_OK) status = make_entries(&making, error);
    if (status == STATUS_OK) status = open_table(&making, tablep, error);
    name_set_close(&making.lists);
    name_set_close(&making.rows);
    free(making.entries);
    free(making.candidates);
    return status;
}

/*
 * test_growth.c - a dictionary that goes on from another, and a checkpoint that goes on with it.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/checksum.h"
#include "model/checkpoint_grow.h"
#include "model/interest_ops.h"
#include "model/tensor/params.h"
#include "stream/learn/dictionary.h"

enum { OOV = 3, D = 16 };

struct counted {
    const char *item, *category; /* NULL: none */
    uint64_t count;
};

struct names {
    struct name_set items, categories;
};

static void count_names(struct names *names, const struct counted *at, size_t count)
{
    *names = (struct names){0};
    for (size_t i = 0; i < count; i++) {
        uint32_t item, category = 0;
        const struct bytes id = bytes_of(at[i].item);
        assert_int_equal(name_set_add(&names->items, id, identity_of(id.at, id.size), &item, NULL),
                         STATUS_OK);
        names->items.names[item].count += at[i].count;
        if (!at[i].category) continue;
        const struct bytes text = bytes_of(at[i].category);
        assert_int_equal(name_set_add(&names->categories, text, identity_of(text.at, text.size),
                                      &category, NULL),
                         STATUS_OK);
        names->items.names[item].category = category + 1;
    }
}

static struct item_table *dictionary_with(const struct item_table *before, const struct counted *at,
                                          size_t count, const struct dictionary_options *options)
{
    struct item_table *table;
    struct names names;
    count_names(&names, at, count);
    assert_int_equal(
        dictionary_open(&table, before, &names.items, &names.categories, options, NULL), STATUS_OK);
    name_set_close(&names.items);
    name_set_close(&names.categories);
    return table;
}

static struct item_table *dictionary_of(const struct item_table *before, const struct counted *at,
                                        size_t count, uint32_t items_max, uint64_t count_min)
{
    const struct dictionary_options options = {OOV, items_max, count_min, false};
    return dictionary_with(before, at, count, &options);
}

static void assert_item(const struct item_table *table, uint32_t row, const char *id,
                        const char *category)
{
    const struct bytes item = item_table_id(table, row);
    const struct bytes of = item_table_category_name(table, item_table_category_of(table, row));
    assert_int_equal(item.size, strlen(id));
    assert_memory_equal(item.at, id, item.size);
    assert_int_equal(of.size, strlen(category));
    if (of.size) assert_memory_equal(of.at, category, of.size);
}

static const struct counted first[] = {
    {"alien", "horror", 5}, {"brazil", NULL, 9}, {"casablanca", "drama", 7}, {"dune", NULL, 1}};

static void a_first_dictionary_has_the_most_frequent_items_first(void **state)
{
    (void)state;
    struct item_table *table = dictionary_of(NULL, first, 4, 100, 2);
    assert_int_equal(item_table_items(table), 3); /* dune was seen once */
    assert_int_equal(item_table_oov(table), OOV);
    assert_item(table, 1 + OOV, "brazil", "");
    assert_item(table, 2 + OOV, "casablanca", "drama");
    assert_item(table, 3 + OOV, "alien", "horror");
    item_table_close(table);
}

static void a_later_dictionary_keeps_the_rows_and_adds_what_was_seen_enough(void **state)
{
    (void)state;
    static const struct counted later[] = {{"eraserhead", "horror", 50},
                                           {"fargo", "crime", 60},
                                           {"dune", NULL, 1},
                                           {"brazil", "satire", 1}};
    struct item_table *before = dictionary_of(NULL, first, 4, 100, 2);
    struct item_table *table = dictionary_of(before, later, 4, 100, 2);
    assert_int_equal(item_table_items(table), 5);
    assert_item(table, 1 + OOV, "brazil", "satire"); /* the category it was last seen with */
    assert_item(table, 2 + OOV, "casablanca", "drama");
    assert_item(table, 3 + OOV, "alien", "horror");
    assert_item(table, 4 + OOV, "fargo", "crime");
    assert_item(table, 5 + OOV, "eraserhead", "horror");
    assert_int_equal(item_table_category_of(table, 2 + OOV),
                     item_table_category_of(before, 2 + OOV));
    item_table_close(table);
    item_table_close(before);
}

/* The names of an item's categories, with commas between. */
static void assert_categories(const struct item_table *table, uint32_t row, const char *expected)
{
    const struct category_list list = item_table_categories_of(table, row);
    char text[128] = "";
    for (uint32_t i = 0; i < category_list_count(&list); i++) {
        const struct bytes name = item_table_category_name(table, list.rows[i]);
        const size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, "%s%.*s", i ? "," : "", (int)name.size,
                 (const char *)name.at);
    }
    assert_string_equal(text, expected);
}

static const struct counted tagged[] = {{"alien",
                                         "horror\xFFspace\xFF"
                                         "classic",
                                         9},
                                        {"brazil", "satire", 7},
                                        {"dune", "space\xFFhorror", 5},
                                        {"solaris", "space\xFFhorror", 4}};

static void an_item_takes_all_its_categories_with_tags_and_the_first_without(void **state)
{
    (void)state;
    const struct dictionary_options with = {OOV, 100, 1, true};
    struct item_table *table = dictionary_with(NULL, tagged, 4, &with);
    assert_int_equal(item_table_categories(table), 4);
    assert_int_equal(item_table_lists_count(table), 2); /* two items have the same */
    assert_categories(table, 1 + OOV, "horror,space,classic");
    assert_categories(table, 2 + OOV, "satire");
    assert_categories(table, 3 + OOV, "space,horror");
    assert_categories(table, 4 + OOV, "space,horror");
    item_table_close(table);
    table = dictionary_of(NULL, tagged, 4, 100, 1);
    assert_int_equal(item_table_categories(table), 3);
    assert_int_equal(item_table_lists_count(table), 0);
    assert_categories(table, 1 + OOV, "horror");
    item_table_close(table);
}

static void a_newer_list_applies_from_the_next_dictionary_on(void **state)
{
    (void)state;
    static const struct counted later[] = {{"brazil",
                                            "satire\xFF"
                                            "dystopia",
                                            1},
                                           {"dune", "epic", 1}};
    const struct dictionary_options with = {OOV, 100, 1, true};
    struct item_table *before = dictionary_with(NULL, tagged, 4, &with);
    struct item_table *table = dictionary_with(before, later, 2, &with);
    assert_categories(before, 2 + OOV, "satire");
    assert_categories(table, 1 + OOV, "horror,space,classic");
    assert_categories(table, 2 + OOV, "satire,dystopia");
    assert_categories(table, 3 + OOV, "epic");
    assert_categories(table, 4 + OOV, "space,horror");
    item_table_close(table);
    item_table_close(before);
}

static void where_items_are_too_many_the_least_seen_go_out(void **state)
{
    (void)state;
    static const struct counted later[] = {{"alien", "horror", 5},     {"brazil", NULL, 1},
                                           {"casablanca", "drama", 0}, {"eraserhead", NULL, 50},
                                           {"fargo", NULL, 60},        {"gilda", "noir", 5}};
    struct item_table *before = dictionary_of(NULL, first, 4, 100, 2);
    struct item_table *table = dictionary_of(before, later, 6, 3, 2);
    assert_int_equal(item_table_items(table), 3);
    assert_item(table, 1 + OOV, "alien", "horror"); /* seen as often as gilda, and had a row */
    assert_item(table, 2 + OOV, "fargo", "");
    assert_item(table, 3 + OOV, "eraserhead", "");
    assert_int_equal(item_table_categories(table), 1); /* drama went with its item */
    /* One that went has a row again once it is seen more than another. */
    static const struct counted again[] = {
        {"casablanca", "drama", 9}, {"alien", NULL, 8}, {"fargo", NULL, 7}};
    struct item_table *next = dictionary_of(table, again, 3, 3, 2);
    assert_int_equal(item_table_items(next), 3);
    assert_item(next, 1 + OOV, "alien", "horror");
    assert_item(next, 2 + OOV, "fargo", "");
    assert_item(next, 3 + OOV, "casablanca", "drama");
    item_table_close(next);
    item_table_close(table);
    item_table_close(before);
}

static void of_items_seen_equally_often_those_that_have_had_a_row_for_longer_stay(void **state)
{
    (void)state;
    static const struct counted later[] = {
        {"a new one", NULL, 3}, {"brazil", NULL, 3}, {"casablanca", NULL, 3}, {"alien", NULL, 3}};
    struct item_table *before = dictionary_of(NULL, first, 4, 100, 2);
    struct item_table *table = dictionary_of(before, later, 4, 2, 2);
    assert_int_equal(item_table_items(table), 2);
    assert_item(table, 1 + OOV, "brazil", "");
    assert_item(table, 2 + OOV, "casablanca", "drama");
    item_table_close(table);
    item_table_close(before);
}

static struct checkpoint *checkpoint_of(struct item_table *items)
{
    struct model_dims dims = interest_ops_find("limarec")->defaults;
    struct checkpoint *checkpoint;
    dims.d = D;
    dims.heads = 2;
    dims.blocks = 1;
    dims.ffn = 32;
    dims.extract_heads = 2;
    assert_int_equal(checkpoint_init(&checkpoint, "limarec", &dims, items, 1, NULL), STATUS_OK);
    return checkpoint;
}

static void a_grown_checkpoint_keeps_every_value_and_starts_items_near_their_category(void **state)
{
    (void)state;
    static const struct counted later[] = {{"eraserhead", "horror", 50}, {"fargo", "crime", 60}};
    struct item_table *before = dictionary_of(NULL, first, 4, 100, 2);
    struct item_table *items = dictionary_of(before, later, 2, 100, 2);
    struct checkpoint *from = checkpoint_of(before), *grown, *again;
    struct item_table *items_again = dictionary_of(before, later, 2, 100, 2);
    assert_int_equal(checkpoint_grow(&grown, from, items, 7, NULL), STATUS_OK);
    assert_int_equal(checkpoint_grow(&again, from, items_again, 7, NULL), STATUS_OK);
    for (uint32_t i = 0; i < param_set_count(from->params); i++) {
        const struct param *param = param_set_at(from->params, i);
        const struct param *same = param_set_get(grown->params, "%s", param->name);
        assert_memory_equal(param->data, same->data, param->count * sizeof(real));
    }
    assert_memory_equal(param_set_block(grown->params), param_set_block(again->params),
                        param_set_size(grown->params) * sizeof(real));
    const real *table = param_set_get(grown->params, "item.embedding")->data;
    for (uint32_t i = 0; i < D; i++) {
        const double alien = (double)table[(3 + OOV) * D + i];
        const double brazil = (double)table[(1 + OOV) * D + i];
        const double casablanca = (double)table[(2 + OOV) * D + i];
        const double all = (alien + brazil + casablanca) / 3;
        const double bound = 5 * 0.1 / sqrt(D);
        assert_true(fabs((double)table[(5 + OOV) * D + i] - alien) < bound); /* horror */
        assert_true(fabs((double)table[(4 + OOV) * D + i] - all) < bound);   /* a new category */
    }
    checkpoint_close(again);
    checkpoint_close(grown);
    checkpoint_close(from);
}

static void assert_row(const struct checkpoint *now, const char *table, uint32_t row,
                       const struct checkpoint *before, uint32_t row_before)
{
    const struct param *to = param_set_get(now->params, "%s", table);
    const struct param *from = param_set_get(before->params, "%s", table);
    const ptrdiff_t at = to->data - param_set_block(now->params) + (ptrdiff_t)row * D;
    const ptrdiff_t was = from->data - param_set_block(before->params) + (ptrdiff_t)row_before * D;
    const struct training_moments *moments = &now->training.moments;
    assert_memory_equal(param_set_block(now->params) + at, param_set_block(before->params) + was,
                        D * sizeof(real));
    assert_memory_equal(moments->mean + at, before->training.moments.mean + was, D * sizeof(real));
    assert_memory_equal(moments->square + at, before->training.moments.square + was,
                        D * sizeof(real));
}

/* One item goes and one comes: the tables are as large as before, and rows have moved. */
static void what_stays_takes_its_values_and_moments_to_its_new_row(void **state)
{
    (void)state;
    static const struct counted later[] = {
        {"alien", "horror", 5}, {"brazil", NULL, 9}, {"fargo", "crime", 60}};
    struct item_table *before = dictionary_of(NULL, first, 4, 100, 2);
    struct item_table *items = dictionary_of(before, later, 3, 3, 2);
    struct checkpoint *from = checkpoint_of(before), *grown;
    const size_t size = param_set_size(from->params);
    assert_int_equal(training_make_moments(&from->training, size, NULL), STATUS_OK);
    for (size_t i = 0; i < size; i++) {
        from->training.moments.mean[i] = (real)i;
        from->training.moments.square[i] = -(real)i;
    }
    assert_int_equal(checkpoint_grow(&grown, from, items, 7, NULL), STATUS_OK);
    assert_int_equal(param_set_size(grown->params), size);
    assert_item(grown->items, 2 + OOV, "alien", "horror");
    assert_row(grown, "item.embedding", OOV, from, OOV);
    assert_row(grown, "item.embedding", 1 + OOV, from, 1 + OOV);
    assert_row(grown, "item.embedding", 2 + OOV, from, 3 + OOV); /* casablanca went */
    assert_row(grown, "category.embedding", 1, from, 2);         /* and drama with it */
    const struct param *table = param_set_get(grown->params, "item.embedding");
    const ptrdiff_t fresh = table->data - param_set_block(grown->params) + (3 + OOV) * D;
    const struct param *was = param_set_get(from->params, "item.embedding");
    assert_memory_not_equal(table->data + (3 + OOV) * D, was->data + (3 + OOV) * D,
                            D * sizeof(real));
    for (uint32_t i = 0; i < D; i++) { /* a new row has no past */
        assert_true(grown->training.moments.mean[fresh + i] == 0);
        assert_true(grown->training.moments.square[fresh + i] == 0);
    }
    checkpoint_close(grown);
    checkpoint_close(from);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_first_dictionary_has_the_most_frequent_items_first),
        cmocka_unit_test(a_later_dictionary_keeps_the_rows_and_adds_what_was_seen_enough),
        cmocka_unit_test(an_item_takes_all_its_categories_with_tags_and_the_first_without),
        cmocka_unit_test(a_newer_list_applies_from_the_next_dictionary_on),
        cmocka_unit_test(where_items_are_too_many_the_least_seen_go_out),
        cmocka_unit_test(of_items_seen_equally_often_those_that_have_had_a_row_for_longer_stay),
        cmocka_unit_test(what_stays_takes_its_values_and_moments_to_its_new_row),
        cmocka_unit_test(a_grown_checkpoint_keeps_every_value_and_starts_items_near_their_category),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

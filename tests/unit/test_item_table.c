/* test_item_table.c - rows, out-of-vocabulary rows and categories of the frozen dictionary. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "model/item_table.h"

static const struct bytes categories[] = {{"drama", 5}, {"comedy", 6}};
static const struct item_entry items[] = {{{"alien", 5}, 1}, {{"brazil", 6}, 0}, {{"clue", 4}, 2}};

static struct item_table *open_three(uint32_t oov)
{
    struct item_table *table;
    assert_int_equal(item_table_open(&table, items, 3, categories, 2, oov, NULL), STATUS_OK);
    return table;
}

static uint64_t hash_of(const char *id)
{
    return identity_of(id, strlen(id));
}

static void known_items_follow_the_oov_rows_in_order(void **state)
{
    (void)state;
    struct item_table *table = open_three(7);
    for (uint32_t i = 0; i < 3; i++) {
        const uint64_t hash = identity_of(items[i].id.at, items[i].id.size);
        struct item_resolved resolved;
        assert_true(item_table_resolve(table, hash, &resolved));
        assert_int_equal(resolved.item, 8 + i);
        assert_int_equal(resolved.category, items[i].category);
        assert_int_equal(item_table_find(table, hash), 8 + i);
        assert_true(bytes_equal(item_table_id(table, 8 + i), items[i].id));
        assert_int_equal(item_table_category_of(table, 8 + i), items[i].category);
    }
    assert_int_equal(item_table_rows(table), 11);
    assert_int_equal(item_table_items(table), 3);
    assert_int_equal(item_table_categories(table), 2);
    assert_true(bytes_equal(item_table_category_name(table, 2), categories[1]));
    item_table_close(table);
}

static void unknown_items_use_the_oov_rows(void **state)
{
    (void)state;
    struct item_table *table = open_three(7);
    for (uint64_t hash = 1; hash < 1000; hash++) {
        struct item_resolved resolved;
        assert_true(item_table_resolve(table, hash, &resolved));
        assert_int_equal(resolved.item, 1 + splitmix64(hash) % 7);
        assert_int_equal(resolved.category, 0);
        assert_int_equal(item_table_find(table, hash), 0);
    }
    item_table_close(table);
}

static void without_oov_rows_an_unknown_item_is_not_resolved(void **state)
{
    (void)state;
    struct item_table *table = open_three(0);
    struct item_resolved resolved;
    assert_false(item_table_resolve(table, hash_of("dune"), &resolved));
    assert_true(item_table_resolve(table, hash_of("clue"), &resolved));
    assert_int_equal(resolved.item, 3);
    item_table_close(table);
}

static void rows_that_are_no_items_have_no_name(void **state)
{
    (void)state;
    struct item_table *table = open_three(2);
    const uint32_t rows[] = {0, 1, 2, 6, UINT32_MAX};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(item_table_id(table, rows[i]).size, 0);
        assert_int_equal(item_table_category_of(table, rows[i]), 0);
    }
    assert_int_equal(item_table_category_name(table, 0).size, 0);
    assert_int_equal(item_table_category_name(table, 3).size, 0);
    item_table_close(table);
}

static void an_empty_dictionary_knows_nothing(void **state)
{
    (void)state;
    struct item_table *table;
    struct item_resolved resolved;
    assert_int_equal(item_table_open(&table, NULL, 0, NULL, 0, 1, NULL), STATUS_OK);
    assert_true(item_table_resolve(table, 0, &resolved));
    assert_int_equal(resolved.item, 1);
    assert_int_equal(item_table_rows(table), 2);
    item_table_close(table);
}

static void the_same_item_twice_is_refused(void **state)
{
    (void)state;
    const struct item_entry twice[] = {{{"alien", 5}, 0}, {{"brazil", 6}, 0}, {{"alien", 5}, 0}};
    struct item_table *table;
    struct error error;
    assert_int_equal(item_table_open(&table, twice, 3, NULL, 0, 1, &error), STATUS_INVALID);
    assert_null(table);
    assert_non_null(strstr(error.text, "alien"));
}

static void a_category_beyond_the_names_is_refused(void **state)
{
    (void)state;
    const struct item_entry item = {{"alien", 5}, 3};
    struct item_table *table;
    assert_int_equal(item_table_open(&table, &item, 1, categories, 2, 1, NULL), STATUS_INVALID);
    assert_null(table);
}

static void an_item_of_several_categories_has_the_number_of_their_list(void **state)
{
    (void)state;
    const struct item_entry entries[] = {{{"alien", 5}, 4}, {{"brazil", 6}, 1}};
    const struct category_list lists[] = {{{1, 2}}, {{2, 1}}};
    struct item_table *table;
    struct item_resolved resolved;
    assert_int_equal(item_table_open_lists(&table, entries, 2, categories, 2, lists, 2, 0, NULL),
                     STATUS_OK);
    assert_true(item_table_resolve(table, hash_of("alien"), &resolved));
    assert_int_equal(resolved.category, 4);
    assert_int_equal(item_table_category_of(table, 1), 2);
    assert_int_equal(item_table_categories_of(table, 1).rows[1], 1);
    assert_int_equal(item_table_categories_of(table, 2).rows[0], 1);
    assert_int_equal(item_table_categories_of(table, 2).rows[1], 0);
    assert_int_equal(item_table_lists_count(table), 2);
    assert_int_equal(item_table_lists(table)[1].rows[0], 2);
    item_table_close(table);
}

static void a_list_of_less_than_two_or_of_unknown_or_equal_categories_is_refused(void **state)
{
    (void)state;
    const struct category_list lists[] = {{{0}}, {{1}}, {{1, 1}}, {{1, 3}}, {{0, 1}}, {{1, 0, 2}}};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        struct item_table *table;
        assert_int_equal(
            item_table_open_lists(&table, items, 3, categories, 2, &lists[i], 1, 0, NULL),
            STATUS_INVALID);
        assert_null(table);
    }
}

enum { MANY = 300000, ID_SIZE = 12 };

static void a_large_table_finds_every_item(void **state)
{
    (void)state;
    char *ids = malloc((size_t)MANY * ID_SIZE);
    struct item_entry *many = malloc(MANY * sizeof *many);
    for (uint32_t i = 0; i < MANY; i++) {
        char *id = ids + (size_t)i * ID_SIZE;
        snprintf(id, ID_SIZE, "i%u", i);
        many[i] = (struct item_entry){bytes_of(id), i % 3};
    }
    struct item_table *table;
    assert_int_equal(item_table_open(&table, many, MANY, categories, 2, 5, NULL), STATUS_OK);
    for (uint32_t i = 0; i < MANY; i++) {
        struct item_resolved resolved;
        assert_true(
            item_table_resolve(table, identity_of(many[i].id.at, many[i].id.size), &resolved));
        assert_int_equal(resolved.item, 6 + i);
        assert_int_equal(resolved.category, i % 3);
    }
    item_table_close(table);
    free(many);
    free(ids);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_items_follow_the_oov_rows_in_order),
        cmocka_unit_test(unknown_items_use_the_oov_rows),
        cmocka_unit_test(without_oov_rows_an_unknown_item_is_not_resolved),
        cmocka_unit_test(rows_that_are_no_items_have_no_name),
        cmocka_unit_test(an_empty_dictionary_knows_nothing),
        cmocka_unit_test(the_same_item_twice_is_refused),
        cmocka_unit_test(a_category_beyond_the_names_is_refused),
        cmocka_unit_test(an_item_of_several_categories_has_the_number_of_their_list),
        cmocka_unit_test(a_list_of_less_than_two_or_of_unknown_or_equal_categories_is_refused),
        cmocka_unit_test(a_large_table_finds_every_item),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

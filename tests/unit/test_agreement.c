/* test_agreement.c - mutual information of labels, and of interests with categories. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "model/eval/agreement.h"
#include "model/interest_ops.h"
#include "model/param_draw.h"
#include "tests/near.h"

enum { ITEMS = 12, CATEGORIES = 3, D = 4, CHANNELS = 3, USERS = 3 };

static void mutual_information_is_that_of_the_definition(void **state)
{
    (void)state;
    static const uint32_t same[] = {7, 7, 9, 9, 3}, renamed[] = {1, 1, 0, 0, 2};
    static const uint32_t halves[] = {0, 0, 1, 1}, across[] = {0, 1, 0, 1}, one[] = {5, 5, 5, 5};
    static const uint32_t a[] = {0, 0, 0, 1, 1, 1}, b[] = {0, 0, 1, 1, 1, 1};
    uint64_t room[6];
    assert_near(agreement_nmi(same, renamed, 5, room), 1, 1e-12);
    assert_near(agreement_nmi(halves, across, 4, room), 0, 1e-12);
    assert_near(agreement_nmi(halves, one, 4, room), 0, 0);
    assert_near(agreement_nmi(one, one, 4, room), 0, 0);
    /* H(a) = ln 2; H(b): 1/3, 2/3; both: 1/3, 1/6, 1/2. */
    const double ha = log(2), hb = log(3) / 3 + log(1.5) * 2 / 3;
    const double hab = log(3) / 3 + log(6) / 6 + log(2) / 2;
    assert_near(agreement_nmi(a, b, 6, room), 2 * (ha + hb - hab) / (ha + hb), 1e-12);
}

struct fixture {
    struct checkpoint checkpoint;
    struct interest_model *model;
    struct dataset *dataset;
    uint32_t category[1 + 1 + ITEMS];
};

static void add_behavior(struct fixture *fixture, uint64_t user, uint32_t item)
{
    struct error error;
    const uint32_t row = 2 + item;
    assert_int_equal(dataset_add(fixture->dataset, user, row,
                                 item_table_category_of(fixture->checkpoint.items, row), 1000, 0,
                                 &error),
                     STATUS_OK);
}

/* sine's layer the identity, its norms plain, its first prototypes the channels. */
static void set_prototypes(struct fixture *fixture)
{
    const struct param_set *params = fixture->checkpoint.params;
    real *assign = param_set_get(params, "assign.weight")->data;
    real *prototypes = param_set_get(params, "prototype.embedding")->data;
    for (uint32_t c = 0; c < D; c++) {
        assign[c * D + c] = 1;
        param_set_get(params, "item_norm.weight")->data[c] = 1;
        param_set_get(params, "prototype_norm.weight")->data[c] = 1;
        if (c < CHANNELS) prototypes[c * D + c] = 1;
    }
}

/* Item i is the unit vector i mod 3, channel k the unit vector k, and item i of category 1 + i mod 3. */
static void fixture_open(struct fixture *fixture, const char *name, struct model_dims dims)
{
    struct error error;
    struct item_entry items[ITEMS];
    char ids[ITEMS][4];
    const struct bytes categories[] = {bytes_of("a"), bytes_of("b"), bytes_of("c")};
    for (uint32_t i = 0; i < ITEMS; i++) {
        snprintf(ids[i], sizeof ids[i], "%u", i);
        items[i] = (struct item_entry){bytes_of(ids[i]), 1 + i % CATEGORIES};
    }
    *fixture = (struct fixture){.checkpoint = {.dims = dims, .generation = 1}};
    snprintf(fixture->checkpoint.model, sizeof fixture->checkpoint.model, "%s", name);
    assert_int_equal(item_table_open(&fixture->checkpoint.items, items, ITEMS, categories,
                                     CATEGORIES, 1, &error),
                     STATUS_OK);
    const uint32_t rows = item_table_rows(fixture->checkpoint.items);
    assert_int_equal(
        interest_params_open(&fixture->checkpoint.params, name, &dims, rows, CATEGORIES, &error),
        STATUS_OK);
    real *table = param_set_get(fixture->checkpoint.params, "item.embedding")->data;
    for (uint32_t i = 0; i < ITEMS; i++) {
        table[(size_t)(2 + i) * D + i % CATEGORIES] = 1;
        fixture->category[2 + i] = item_table_category_of(fixture->checkpoint.items, 2 + i);
        assert_int_not_equal(fixture->category[2 + i], 0);
    }
    if (strcmp(name, "sine") == 0) set_prototypes(fixture);
    if (strcmp(name, "octopus") == 0) {
        real *keys = param_set_get(fixture->checkpoint.params, "channel.key")->data;
        for (uint32_t k = 0; k < CHANNELS; k++) {
            keys[(size_t)k * D + k] = 1;
        }
    }
    assert_int_equal(interest_model_open(&fixture->model, &fixture->checkpoint, &error), STATUS_OK);
    assert_int_equal(dataset_open(&fixture->dataset, rows, 1, &error), STATUS_OK);
}

static void fixture_close(struct fixture *fixture)
{
    dataset_close(fixture->dataset);
    interest_model_close(fixture->model);
    param_set_close(fixture->checkpoint.params);
    item_table_close(fixture->checkpoint.items);
}

static void channels_that_are_the_categories_agree_with_them_in_full(void **state)
{
    (void)state;
    struct fixture fixture;
    struct agreement agreement;
    struct error error;
    fixture_open(&fixture, "octopus", (struct model_dims){.d = D, .interests = CHANNELS});
    for (uint32_t i = 0; i < 9; i++) {
        add_behavior(&fixture, 0, i);
        add_behavior(&fixture, 1, 3 * (i % 4)); /* of one category */
        add_behavior(&fixture, 2, i % 2);
    }
    assert_int_equal(dataset_seal(fixture.dataset, &error), STATUS_OK);
    const uint32_t known[USERS] = {9, 9, 9};
    assert_int_equal(agreement_measure(&agreement, fixture.model, fixture.dataset, known, USERS,
                                       fixture.category, &error),
                     STATUS_OK);
    assert_int_equal(agreement.items.count, ITEMS);
    assert_int_equal(agreement.groups, CHANNELS);
    assert_int_equal(agreement.groups_used, CHANNELS);
    assert_near(agreement.items.nmi, 1, 1e-6);
    assert_true(agreement.items.chance < 0.9);
    assert_int_equal(agreement.users.count, 2); /* one category says nothing */
    assert_near(agreement.users.nmi, 1, 1e-6);
    assert_true(agreement.users.chance < 0.9);
    fixture.category[2] = 0; /* an item without a category is left out */
    const uint32_t first[USERS] = {3, 0, 0};
    assert_int_equal(agreement_measure(&agreement, fixture.model, fixture.dataset, first, USERS,
                                       fixture.category, &error),
                     STATUS_OK);
    assert_int_equal(agreement.items.count, ITEMS - 1);
    assert_int_equal(agreement.users.count, 1);
    fixture_close(&fixture);
}

static void prototypes_that_are_the_categories_agree_with_them_in_full(void **state)
{
    (void)state;
    struct error error;
    for (int cosine = 0; cosine < 2; cosine++) {
        struct fixture fixture;
        struct agreement agreement;
        fixture_open(&fixture, "sine",
                     (struct model_dims){.d = D,
                                         .interests = 2,
                                         .window = 5,
                                         .prototypes = 4,
                                         .tau = 0.1f,
                                         .intent_cosine = cosine});
        add_behavior(&fixture, 0, 0);
        assert_int_equal(dataset_seal(fixture.dataset, &error), STATUS_OK);
        const uint32_t known[] = {1};
        assert_int_equal(agreement_measure(&agreement, fixture.model, fixture.dataset, known, 1,
                                           fixture.category, &error),
                         STATUS_OK);
        assert_int_equal(agreement.groups, 4);
        assert_int_equal(agreement.groups_used, CATEGORIES);
        assert_near(agreement.items.nmi, 1, 1e-6);
        assert_int_equal(agreement.users.count, 0);
        fixture_close(&fixture);
    }
}

static void each_place_of_several_categories_is_a_level(void **state)
{
    (void)state;
    struct item_table *table;
    struct error error;
    const struct bytes categories[] = {bytes_of("a"), bytes_of("b"), bytes_of("c")};
    const struct category_list lists[] = {{{3, 1}}};
    const struct item_entry items[] = {
        {bytes_of("two"), CATEGORIES + 1}, {bytes_of("one"), 2}, {bytes_of("none"), 0}};
    const uint32_t first[] = {0, 0, 3, 2, 0}, second[] = {0, 0, 1, 0, 0};
    uint32_t category[5];
    assert_int_equal(
        item_table_open_lists(&table, items, 3, categories, CATEGORIES, lists, 1, 1, &error),
        STATUS_OK);
    assert_true(agreement_level(table, 0, category));
    assert_memory_equal(category, first, sizeof first);
    assert_true(agreement_level(table, 1, category));
    assert_memory_equal(category, second, sizeof second);
    assert_false(agreement_level(table, 2, category));
    item_table_close(table);
}

/* K = 1: the one interest holds everything, and tells nothing. */
static void one_interest_agrees_with_nothing(void **state)
{
    (void)state;
    struct fixture fixture;
    struct agreement agreement;
    struct error error;
    fixture_open(&fixture, "single", (struct model_dims){.d = D, .interests = 1});
    for (uint32_t i = 0; i < 9; i++) {
        add_behavior(&fixture, 0, i);
    }
    assert_int_equal(dataset_seal(fixture.dataset, &error), STATUS_OK);
    const uint32_t known[] = {9};
    assert_int_equal(agreement_measure(&agreement, fixture.model, fixture.dataset, known, 1,
                                       fixture.category, &error),
                     STATUS_OK);
    assert_int_equal(agreement.items.count, 0);
    assert_int_equal(agreement.users.count, 1);
    assert_near(agreement.users.nmi, 0, 0);
    fixture_close(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mutual_information_is_that_of_the_definition),
        cmocka_unit_test(channels_that_are_the_categories_agree_with_them_in_full),
        cmocka_unit_test(prototypes_that_are_the_categories_agree_with_them_in_full),
        cmocka_unit_test(each_place_of_several_categories_is_a_level),
        cmocka_unit_test(one_interest_agrees_with_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

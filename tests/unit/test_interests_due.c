/*
 * test_interests_due.c - what a user does beyond the interests it has is told apart from more of the
 * same.
 *
 * A ledger's interests are clusters of item vectors, and here item vectors are unit vectors: an item
 * lies in one cluster or is at right angles to all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "model/eval/interest_detect.h"
#include "model/eval/interests_due.h"
#include "model/interest_ops.h"
#include "model/tensor/params.h"

enum { ITEMS = 3, OOV = 1, D = 8, KNOWN = 8, SPAN = 4 };

static struct checkpoint *ledger_of_unit_vectors(void)
{
    static const char *const ids[ITEMS] = {"a", "b", "c"};
    struct item_entry items[ITEMS];
    struct item_table *table;
    struct checkpoint *checkpoint;
    struct model_dims dims = interest_ops_find("ledger")->defaults;
    for (uint32_t i = 0; i < ITEMS; i++) {
        items[i] = (struct item_entry){bytes_of(ids[i]), 0};
    }
    dims.d = D;
    dims.use_category = false;
    assert_int_equal(item_table_open(&table, items, ITEMS, NULL, 0, OOV, NULL), STATUS_OK);
    assert_int_equal(checkpoint_init(&checkpoint, "ledger", &dims, table, 1, NULL), STATUS_OK);
    real *rows = param_set_get(checkpoint->params, "item.embedding")->data;
    for (uint32_t row = 1; row < 1 + OOV + ITEMS; row++) {
        for (uint32_t i = 0; i < D; i++) {
            rows[row * D + i] = i == row;
        }
    }
    return checkpoint;
}

/* A user who has done `before` by turns, and then does `item` again and again. */
static void add_user(struct dataset *dataset, uint64_t user, uint32_t item)
{
    static const uint32_t before[] = {1 + OOV, 2 + OOV};
    for (uint32_t i = 0; i < KNOWN + SPAN; i++) {
        const uint32_t row = i < KNOWN ? before[i % 2] : item;
        assert_int_equal(dataset_add(dataset, user, row, 0, (int64_t)i * 1000, 0, NULL), STATUS_OK);
    }
}

static struct interests_due measure(const uint32_t *items, uint32_t users, uint32_t known)
{
    struct checkpoint *checkpoint = ledger_of_unit_vectors();
    struct interest_model *model;
    struct interests_due due;
    struct dataset *dataset;
    uint32_t from[4];
    assert_int_equal(dataset_open(&dataset, item_table_rows(checkpoint->items), OOV, NULL),
                     STATUS_OK);
    for (uint32_t user = 0; user < users; user++) {
        add_user(dataset, 100 + user, items[user]);
        from[user] = known;
    }
    assert_int_equal(dataset_seal(dataset, NULL), STATUS_OK);
    assert_int_equal(interest_model_open(&model, checkpoint, NULL), STATUS_OK);
    assert_int_equal(interests_due_measure(model, checkpoint, dataset, from, &due, NULL),
                     STATUS_OK);
    interest_model_close(model);
    dataset_close(dataset);
    checkpoint_close(checkpoint);
    return due;
}

static void an_item_like_none_of_its_interests_is_what_a_new_one_is_due_for(void **state)
{
    (void)state;
    const struct interests_due same = measure((const uint32_t[]){1 + OOV}, 1, KNOWN);
    assert_int_equal(same.users, 1);
    assert_int_equal(same.due, 0);
    assert_true(same.divergence > INTEREST_DETECT_MIN);
    const struct interests_due other = measure((const uint32_t[]){3 + OOV}, 1, KNOWN);
    assert_int_equal(other.users, 1);
    assert_int_equal(other.due, 1);
    assert_true(other.divergence < INTEREST_DETECT_MIN);
    const struct interests_due both = measure((const uint32_t[]){1 + OOV, 3 + OOV}, 2, KNOWN);
    assert_int_equal(both.users, 2);
    assert_int_equal(both.due, 1);
}

static void who_has_no_interests_or_does_nothing_that_is_known_is_not_measured(void **state)
{
    (void)state;
    assert_int_equal(measure((const uint32_t[]){1 + OOV}, 1, 0).users, 0);
    assert_int_equal(measure((const uint32_t[]){1 + OOV}, 1, KNOWN + SPAN).users, 0);
    assert_int_equal(measure((const uint32_t[]){1}, 1, KNOWN).users, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_item_like_none_of_its_interests_is_what_a_new_one_is_due_for),
        cmocka_unit_test(who_has_no_interests_or_does_nothing_that_is_known_is_not_measured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

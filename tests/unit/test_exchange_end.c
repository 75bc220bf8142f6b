/* test_exchange_end.c - when a shared generation is complete, and when what is older goes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "model/model_dir.h"
#include "tests/unit/exchange_fixture.h"

static void a_generation_is_complete_when_every_partition_has_reached_it(void **state)
{
    (void)state;
    take_seat(&a);
    publish(&a, 1);
    fake_oldest_generation = 0;
    tend(&a);
    assert_null(shared_table_complete(a.exchange->table, INT64_MAX));
    fake_oldest_generation = 1;
    tend(&a);
    tend(&a);
    assert_int_equal(shared_table_complete(a.exchange->table, INT64_MAX)->number, 1);
    synced(&b);
    assert_int_equal(shared_table_complete(b.exchange->table, INT64_MAX)->number, 1);
    assert_int_equal(live(SHARED_ITEM_VECTORS, 1), ITEMS + 1);
}

static void old_item_vectors_go_after_the_completion_and_a_grace_period(void **state)
{
    (void)state;
    take_seat(&a);
    publish(&a, 1);
    publish(&a, 2);
    fake_oldest_generation = 1;
    tend(&a);
    tend(&a);
    assert_int_equal(live(SHARED_ITEM_VECTORS, 1), ITEMS + 1);
    a.config.output.items_grace_ms = 3600000;
    fake_oldest_generation = 2;
    tend(&a);
    tend(&a);
    assert_int_equal(live(SHARED_ITEM_VECTORS, 1), ITEMS + 1);
    a.config.output.items_grace_ms = 0;
    tend(&a);
    assert_int_equal(live(SHARED_ITEM_VECTORS, 1), 0);
    assert_int_equal(live(SHARED_ITEM_VECTORS, 2), ITEMS + 1);
}

static void vectors_of_a_job_whose_place_was_taken_go_as_well(void **state)
{
    (void)state;
    struct error error;
    const struct generation_log_ops *ops = &fake_generation_log;
    const struct shared_record foreign = {{"\0\0\0\0\0\0\0\1item", 12}, {"v", 1}};
    expect_ok(model_dir_pass(a.dir, 1, &error), &error);
    take_seat(&a);
    expect_ok(ops->begin(a.exchange->log, &error), &error);
    expect_ok(ops->send(a.exchange->log, SHARED_ITEM_VECTORS, &foreign, &error), &error);
    expect_ok(ops->commit(a.exchange->log, &error), &error);
    a.config.output.items_grace_ms = 0;
    for (uint64_t number = 2; number <= 3; number++) {
        assert_int_equal(publish(&a, number), number);
        assert_int_equal(live(SHARED_ITEM_VECTORS, 1), 1);
        fake_oldest_generation = number;
        tend(&a);
        tend(&a);
    }
    assert_int_equal(live(SHARED_ITEM_VECTORS, 1), 0);
    assert_int_equal(live(SHARED_ITEM_VECTORS, 3), ITEMS + 1);
}

/* Or none would ever be complete of those that come faster than they are looked after. */
static void a_generation_is_complete_although_another_has_come_since(void **state)
{
    (void)state;
    take_seat(&a);
    a.config.output.items_grace_ms = 0;
    for (uint64_t number = 1; number <= 4; number++) {
        publish(&a, number);
        fake_oldest_generation = number - 1;
        tend(&a);
        tend(&a);
        const struct shared_generation *complete =
            shared_table_complete(a.exchange->table, INT64_MAX);
        assert_int_equal(complete ? complete->number : 0, number - 1);
    }
    assert_int_equal(live(SHARED_ITEM_VECTORS, 2), 0);
    assert_int_equal(live(SHARED_ITEM_VECTORS, 3), ITEMS + 1);
    assert_int_equal(live(SHARED_ITEM_VECTORS, 4), ITEMS + 1);
}

static void vectors_of_a_generation_that_never_came_go_as_well(void **state)
{
    (void)state;
    struct error error;
    take_seat(&a);
    make_generation(&a, 1);
    fake_fenced_after = ITEMS + 5;
    assert_int_equal(exchange_publish(a.exchange, 1, &error), STATUS_FENCED);
    take_seat(&a);
    assert_int_equal(publish(&a, 2), 2);
    fake_oldest_generation = 2;
    for (int i = 0; i < 3; i++) {
        tend(&a);
    }
    assert_int_equal(live(SHARED_ITEM_VECTORS, 1), 0);
    assert_int_equal(live(SHARED_MODELS, 1), 0);
}

static void as_many_generations_stay_as_are_to_be_kept(void **state)
{
    (void)state;
    take_seat(&a);
    for (uint64_t seed = 1; seed <= 5; seed++) {
        publish(&a, seed);
    }
    fake_oldest_generation = 5;
    for (int i = 0; i < 3; i++) {
        tend(&a);
    }
    for (uint64_t number = 1; number <= 5; number++) {
        assert_int_equal(live(SHARED_MODELS, number) > 0, number > 5 - KEEP);
        assert_int_equal(shared_table_find(a.exchange->table, number) != NULL, number > 5 - KEEP);
    }
    fake_generation_log_compact();
    assert_int_equal(synced(&b), 5);
    assert_false(has(&b, 3));
    assert_true(has(&b, 4));
    expect_same_file(5);
}

static void a_directory_keeps_no_more_than_the_group(void **state)
{
    (void)state;
    take_seat(&a);
    for (uint64_t number = 1; number <= 6; number++) {
        publish(&a, number);
        assert_int_equal(synced(&b), number);
        fake_oldest_generation = number;
        tend(&a);
        tend(&a);
    }
    assert_int_equal(publish(&a, 7), 7);
    assert_int_equal(synced(&b), 7);
    for (uint64_t number = 1; number <= 7; number++) {
        assert_int_equal(has(&b, number), number >= 5);
    }
}

static void none_goes_that_users_may_still_be_of(void **state)
{
    (void)state;
    take_seat(&a);
    for (uint64_t seed = 1; seed <= 5; seed++) {
        publish(&a, seed);
        fake_oldest_generation = seed == 2 ? 2 : fake_oldest_generation;
        tend(&a);
        tend(&a);
    }
    assert_int_equal(shared_table_complete(a.exchange->table, INT64_MAX)->number, 2);
    assert_int_equal(synced(&b), 5);
    assert_true(live(SHARED_MODELS, 2) > 0);
    for (uint64_t number = 2; number <= 5; number++) {
        assert_true(has(&b, number));
        assert_int_equal(live(SHARED_ITEM_VECTORS, number), ITEMS + 1);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, exchange_set_up, exchange_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_generation_is_complete_when_every_partition_has_reached_it),
        TEST(a_generation_is_complete_although_another_has_come_since),
        TEST(old_item_vectors_go_after_the_completion_and_a_grace_period),
        TEST(vectors_of_a_generation_that_never_came_go_as_well),
        TEST(vectors_of_a_job_whose_place_was_taken_go_as_well),
        TEST(as_many_generations_stay_as_are_to_be_kept),
        TEST(a_directory_keeps_no_more_than_the_group),
        TEST(none_goes_that_users_may_still_be_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

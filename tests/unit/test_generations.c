/* test_generations.c - which generation serves, and how long the others stay open. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "model/generations.h"
#include "model/interest_ops.h"

static struct checkpoint *checkpoint_of(uint64_t generation)
{
    struct item_table *items;
    struct checkpoint *checkpoint;
    assert_int_equal(item_table_open(&items, NULL, 0, NULL, 0, 1, NULL), STATUS_OK);
    assert_int_equal(checkpoint_init(&checkpoint, "single", &interest_ops_find("single")->defaults,
                                     items, 1, NULL),
                     STATUS_OK);
    checkpoint->generation = generation;
    return checkpoint;
}

static struct generations *generations_from(uint64_t generation)
{
    struct generations *generations;
    assert_int_equal(generations_open(&generations, checkpoint_of(generation), NULL), STATUS_OK);
    assert_int_equal(generations_number(generations), generation);
    return generations;
}

static void a_generation_stays_open_until_its_last_user_gives_it_back(void **state)
{
    (void)state;
    struct generations *generations = generations_from(3);
    struct generation *first = generations_take(generations);
    struct generation *again = generations_take(generations);
    assert_ptr_equal(first, again);
    assert_int_equal(generations_add(generations, checkpoint_of(5), NULL), STATUS_OK);
    assert_int_equal(generations_number(generations), 5);
    struct generation *second = generations_take(generations);
    assert_int_equal(second->number, 5);
    generations_release(generations, first);
    assert_int_equal(interest_model_generation(again->model), 3);
    generations_release(generations, again);
    assert_int_equal(interest_model_generation(second->model), 5);
    generations_release(generations, second);
    generations_close(generations);
}

static void one_that_memory_has_no_room_for_is_refused_and_the_one_that_serves_goes_on(void **state)
{
    (void)state;
    struct generations *generations = generations_from(3);
    struct generation *serving = generations_take(generations);
    struct error error;
    const uint64_t size = generation_size(serving->checkpoint);
    generations_limit(generations, size - 1);
    assert_int_equal(generations_add(generations, checkpoint_of(4), &error), STATUS_INVALID);
    assert_non_null(strstr(error.text, "job.memory: generation 4 "));
    assert_int_equal(generations_number(generations), 3);
    generations_limit(generations, size);
    assert_int_equal(generations_add(generations, checkpoint_of(4), NULL), STATUS_OK);
    generations_release(generations, serving);
    generations_close(generations);
}

static void numbers_rise_or_the_one_that_serves_goes_on(void **state)
{
    (void)state;
    struct generations *generations = generations_from(3);
    struct error error;
    for (uint64_t number = 2; number <= 3; number++) {
        assert_int_equal(generations_add(generations, checkpoint_of(number), &error),
                         STATUS_REFUSED);
        assert_int_equal(generations_number(generations), 3);
    }
    generations_close(generations);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_generation_stays_open_until_its_last_user_gives_it_back),
        cmocka_unit_test(
            one_that_memory_has_no_room_for_is_refused_and_the_one_that_serves_goes_on),
        cmocka_unit_test(numbers_rise_or_the_one_that_serves_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

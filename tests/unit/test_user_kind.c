/* test_user_kind.c - newcomers, regulars and returners, event by event. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "stream/learn/user_kind.h"

enum { COUNT = 8, DAY_S = 86400 };

static const struct user_kind_options options = {.events = 2, .return_gap_s = 30 * DAY_S};

/* One user whose first behavior here has ordinal `first`, with those days between its events. */
static void expect_kinds(uint64_t first, const int64_t *days, const enum user_kind *kinds)
{
    struct dataset *dataset;
    int64_t day = 0;
    assert_int_equal(dataset_open(&dataset, 4, 0, NULL), STATUS_OK);
    assert_int_equal(dataset_begin_life(dataset, 7, first, false, NULL), STATUS_OK);
    for (int i = 0; i < COUNT; i++) {
        day += days[i];
        assert_int_equal(dataset_add(dataset, 7, 1, 0, day * DAY_S * 1000, 0, NULL), STATUS_OK);
    }
    assert_int_equal(dataset_seal(dataset, NULL), STATUS_OK);
    const struct dataset_sequence sequence = dataset_sequence(dataset, 0);
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_int_equal(user_kind_of(&sequence, i, &options), kinds[i]);
    }
    dataset_close(dataset);
}

static void the_first_events_are_a_newcomers_and_those_after_a_pause_a_returners(void **state)
{
    (void)state;
    expect_kinds(0, (const int64_t[COUNT]){0, 1, 30, 31, 1, 1, 400, 0},
                 (const enum user_kind[COUNT]){USER_NEWCOMER, USER_NEWCOMER, USER_REGULAR,
                                               USER_RETURNER, USER_RETURNER, USER_REGULAR,
                                               USER_RETURNER, USER_RETURNER});
}

static void a_newcomer_that_pauses_is_a_newcomer(void **state)
{
    (void)state;
    expect_kinds(0, (const int64_t[COUNT]){0, 100, 0, 0, 0, 0, 0, 0},
                 (const enum user_kind[COUNT]){USER_NEWCOMER, USER_NEWCOMER, USER_RETURNER,
                                               USER_REGULAR, USER_REGULAR, USER_REGULAR,
                                               USER_REGULAR, USER_REGULAR});
}

static void whose_beginning_was_forgotten_is_no_newcomer(void **state)
{
    (void)state;
    expect_kinds(500, (const int64_t[COUNT]){0, 0, 0, 0, 0, 0, 0, 31},
                 (const enum user_kind[COUNT]){USER_REGULAR, USER_REGULAR, USER_REGULAR,
                                               USER_REGULAR, USER_REGULAR, USER_REGULAR,
                                               USER_REGULAR, USER_RETURNER});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_events_are_a_newcomers_and_those_after_a_pause_a_returners),
        cmocka_unit_test(a_newcomer_that_pauses_is_a_newcomer),
        cmocka_unit_test(whose_beginning_was_forgotten_is_no_newcomer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_log_repeats.c - a message that comes too often is counted, and the count is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "base/log_repeats.h"

static struct log_repeats repeats;

static int begin(void **state)
{
    (void)state;
    repeats = (struct log_repeats){0};
    return 0;
}

static unsigned admitted(const char *message, unsigned times, int64_t now_ms)
{
    unsigned count = 0;
    for (unsigned i = 0; i < times; i++) {
        count += log_repeats_admit(&repeats, message, now_ms);
    }
    return count;
}

static void a_message_comes_so_often_in_a_window_and_no_more(void **state)
{
    (void)state;
    uint64_t left_out;
    assert_int_equal(admitted("kafka error", LOG_REPEATS_MAX + 7, 1000), LOG_REPEATS_MAX);
    assert_int_equal(admitted("another", 3, 1000), 3);
    assert_null(log_repeats_over(&repeats, 999 + LOG_WINDOW_MS, &left_out));
    assert_string_equal(log_repeats_over(&repeats, 1000 + LOG_WINDOW_MS, &left_out), "kafka error");
    assert_int_equal(left_out, 7);
    assert_null(log_repeats_over(&repeats, 1000 + LOG_WINDOW_MS, &left_out));
}

static void the_next_window_begins_anew(void **state)
{
    (void)state;
    uint64_t left_out;
    assert_int_equal(admitted("x", LOG_REPEATS_MAX, 5), LOG_REPEATS_MAX);
    assert_int_equal(admitted("x", LOG_REPEATS_MAX + 1, 5 + LOG_WINDOW_MS), LOG_REPEATS_MAX);
    assert_null(log_repeats_over(&repeats, 6 + LOG_WINDOW_MS, &left_out));
    assert_string_equal(log_repeats_over(&repeats, INT64_MAX, &left_out), "x");
    assert_int_equal(left_out, 1);
}

static void what_was_left_out_is_told_before_it_is_forgotten(void **state)
{
    (void)state;
    uint64_t left_out;
    admitted("x", LOG_REPEATS_MAX + 2, 0);
    assert_int_equal(admitted("x", 1, LOG_WINDOW_MS), 0);
    assert_string_equal(log_repeats_over(&repeats, LOG_WINDOW_MS, &left_out), "x");
    assert_int_equal(left_out, 3);
    assert_int_equal(admitted("x", 1, LOG_WINDOW_MS), 1);
}

static void more_messages_than_are_watched_are_not_limited_nor_forgotten(void **state)
{
    (void)state;
    static char names[LOG_MESSAGES_MAX + 50][16];
    uint64_t left_out;
    for (unsigned i = 0; i < LOG_MESSAGES_MAX + 50; i++) {
        snprintf(names[i], sizeof names[i], "message %u", i);
        unsigned most = i < LOG_MESSAGES_MAX ? LOG_REPEATS_MAX : LOG_REPEATS_MAX + 1;
        assert_int_equal(admitted(names[i], LOG_REPEATS_MAX + 1, 0), most);
    }
    unsigned told = 0;
    while (log_repeats_over(&repeats, LOG_WINDOW_MS, &left_out)) {
        told++;
    }
    assert_int_equal(told, LOG_MESSAGES_MAX);
    assert_int_equal(admitted("a new one", LOG_REPEATS_MAX + 1, LOG_WINDOW_MS), LOG_REPEATS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_message_comes_so_often_in_a_window_and_no_more, begin),
        cmocka_unit_test_setup(the_next_window_begins_anew, begin),
        cmocka_unit_test_setup(what_was_left_out_is_told_before_it_is_forgotten, begin),
        cmocka_unit_test_setup(more_messages_than_are_watched_are_not_limited_nor_forgotten, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

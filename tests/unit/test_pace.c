/* test_pace.c - a rate is a bound, whoever takes the events in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>

#include "base/clock.h"
#include "stream/job/pace.h"

static void polls_are_a_tenth_of_a_second_of_all_workers(void **state)
{
    (void)state;
    assert_int_equal(pace_poll_events(0, 2, 10000), 10000);
    assert_int_equal(pace_poll_events(1000000, 2, 10000), 10000);
    assert_int_equal(pace_poll_events(1000, 2, 10000), 50);
    assert_int_equal(pace_poll_events(3, 2, 10000), 1);
}

static void *take_some(void *context)
{
    for (int poll = 0; poll < 10; poll++) {
        pace_wait(context, 10);
    }
    return NULL;
}

static void several_threads_share_a_rate(void **state)
{
    (void)state;
    struct pace pace = {.rate = 1000};
    pthread_t threads[3];
    const int64_t begun_ns = clock_monotonic_ns();
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, take_some, &pace), 0);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
    }
    /* 300 events at 1,000 a second, less the millisecond that a wait may be cut by */
    assert_true(clock_monotonic_ns() - begun_ns >= 298 * INT64_C(1000000));
}

static void without_a_rate_nobody_waits(void **state)
{
    (void)state;
    struct pace pace = {.rate = 0};
    pace_wait(&pace, UINT32_MAX);
    assert_int_equal(pace.paid, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(polls_are_a_tenth_of_a_second_of_all_workers),
        cmocka_unit_test(several_threads_share_a_rate),
        cmocka_unit_test(without_a_rate_nobody_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

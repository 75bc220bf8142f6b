/* test_history_intake.c - bots and deliveries in double, by a user's history alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "state/history.h"

static enum history_intake offer(struct history *history, const struct history_rules *rules,
                                 struct history_behavior behavior)
{
    const enum history_intake intake = history_admit(history, behavior, HISTORY_NO_TIME, rules);
    if (intake == HISTORY_TAKES) (void)history_append(history, behavior, 0, 128);
    return intake;
}

static void an_hour_takes_so_many_events_on_end_and_no_more(void **state)
{
    (void)state;
    const struct history_rules rules = {.hour_max = 3};
    const int64_t hour = 3600000;
    struct history history;
    history_init(&history, 1);
    for (uint64_t i = 0; i < 3; i++) {
        assert_int_equal(offer(&history, &rules, history_behavior_of(i, 5 * hour + 1, 0)),
                         HISTORY_TAKES);
    }
    assert_int_equal(offer(&history, &rules, history_behavior_of(9, 6 * hour - 1, 0)),
                     HISTORY_FLOODED);
    assert_int_equal(history_events(&history), 3);
    assert_int_equal(offer(&history, &rules, history_behavior_of(9, 6 * hour, 0)), HISTORY_TAKES);
    assert_int_equal(offer(&history, &rules, history_behavior_of(9, 5 * hour, 0)), HISTORY_TAKES);
    assert_int_equal(history.hour, 5);
    assert_int_equal(history.hour_events, 1);
}

static void an_event_is_a_duplicate_of_any_of_the_last_32(void **state)
{
    (void)state;
    const struct history_rules rules = {.distinct = true};
    struct history history, read, before;
    uint8_t record[HISTORY_RECORD_MAX];
    history_init(&history, 1);
    for (uint64_t n = 0; n < 40; n++) {
        if (history_full(&history)) before = history;
        assert_int_equal(offer(&history, &rules, history_behavior_of(n, 1000, 1)), HISTORY_TAKES);
    }
    assert_int_equal(offer(&history, &rules, history_behavior_of(39, 1000, 1)), HISTORY_DUPLICATE);
    assert_int_equal(offer(&history, &rules, history_behavior_of(8, 1000, 1)), HISTORY_DUPLICATE);
    assert_int_equal(offer(&history, &rules, history_behavior_of(39, 1001, 1)), HISTORY_TAKES);
    assert_int_equal(offer(&history, &rules, history_behavior_of(8, 1000, 1)), HISTORY_TAKES);
    assert_int_equal(offer(&history, &rules, history_behavior_of(39, 1000, 2)), HISTORY_TAKES);
    /* What was read from a store knows the chunk before once it is recalled. */
    const struct bytes bytes = {record, history_encode(&history, record)};
    assert_int_equal(history_decode(&read, bytes, NULL), STATUS_OK);
    history_recall(&read, &before);
    for (uint64_t n = 0; n < 40; n++) {
        const struct history_behavior behavior = history_behavior_of(n, 1000, 1);
        assert_int_equal(history_admit(&read, behavior, HISTORY_NO_TIME, &rules),
                         history_admit(&history, behavior, HISTORY_NO_TIME, &rules));
    }
    /* A life that begins knows nothing of the one before. */
    read.from = read.start = history_events(&read);
    assert_int_equal(
        history_admit(&read, history_behavior_of(39, 1000, 1), HISTORY_NO_TIME, &rules),
        HISTORY_TAKES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_hour_takes_so_many_events_on_end_and_no_more),
        cmocka_unit_test(an_event_is_a_duplicate_of_any_of_the_last_32),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_lives.c - where a user's life ends, against the definition over all of its times. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/checksum.h"
#include "state/history.h"
#include "stream/source/partition_clock.h"

enum { SEED = 7, HISTORY_MAX = 128 };

static uint64_t random_below(uint64_t *seed, uint64_t bound)
{
    *seed = splitmix64(*seed);
    return *seed % bound;
}

static enum history_intake add_at(struct history *history, const struct history_rules *rules,
                                  uint64_t item, int64_t time_ms, int64_t clock_ms)
{
    const struct history_behavior behavior = history_behavior_of(item, time_ms, 0);
    const enum history_intake intake = history_admit(history, behavior, clock_ms, rules);
    if (intake == HISTORY_TAKES) (void)history_append(history, behavior, 0, HISTORY_MAX);
    return intake;
}

static void add(struct history *history, const struct history_rules *rules, uint64_t item,
                int64_t time_ms)
{
    assert_int_equal(add_at(history, rules, item, time_ms, HISTORY_NO_TIME), HISTORY_TAKES);
}

static void a_pause_of_the_ttl_ends_no_life_and_one_a_millisecond_longer_does(void **state)
{
    (void)state;
    const struct history_rules rules = {.ttl_ms = 1000};
    struct history history;
    history_init(&history, 1);
    add(&history, &rules, 1, 50000);
    add(&history, &rules, 2, 51000);
    add(&history, &rules, 3, 40000); /* late: 51000 is the latest */
    add(&history, &rules, 4, 52000);
    history_set_feature(&history, 0, 7);
    assert_int_equal(history.start, 0);
    add(&history, &rules, 5, 53001);
    assert_int_equal(history_events(&history), 5);
    assert_int_equal(history.start, 4);
    assert_int_equal(history.from, 4);
    assert_int_equal(history_last_ms(&history), 53001);
    uint64_t known[HISTORY_FEATURES];
    history_profile_at(&history, 5, known);
    assert_int_equal(known[0], 0);
}

/* Of all the times from `start` on. */
static int64_t latest_of(const int64_t *times, uint64_t start, uint64_t end)
{
    int64_t latest = HISTORY_NO_TIME;
    for (uint64_t n = start; n < end; n++) {
        if (times[n] > latest) latest = times[n];
    }
    return latest;
}

static void lives_are_those_of_all_the_times_whatever_was_written_and_read_between(void **state)
{
    (void)state;
    enum { EVENTS = 3000 };
    static int64_t times[EVENTS];
    uint8_t record[HISTORY_RECORD_MAX];
    uint64_t seed = SEED;
    for (int user = 0; user < 20; user++) {
        const struct history_rules rules = {.ttl_ms = 1000};
        const uint64_t pauses = 2 + random_below(&seed, 600); /* one event in so many */
        uint64_t start = 0, lives = 1;
        int64_t now = 100000;
        struct history history;
        history_init(&history, 1);
        for (uint64_t n = 0; n < EVENTS; n++) {
            now += (int64_t)random_below(&seed, random_below(&seed, pauses) == 0 ? 3000 : 20);
            times[n] = now - (int64_t)random_below(&seed, random_below(&seed, 4) == 0 ? 5000 : 1);
            if (n > start && times[n] - latest_of(times, start, n) > 1000) start = n, lives++;
            add(&history, &rules, n, times[n]);
            assert_int_equal(history.start, start);
            assert_int_equal(history.from, history_from(start, n + 1, HISTORY_MAX));
            assert_int_equal(history_last_ms(&history), latest_of(times, start, n + 1));
            if (random_below(&seed, 3) > 0) continue;
            const struct bytes bytes = {record, history_encode(&history, record)};
            assert_int_equal(history_decode(&history, bytes, NULL), STATUS_OK);
        }
        assert_true(lives > 1);
    }
}

static void a_user_that_the_clock_has_passed_begins_another_life(void **state)
{
    (void)state;
    const struct history_rules rules = {.ttl_ms = 1000};
    struct history history;
    history_init(&history, 1);
    (void)add_at(&history, &rules, 1, 50000, 50000);
    assert_false(history_left(&history, 51000, 1000));
    assert_true(history_left(&history, 51001, 1000));
    (void)add_at(&history, &rules, 2, 50500, 51000);
    assert_int_equal(history.start, 0);
    assert_false(history_left(&history, 52000, 1000)); /* it was seen when the clock said 51000 */
    (void)add_at(&history, &rules, 3, 50900, 52001);
    assert_int_equal(history.start, 2);
}

static void events_that_come_late_together_are_of_one_life(void **state)
{
    (void)state;
    const struct history_rules rules = {.ttl_ms = 1000};
    struct history history;
    history_init(&history, 1);
    for (uint64_t n = 0; n < 100; n++) {
        (void)add_at(&history, &rules, n, 50000 + (int64_t)n, 90000);
    }
    assert_int_equal(history.start, 0);
    assert_false(history_left(&history, 91000, 1000));
    assert_true(history_left(&history, 91001, 1000));
}

static bool draw_one_in(uint64_t *seed, uint64_t count)
{
    return random_below(seed, count) == 0;
}

static void read_back(struct history *history)
{
    uint8_t record[HISTORY_RECORD_MAX], again[HISTORY_RECORD_MAX];
    const struct bytes bytes = {record, history_encode(history, record)};
    assert_int_equal(history_decode(history, bytes, NULL), STATUS_OK);
    assert_int_equal(history_encode(history, again), bytes.size);
    assert_memory_equal(again, record, bytes.size);
}

/* One of two is forgotten now and then after it has left, and the other never. */
static void when_a_user_is_forgotten_decides_nothing(void **state)
{
    (void)state;
    enum { STEPS = 40000 };
    uint8_t kept[HISTORY_RECORD_MAX], other[HISTORY_RECORD_MAX];
    uint64_t seed = SEED, forgotten = 0, refused = 0;
    const struct history_rules rules = {
        .ttl_ms = 1000000, .hour_max = 20, .distinct = true, .keeps_profile = false};
    int64_t clock_ms = 3600 * 1000;
    struct history one, two;
    history_init(&one, 1);
    history_init(&two, 1);
    for (int step = 0; step < STEPS; step++) {
        if (draw_one_in(&seed, 4)) {
            clock_ms += (int64_t)random_below(&seed, draw_one_in(&seed, 8) ? 1500000 : 40000);
            if (!history_left(&two, clock_ms, rules.ttl_ms)) continue;
            assert_true(history_left(&one, clock_ms, rules.ttl_ms));
            history_forget(&two, false);
            forgotten++;
            read_back(&two);
            continue;
        }
        const uint64_t item = random_below(&seed, 30);
        const int64_t time_ms = clock_ms - 20000 * (int64_t)random_below(&seed, 70);
        const enum history_intake intake = add_at(&one, &rules, item, time_ms, clock_ms);
        assert_int_equal(add_at(&two, &rules, item, time_ms, clock_ms), intake);
        refused += intake != HISTORY_TAKES;
        if (intake != HISTORY_TAKES) continue;
        if (draw_one_in(&seed, 9))
            history_set_feature(&one, 0, item), history_set_feature(&two, 0, item);
        const size_t size = history_encode(&one, kept);
        assert_int_equal(history_encode(&two, other), size);
        assert_memory_equal(other, kept, size);
    }
    assert_true(forgotten > 100 && refused > 100 && history_events(&one) > 3000);
}

static void of_who_was_forgotten_a_record_says_n_alone(void **state)
{
    (void)state;
    uint8_t record[HISTORY_RECORD_MAX];
    const struct history_rules rules = {.ttl_ms = 1000};
    struct history history;
    history_init(&history, 1);
    for (uint64_t n = 0; n < 50; n++) {
        add(&history, &rules, 7, 50000);
    }
    history_set_feature(&history, 0, 7);
    history_forget(&history, false);
    assert_true(history_is_forgotten(&history));
    assert_in_range(history_encode(&history, record), 1, 24);
    read_back(&history);
    assert_int_equal(history_events(&history), 50);
    assert_int_equal(history.event_ms, HISTORY_NO_TIME);
    assert_int_equal(history_last_ms(&history), HISTORY_NO_TIME);
    add(&history, &rules, 8, 50000);
    assert_int_equal(history.start, 50);
    assert_in_range(history_encode(&history, record), 1, 24 + HISTORY_BEHAVIOR_SIZE);
}

static void an_event_moves_the_clock_by_a_part_of_the_ttl_and_not_beyond_its_record(void **state)
{
    (void)state;
    struct config config = {.state.ttl_ms = 1600};
    struct event event = {.time_ms = 5000, .broker_ms = -1};
    assert_int_equal(partition_clock_with(HISTORY_NO_TIME, &event, &config), 5000);
    assert_int_equal(partition_clock_with(4950, &event, &config), 5000);
    assert_int_equal(partition_clock_with(6000, &event, &config), 6000);
    event.time_ms = (int64_t)1 << 47;
    assert_int_equal(partition_clock_with(5000, &event, &config), 5101);
    event.broker_ms = 5003;
    assert_int_equal(partition_clock_with(5000, &event, &config), 5003);
    event.verdict = EVENT_DROPPED;
    assert_int_equal(partition_clock_with(5000, &event, &config), 5000);
    event.erased = true; /* for others it is as if its user had not been */
    assert_int_equal(partition_clock_with(5000, &event, &config), 5003);
    config.state.ttl_ms = 0;
    assert_int_equal(partition_clock_with(HISTORY_NO_TIME, &event, &config), HISTORY_NO_TIME);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pause_of_the_ttl_ends_no_life_and_one_a_millisecond_longer_does),
        cmocka_unit_test(lives_are_those_of_all_the_times_whatever_was_written_and_read_between),
        cmocka_unit_test(a_user_that_the_clock_has_passed_begins_another_life),
        cmocka_unit_test(events_that_come_late_together_are_of_one_life),
        cmocka_unit_test(when_a_user_is_forgotten_decides_nothing),
        cmocka_unit_test(of_who_was_forgotten_a_record_says_n_alone),
        cmocka_unit_test(an_event_moves_the_clock_by_a_part_of_the_ttl_and_not_beyond_its_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

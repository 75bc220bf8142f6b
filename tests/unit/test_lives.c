/* test_lives.c - where a user's life ends, against the definition over all of its times. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/checksum.h"
#include "state/history.h"

enum { SEED = 7, HISTORY_MAX = 128 };

static uint64_t random_below(uint64_t *seed, uint64_t bound)
{
    *seed = splitmix64(*seed);
    return *seed % bound;
}

static void add(struct history *history, const struct history_rules *rules, uint64_t item,
                int64_t time_ms)
{
    const struct history_behavior behavior = history_behavior_of(item, time_ms, 0);
    assert_int_equal(history_admit(history, behavior, rules), HISTORY_TAKES);
    (void)history_append(history, behavior, 0, HISTORY_MAX);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pause_of_the_ttl_ends_no_life_and_one_a_millisecond_longer_does),
        cmocka_unit_test(lives_are_those_of_all_the_times_whatever_was_written_and_read_between),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

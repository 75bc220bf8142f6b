/* test_dataset.c - a log becomes sequences: order, clock, replay. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "base/checksum.h"
#include "base/random.h"
#include "model/dataset.h"

static struct dataset *open_dataset(void)
{
    struct dataset *dataset;
    struct error error;
    assert_int_equal(dataset_open(&dataset, 100, 3, &error), STATUS_OK);
    return dataset;
}

static void add(struct dataset *dataset, uint64_t user, uint32_t item, int64_t time_ms)
{
    struct error error;
    assert_int_equal(dataset_add(dataset, user, item, item % 5, time_ms, (uint8_t)item, &error),
                     STATUS_OK);
}

static void seal(struct dataset *dataset)
{
    struct error error;
    assert_int_equal(dataset_seal(dataset, &error), STATUS_OK);
}

static void sequences_keep_the_order_of_the_log(void **state)
{
    (void)state;
    struct dataset *dataset = open_dataset();
    add(dataset, 70, 10, 1000);
    add(dataset, 80, 20, 1000);
    add(dataset, 70, 11, 3500);
    seal(dataset);
    assert_int_equal(dataset_users(dataset), 2);
    assert_int_equal(dataset_behaviors(dataset), 3);
    assert_int_equal(dataset_longest(dataset), 2);
    assert_int_equal(dataset_first_item(dataset), 4);
    assert_int_equal(dataset_user_hash(dataset, 1), 80);
    struct dataset_sequence sequence = dataset_sequence(dataset, 0);
    assert_int_equal(sequence.count, 2);
    assert_int_equal(sequence.at[0].item, 10);
    assert_int_equal(sequence.at[1].item, 11);
    assert_int_equal(sequence.at[1].category, 1);
    assert_int_equal(sequence.at[1].ordinal, 1);
    assert_int_equal(sequence.action[1], 11);
    assert_int_equal(sequence.time_ms[1], 3500);
    dataset_close(dataset);
}

/* The example of models.md section 2: times 100, 50, 101 s. */
static void late_event_has_gap_zero_and_does_not_turn_the_clock_back(void **state)
{
    (void)state;
    struct dataset *dataset = open_dataset();
    add(dataset, 1, 10, 100000);
    add(dataset, 1, 10, 50000);
    add(dataset, 1, 10, 101000);
    seal(dataset);
    const struct behavior *at = dataset_sequence(dataset, 0).at;
    assert_int_equal(at[0].gap_s, -1);
    assert_int_equal(at[1].gap_s, 0);
    assert_int_equal(at[2].gap_s, 1);
    dataset_close(dataset);
}

static void replay_is_in_time_order_and_keeps_each_users_own(void **state)
{
    (void)state;
    struct dataset *dataset = open_dataset();
    add(dataset, 1, 10, 5000);
    add(dataset, 2, 20, 1000);
    add(dataset, 1, 11, 2000); /* late: as of 5000 */
    add(dataset, 2, 21, 5000);
    seal(dataset);
    struct dataset_point *points;
    struct error error;
    assert_int_equal(dataset_replay(dataset, &points, &error), STATUS_OK);
    const struct dataset_point want[] = {{1, 0}, {0, 0}, {0, 1}, {1, 1}};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(points[i].user, want[i].user);
        assert_int_equal(points[i].position, want[i].position);
    }
    free(points);
    dataset_close(dataset);
}

/* Enough users and behaviors that every table grows, held against a count kept beside. */
static void many_users_are_told_apart(void **state)
{
    (void)state;
    enum { USERS = 5000, EVENTS = 40000 };
    struct dataset *dataset = open_dataset();
    struct random random = random_seeded(3);
    uint32_t *count = calloc(USERS, sizeof *count);
    for (int i = 0; i < EVENTS; i++) {
        uint32_t user = (uint32_t)random_below(&random, USERS);
        add(dataset, user, 4 + user % 90, i);
        count[user]++;
    }
    seal(dataset);
    for (uint32_t u = 0; u < dataset_users(dataset); u++) {
        uint64_t user = dataset_user_hash(dataset, u);
        struct dataset_sequence sequence = dataset_sequence(dataset, u);
        assert_int_equal(sequence.count, count[user]);
        for (uint32_t i = 0; i < sequence.count; i++) {
            assert_int_equal(sequence.at[i].item, 4 + user % 90);
            if (i) assert_true(sequence.time_ms[i] > sequence.time_ms[i - 1]);
        }
        count[user] = 0;
    }
    for (uint32_t user = 0; user < USERS; user++) {
        assert_int_equal(count[user], 0);
    }
    free(count);
    dataset_close(dataset);
}

static void know(struct dataset *dataset, uint64_t user, uint64_t first, uint64_t second,
                 bool whole)
{
    const struct user_profile profile = {{first, second}};
    assert_int_equal(dataset_know(dataset, user, &profile, whole, NULL), STATUS_OK);
}

static void what_is_known_of_a_user_holds_from_its_next_behavior_on(void **state)
{
    (void)state;
    struct dataset *dataset = open_dataset();
    add(dataset, 1, 10, 1000);
    know(dataset, 1, 5, 0, false);
    add(dataset, 2, 20, 1000);
    add(dataset, 1, 11, 2000);
    know(dataset, 1, 0, 6, false); /* the first feature stays */
    know(dataset, 2, 7, 7, false);
    add(dataset, 1, 12, 3000);
    add(dataset, 2, 21, 3000);
    know(dataset, 1, 0, 8, true); /* and is gone now */
    add(dataset, 1, 13, 4000);
    seal(dataset);
    static const struct {
        uint32_t user, known;
        uint64_t first, second;
    } expected[] = {{0, 0, 0, 0}, {0, 1, 0, 0}, {0, 2, 5, 0}, {0, 3, 5, 6},
                    {0, 4, 0, 8}, {1, 1, 0, 0}, {1, 2, 7, 7}};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        const struct dataset_sequence sequence = dataset_sequence(dataset, expected[i].user);
        const struct user_profile known = dataset_known_of(&sequence, expected[i].known, dataset);
        assert_true(known.hash[0] == expected[i].first && known.hash[1] == expected[i].second);
    }
    dataset_close(dataset);
}

/* Every table grows while somebody is known already. */
static void many_users_are_known(void **state)
{
    (void)state;
    struct dataset *dataset = open_dataset();
    for (uint32_t i = 0; i < 20000; i++) {
        const uint64_t user = splitmix64(i % 6000);
        if (i % 3) know(dataset, user, i + 1, 0, false);
        add(dataset, user, 10, i);
    }
    seal(dataset);
    for (uint32_t u = 0; u < dataset_users(dataset); u++) {
        const struct dataset_sequence sequence = dataset_sequence(dataset, u);
        uint64_t last = 0;
        for (uint32_t i = 0; i < sequence.count; i++) {
            const uint64_t number = (uint64_t)sequence.time_ms[i];
            if (number % 3) last = number + 1;
            assert_true(dataset_known_of(&sequence, i + 1, dataset).hash[0] == last);
        }
    }
    dataset_close(dataset);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sequences_keep_the_order_of_the_log),
        cmocka_unit_test(what_is_known_of_a_user_holds_from_its_next_behavior_on),
        cmocka_unit_test(many_users_are_known),
        cmocka_unit_test(late_event_has_gap_zero_and_does_not_turn_the_clock_back),
        cmocka_unit_test(replay_is_in_time_order_and_keeps_each_users_own),
        cmocka_unit_test(many_users_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * test_verify_profile.c - what the history log says was known of a user is what was in force.
 *
 * A history is written as a job does, and what is in force noted beside each of its behaviors; only its
 * chunks, as the log has them in the end, are then asked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/random.h"
#include "stream/verify/verify_profile.h"

enum { EVENTS = 640, CHUNKS = EVENTS / HISTORY_CHUNK_BEHAVIORS, RUNS = 200, FEW = 3 };

struct told {
    struct verify_user user;
    struct verify_chunk chunks[CHUNKS];
    struct user_profile after[EVENTS + 1]; /* in force when so many behaviors were appended */
    uint32_t changed[CHUNKS];              /* features that changed in a chunk */
};

static void keep_chunk(struct told *told, const struct history *history)
{
    const uint64_t number = history->first / HISTORY_CHUNK_BEHAVIORS;
    struct verify_chunk *chunk = &told->chunks[number];
    *chunk = (struct verify_chunk){.older = number ? chunk - 1 : NULL,
                                   .first = history->first,
                                   .count = history->count,
                                   .profile = history->profile};
    told->user.newest_chunk = chunk;
}

/* Before one of `rarity` behaviors, and now and then once more, the topic says something new. */
static void write_history(struct told *told, uint64_t seed, uint32_t rarity, uint32_t features)
{
    struct random random = random_seeded(seed);
    struct history history;
    struct user_profile now = {{0}}, before = now;
    memset(told, 0, sizeof *told);
    history_init(&history, 1);
    for (uint32_t i = 0; i < EVENTS; i++) {
        while (random_below(&random, rarity) == 0) {
            for (uint32_t f = 0; f < features; f++) {
                if (random_below(&random, 3) == 0) now.hash[f] = random_below(&random, 4);
            }
            history_set_profile(&history, now.hash);
        }
        for (uint32_t f = 0; f < features; f++) {
            told->changed[i / HISTORY_CHUNK_BEHAVIORS] += now.hash[f] != before.hash[f];
        }
        history_append(&history, history_behavior_of(i, i, 0), i, 4096);
        told->after[i + 1] = before = now;
        keep_chunk(told, &history);
    }
}

static void what_is_placed_was_in_force(void **state)
{
    (void)state;
    static struct told told;
    uint32_t likely = 0, wrong = 0;
    for (uint64_t run = 0; run < RUNS; run++) {
        const uint32_t features = 1 + (uint32_t)(run % HISTORY_FEATURES);
        write_history(&told, run, 2 + (uint32_t)(run % 40), features);
        for (uint32_t n = 1; n <= EVENTS; n++) {
            struct user_profile profile;
            const enum verify_placed placed = verify_profile_at(&told.user, n, features, &profile);
            const bool right = memcmp(&profile, &told.after[n], sizeof profile) == 0;
            assert_true(placed != VERIFY_UNPLACED);
            if (placed == VERIFY_PLACED && !right) fail_msg("run %d: n = %u", (int)run, n);
            if (told.changed[(n - 1) / HISTORY_CHUNK_BEHAVIORS] <= HISTORY_CHANGES) {
                assert_true(right);
            }
            likely += placed == VERIFY_LIKELY;
            wrong += !right;
        }
    }
    assert_true(likely > 0 && wrong > 0 && wrong <= likely);
}

static void few_changes_are_all_placed(void **state)
{
    (void)state;
    static struct told told;
    write_history(&told, 3, 300, FEW);
    for (uint32_t n = 1; n <= EVENTS; n++) {
        struct user_profile profile;
        assert_int_equal(verify_profile_at(&told.user, n, FEW, &profile), VERIFY_PLACED);
    }
}

static void a_chunk_that_the_log_lost_places_nothing(void **state)
{
    (void)state;
    static struct told told;
    struct user_profile profile;
    write_history(&told, 3, 300, FEW);
    told.chunks[1].count = 0;
    const uint32_t first = HISTORY_CHUNK_BEHAVIORS;
    assert_int_equal(verify_profile_at(&told.user, first, FEW, &profile), VERIFY_PLACED);
    assert_int_equal(verify_profile_at(&told.user, first + 1, FEW, &profile), VERIFY_UNPLACED);
    assert_int_equal(verify_profile_at(&told.user, 2 * first, FEW, &profile), VERIFY_UNPLACED);
    assert_int_equal(verify_profile_at(&told.user, EVENTS + 1, FEW, &profile), VERIFY_UNPLACED);
    told.user.newest_chunk = NULL;
    assert_int_equal(verify_profile_at(&told.user, 1, FEW, &profile), VERIFY_UNPLACED);
}

static void what_a_topic_says_counts_in_its_order(void **state)
{
    (void)state;
    struct verify_profile third = {.profile = {{1}}}, second = {&third, {{2}}};
    struct verify_profile first = {&second, {{1}}};
    const struct verify_user user = {.first_profile = &first};
    const struct user_profile one = {{1}}, two = {{2}}, three = {{3}}, none = {{0}};
    const struct verify_profile *at = NULL;
    assert_true(verify_profile_said(&user, &none, &at));
    assert_null(at);
    assert_true(verify_profile_said(&user, &one, &at));
    assert_ptr_equal(at, &first);
    assert_false(verify_profile_said(&user, &none, &at));
    assert_true(verify_profile_said(&user, &two, &at));
    assert_true(verify_profile_said(&user, &two, &at));
    assert_false(verify_profile_said(&user, &three, &at));
    assert_ptr_equal(at, &second);
    assert_true(verify_profile_said(&user, &one, &at));
    assert_ptr_equal(at, &third);
    assert_false(verify_profile_said(&user, &two, &at));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_placed_was_in_force),
        cmocka_unit_test(few_changes_are_all_placed),
        cmocka_unit_test(a_chunk_that_the_log_lost_places_nothing),
        cmocka_unit_test(what_a_topic_says_counts_in_its_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

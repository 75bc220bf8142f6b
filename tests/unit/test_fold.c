/* test_fold.c - a state is the same bytes however its behaviors are cut into runs and batches. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "base/random.h"
#include "model/checkpoint.h"
#include "stream/interests/fold.h"

enum { ITEMS = 40, USERS = 9, BEHAVIORS = 300, ROUNDS = 60 };

static struct checkpoint *checkpoint;
static struct interest_model *model;
static size_t state_size;
static struct history_behavior behaviors[USERS][BEHAVIORS];
static uint32_t lengths[USERS];
static void *expected[USERS]; /* folded one behavior at a time */
static struct fold_progress expected_progress[USERS];

static void open_model(uint32_t oov)
{
    static char names[ITEMS][8];
    struct item_entry items[ITEMS];
    for (int i = 0; i < ITEMS; i++) {
        snprintf(names[i], sizeof names[i], "i%d", i);
        items[i] = (struct item_entry){bytes_of(names[i]), 0};
    }
    struct item_table *table;
    assert_int_equal(item_table_open(&table, items, ITEMS, NULL, 0, oov, NULL), STATUS_OK);
    const struct model_dims dims = {.d = 16,
                                    .heads = 2,
                                    .blocks = 2,
                                    .ffn = 32,
                                    .interests = 2,
                                    .extract_heads = 2,
                                    .conditional = true,
                                    .use_gap = true,
                                    .gap_buckets = 32};
    assert_int_equal(checkpoint_init(&checkpoint, "limarec", &dims, table, 3, NULL), STATUS_OK);
    assert_int_equal(interest_model_open(&model, checkpoint, NULL), STATUS_OK);
    state_size = interest_model_state_size(model);
}

static void *new_state(void)
{
    size_t rounded = (state_size + 63) / 64 * 64;
    void *state = aligned_alloc(64, rounded);
    assert_non_null(state);
    interest_state_init(model, state);
    return state;
}

static int open_histories(void **state)
{
    (void)state;
    open_model(0);
    struct random random = random_seeded(5);
    struct fold *one;
    assert_int_equal(fold_open(&one, model, 1, 1, NULL), STATUS_OK);
    for (int u = 0; u < USERS; u++) {
        lengths[u] = u == 0 ? BEHAVIORS : (uint32_t)random_below(&random, BEHAVIORS);
        int64_t time_ms = 1000000;
        expected[u] = new_state();
        for (uint32_t i = 0; i < lengths[u]; i++) {
            char item[8];
            snprintf(item, sizeof item, "i%u", (unsigned)random_below(&random, ITEMS + 10));
            time_ms += (int64_t)random_below(&random, 100000) - 20000; /* now and then late */
            behaviors[u][i] = history_behavior_of(identity_of(item, strlen(item)), time_ms, 0);
            assert_true(fold_user(one, expected[u], &expected_progress[u]));
            assert_true(fold_behavior(one, i, behaviors[u][i]));
            fold_run(one);
        }
    }
    fold_close(one);
    return 0;
}

static int close_histories(void **state)
{
    (void)state;
    for (int u = 0; u < USERS; u++) {
        free(expected[u]);
    }
    interest_model_close(model);
    checkpoint_close(checkpoint);
    return 0;
}

/*
 * Folds everybody in batches of random users and lengths, in a fold with room for `room` behaviors.
 */
static void fold_randomly(uint64_t seed, uint32_t room)
{
    struct random random = random_seeded(seed);
    struct fold *fold;
    assert_int_equal(fold_open(&fold, model, USERS, room, NULL), STATUS_OK);
    void *states[USERS];
    struct fold_progress progress[USERS] = {{0}};
    uint32_t next[USERS] = {0};
    for (int u = 0; u < USERS; u++) {
        states[u] = new_state();
    }
    for (bool more = true; more;) {
        more = false;
        for (int u = 0; u < USERS; u++) {
            more = more || next[u] < lengths[u];
            if (next[u] == lengths[u] || random_below(&random, 3) == 0) continue;
            assert_true(fold_user(fold, states[u], &progress[u]));
            uint32_t end = next[u] + (uint32_t)random_below(&random, 40);
            while (next[u] < end && next[u] < lengths[u] &&
                   fold_behavior(fold, next[u], behaviors[u][next[u]])) {
                next[u]++;
            }
        }
        fold_run(fold);
    }
    for (int u = 0; u < USERS; u++) {
        if (memcmp(states[u], expected[u], state_size) != 0) {
            fail_msg("user %d differs: seed %llu, room %u", u, (unsigned long long)seed, room);
        }
        assert_int_equal(progress[u].absorbed, expected_progress[u].absorbed);
        assert_int_equal(progress[u].last_ms, expected_progress[u].last_ms);
        free(states[u]);
    }
    fold_close(fold);
}

static void any_cut_gives_the_bytes_of_one_behavior_at_a_time(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
        fold_randomly(seed, seed % 2 ? 64 : 4096);
    }
}

static void unknown_items_are_not_absorbed_without_oov_rows(void **state)
{
    (void)state;
    assert_true(expected_progress[0].absorbed < lengths[0]);
    assert_true(expected_progress[0].absorbed > 0);
}

static void forgetting_a_batch_changes_nothing(void **state)
{
    (void)state;
    struct fold *fold;
    assert_int_equal(fold_open(&fold, model, 1, 8, NULL), STATUS_OK);
    struct fold_progress progress = {0, HISTORY_NO_TIME};
    void *folded = new_state(), *untouched = new_state();
    assert_true(fold_user(fold, folded, &progress));
    assert_true(fold_behavior(fold, 0, behaviors[0][0]));
    fold_begin(fold);
    fold_run(fold);
    assert_int_equal(progress.absorbed, 0);
    assert_memory_equal(folded, untouched, state_size);
    free(folded);
    free(untouched);
    fold_close(fold);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_cut_gives_the_bytes_of_one_behavior_at_a_time),
        cmocka_unit_test(unknown_items_are_not_absorbed_without_oov_rows),
        cmocka_unit_test(forgetting_a_batch_changes_nothing),
    };
    return cmocka_run_group_tests(tests, open_histories, close_histories);
}

/*
 * test_gate.c - who predicts better is adopted, who does not is held, and nobody is asked about
 * what it has learned from.
 *
 * The log is a walk that can be learned: after item i comes i + 1. Users act by turns, so that the
 * clock runs through all of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/random.h"
#include "model/interest_ops.h"
#include "model/train/trainer.h"
#include "stream/learn/gate.h"
#include "tests/near.h"

enum { ITEMS = 60, OOV = 2, USERS = 60, LENGTH = 24, STEP_MS = 1000, EVENTS = USERS * LENGTH };

static const int64_t CUT_MS = (int64_t)EVENTS / 2 * STEP_MS;

static struct item_table *items_open(uint32_t count)
{
    static char names[ITEMS][8];
    struct item_entry entries[ITEMS];
    struct item_table *table;
    for (uint32_t i = 0; i < count; i++) {
        snprintf(names[i], sizeof names[i], "%u", i);
        entries[i] = (struct item_entry){bytes_of(names[i]), 0};
    }
    assert_int_equal(item_table_open(&table, entries, count, NULL, 0, OOV, NULL), STATUS_OK);
    return table;
}

/*
 * Behaviors of users, one after the other, each STEP_MS after the one before; the last one of each
 * user comes `late_ms` later than that.
 */
static struct dataset *log_open_late(const struct item_table *items, int64_t late_ms)
{
    struct dataset *dataset;
    struct random random = random_seeded(3);
    uint32_t at[USERS];
    for (uint32_t user = 0; user < USERS; user++) {
        at[user] = (uint32_t)random_below(&random, ITEMS);
    }
    assert_int_equal(dataset_open(&dataset, item_table_rows(items), item_table_oov(items), NULL),
                     STATUS_OK);
    for (uint32_t i = 0; i < EVENTS; i++) {
        const uint32_t user = i % USERS, item = at[user];
        const uint32_t row = item < item_table_items(items) ? 1 + OOV + item : 1;
        const int64_t late = i >= EVENTS - USERS ? late_ms : 0;
        const int64_t time_ms = (int64_t)(i + 1) * STEP_MS + late;
        assert_int_equal(dataset_add(dataset, 1000 + user, row, 0, time_ms, 0, NULL), STATUS_OK);
        at[user] = (item + 1) % ITEMS;
    }
    assert_int_equal(dataset_seal(dataset, NULL), STATUS_OK);
    return dataset;
}

static struct dataset *log_open(const struct item_table *items)
{
    return log_open_late(items, 0);
}

static struct checkpoint *generation_open(uint32_t items, uint64_t seed)
{
    struct model_dims dims = interest_ops_find("gdelta")->defaults;
    struct checkpoint *checkpoint;
    dims.d = 16;
    dims.heads = 2;
    dims.blocks = 1;
    dims.ffn = 32;
    dims.interests = 1;
    dims.extract_heads = 2;
    dims.use_category = false;
    assert_int_equal(checkpoint_init(&checkpoint, "gdelta", &dims, items_open(items), seed, NULL),
                     STATUS_OK);
    return checkpoint;
}

/* A generation that has learned the walk from what came up to the cut. */
static struct checkpoint *trained_open(const struct dataset *dataset)
{
    struct checkpoint *checkpoint = generation_open(ITEMS, 1);
    struct train_options options = train_options_defaults();
    struct trainer *trainer;
    uint32_t known[USERS];
    options.rate = 0.01;
    options.dropout = 0;
    options.sequences = 16;
    options.validation_users = 0;
    options.epochs = 12;
    for (uint32_t user = 0; user < USERS; user++) {
        known[user] = LENGTH / 2;
    }
    assert_int_equal(trainer_open(&trainer, checkpoint, dataset, known, &options, NULL), STATUS_OK);
    while (trainer_more(trainer)) {
        struct train_epoch epoch;
        assert_int_equal(trainer_epoch(trainer, NULL, &epoch, NULL), STATUS_OK);
    }
    assert_int_equal(trainer_finish(trainer, NULL), STATUS_OK);
    trainer_close(trainer);
    return checkpoint;
}

struct world {
    struct item_table *items;
    struct dataset *dataset;
    struct checkpoint *drawn, *trained;
};

static int open_world(void **state)
{
    static struct world world;
    world.items = items_open(ITEMS);
    world.dataset = log_open(world.items);
    world.drawn = generation_open(ITEMS, 1);
    world.trained = trained_open(world.dataset);
    *state = &world;
    return 0;
}

static int close_world(void **state)
{
    struct world *world = *state;
    checkpoint_close(world->trained);
    checkpoint_close(world->drawn);
    dataset_close(world->dataset);
    item_table_close(world->items);
    return 0;
}

static struct gate_result judge(const struct world *world, const struct checkpoint *current,
                                const struct checkpoint *candidate, uint32_t events_min)
{
    const struct gate_options options = {.events_min = events_min, .events_max = EVENTS};
    const struct gate_arm arms[] = {{current, world->dataset, NULL},
                                    {candidate, world->dataset, NULL}};
    struct gate_result result;
    assert_int_equal(gate_judge(&arms[0], &arms[1], CUT_MS, &options, &result, NULL), STATUS_OK);
    return result;
}

static void a_candidate_that_predicts_better_is_adopted(void **state)
{
    const struct world *world = *state;
    const struct gate_result result = judge(world, world->drawn, world->trained, 100);
    assert_int_equal(result.verdict, VERDICT_ADOPTED);
    assert_int_equal(result.candidate.events, EVENTS / 2);
    assert_int_equal(result.current.events, EVENTS / 2);
    assert_int_equal(result.transitions.events, EVENTS / 2);
    assert_true(result.candidate.ndcg > result.current.ndcg + 0.1);
    assert_true(result.bound > 0 && result.bound < result.difference);
    assert_true(result.transitions.hit_rate > 0.5);
}

static void a_candidate_that_predicts_worse_or_the_same_is_held(void **state)
{
    const struct world *world = *state;
    const struct gate_result worse = judge(world, world->trained, world->drawn, 100);
    assert_int_equal(worse.verdict, VERDICT_HELD);
    assert_true(worse.difference < 0);
    const struct gate_result same = judge(world, world->trained, world->trained, 100);
    assert_int_equal(same.verdict, VERDICT_HELD);
    assert_true(same.difference == 0 && same.bound == 0);
}

static void too_few_events_hold_the_candidate(void **state)
{
    const struct world *world = *state;
    const struct gate_result result = judge(world, world->drawn, world->trained, EVENTS);
    assert_int_equal(result.verdict, VERDICT_HELD);
}

static void without_a_generation_that_serves_there_is_no_baseline(void **state)
{
    const struct world *world = *state;
    const struct gate_result result = judge(world, NULL, world->drawn, 100);
    assert_int_equal(result.verdict, VERDICT_BASELINE_NOT_EVALUABLE);
    assert_int_equal(result.candidate.events, EVENTS / 2);
    assert_true(verdict_adopts(result.verdict));
}

static void a_smaller_dictionary_is_compared_on_the_same_events(void **state)
{
    const struct world *world = *state;
    struct checkpoint *older = generation_open(ITEMS / 2, 1);
    struct dataset *as_older = log_open(older->items);
    const struct gate_options options = {.events_min = 100, .events_max = EVENTS};
    const struct gate_arm current = {older, as_older, NULL};
    const struct gate_arm candidate = {world->trained, world->dataset, NULL};
    struct gate_result result;
    assert_int_equal(gate_judge(&current, &candidate, CUT_MS, &options, &result, NULL), STATUS_OK);
    assert_int_equal(result.verdict, VERDICT_ADOPTED);
    assert_int_equal(result.current.events, EVENTS / 2);
    dataset_close(as_older);
    checkpoint_close(older);
}

static void more_events_than_wanted_are_thinned_by_users(void **state)
{
    const struct world *world = *state;
    const struct gate_arm arm = {world->trained, world->dataset, NULL};
    struct gate_served all, some;
    struct gate_options options = {.events_max = EVENTS, .kinds = {1, INT64_MAX}};
    assert_int_equal(gate_measure(&arm, world->dataset, CUT_MS, &options, &all, NULL), STATUS_OK);
    options.events_max = EVENTS / 6;
    assert_int_equal(gate_measure(&arm, world->dataset, CUT_MS, &options, &some, NULL), STATUS_OK);
    assert_int_equal(all.current.events, EVENTS / 2);
    assert_int_equal(all.popularity.events, EVENTS / 2);
    assert_int_equal(all.transitions.events, EVENTS / 2);
    assert_true(all.transitions.hit_rate > all.popularity.hit_rate);
    assert_in_range(some.current.events, EVENTS / 12, EVENTS / 4);
    assert_int_equal(some.current.events % (LENGTH / 2), 0); /* whole users */
    assert_int_equal(gate_measure(&arm, world->dataset, INT64_MAX, &options, &all, NULL),
                     STATUS_NOT_FOUND);
}

static void figures_are_given_apart_for_kinds_of_users(void **state)
{
    const struct world *world = *state;
    const struct gate_options options = {
        .events_min = 100, .events_max = EVENTS, .kinds = {LENGTH / 2 + 2, INT64_MAX}};
    const struct gate_arm arms[] = {{world->drawn, world->dataset, NULL},
                                    {world->trained, world->dataset, NULL}};
    struct gate_result result;
    struct gate_served served;
    assert_int_equal(gate_judge(&arms[0], &arms[1], CUT_MS, &options, &result, NULL), STATUS_OK);
    assert_int_equal(gate_measure(&arms[1], world->dataset, CUT_MS, &options, &served, NULL),
                     STATUS_OK);
    const struct gate_figures *of = result.candidate_of.of;
    assert_int_equal(of[USER_NEWCOMER].events, 2 * USERS);
    assert_int_equal(of[USER_REGULAR].events, EVENTS / 2 - 2 * USERS);
    assert_int_equal(of[USER_RETURNER].events, 0);
    assert_true(of[USER_RETURNER].ndcg == 0);
    const double sum = of[USER_NEWCOMER].ndcg * of[USER_NEWCOMER].events +
                       of[USER_REGULAR].ndcg * of[USER_REGULAR].events;
    assert_near(sum / (EVENTS / 2), result.candidate.ndcg, 1e-9);
    assert_true(result.current_of.of[USER_REGULAR].hit_rate < of[USER_REGULAR].hit_rate);
    assert_memory_equal(&served.current_of, &result.candidate_of, sizeof served.current_of);
}

static void counting_knows_items_that_what_serves_does_not(void **state)
{
    const struct world *world = *state;
    struct checkpoint *older = generation_open(ITEMS / 2, 1);
    struct dataset *as_older = log_open(older->items);
    const struct gate_options options = {.events_max = EVENTS, .kinds = {1, INT64_MAX}};
    const struct gate_arm arm = {older, as_older, NULL};
    struct gate_served by_older, by_newer;
    assert_int_equal(gate_measure(&arm, as_older, CUT_MS, &options, &by_older, NULL), STATUS_OK);
    assert_int_equal(gate_measure(&arm, world->dataset, CUT_MS, &options, &by_newer, NULL),
                     STATUS_OK);
    assert_true(by_newer.transitions.hit_rate > 1.5 * by_older.transitions.hit_rate);
    assert_memory_equal(&by_newer.current, &by_older.current, sizeof by_older.current);
    dataset_close(as_older);
    checkpoint_close(older);
}

static void no_event_is_predicted_with_the_help_of_its_own_time(void **state)
{
    const struct world *world = *state;
    const int64_t cut_ms = (int64_t)(EVENTS - USERS) * STEP_MS;
    struct dataset *late = log_open_late(world->items, INT64_C(40) * 86400000);
    const struct gate_options options = {
        .events_min = 10, .events_max = EVENTS, .kinds = {1, INT64_MAX}};
    struct gate_result in_time, too_late;
    const struct gate_arm arms[] = {{world->drawn, world->dataset, NULL},
                                    {world->trained, world->dataset, NULL},
                                    {world->drawn, late, NULL},
                                    {world->trained, late, NULL}};
    assert_int_equal(gate_judge(&arms[0], &arms[1], cut_ms, &options, &in_time, NULL), STATUS_OK);
    assert_int_equal(gate_judge(&arms[2], &arms[3], cut_ms, &options, &too_late, NULL), STATUS_OK);
    assert_int_equal(in_time.candidate.events, USERS);
    assert_memory_equal(&in_time, &too_late, sizeof in_time);
    dataset_close(late);
}

static void new_interests_are_due_where_those_there_are_do_not_tell_items_apart(void **state)
{
    const struct world *world = *state;
    const struct gate_options options = {.events_max = EVENTS, .kinds = {1, INT64_MAX}};
    const struct gate_arm arm = {world->trained, world->dataset, NULL};
    struct gate_served served;
    assert_int_equal(gate_measure(&arm, world->dataset, CUT_MS, &options, &served, NULL),
                     STATUS_OK);
    /* One interest tells nothing apart. */
    assert_int_equal(served.due.users, USERS);
    assert_int_equal(served.due.due, USERS);
    assert_true(served.due.divergence == 0);
    assert_true(served.current.interests == 1);
}

static void the_cut_leaves_enough_events_and_never_goes_back(void **state)
{
    const struct world *world = *state;
    int64_t cut_ms;
    assert_int_equal(gate_cut(world->dataset, INT64_MIN, 100, &cut_ms, NULL), STATUS_OK);
    assert_int_equal(cut_ms, (int64_t)(EVENTS - 100) * STEP_MS);
    assert_int_equal(gate_learned(world->dataset, cut_ms), EVENTS - 100);
    const int64_t since_ms = (int64_t)(EVENTS - 50) * STEP_MS;
    assert_int_equal(gate_cut(world->dataset, since_ms, 100, &cut_ms, NULL), STATUS_OK);
    assert_int_equal(cut_ms, since_ms);
}

static void a_late_behavior_counts_where_its_user_was_already(void **state)
{
    struct dataset *dataset;
    static const int64_t times_ms[] = {10, 50, 20, 60}; /* the third came late */
    (void)state;
    assert_int_equal(dataset_open(&dataset, 5, 0, NULL), STATUS_OK);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(dataset_add(dataset, 1, 1 + i, 0, times_ms[i], 0, NULL), STATUS_OK);
    }
    assert_int_equal(dataset_seal(dataset, NULL), STATUS_OK);
    assert_int_equal(gate_learned(dataset, 30), 1);
    assert_int_equal(gate_learned(dataset, 50), 3);
    int64_t cut_ms;
    assert_int_equal(gate_cut(dataset, INT64_MIN, 2, &cut_ms, NULL), STATUS_OK);
    assert_int_equal(cut_ms, 10); /* the two at 50 stay together */
    dataset_close(dataset);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_candidate_that_predicts_better_is_adopted),
        cmocka_unit_test(a_candidate_that_predicts_worse_or_the_same_is_held),
        cmocka_unit_test(too_few_events_hold_the_candidate),
        cmocka_unit_test(without_a_generation_that_serves_there_is_no_baseline),
        cmocka_unit_test(a_smaller_dictionary_is_compared_on_the_same_events),
        cmocka_unit_test(more_events_than_wanted_are_thinned_by_users),
        cmocka_unit_test(figures_are_given_apart_for_kinds_of_users),
        cmocka_unit_test(counting_knows_items_that_what_serves_does_not),
        cmocka_unit_test(no_event_is_predicted_with_the_help_of_its_own_time),
        cmocka_unit_test(new_interests_are_due_where_those_there_are_do_not_tell_items_apart),
        cmocka_unit_test(the_cut_leaves_enough_events_and_never_goes_back),
        cmocka_unit_test(a_late_behavior_counts_where_its_user_was_already),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}

/* test_minibatch.c - which behaviors a minibatch absorbs and predicts, and what it draws. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "model/train/minibatch.h"

enum { OOV = 2, FIRST = 1 + OOV, ROWS = 40, USERS_MAX = 64 };

struct scene {
    struct dataset *dataset;
    struct minibatches *source;
    uint32_t known[USERS_MAX];
    struct arena arena;
};

/* Users of the given lengths, item FIRST + position of each; action 1 at every fourth position. */
static void scene_open(struct scene *scene, const uint32_t *lengths, uint32_t users)
{
    struct error error;
    assert_int_equal(dataset_open(&scene->dataset, ROWS, OOV, &error), STATUS_OK);
    for (uint32_t user = 0; user < users; user++) {
        for (uint32_t i = 0; i < lengths[user]; i++) {
            assert_int_equal(dataset_add(scene->dataset, user + 100, FIRST + i, 0,
                                         1000 * (int64_t)i, i % 4 == 3, &error),
                             STATUS_OK);
        }
        scene->known[user] = lengths[user];
    }
    assert_int_equal(dataset_seal(scene->dataset, &error), STATUS_OK);
    assert_int_equal(arena_open(&scene->arena, 1 << 20, &error), STATUS_OK);
    scene->source = NULL;
}

static void scene_cut(struct scene *scene, uint32_t steps_max, uint32_t cuts)
{
    struct minibatch_options options = {.steps_max = steps_max, .cuts = cuts, .seed = 7};
    struct error error;
    for (int i = 0; i < MINIBATCH_ACTIONS; i++) {
        options.action_weight[i] = i == 1 ? 3 : 1;
    }
    assert_int_equal(
        minibatches_open(&scene->source, scene->dataset, scene->known, &options, &error),
        STATUS_OK);
}

static void scene_close(struct scene *scene)
{
    arena_close(&scene->arena);
    minibatches_close(scene->source);
    dataset_close(scene->dataset);
}

static struct minibatch fill(struct scene *scene, uint32_t from, uint32_t to)
{
    struct minibatch minibatch;
    arena_release(&scene->arena, 0);
    minibatch_fill(&minibatch, scene->source, from, to, 1, &scene->arena);
    return minibatch;
}

static void every_step_is_to_find_the_next_item(void **state)
{
    (void)state;
    struct scene scene;
    scene_open(&scene, (const uint32_t[]){6}, 1);
    scene_cut(&scene, 10, 0);
    const struct minibatch minibatch = fill(&scene, 0, 1);
    assert_int_equal(minibatch.batch.offsets[1], 5);
    assert_int_equal(minibatch.points.count, 5);
    for (uint32_t i = 0; i < 5; i++) {
        assert_int_equal(minibatch.points.events[i], i);
        assert_int_equal(minibatch.batch.at[i].item, FIRST + i);
        assert_int_equal(minibatch.target[i], FIRST + i + 1);
        assert_true(minibatch.weight[i] == (i == 2 ? 3 : 1)); /* position 3 is the heavy action */
    }
    assert_true(minibatches_weight(scene.source, 0, 1) == 7);
    scene_close(&scene);
}

static void a_long_history_is_cut_from_its_end(void **state)
{
    (void)state;
    struct scene scene;
    uint32_t seen[ROWS] = {0};
    scene_open(&scene, (const uint32_t[]){12}, 1);
    scene_cut(&scene, 4, 0);
    assert_int_equal(minibatches_pieces(scene.source),
                     3); /* 3, 4 and 4 of the 11 that are absorbed */
    const struct minibatch minibatch = fill(&scene, 0, 3);
    assert_int_equal(minibatch.batch.offsets[3], 11);
    for (uint32_t piece = 0; piece < 3; piece++) {
        assert_true(minibatch.batch.offsets[piece + 1] - minibatch.batch.offsets[piece] <= 4);
    }
    for (uint32_t i = 0; i < minibatch.points.count; i++) {
        const struct behavior *last = &minibatch.batch.at[minibatch.points.events[i]];
        assert_int_equal(minibatch.target[i], last->item + 1);
        seen[minibatch.target[i]]++;
    }
    for (uint32_t i = 1; i < 12; i++) {
        assert_int_equal(seen[FIRST + i], 1);
        assert_int_equal(minibatches_targets(scene.source)[FIRST + i], 1);
    }
    scene_close(&scene);
}

static void what_is_held_out_is_neither_absorbed_nor_a_target(void **state)
{
    (void)state;
    struct scene scene;
    scene_open(&scene, (const uint32_t[]){9, 5, 7}, 3);
    memcpy(scene.known, (const uint32_t[]){4, 0, 1}, 3 * sizeof(uint32_t));
    scene_cut(&scene, 100, 0);
    assert_int_equal(minibatches_pieces(scene.source), 1);
    const struct minibatch minibatch = fill(&scene, 0, 1);
    assert_int_equal(minibatch.batch.offsets[1], 3);
    assert_int_equal(minibatch.target[2], FIRST + 3);
    assert_int_equal(minibatches_samples(scene.source), 3);
    scene_close(&scene);
}

static void what_was_learned_before_is_context_and_no_target(void **state)
{
    (void)state;
    struct scene scene;
    scene_open(&scene, (const uint32_t[]){12, 5, 3}, 3);
    struct minibatch_options options = {
        .steps_max = 4, .context = (const uint32_t[]){10, 5, 0}, .seed = 7};
    options.action_weight[0] = options.action_weight[1] = 1;
    assert_int_equal(minibatches_open(&scene.source, scene.dataset, scene.known, &options, NULL),
                     STATUS_OK);
    assert_int_equal(minibatches_pieces(scene.source), 2); /* the last of user 0, and user 2 */
    assert_int_equal(minibatches_samples(scene.source), 4);
    const struct minibatch minibatch = fill(&scene, 0, 2);
    assert_int_equal(minibatch.batch.offsets[2], 4 + 2);
    uint32_t found = 0;
    for (uint32_t i = 0; i < minibatch.points.count; i++) {
        const struct behavior *last = &minibatch.batch.at[minibatch.points.events[i]];
        assert_int_equal(minibatch.target[i], last->item + 1);
        found |= 1U << (minibatch.target[i] - FIRST);
    }
    assert_int_equal(minibatch.points.count, 4);
    assert_int_equal(found, 1U << 10 | 1U << 11 | 1U << 1 | 1U << 2);
    assert_int_equal(minibatches_targets(scene.source)[FIRST + 9], 0);
    scene_close(&scene);
}

static void context_is_absorbed_up_to_a_limit(void **state)
{
    (void)state;
    struct scene scene;
    scene_open(&scene, (const uint32_t[]){20, 6}, 2);
    struct minibatch_options options = {
        .steps_max = 16, .context = (const uint32_t[]){18, 6}, .context_max = 3, .seed = 7};
    options.action_weight[0] = options.action_weight[1] = 1;
    assert_int_equal(minibatches_open(&scene.source, scene.dataset, scene.known, &options, NULL),
                     STATUS_OK);
    assert_int_equal(minibatches_pieces(scene.source), 1);
    const struct minibatch minibatch = fill(&scene, 0, 1);
    assert_int_equal(minibatch.batch.at[0].item, FIRST + 15); /* 15, 16, 17 before what is new */
    assert_int_equal(minibatch.batch.offsets[1], 4);
    assert_int_equal(minibatch.points.count, 2);
    assert_int_equal(minibatch.target[0], FIRST + 18);
    assert_int_equal(minibatch.target[1], FIRST + 19);
    scene_close(&scene);
}

static void shared_rows_and_actions_of_no_weight_are_no_targets(void **state)
{
    (void)state;
    struct scene scene;
    struct error error;
    struct minibatch_options options = {.steps_max = 10};
    options.action_weight[1] = 1;
    assert_int_equal(dataset_open(&scene.dataset, ROWS, OOV, &error), STATUS_OK);
    const uint32_t items[] = {9, 8, 2, 7, 6}, actions[] = {1, 0, 1, 1, 0}; /* row 2 is shared */
    for (int i = 0; i < 5; i++) {
        assert_int_equal(dataset_add(scene.dataset, 1, items[i], 0, i, (uint8_t)actions[i], &error),
                         STATUS_OK);
    }
    assert_int_equal(dataset_seal(scene.dataset, &error), STATUS_OK);
    assert_int_equal(arena_open(&scene.arena, 1 << 16, &error), STATUS_OK);
    const uint32_t known = 5;
    assert_int_equal(minibatches_open(&scene.source, scene.dataset, &known, &options, &error),
                     STATUS_OK);
    const struct minibatch minibatch = fill(&scene, 0, 1);
    assert_int_equal(minibatch.points.count, 1);
    assert_int_equal(minibatch.points.events[0], 2);
    assert_int_equal(minibatch.target[0], 7);
    assert_int_equal(minibatch.batch.offsets[1], 4);
    scene_close(&scene);
}

static void cuts_are_drawn_anew_in_each_epoch_and_alike_in_the_same(void **state)
{
    (void)state;
    struct scene scene;
    uint32_t first[3], seen[ROWS] = {0}, differ = 0;
    scene_open(&scene, (const uint32_t[]){31}, 1);
    scene_cut(&scene, 100, 3);
    assert_int_equal(minibatches_samples(scene.source), 3);
    for (uint64_t epoch = 0; epoch < 400; epoch++) {
        minibatches_shuffle(scene.source, epoch);
        const struct minibatch minibatch = fill(&scene, 0, 1);
        assert_int_equal(minibatch.points.count, 3);
        if (epoch == 0) memcpy(first, minibatch.target, sizeof first);
        differ += memcmp(first, minibatch.target, sizeof first) != 0;
        for (int i = 0; i < 3; i++) {
            seen[minibatch.target[i]]++;
        }
    }
    minibatches_shuffle(scene.source, 0);
    assert_memory_equal(first, fill(&scene, 0, 1).target, sizeof first);
    assert_true(differ > 390);
    for (uint32_t i = 1; i < 31; i++) {
        assert_in_range(seen[FIRST + i], 15, 75); /* 40 each on average, of 1,200 */
    }
    scene_close(&scene);
}

static void each_epoch_has_its_own_order_of_all_pieces(void **state)
{
    (void)state;
    struct scene scene;
    uint32_t lengths[30], first[30], seen[40] = {0}, differ = 0;
    for (uint32_t i = 0; i < 30; i++) {
        lengths[i] = i + 2;
    }
    scene_open(&scene, lengths, 30);
    scene_cut(&scene, 100, 0);
    for (uint32_t i = 0; i < 30; i++) {
        first[i] = minibatches_length(scene.source, i);
        seen[first[i]]++;
    }
    minibatches_shuffle(scene.source, 1);
    for (uint32_t i = 0; i < 30; i++) {
        differ += minibatches_length(scene.source, i) != first[i];
        assert_int_equal(seen[i + 1], 1);
    }
    assert_true(differ > 20);
    scene_close(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_step_is_to_find_the_next_item),
        cmocka_unit_test(a_long_history_is_cut_from_its_end),
        cmocka_unit_test(what_is_held_out_is_neither_absorbed_nor_a_target),
        cmocka_unit_test(what_was_learned_before_is_context_and_no_target),
        cmocka_unit_test(context_is_absorbed_up_to_a_limit),
        cmocka_unit_test(shared_rows_and_actions_of_no_weight_are_no_targets),
        cmocka_unit_test(cuts_are_drawn_anew_in_each_epoch_and_alike_in_the_same),
        cmocka_unit_test(each_epoch_has_its_own_order_of_all_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

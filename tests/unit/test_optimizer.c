/* test_optimizer.c - which parameters a step moves, and how far. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "model/param_draw.h"
#include "model/train/optimizer.h"

enum { ROWS = 5, WIDTH = 3 };

struct scene {
    struct param_set *params;
    const struct param *table, *weight, *constant;
    struct gradients gradients;
    struct optimizer optimizer;
};

static void scene_open(struct scene *scene, struct optimizer_options options)
{
    struct error error;
    struct param_spec fixed = param_vector(PARAM_ONES, WIDTH);
    fixed.constant = true;
    assert_int_equal(param_set_open(&scene->params, &error), STATUS_OK);
    param_declare(scene->params, param_table(1, ROWS, WIDTH), "item.embedding");
    param_declare(scene->params, param_matrix(2, WIDTH), "weight");
    param_declare(scene->params, fixed, "constant");
    assert_int_equal(param_set_allocate(scene->params, &error), STATUS_OK);
    param_set_draw(scene->params, 1);
    scene->table = param_set_get(scene->params, "item.embedding");
    scene->weight = param_set_get(scene->params, "weight");
    scene->constant = param_set_get(scene->params, "constant");
    assert_int_equal(gradients_open(&scene->gradients, scene->params, ROWS, &error), STATUS_OK);
    assert_int_equal(optimizer_open(&scene->optimizer, scene->params, &options, &error), STATUS_OK);
}

static void scene_close(struct scene *scene)
{
    optimizer_close(&scene->optimizer);
    gradients_close(&scene->gradients);
    param_set_close(scene->params);
}

/* Two steps with the gradient on `row` only. */
static void push_row(struct scene *scene, uint32_t row, real gradient)
{
    for (int step = 0; step < 2; step++) {
        gradients_clear(&scene->gradients);
        real *at = row_gradient(gradients_rows(&scene->gradients, scene->table), row);
        for (int i = 0; i < WIDTH; i++) {
            at[i] = gradient;
        }
        optimizer_step(&scene->optimizer, &scene->gradients);
    }
}

static void an_untouched_row_and_its_moments_stay(void **state)
{
    (void)state;
    struct scene scene;
    scene_open(&scene, (struct optimizer_options){.rate = 0.1});
    real before[ROWS * WIDTH];
    memcpy(before, scene.table->data, sizeof before);
    push_row(&scene, 2, 1);
    push_row(&scene, 3, -1);
    for (int i = 0; i < ROWS * WIDTH; i++) {
        const int row = i / WIDTH;
        if (row == 2) assert_true(scene.table->data[i] < before[i]);
        if (row == 3) assert_true(scene.table->data[i] > before[i]);
        if (row != 2 && row != 3) assert_true(scene.table->data[i] == before[i]);
    }
    const size_t at = (size_t)(scene.table->data - param_set_block(scene.params)) + 2 * WIDTH;
    assert_true(fabs((double)scene.optimizer.mean[at] - 0.19) < 1e-6); /* 0.1 + 0.9 * 0.1 */
    scene_close(&scene);
}

static void the_first_step_moves_by_the_rate_against_the_sign(void **state)
{
    (void)state;
    struct scene scene;
    scene_open(&scene, (struct optimizer_options){.rate = 0.01});
    real before[2 * WIDTH];
    memcpy(before, scene.weight->data, sizeof before);
    real *gradient = gradients_of(&scene.gradients, scene.weight);
    for (int i = 0; i < 2 * WIDTH; i++) {
        gradient[i] = i % 2 ? 1000 : (real)-0.001;
    }
    optimizer_step(&scene.optimizer, &scene.gradients);
    for (int i = 0; i < 2 * WIDTH; i++) {
        const double moved = (double)(scene.weight->data[i] - before[i]);
        assert_true(fabs(moved - (i % 2 ? -0.01 : 0.01)) < 1e-5);
    }
    scene_close(&scene);
}

static void constants_are_never_written(void **state)
{
    (void)state;
    struct scene scene;
    scene_open(&scene, (struct optimizer_options){.rate = 0.1});
    real *gradient = gradients_of(&scene.gradients, scene.constant);
    for (int i = 0; i < WIDTH; i++) {
        gradient[i] = 1;
    }
    optimizer_step(&scene.optimizer, &scene.gradients);
    for (int i = 0; i < WIDTH; i++) {
        assert_true(scene.constant->data[i] == 1);
    }
    scene_close(&scene);
}

static void clipping_scales_all_gradients_to_the_norm(void **state)
{
    (void)state;
    struct scene scene;
    scene_open(&scene, (struct optimizer_options){.rate = 0.1, .clip = 0.5});
    gradients_of(&scene.gradients, scene.weight)[0] = 3;
    row_gradient(gradients_rows(&scene.gradients, scene.table), 1)[0] = 4;
    assert_true(fabs(optimizer_step(&scene.optimizer, &scene.gradients) - 5) < 1e-6);
    const size_t weight = (size_t)(scene.weight->data - param_set_block(scene.params));
    const size_t row = (size_t)(scene.table->data - param_set_block(scene.params)) + WIDTH;
    assert_true(fabs((double)scene.optimizer.mean[weight] - 0.03) < 1e-7); /* 0.1 * 3 * 0.5 / 5 */
    assert_true(fabs((double)scene.optimizer.mean[row] - 0.04) < 1e-7);
    scene_close(&scene);
}

static void the_rate_rises_then_falls(void **state)
{
    (void)state;
    const struct optimizer_options options = {
        .rate = 1, .warmup_steps = 10, .steps = 110, .final_share = 0.2};
    assert_true(optimizer_rate(&options, 5) == 0.5);
    assert_true(optimizer_rate(&options, 10) == 1);
    assert_true(fabs(optimizer_rate(&options, 60) - 0.6) < 1e-12);
    assert_true(fabs(optimizer_rate(&options, 110) - 0.2) < 1e-12);
    assert_true(fabs(optimizer_rate(&options, 500) - 0.2) < 1e-12);
    assert_true(optimizer_rate(&(struct optimizer_options){.rate = 3}, 500) == 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_untouched_row_and_its_moments_stay),
        cmocka_unit_test(the_first_step_moves_by_the_rate_against_the_sign),
        cmocka_unit_test(constants_are_never_written),
        cmocka_unit_test(clipping_scales_all_gradients_to_the_norm),
        cmocka_unit_test(the_rate_rises_then_falls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

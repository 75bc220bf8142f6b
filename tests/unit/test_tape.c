/* test_tape.c - recording and not recording, and the sums of parameters' gradients. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "model/param_draw.h"
#include "model/tensor/op.h"
#include "model/tensor/tape.h"

enum { ARENA_SIZE = 1 << 24, WIDTH = 3, ITEMS = 8 };

/* A table, and a weight that a tape takes as a tensor. */
struct world {
    struct param_set *params;
    const struct param *table, *weight;
    struct arena arena;
};

static void world_open(struct world *world)
{
    struct error error;
    assert_int_equal(param_set_open(&world->params, &error), STATUS_OK);
    param_declare(world->params, param_table(1, ITEMS, WIDTH), "table");
    param_declare(world->params, param_matrix(2, WIDTH), "weight");
    assert_int_equal(param_set_allocate(world->params, &error), STATUS_OK);
    param_set_draw(world->params, 1);
    world->table = param_set_get(world->params, "table");
    world->weight = param_set_get(world->params, "weight");
    assert_int_equal(arena_open(&world->arena, ARENA_SIZE, &error), STATUS_OK);
}

static void world_close(struct world *world)
{
    arena_close(&world->arena);
    param_set_close(world->params);
}

static struct gradients open_gradients(const struct world *world, uint32_t touched_max)
{
    struct error error;
    struct gradients gradients;
    assert_int_equal(gradients_open(&gradients, world->params, touched_max, &error), STATUS_OK);
    return gradients;
}

static struct tensor *leaf(struct tape *tape, uint32_t rows, uint32_t cols)
{
    struct tensor *x = tape_tensor(tape, rows, cols);
    for (size_t i = 0; i < tensor_count(x); i++) {
        x->data[i] = i % 2 ? -1 : 1;
    }
    return x;
}

static void a_serving_tape_works_in_place_and_records_nothing(void **state)
{
    (void)state;
    struct world world;
    world_open(&world);
    struct tape tape = {.arena = &world.arena};
    struct tensor *x = leaf(&tape, 2, 3);
    assert_ptr_equal(op_relu(&tape, x), x);
    assert_ptr_equal(op_dropout(&tape, x), x);
    assert_int_equal(tape.count, 0);
    assert_false(x->wants_gradient);
    world_close(&world);
}

static void a_recording_tape_leaves_inputs_as_they_are(void **state)
{
    (void)state;
    struct world world;
    world_open(&world);
    struct tape tape = tape_recording(&world.arena, NULL);
    struct tensor *x = leaf(&tape, 2, 3);
    x->wants_gradient = true;
    struct tensor *y = op_relu(&tape, x);
    assert_true(x->data[1] == -1 && y->data[1] == 0);
    assert_int_equal(tape.count, 1);
    world_close(&world);
}

static void what_wants_no_gradient_is_not_recorded(void **state)
{
    (void)state;
    struct world world;
    world_open(&world);
    struct tape tape = tape_recording(&world.arena, NULL);
    struct tensor *x = leaf(&tape, 2, WIDTH);
    struct linear linear = {.parts = {world.weight}, .in = WIDTH, .out = 2};
    struct tensor *y = op_relu(&tape, op_linear(&tape, &linear, x));
    assert_int_equal(tape.count, 0);
    assert_null(tape_gradient(&tape, y));
    world_close(&world);
}

static void dropout_zeroes_its_share_and_scales_the_rest(void **state)
{
    (void)state;
    struct world world;
    struct random random = random_seeded(5), again = random;
    world_open(&world);
    struct tape tape = tape_recording(&world.arena, NULL);
    tape.random = &random;
    tape.dropout = 0.25F;
    struct tensor *x = leaf(&tape, 100, 100);
    struct tensor *y = op_dropout(&tape, x);
    uint32_t zeros = 0;
    for (size_t i = 0; i < tensor_count(y); i++) {
        if (y->data[i] == 0) {
            zeros++;
        } else {
            assert_true(y->data[i] == x->data[i] / (real)0.75);
        }
    }
    assert_in_range(zeros, 2300, 2700);
    tape.random = &again;
    assert_memory_equal(op_dropout(&tape, x)->data, y->data, tensor_count(y) * sizeof(real));
    world_close(&world);
}

static void only_touched_rows_have_gradients(void **state)
{
    (void)state;
    struct world world;
    world_open(&world);
    struct gradients gradients = open_gradients(&world, 2);
    struct row_gradients *rows = gradients_rows(&gradients, world.table);
    row_gradient(rows, 5)[1] += 3;
    row_gradient(rows, 2)[0] += 1;
    row_gradient(rows, 5)[1] += 4;
    assert_int_equal(rows->count, 2);
    assert_int_equal(rows->touched[0], 5);
    assert_true(rows->at[1] == 7 && rows->at[WIDTH] == 1);
    gradients_clear(&gradients);
    assert_int_equal(rows->count, 0);
    assert_true(row_gradient(rows, 5)[1] == 0);
    gradients_close(&gradients);
    world_close(&world);
}

static void gradients_of_shards_add_up(void **state)
{
    (void)state;
    struct world world;
    world_open(&world);
    struct gradients sum = open_gradients(&world, ITEMS), other = open_gradients(&world, ITEMS);
    gradients_of(&sum, world.weight)[4] = 1;
    gradients_of(&other, world.weight)[4] = 2;
    row_gradient(gradients_rows(&sum, world.table), 1)[0] = 1;
    row_gradient(gradients_rows(&other, world.table), 7)[0] = 5;
    row_gradient(gradients_rows(&other, world.table), 1)[0] = 2;
    gradients_add(&sum, &other);
    assert_true(gradients_of(&sum, world.weight)[4] == 3);
    assert_true(row_gradient(gradients_rows(&sum, world.table), 1)[0] == 3);
    assert_true(row_gradient(gradients_rows(&sum, world.table), 7)[0] == 5);
    gradients_close(&sum);
    gradients_close(&other);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_serving_tape_works_in_place_and_records_nothing),
        cmocka_unit_test(a_recording_tape_leaves_inputs_as_they_are),
        cmocka_unit_test(what_wants_no_gradient_is_not_recorded),
        cmocka_unit_test(dropout_zeroes_its_share_and_scales_the_rest),
        cmocka_unit_test(only_touched_rows_have_gradients),
        cmocka_unit_test(gradients_of_shards_add_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

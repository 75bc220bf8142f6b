/*
 * test_retention.c - interests that are retained stay near what they scored while others learn.
 *
 * The log is a walk that can be learned: after item i comes i + 1.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "model/interest_ops.h"
#include "model/train/trainer.h"

enum { ITEMS = 40, OOV = 2, USERS = 20, LENGTH = 12, D = 16, K = 2 };

static struct checkpoint *checkpoint_of_items(void)
{
    static char names[ITEMS][8];
    struct item_entry entries[ITEMS];
    struct item_table *table;
    struct checkpoint *checkpoint;
    struct model_dims dims = interest_ops_find("gdelta")->defaults;
    dims.d = D;
    dims.heads = dims.extract_heads = 2;
    dims.blocks = 1;
    dims.ffn = 32;
    dims.interests = K;
    dims.use_category = false;
    for (uint32_t i = 0; i < ITEMS; i++) {
        snprintf(names[i], sizeof names[i], "%u", i);
        entries[i] = (struct item_entry){bytes_of(names[i]), 0};
    }
    assert_int_equal(item_table_open(&table, entries, ITEMS, NULL, 0, OOV, NULL), STATUS_OK);
    assert_int_equal(checkpoint_init(&checkpoint, "gdelta", &dims, table, 1, NULL), STATUS_OK);
    return checkpoint;
}

static struct dataset *walk(void)
{
    struct dataset *dataset;
    assert_int_equal(dataset_open(&dataset, 1 + OOV + ITEMS, OOV, NULL), STATUS_OK);
    for (uint32_t user = 0; user < USERS; user++) {
        for (uint32_t i = 0; i < LENGTH; i++) {
            assert_int_equal(dataset_add(dataset, user, 1 + OOV + (7 * user + i) % ITEMS, 0,
                                         60000 * (int64_t)i, 0, NULL),
                             STATUS_OK);
        }
    }
    assert_int_equal(dataset_seal(dataset, NULL), STATUS_OK);
    return dataset;
}

/* The first interest of each user [USERS][D] before its last behavior. */
static void read_first(const struct checkpoint *checkpoint, const struct dataset *dataset, real *to)
{
    const uint32_t offsets[] = {0, LENGTH - 1};
    const uint64_t events = LENGTH - 1;
    struct interest_model *model;
    struct interest_scratch *scratch;
    real vectors[K * D], weights[K];
    uint32_t live;
    struct interest_sets sets = {.vectors = vectors, .weights = weights, .count = &live};
    assert_int_equal(interest_model_open(&model, checkpoint, NULL), STATUS_OK);
    assert_int_equal(interest_scratch_open(&scratch, model, NULL), STATUS_OK);
    void *state = aligned_alloc(64, (interest_model_state_size(model) + 63) / 64 * 64);
    assert_non_null(state);
    for (uint32_t user = 0; user < USERS; user++) {
        const struct behavior_batch batch = {dataset_sequence(dataset, user).at, offsets, 1};
        interest_state_init(model, state);
        interest_absorb(model, scratch, &state, &batch);
        interest_read(model, scratch, (const void *const *)&state, &events, NULL, 1, &sets);
        memcpy(to + (size_t)user * D, vectors, D * sizeof *to);
    }
    free(state);
    interest_scratch_close(scratch);
    interest_model_close(model);
}

static double sigmoid_of(const real *interest, const real *item)
{
    double x = 0;
    for (uint32_t i = 0; i < D; i++) {
        x += (double)(interest[i] * item[i]);
    }
    return 1 / (1 + exp(-x));
}

/* How far what the first interest says of its user's last item is from what it said, on average. */
static double drift(double retain)
{
    struct checkpoint *checkpoint = checkpoint_of_items();
    struct dataset *dataset = walk();
    struct train_options options = train_options_defaults();
    struct trainer *trainer;
    uint32_t known[USERS];
    real before[USERS * D], after[USERS * D];
    double sum = 0;
    read_first(checkpoint, dataset, before);
    for (uint32_t user = 0; user < USERS; user++) {
        known[user] = LENGTH;
    }
    options.epochs = 50;
    options.rate = 0.01;
    options.dropout = 0;
    options.validation_users = 0;
    options.retain = retain;
    options.retained = 1;
    assert_int_equal(trainer_open(&trainer, checkpoint, dataset, known, &options, NULL), STATUS_OK);
    while (trainer_more(trainer)) {
        struct train_epoch epoch;
        assert_int_equal(trainer_epoch(trainer, NULL, &epoch, NULL), STATUS_OK);
    }
    trainer_close(trainer);
    read_first(checkpoint, dataset, after);
    const real *items = param_set_get(checkpoint->params, "item.embedding")->data;
    for (uint32_t user = 0; user < USERS; user++) {
        const size_t row = dataset_sequence(dataset, user).at[LENGTH - 1].item;
        sum += fabs(sigmoid_of(after + (size_t)user * D, items + row * D) -
                    sigmoid_of(before + (size_t)user * D, items + row * D));
    }
    dataset_close(dataset);
    checkpoint_close(checkpoint);
    return sum / USERS;
}

static void interests_that_are_retained_move_less(void **state)
{
    (void)state;
    const double free = drift(0), held = drift(10);
    print_message("%g with retention, %g without\n", held, free);
    if (!(held < 0.5 * free)) fail_msg("%g with retention, %g without", held, free);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(interests_that_are_retained_move_less)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_interest_model.c - opening models, what is refused, and calls with nothing to do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "model/interest_ops.h"
#include "model/param_draw.h"

static const struct model_dims defaults = {.d = 64,
                                           .heads = 4,
                                           .blocks = 2,
                                           .ffn = 128,
                                           .interests = 4,
                                           .extract_heads = 4,
                                           .conditional = true,
                                           .use_category = true,
                                           .use_gap = true,
                                           .gap_buckets = 32};

static struct interest_model *open_named(struct checkpoint *checkpoint, const char *name,
                                         const struct model_dims *dims)
{
    struct error error;
    struct interest_model *model = NULL;
    const struct item_entry items[] = {{bytes_of("one"), 1}, {bytes_of("two"), 0}};
    const struct bytes categories[] = {bytes_of("films")};
    *checkpoint = (struct checkpoint){.dims = *dims, .generation = 7};
    snprintf(checkpoint->model, sizeof checkpoint->model, "%s", name);
    assert_int_equal(item_table_open(&checkpoint->items, items, 2, categories, 1, 1, &error),
                     STATUS_OK);
    assert_int_equal(interest_params_open(&checkpoint->params, name, dims, 4, 1, &error),
                     STATUS_OK);
    param_set_draw(checkpoint->params, 1);
    assert_int_equal(interest_model_open(&model, checkpoint, &error), STATUS_OK);
    return model;
}

static struct interest_model *open_model(struct checkpoint *checkpoint)
{
    return open_named(checkpoint, "limarec", &defaults);
}

static void close_model(struct interest_model *model, struct checkpoint *checkpoint)
{
    interest_model_close(model);
    param_set_close(checkpoint->params);
    item_table_close(checkpoint->items);
}

static void the_default_state_has_the_documented_size(void **state)
{
    (void)state;
    struct checkpoint checkpoint;
    struct interest_model *model = open_model(&checkpoint);
    assert_int_equal(interest_model_state_size(model), 13312);
    assert_int_equal(interest_model_generation(model), 7);
    assert_int_equal(interest_model_width(model), 64);
    assert_int_equal(interest_model_count(model), 4);
    assert_string_equal(interest_model_name(model), "limarec");
    close_model(model, &checkpoint);
}

static void a_batch_without_events_changes_nothing(void **state)
{
    (void)state;
    struct checkpoint checkpoint;
    struct interest_model *model = open_model(&checkpoint);
    struct interest_scratch *scratch = NULL;
    assert_int_equal(interest_scratch_open(&scratch, model, NULL), STATUS_OK);
    const size_t size = interest_model_state_size(model);
    unsigned char *one = malloc(size), *before = malloc(size);
    assert_true(one && before);
    memset(one, 0x3f, size);
    memcpy(before, one, size);
    void *const states[] = {one};
    const uint32_t offsets[] = {0, 0};
    struct behavior_batch batch = {NULL, offsets, 1};
    interest_absorb(model, scratch, states, &batch);
    batch.users = 0;
    interest_absorb(model, scratch, NULL, &batch);
    assert_memory_equal(one, before, size);
    free(one);
    free(before);
    interest_scratch_close(scratch);
    close_model(model, &checkpoint);
}

static void a_user_without_events_has_no_interests(void **state)
{
    (void)state;
    struct checkpoint checkpoint;
    struct interest_model *model = open_model(&checkpoint);
    struct interest_scratch *scratch = NULL;
    assert_int_equal(interest_scratch_open(&scratch, model, NULL), STATUS_OK);
    void *one = malloc(interest_model_state_size(model));
    assert_non_null(one);
    interest_state_init(model, one);
    real vectors[4 * 64], weights[4], zeros[4 * 64] = {0};
    uint32_t count = 9;
    struct interest_sets sets = {vectors, weights, &count, NULL};
    memset(vectors, 1, sizeof(vectors));
    memset(weights, 1, sizeof(weights));
    interest_read(model, scratch, (const void *const[]){one}, (const uint64_t[]){0}, NULL, 1,
                  &sets);
    assert_int_equal(count, 0);
    assert_memory_equal(vectors, zeros, sizeof(vectors));
    assert_memory_equal(weights, zeros, sizeof(weights));
    free(one);
    interest_scratch_close(scratch);
    close_model(model, &checkpoint);
}

/* Opens parameters of changed dimensions, which must be refused with a text that has `word`. */
static void refused(const char *model, struct model_dims dims, const char *word)
{
    struct error error;
    struct param_set *params = (struct param_set *)&error;
    assert_int_equal(interest_params_open(&params, model, &dims, 4, 1, &error), STATUS_INVALID);
    assert_null(params);
    assert_non_null(strstr(error.text, word));
}

static void impossible_dimensions_are_refused_by_name(void **state)
{
    (void)state;
    struct model_dims dims = defaults;
    refused("limarek", defaults, "limarek");
    dims.d = 0;
    refused("limarec", dims, "d = 0");
    dims = defaults, dims.heads = 5;
    refused("limarec", dims, "heads = 5");
    dims = defaults, dims.extract_heads = 0;
    refused("limarec", dims, "extract_heads = 0");
    dims = defaults, dims.interests = 65;
    refused("limarec", dims, "K = 65");
    dims = defaults, dims.blocks = 17;
    refused("limarec", dims, "blocks = 17");
    dims = defaults, dims.ffn = 0;
    refused("limarec", dims, "ffn = 0");
    dims = defaults, dims.gap_buckets = 1;
    refused("limarec", dims, "gap_buckets = 1");
    dims = defaults, dims.cosine = true, dims.temperature = 0;
    refused("limarec", dims, "temperature");
}

static void mind_has_log2_of_its_behaviors_or_as_many_as_them(void **state)
{
    (void)state;
    static const struct {
        uint64_t events;
        uint32_t adaptive, fixed;
    } cases[] = {{0, 0, 0}, {1, 1, 1}, {3, 1, 3}, {4, 2, 4}, {9, 3, 8}, {50, 5, 8}, {999, 5, 8}};
    const struct interest_ops *ops = interest_ops_find("mind");
    struct model_dims dims = ops->defaults;
    dims.interests = 8;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        dims.fixed_interests = false;
        assert_int_equal(ops->live(&dims, cases[i].events), cases[i].adaptive);
        dims.fixed_interests = true;
        assert_int_equal(ops->live(&dims, cases[i].events), cases[i].fixed);
    }
}

/* Levels of the periods 1, 2 and 6, in folds that begin at each event of a period. */
static void a_level_changes_where_its_period_ends_in_the_life_also_after_a_jump(void **state)
{
    (void)state;
    enum { WIDTH = 8, LEVELS = 3, LENGTH = 13, LONGEST = 6 };
    static const uint64_t period[LEVELS] = {1, 2, LONGEST};
    const struct model_dims dims = {.d = WIDTH, .interests = LEVELS, .steps = 0x32};
    const struct interest_ops *ops = interest_ops_find("hpmn");
    struct checkpoint checkpoint;
    struct interest_model *model = open_named(&checkpoint, "hpmn", &dims);
    struct interest_scratch *scratch = NULL;
    assert_int_equal(interest_scratch_open(&scratch, model, NULL), STATUS_OK);
    assert_int_equal(interest_model_state_size(model), LEVELS * WIDTH * sizeof(real));
    for (uint64_t from = 0; from < 2 * LONGEST; from++) {
        real levels[LEVELS][WIDTH] = {{0}}, before[LEVELS][WIDTH];
        void *states[] = {levels};
        for (uint64_t n = 0; n < LENGTH; n++) {
            const struct behavior event = {.item = 2 + n % 2, .gap_s = -1, .ordinal = from + n};
            const struct behavior_batch batch = {&event, (const uint32_t[]){0, 1}, 1};
            memcpy(before, levels, sizeof before);
            interest_absorb(model, scratch, states, &batch);
            for (uint32_t j = 0; j < LEVELS; j++) {
                const bool changed = memcmp(levels[j], before[j], sizeof levels[j]) != 0;
                assert_int_equal(changed, (from + n + 1) % period[j] == 0);
            }
            for (uint32_t j = 0; j < ops->live(&dims, n + 1); j++) {
                static const real empty[WIDTH];
                assert_memory_not_equal(levels[j], empty, sizeof empty);
            }
        }
        assert_int_equal(ops->live(&dims, LENGTH), LEVELS);
    }
    interest_scratch_close(scratch);
    close_model(model, &checkpoint);
}

static void a_ledger_without_its_options_is_refused(void **state)
{
    (void)state;
    struct model_dims dims = interest_ops_find("ledger")->defaults;
    dims.interests = 17;
    refused("ledger", dims, "the ledger has 16 entries");
    dims.interests = 4, dims.entries = 65;
    refused("ledger", dims, "entries = 65");
    dims.entries = 16, dims.half_life_days = 0;
    refused("ledger", dims, "half_life_days");
    dims.half_life_days = 30, dims.new_cosine = 1.5f;
    refused("ledger", dims, "new_cosine");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_default_state_has_the_documented_size),
        cmocka_unit_test(a_batch_without_events_changes_nothing),
        cmocka_unit_test(a_user_without_events_has_no_interests),
        cmocka_unit_test(impossible_dimensions_are_refused_by_name),
        cmocka_unit_test(mind_has_log2_of_its_behaviors_or_as_many_as_them),
        cmocka_unit_test(a_level_changes_where_its_period_ends_in_the_life_also_after_a_jump),
        cmocka_unit_test(a_ledger_without_its_options_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * test_model_limits.c - dimensions at and beyond their limits: what is allowed works, the rest is
 * refused by name.
 *
 * A limit is found by asking model_dims_check, so that a row of its table which allows more than
 * the models can do fails here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/arena.h"
#include "model/interest_ops.h"
#include "model/train/trainer.h"
#include "tests/unit/forgery.h"

enum { ITEMS = 12, OOV = 1, USERS = 3, EVENTS = 10 };

static struct item_table *open_items(void)
{
    static char names[ITEMS][8];
    struct item_entry entries[ITEMS];
    const struct bytes categories[] = {bytes_of("one")};
    struct item_table *items;
    for (uint32_t i = 0; i < ITEMS; i++) {
        snprintf(names[i], sizeof names[i], "%u", i);
        entries[i] = (struct item_entry){bytes_of(names[i]), i % 2};
    }
    assert_int_equal(item_table_open(&items, entries, ITEMS, categories, 1, OOV, NULL), STATUS_OK);
    return items;
}

/* The model as it is by default, with little of everything. */
static struct model_dims small_dims(const struct interest_ops *ops)
{
    struct model_dims dims = ops->defaults;
    dims.d = 8;
    if (dims.heads) dims.heads = dims.extract_heads = 2;
    if (dims.blocks) dims.blocks = 1;
    if (dims.ffn) dims.ffn = 8;
    if (dims.mlp) dims.mlp = 8;
    if (dims.attention) dims.attention = 8;
    if (dims.window) dims.window = 4;
    if (dims.interests > 2) dims.interests = 2;
    if (dims.entries) dims.entries = 2;
    return dims;
}

static uint32_t *count_at(struct model_dims *dims, uint32_t index)
{
    static const struct {
        const char *key;
        size_t at;
    } counts[] = {
        {"d", offsetof(struct model_dims, d)},
        {"H", offsetof(struct model_dims, heads)},
        {"blocks", offsetof(struct model_dims, blocks)},
        {"ffn", offsetof(struct model_dims, ffn)},
        {"K", offsetof(struct model_dims, interests)},
        {"extract_heads", offsetof(struct model_dims, extract_heads)},
        {"gap_buckets", offsetof(struct model_dims, gap_buckets)},
        {"induction_top", offsetof(struct model_dims, induction_top)},
        {"window", offsetof(struct model_dims, window)},
        {"attention", offsetof(struct model_dims, attention)},
        {"iterations", offsetof(struct model_dims, iterations)},
        {"mlp", offsetof(struct model_dims, mlp)},
        {"entries", offsetof(struct model_dims, entries)},
    };
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        if (strcmp(counts[i].key, model_dim_key(index)) == 0) {
            return (uint32_t *)(void *)((char *)dims + counts[i].at);
        }
    }
    return NULL;
}

/* The greatest value that model_dims_check lets a count have. */
static uint32_t greatest_count(uint32_t index)
{
    struct model_dims dims = {0};
    uint32_t allowed = 2, refused = UINT32_MAX;
    while (refused - allowed > 1) {
        const uint32_t middle = allowed + (refused - allowed) / 2;
        *count_at(&dims, index) = middle;
        if (model_dims_check(&dims, NULL) == STATUS_OK) {
            allowed = middle;
        } else {
            refused = middle;
        }
    }
    return allowed;
}

/* Whatever else must grow with a dimension for the model to accept it. */
static void follow(struct model_dims *dims)
{
    if (dims->heads > dims->d || dims->extract_heads > dims->d) dims->d = 256;
    if (dims->prototypes && dims->prototypes < dims->interests) dims->prototypes = dims->interests;
    if (dims->interests > dims->d) dims->d = dims->interests;
    if (dims->induction_top > dims->interests) dims->interests = dims->induction_top;
    if (dims->entries && dims->entries < dims->interests) dims->entries = dims->interests;
}

/* Absorbs more than a window and reads, as serving does. */
static void serve(const struct checkpoint *checkpoint)
{
    struct interest_model *model;
    struct interest_scratch *scratch;
    struct error error;
    assert_int_equal(interest_model_open(&model, checkpoint, &error), STATUS_OK);
    assert_int_equal(interest_scratch_open(&scratch, model, &error), STATUS_OK);
    const size_t size = (interest_model_state_size(model) + 63) / 64 * 64;
    const uint32_t users = 60, events = 13, k = interest_model_count(model);
    unsigned char *block = aligned_alloc(64, users * size);
    void *states[60];
    uint32_t offsets[61] = {0}, count[60];
    uint64_t absorbed[60];
    struct behavior *at = calloc(60 * 13, sizeof *at);
    real *vectors = malloc(users * (size_t)k * interest_model_width(model) * sizeof *vectors);
    real *weights = malloc(users * (size_t)k * sizeof *weights);
    assert_true(block && at && vectors && weights);
    for (uint32_t user = 0; user < users; user++) {
        states[user] = block + user * size;
        absorbed[user] = events;
        offsets[user + 1] = events * (user + 1);
        interest_state_init(model, states[user]);
        for (uint32_t i = 0; i < events; i++) {
            at[user * events + i] =
                (struct behavior){.item = 2 + (user + i) % ITEMS, .gap_s = 60, .ordinal = i};
        }
    }
    struct interest_sets sets = {vectors, weights, count, NULL};
    for (uint32_t round = 0; round < 1 + checkpoint->dims.window / events; round++) {
        interest_absorb(model, scratch, states, &(struct behavior_batch){at, offsets, users});
    }
    interest_read(model, scratch, (const void *const *)states, absorbed, NULL, users, &sets);
    assert_true(count[0] >= 1 && count[0] <= k);
    free(weights);
    free(vectors);
    free(at);
    free(block);
    interest_scratch_close(scratch);
    interest_model_close(model);
}

static void learn(struct checkpoint *checkpoint)
{
    struct train_options options = train_options_defaults();
    struct dataset *dataset;
    struct trainer *trainer;
    struct train_epoch epoch;
    struct error error;
    const uint32_t known[USERS] = {EVENTS, EVENTS, EVENTS};
    options.steps_max = 16;
    assert_int_equal(dataset_open(&dataset, 1 + OOV + ITEMS, OOV, &error), STATUS_OK);
    for (uint32_t i = 0; i < USERS * EVENTS; i++) {
        assert_int_equal(
            dataset_add(dataset, i % USERS, 1 + OOV + (i * 5) % ITEMS, 0, i * 1000, 0, &error),
            STATUS_OK);
    }
    assert_int_equal(dataset_seal(dataset, &error), STATUS_OK);
    if (trainer_open(&trainer, checkpoint, dataset, known, &options, &error) != STATUS_OK ||
        trainer_epoch(trainer, NULL, &epoch, &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
    trainer_close(trainer);
    dataset_close(dataset);
}

static void every_dimension_works_at_its_limit(void **state)
{
    (void)state;
    const struct interest_ops *ops;
    for (uint32_t m = 0; (ops = interest_ops_at(m)); m++) {
        for (uint32_t i = 0; i < MODEL_DIMS; i++) {
            struct model_dims dims = small_dims(ops);
            struct checkpoint *checkpoint;
            struct error error;
            uint32_t *count = count_at(&dims, i);
            if (!count || *count == 0 || (ops->defaults.interests == 1 && count == &dims.interests))
                continue;
            *count = greatest_count(i);
            follow(&dims);
            if (checkpoint_init(&checkpoint, ops->name, &dims, open_items(), 1, &error)) {
                fail_msg("%s %s: %s", ops->name, model_dim_key(i), error.text);
            }
            serve(checkpoint);
            if (ops->steps) learn(checkpoint);
            checkpoint_close(checkpoint);
        }
    }
}

static void a_dimension_beyond_its_limit_is_refused_by_name(void **state)
{
    (void)state;
    const struct interest_ops *ops;
    for (uint32_t m = 0; (ops = interest_ops_at(m)); m++) {
        for (uint32_t i = 0; i < MODEL_DIMS; i++) {
            struct model_dims dims = small_dims(ops);
            struct checkpoint *checkpoint;
            struct error error;
            char text[64];
            uint32_t *count = count_at(&dims, i);
            if (!count) continue;
            *count = greatest_count(i) + 1;
            assert_int_equal(
                checkpoint_init(&checkpoint, ops->name, &dims, open_items(), 1, &error),
                STATUS_INVALID);
            snprintf(text, sizeof text, "%s = %u: must be from", model_dim_key(i), *count);
            if (!strstr(error.text, text)) fail_msg("%s: %s", text, error.text);
        }
    }
}

static void a_large_model_has_small_tiles_and_bounded_scratch(void **state)
{
    (void)state;
    struct model_dims dims = interest_ops_find("mind")->defaults;
    struct checkpoint *checkpoint;
    struct interest_model *model;
    dims.d = WIDTH_MAX;
    dims.window = WINDOW_MAX;
    dims.interests = INTERESTS_MAX;
    assert_int_equal(checkpoint_init(&checkpoint, "mind", &dims, open_items(), 1, NULL), STATUS_OK);
    assert_int_equal(interest_model_open(&model, checkpoint, NULL), STATUS_OK);
    assert_true(model->tile_users < 48);
    assert_true(model->scratch_size < 1 << 26);
    interest_model_close(model);
    serve(checkpoint);
    checkpoint_close(checkpoint);
}

/* What the file says may be anything: it is refused, or it works. */
static void serve_file(const char *path)
{
    struct checkpoint *checkpoint;
    struct interest_model *model;
    if (checkpoint_open(&checkpoint, path, NULL) != STATUS_OK) return;
    if (interest_model_open(&model, checkpoint, NULL) == STATUS_OK) {
        interest_model_close(model);
        serve(checkpoint);
    }
    checkpoint_close(checkpoint);
}

static void a_file_with_any_dimensions_is_refused_or_works(void **state)
{
    (void)state;
    static const char *const values[] = {"0",   "1",     "2",          "3",  "63",    "64",  "256",
                                         "512", "65536", "4294967295", "-1", "false", "true"};
    char path[] = "/tmp/braid-limits-XXXXXX";
    char forged[] = "/tmp/braid-forged-XXXXXX";
    close(mkstemp(path));
    close(mkstemp(forged));
    const struct interest_ops *ops;
    for (uint32_t m = 0; (ops = interest_ops_at(m)); m++) {
        const struct model_dims dims = small_dims(ops);
        struct checkpoint *checkpoint;
        assert_int_equal(checkpoint_init(&checkpoint, ops->name, &dims, open_items(), 1, NULL), 0);
        assert_int_equal(checkpoint_write(checkpoint, path, NULL), STATUS_OK);
        checkpoint_close(checkpoint);
        for (uint32_t i = 0; i < MODEL_DIMS; i++) {
            for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
                struct forgery forgery;
                forgery_begin(&forgery, path);
                (void)forgery_set(&forgery, model_dim_key(i), values[v]);
                forgery_end(&forgery, forged);
                serve_file(forged);
            }
        }
        for (uint32_t other = 0; interest_ops_at(other); other++) {
            struct forgery forgery;
            forgery_begin(&forgery, path);
            assert_true(forgery_set(&forgery, "model", interest_ops_at(other)->name));
            forgery_end(&forgery, forged);
            serve_file(forged);
        }
    }
    unlink(path);
    unlink(forged);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_dimension_works_at_its_limit),
        cmocka_unit_test(a_dimension_beyond_its_limit_is_refused_by_name),
        cmocka_unit_test(a_file_with_any_dimensions_is_refused_or_works),
        cmocka_unit_test(a_large_model_has_small_tiles_and_bounded_scratch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

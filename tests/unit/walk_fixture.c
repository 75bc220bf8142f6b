/* walk_fixture.c - see walk_fixture.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/random.h"
#include "model/interest_ops.h"
#include "tests/unit/walk_fixture.h"

struct model_dims walk_dims(const char *model)
{
    struct model_dims dims = interest_ops_find(model)->defaults;
    dims.d = 16;
    if (dims.heads) dims.heads = 2;
    if (dims.blocks) dims.blocks = 1;
    if (dims.ffn) dims.ffn = 32;
    if (dims.mlp) dims.mlp = 32;
    if (dims.window) dims.window = 12;
    if (dims.interests > 2) dims.interests = 2;
    if (dims.extract_heads) dims.extract_heads = 2;
    if (dims.prototypes) dims.prototypes = 8;
    dims.intent_cosine = dims.prototypes > 0; /* the other choice has next to no gradient */
    return dims;
}

static struct item_table *items_open(void)
{
    static char names[WALK_ITEMS][8];
    struct item_entry entries[WALK_ITEMS];
    struct bytes categories[WALK_CATEGORIES];
    struct item_table *table;
    struct error error;
    for (uint32_t i = 0; i < WALK_ITEMS; i++) {
        snprintf(names[i], sizeof names[i], "%u", i);
        entries[i] = (struct item_entry){bytes_of(names[i]), 1 + i % WALK_CATEGORIES};
        if (i < WALK_CATEGORIES) categories[i] = bytes_of(names[i]);
    }
    assert_int_equal(
        item_table_open(&table, entries, WALK_ITEMS, categories, WALK_CATEGORIES, WALK_OOV, &error),
        STATUS_OK);
    return table;
}

void walk_open_of(struct walk *walk, const char *model, const struct model_dims *dims,
                  uint32_t users, uint32_t length)
{
    struct error error;
    struct random random = random_seeded(3);
    assert_true(users <= WALK_USERS_MAX);
    assert_int_equal(checkpoint_init(&walk->checkpoint, model, dims, items_open(), 1, &error),
                     STATUS_OK);
    assert_int_equal(dataset_open(&walk->dataset, 1 + WALK_OOV + WALK_ITEMS, WALK_OOV, &error),
                     STATUS_OK);
    for (uint32_t user = 0; user < users; user++) {
        uint32_t item = (uint32_t)random_below(&random, WALK_ITEMS);
        for (uint32_t i = 0; i < length; i++) {
            assert_int_equal(dataset_add(walk->dataset, 1000 + user, 1 + WALK_OOV + item,
                                         1 + item % WALK_CATEGORIES, 60000 * (int64_t)i, 0, &error),
                             STATUS_OK);
            item = (item + (user % 2 ? 3 : 1)) % WALK_ITEMS;
        }
        walk->known[user] = length;
    }
    assert_int_equal(dataset_seal(walk->dataset, &error), STATUS_OK);
    walk->options = train_options_defaults();
    walk->options.rate = 0.01;
    walk->options.dropout = 0;
    walk->options.validation_users = 0;
}

void walk_open(struct walk *walk, const char *model, uint32_t users, uint32_t length)
{
    const struct model_dims dims = walk_dims(model);
    walk_open_of(walk, model, &dims, users, length);
}

void walk_close(struct walk *walk)
{
    dataset_close(walk->dataset);
    checkpoint_close(walk->checkpoint);
}

struct trainer *open_trainer(struct walk *walk)
{
    struct trainer *trainer;
    struct error error;
    if (trainer_open(&trainer, walk->checkpoint, walk->dataset, walk->known, &walk->options,
                     &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
    return trainer;
}

struct train_epoch run_epoch(struct trainer *trainer)
{
    struct train_epoch epoch;
    struct error error;
    if (trainer_epoch(trainer, NULL, &epoch, &error) != STATUS_OK) fail_msg("%s", error.text);
    return epoch;
}

struct train_epoch run_all(struct trainer *trainer)
{
    struct train_epoch epoch = {0};
    while (trainer_more(trainer)) {
        epoch = run_epoch(trainer);
    }
    return epoch;
}

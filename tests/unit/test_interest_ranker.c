/* test_interest_ranker.c - a model ranks what its published interests are nearest to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "model/checkpoint.h"
#include "model/eval/interest_ranker.h"
#include "model/tensor/params.h"

enum { ITEMS = 200, OOV = 2, USERS = 30, LENGTH = 12, D = 16, K = 3, N = 10 };

struct fixture {
    struct checkpoint *checkpoint;
    struct interest_model *model;
    struct dataset *dataset;
    struct interest_ranker *ranker;
};

static struct checkpoint *draw_checkpoint(const char *model)
{
    struct item_entry items[ITEMS];
    char ids[ITEMS][8];
    struct item_table *table;
    struct checkpoint *checkpoint;
    struct error error;
    const struct model_dims dims = {.d = D,
                                    .heads = 2,
                                    .blocks = 1,
                                    .ffn = 16,
                                    .interests = K,
                                    .extract_heads = 2,
                                    .conditional = true,
                                    .window = 8,
                                    .prototypes = 20,
                                    .tau = 0.1f,
                                    .use_gap = true,
                                    .gap_buckets = 32};
    for (uint32_t i = 0; i < ITEMS; i++) {
        snprintf(ids[i], sizeof ids[i], "i%u", i);
        items[i] = (struct item_entry){bytes_of(ids[i]), 0};
    }
    assert_int_equal(item_table_open(&table, items, ITEMS, NULL, 0, OOV, &error), STATUS_OK);
    if (checkpoint_init(&checkpoint, model, &dims, table, 5, &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
    return checkpoint;
}

static int set_up_model(void **state, const char *model)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    struct random random = random_seeded(9);
    struct error error;
    fixture->checkpoint = draw_checkpoint(model);
    assert_int_equal(interest_model_open(&fixture->model, fixture->checkpoint, &error), STATUS_OK);
    assert_int_equal(dataset_open(&fixture->dataset, 1 + OOV + ITEMS, OOV, &error), STATUS_OK);
    for (uint32_t i = 0; i < USERS * LENGTH; i++) {
        uint32_t item = 1 + (uint32_t)random_below(&random, OOV + ITEMS);
        assert_int_equal(dataset_add(fixture->dataset, i % USERS, item, 0, i * 1000, 0, &error),
                         STATUS_OK);
    }
    assert_int_equal(dataset_seal(fixture->dataset, &error), STATUS_OK);
    assert_int_equal(interest_ranker_open(&fixture->ranker, fixture->model, fixture->checkpoint,
                                          fixture->dataset, &error),
                     STATUS_OK);
    *state = fixture;
    return 0;
}

static int set_up(void **state)
{
    return set_up_model(state, "limarec");
}

static int set_up_intent(void **state)
{
    return set_up_model(state, "sine");
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    interest_ranker_close(fixture->ranker);
    dataset_close(fixture->dataset);
    interest_model_close(fixture->model);
    checkpoint_close(fixture->checkpoint);
    free(fixture);
    return 0;
}

/* Asks about all users after `known` behaviors; items is [USERS][N]. */
static void ask(struct fixture *fixture, uint32_t known, struct topn_item *items,
                struct topn_list *lists, struct ranker_read *reads)
{
    struct ranker ranker = interest_ranker_ranker(fixture->ranker);
    struct ranker_query queries[USERS];
    struct error error;
    for (uint32_t u = 0; u < USERS; u++) {
        queries[u] = (struct ranker_query){u, known, {NULL, 0}};
        lists[u].at = items + u * N;
    }
    assert_int_equal(
        ranker.rank(ranker.context, fixture->dataset, queries, USERS, N, lists, reads, &error),
        STATUS_OK);
}

/* The interests and intent of one user after `known` behaviors, folded here from nothing. */
static uint32_t fold(const struct fixture *fixture, uint32_t user, uint32_t known, real *vectors,
                     real *intent)
{
    struct interest_scratch *scratch;
    struct error error;
    real weights[K];
    uint32_t count;
    uint64_t events = known;
    void *state = aligned_alloc(64, (interest_model_state_size(fixture->model) + 63) / 64 * 64);
    const void *read_state = state;
    const uint32_t offsets[] = {0, known};
    struct behavior_batch batch = {dataset_sequence(fixture->dataset, user).at, offsets, 1};
    struct interest_sets sets = {vectors, weights, &count, intent};
    interest_state_init(fixture->model, state);
    assert_int_equal(interest_scratch_open(&scratch, fixture->model, &error), STATUS_OK);
    interest_absorb(fixture->model, scratch, &state, &batch);
    interest_read(fixture->model, scratch, &read_state, &events, NULL, 1, &sets);
    interest_scratch_close(scratch);
    free(state);
    return count;
}

static real best_score(const real *item, const real *vectors, uint32_t count)
{
    real best = 0;
    for (uint32_t k = 0; k < count; k++) {
        real score = 0;
        for (uint32_t i = 0; i < D; i++) {
            score += item[i] * vectors[k * D + i];
        }
        if (k == 0 || score > best) best = score;
    }
    return best;
}

/* Asks, and holds the lists against the interests, or against the intent. */
static void expect_nearest(struct fixture *fixture, bool by_intent)
{
    struct topn_item room[USERS * N];
    struct topn_list lists[USERS];
    struct ranker_read reads[USERS];
    const real *items = param_set_find(fixture->checkpoint->params, "item.embedding")->data;
    ask(fixture, LENGTH, room, lists, reads);
    for (uint32_t u = 0; u < USERS; u++) {
        real vectors[K * D], intent[D];
        uint32_t count = fold(fixture, u, LENGTH, vectors, intent), better = 0;
        real worst = lists[u].at[N - 1].score;
        for (uint32_t row = 1 + OOV; row < 1 + OOV + ITEMS; row++) {
            const real *item = items + row * D;
            real score = by_intent ? best_score(item, intent, 1) : best_score(item, vectors, count);
            better += score > worst + (real)1e-5 * (worst < 0 ? -worst : worst);
        }
        assert_int_equal(lists[u].count, N);
        assert_true(better < N);
        assert_true(lists[u].at[0].row > OOV);
        assert_int_equal(reads[u].interests, count);
        assert_int_equal(reads[u].ranked, by_intent ? 0 : count);
    }
}

static void list_holds_the_items_nearest_to_the_published_interests(void **state)
{
    expect_nearest(*state, false);
}

static void a_model_with_an_intent_ranks_by_it_or_by_its_interests(void **state)
{
    struct fixture *fixture = *state;
    struct error error;
    assert_string_equal(interest_ranker_ranker(fixture->ranker).name, "sine by intent");
    expect_nearest(fixture, true);
    interest_ranker_close(fixture->ranker);
    assert_int_equal(interest_ranker_open(&fixture->ranker, fixture->model, fixture->checkpoint,
                                          fixture->dataset, &error),
                     STATUS_OK);
    interest_ranker_by_interests(fixture->ranker);
    assert_string_equal(interest_ranker_ranker(fixture->ranker).name, "sine by interests");
    expect_nearest(fixture, false);
}

static void asking_on_the_way_changes_no_later_answer(void **state)
{
    struct fixture *fixture = *state;
    struct topn_item room[USERS * N], again[USERS * N];
    struct topn_list lists[USERS];
    struct ranker_read reads[USERS];
    struct error error;
    ask(fixture, 5, room, lists, reads);
    ask(fixture, LENGTH, room, lists, reads);
    interest_ranker_close(fixture->ranker);
    assert_int_equal(interest_ranker_open(&fixture->ranker, fixture->model, fixture->checkpoint,
                                          fixture->dataset, &error),
                     STATUS_OK);
    ask(fixture, LENGTH, again, lists, reads);
    assert_memory_equal(room, again, sizeof room);
}

static void user_without_behaviors_gets_an_empty_list(void **state)
{
    struct fixture *fixture = *state;
    struct topn_item room[USERS * N];
    struct topn_list lists[USERS];
    struct ranker_read reads[USERS];
    ask(fixture, 0, room, lists, reads);
    assert_int_equal(lists[0].count, 0);
    assert_int_equal(reads[0].interests, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(list_holds_the_items_nearest_to_the_published_interests,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_model_with_an_intent_ranks_by_it_or_by_its_interests,
                                        set_up_intent, tear_down),
        cmocka_unit_test_setup_teardown(asking_on_the_way_changes_no_later_answer, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(user_without_behaviors_gets_an_empty_list, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * test_selection.c - what a checkpoint that selects publishes, and the prior that training
 * measures.
 *
 * interest_select itself is held to its fixture by tests/parity; here it is the oracle of
 * interest_read.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/random.h"
#include "model/train/prior.h"
#include "tests/near.h"
#include "tests/parity/fixture.h"

enum { D = 16, K = 6, EVENTS = 35, USERS = 12 };

static const struct model_dims selecting = {.d = D,
                                            .heads = 2,
                                            .blocks = 1,
                                            .ffn = 16,
                                            .interests = K,
                                            .extract_heads = 2,
                                            .use_gap = true,
                                            .gap_buckets = 12,
                                            .induction_top = 2,
                                            .attention = 20,
                                            .steps = 2, /* every level has a period in EVENTS */
                                            .width = 6,
                                            .select = true,
                                            .evidence_min = 0.8f,
                                            .residual_min = 0.3f};

/* A user's state after `events` random behaviors. */
static void *fold(const struct fixture_model *model, uint64_t seed, uint32_t events)
{
    struct behavior behaviors[EVENTS];
    struct random random = random_seeded(seed);
    const uint32_t offsets[] = {0, events};
    void *state = aligned_alloc(64, (interest_model_state_size(model->model) + 63) / 64 * 64);
    assert_non_null(state);
    for (uint32_t i = 0; i < events; i++) {
        behaviors[i] = (struct behavior){
            .item = 1 + (uint32_t)random_below(&random, RANDOM_ITEMS),
            .gap_s = i ? (int64_t)random_below(&random, 100000) : -1,
            .ordinal = i,
        };
    }
    const struct behavior_batch batch = {behaviors, offsets, 1};
    interest_state_init(model->model, state);
    interest_absorb(model->model, model->scratch, &state, &batch);
    return state;
}

struct reading {
    real vectors[K * D];
    real weights[K];
    uint32_t count;
};

static struct reading read_state(const struct interest_model *model,
                                 struct interest_scratch *scratch, const void *state,
                                 uint64_t events)
{
    struct reading reading;
    struct interest_sets sets = {reading.vectors, reading.weights, &reading.count, NULL};
    memset(&reading, 1, sizeof reading); /* what is not live must be written too */
    interest_read(model, scratch, &state, &events, NULL, 1, &sets);
    return reading;
}

/* Opens the same model once more with other dimensions of the read side. */
static void reopen(struct fixture_model *model, const struct model_dims *dims)
{
    struct checkpoint *checkpoint = &model->checkpoint;
    struct error error;
    interest_scratch_close(model->scratch);
    interest_model_close(model->model);
    assert_int_equal(checkpoint_change(checkpoint, checkpoint->model, dims, 1, &error), STATUS_OK);
    assert_int_equal(interest_model_open(&model->model, checkpoint, &error), STATUS_OK);
    assert_int_equal(interest_scratch_open(&model->scratch, model->model, &error), STATUS_OK);
}

static void assert_rest_is_zero(const struct reading *reading)
{
    for (uint32_t i = reading->count * D; i < K * D; i++) {
        assert_true(reading->vectors[i] == 0);
    }
    for (uint32_t k = reading->count; k < K; k++) {
        assert_true(reading->weights[k] == 0);
    }
}

/* What interest_select says of all K vectors, which a model that does not select publishes. */
static void compare_with_choice(const struct reading *all, const struct reading *got,
                                const real *prior)
{
    const struct interest_select options = {.evidence_min = (double)selecting.evidence_min,
                                            .residual_min = (double)selecting.residual_min};
    const struct interest_select_read read = {all->vectors, all->weights, prior, K, D, EVENTS};
    double basis[K * D];
    uint32_t chosen[K];
    real weights[K];
    const uint32_t count = interest_select(&options, &read, basis, chosen, weights);
    assert_int_equal(got->count, count);
    for (uint32_t i = 0; i < count; i++) {
        assert_memory_equal(got->vectors + i * D, all->vectors + chosen[i] * D, D * sizeof(real));
        assert_true(got->weights[i] == weights[i]);
    }
    assert_rest_is_zero(got);
}

static void the_chosen_are_published_in_their_order_with_their_shares(void **state)
{
    (void)state;
    struct fixture_model model;
    struct model_dims all = selecting;
    real prior[K];
    struct reading got[USERS];
    void *states[USERS];
    uint32_t reordered = 0, fewer = 0;
    all.select = false;
    all.evidence_min = all.residual_min = 0;
    random_model_open(&model, "limarec", &selecting, 4);
    for (uint32_t k = 0; k < K; k++) { /* the last interests are unusual, so they come first */
        prior[k] = (real)(1 + K - k) / (real)(K * K);
        param_set_find(model.checkpoint.params, "select.prior")->data[k] = prior[k];
    }
    for (uint32_t user = 0; user < USERS; user++) {
        states[user] = fold(&model, user, EVENTS);
        got[user] = read_state(model.model, model.scratch, states[user], EVENTS);
    }
    reopen(&model, &all);
    for (uint32_t user = 0; user < USERS; user++) {
        const struct reading plain = read_state(model.model, model.scratch, states[user], EVENTS);
        assert_int_equal(plain.count, K);
        compare_with_choice(&plain, &got[user], prior);
        reordered += memcmp(plain.vectors, got[user].vectors, D * sizeof(real)) != 0;
        fewer += got[user].count < K;
        free(states[user]);
    }
    assert_true(reordered > 0 && fewer > 0);
    fixture_model_close(&model);
}

static void a_first_event_publishes_exactly_one(void **state)
{
    (void)state;
    const struct interest_ops *ops;
    uint32_t selectable = 0;
    for (uint32_t i = 0; (ops = interest_ops_at(i)); i++) {
        struct fixture_model model;
        if (!ops->selectable) continue;
        random_model_open(&model, ops->name, &selecting, 2);
        for (uint32_t events = 0; events < 3; events++) {
            void *one = fold(&model, 5, events);
            const struct reading got = read_state(model.model, model.scratch, one, events);
            if (events < 2) assert_int_equal(got.count, events);
            assert_true(got.count <= events);
            if (events == 1) assert_true(got.weights[0] == 1);
            assert_rest_is_zero(&got);
            free(one);
        }
        fixture_model_close(&model);
        selectable++;
    }
    assert_true(selectable > 0);
}

/* The strictest residual leaves one, and no threshold leaves all; the state's name stays. */
static void thresholds_and_prior_change_the_reading_and_no_state(void **state)
{
    (void)state;
    struct fixture_model model;
    struct model_dims dims = selecting;
    random_model_open(&model, "gdelta", &dims, 3);
    const uint64_t fingerprint = interest_model_state_fingerprint(model.model);
    void *user = fold(&model, 8, EVENTS);
    static const struct {
        float evidence_min, residual_min;
        uint32_t count;
    } cases[] = {{0, 1, 1}, {0, 0, K}, {1e6f, 0, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        dims.evidence_min = cases[i].evidence_min;
        dims.residual_min = cases[i].residual_min;
        reopen(&model, &dims);
        param_set_find(model.checkpoint.params, "select.prior")->data[0] += (real)0.01;
        const struct reading got = read_state(model.model, model.scratch, user, EVENTS);
        assert_int_equal(got.count, cases[i].count);
        assert_true(interest_model_state_fingerprint(model.model) == fingerprint);
    }
    free(user);
    fixture_model_close(&model);
}

/*
 * d = 2, and keys chosen so that an item adds (2, 1/e) or (1/e, 2) to z; one query sees only the
 * first number, the other only the second.
 */
static void open_two_sided(struct fixture_model *model)
{
    static const struct {
        const char *name;
        real values[4];
    } params[] = {{"extract.key.weight", {1, 0, 0, 1}}, {"extract.query", {0, -40, -40, 0}}};
    const struct model_dims dims = {
        .d = 2, .interests = 2, .extract_heads = 1, .select = true, .evidence_min = 0.1f};
    random_model_open(model, "limarec", &dims, 1);
    real *items = param_set_find(model->checkpoint.params, "item.embedding")->data;
    items[2 * 2] = 100, items[2 * 2 + 1] = 0; /* row 2 leans one way, row 3 the other */
    items[3 * 2] = 0, items[3 * 2 + 1] = 100;
    for (size_t i = 0; i < 2; i++) {
        memcpy(param_set_find(model->checkpoint.params, params[i].name)->data, params[i].values,
               sizeof params[i].values);
    }
}

static void the_prior_is_the_mean_share_over_the_users_of_training(void **state)
{
    (void)state;
    static const uint32_t log[][2] = {{7, 2}, {7, 3}, {8, 2}, {8, 3}, {9, 3}}; /* user, item row */
    static const uint32_t known[] = {1, 2, 0};
    struct fixture_model model;
    struct dataset *dataset;
    struct error error;
    open_two_sided(&model);
    assert_int_equal(dataset_open(&dataset, 1 + 1 + RANDOM_ITEMS, 1, &error), STATUS_OK);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(dataset_add(dataset, log[i][0], log[i][1], 0, i, 0, &error), STATUS_OK);
    }
    assert_int_equal(dataset_seal(dataset, &error), STATUS_OK);
    assert_int_equal(prior_measure(&model.checkpoint, dataset, known, &error), STATUS_OK);
    const real *prior = param_set_find(model.checkpoint.params, "select.prior")->data;
    const double first =
        (2 / (2 + exp(-1)) + 0.5) / 2; /* of two users; nothing is known of the third */
    assert_near(prior[0], first, 1e-5);
    assert_near(prior[1], 1 - first, 1e-5);
    dataset_close(dataset);
    fixture_model_close(&model);
}

static void selection_that_cannot_be_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *model, *why;
        bool select;
        float evidence_min, residual_min;
    } cases[] = {
        {"mind", "not of mind", true, 0, 0},
        {"limarec", "need select", false, 0.1f, 0},
        {"limarec", "residual_min = 1.5: must", true, 0, 1.5f},
        {"limarec", "evidence_min = nan: must", true, NAN, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct model_dims dims = interest_ops_find(cases[i].model)->defaults;
        struct param_set *params;
        struct error error;
        dims.select = cases[i].select;
        dims.evidence_min = cases[i].evidence_min;
        dims.residual_min = cases[i].residual_min;
        assert_int_equal(interest_params_open(&params, cases[i].model, &dims, 4, 1, &error),
                         STATUS_INVALID);
        if (!strstr(error.text, cases[i].why)) fail_msg("'%s' of case %zu", error.text, i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_chosen_are_published_in_their_order_with_their_shares),
        cmocka_unit_test(a_first_event_publishes_exactly_one),
        cmocka_unit_test(thresholds_and_prior_change_the_reading_and_no_state),
        cmocka_unit_test(the_prior_is_the_mean_share_over_the_users_of_training),
        cmocka_unit_test(selection_that_cannot_be_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

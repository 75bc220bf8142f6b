/*
 * test_training.c - ten Adam steps on one minibatch against the reference, for every model that has
 * them.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "model/train/optimizer.h"
#include "model/train/shard.h"
#include "tests/parity/fixture.h"

enum { SIZE_MAX_ROWS = 4096 };

/* A fixture's minibatch: one sample a user, after its last behavior. */
struct sample_set {
    struct fixture_behaviors behaviors;
    struct minibatch minibatch;
    uint32_t events[SIZE_MAX_ROWS], target[SIZE_MAX_ROWS];
    real weight[SIZE_MAX_ROWS];
    uint32_t negatives[SIZE_MAX_ROWS];
    uint32_t negatives_count;
    uint32_t users; /* with a behavior */
    real *log_q;
};

static void sample_set_open(struct sample_set *set, const struct fixture *fixture)
{
    const uint64_t *shape = NULL;
    const int64_t *target = fixture_i64(fixture, "input/target", NULL);
    const int64_t *negatives = fixture_i64(fixture, "input/negatives", &shape);
    uint32_t count = 0;
    memset(set, 0, sizeof *set);
    set->behaviors = fixture_behaviors(fixture);
    set->log_q = fixture_reals(fixture, "input/log_q", NULL);
    set->negatives_count = (uint32_t)shape[0];
    assert_true(set->behaviors.users <= SIZE_MAX_ROWS && shape[0] <= SIZE_MAX_ROWS);
    for (uint32_t i = 0; i < set->negatives_count; i++) {
        set->negatives[i] = (uint32_t)negatives[i];
    }
    for (uint32_t u = 0; u < set->behaviors.users; u++) {
        const uint32_t end = set->behaviors.offsets[u + 1];
        const uint32_t length = end - set->behaviors.offsets[u];
        set->users += length > 0;
        if (length == 0 || target[u] == 0) continue;
        set->events[count] = end - 1;
        set->target[count++] = (uint32_t)target[u];
    }
    for (uint32_t i = 0; i < count; i++) {
        set->weight[i] = 1 / (real)count;
    }
    set->minibatch = (struct minibatch){
        .batch = {set->behaviors.at, set->behaviors.offsets, set->behaviors.users},
        .points = {set->events, count},
        .target = set->target,
        .weight = set->weight,
    };
}

static void check_parameters(const struct fixture *fixture, const struct param_set *params)
{
    char name[96];
    for (uint32_t i = 0; i < param_set_count(params); i++) {
        const struct param *param = param_set_at(params, i);
        snprintf(name, sizeof name, "after/%s", param->name);
        assert_close(fixture, name, param->data, fixture_f64(fixture, name, NULL), param->count);
    }
}

static void check_training(const struct fixture *fixture)
{
    struct fixture_model model;
    struct sample_set set;
    struct shard shard;
    struct optimizer optimizer;
    struct error error;
    const uint64_t *shape = NULL;
    fixture_model_open(&model, fixture);
    sample_set_open(&set, fixture);
    const struct param_set *params = model.checkpoint.params;
    const struct param *items = param_set_get(params, "item.embedding");
    const double *want = fixture_f64(fixture, "output/losses", &shape);
    const double tolerance = sizeof(real) == sizeof(double) ? 1e-9 : 1e-3;
    const struct shard_limits limits = {set.behaviors.offsets[set.behaviors.users],
                                        set.negatives_count, items->spec.shape[0], false};
    const struct shard_task task = {
        .loss = {READOUT_LABEL_AWARE,
                 {fixture_is(fixture, "similarity", "cosine"),
                  (real)fixture_real(fixture, "temperature")},
                 (real)fixture_real(fixture, "power")},
        .candidates = {items->data, set.log_q, set.negatives, set.negatives_count,
                       items->spec.shape[1]},
        .penalty = fixture_real(fixture, "penalty_weight") / set.users,
    };
    const struct optimizer_options options = {.rate = fixture_real(fixture, "learning_rate")};
    assert_int_equal(optimizer_open(&optimizer, params, &options, &error), STATUS_OK);
    assert_int_equal(shard_open(&shard, model.model, &limits, &error), STATUS_OK);
    assert_int_equal(shard_allow(&shard, limits.samples, &error), STATUS_OK);
    for (uint64_t step = 0; step < shape[0]; step++) {
        shard_begin(&shard, &task, random_seeded(0));
        shard_pass(&shard, &set.minibatch);
        shard_end(&shard);
        if (fabs(shard.loss - want[step]) > tolerance * fabs(want[step])) {
            fail_msg("%s: the loss before step %d is %.12g, not %.12g", fixture->path, (int)step,
                     shard.loss, want[step]);
        }
        optimizer_step(&optimizer, &shard.gradients);
    }
    if (sizeof(real) == sizeof(double)) check_parameters(fixture, params);
    shard_close(&shard);
    optimizer_close(&optimizer);
    free(set.log_q);
    fixture_behaviors_free(&set.behaviors);
    fixture_model_close(&model);
}

static bool is_trainable(const struct fixture *fixture)
{
    const struct interest_ops *ops =
        interest_ops_find(safetensors_metadata(fixture->file, "model"));
    return ops && ops->steps;
}

static void ten_steps_equal_the_reference(void **state)
{
    (void)state;
    glob_t files;
    int checked = 0;
    fixture_glob(&files, "*.train");
    for (size_t i = 0; i < files.gl_pathc; i++) {
        struct fixture fixture;
        fixture_open(&fixture, files.gl_pathv[i]);
        if (is_trainable(&fixture)) {
            check_training(&fixture);
            checked++;
        }
        fixture_close(&fixture);
    }
    globfree(&files);
    assert_true(checked > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(ten_steps_equal_the_reference)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

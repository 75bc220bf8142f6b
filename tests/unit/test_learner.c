/*
 * test_learner.c - what a running job makes of generations that others add to its directory: those of
 * `braid promote`, or of another process.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "model/model_dir.h"
#include "stream/learn/learner.h"
#include "tests/unit/job_fixture.h"

static struct fixture fixture;
static char models[96];

/* Adds what the fixture's checkpoint holds to the directory, as its next generation. */
static uint64_t promote(void)
{
    struct checkpoint *checkpoint;
    assert_int_equal(checkpoint_open(&checkpoint, fixture.checkpoint, NULL), STATUS_OK);
    assert_int_equal(model_dir_write(models, checkpoint, NULL), STATUS_OK);
    const uint64_t number = checkpoint->generation;
    checkpoint_close(checkpoint);
    return number;
}

static struct learner *open_learner(void)
{
    struct learner *learner;
    assert_int_equal(learner_open(&learner, &fixture.config, NULL), STATUS_OK);
    return learner;
}

static void a_promoted_generation_is_taken_over_by_the_running_job(void **state)
{
    (void)state;
    const uint64_t first = promote();
    struct learner *learner = open_learner();
    struct generations *generations = learner_generations(learner);
    assert_int_equal(generations_number(generations), first);
    const uint64_t next = promote();
    assert_true(next > first);
    learner_tend(learner, true);
    assert_int_equal(generations_number(generations), next);
    learner_close(learner);
}

static void one_that_memory_has_no_room_for_is_passed_over_until_another_comes(void **state)
{
    (void)state;
    struct learner *learner = open_learner();
    struct generations *generations = learner_generations(learner);
    const uint64_t serving = generations_number(generations);
    generations_limit(generations, 1);
    (void)promote();
    learner_tend(learner, true);
    assert_int_equal(generations_number(generations), serving);
    generations_limit(generations, 0);
    learner_tend(learner, true);
    assert_int_equal(generations_number(generations), serving);
    const uint64_t next = promote();
    learner_tend(learner, true);
    assert_int_equal(generations_number(generations), next);
    learner_close(learner);
}

static int open_all(void **state)
{
    (void)state;
    fixture_open(&fixture, 1);
    snprintf(models, sizeof models, "%s/models", fixture.dir);
    fixture.config.model.checkpoint = "";
    fixture.config.model.dir = models;
    fixture.config.train.enabled = CONFIG_TRAIN_ON;
    fixture.config.train.pace = CONFIG_PACE_FREE;
    return model_dir_make(models, NULL) == STATUS_OK ? 0 : -1;
}

static int close_all(void **state)
{
    (void)state;
    fixture_close(&fixture);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_promoted_generation_is_taken_over_by_the_running_job),
        cmocka_unit_test(one_that_memory_has_no_room_for_is_passed_over_until_another_comes),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}

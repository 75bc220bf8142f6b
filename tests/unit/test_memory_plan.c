/*
 * test_memory_plan.c - a plan stays inside its budget and keeps every promise that workers rely on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "model/checkpoint.h"
#include "state/state_cache.h"
#include "stream/job/changeset.h"
#include "stream/job/memory_plan.h"
#include "tests/unit/job_fixture.h"

static struct fixture fixture;
static struct checkpoint *checkpoint;
static struct interest_model *model;

static int open_model(void **state)
{
    (void)state;
    fixture_open(&fixture, 1);
    if (checkpoint_open(&checkpoint, fixture.checkpoint, NULL) != STATUS_OK) return -1;
    return interest_model_open(&model, checkpoint, NULL) != STATUS_OK;
}

static int close_model(void **state)
{
    (void)state;
    interest_model_close(model);
    checkpoint_close(checkpoint);
    fixture_close(&fixture);
    return 0;
}

static void what_is_planned_fits_the_budget(void **state)
{
    (void)state;
    struct config *config = &fixture.config;
    config->job.poll_events_max = 10000;
    config->job.commit_events_max = 1000000;
    for (uint64_t mb = 256; mb <= 16384; mb *= 2) {
        for (uint32_t workers = 1; workers <= 4; workers++) {
            struct memory_plan plan;
            config->job.memory = mb << 20;
            config->job.workers = workers;
            if (memory_plan_make(&plan, config, model, 30 << 20, NULL) != STATUS_OK) {
                assert_true(mb == 256);
                continue;
            }
            uint64_t users = cache_size(plan.cache_users, interest_model_state_size(model),
                                        config->source.id_size_max) +
                             2 * changeset_size(plan.users_max, plan.behaviors_max);
            assert_true(plan.answers_size > 0 && plan.answers_size <= config->job.memory / 50);
            uint64_t all = plan.answers_size + plan.store.memtable_size +
                           plan.store.block_cache_size + workers * users + (30 << 20);
            assert_true(all <= config->job.memory);
            /* Of the least budget the queues take the most. */
            assert_true(mb == 256 || all >= config->job.memory / 5 * 2 ||
                        plan.cache_users > 1000000);
        }
    }
}

static void every_user_on_its_way_has_a_slot(void **state)
{
    (void)state;
    struct config *config = &fixture.config;
    config->job.poll_events_max = 10000;
    config->job.commit_events_max = 1000;
    config->job.workers = 2;
    for (uint64_t mb = 128; mb <= 4096; mb += 64) {
        struct memory_plan plan;
        config->job.memory = mb << 20;
        if (memory_plan_make(&plan, config, model, 30 << 20, NULL) != STATUS_OK) continue;
        uint32_t coming = (plan.queue_polls_max + MEMORY_POLLS_IN_FLIGHT) * plan.poll_events_max;
        assert_true(2 * plan.users_max <= plan.cache_users);
        assert_true(plan.users_wanted >= 1);
        assert_true(plan.users_wanted + coming <= plan.users_max);
        assert_true(plan.behaviors_wanted + coming <= plan.behaviors_max);
        assert_true(plan.poll_events_max <= config->job.poll_events_max);
        assert_true(plan.queue_polls_max >= 1);
    }
}

static void too_small_a_budget_is_refused_and_a_sufficient_one_named(void **state)
{
    (void)state;
    struct config *config = &fixture.config;
    struct memory_plan plan;
    struct error error;
    config->job.memory = 64 << 20;
    config->job.workers = 4;
    assert_int_equal(memory_plan_make(&plan, config, model, 60 << 20, &error), STATUS_INVALID);
    const char *named = strstr(error.text, "at least ");
    assert_non_null(named);
    unsigned long long mb = 0;
    assert_int_equal(sscanf(named, "at least %llu MB", &mb), 1);
    config->job.memory = mb << 20;
    assert_int_equal(memory_plan_make(&plan, config, model, 60 << 20, NULL), STATUS_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_planned_fits_the_budget),
        cmocka_unit_test(every_user_on_its_way_has_a_slot),
        cmocka_unit_test(too_small_a_budget_is_refused_and_a_sufficient_one_named),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}

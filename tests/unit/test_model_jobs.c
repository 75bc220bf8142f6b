/*
 * test_model_jobs.c - every registered model, and each way to adapt K, as a job: init, run, verify.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/interest_ops.h"
#include "tests/unit/said.h"

enum { EVENTS = 600 };

static struct scene scene;

/*
 * The same job with its log in one transaction, and in many of a few small polls. `option`: one
 * more for init, or NULL.
 */
static void check_model(const char *name, const char *of, const char *option)
{
    char checkpoint[SCENE_PATH_MAX], model[64], whole[64], parts[64];
    uint32_t users = 0, users_in_parts = 0;
    snprintf(checkpoint, sizeof checkpoint, "--model.checkpoint=%s",
             scene_path(&scene, "%s.safetensors", name));
    snprintf(model, sizeof model, "--model=%s", of);
    snprintf(whole, sizeof whole, "%s-whole", name);
    snprintf(parts, sizeof parts, "%s-parts", name);
    const char *init[] = {"init",     "--config", "braid.yaml", model,
                          checkpoint, "--d=16",   option,       NULL};
    const struct scene_run plain = {.setting = checkpoint};
    expect_said(&scene, scene_program(&scene, init, NULL), 0, name);
    expect_said(&scene, scene_run(&scene, "run", whole, &plain), 0, "events=600 ");
    expect_said(&scene, scene_run(&scene, "verify", whole, &plain), 0, "verdict=ok");
    const uint64_t result = scene_result(&scene, whole, &users);
    char output[SCENE_PATH_MAX], state[SCENE_PATH_MAX];
    snprintf(output, sizeof output, "--output.dir=%s", scene_path(&scene, "%s/output", parts));
    snprintf(state, sizeof state, "--state.dir=%s", scene_path(&scene, "%s/state", parts));
    const char *run[] = {"run",
                         "--config",
                         "braid.yaml",
                         checkpoint,
                         output,
                         state,
                         "--job.commit_events_max=64",
                         "--job.poll_events_max=17",
                         NULL};
    expect_said(&scene, scene_program(&scene, run, NULL), 0, "events=600 ");
    expect_said(&scene, scene_run(&scene, "verify", parts, &plain), 0, "verdict=ok");
    assert_true(scene_result(&scene, parts, &users_in_parts) == result);
    assert_int_equal(users, users_in_parts);
}

static void every_model_runs_and_proves_itself(void **state)
{
    (void)state;
    const struct interest_ops *ops = NULL;
    for (uint32_t i = 0; (ops = interest_ops_at(i)); i++) {
        check_model(ops->name, ops->name, NULL);
    }
}

/* Behind its interests, where a person sees what a service gets. */
static void a_model_with_an_intent_vector_shows_it(void **state)
{
    (void)state;
    char checkpoint[SCENE_PATH_MAX];
    snprintf(checkpoint, sizeof checkpoint, "--model.checkpoint=%s",
             scene_path(&scene, "sine.safetensors"));
    char state_dir[SCENE_PATH_MAX];
    snprintf(state_dir, sizeof state_dir, "--state.dir=%s", scene_path(&scene, "sine-whole/state"));
    const char *inspect[] = {"inspect",    "user",     "u0",      "--config",
                             "braid.yaml", checkpoint, state_dir, NULL};
    expect_said(&scene, scene_program(&scene, inspect, NULL), 0, "  intent         length ");
}

static void a_model_without_shares_says_so_where_they_are_asked_for(void **state)
{
    (void)state;
    char checkpoint[SCENE_PATH_MAX + 32], state_dir[SCENE_PATH_MAX + 32];
    snprintf(checkpoint, sizeof checkpoint, "--model.checkpoint=%s",
             scene_path(&scene, "hpmn.safetensors"));
    snprintf(state_dir, sizeof state_dir, "--state.dir=%s", scene_path(&scene, "hpmn-whole/state"));
    const char *inspect[] = {"inspect",  "user",    "u0",        "--config", "braid.yaml",
                             checkpoint, state_dir, "--explain", NULL};
    expect_said(&scene, scene_program(&scene, inspect, NULL), 2, "hpmn reads is no sum");
}

/* What the last run of the program gave; free() it. */
static char *said_by(const char *command, const char *checkpoint, const char *more)
{
    const bool lists = strcmp(command, "recommend") == 0;
    const char *arguments[] = {command,
                               "--config",
                               "braid.yaml",
                               checkpoint,
                               lists ? "--log" : more,
                               lists ? "--user=u0" : NULL,
                               more,
                               NULL};
    assert_int_equal(scene_program(&scene, arguments, NULL), 0);
    return strdup(scene.output);
}

static void a_model_with_an_intent_vector_is_ranked_by_it_or_by_its_interests(void **state)
{
    (void)state;
    char checkpoint[SCENE_PATH_MAX + 32];
    snprintf(checkpoint, sizeof checkpoint, "--model.checkpoint=%s",
             scene_path(&scene, "sine.safetensors"));
    char *both = said_by("evaluate", checkpoint, NULL);
    assert_non_null(strstr(both, "\nsine by intent "));
    assert_non_null(strstr(both, "\nsine by interests "));
    char *told = said_by("evaluate", checkpoint, "--explain");
    assert_non_null(strstr(told, "NMI of interests with categories"));
    assert_non_null(strstr(told, " of 256 "));
    free(told);
    char *one = said_by("evaluate", checkpoint, "--by=interests");
    assert_null(strstr(one, "sine by intent"));
    char *intent = said_by("recommend", checkpoint, "--by=intent");
    assert_non_null(strstr(intent, "by its intent vector\n"));
    char *interests = said_by("recommend", checkpoint, "--by=interests");
    assert_non_null(strstr(interests, "  interest "));
    free(both);
    free(one);
    free(intent);
    free(interests);
}

static void every_way_to_adapt_the_interests_runs_and_proves_itself(void **state)
{
    (void)state;
    char items_from[SCENE_PATH_MAX + 32];
    snprintf(items_from, sizeof items_from, "--items-from=%s",
             scene_path(&scene, "gdelta.safetensors"));
    check_model("gdelta-select", "gdelta", "--select=true");
    check_model("mimn-select", "mimn", "--select=true");
    check_model("comirec-sa-streaming", "comirec-sa", "--positions=false");
    check_model("mind-fixed", "mind", "--fixed-interests=true");
    check_model("ledger-on-gdelta", "ledger", items_from);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_model_runs_and_proves_itself),
        cmocka_unit_test(a_model_without_shares_says_so_where_they_are_asked_for),
        cmocka_unit_test(a_model_with_an_intent_vector_shows_it),
        cmocka_unit_test(a_model_with_an_intent_vector_is_ranked_by_it_or_by_its_interests),
        cmocka_unit_test(every_way_to_adapt_the_interests_runs_and_proves_itself),
    };
    scene_open(&scene, EVENTS, 11);
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    scene_close(&scene);
    return failed;
}

/*
 * test_train_program.c - `braid train` from the command line: files, refusals, the next generation.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/said.h"

enum { EVENTS = 1500, MORE_MAX = 8 };

static struct scene scene;

/* `braid train` in small steps with what is given (ending with NULL); asserts its exit code. */
static void train_for(const char *epochs, int code, const char *text, const char *const *more)
{
    char config[SCENE_PATH_MAX + 32];
    const char *arguments[6 + MORE_MAX] = {"train", config, epochs, "--sequences=16",
                                           "--validation-users=20"};
    snprintf(config, sizeof config, "--config=%s", scene_path(&scene, "braid.yaml"));
    for (int i = 0; more[i]; i++) {
        assert_true(i < MORE_MAX);
        arguments[5 + i] = more[i];
    }
    expect_said(&scene, scene_program(&scene, arguments, NULL), code, text);
}

static void train(int code, const char *text, const char *const *more)
{
    train_for("--epochs=2", code, text, more);
}

/* An option that names a file of the scene. */
static const char *file_option(char to[SCENE_PATH_MAX + 32], const char *option, const char *name)
{
    snprintf(to, SCENE_PATH_MAX + 32, "%s=%s", option, scene_path(&scene, "%s", name));
    return to;
}

static void assert_same_files(const char *a, const char *b)
{
    size_t a_size, b_size;
    char *a_at = scene_read(scene_path(&scene, "%s", a), &a_size),
         *b_at = scene_read(scene_path(&scene, "%s", b), &b_size);
    assert_int_equal(a_size, b_size);
    assert_memory_equal(a_at, b_at, a_size);
    free(a_at);
    free(b_at);
}

static void training_writes_the_next_generation(void **state)
{
    (void)state;
    char out[SCENE_PATH_MAX + 32], evaluated[SCENE_PATH_MAX + 32];
    train(0, "generation 2 of limarec",
          (const char *[]){file_option(out, "--out", "g2.safetensors"), NULL});
    assert_non_null(strstr(scene.output, "epoch   2  loss "));
    const char *arguments[] = {"evaluate", "--config", scene_path(&scene, "braid.yaml"),
                               file_option(evaluated, "--checkpoint", "g2.safetensors"), NULL};
    assert_int_equal(scene_program(&scene, arguments, NULL), 0);
    assert_non_null(strstr(scene.output, "limarec"));
}

static void the_same_training_makes_the_same_file(void **state)
{
    (void)state;
    char out[SCENE_PATH_MAX + 32];
    train(0, "generation 2",
          (const char *[]){file_option(out, "--out", "again.safetensors"), NULL});
    assert_same_files("g2.safetensors", "again.safetensors");
    train(0, "generation 2",
          (const char *[]){file_option(out, "--out", "other.safetensors"), "--seed=2", NULL});
    size_t a_size, b_size;
    char *a = scene_read(scene_path(&scene, "%s", "g2.safetensors"), &a_size),
         *b = scene_read(scene_path(&scene, "%s", "other.safetensors"), &b_size);
    assert_true(a_size != b_size || memcmp(a, b, a_size) != 0);
    free(a);
    free(b);
}

static void a_training_that_was_saved_goes_on(void **state)
{
    (void)state;
    char out[SCENE_PATH_MAX + 32], resume[SCENE_PATH_MAX + 32];
    file_option(resume, "--resume", "run.training");
    train(0, "epoch   1",
          (const char *[]){file_option(out, "--out", "saved.safetensors"), resume, NULL});
    train(0, "going on after epoch 2",
          (const char *[]){file_option(out, "--out", "resumed.safetensors"), resume, NULL});
    assert_same_files("saved.safetensors", "resumed.safetensors");
    train(
        3, "other options",
        (const char *[]){file_option(out, "--out", "not.safetensors"), resume, "--rate=0.5", NULL});
}

static void the_course_is_kept_and_drawn(void **state)
{
    (void)state;
    char out[SCENE_PATH_MAX + 32], curve[SCENE_PATH_MAX + 32], plot[SCENE_PATH_MAX + 32];
    size_t size;
    train(0, "generation 2",
          (const char *[]){file_option(out, "--out", "curve.safetensors"),
                           file_option(curve, "--curve", "c.csv"),
                           file_option(plot, "--plot", "c.svg"), NULL});
    char *text = scene_read(scene_path(&scene, "%s", "c.csv"), &size);
    assert_non_null(strstr(text, "epoch,steps,loss,hit_rate,ndcg,seconds\n1,"));
    assert_non_null(strstr(text, "\n2,"));
    free(text);
    text = scene_read(scene_path(&scene, "%s", "c.svg"), &size);
    assert_non_null(strstr(text, "</svg>"));
    free(text);
}

static void expect_inspected(const char *name, const char *text)
{
    const char *arguments[] = {"inspect", "checkpoint", scene_path(&scene, "%s", name), NULL};
    expect_said(&scene, scene_program(&scene, arguments, NULL), 0, text);
}

/* The generation rises, that of the states does not: nothing that they depend on has changed. */
static void how_interests_are_chosen_changes_without_training(void **state)
{
    (void)state;
    char out[SCENE_PATH_MAX + 32], from[SCENE_PATH_MAX + 32];
    file_option(out, "--out", "select.safetensors");
    train_for("--epochs=0", 0, "generation 2 of limarec",
              (const char *[]){out, "--select=true", "--evidence-min=0.5", NULL});
    assert_null(strstr(scene.output, "epoch"));
    expect_inspected("select.safetensors", "generation   2 (states: 1)");
    expect_inspected("select.safetensors", "select=true evidence_min=0.5 residual_min=0.3");
    file_option(from, "--model.checkpoint", "select.safetensors");
    file_option(out, "--out", "trained.safetensors");
    train(0, "generation 3", (const char *[]){out, from, NULL});
    expect_inspected("trained.safetensors", "generation   3 (states: 2)");
    expect_inspected("trained.safetensors", "select=true evidence_min=0.5");
    file_option(out, "--out", "all.safetensors");
    train_for("--epochs=0", 0, "generation 3", (const char *[]){out, from, "--select=false", NULL});
    expect_inspected("all.safetensors", "generation   3 (states: 1)");
    assert_null(strstr(scene.output, "select="));
}

/* Its first interests are those there were: the queries of new ones are drawn beside theirs. */
static void the_number_of_interests_grows_without_a_fold(void **state)
{
    (void)state;
    char out[SCENE_PATH_MAX + 32];
    file_option(out, "--out", "more.safetensors");
    train_for("--epochs=0", 0, "generation 2 of limarec",
              (const char *[]){out, "--interests=6", NULL});
    expect_inspected("more.safetensors", "generation   2 (states: 1)");
    expect_inspected("more.safetensors", "K=6");
}

/* A job over generations of a directory: it and verify take the newest, verify the others too. */
static void expect_job(const char *command, const char *name, const char *models, const char *text)
{
    const struct scene_run how = {.setting = models};
    expect_said(&scene, scene_run(&scene, command, name, &how), 0, text);
}

static void a_directory_of_generations_is_trained_and_served(void **state)
{
    (void)state;
    char models[SCENE_PATH_MAX + 32], none[] = "--model.checkpoint=";
    file_option(models, "--model.dir", "models");
    const char *init[] = {"init",   "--config", scene_path(&scene, "braid.yaml"), models, none,
                          "--d=16", NULL};
    assert_int_equal(scene_program(&scene, init, NULL), 0);
    assert_int_equal(scene_program(&scene, init, NULL), 3);
    assert_non_null(strstr(scene.output, "braid train makes the next"));
    train(0, "generation 2 of limarec", (const char *[]){models, none, NULL});
    train(0, "generation 3 of limarec", (const char *[]){models, none, NULL});
    expect_inspected("models/generation-0000000003.safetensors", "parent       2 ");
    expect_inspected("models/generation-0000000003.safetensors", " steps, ");
    const char *user[] = {"recommend", "--config", scene_path(&scene, "braid.yaml"),
                          models,      none,       "--user=u40",
                          "--log",     NULL};
    assert_int_equal(scene_program(&scene, user, NULL), 0);
    assert_non_null(strstr(scene.output, "limarec generation 3"));
    train(0, "generation 4 of limarec", (const char *[]){models, none, "--model.keep=1", NULL});
    const char *gone[] = {"inspect", "checkpoint",
                          scene_path(&scene, "models/generation-0000000002.safetensors"), NULL};
    assert_int_equal(scene_program(&scene, gone, NULL), 1);
    expect_inspected("models/generation-0000000003.safetensors", "generation   3");
}

static void a_job_serves_the_newest_generation_and_verify_knows_all(void **state)
{
    (void)state;
    char older[SCENE_PATH_MAX + 32];
    file_option(older, "--model.checkpoint", "models/generation-0000000003.safetensors");
    expect_job("run", "directory", older, "events=1500 ");
    /* The scene's configuration names a checkpoint; an empty one leaves the choice to model.dir. */
    setenv("BRAID_MODEL_DIR", scene_path(&scene, "models"), 1);
    setenv("BRAID_MODEL_CHECKPOINT", "", 1);
    expect_job("verify", "directory", "--model.keep=5", "verdict=ok");
    expect_job("run", "newest", "--model.keep=5", "events=1500 ");
    expect_job("verify", "newest", "--model.keep=5", "verdict=ok");
    unsetenv("BRAID_MODEL_DIR");
    unsetenv("BRAID_MODEL_CHECKPOINT");
}

/* In "models", which has the generations up to 4. */
static void an_older_generation_comes_back_under_a_new_number(void **state)
{
    (void)state;
    static const char config[] = "--config", none[] = "--model.checkpoint=";
    char models[SCENE_PATH_MAX + 32], out[SCENE_PATH_MAX + 32];
    const char *yaml = scene_path(&scene, "braid.yaml");
    file_option(models, "--model.dir", "models");
    file_option(out, "--output.dir", "promoted");
    const char *back[] = {"rollback", config, yaml, models, none, out, NULL};
    assert_int_equal(scene_program(&scene, back, NULL), 0);
    assert_non_null(strstr(scene.output, "promote generation=5 parent=3\n"));
    assert_int_equal(scene_program(&scene, back, NULL), 0);
    assert_non_null(strstr(scene.output, "promote generation=6 parent=4\n"));
    const char *named[] = {"promote", config, yaml, models, none, out, "--generation=3", NULL};
    assert_int_equal(scene_program(&scene, named, NULL), 0);
    assert_non_null(strstr(scene.output, "promote generation=7 parent=3\n"));
    expect_inspected("models/generation-0000000007.safetensors", "forced: as 3");
    expect_inspected("models/generation-0000000007.safetensors", "generation   7 (states: 3)");
    size_t size;
    free(scene_read(scene_path(&scene, "promoted/items-0000000007.jsonl"), &size));
    const char *which[] = {"promote", config, yaml, models, none, out, NULL};
    assert_int_equal(scene_program(&scene, which, NULL), 2);
    const char *missing[] = {"promote", config, yaml, models, none, out, "--generation=99", NULL};
    assert_int_equal(scene_program(&scene, missing, NULL), 2);
}

static void what_cannot_be_done_is_said_before_the_log_is_read(void **state)
{
    (void)state;
    char out[SCENE_PATH_MAX + 32];
    train(2, "--out FILE is needed", (const char *[]){NULL});
    train(3, "exists", (const char *[]){file_option(out, "--out", "g2.safetensors"), NULL});
    file_option(out, "--out", "none.safetensors");
    train(2, "--plot needs --curve", (const char *[]){out, "--plot=x.svg", NULL});
    train(2, "--rate=fast: a number from 0 to 1", (const char *[]){out, "--rate=fast", NULL});
    train(2, "--cuts=1.5: a whole number", (const char *[]){out, "--cuts=1.5", NULL});
    train(2, "need select", (const char *[]){out, "--evidence-min=0.2", NULL});
    train(2, "a dimension of ledger", (const char *[]){out, "--publish-mass=2", NULL});
    train(2, "must be max, hard or label-aware", (const char *[]){out, "--readout=soft", NULL});
    train(2, "must be leave-one-out", (const char *[]){out, "--hold-out=half", NULL});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(training_writes_the_next_generation),
        cmocka_unit_test(the_same_training_makes_the_same_file),
        cmocka_unit_test(a_training_that_was_saved_goes_on),
        cmocka_unit_test(the_course_is_kept_and_drawn),
        cmocka_unit_test(how_interests_are_chosen_changes_without_training),
        cmocka_unit_test(the_number_of_interests_grows_without_a_fold),
        cmocka_unit_test(a_directory_of_generations_is_trained_and_served),
        cmocka_unit_test(a_job_serves_the_newest_generation_and_verify_knows_all),
        cmocka_unit_test(an_older_generation_comes_back_under_a_new_number),
        cmocka_unit_test(what_cannot_be_done_is_said_before_the_log_is_read),
    };
    scene_open(&scene, EVENTS, 11);
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    scene_close(&scene);
    return failed;
}

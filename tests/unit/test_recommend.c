/* test_recommend.c - lists for a user, from a job's history and straight from a log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/said.h"

enum { EVENTS = 1500, MORE_MAX = 10 };

static struct scene scene;
static char config[SCENE_PATH_MAX + 32];

/* `braid recommend` of the scene with what is given (ending with NULL); asserts its exit code. */
static void recommend(int code, const char *text, const char *const *more)
{
    const char *arguments[3 + MORE_MAX] = {"recommend", config};
    for (int i = 0; more[i]; i++) {
        assert_true(i < MORE_MAX);
        arguments[2 + i] = more[i];
    }
    expect_said(&scene, scene_program(&scene, arguments, NULL), code, text);
}

static uint32_t lines(void)
{
    uint32_t count = 0;
    for (const char *at = scene.output; *at; at++) {
        count += *at == '\n';
    }
    return count;
}

static void a_job_and_its_log_give_the_same_list(void **state)
{
    (void)state;
    char state_dir[SCENE_PATH_MAX + 32], output_dir[SCENE_PATH_MAX + 32];
    char *of_log;
    assert_int_equal(scene_run(&scene, "run", "job", NULL), 0);
    snprintf(state_dir, sizeof state_dir, "--state.dir=%s", scene_path(&scene, "job/state"));
    snprintf(output_dir, sizeof output_dir, "--output.dir=%s", scene_path(&scene, "job/output"));
    recommend(0, "behaviors", (const char *[]){"--user=u40", "--log", NULL});
    assert_int_equal(lines(), 11);
    of_log = strdup(scene.output);
    assert_non_null(of_log);
    recommend(0, "behaviors", (const char *[]){"--user=u40", state_dir, output_dir, NULL});
    assert_string_equal(scene.output, of_log);
    free(of_log);
}

static void what_a_user_has_had_is_left_out_unless_asked_for(void **state)
{
    (void)state;
    const char *rows = "--top=150";
    recommend(0, "user u3", (const char *[]){"--user=u3", "--log", rows, NULL});
    const uint32_t without = lines();
    recommend(0, "user u3", (const char *[]){"--user=u3", "--log", "--seen", rows, NULL});
    assert_true(without < lines());
}

static void each_interest_has_a_list_of_its_own(void **state)
{
    (void)state;
    recommend(0, "interest 1, weight",
              (const char *[]){"--user=u3", "--log", "--interests", "--top=2", NULL});
    assert_non_null(strstr(scene.output, "interest 4, weight"));
    assert_int_equal(lines(), 1 + 4 * (1 + 2));
}

static void diversity_brings_other_categories_forward(void **state)
{
    (void)state;
    char *plain;
    recommend(0, "user u3", (const char *[]){"--user=u3", "--log", NULL});
    plain = strdup(scene.output);
    assert_non_null(plain);
    recommend(0, "user u3", (const char *[]){"--user=u3", "--log", "--diversity=1000", NULL});
    assert_string_not_equal(scene.output, plain);
    assert_int_equal(lines(), 11);
    free(plain);
}

static void recall_against_diversity_is_a_table_and_a_picture(void **state)
{
    (void)state;
    char csv[SCENE_PATH_MAX + 32], svg[SCENE_PATH_MAX + 32], text[4096];
    snprintf(csv, sizeof csv, "--csv=%s", scene_path(&scene, "curve.csv"));
    snprintf(svg, sizeof svg, "--plot=%s", scene_path(&scene, "curve.svg"));
    const char *arguments[] = {"evaluate", config, "--diversity=0,1,1000", csv, svg, NULL};
    expect_said(&scene, scene_program(&scene, arguments, NULL), 0, "10 items chosen for diversity");
    FILE *file = fopen(scene_path(&scene, "curve.csv"), "r");
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    const char *first = strstr(text, "\nlimarec,0,0."), *last = strstr(text, "\nlimarec,1000,0.");
    assert_non_null(first);
    assert_non_null(last);
    assert_true(strtod(first + strlen("\nlimarec,0,"), NULL) <
                strtod(last + strlen("\nlimarec,1000,"), NULL));
    file = fopen(scene_path(&scene, "curve.svg"), "r");
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    assert_non_null(strstr(text, "diversity"));
    arguments[2] = "--diversity=0,x";
    expect_said(&scene, scene_program(&scene, arguments, NULL), 2, "separated by commas");
    arguments[2] = "--json";
    expect_said(&scene, scene_program(&scene, arguments, NULL), 2, "--diversity W,W");
}

static void titles_stand_beside_ids(void **state)
{
    (void)state;
    char text[8192] = "item\ttitle\n", option[SCENE_PATH_MAX + 32];
    size_t size = strlen(text);
    for (int i = 0; i < 150; i++) {
        size += (size_t)snprintf(text + size, sizeof text - size, "i%d\tTitle of %d\n", i, i);
    }
    scene_write(scene_path(&scene, "titles.tsv"), text, size);
    snprintf(option, sizeof option, "--catalogue=%s", scene_path(&scene, "titles.tsv"));
    recommend(0, "  Title of ", (const char *[]){"--user=u3", "--log", option, NULL});
}

static void what_cannot_be_done_is_said(void **state)
{
    (void)state;
    recommend(2, "--user USER must be given", (const char *[]){NULL});
    recommend(1, "no event of user \"nobody\"", (const char *[]){"--user=nobody", "--log", NULL});
    recommend(2, "--top=0: a whole number from 1 to 1000",
              (const char *[]){"--user=u3", "--top=0", NULL});
    recommend(2, "--diversity=x", (const char *[]){"--user=u3", "--diversity=x", NULL});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_and_its_log_give_the_same_list),
        cmocka_unit_test(what_a_user_has_had_is_left_out_unless_asked_for),
        cmocka_unit_test(each_interest_has_a_list_of_its_own),
        cmocka_unit_test(diversity_brings_other_categories_forward),
        cmocka_unit_test(recall_against_diversity_is_a_table_and_a_picture),
        cmocka_unit_test(titles_stand_beside_ids),
        cmocka_unit_test(what_cannot_be_done_is_said),
    };
    scene_open(&scene, EVENTS, 5);
    snprintf(config, sizeof config, "--config=%s", scene_path(&scene, "braid.yaml"));
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    scene_close(&scene);
    return failed;
}

/* test_inspect_user.c - a user as `braid inspect user` shows it, and what its interests are made of. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/near.h"
#include "tests/unit/said.h"

enum { EVENTS = 1500, INTERESTS = 4 };

static struct scene scene;
static char config[SCENE_PATH_MAX + 32];
static char state_dir[SCENE_PATH_MAX + 32], output_dir[SCENE_PATH_MAX + 32];

/* `braid inspect user USER` with two more words; asserts its exit code and a text of what it said. */
static void inspect(const char *user, const char *a, const char *b, int code, const char *text)
{
    const char *arguments[] = {"inspect", "user", user, config, state_dir, output_dir, a, b, NULL};
    expect_said(&scene, scene_program(&scene, arguments, NULL), code, text);
}

/* The magnitudes of all "shares" of the output, added up by interest; returns how many there are. */
static uint32_t add_shares(double *sums)
{
    uint32_t count = 0;
    memset(sums, 0, INTERESTS * sizeof *sums);
    for (const char *at = scene.output; (at = strstr(at, "\"shares\":[")); count++) {
        at += strlen("\"shares\":[");
        for (uint32_t k = 0; k < INTERESTS; k++) {
            char *end;
            sums[k] += fabs(strtod(at, &end));
            assert_int_equal(*end, k + 1 < INTERESTS ? ',' : ']');
            at = end + 1;
        }
    }
    return count;
}

static void shares_of_a_whole_history_sum_to_one(void **state)
{
    (void)state;
    double sums[INTERESTS];
    inspect("u3", "--explain", "--json", 0, "\"user\":\"u3\"");
    assert_int_equal(add_shares(sums), 20);
    inspect("u3", "--explain", "--json", 0, "\"item\":\"i");
    const char *arguments[] = {"inspect",  "user",      "u3",     config,        state_dir,
                               output_dir, "--explain", "--json", "--last=1500", NULL};
    expect_said(&scene, scene_program(&scene, arguments, NULL), 0, "\"weights\":[");
    assert_true(add_shares(sums) > 20);
    for (uint32_t k = 0; k < INTERESTS; k++) {
        assert_near(sums[k], 1, 1e-3);
    }
}

static void an_interest_is_shown_with_the_items_it_is_made_of(void **state)
{
    (void)state;
    inspect("u3", "--explain", "--last=2", 0,
            "history, the latest 2, and its share in each interest\n");
    const char *interest = strstr(scene.output, "\n  4  weight ");
    assert_non_null(interest);
    assert_non_null(strstr(interest, "  of "));
    assert_non_null(strstr(strstr(interest, "  of "), "  i"));
}

static void shares_are_shown_only_where_they_are_asked_for(void **state)
{
    (void)state;
    inspect("u3", "--json", "--last=3", 0, "\"history\":[{\"n\":");
    assert_null(strstr(scene.output, "shares"));
    inspect("u3", "--last=3", NULL, 0, "history, the latest 3\n");
    assert_null(strstr(scene.output, "  of "));
    inspect("nobody", "--explain", NULL, 1, "no user 'nobody'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_of_a_whole_history_sum_to_one),
        cmocka_unit_test(an_interest_is_shown_with_the_items_it_is_made_of),
        cmocka_unit_test(shares_are_shown_only_where_they_are_asked_for),
    };
    scene_open(&scene, EVENTS, 5);
    snprintf(config, sizeof config, "--config=%s", scene_path(&scene, "braid.yaml"));
    snprintf(state_dir, sizeof state_dir, "--state.dir=%s", scene_path(&scene, "job/state"));
    snprintf(output_dir, sizeof output_dir, "--output.dir=%s", scene_path(&scene, "job/output"));
    const bool ran = scene_run(&scene, "run", "job", NULL) == 0;
    const int failed = ran ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
    scene_close(&scene);
    return failed;
}

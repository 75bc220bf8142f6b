/*
 * test_learning.c - a job that learns: from a log alone to proven records, the same bytes again, and
 * kills at every step of a round.
 *
 * The job starts with nothing. Each round here adopts its candidate, so that every user is moved to
 * a new generation several times, and each finds more items than it may have rows for, so that some
 * go out. Killed in the middle and started again the job must come to the same generations and the
 * same records as one that nobody disturbed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "base/clock.h"
#include "tests/crash/scene.h"

enum { EVENTS = 4000, GENERATIONS = 3, KILLS = 5, MOMENTS = 20, ARGUMENTS = 16 };

#define ITEMS_MAX "60" /* of 150 in the log */

static const char *const points[] = {"generation_trained", "generation_sealed", "sweep_folded",
                                     "sweep_committed"};

static struct scene scene;
static uint64_t undisturbed, generations; /* what every job must come to */
static uint32_t users;
static int64_t run_us;
static uint32_t kills;

/* `braid COMMAND` with everything in NAME/. */
static int program(const char *command, const char *name, const struct scene_run *how)
{
    static const char *const settings[] = {
        "--model.checkpoint=",      "--train.enabled=true",
        "--train.events=1200",      "--train.gate_events=100",
        "--train.margin=-1",        "--train.first_epochs=1",
        "--train.epochs=1",         "--model.keep=100",
        "--job.poll_events_max=32", "--job.commit_users_max=40",
        "--log.quiet=true",         "--train.memory=16MB",
        "--job.memory=1GB",         "--train.items_max=" ITEMS_MAX};
    char state[SCENE_PATH_MAX + 64], output[SCENE_PATH_MAX + 64], model[SCENE_PATH_MAX + 64];
    const char *arguments[ARGUMENTS + 8] = {command, "--config", "braid.yaml",
                                            state,   output,     model};
    snprintf(state, sizeof state, "--state.dir=%s/%s/state", scene.dir, name);
    snprintf(output, sizeof output, "--output.dir=%s/%s/output", scene.dir, name);
    snprintf(model, sizeof model, "--model.dir=%s/%s/models", scene.dir, name);
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        arguments[6 + i] = settings[i];
    }
    return scene_program(&scene, arguments, how);
}

static void expect(int code, int wanted, const char *what)
{
    if (code != wanted) fail_msg("%s ended with %d, said:\n%s", what, code, scene.output);
}

/* A hash over all generations, file by file. */
static uint64_t hash_generations(const char *name)
{
    uint64_t hash = 0;
    for (uint32_t number = 1; number <= GENERATIONS; number++) {
        size_t size;
        char *bytes = scene_read(
            scene_path(&scene, "%s/models/generation-%010" PRIu32 ".safetensors", name, number),
            &size);
        hash = splitmix64(hash ^ checksum_of(bytes, size));
        free(bytes);
    }
    return hash;
}

static int run_undisturbed(void **state)
{
    (void)state;
    scene_open(&scene, EVENTS, 11);
    const int64_t start_ns = clock_monotonic_ns();
    expect(program("run", "undisturbed", NULL), 0, "run");
    run_us = (clock_monotonic_ns() - start_ns) / 1000;
    expect(program("verify", "undisturbed", NULL), 0, "verify");
    undisturbed = scene_result(&scene, "undisturbed", &users);
    generations = hash_generations("undisturbed");
    return 0;
}

static int report(void **state)
{
    (void)state;
    printf("learning kills=%" PRIu32 " run_ms=%" PRId64 "\n", kills, run_us / 1000);
    scene_close(&scene);
    return 0;
}

static void finish_and_prove(const char *what)
{
    uint32_t found;
    expect(program("run", "job", NULL), 0, what);
    expect(program("verify", "job", NULL), 0, what);
    const uint64_t result = scene_result(&scene, "job", &found);
    if (found != users || result != undisturbed) {
        fail_msg("%s: %" PRIu32 " users of %" PRIu32 ", or other newest records", what, found,
                 users);
    }
    if (hash_generations("job") != generations) fail_msg("%s: other generations", what);
    scene_remove(&scene, "job");
}

static void a_job_that_starts_with_nothing_publishes_every_user_proven(void **state)
{
    char text[64];
    (void)state;
    assert_true(users > 10);
    snprintf(text, sizeof text, "%s/models/curve.csv", "undisturbed");
    size_t size;
    char *curve = scene_read(scene_path(&scene, "%s", text), &size);
    assert_non_null(strstr(curve, "baseline-not-evaluable"));
    assert_non_null(strstr(curve, ",adopted,"));
    free(curve);
}

/* Of a generation of the undisturbed job: its file of item vectors. */
static char *read_items(uint32_t number)
{
    size_t size;
    return scene_read(scene_path(&scene, "undisturbed/output/items-%010" PRIu32 ".jsonl", number),
                      &size);
}

static void items_go_out_when_the_generation_changes(void **state)
{
    const uint32_t most = (uint32_t)strtoul(ITEMS_MAX, NULL, 10);
    char *lines[GENERATIONS];
    uint32_t gone = 0;
    (void)state;
    for (uint32_t i = 0; i < GENERATIONS; i++) {
        lines[i] = read_items(i + 1);
    }
    for (uint32_t item = 0; item < 150; item++) {
        char text[32];
        snprintf(text, sizeof text, "\"item\":\"i%" PRIu32 "\"", item);
        for (uint32_t i = 0; i + 1 < GENERATIONS; i++) {
            gone += strstr(lines[i], text) && !strstr(lines[i + 1], text);
        }
    }
    assert_true(gone > 0);
    for (uint32_t i = 0; i < GENERATIONS; i++) {
        uint32_t items = 0;
        for (const char *at = lines[i]; (at = strstr(at, "\"item\":")); at++) {
            items++;
        }
        assert_int_equal(items, most);
        free(lines[i]);
    }
}

static void the_same_log_gives_the_same_generations_and_records(void **state)
{
    (void)state;
    finish_and_prove("the same again");
}

static void a_job_goes_on_with_its_newest_generation(void **state)
{
    (void)state;
    expect(program("run", "job", NULL), 0, "run");
    expect(program("run", "job", NULL), 0, "run again");
    finish_and_prove("run twice");
}

static void nothing_is_lost_or_repeated_when_killed_at_any_step_of_a_round(void **state)
{
    static const uint32_t passes[] = {1, 2, 3, 5, 8, 4, 6};
    (void)state;
    for (size_t p = 0; p < sizeof points / sizeof *points; p++) {
        uint32_t killed = 0;
        for (size_t i = 0; i < sizeof passes / sizeof *passes && killed < KILLS; i++) {
            char fault[64];
            snprintf(fault, sizeof fault, "%s:%" PRIu32, points[p], passes[i]);
            const int code = program("run", "job", &(struct scene_run){.fault = fault});
            if (code != -SIGKILL && code != 0) expect(code, 0, fault);
            killed += code == -SIGKILL;
            /* Killed again on the way back, where that is passed again. */
            if (code == -SIGKILL) {
                snprintf(fault, sizeof fault, "%s:1", points[p]);
                killed += program("run", "job", &(struct scene_run){.fault = fault}) == -SIGKILL;
            }
            finish_and_prove(fault);
        }
        if (killed < KILLS) fail_msg("%s is passed too rarely: %u kills", points[p], killed);
        kills += killed;
    }
}

static void nothing_is_lost_or_repeated_when_killed_at_any_moment(void **state)
{
    (void)state;
    const char *chosen = getenv("CRASH_SEED");
    const uint64_t seed =
        chosen ? strtoull(chosen, NULL, 10) : (uint64_t)clock_monotonic_ns() % 1000000;
    printf("CRASH_SEED=%" PRIu64 "\n", seed);
    for (uint64_t turn = 0; turn < MOMENTS; turn++) {
        char what[64];
        const uint64_t drawn = splitmix64(seed * 1000003 + turn);
        const struct scene_run how = {.signal = SIGKILL,
                                      .signal_us = 1 + (int64_t)(drawn % (uint64_t)run_us)};
        snprintf(what, sizeof what, "CRASH_SEED=%" PRIu64 " turn %" PRIu64, seed, turn);
        const int code = program("run", "job", &how);
        if (code != -SIGKILL && code != 0) expect(code, 0, what);
        kills += code == -SIGKILL;
        finish_and_prove(what);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_that_starts_with_nothing_publishes_every_user_proven),
        cmocka_unit_test(items_go_out_when_the_generation_changes),
        cmocka_unit_test(the_same_log_gives_the_same_generations_and_records),
        cmocka_unit_test(a_job_goes_on_with_its_newest_generation),
        cmocka_unit_test(nothing_is_lost_or_repeated_when_killed_at_any_step_of_a_round),
        cmocka_unit_test(nothing_is_lost_or_repeated_when_killed_at_any_moment),
    };
    return cmocka_run_group_tests(tests, run_undisturbed, report);
}

/*
 * test_crash.c - kills the real program at every step it takes and at random moments.
 *
 * After each kill the job is started again until its input is drained; then `braid verify` must
 * find nothing lost and nothing repeated, and every user's newest record must be, byte for byte,
 * that of an undisturbed run. $CRASH_PART chooses the part: `points`, `moments`, or `models`, which
 * does some of both with every model there is.
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
#include "base/fault.h"
#include "model/interest_ops.h"
#include "tests/crash/scene.h"

enum {
    EVENTS = 6000,
    KILLS = 5,      /* at each point, each at another of its passes */
    MOMENTS = 60,   /* kills at random moments, */
    STRIKES = 3,    /* at most so many of one job */
    OF_A_MODEL = 2, /* kills at moments of every model's run */
};

/* Points that only other jobs pass: on Kafka (tests/kafka), and one that learns (test_learning.c). */
static const char *const of_others[] = {"seals_sent",
                                        "offsets_sent",
                                        "outputs_sent",
                                        "generation_trained",
                                        "generation_sealed",
                                        "sweep_folded",
                                        "expiry_marked",
                                        "expiry_committed",
                                        "erase_requested",
                                        "erase_output_cleared",
                                        "erase_log_written",
                                        "erase_store_deleted",
                                        "erase_receipts_written",
                                        "erasure_taken",
                                        "erasure_found",
                                        "erasure_committed",
                                        "erasure_purged",
                                        "sweep_committed",
                                        "item_vector_sent",
                                        "item_vectors_published",
                                        "chunk_sent",
                                        "manifest_sent",
                                        "generation_published",
                                        "generation_completed",
                                        "generation_adopted",
                                        "copy_claimed",
                                        "seed_sorted",
                                        "seed_claimed",
                                        "seed_sealing",
                                        "seed_sealed",
                                        "replay_publishes",
                                        "lone_begun",
                                        "lone_sent",
                                        "lone_offsets_sent",
                                        "lone_committed"};

static struct scene scene;
static const char *setting;  /* of all runs: the checkpoint of a model; NULL: the scene's own */
static uint64_t undisturbed; /* what every job must come to */
static uint32_t users;
static int64_t run_us; /* how long it took undisturbed */
static uint32_t kills;
static uint64_t lost, repeated; /* that verify has counted after them */

static void print_output(void)
{
    fprintf(stderr, "%s\n", scene.output);
}

/* Adds up what verify says in its last line. */
static void count_verified(const char *what)
{
    uint64_t more_lost, more_repeated;
    const char *counts = strstr(scene.output, " lost=");
    if (!counts ||
        sscanf(counts, " lost=%" SCNu64 " repeated=%" SCNu64, &more_lost, &more_repeated) != 2) {
        print_output();
        fail_msg("%s: verify did not count", what);
    }
    lost += more_lost;
    repeated += more_repeated;
}

/* Drains the job and holds it to the undisturbed one. */
static void finish_and_prove(const char *name, const char *what)
{
    uint32_t found;
    const struct scene_run plain = {.setting = setting};
    int code = scene_run(&scene, "run", name, &plain);
    if (code != 0) {
        print_output();
        fail_msg("%s: restarting ended with %d", what, code);
    }
    code = scene_run(&scene, "verify", name, &plain);
    count_verified(what);
    if (code != 0) {
        print_output();
        fail_msg("%s: verify ended with %d", what, code);
    }
    uint64_t result = scene_result(&scene, name, &found);
    if (found != users || result != undisturbed) {
        fail_msg("%s: %u users of %u, or other newest records", what, found, users);
    }
    scene_remove(&scene, name);
}

/* What every job with `setting` must come to. */
static int run_undisturbed(const char *name)
{
    const struct scene_run plain = {.setting = setting};
    int64_t start_ns = clock_monotonic_ns();
    if (scene_run(&scene, "run", name, &plain) != 0) {
        print_output();
        return -1;
    }
    run_us = (clock_monotonic_ns() - start_ns) / 1000;
    if (scene_run(&scene, "verify", name, &plain) != 0) {
        print_output();
        return -1;
    }
    undisturbed = scene_result(&scene, name, &users);
    return 0;
}

static int open_scene(void **state)
{
    (void)state;
    scene_open(&scene, EVENTS, 11);
    return run_undisturbed("undisturbed");
}

static int report(void **state)
{
    (void)state;
    printf("crash kills=%u lost=%" PRIu64 " repeated=%" PRIu64 " run_ms=%" PRId64 "\n", kills, lost,
           repeated, run_us / 1000);
    scene_close(&scene);
    return 0;
}

static bool is_of_others(const char *point)
{
    for (size_t i = 0; i < sizeof of_others / sizeof *of_others; i++) {
        if (strcmp(point, of_others[i]) == 0) return true;
    }
    return false;
}

/* Kills a new job at the given pass of a point; false if it never came to that. */
static bool killed_at(const char *point, uint32_t pass)
{
    char fault[128];
    snprintf(fault, sizeof fault, "%s:%u", point, pass);
    int code =
        scene_run(&scene, "run", "job", &(struct scene_run){.fault = fault, .setting = setting});
    if (code != -SIGKILL && code != 0) {
        print_output();
        fail_msg("%s: the run ended with %d", fault, code);
    }
    kills += code == -SIGKILL;
    finish_and_prove("job", fault);
    return code == -SIGKILL;
}

static void nothing_is_lost_or_repeated_when_killed_at_any_step(void **state)
{
    (void)state;
    /* Far apart where a point is passed often; the others make up for passes that a run lacks. */
    static const uint32_t passes[] = {1, 2, 5, 20, 50, 3, 4, 7, 10};
    for (const char *const *point = fault_names; *point; point++) {
        uint32_t killed = 0;
        if (is_of_others(*point)) continue;
        for (size_t i = 0; i < sizeof passes / sizeof *passes && killed < KILLS; i++) {
            killed += killed_at(*point, passes[i]);
        }
        if (killed < KILLS) fail_msg("%s is passed too rarely: %u kills", *point, killed);
    }
}

static void nothing_is_lost_or_repeated_when_killed_at_any_moment(void **state)
{
    (void)state;
    const char *chosen = getenv("CRASH_SEED");
    uint64_t seed = chosen ? strtoull(chosen, NULL, 10) : (uint64_t)clock_monotonic_ns() % 1000000;
    printf("CRASH_SEED=%" PRIu64 "\n", seed);
    for (uint64_t turn = 0; kills < MOMENTS; turn++) {
        char what[128];
        assert_true(turn < 20 * MOMENTS);
        uint64_t drawn = splitmix64(seed * 1000003 + turn);
        snprintf(what, sizeof what, "CRASH_SEED=%" PRIu64 " turn %" PRIu64, seed, turn);
        /* A restart may be killed as well, while it recovers or later. */
        for (uint64_t strikes = 1 + drawn % STRIKES; strikes > 0; strikes--) {
            drawn = splitmix64(drawn);
            struct scene_run how = {.signal = SIGKILL,
                                    .signal_us = 1 + (int64_t)(drawn % (uint64_t)run_us)};
            int code = scene_run(&scene, "run", "job", &how);
            if (code != -SIGKILL && code != 0) {
                print_output();
                fail_msg("%s: restarting ended with %d", what, code);
            }
            kills += code == -SIGKILL;
        }
        /* A lost store is nothing but a longer recovery. */
        if (turn % 4 == 3)
            scene_remove(&scene, turn % 8 == 3 ? "job/state/store-0001" : "job/state/store-0002");
        finish_and_prove("job", what);
    }
}

/* Of every user many in turn, so that kills meet them; of some who never act. */
static void write_profiles(void)
{
    FILE *file = fopen(scene_path(&scene, "profiles.jsonl"), "wb");
    assert_non_null(file);
    for (uint32_t i = 0; i < EVENTS / 2; i++) {
        fprintf(file, "{\"user\":\"u%u\",\"action\":\"a%u\",\"category\":%u}\n", i % 80, i % 7,
                i % 5);
    }
    assert_int_equal(fclose(file), 0);
}

static void every_model_survives_what_the_default_survives(void **state)
{
    (void)state;
    static const char *const points[] = {"log_appended", "snapshots_written"};
    const struct interest_ops *ops;
    uint32_t knowing = 0;
    setenv("BRAID_PROFILE_FIELDS", "action,category", 1); /* which change all the time */
    write_profiles();
    for (uint32_t i = 0; (ops = interest_ops_at(i)); i++) {
        static char checkpoint[SCENE_PATH_MAX + 64];
        char model[64], what[128];
        /* Events say what is known of users, or, for every other model that asks, a file. */
        const bool by_file = ops->takes_profile && knowing++ % 2 == 0;
        setenv("BRAID_SOURCE_PROFILE", by_file ? scene_path(&scene, "profiles.jsonl") : "", 1);
        snprintf(checkpoint, sizeof checkpoint, "--model.checkpoint=%s",
                 scene_path(&scene, "%s.safetensors", ops->name));
        snprintf(model, sizeof model, "--model=%s", ops->name);
        const char *init[] = {"init",
                              "--config",
                              "braid.yaml",
                              model,
                              checkpoint,
                              "--d=16",
                              ops->takes_profile ? "--profile-buckets=32" : NULL,
                              NULL};
        if (scene_program(&scene, init, NULL) != 0) fail_msg("%s", scene.output);
        setting = checkpoint;
        assert_int_equal(run_undisturbed(ops->name), 0);
        for (size_t p = 0; p < sizeof points / sizeof *points; p++) {
            if (!killed_at(points[p], 3)) fail_msg("%s: never came to %s", ops->name, points[p]);
        }
        for (uint32_t kill = 1; kill <= OF_A_MODEL; kill++) {
            const struct scene_run how = {.signal = SIGKILL,
                                          .signal_us = run_us * kill / (OF_A_MODEL + 1),
                                          .setting = setting};
            kills += scene_run(&scene, "run", "job", &how) == -SIGKILL;
            snprintf(what, sizeof what, "%s killed %u thirds through", ops->name, kill);
            if (kill == OF_A_MODEL) scene_remove(&scene, "job/state/store-0001");
            finish_and_prove("job", what);
        }
    }
}

int main(void)
{
    const struct CMUnitTest points[] = {
        cmocka_unit_test(nothing_is_lost_or_repeated_when_killed_at_any_step),
    };
    const struct CMUnitTest moments[] = {
        cmocka_unit_test(nothing_is_lost_or_repeated_when_killed_at_any_moment),
    };
    const struct CMUnitTest models[] = {
        cmocka_unit_test(every_model_survives_what_the_default_survives),
    };
    const char *part = getenv("CRASH_PART");
    if (part && strcmp(part, "points") == 0) {
        return cmocka_run_group_tests(points, open_scene, report);
    }
    if (part && strcmp(part, "models") == 0) {
        return cmocka_run_group_tests(models, open_scene, report);
    }
    return cmocka_run_group_tests(moments, open_scene, report);
}

/*
 * test_learning_free.c - a job that learns beside its stream, killed at every step and any moment.
 *
 * Which generations there are depends on timing here, so two runs differ. What must hold for each
 * is what `braid verify` proves over all generations (nothing lost, nothing repeated, no user's
 * generation falls), and that in the end every user is of the newest one, whatever was killed in the
 * middle of which sweep.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/checksum.h"
#include "base/clock.h"
#include "tests/crash/scene.h"

enum { EVENTS = 5000, KILLS = 5, TURNS_MAX = 12, MOMENTS = 20 };

static const char *const points[] = {"generation_trained", "generation_sealed",
                                     "generation_adopted", "sweep_folded", "sweep_committed"};

static struct scene scene;
static uint32_t users, kills, generations; /* generations: the most that a run came to */
static int64_t run_us;

static int program(const char *command, const struct scene_run *how)
{
    const char *const arguments[] = {command,
                                     "--config",
                                     "braid.yaml",
                                     "--model.checkpoint=",
                                     "--state.dir=job/state",
                                     "--output.dir=job/output",
                                     "--model.dir=job/models",
                                     "--model.keep=100",
                                     "--train.enabled=true",
                                     "--train.pace=free",
                                     "--train.events=600",
                                     "--train.gate_events=100",
                                     "--train.margin=-1",
                                     "--train.first_epochs=1",
                                     "--train.epochs=1",
                                     "--train.memory=16MB",
                                     "--train.republish_rate=400",
                                     "--job.memory=1GB",
                                     "--job.poll_events_max=4",
                                     "--job.commit_interval=10ms",
                                     "--log.quiet=true",
                                     NULL};
    return scene_program(&scene, arguments, how);
}

static void expect(int code, int wanted, const char *what)
{
    if (code != wanted) fail_msg("%s ended with %d, said:\n%s", what, code, scene.output);
}

static void finish_and_prove(const char *what)
{
    uint32_t found;
    expect(program("run", NULL), 0, what);
    expect(program("verify", NULL), 0, what);
    const uint64_t generation = scene_generation(&scene, "job", &found);
    if (generation == 0) fail_msg("%s: not all users are of the newest generation", what);
    if (users && found != users) fail_msg("%s: %" PRIu32 " users of %" PRIu32, what, found, users);
    if (generation > generations) generations = (uint32_t)generation;
    users = found;
    scene_remove(&scene, "job");
}

static int run_undisturbed(void **state)
{
    (void)state;
    scene_open(&scene, EVENTS, 12);
    const int64_t start_ns = clock_monotonic_ns();
    expect(program("run", NULL), 0, "run");
    run_us = (clock_monotonic_ns() - start_ns) / 1000;
    finish_and_prove("again, with nothing to do");
    return 0;
}

static int report(void **state)
{
    (void)state;
    printf("learning beside the stream kills=%" PRIu32 " run_ms=%" PRId64 " generations=%" PRIu32
           "\n",
           kills, run_us / 1000, generations);
    scene_close(&scene);
    return 0;
}

/* A first generation is always trained, if only where the log ends, so each point is met once. */
static void nothing_is_lost_or_repeated_when_killed_at_any_step(void **state)
{
    static const uint32_t passes[] = {1, 2, 1, 3, 1, 5};
    (void)state;
    for (size_t p = 0; p < sizeof points / sizeof *points; p++) {
        uint32_t killed = 0;
        for (uint32_t turn = 0; turn < TURNS_MAX && killed < KILLS; turn++) {
            char fault[64];
            snprintf(fault, sizeof fault, "%s:%" PRIu32, points[p],
                     passes[turn % (sizeof passes / sizeof *passes)]);
            /* Killed again on the way back, where that is passed again. */
            for (int again = 0; again < 2; again++) {
                const int code = program("run", &(struct scene_run){.fault = fault});
                if (code != -SIGKILL) expect(code, 0, fault);
                killed += code == -SIGKILL;
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
    uint32_t killed = 0;
    for (uint64_t turn = 0; turn < 3 * MOMENTS && killed < MOMENTS; turn++) {
        char what[64];
        const uint64_t drawn = splitmix64(seed * 1000003 + turn);
        const struct scene_run how = {.signal = SIGKILL,
                                      .signal_us = 1 + (int64_t)(drawn % (uint64_t)run_us)};
        snprintf(what, sizeof what, "CRASH_SEED=%" PRIu64 " turn %" PRIu64, seed, turn);
        const int code = program("run", &how);
        if (code != -SIGKILL) expect(code, 0, what);
        killed += code == -SIGKILL;
        /* A machine that is busy for a while makes a run long: the next moments come earlier. */
        if (code == 0) run_us = run_us * 3 / 4 + 1;
        finish_and_prove(what);
    }
    kills += killed;
    assert_true(killed >= MOMENTS / 2);
}

/* A stop is no end: the sweep is gone on with by the next run. */
static void a_job_that_is_stopped_leaves_the_rest_to_the_next_run(void **state)
{
    (void)state;
    for (uint64_t turn = 0; turn < KILLS; turn++) {
        const struct scene_run how = {.signal = SIGTERM,
                                      .signal_us = 1 + (int64_t)(turn * (uint64_t)run_us / KILLS)};
        expect(program("run", &how), 0, "stopped");
        finish_and_prove("after a stop");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_that_is_stopped_leaves_the_rest_to_the_next_run),
        cmocka_unit_test(nothing_is_lost_or_repeated_when_killed_at_any_step),
        cmocka_unit_test(nothing_is_lost_or_repeated_when_killed_at_any_moment),
    };
    return cmocka_run_group_tests(tests, run_undisturbed, report);
}

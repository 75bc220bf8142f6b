/*
 * test_expiry.c - users who left are forgotten and get one tombstone, whatever is killed when, and
 * may come back.
 *
 * Users act for a while, one after the other, and leave; some come back after pauses longer than the
 * ttl; in the end others are alone in the log.
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
#include <string.h>

#include "base/checksum.h"
#include "base/clock.h"
#include "tests/unit/said.h"

enum { EVENTS = 4000, LAST = 600, LEAVERS = 35, STAYERS = 40, PARTITIONS = 4, STRIKES = 12 };

static struct scene scene;

static uint64_t draw(uint64_t *seed, uint64_t below)
{
    *seed += 0x9E3779B97F4A7C15u;
    return splitmix64(*seed) % below;
}

static void write_log(void)
{
    uint64_t seed = 5, time_s = 1500000000;
    FILE *log = fopen(scene_path(&scene, "log.jsonl"), "wb");
    assert_non_null(log);
    for (unsigned i = 0; i < EVENTS; i++) {
        char user[24];
        time_s += draw(&seed, 20);
        snprintf(user, sizeof user, "leaver-%u", i / 100 + (unsigned)draw(&seed, 2));
        if (i % 500 < 2) snprintf(user, sizeof user, "back-%u", i % 500);
        if (i >= EVENTS - LAST) snprintf(user, sizeof user, "stayer-%u", i % STAYERS);
        fprintf(log,
                "{\"user\":\"%s\",\"item\":\"i%u\",\"time\":%" PRIu64 ",\"action\":\"view\"}\n",
                user, (unsigned)draw(&seed, 100), time_s);
    }
    assert_int_equal(fclose(log), 0);
}

/* What the job published of a user: records, tombstones, and whether one of these came last. */
struct published {
    unsigned records, tombstones;
    bool gone;
};

static struct published published_of(const char *job, const char *kind, unsigned number)
{
    struct published found = {0};
    char name[48];
    snprintf(name, sizeof name, "{\"user\":\"%s-%u\",", kind, number);
    for (int partition = 0; partition < PARTITIONS; partition++) {
        size_t size;
        char *file =
            scene_read(scene_path(&scene, "%s/output/interests-%04d.jsonl", job, partition), &size);
        for (char *at = file; (at = strstr(at, name)) != NULL; at++) {
            found.gone = strncmp(at + strlen(name), "\"gone\":true}\n", 13) == 0;
            found.tombstones += found.gone;
            found.records += !found.gone;
        }
        free(file);
    }
    return found;
}

static void assert_left(const char *job)
{
    for (unsigned user = 0; user < LEAVERS; user++) {
        const struct published found = published_of(job, "leaver", user);
        if (!found.gone || found.tombstones != 1) fail_msg("%s: leaver-%u", job, user);
    }
    for (unsigned user = 0; user < STAYERS; user++) {
        const struct published found = published_of(job, "stayer", user);
        assert_true(found.records > 0);
        assert_int_equal(found.tombstones, 0);
    }
}

static void who_left_gets_one_tombstone_and_who_stays_none(void **state)
{
    (void)state;
    assert_int_equal(scene_run(&scene, "run", "plain", NULL), 0);
    assert_left("plain");
    expect_said(&scene, scene_run(&scene, "verify", "plain", NULL), 0, "verdict=ok");
}

/* Items of the log have names; a behavior that is still kept would show one. */
static void who_has_left_is_not_exported_also_as_of_before(void **state)
{
    (void)state;
    static const char *const export[] = {"export",
                                         "interests",
                                         "--config=braid.yaml",
                                         "--state.dir=plain/state",
                                         "--out=gone.jsonl",
                                         "--as-of=2017-07-14T06:00:00Z",
                                         NULL};
    expect_said(&scene, scene_program(&scene, export, NULL), 0, " gone=37 ");
}

static void who_comes_back_is_published_again_and_n_goes_on(void **state)
{
    (void)state;
    const struct published back = published_of("plain", "back", 0);
    assert_true(back.tombstones > 2);
    assert_int_equal(back.records, 7); /* its events: each begins a life */
    size_t size;
    bool last = false;
    for (int partition = 0; partition < PARTITIONS; partition++) {
        char *file =
            scene_read(scene_path(&scene, "plain/output/interests-%04d.jsonl", partition), &size);
        for (char *at = file; (at = strstr(at, "{\"user\":\"back-0\",\"gen")) != NULL; at++) {
            const char *says = strstr(at, "\"from\":6,\"events\":7,"), *end = strchr(at, '\n');
            last = says && says < end;
        }
        free(file);
    }
    assert_true(last);
}

static void a_sweep_that_is_killed_at_any_step_marks_everybody_once(void **state)
{
    (void)state;
    static const char *const faults[] = {"expiry_marked",    "outputs_appended", "log_appended",
                                         "store_committed",  "expiry_committed", "committed",
                                         "snapshots_written"};
    uint32_t users, others;
    const uint64_t plain = scene_result(&scene, "plain", &users);
    int code = -9;
    for (unsigned kill = 0; code != 0 && kill < 40; kill++) {
        char fault[40];
        snprintf(fault, sizeof fault, "%s:%u", faults[kill % 7], 3 + kill % 5);
        code = scene_run(&scene, "run", "killed", &(struct scene_run){.fault = fault});
        if (code != 0 && code != -9) fail_msg("%s: %s", fault, scene.output);
        if (kill % 5 == 4) scene_remove(&scene, "killed/state/store-0001");
    }
    assert_int_equal(scene_run(&scene, "run", "killed", NULL), 0);
    assert_left("killed");
    assert_int_equal(scene_result(&scene, "killed", &others), plain);
    assert_int_equal(others, users);
    expect_said(&scene, scene_run(&scene, "verify", "killed", NULL), 0, "verdict=ok");
}

static void a_sweep_that_is_killed_at_any_moment_marks_everybody_once(void **state)
{
    (void)state;
    uint32_t users, others;
    uint64_t seed = 11;
    const int64_t begun_ns = clock_monotonic_ns();
    const uint64_t plain = scene_result(&scene, "plain", &users);
    assert_int_equal(scene_run(&scene, "run", "timed", NULL), 0);
    const uint64_t run_us = (uint64_t)(clock_monotonic_ns() - begun_ns) / 1000;
    for (int strike = 0; strike < STRIKES; strike++) {
        const struct scene_run how = {.signal = SIGKILL,
                                      .signal_us = 1 + (int64_t)draw(&seed, run_us)};
        const int code = scene_run(&scene, "run", "struck", &how);
        if (code != 0 && code != -SIGKILL) fail_msg("strike %d: %s", strike, scene.output);
        if (strike % 4 == 3) scene_remove(&scene, "struck/state/store-0002");
    }
    assert_int_equal(scene_run(&scene, "run", "struck", NULL), 0);
    assert_left("struck");
    assert_int_equal(scene_result(&scene, "struck", &others), plain);
    assert_int_equal(others, users);
    expect_said(&scene, scene_run(&scene, "verify", "struck", NULL), 0, "verdict=ok");
}

/* Who came back is told of as ever. */
static void who_has_left_is_said_to_have_left_and_no_interests_are_told(void **state)
{
    (void)state;
    static const struct {
        const char *user, *says;
        int code;
    } asked[] = {{"leaver-0", "user 'leaver-0' has left", 1},
                 {"stayer-0", "stayer-0", 0},
                 {"nobody", "no user 'nobody'", 1}};
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        char user[40];
        snprintf(user, sizeof user, "--user=%s", asked[i].user);
        const char *const inspect[] = {
            "inspect", "user", asked[i].user, "--config=braid.yaml", "--state.dir=plain/state",
            NULL};
        const char *const recommend[] = {"recommend", user, "--config=braid.yaml",
                                         "--state.dir=plain/state", NULL};
        expect_said(&scene, scene_program(&scene, inspect, NULL), asked[i].code, asked[i].says);
        expect_said(&scene, scene_program(&scene, recommend, NULL), asked[i].code, asked[i].says);
    }
}

/*
 * The whole log is one transaction, in which a scan finds everybody at work, and nothing comes after
 * it: the run ends at its fault point alone.
 */
static void who_had_just_acted_is_found_later_though_no_event_comes(void **state)
{
    (void)state;
    setenv("BRAID_JOB_MEMORY", "512MB", 1);
    setenv("BRAID_JOB_COMMIT_EVENTS_MAX", "8000", 1);
    setenv("BRAID_JOB_COMMIT_INTERVAL", "1s", 1);
    const struct scene_run idle = {.fault = "expiry_committed:1", .setting = "--source.end=never"};
    const int code = scene_run(&scene, "run", "idle", &idle);
    unsetenv("BRAID_JOB_MEMORY");
    unsetenv("BRAID_JOB_COMMIT_EVENTS_MAX");
    unsetenv("BRAID_JOB_COMMIT_INTERVAL");
    expect_said(&scene, code, -9, "");
}

/* It tells nobody of them: their tombstones are for when it begins to publish. */
static void a_job_that_publishes_nothing_forgets_the_same_users(void **state)
{
    (void)state;
    static const char *const export[] = {"export",
                                         "interests",
                                         "--config=braid.yaml",
                                         "--state.dir=beside/state",
                                         "--output.publish=none",
                                         "--out=beside.jsonl",
                                         NULL};
    static const char *const compare[] = {"compare",
                                          "--no-quality",
                                          "--no-vectors",
                                          "--config=braid.yaml",
                                          "--state.dir=plain/state",
                                          "--with=beside.yaml",
                                          NULL};
    static const char beside[] = "source: {path: log.jsonl}\nstate: {dir: beside/state}\n"
                                 "output: {dir: beside/output}\n";
    const struct scene_run silent = {.setting = "--output.publish=none"};
    scene_write(scene_path(&scene, "beside.yaml"), beside, sizeof beside - 1);
    assert_int_equal(scene_run(&scene, "run", "beside", &silent), 0);
    expect_said(&scene, scene_program(&scene, export, NULL), 0, " users=40 ");
    assert_non_null(strstr(scene.output, " gone=37 "));
    expect_said(&scene, scene_program(&scene, compare, NULL), 0, " ahead=0 behind=0 other=0 ");
}

static void verify_finds_a_tombstone_of_a_user_who_stays(void **state)
{
    (void)state;
    size_t size;
    unsigned planted = 0;
    for (int partition = 0; partition < PARTITIONS; partition++) {
        const char *path = scene_path(&scene, "killed/output/interests-%04d.jsonl", partition);
        char *file = scene_read(path, &size), *at = strstr(file, "{\"user\":\"stayer-");
        if (at) {
            char *end = strchr(at, '\n'), *close = strchr(at + 9, '"');
            const size_t used = (size_t)(close + 1 - at) + 13;
            memcpy(close + 1, ",\"gone\":true}", 13);
            memset(at + used, ' ', (size_t)(end - at) - used);
            planted++;
        }
        scene_write(path, file, size);
        free(file);
    }
    assert_true(planted > 0);
    expect_said(&scene, scene_run(&scene, "verify", "killed", NULL), 4, "a user who stays");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_left_gets_one_tombstone_and_who_stays_none),
        cmocka_unit_test(who_has_left_is_not_exported_also_as_of_before),
        cmocka_unit_test(who_comes_back_is_published_again_and_n_goes_on),
        cmocka_unit_test(who_has_left_is_said_to_have_left_and_no_interests_are_told),
        cmocka_unit_test(a_sweep_that_is_killed_at_any_step_marks_everybody_once),
        cmocka_unit_test(a_sweep_that_is_killed_at_any_moment_marks_everybody_once),
        cmocka_unit_test(who_had_just_acted_is_found_later_though_no_event_comes),
        cmocka_unit_test(a_job_that_publishes_nothing_forgets_the_same_users),
        cmocka_unit_test(verify_finds_a_tombstone_of_a_user_who_stays),
    };
    scene_open(&scene, 1000, 3);
    write_log();
    setenv("BRAID_STATE_TTL", "1h", 1);
    setenv("BRAID_STATE_TTL_RATE", "0", 1);
    setenv("BRAID_SOURCE_FIELDS_CATEGORY", "", 1);
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    scene_close(&scene);
    return failed;
}

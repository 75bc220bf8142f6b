/*
 * test_intake.c - bots, deliveries in double and lives, from a log to what is published and verified.
 *
 * What a user's history takes is told here from the definition, over all that it took before; the
 * job, whose memory is its cache, its stores and its log, must come to the same, however it was
 * interrupted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "state/history.h"
#include "tests/unit/said.h"

enum {
    EVENTS = 4000,
    USERS = 20,
    RECENT = 60,
    HOUR_MAX = 12,
    LAST = 32,
    HOUR_S = 3600,
    TTL_S = 1800,
    PARTITIONS = 4
};

struct told {
    uint32_t user;
    uint32_t item;
    uint64_t time_s;
    bool buys;
};

static struct scene scene;
static struct told taken[USERS][EVENTS];
static uint32_t taken_count[USERS], life[USERS]; /* where the user's life began */
static uint64_t clocks[PARTITIONS];              /* the greatest time so far, by small steps */
static uint64_t seen[USERS]; /* its partition's when the user's last event came */
static uint32_t flooded, duplicates, accepted, lives;

static uint64_t draw(uint64_t *seed, uint64_t below)
{
    *seed += 0x9E3779B97F4A7C15u;
    return splitmix64(*seed) % below;
}

/* The latest time of the user's life; 0: it has none. */
static uint64_t latest_of(uint32_t user)
{
    uint64_t latest = 0;
    for (uint32_t i = life[user]; i < taken_count[user]; i++) {
        if (taken[user][i].time_s > latest) latest = taken[user][i].time_s;
    }
    return latest;
}

/* The clock of the user's partition, in ms, with an event taken in. */
static uint64_t clock_with(const struct told *event)
{
    char user[24];
    const int size = snprintf(user, sizeof user, "u%u", event->user);
    uint64_t *clock = &clocks[identity_of(user, (size_t)size) % PARTITIONS];
    const uint64_t now = 1000 * event->time_s, most = *clock + 1000 * TTL_S / 16 + 1;
    if (*clock == 0 || (now > *clock && now < most)) {
        *clock = now;
    } else if (now >= most) {
        *clock = most;
    }
    return *clock;
}

/* Whether the event comes too late, by its time or by its partition's clock, to go on with the life. */
static bool begins_life(const struct told *event, uint64_t clock)
{
    const uint64_t latest = latest_of(event->user);
    uint64_t last = 1000 * latest;
    if (seen[event->user] > last) last = seen[event->user];
    return latest > 0 && (event->time_s > latest + TTL_S || clock > last + 1000 * TTL_S);
}

/* By the definition of the options. */
static void judge(const struct told *event)
{
    const struct told *had = taken[event->user];
    const uint32_t count = taken_count[event->user];
    const uint64_t clock = clock_with(event);
    const bool begins = begins_life(event, clock);
    for (uint32_t i = count > LAST ? count - LAST : 0; i < count; i++) {
        if (begins || i < life[event->user]) continue;
        if (had[i].item != event->item || had[i].time_s != event->time_s ||
            had[i].buys != event->buys) {
            continue;
        }
        duplicates++;
        return;
    }
    uint32_t run = 0;
    while (run < count && had[count - 1 - run].time_s / HOUR_S == event->time_s / HOUR_S) {
        run++;
    }
    if (run >= HOUR_MAX) {
        flooded++;
        return;
    }
    accepted++;
    seen[event->user] = clock;
    if (begins) {
        life[event->user] = count;
        lives++;
    }
    taken[event->user][taken_count[event->user]++] = *event;
}

static void write_told(FILE *log, const struct told *event)
{
    fprintf(log, "{\"user\":\"u%u\",\"item\":\"i%u\",\"time\":%" PRIu64 ",\"action\":\"%s\"}\n",
            event->user, event->item, event->time_s, event->buys ? "buy" : "view");
    judge(event);
}

/* A fifth of the log comes twice, some of it long after; user 0 acts every few seconds at times. */
static void write_noisy_log(void)
{
    static struct told recent[RECENT];
    uint64_t seed = 31, time_s = 1500000000;
    FILE *log = fopen(scene_path(&scene, "log.jsonl"), "wb");
    assert_non_null(log);
    for (uint32_t i = 0; i < EVENTS; i++) {
        const bool again = i > RECENT && draw(&seed, 5) == 0;
        time_s += draw(&seed, 120);
        struct told event = {(uint32_t)draw(&seed, 1 + draw(&seed, USERS)),
                             (uint32_t)draw(&seed, 100), time_s, draw(&seed, 4) == 0};
        if (again) event = recent[draw(&seed, RECENT)];
        if (draw(&seed, 20) == 0) event.time_s -= draw(&seed, 20000);
        recent[i % RECENT] = event;
        write_told(log, &event);
        for (uint32_t burst = 0; i % 100 < 20 && burst < 2; burst++) {
            write_told(log, &(struct told){0, (uint32_t)draw(&seed, 100), time_s, false});
        }
    }
    assert_int_equal(fclose(log), 0);
}

static void assert_counts(const char *command, const char *name)
{
    char text[128];
    snprintf(text, sizeof text, " flooded=%u duplicates=%u ", flooded, duplicates);
    expect_said(&scene, scene_run(&scene, command, name, NULL), 0, text);
    snprintf(text, sizeof text, " accepted=%u ", accepted);
    assert_non_null(strstr(scene.output, text));
}

static void a_job_takes_what_the_definition_does_and_verify_agrees(void **state)
{
    (void)state;
    assert_true(flooded > 100 && duplicates > 100 && accepted > 1000 && lives > 3 * USERS);
    assert_counts("run", "plain");
    assert_counts("verify", "plain");
}

/* Whether the last record of the user, of all that were published, says `text`. */
static bool last_record_says(uint32_t user, const char *text)
{
    char name[24];
    bool says = false;
    snprintf(name, sizeof name, "{\"user\":\"u%u\",", user);
    for (int partition = 0; partition < PARTITIONS; partition++) {
        size_t size;
        char *file =
            scene_read(scene_path(&scene, "plain/output/interests-%04d.jsonl", partition), &size);
        for (char *at = file; (at = strstr(at, name)) != NULL; at++) {
            if (strncmp(at + strlen(name), "\"gone\"", 6) == 0) continue;
            const char *end = strchr(at, '\n'), *found = strstr(at, text);
            says = end && found && found < end;
        }
        free(file);
    }
    return says;
}

static void the_last_record_of_a_user_says_where_its_life_began(void **state)
{
    (void)state;
    for (uint32_t user = 0; user < USERS; user++) {
        char text[64];
        const uint64_t from = history_from(life[user], taken_count[user], 128);
        snprintf(text, sizeof text, ",\"from\":%" PRIu64 ",\"events\":%u,", from,
                 taken_count[user]);
        assert_true(last_record_says(user, text));
    }
}

/* The cache is empty after each, so what the last 32 were comes out of the stores, or of the log. */
static void a_job_that_is_killed_and_loses_its_stores_takes_the_same(void **state)
{
    (void)state;
    uint32_t users, others;
    const uint64_t plain = scene_result(&scene, "plain", &users);
    for (int kill = 1; kill <= 8; kill++) {
        char fault[32];
        snprintf(fault, sizeof fault, "store_committed:%d", 2 + kill % 3);
        const int code = scene_run(&scene, "run", "killed", &(struct scene_run){.fault = fault});
        if (code == 0) break;
        assert_int_equal(code, -9);
        if (kill % 2) scene_remove(&scene, "killed/state/store-0000");
    }
    assert_int_equal(scene_run(&scene, "run", "killed", NULL), 0);
    assert_int_equal(scene_result(&scene, "killed", &others), plain);
    assert_int_equal(others, users);
    assert_counts("verify", "killed");
}

/* Larger polls and commits, in which a user's events lie together. */
static void how_events_are_batched_does_not_matter(void **state)
{
    (void)state;
    uint32_t users, others;
    const uint64_t plain = scene_result(&scene, "plain", &users);
    setenv("BRAID_JOB_POLL_EVENTS_MAX", "3000", 1);
    setenv("BRAID_JOB_COMMIT_EVENTS_MAX", "3000", 1);
    assert_counts("run", "large");
    unsetenv("BRAID_JOB_POLL_EVENTS_MAX");
    unsetenv("BRAID_JOB_COMMIT_EVENTS_MAX");
    assert_int_equal(scene_result(&scene, "large", &others), plain);
    assert_int_equal(others, users);
}

static void other_rules_are_refused_once_events_were_committed(void **state)
{
    (void)state;
    const struct scene_run other = {.setting = "--source.deduplicate=false"};
    expect_said(&scene, scene_run(&scene, "run", "plain", &other), 3, "source.deduplicate");
    const struct scene_run longer = {.setting = "--state.ttl=2h"};
    expect_said(&scene, scene_run(&scene, "run", "plain", &longer), 3, "state.ttl");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_takes_what_the_definition_does_and_verify_agrees),
        cmocka_unit_test(the_last_record_of_a_user_says_where_its_life_began),
        cmocka_unit_test(a_job_that_is_killed_and_loses_its_stores_takes_the_same),
        cmocka_unit_test(how_events_are_batched_does_not_matter),
        cmocka_unit_test(other_rules_are_refused_once_events_were_committed),
    };
    scene_open(&scene, 1000, 3);
    write_noisy_log();
    char most[16];
    snprintf(most, sizeof most, "%d", HOUR_MAX);
    setenv("BRAID_SOURCE_USER_EVENTS_MAX", most, 1);
    setenv("BRAID_SOURCE_DEDUPLICATE", "true", 1);
    char ttl[16];
    snprintf(ttl, sizeof ttl, "%ds", TTL_S);
    setenv("BRAID_STATE_TTL", ttl, 1);
    setenv("BRAID_SOURCE_FIELDS_CATEGORY", "", 1);
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    scene_close(&scene);
    return failed;
}

/*
 * test_bounds.c - a run that begins and ends inside its log: it is a job on that part alone, also when
 * it is killed on the way, goes on where it ended, and is verified.
 *
 * What it must come to is told by a job on the same log in which every other line is blank, so that
 * each event has the same number.
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
#include <sys/stat.h>
#include <time.h>

#include "tests/unit/said.h"

enum { EVENTS = 800, TEXT_MAX = 64 };

static struct scene scene;

/* The time in seconds of an event that is accepted; -1: the line is something else. */
static int64_t accepted_time(const char *line)
{
    uint64_t time_s;
    char action[8];
    if (sscanf(line,
               "{\"user\":\"u%*u\",\"item\":\"i%*u\",\"time\":%" SCNu64 ",\"action\":\"%7[a-z]\"",
               &time_s, action) != 2 ||
        strcmp(action, "wink") == 0 || time_s > 2000000000) {
        return -1;
    }
    return (int64_t)time_s;
}

/* The number of the first accepted event that is not before a time. */
static uint32_t number_at(int64_t time_s)
{
    size_t size;
    char *log = scene_read(scene_path(&scene, "log.jsonl"), &size), *at = log;
    uint32_t number = 0;
    while (accepted_time(at) < time_s) {
        at = strchr(at, '\n') + 1;
        number++;
    }
    free(log);
    return number;
}

/* Writes the log with blank lines outside [first, end), and runs a job on it. */
static uint64_t result_of_part(uint32_t first, uint32_t end, uint32_t *usersp)
{
    static uint32_t known_first = UINT32_MAX, known_end, known_users;
    static uint64_t known;
    if (first == known_first && end == known_end) {
        *usersp = known_users;
        return known;
    }
    char input[SCENE_PATH_MAX + TEXT_MAX];
    size_t size;
    char *log = scene_read(scene_path(&scene, "log.jsonl"), &size), *at = log;
    FILE *part = fopen(scene_path(&scene, "part.jsonl"), "wb");
    assert_non_null(part);
    for (uint32_t number = 0; number < EVENTS; number++) {
        char *next = (char *)memchr(at, '\n', size - (size_t)(at - log)) + 1;
        if (number >= first && number < end) fwrite(at, 1, (size_t)(next - at) - 1, part);
        fputc('\n', part);
        at = next;
    }
    assert_int_equal(fclose(part), 0);
    free(log);
    snprintf(input, sizeof input, "--source.path=%s", scene_path(&scene, "part.jsonl"));
    scene_remove(&scene, "part");
    assert_int_equal(scene_run(&scene, "run", "part", &(struct scene_run){.setting = input}), 0);
    known = scene_result(&scene, "part", &known_users);
    known_first = first;
    known_end = end;
    *usersp = known_users;
    return known;
}

static void set_bounds(const char *start, const char *end)
{
    setenv("BRAID_SOURCE_START", start, 1);
    setenv("BRAID_SOURCE_END", end, 1);
}

static void clear_bounds(void)
{
    unsetenv("BRAID_SOURCE_START");
    unsetenv("BRAID_SOURCE_END");
}

static void assert_events(const char *command, const char *name, uint32_t events)
{
    char text[TEXT_MAX];
    snprintf(text, sizeof text, " events=%u ", events);
    expect_said(&scene, scene_run(&scene, command, name, NULL), 0, text);
}

/* A job within the bounds, killed at `fault` if it is not NULL, is one on events [first, end). */
static void check_part(const char *start, const char *end, uint32_t first, uint32_t last,
                       const char *fault)
{
    uint32_t users, others;
    clear_bounds();
    const uint64_t wanted = result_of_part(first, last, &users);
    set_bounds(start, end);
    scene_remove(&scene, "bounded");
    if (fault) {
        const int code = scene_run(&scene, "run", "bounded", &(struct scene_run){.fault = fault});
        assert_int_equal(code, -9);
        assert_int_equal(scene_run(&scene, "run", "bounded", NULL), 0);
    } else {
        assert_events("run", "bounded", last - first);
    }
    assert_events("run", "bounded", 0);
    assert_int_equal(scene_result(&scene, "bounded", &others), wanted);
    assert_int_equal(others, users);
    assert_events("verify", "bounded", last - first);
    clear_bounds();
}

static void a_run_may_begin_and_end_at_the_number_of_an_event(void **state)
{
    (void)state;
    check_part("250", "600", 250, 600, NULL);
    check_part("earliest", "400", 0, 400, NULL);
    check_part("500", "", 500, EVENTS, NULL);
}

static void a_run_may_begin_and_end_at_a_time(void **state)
{
    (void)state;
    const time_t start = 1500000000 + 20000, end = 1500000000 + 60000;
    char from[TEXT_MAX], to[TEXT_MAX];
    struct tm utc;
    strftime(from, sizeof from, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&start, &utc));
    strftime(to, sizeof to, "%Y-%m-%d %H:%M:%S", gmtime_r(&end, &utc));
    const uint32_t first = number_at(start), last = number_at(end);
    assert_true(first > 50 && last > first + 50 && last < EVENTS);
    check_part(from, to, first, last, NULL);
    check_part(from, "latest", first, EVENTS, NULL);
}

static void a_bounded_run_that_is_killed_ends_as_if_it_had_not_been(void **state)
{
    (void)state;
    static const char *const faults[] = {"changeset_closed:1", "commit_file_written:1",
                                         "commit_file_renamed:1", "commit_file_renamed:3",
                                         "log_appended:3"};
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        check_part("250", "600", 250, 600, faults[i]);
    }
}

static void a_later_end_goes_on_where_the_run_ended(void **state)
{
    (void)state;
    uint32_t users, others;
    const uint64_t wanted = result_of_part(150, 650, &users);
    scene_remove(&scene, "parts");
    set_bounds("150", "400");
    assert_events("run", "parts", 250);
    set_bounds("0", "650"); /* a start counts only where nothing was committed */
    assert_events("run", "parts", 250);
    clear_bounds();
    assert_int_equal(scene_result(&scene, "parts", &others), wanted);
    assert_int_equal(others, users);
    assert_events("verify", "parts", 500);
}

static void a_rate_slows_a_run_and_changes_nothing_else(void **state)
{
    (void)state;
    uint32_t users, others;
    const uint64_t wanted = result_of_part(0, EVENTS, &users);
    double seconds = 0;
    setenv("BRAID_JOB_RATE_MAX", "1000", 1);
    assert_events("run", "slow", EVENTS);
    unsetenv("BRAID_JOB_RATE_MAX");
    const char *at = strstr(scene.output, " seconds=");
    assert_non_null(at);
    seconds = strtod(at + strlen(" seconds="), NULL);
    assert_true(seconds >= 0.95 * EVENTS / 1000);
    assert_int_equal(scene_result(&scene, "slow", &others), wanted);
    assert_int_equal(others, users);
}

static void what_is_there_already_may_be_left_out(void **state)
{
    (void)state;
    set_bounds("latest", "");
    assert_events("run", "latest", 0);
    clear_bounds();
}

/* Numbers count the lines of all files, those that name columns too. */
static void numbers_go_through_all_files_of_a_folder(void **state)
{
    (void)state;
    char path[SCENE_PATH_MAX + TEXT_MAX], format[] = "csv";
    mkdir(scene_path(&scene, "days"), 0755);
    for (int day = 0; day < 3; day++) {
        char text[1024];
        size_t size = (size_t)snprintf(text, sizeof text, "user,item,time,action,category\n");
        for (int i = 0; i < 10; i++) {
            size += (size_t)snprintf(text + size, sizeof text - size, "u%d,i%d,%d,view,c\n", i % 3,
                                     i, 1500000000 + day * 86400 + i);
        }
        scene_write(scene_path(&scene, "days/%d.csv", day), text, size);
    }
    snprintf(path, sizeof path, "%s", scene_path(&scene, "days"));
    setenv("BRAID_SOURCE_PATH", path, 1);
    setenv("BRAID_SOURCE_FORMAT", format, 1);
    set_bounds("14", "25"); /* the 4th event of the second day; behind the 2nd of the third */
    assert_events("run", "folder", 8 + 2);
    assert_events("verify", "folder", 8 + 2);
    set_bounds("2017-07-15", "2017-07-16T02:40:03Z");
    assert_events("run", "times", 10 + 3);
    assert_events("verify", "times", 10 + 3);
    clear_bounds();
    unsetenv("BRAID_SOURCE_PATH");
    unsetenv("BRAID_SOURCE_FORMAT");
}

static void bounds_that_mean_nothing_are_refused(void **state)
{
    (void)state;
    set_bounds("noon", "");
    expect_said(&scene, scene_run(&scene, "run", "none", NULL), 2, "source.start: 'noon'");
    set_bounds("earliest", "-5");
    expect_said(&scene, scene_run(&scene, "run", "none", NULL), 2, "source.end: '-5'");
    set_bounds("2024-01-02", "2024-01-01");
    expect_said(&scene, scene_run(&scene, "run", "none", NULL), 2, "must be after source.start");
    clear_bounds();
}

static void a_part_without_events_is_warned_of_and_one_that_was_read_is_not(void **state)
{
    (void)state;
    static const char warning[] = "no event lies within source.start and source.end";
    set_bounds("2999-01-01", "");
    expect_said(&scene, scene_run(&scene, "run", "empty", NULL), 0, warning);
    set_bounds("earliest", "1980-01-01");
    expect_said(&scene, scene_run(&scene, "run", "empty", NULL), 0, warning);
    set_bounds("10", "20");
    for (int run = 0; run < 2; run++) { /* the second has nothing left to read */
        assert_int_equal(scene_run(&scene, "run", "empty", NULL), 0);
        assert_null(strstr(scene.output, warning));
    }
    clear_bounds();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_may_begin_and_end_at_the_number_of_an_event),
        cmocka_unit_test(a_run_may_begin_and_end_at_a_time),
        cmocka_unit_test(a_bounded_run_that_is_killed_ends_as_if_it_had_not_been),
        cmocka_unit_test(a_later_end_goes_on_where_the_run_ended),
        cmocka_unit_test(a_rate_slows_a_run_and_changes_nothing_else),
        cmocka_unit_test(what_is_there_already_may_be_left_out),
        cmocka_unit_test(numbers_go_through_all_files_of_a_folder),
        cmocka_unit_test(bounds_that_mean_nothing_are_refused),
        cmocka_unit_test(a_part_without_events_is_warned_of_and_one_that_was_read_is_not),
    };
    scene_open(&scene, EVENTS, 23);
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    scene_close(&scene);
    return failed;
}

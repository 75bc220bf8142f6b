/* test_job.c - the file job as a whole: what it publishes does not depend on how it got there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/job_fixture.h"

enum { SEED = 11, EVENTS = 6000, USERS = 120 };

static const char *const stores[] = {"state/store-0000", "state/store-0001", "state/store-0002",
                                     "state/store-0003"};

/* What one run over the whole log publishes last of each user. */
static char *published_in_one_run(void)
{
    struct fixture fixture;
    fixture_open(&fixture, SEED);
    fixture_log(&fixture, EVENTS / 2, USERS);
    fixture_log(&fixture, EVENTS / 2, USERS);
    struct job_summary summary = fixture_run(&fixture);
    assert_int_equal(summary.events, EVENTS);
    assert_int_equal(summary.accepted, EVENTS);
    assert_int_equal(summary.records, fixture_records(&fixture));
    char *newest = fixture_newest(&fixture);
    fixture_close(&fixture);
    return newest;
}

static void a_restart_goes_on_where_the_last_commit_was(void **state)
{
    (void)state;
    char *expected = published_in_one_run();
    struct fixture fixture;
    fixture_open(&fixture, SEED);
    fixture_log(&fixture, EVENTS / 2, USERS);
    assert_int_equal(fixture_run(&fixture).events, EVENTS / 2);
    assert_int_equal(fixture_run(&fixture).events, 0);
    fixture_log(&fixture, EVENTS / 2, USERS);
    assert_int_equal(fixture_run(&fixture).events, EVENTS / 2);
    char *newest = fixture_newest(&fixture);
    assert_string_equal(newest, expected);
    free(newest);
    free(expected);
    fixture_close(&fixture);
}

static void a_lost_store_is_rebuilt_to_the_same_bytes(void **state)
{
    (void)state;
    char *expected = published_in_one_run();
    struct fixture fixture;
    fixture_open(&fixture, SEED);
    fixture_log(&fixture, EVENTS / 2, USERS);
    fixture_run(&fixture);
    for (size_t i = 0; i < sizeof stores / sizeof *stores; i++) {
        fixture_delete(&fixture, stores[i]);
    }
    fixture_log(&fixture, EVENTS / 2, USERS);
    fixture_run(&fixture);
    char *newest = fixture_newest(&fixture);
    assert_string_equal(newest, expected);
    free(newest);
    free(expected);
    fixture_close(&fixture);
}

static void polls_workers_and_transactions_do_not_change_what_is_published(void **state)
{
    (void)state;
    char *expected = published_in_one_run();
    struct fixture fixture;
    fixture_open(&fixture, SEED);
    fixture_log(&fixture, EVENTS / 2, USERS);
    fixture_log(&fixture, EVENTS / 2, USERS);
    fixture.config.job.workers = 3;
    fixture.config.job.poll_events_max = 7;
    fixture.config.job.commit_events_max = 100;
    fixture.config.state.snapshot_every = 2;
    fixture_run(&fixture);
    char *newest = fixture_newest(&fixture);
    assert_string_equal(newest, expected);
    free(newest);
    free(expected);
    fixture_close(&fixture);
}

static void bad_events_become_dead_letters_and_the_job_goes_on(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, SEED);
    fixture_log(&fixture, 10, 3);
    fixture_line(&fixture, "not an event");
    fixture_line(&fixture, "{\"user\":\"u1\",\"time\":1700000000000}");
    fixture_log(&fixture, 10, 3);
    struct job_summary summary = fixture_run(&fixture);
    assert_int_equal(summary.accepted, 20);
    assert_int_equal(summary.dead_letters, 2);
    fixture_close(&fixture);
}

static enum status run_status(struct fixture *fixture)
{
    struct job_summary summary;
    struct error error = {.text = ""};
    return job_run(&fixture->config, &summary, &error);
}

static void what_does_not_belong_together_is_refused(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, SEED);
    fixture_log(&fixture, 100, 10);
    fixture_run(&fixture);

    fixture.config.state.partitions = 8;
    assert_int_equal(run_status(&fixture), STATUS_REFUSED);
    fixture.config.state.partitions = 4;

    char other[128];
    snprintf(other, sizeof other, "%s/other.jsonl", fixture.dir);
    fixture.config.source.path = other;
    FILE *file = fopen(other, "we");
    assert_non_null(file);
    fprintf(file, "{\"user\":\"somebody\"}\n");
    fclose(file);
    assert_int_equal(run_status(&fixture), STATUS_REFUSED);
    fixture.config.source.path = fixture.input;

    fixture_delete(&fixture, "output/interests-0001.jsonl");
    assert_int_equal(run_status(&fixture), STATUS_REFUSED);
    fixture_close(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_restart_goes_on_where_the_last_commit_was),
        cmocka_unit_test(a_lost_store_is_rebuilt_to_the_same_bytes),
        cmocka_unit_test(polls_workers_and_transactions_do_not_change_what_is_published),
        cmocka_unit_test(bad_events_become_dead_letters_and_the_job_goes_on),
        cmocka_unit_test(what_does_not_belong_together_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

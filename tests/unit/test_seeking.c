/*
 * test_seeking.c - users whom another job has erased, and of whom a worker knows the hash alone, are
 * erased here, whatever fails, and nobody else is.
 *
 * A whole processor runs over a fake broker, as in test_transaction.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/generations.h"
#include "tests/unit/fake_broker.h"
#include "tests/unit/fake_log.h"
#include "tests/unit/fake_stores.h"
#include "tests/unit/fake_worker.h"
#include "tests/unit/job_fixture.h"

/* User 0 has half of a partition's events: more than one chunk. */
enum { SEED = 3, EVENTS = 400, HALF = EVENTS / 2, POLL = 37, ERASED = 0, OTHER = 3 };

static struct fixture fixture;
static struct memory_plan plan;
static struct generations *generations;

static enum status run(struct broker *broker)
{
    const struct fake_worker worker = {&fixture.config, &plan, generations, NULL};
    return fake_worker_run(&worker, broker);
}

/* Accepted events of a user from an offset on. */
static uint64_t events_from(uint32_t partition, uint32_t user, uint32_t first)
{
    struct source_event *source = fake_source(SEED, partition, EVENTS);
    uint64_t count = 0;
    for (uint32_t e = first; e < EVENTS; e++) {
        count += source[e].user_number == user && !source[e].bad;
    }
    free(source);
    return count;
}

/* What a FAKE_CALL is to do: wait for the receipt of a partition, or tell of a user there: of the
 * first half of its events, or of all of them; or wait until all that is told is done with, or a store was
 * purged. */
enum { RECEIPT_0, RECEIPT_1, TELL_HALF_1, TELL_ALL_0, SEALED_0, PURGED };

static bool on_call(struct broker *broker, uint32_t what)
{
    bool receipt = true;
    switch (what) {
    case TELL_HALF_1: fake_tell(broker, 1, ERASED, fake_event_ms(HALF - 1)); break;
    case TELL_ALL_0: fake_tell(broker, 0, ERASED, fake_event_ms(EVENTS)); break;
    case PURGED: return fake_stores_purges() > 0;
    case SEALED_0: return fake_progress(broker, 0)->seal.next_erasure == 1;
    default: (void)fake_erased(broker, what, ERASED, &receipt);
    }
    return receipt;
}

/* Its history and record are gone, its cut is told and with it a receipt; the others are as they were. */
static void assert_erased(const struct broker *broker, uint32_t partition, int64_t cut_ms)
{
    bool receipt;
    const struct fake_progress *progress = fake_progress(broker, partition);
    assert_true(fake_has_nothing(broker, partition, ERASED));
    assert_null(fake_newest(broker, partition, ERASED));
    assert_int_equal(fake_erased(broker, partition, ERASED, &receipt), cut_ms);
    assert_true(receipt);
    for (uint32_t u = 0; u < FAKE_USERS; u++) {
        if (u != ERASED) assert_int_equal(progress->newest_events[u], events_from(partition, u, 0));
    }
}

static void who_was_erased_while_a_job_stood_still_is_erased_when_it_goes_on(void **state)
{
    (void)state;
    bool receipt;
    const int64_t last_ms = fake_event_ms(EVENTS - 1);
    struct broker *broker = fake_open(SEED, EVENTS, NULL, 0);
    fake_on_call(broker, on_call);
    assert_int_equal(run(broker), STATUS_OK);
    fake_tell(broker, 1, ERASED, last_ms + 5);
    fake_tell(broker, 1, OTHER, fake_event_ms(0) - 1); /* of before its first event */
    const struct fake_step told[] = {{.kind = FAKE_ASSIGN},
                                     {.kind = FAKE_TOLD, .partition = 1},
                                     {.kind = FAKE_CALL, .count = RECEIPT_1}};
    fake_again(broker, told, 3);
    assert_int_equal(run(broker), STATUS_OK);
    assert_erased(broker, 1, last_ms + 5);
    assert_int_equal(fake_erased(broker, 1, OTHER, &receipt), HISTORY_NO_TIME);
    assert_int_equal(fake_erased(broker, 0, ERASED, &receipt), HISTORY_NO_TIME);
    assert_int_equal(fake_progress(broker, 1)->seal.next_erasure, 2);
    /* A store that is built from the log has read who is gone: its files must not keep that. */
    const struct fake_step rebuilt[] = {
        {.kind = FAKE_ASSIGN}, {.kind = FAKE_EVENTS}, {.kind = FAKE_CALL, .count = PURGED}};
    fake_again(broker, rebuilt, 3);
    assert_int_equal(run(broker), STATUS_OK);
    assert_erased(broker, 1, last_ms + 5);
    fake_close(broker);
}

/* Its next events come from the log again, and are dropped: they are of before the cut. */
static void who_is_in_memory_alone_is_found_and_what_comes_late_is_dropped(void **state)
{
    (void)state;
    const int64_t cut_ms = fake_event_ms(EVENTS);
    const struct fake_step script[] = {
        {.kind = FAKE_ASSIGN},
        {.kind = FAKE_EVENTS, .partition = 0, .count = POLL},
        {.kind = FAKE_COMMIT, .late_ms = FAKE_LATE_MS},
        {.kind = FAKE_EVENTS, .partition = 0, .count = POLL},
        {.kind = FAKE_CALL, .count = TELL_ALL_0},
        {.kind = FAKE_TOLD, .partition = 0},
        {.kind = FAKE_CALL, .count = RECEIPT_0},
    };
    struct broker *broker = fake_open(SEED, EVENTS, script, sizeof script / sizeof *script);
    fake_on_call(broker, on_call);
    assert_int_equal(run(broker), STATUS_OK);
    assert_erased(broker, 0, cut_ms);
    fake_close(broker);
}

/* What it does after the cut names it before a scan has found it, and begins a new history. */
static void who_comes_back_is_erased_up_to_its_cut_and_goes_on(void **state)
{
    (void)state;
    bool receipt;
    struct fake_step script[HALF / POLL + 8] = {{.kind = FAKE_ASSIGN}};
    uint32_t steps = 1;
    for (uint32_t left = HALF; left > 0;) {
        const uint32_t count = left < POLL ? left : POLL;
        script[steps++] = (struct fake_step){FAKE_EVENTS, 1, count, FAKE_COMMITTED, 0};
        left -= count;
    }
    script[steps++] = (struct fake_step){.kind = FAKE_REVOKE};
    script[steps++] = (struct fake_step){.kind = FAKE_CALL, .count = TELL_HALF_1};
    script[steps++] = (struct fake_step){.kind = FAKE_ASSIGN};
    script[steps++] = (struct fake_step){FAKE_EVENTS, 1, POLL, FAKE_COMMITTED, 0};
    script[steps++] = (struct fake_step){.kind = FAKE_TOLD, .partition = 1};
    script[steps++] = (struct fake_step){.kind = FAKE_CALL, .count = RECEIPT_1};
    struct broker *broker = fake_open(SEED, EVENTS, script, steps);
    fake_on_call(broker, on_call);
    assert_int_equal(run(broker), STATUS_OK);
    assert_int_equal(fake_progress(broker, 1)->newest_events[ERASED], events_from(1, ERASED, HALF));
    assert_int_equal(fake_erased(broker, 1, ERASED, &receipt), fake_event_ms(HALF - 1));
    fake_close(broker);
}

static void a_deletion_that_comes_to_nothing_is_done_again(void **state)
{
    (void)state;
    const int64_t cut_ms = fake_event_ms(EVENTS);
    static const enum fake_outcome outcomes[] = {FAKE_ABORTED, FAKE_UNKNOWN_ABORTED,
                                                 FAKE_UNKNOWN_COMMITTED};
    for (size_t i = 0; i < sizeof outcomes / sizeof *outcomes; i++) {
        struct broker *broker = fake_open(SEED, EVENTS, NULL, 0);
        fake_on_call(broker, on_call);
        assert_int_equal(run(broker), STATUS_OK);
        fake_tell(broker, 0, ERASED, cut_ms);
        const struct fake_step script[] = {{.kind = FAKE_ASSIGN},
                                           {.kind = FAKE_TOLD, .partition = 0},
                                           {.kind = FAKE_COMMIT, .outcome = outcomes[i]},
                                           {.kind = FAKE_AWAIT},
                                           {.kind = FAKE_TOLD, .partition = 0},
                                           {.kind = FAKE_CALL, .count = RECEIPT_0}};
        fake_again(broker, script, sizeof script / sizeof *script);
        assert_int_equal(run(broker), STATUS_OK);
        assert_int_equal(fake_counts(broker).aborts, outcomes[i] != FAKE_UNKNOWN_COMMITTED);
        assert_erased(broker, 0, cut_ms);
        assert_int_equal(fake_progress(broker, 0)->seal.next_erasure, 1);
        fake_close(broker);
    }
}

/* Nobody is found, and the scan is over before what tells of whom is polled. */
static void who_is_not_here_is_told_nothing_of(void **state)
{
    (void)state;
    bool receipt;
    struct broker *broker = fake_open(SEED, EVENTS, NULL, 0);
    assert_int_equal(run(broker), STATUS_OK);
    const uint64_t commits = fake_counts(broker).commits;
    fake_on_call(broker, on_call);
    fake_tell(broker, 0, OTHER, fake_event_ms(0) - 1);
    const struct fake_step script[] = {{.kind = FAKE_ASSIGN},
                                       {.kind = FAKE_EVENTS},
                                       {.kind = FAKE_AWAIT},
                                       {.kind = FAKE_AWAIT},
                                       {.kind = FAKE_AWAIT},
                                       {.kind = FAKE_TOLD},
                                       {.kind = FAKE_CALL, .count = SEALED_0}};
    fake_again(broker, script, sizeof script / sizeof *script);
    assert_int_equal(run(broker), STATUS_OK);
    assert_int_equal(fake_erased(broker, 0, OTHER, &receipt), HISTORY_NO_TIME);
    assert_int_equal(fake_progress(broker, 0)->seal.next_erasure, 1);
    assert_int_equal(fake_counts(broker).commits, commits + 1);
    fake_close(broker);
}

/* As a replay does, which reads who was erased before the first event. */
static void who_was_erased_before_all_leaves_no_trace(void **state)
{
    (void)state;
    bool receipt;
    struct broker *broker = fake_open(SEED, EVENTS, NULL, 0);
    fake_tell(broker, 0, ERASED, fake_event_ms(EVENTS));
    assert_int_equal(run(broker), STATUS_OK);
    assert_int_equal(fake_stores_forgotten(), 0);
    assert_int_equal(fake_stores_purges(), 0);
    assert_int_equal(fake_progress(broker, 0)->newest_events[ERASED], 0);
    assert_int_equal(fake_erased(broker, 0, ERASED, &receipt), HISTORY_NO_TIME);
    fake_close(broker);
}

static void whose_record_says_nothing_is_erased_as_well(void **state)
{
    (void)state;
    bool receipt;
    struct broker *broker = fake_open(SEED, EVENTS, NULL, 0);
    assert_int_equal(run(broker), STATUS_OK);
    fake_leave_record(broker, 0, FAKE_USERS);
    assert_false(fake_has_nothing(broker, 0, FAKE_USERS));
    fake_on_call(broker, on_call);
    fake_tell(broker, 0, FAKE_USERS, 1);
    const struct fake_step script[] = {
        {.kind = FAKE_ASSIGN}, {.kind = FAKE_TOLD}, {.kind = FAKE_CALL, .count = SEALED_0}};
    fake_again(broker, script, sizeof script / sizeof *script);
    assert_int_equal(run(broker), STATUS_OK);
    assert_true(fake_has_nothing(broker, 0, FAKE_USERS));
    assert_int_equal(fake_erased(broker, 0, FAKE_USERS, &receipt), 1);
    fake_close(broker);
}

static int open_all(void **state)
{
    (void)state;
    struct checkpoint *checkpoint;
    fixture_open(&fixture, SEED);
    fixture.config.source.erase = "erasures";
    fixture.config.state.erase_interval_ms = 0;
    if (checkpoint_open(&checkpoint, fixture.checkpoint, NULL) != STATUS_OK) return -1;
    if (generations_open(&generations, checkpoint, NULL) != STATUS_OK) return -1;
    struct generation *serving = generations_take(generations);
    const enum status status =
        memory_plan_make(&plan, &fixture.config, serving->model, memory_resident(), NULL);
    generations_release(generations, serving);
    return status == STATUS_OK ? 0 : -1;
}

static int close_all(void **state)
{
    (void)state;
    generations_close(generations);
    fixture_close(&fixture);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_was_erased_while_a_job_stood_still_is_erased_when_it_goes_on),
        cmocka_unit_test(who_is_in_memory_alone_is_found_and_what_comes_late_is_dropped),
        cmocka_unit_test(who_comes_back_is_erased_up_to_its_cut_and_goes_on),
        cmocka_unit_test(a_deletion_that_comes_to_nothing_is_done_again),
        cmocka_unit_test(who_is_not_here_is_told_nothing_of),
        cmocka_unit_test(who_was_erased_before_all_leaves_no_trace),
        cmocka_unit_test(whose_record_says_nothing_is_erased_as_well),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}

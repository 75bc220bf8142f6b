/*
 * test_transaction.c - the arrows of transaction.h, and what a worker makes of commits that are
 * late, fail, are fenced, or whose partitions go away meanwhile.
 *
 * A whole processor runs over a fake broker, whose script says what happens in which order. What
 * comes of it must be, byte for byte, what an undisturbed worker publishes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "model/generations.h"
#include "stream/job/outbox.h"
#include "stream/job/transaction.h"
#include "tests/unit/fake_broker.h"
#include "tests/unit/fake_stores.h"
#include "tests/unit/fake_worker.h"
#include "tests/unit/job_fixture.h"

enum { SEED = 5, EVENTS = 1200, SCRIPTS = 40 };

static struct fixture fixture;
static struct generations *generations;
static struct generation *serving;
static struct memory_plan plan;
static struct broker *undisturbed;

static void only_the_documented_arrows_are_legal(void **state)
{
    (void)state;
    static const enum transaction_state legal[][2] = {
        {TRANSACTION_IDLE, TRANSACTION_OPEN},
        {TRANSACTION_OPEN, TRANSACTION_COMMITTING},
        {TRANSACTION_COMMITTING, TRANSACTION_STORING},
        {TRANSACTION_COMMITTING, TRANSACTION_UNKNOWN},
        {TRANSACTION_COMMITTING, TRANSACTION_FAILED},
        {TRANSACTION_UNKNOWN, TRANSACTION_STORING},
        {TRANSACTION_UNKNOWN, TRANSACTION_FAILED},
        {TRANSACTION_STORING, TRANSACTION_STORED},
        {TRANSACTION_STORING, TRANSACTION_FAILED},
        {TRANSACTION_STORED, TRANSACTION_IDLE},
        {TRANSACTION_FAILED, TRANSACTION_ABORTING},
        {TRANSACTION_IDLE, TRANSACTION_ABORTING},
        {TRANSACTION_OPEN, TRANSACTION_ABORTING},
        {TRANSACTION_ABORTING, TRANSACTION_IDLE},
    };
    for (int from = 0; from < TRANSACTION_STATES; from++) {
        for (int to = 0; to < TRANSACTION_STATES; to++) {
            bool expected = to == TRANSACTION_FENCED && from != TRANSACTION_FENCED;
            for (size_t i = 0; i < sizeof legal / sizeof *legal; i++) {
                if ((int)legal[i][0] == from && (int)legal[i][1] == to) expected = true;
            }
            assert_int_equal(
                transaction_allows((enum transaction_state)from, (enum transaction_state)to),
                expected);
        }
    }
}

/* ---- a worker on the fake broker ---- */

static enum status run(struct broker *broker)
{
    const struct fake_worker worker = {&fixture.config, &plan, generations, NULL};
    return fake_worker_run(&worker, broker);
}

static void expect_as_undisturbed(struct broker *broker)
{
    fake_prove(broker);
    for (uint32_t p = 0; p < FAKE_PARTITIONS; p++) {
        for (uint32_t u = 0; u < FAKE_USERS; u++) {
            const char *newest = fake_newest(broker, p, u);
            const char *expected = fake_newest(undisturbed, p, u);
            if (!expected) continue;
            assert_non_null(newest);
            assert_string_equal(newest, expected);
        }
    }
}

/* Runs the script; all must come out as if nothing had happened. Returns what was counted. */
static struct fake_counts run_script(const struct fake_step *script, size_t steps)
{
    struct broker *broker = fake_open(SEED, EVENTS, script, (uint32_t)steps);
    assert_int_equal(run(broker), STATUS_OK);
    expect_as_undisturbed(broker);
    struct fake_counts counts = fake_counts(broker);
    fake_close(broker);
    return counts;
}

#define RUN(script) run_script(script, sizeof script / sizeof *(script))

#define ASSIGN                                                                                     \
    {                                                                                              \
        .kind = FAKE_ASSIGN                                                                        \
    }
#define EVENTS_OF(from, many)                                                                      \
    {                                                                                              \
        .kind = FAKE_EVENTS, .partition = (from), .count = (many)                                  \
    }
#define COMMIT(how)                                                                                \
    {                                                                                              \
        .kind = FAKE_COMMIT, .outcome = (how)                                                      \
    }
#define COMMIT_LATE_BY(ms, how)                                                                    \
    {                                                                                              \
        .kind = FAKE_COMMIT, .outcome = (how), .late_ms = (ms)                                     \
    }
#define LATE_COMMIT(how) COMMIT_LATE_BY(FAKE_LATE_MS, how)
#define HELD_COMMIT(how) COMMIT_LATE_BY(FAKE_HELD_MS, how)
#define RELEASE                                                                                    \
    {                                                                                              \
        .kind = FAKE_RELEASE                                                                       \
    }
#define AWAIT                                                                                      \
    {                                                                                              \
        .kind = FAKE_AWAIT                                                                         \
    }
#define REVOKE                                                                                     \
    {                                                                                              \
        .kind = FAKE_REVOKE                                                                        \
    }
#define LOSE                                                                                       \
    {                                                                                              \
        .kind = FAKE_LOSE                                                                          \
    }

static int open_all(void **state)
{
    struct checkpoint *checkpoint;
    (void)state;
    fixture_open(&fixture, 1);
    fixture.config.output.dead_letter_payload_max = FAKE_PAYLOAD_MAX;
    if (checkpoint_open(&checkpoint, fixture.checkpoint, NULL) != STATUS_OK) return -1;
    if (generations_open(&generations, checkpoint, NULL) != STATUS_OK) return -1;
    serving = generations_take(generations);
    const struct interest_model *model = serving->model;
    if (memory_plan_make(&plan, &fixture.config, model, 0, NULL) != STATUS_OK) return -1;
    undisturbed = fake_open(SEED, EVENTS, NULL, 0);
    if (run(undisturbed) != STATUS_OK) return -1;
    fake_prove(undisturbed);
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    fake_close(undisturbed);
    generations_release(generations, serving);
    generations_close(generations);
    fixture_close(&fixture);
    return 0;
}

static void the_worker_goes_on_while_a_commit_is_late(void **state)
{
    (void)state;
    static const struct fake_step script[] = {ASSIGN,
                                              EVENTS_OF(0, 30),
                                              EVENTS_OF(1, 30),
                                              HELD_COMMIT(FAKE_COMMITTED),
                                              EVENTS_OF(0, 30),
                                              EVENTS_OF(1, 30),
                                              EVENTS_OF(0, 30),
                                              RELEASE,
                                              AWAIT,
                                              EVENTS_OF(0, 5),
                                              COMMIT(FAKE_COMMITTED)};
    struct fake_counts counts = RUN(script);
    assert_true(counts.polled_ahead >= 90);
    assert_int_equal(counts.aborts, 0);
}

static void a_second_commit_waits_for_the_one_under_way(void **state)
{
    (void)state;
    static const struct fake_step script[] = {
        ASSIGN,           EVENTS_OF(0, 30),      LATE_COMMIT(FAKE_COMMITTED),
        EVENTS_OF(0, 30), EVENTS_OF(1, 30),      LATE_COMMIT(FAKE_COMMITTED),
        EVENTS_OF(1, 30), COMMIT(FAKE_COMMITTED)};
    assert_int_equal(RUN(script).aborts, 0);
}

static void a_commit_that_fails_takes_what_was_absorbed_ahead_along(void **state)
{
    (void)state;
    static const struct fake_step script[] = {ASSIGN,
                                              EVENTS_OF(0, 30),
                                              EVENTS_OF(1, 30),
                                              COMMIT(FAKE_COMMITTED),
                                              EVENTS_OF(0, 30),
                                              EVENTS_OF(1, 30),
                                              HELD_COMMIT(FAKE_ABORTED),
                                              EVENTS_OF(0, 30),
                                              EVENTS_OF(1, 30),
                                              RELEASE,
                                              AWAIT,
                                              EVENTS_OF(0, 30),
                                              COMMIT(FAKE_COMMITTED)};
    struct fake_counts counts = RUN(script);
    assert_true(counts.polled_ahead >= 60);
    assert_int_equal(counts.aborts, 1);
}

static void after_an_abort_a_partition_without_events_is_not_sealed(void **state)
{
    (void)state;
    static const struct fake_step script[] = {ASSIGN,
                                              EVENTS_OF(0, 30),
                                              EVENTS_OF(1, 30),
                                              COMMIT(FAKE_ABORTED),
                                              AWAIT,
                                              EVENTS_OF(0, 10),
                                              COMMIT(FAKE_COMMITTED),
                                              AWAIT,
                                              EVENTS_OF(1, 10),
                                              COMMIT(FAKE_COMMITTED)};
    assert_int_equal(RUN(script).aborts, 1);
}

static void after_a_commit_a_partition_without_events_is_not_sealed_again(void **state)
{
    (void)state;
    static const struct fake_step script[] = {
        ASSIGN,           EVENTS_OF(0, 30),       EVENTS_OF(1, 30), COMMIT(FAKE_COMMITTED),
        EVENTS_OF(0, 10), COMMIT(FAKE_COMMITTED), EVENTS_OF(1, 10), COMMIT(FAKE_COMMITTED)};
    assert_int_equal(RUN(script).aborts, 0);
}

static void a_commit_of_unknown_outcome_is_settled_before_anything_else(void **state)
{
    (void)state;
    static const struct fake_step script[] = {ASSIGN,
                                              EVENTS_OF(0, 30),
                                              LATE_COMMIT(FAKE_UNKNOWN_COMMITTED),
                                              EVENTS_OF(0, 30),
                                              EVENTS_OF(1, 30),
                                              RELEASE,
                                              AWAIT,
                                              EVENTS_OF(1, 30),
                                              LATE_COMMIT(FAKE_UNKNOWN_ABORTED),
                                              EVENTS_OF(0, 30),
                                              RELEASE,
                                              AWAIT};
    assert_int_equal(RUN(script).aborts, 1);
}

static void a_fenced_worker_leaves_and_stores_nothing(void **state)
{
    (void)state;
    static const struct fake_step script[] = {ASSIGN,
                                              EVENTS_OF(0, 30),
                                              COMMIT(FAKE_COMMITTED),
                                              AWAIT,
                                              EVENTS_OF(0, 30),
                                              LATE_COMMIT(FAKE_FENCED),
                                              EVENTS_OF(0, 30),
                                              RELEASE,
                                              AWAIT};
    struct broker *broker = fake_open(SEED, EVENTS, script, sizeof script / sizeof *script);
    assert_int_equal(run(broker), STATUS_FENCED);
    assert_int_equal(fake_committed(broker, 0), 30);
    fake_close(broker);
}

static void revoked_partitions_are_given_up_when_both_changesets_are_committed(void **state)
{
    (void)state;
    static const struct fake_step script[] = {
        ASSIGN,           EVENTS_OF(0, 30), LATE_COMMIT(FAKE_COMMITTED),
        EVENTS_OF(0, 30), EVENTS_OF(1, 30), REVOKE,
        ASSIGN,           EVENTS_OF(1, 30)};
    assert_int_equal(RUN(script).aborts, 0);
}

static void a_revocation_drops_both_changesets_if_the_first_one_fails(void **state)
{
    (void)state;
    static const struct fake_step script[] = {
        ASSIGN, EVENTS_OF(0, 30), LATE_COMMIT(FAKE_ABORTED), EVENTS_OF(0, 30), EVENTS_OF(1, 30),
        REVOKE, ASSIGN,           EVENTS_OF(1, 30)};
    assert_int_equal(RUN(script).aborts, 1);
}

static void lost_partitions_keep_the_commit_under_way_and_drop_the_rest(void **state)
{
    (void)state;
    static const struct fake_step script[] = {
        ASSIGN,           EVENTS_OF(0, 30), LATE_COMMIT(FAKE_COMMITTED),
        EVENTS_OF(0, 30), EVENTS_OF(1, 30), LOSE,
        ASSIGN,           EVENTS_OF(1, 30)};
    assert_int_equal(RUN(script).aborts, 1);
}

/* More item names and dead letters than may wait: the worker waits for the commit under way. */
static void dead_letters_and_names_wait_for_their_transaction(void **state)
{
    (void)state;
    enum { MANY = 30000, SCRIPT = 400 };
    static struct fake_step script[SCRIPT];
    uint32_t steps = 0;
    script[steps++] = (struct fake_step)ASSIGN;
    script[steps++] = (struct fake_step)EVENTS_OF(0, 30);
    script[steps++] = (struct fake_step)COMMIT_LATE_BY(3000, FAKE_COMMITTED);
    while (steps < SCRIPT) {
        script[steps++] = (struct fake_step)EVENTS_OF(0, 37);
    }
    struct broker *broker = fake_open(SEED, MANY, script, steps);
    const uint32_t history_max = fixture.config.state.history_max;
    fixture.config.state.history_max = 65536; /* or a jump of a history would wait before */
    enum status status = run(broker);
    fixture.config.state.history_max = history_max;
    assert_int_equal(status, STATUS_OK);
    fake_prove(broker);
    uint64_t fit = (OUTBOX_SIZE / FAKE_PAYLOAD_MAX + 50) * FAKE_BAD_EVERY;
    assert_in_range(fake_counts(broker).polled_ahead, 1000, fit);
    fake_close(broker);
}

/* Jumps of `from` need chunks that the store has only when the commit under way is stored. */
static void a_fold_waits_for_chunks_that_are_being_committed(void **state)
{
    (void)state;
    const uint32_t history_max = fixture.config.state.history_max;
    fixture.config.state.history_max = 256;
    struct broker *plain = fake_open(SEED, EVENTS, NULL, 0), *before = undisturbed;
    assert_int_equal(run(plain), STATUS_OK);
    undisturbed = plain;
    for (uint32_t polls = 8; polls < 20; polls++) {
        struct fake_step script[32] = {ASSIGN};
        uint32_t steps = 1;
        while (steps < 30) {
            script[steps++] = (struct fake_step)EVENTS_OF(0, 37);
            if (steps == polls) script[steps++] = (struct fake_step)LATE_COMMIT(FAKE_COMMITTED);
        }
        run_script(script, steps);
    }
    undisturbed = before;
    fixture.config.state.history_max = history_max;
    fake_close(plain);
}

static void a_user_that_is_never_clean_is_saved_when_its_changeset_is_stored(void **state)
{
    (void)state;
    enum { COMMITS = 6 };
    const uint32_t snapshot_every = fixture.config.state.snapshot_every;
    fixture.config.state.snapshot_every = 16;
    struct fake_step script[2 * COMMITS + 1] = {ASSIGN};
    uint32_t steps = 1;
    for (int i = 0; i < COMMITS; i++) {
        script[steps++] = (struct fake_step)EVENTS_OF(0, 37); /* the first user is among them */
        script[steps++] = (struct fake_step)LATE_COMMIT(FAKE_COMMITTED);
    }
    assert_int_equal(run_script(script, steps).aborts, 0);
    assert_in_range(fake_stores_snapshots(), COMMITS - 2, COMMITS + 2);
    fixture.config.state.snapshot_every = snapshot_every;
}

static void the_end_waits_for_the_last_commit_and_does_it_again_if_it_failed(void **state)
{
    (void)state;
    struct fake_step script[2 * EVENTS / 30 + 2] = {ASSIGN};
    uint32_t steps = 1;
    for (uint32_t events = 0; events < EVENTS; events += 30) {
        script[steps++] = (struct fake_step)EVENTS_OF(0, 30);
        script[steps++] = (struct fake_step)EVENTS_OF(1, 30);
    }
    script[steps++] = (struct fake_step)LATE_COMMIT(FAKE_ABORTED);
    assert_int_equal(run_script(script, steps).aborts, 1);
}

static void any_sequence_of_events_and_outcomes_comes_to_the_same(void **state)
{
    (void)state;
    uint64_t aborts = 0, ahead = 0;
    for (uint64_t seed = 1; seed <= SCRIPTS; seed++) {
        static struct fake_step script[120];
        script[0] = (struct fake_step)ASSIGN;
        for (size_t i = 1; i < sizeof script / sizeof *script; i++) {
            uint64_t random = splitmix64(seed * 1000 + i);
            uint32_t many = 1 + (uint32_t)(random >> 20) % 37;
            enum fake_outcome outcome = (enum fake_outcome)((random >> 30) % FAKE_OUTCOMES);
            if (outcome == FAKE_FENCED || (random >> 40) % 2) outcome = FAKE_COMMITTED;
            script[i] = (struct fake_step)EVENTS_OF((uint32_t)(random >> 50) % 2, many);
            if (random % 5 == 0) {
                script[i] = (struct fake_step){FAKE_COMMIT, 0, 0, outcome,
                                               (random >> 60) % 4 ? 0 : FAKE_LATE_MS};
            }
            if (random % 11 == 0) script[i] = (struct fake_step)RELEASE;
            if (random % 37 == 0) script[i] = (struct fake_step)REVOKE;
            if (random % 41 == 0) script[i] = (struct fake_step)LOSE;
            if (random % 13 == 0) script[i] = (struct fake_step)ASSIGN;
        }
        printf("script of seed %u\n", (unsigned)seed);
        struct fake_counts counts = RUN(script);
        aborts += counts.aborts;
        ahead += counts.polled_ahead;
    }
    assert_true(aborts > SCRIPTS && ahead > SCRIPTS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_documented_arrows_are_legal),
        cmocka_unit_test(the_worker_goes_on_while_a_commit_is_late),
        cmocka_unit_test(a_second_commit_waits_for_the_one_under_way),
        cmocka_unit_test(a_commit_that_fails_takes_what_was_absorbed_ahead_along),
        cmocka_unit_test(after_an_abort_a_partition_without_events_is_not_sealed),
        cmocka_unit_test(after_a_commit_a_partition_without_events_is_not_sealed_again),
        cmocka_unit_test(a_commit_of_unknown_outcome_is_settled_before_anything_else),
        cmocka_unit_test(a_fenced_worker_leaves_and_stores_nothing),
        cmocka_unit_test(revoked_partitions_are_given_up_when_both_changesets_are_committed),
        cmocka_unit_test(a_revocation_drops_both_changesets_if_the_first_one_fails),
        cmocka_unit_test(lost_partitions_keep_the_commit_under_way_and_drop_the_rest),
        cmocka_unit_test(dead_letters_and_names_wait_for_their_transaction),
        cmocka_unit_test(a_fold_waits_for_chunks_that_are_being_committed),
        cmocka_unit_test(a_user_that_is_never_clean_is_saved_when_its_changeset_is_stored),
        cmocka_unit_test(the_end_waits_for_the_last_commit_and_does_it_again_if_it_failed),
        cmocka_unit_test(any_sequence_of_events_and_outcomes_comes_to_the_same),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}

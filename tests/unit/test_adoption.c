/*
 * test_adoption.c - a worker that passes from one generation to the next beside its stream: who is
 * moved, in which order, and what comes of it where commits fail or the generation is not there yet.
 *
 * A whole processor runs over a fake broker, as in test_transaction.c. What it comes to must be, byte
 * for byte, what a worker publishes that has served the new generation from the first event on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "model/generations.h"
#include "model/tensor/params.h"
#include "tests/unit/fake_broker.h"
#include "tests/unit/fake_log.h"
#include "tests/unit/fake_stores.h"
#include "tests/unit/fake_worker.h"
#include "tests/unit/job_fixture.h"

enum { SEED = 7, EVENTS = 500, POLL = 37, ROOM = 8, LOOKS = 20, RATE = 200, PAUSE_MS = 500 };

/* What a FAKE_CALL is to do. */
enum {
    ADD_NEXT,
    ALL_MOVED,
    COUNT_CHUNKS,
    LATEST_MOVED,
    NOT_LIVE,
    LOOK_ON,
    ADD_THIRD,
    AT_RATE,
    ROUND_1,
    ONE_ROUND,
    ROUND_2
};

static const char all_of_it[] = "item.embedding"; /* a parameter that states depend on, */
static const char reading[] = "extract.query";    /* and one that only reads them */

static struct fixture fixture;
static struct memory_plan plan;
static struct generations *generations;
static const char *changed; /* of the next generation */
static uint64_t chunks;     /* looked up so far */
static uint32_t looks;
static int64_t third_ns; /* when generation 3 was added */

/* Generation 2: generation 1 with one parameter changed. */
static struct checkpoint *next_checkpoint(void)
{
    struct checkpoint *next;
    assert_int_equal(checkpoint_open(&next, fixture.checkpoint, NULL), STATUS_OK);
    struct param *param = param_set_find(next->params, changed);
    assert_non_null(param);
    for (size_t i = param->spec.shape[1]; i < param->count; i++) { /* but for row 0, padding */
        param->data[i] *= 1.5f;
    }
    next->generation = 2;
    return next;
}

static struct generations *open_generations(struct checkpoint *first)
{
    struct generations *opened;
    assert_int_equal(generations_open(&opened, first, NULL), STATUS_OK);
    return opened;
}

static struct generations *first_generation(void)
{
    struct checkpoint *first;
    assert_int_equal(checkpoint_open(&first, fixture.checkpoint, NULL), STATUS_OK);
    return open_generations(first);
}

static atomic_uint rounds; /* so far; the first ones add generations 2 and 3, if any */
static bool rounds_add;

static enum status count_round(void *context, const struct job_round *round, struct error *error)
{
    (void)context;
    (void)round;
    const uint32_t number = 2 + atomic_load(&rounds);
    if (rounds_add && number <= 3) {
        struct checkpoint *next = next_checkpoint();
        next->generation = number;
        TRY(generations_add(generations, next, error));
        atomic_fetch_add(&rounds, 1);
    }
    return STATUS_OK;
}

static enum status run(struct broker *broker)
{
    const struct job_learner learner = {.generations = generations, .round = count_round};
    const bool shares = fixture.config.source.broker == CONFIG_BROKER_KAFKA;
    const struct fake_worker worker = {&fixture.config, &plan, generations,
                                       shares ? &learner : NULL};
    return fake_worker_run(&worker, broker);
}

/* ---- what scripts call ---- */

static bool all_are_moved(const struct broker *broker)
{
    for (uint32_t p = 0; p < FAKE_PARTITIONS; p++) {
        const struct fake_progress *progress = fake_progress(broker, p);
        if (progress->seal.generation < 2 || progress->seal.target < 2) return false;
        for (uint32_t u = 0; u < FAKE_USERS; u++) {
            if (progress->newest_events[u] > 0 && progress->newest_generation[u] < 2) return false;
        }
    }
    return true;
}

/* The ROOM users of partition 0 that acted last among its first `delivered` events. */
static void acted_last(uint32_t delivered, bool among[FAKE_USERS])
{
    struct source_event *source = fake_source(SEED, 0, EVENTS);
    uint32_t count = 0;
    memset(among, 0, FAKE_USERS * sizeof *among);
    for (uint32_t e = delivered; e-- > 0 && count < ROOM;) {
        bool *is = &among[source[e].user_number];
        if (source[e].bad || *is) continue;
        *is = true;
        count++;
    }
    assert_int_equal(count, ROOM);
    free(source);
}

static void check_latest(const struct broker *broker)
{
    bool latest[FAKE_USERS];
    acted_last(4 * POLL, latest);
    for (uint32_t u = 0; u < FAKE_USERS; u++) {
        if (fake_progress(broker, 0)->newest_events[u] == 0) continue;
        assert_int_equal(fake_progress(broker, 0)->newest_generation[u], latest[u] ? 2 : 1);
        assert_int_not_equal(fake_progress(broker, 1)->newest_generation[u], 2);
    }
}

/* After a while in which nobody was to be moved. */
static bool add_third(void)
{
    struct checkpoint *third = next_checkpoint();
    third->generation = 3;
    clock_sleep_ms(PAUSE_MS);
    third_ns = clock_monotonic_ns();
    assert_int_equal(generations_add(generations, third, NULL), STATUS_OK);
    return true;
}

/* True when everybody is of generation 3; until then no more are than the rate allows. */
static bool moved_at_rate(const struct broker *broker)
{
    uint32_t moved = 0, users = 0;
    for (uint32_t p = 0; p < FAKE_PARTITIONS; p++) {
        const struct fake_progress *progress = fake_progress(broker, p);
        for (uint32_t u = 0; u < FAKE_USERS; u++) {
            users += progress->newest_events[u] > 0;
            moved += progress->newest_generation[u] == 3;
        }
    }
    assert_true(moved <= (double)(clock_monotonic_ns() - third_ns) * 1e-9 * RATE);
    return moved == users;
}

/* True when everybody is of generation 2; until then there has been no other round. */
static bool moved_before_second(const struct broker *broker)
{
    const uint32_t before = atomic_load(&rounds);
    const bool moved = all_are_moved(broker);
    assert_true(moved || before == 1);
    return moved;
}

static bool on_call(struct broker *broker, uint32_t what)
{
    switch (what) {
    case ADD_NEXT:
        assert_int_equal(generations_add(generations, next_checkpoint(), NULL), STATUS_OK);
        return true;
    case ALL_MOVED: return all_are_moved(broker);
    case COUNT_CHUNKS: chunks = fake_stores_chunks() - chunks; return true;
    case LATEST_MOVED: check_latest(broker); return true;
    case NOT_LIVE:
        assert_false(fake_is_live(broker, 0) || fake_is_live(broker, 1));
        return ++looks == LOOKS;
    case LOOK_ON: return ++looks == LOOKS;
    case ADD_THIRD: return add_third();
    case AT_RATE: return moved_at_rate(broker);
    case ROUND_1: return atomic_load(&rounds) >= 1;
    case ONE_ROUND: return moved_before_second(broker);
    case ROUND_2: return atomic_load(&rounds) >= 2;
    default: return true;
    }
}

#define ASSIGN                                                                                     \
    {                                                                                              \
        .kind = FAKE_ASSIGN                                                                        \
    }
#define EVENTS_OF(p)                                                                               \
    {                                                                                              \
        .kind = FAKE_EVENTS, .partition = (p), .count = POLL                                       \
    }
#define COMMIT(how)                                                                                \
    {                                                                                              \
        .kind = FAKE_COMMIT, .outcome = (how)                                                      \
    }
#define AWAIT                                                                                      \
    {                                                                                              \
        .kind = FAKE_AWAIT                                                                         \
    }
#define GATHER                                                                                     \
    {                                                                                              \
        .kind = FAKE_GATHER                                                                        \
    }
#define CALL(what)                                                                                 \
    {                                                                                              \
        .kind = FAKE_CALL, .count = (what)                                                         \
    }

/* Users of both partitions, one of them with more behaviors than a record holds, all committed. */
#define SOME_USERS                                                                                 \
    ASSIGN, EVENTS_OF(0), EVENTS_OF(0), EVENTS_OF(0), EVENTS_OF(0), EVENTS_OF(1),                  \
        COMMIT(FAKE_COMMITTED), AWAIT

/* ---- judging ---- */

/* What a worker publishes that has served generation 2 from the first event on. */
static void expect_as_of_next(struct broker *broker)
{
    generations = open_generations(next_checkpoint());
    struct broker *expected = fake_open(SEED, EVENTS, NULL, 0);
    assert_int_equal(run(expected), STATUS_OK);
    generations_close(generations);
    fake_prove(broker);
    for (uint32_t p = 0; p < FAKE_PARTITIONS; p++) {
        for (uint32_t u = 0; u < FAKE_USERS; u++) {
            const char *of_next = fake_newest(expected, p, u);
            if (of_next) assert_string_equal(fake_newest(broker, p, u), of_next);
        }
    }
    fake_close(expected);
}

/* Runs the script from generation 1 on, in which another is added with `parameter` changed. */
static void run_script(const char *parameter, const struct fake_step *script, size_t steps)
{
    changed = parameter;
    chunks = 0;
    generations = first_generation();
    struct broker *broker = fake_open(SEED, EVENTS, script, (uint32_t)steps);
    fake_on_call(broker, on_call);
    assert_int_equal(run(broker), STATUS_OK);
    assert_true(all_are_moved(broker));
    generations_close(generations);
    expect_as_of_next(broker);
    fake_close(broker);
}

#define RUN(parameter, script) run_script(parameter, script, sizeof script / sizeof *(script))

/* ---- tests ---- */

static void everybody_is_folded_anew_once_and_published_as_by_the_new_generation_alone(void **state)
{
    (void)state;
    static const struct fake_step script[] = {SOME_USERS, CALL(COUNT_CHUNKS), CALL(ADD_NEXT),
                                              CALL(ALL_MOVED), CALL(COUNT_CHUNKS)};
    RUN(all_of_it, script);
    assert_true(chunks > 0); /* of the longest history */
}

static void a_generation_that_only_reads_otherwise_folds_nobody_anew(void **state)
{
    (void)state;
    static const struct fake_step script[] = {SOME_USERS, CALL(COUNT_CHUNKS), CALL(ADD_NEXT),
                                              CALL(ALL_MOVED), CALL(COUNT_CHUNKS)};
    RUN(reading, script);
    assert_int_equal(chunks, 0);
}

static void who_acted_last_is_moved_first(void **state)
{
    (void)state;
    static const struct fake_step script[] = {
        SOME_USERS, CALL(ADD_NEXT),     GATHER,         COMMIT(FAKE_COMMITTED),
        AWAIT,      CALL(LATEST_MOVED), CALL(ALL_MOVED)};
    const uint32_t wanted = plan.users_wanted;
    plan.users_wanted = ROOM;
    RUN(all_of_it, script);
    plan.users_wanted = wanted;
}

/* The scan meets all those who came first once more, and the stores do not have them yet. */
static void who_was_moved_is_passed_over_while_that_is_being_committed(void **state)
{
    (void)state;
    static const struct fake_step script[] = {
        SOME_USERS,    CALL(ADD_NEXT),
        GATHER,        {.kind = FAKE_COMMIT, .outcome = FAKE_COMMITTED, .late_ms = FAKE_HELD_MS},
        CALL(LOOK_ON), {.kind = FAKE_RELEASE},
        AWAIT,         CALL(ALL_MOVED)};
    looks = 0;
    RUN(all_of_it, script);
    assert_int_equal(looks, LOOKS);
}

/* Also whom the aborted transaction had moved, and whoever acts in the middle of it. */
static void nobody_is_forgotten_when_a_commit_of_moved_users_is_aborted(void **state)
{
    (void)state;
    static const struct fake_step script[] = {SOME_USERS,
                                              CALL(ADD_NEXT),
                                              GATHER,
                                              COMMIT(FAKE_ABORTED),
                                              AWAIT,
                                              GATHER,
                                              EVENTS_OF(0),
                                              EVENTS_OF(1),
                                              COMMIT(FAKE_ABORTED),
                                              AWAIT,
                                              GATHER,
                                              COMMIT(FAKE_UNKNOWN_ABORTED),
                                              AWAIT,
                                              CALL(ALL_MOVED)};
    const uint32_t wanted = plan.users_wanted;
    plan.users_wanted = ROOM;
    RUN(all_of_it, script);
    plan.users_wanted = wanted;
    RUN(all_of_it, script);
}

/* After a restart nobody is in memory, so all of it is the scan in key order. */
static void nobody_is_forgotten_when_that_happens_after_a_restart(void **state)
{
    (void)state;
    static const struct fake_step before[] = {SOME_USERS, EVENTS_OF(1), COMMIT(FAKE_FENCED)};
    static const struct fake_step after[] = {ASSIGN,
                                             CALL(ADD_NEXT),
                                             GATHER,
                                             COMMIT(FAKE_COMMITTED),
                                             AWAIT,
                                             GATHER,
                                             COMMIT(FAKE_ABORTED),
                                             AWAIT,
                                             GATHER,
                                             COMMIT(FAKE_ABORTED),
                                             CALL(ALL_MOVED)};
    const uint32_t wanted = plan.users_wanted;
    changed = all_of_it;
    plan.users_wanted = ROOM;
    generations = first_generation();
    struct broker *broker = fake_open(SEED, EVENTS, before, sizeof before / sizeof *before);
    fake_on_call(broker, on_call);
    assert_int_equal(run(broker), STATUS_FENCED);
    fake_again(broker, after, sizeof after / sizeof *after);
    assert_int_equal(run(broker), STATUS_OK);
    generations_close(generations);
    plan.users_wanted = wanted;
    expect_as_of_next(broker);
    fake_close(broker);
}

/* Its records are of that generation already: to go on with an older one would take them back. */
static void a_partition_whose_seal_names_a_later_generation_waits_until_that_is_there(void **state)
{
    (void)state;
    static const struct fake_step before[] = {
        SOME_USERS,   CALL(ADD_NEXT),     GATHER, COMMIT(FAKE_COMMITTED), AWAIT,
        EVENTS_OF(1), COMMIT(FAKE_FENCED)};
    static const struct fake_step after[] = {ASSIGN, CALL(NOT_LIVE), CALL(ADD_NEXT),
                                             CALL(ALL_MOVED)};
    changed = all_of_it;
    looks = 0;
    fixture.config.source.broker = CONFIG_BROKER_KAFKA;
    generations = first_generation();
    struct broker *broker = fake_open(SEED, EVENTS, before, sizeof before / sizeof *before);
    fake_on_call(broker, on_call);
    assert_int_equal(run(broker), STATUS_FENCED);
    generations_close(generations);
    generations = first_generation(); /* a process whose directory has nothing newer */
    fake_again(broker, after, sizeof after / sizeof *after);
    assert_int_equal(run(broker), STATUS_OK);
    assert_int_equal(looks, LOOKS);
    assert_true(all_are_moved(broker));
    generations_close(generations);
    fixture.config.source.broker = CONFIG_BROKER_FILE;
    expect_as_of_next(broker);
    fake_close(broker);
}

/* Of a job that serves one checkpoint; where no rate is said, users move when they act. */
static void everybody_moves_to_the_checkpoint_of_the_next_start_where_a_rate_is_said(void **state)
{
    (void)state;
    static const struct fake_step before[] = {SOME_USERS, EVENTS_OF(1), COMMIT(FAKE_FENCED)};
    static const struct fake_step after[] = {ASSIGN, CALL(ALL_MOVED)};
    changed = all_of_it;
    fixture.config.train.enabled = CONFIG_TRAIN_OFF;
    fixture.config.output.sweep = 1000000;
    generations = first_generation();
    struct broker *broker = fake_open(SEED, EVENTS, before, sizeof before / sizeof *before);
    fake_on_call(broker, on_call);
    assert_int_equal(run(broker), STATUS_FENCED);
    generations_close(generations);
    generations = open_generations(next_checkpoint());
    fake_again(broker, after, sizeof after / sizeof *after);
    assert_int_equal(run(broker), STATUS_OK);
    assert_true(all_are_moved(broker));
    generations_close(generations);
    expect_as_of_next(broker);
    fixture.config.train.enabled = CONFIG_TRAIN_ON;
    fixture.config.output.sweep = 0;
    fake_close(broker);
}

static void a_pause_between_two_generations_saves_up_no_moves(void **state)
{
    (void)state;
    static const struct fake_step script[] = {SOME_USERS, CALL(ADD_NEXT), CALL(ALL_MOVED),
                                              CALL(ADD_THIRD), CALL(AT_RATE)};
    changed = all_of_it;
    fixture.config.train.republish_rate = RATE;
    generations = first_generation();
    struct broker *broker = fake_open(SEED, EVENTS, script, sizeof script / sizeof *script);
    fake_on_call(broker, on_call);
    assert_int_equal(run(broker), STATUS_OK);
    generations_close(generations);
    fixture.config.train.republish_rate = 0;
    fake_prove(broker);
    fake_close(broker);
}

/* Each round is due at once, since there is always something new. */
static void a_round_waits_until_everybody_is_of_the_generation_of_the_last_one(void **state)
{
    (void)state;
    static const struct fake_step script[] = {SOME_USERS,      CALL(ROUND_1), EVENTS_OF(1),
                                              CALL(ONE_ROUND), EVENTS_OF(0),  CALL(ROUND_2)};
    changed = all_of_it;
    rounds_add = true;
    fixture.config.source.broker = CONFIG_BROKER_KAFKA;
    fixture.config.train.republish_rate = RATE;
    fixture.config.train.interval_ms = 1;
    generations = first_generation();
    struct broker *broker = fake_open(SEED, EVENTS, script, sizeof script / sizeof *script);
    fake_on_call(broker, on_call);
    assert_int_equal(run(broker), STATUS_OK);
    generations_close(generations);
    rounds_add = false;
    fixture.config.source.broker = CONFIG_BROKER_FILE;
    fixture.config.train.republish_rate = 0;
    fixture.config.train.interval_ms = 0;
    fake_prove(broker);
    fake_close(broker);
}

static int open_all(void **state)
{
    (void)state;
    fixture_open(&fixture, 1);
    fixture.config.output.dead_letter_payload_max = FAKE_PAYLOAD_MAX;
    fixture.config.output.record = CONFIG_RECORD_JSON;
    fixture.config.train.enabled = CONFIG_TRAIN_ON;
    fixture.config.train.pace = CONFIG_PACE_FREE;
    fixture.config.train.republish_rate = 0;
    struct generations *first = first_generation();
    struct generation *serving = generations_take(first);
    const enum status status = memory_plan_make(&plan, &fixture.config, serving->model, 0, NULL);
    generations_release(first, serving);
    generations_close(first);
    return status == STATUS_OK ? 0 : -1;
}

static int close_all(void **state)
{
    (void)state;
    fixture_close(&fixture);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            everybody_is_folded_anew_once_and_published_as_by_the_new_generation_alone),
        cmocka_unit_test(a_generation_that_only_reads_otherwise_folds_nobody_anew),
        cmocka_unit_test(who_acted_last_is_moved_first),
        cmocka_unit_test(who_was_moved_is_passed_over_while_that_is_being_committed),
        cmocka_unit_test(nobody_is_forgotten_when_a_commit_of_moved_users_is_aborted),
        cmocka_unit_test(nobody_is_forgotten_when_that_happens_after_a_restart),
        cmocka_unit_test(everybody_moves_to_the_checkpoint_of_the_next_start_where_a_rate_is_said),
        cmocka_unit_test(a_partition_whose_seal_names_a_later_generation_waits_until_that_is_there),
        cmocka_unit_test(a_round_waits_until_everybody_is_of_the_generation_of_the_last_one),
        cmocka_unit_test(a_pause_between_two_generations_saves_up_no_moves),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}

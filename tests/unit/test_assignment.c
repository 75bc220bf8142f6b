/*
 * test_assignment.c - which partition is restored when, over a broker whose logs are empty, and are
 * to be had or not as a test says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "model/interest_ops.h"
#include "stream/job/assignment.h"
#include "tests/store/store_memory.h"

enum { PARTITIONS = 4, DEADLINE_MS = 120000 };

/* Only what a restore asks of a broker. */
struct broker {
    atomic_bool busy[PARTITIONS];  /* its log is not to be had */
    atomic_bool stuck[PARTITIONS]; /* a request for it is not answered */
    atomic_int opened[PARTITIONS];
    uint64_t target[PARTITIONS]; /* the generation that its last seal names */
};

struct history_reader {
    struct store_position position;
};

static uint32_t partitions_of(const struct broker *broker)
{
    (void)broker;
    return PARTITIONS;
}

static uint64_t source_of(const struct broker *broker)
{
    (void)broker;
    return 1;
}

static enum status open_log(struct history_reader **readerp, struct broker *broker,
                            uint32_t partition, const struct store_position *start,
                            struct committed_position *committed, struct error *error)
{
    atomic_fetch_add(&broker->opened[partition], 1);
    while (atomic_load(&broker->stuck[partition])) {
        clock_sleep_ms(5);
    }
    if (atomic_load(&broker->busy[partition])) return error_set(error, STATUS_BUSY, "no leader");
    *committed = (struct committed_position){
        .seal = {.next_offset = 7, .target = broker->target[partition]}};
    *readerp = calloc(1, sizeof **readerp);
    assert_non_null(*readerp);
    (*readerp)->position = *start;
    return STATUS_OK;
}

static enum status next_of_log(struct history_reader *reader, struct record *records, uint32_t max,
                               uint32_t *countp, struct error *error)
{
    (void)reader;
    (void)records;
    (void)max;
    (void)error;
    *countp = 0;
    return STATUS_OK;
}

static struct store_position position_of_log(const struct history_reader *reader)
{
    return reader->position;
}

static void close_log(struct history_reader *reader)
{
    free(reader);
}

static const struct broker_ops fake_ops = {
    .partitions = partitions_of,
    .source_identity = source_of,
    .history_open = open_log,
    .history_next = next_of_log,
    .history_position = position_of_log,
    .history_close = close_log,
};

static struct broker broker;
static struct config config;
static struct job_shared shared;
static struct assignment *assignment;

/* Generation 1 of a small model without items. */
static enum status open_generation(struct generations **generationsp)
{
    struct item_table *items;
    struct checkpoint *checkpoint;
    TRY(item_table_open(&items, NULL, 0, NULL, 0, 1, NULL));
    TRY(checkpoint_init(&checkpoint, "single", &interest_ops_find("single")->defaults, items, 1,
                        NULL));
    return generations_open(generationsp, checkpoint, NULL);
}

static int open_assignment(void **state)
{
    static const struct memory_plan plan;
    (void)state;
    broker = (struct broker){0};
    config_defaults(&config);
    config.state.dir = "/tmp";
    shared = (struct job_shared){
        .config = &config,
        .plan = &plan,
        .ops = &fake_ops,
        .broker = &broker,
        .stores = &store_memory,
    };
    if (open_generation(&shared.generations) != STATUS_OK) return -1;
    return assignment_open(&assignment, &shared, NULL);
}

static int close_assignment(void **state)
{
    (void)state;
    for (int p = 0; p < PARTITIONS; p++) {
        atomic_store(&broker.stuck[p], false);
    }
    assignment_close(assignment);
    generations_close(shared.generations);
    config_close(&config);
    return 0;
}

static void take(uint32_t partition)
{
    assert_int_equal(assignment_take(assignment, &partition, 1, NULL), STATUS_OK);
}

/* The next partition that is restored, and whose generation a worker of this one may go on with. */
static uint32_t restored_for(uint64_t generation)
{
    const int64_t deadline_ns = clock_monotonic_ns() + (int64_t)DEADLINE_MS * 1000000;
    struct task *task = NULL;
    while (!task && clock_monotonic_ns() < deadline_ns) {
        assert_int_equal(assignment_restored(assignment, generation, &task, NULL), STATUS_OK);
        clock_sleep_ms(1);
    }
    if (!task) fail_msg("no partition was restored");
    assert_int_equal(task->next_offset, 7);
    return task->partition;
}

static uint32_t restored(void)
{
    return restored_for(1);
}

static void wait_opened(uint32_t partition, int times)
{
    const int64_t deadline_ns = clock_monotonic_ns() + (int64_t)DEADLINE_MS * 1000000;
    while (atomic_load(&broker.opened[partition]) < times) {
        if (clock_monotonic_ns() > deadline_ns) fail_msg("partition %u was not tried", partition);
        clock_sleep_ms(1);
    }
}

static void a_partition_whose_log_is_not_to_be_had_holds_up_no_other(void **state)
{
    (void)state;
    atomic_store(&broker.busy[0], true);
    for (uint32_t p = 0; p < 3; p++) {
        take(p);
    }
    assert_int_equal(restored(), 1);
    assert_int_equal(restored(), 2);
    take(3);
    assert_int_equal(restored(), 3);
    wait_opened(0, 3);
    atomic_store(&broker.busy[0], false);
    assert_int_equal(restored(), 0);
}

static void a_partition_is_given_up_without_waiting_for_its_restore(void **state)
{
    (void)state;
    const uint32_t first = 0;
    atomic_store(&broker.stuck[first], true);
    take(first);
    take(1);
    wait_opened(first, 1);
    const int64_t begun_ns = clock_monotonic_ns();
    assignment_drop(assignment, &first, 1);
    assert_true(clock_monotonic_ns() - begun_ns < 1000000000);
    atomic_store(&broker.stuck[first], false);
    assert_int_equal(restored(), 1); /* and the first is not heard of again */
    assert_null(assignment_task(assignment, first));
}

static void a_partition_that_comes_back_during_its_old_restore_is_restored_anew(void **state)
{
    (void)state;
    const uint32_t first = 0;
    atomic_store(&broker.stuck[first], true);
    take(first);
    wait_opened(first, 1);
    assignment_drop(assignment, &first, 1);
    take(first);
    atomic_store(&broker.stuck[first], false);
    assert_int_equal(restored(), first);
    assert_int_equal(atomic_load(&broker.opened[first]), 2);
    assert_non_null(assignment_task(assignment, first));
}

/* Its users are of that one already; a worker is given it once it has passed on as well. */
static void a_partition_of_a_later_generation_than_the_worker_s_is_not_gone_on_with(void **state)
{
    struct task *task;
    (void)state;
    broker.target[0] = 2;
    broker.target[1] = 1;
    take(0);
    take(1);
    assert_int_equal(restored(), 1); /* the first was restored before it */
    assert_int_equal(assignment_restored(assignment, 1, &task, NULL), STATUS_OK);
    assert_null(task);
    assert_null(assignment_task(assignment, 0));
    assert_int_equal(restored_for(2), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_assignment, close_assignment)

int main(void)
{
    log_setup(LOG_ERROR, LOG_PLAIN);
    const struct CMUnitTest tests[] = {
        TEST(a_partition_whose_log_is_not_to_be_had_holds_up_no_other),
        TEST(a_partition_is_given_up_without_waiting_for_its_restore),
        TEST(a_partition_that_comes_back_during_its_old_restore_is_restored_anew),
        TEST(a_partition_of_a_later_generation_than_the_worker_s_is_not_gone_on_with),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

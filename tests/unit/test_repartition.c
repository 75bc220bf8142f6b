/* test_repartition.c - copying a topic that is not keyed by user, between topics in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "stream/replay/repartition.h"
#include "tests/unit/fake_topic_copy.h"

enum { EVENTS = 60, USERS = 7 };

static struct config config;
static struct repartition_summary summary;
static atomic_bool stopping;

static int setup(void **state)
{
    (void)state;
    struct error error = {.text = ""};
    fake_topic_copy_reset();
    atomic_store(&stopping, false);
    config_defaults(&config);
    assert_int_equal(config_set(&config, "log.quiet", "true", "test", &error), STATUS_OK);
    assert_int_equal(config_set(&config, "job.commit_events_max", "10", "test", &error), STATUS_OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    config_close(&config);
    return 0;
}

static void repartition(void)
{
    struct error error = {.text = ""};
    const struct copy_options options = {.target = "copy"};
    if (repartition_run(&fake_topic_copy, &config, &options, &stopping, &summary, &error) !=
        STATUS_OK) {
        fail_msg("%s", error.text);
    }
}

static void add(uint32_t partition, int64_t stamp_ms, const char *user, int number)
{
    char value[FAKE_COPY_TEXT_MAX];
    snprintf(value, sizeof value, "{\"user\":\"%s\",\"item\":\"i%d\",\"time\":%d}", user, number,
             number);
    fake_topic_copy_add(partition, stamp_ms, "some key", value);
}

/* Events of a few users all over the source, whose timestamps rise in each partition. */
static void add_events(void)
{
    for (int i = 0; i < EVENTS; i++) {
        char user[8];
        snprintf(user, sizeof user, "u%d", i * i % USERS);
        add((uint32_t)(i * 5 % FAKE_COPY_PARTITIONS), 1000 + i, user, i);
    }
}

/* All records of the target in the order of their values' numbers must be those of the source. */
static void expect_each_once(void)
{
    uint32_t seen[EVENTS] = {0}, found = 0;
    for (uint32_t p = 0; p < FAKE_COPY_TARGETS; p++) {
        uint32_t count;
        int last = -1;
        const struct fake_copied *records = fake_topic_copy_target(p, &count);
        for (uint32_t i = 0; i < count; i++, found++) {
            int number = -1;
            char user[8];
            assert_int_equal(
                sscanf(records[i].value, "{\"user\":\"%7[^\"]\",\"item\":\"i%d", user, &number), 2);
            assert_string_equal(records[i].key, user);
            assert_int_equal(fake_topic_copy_partition(bytes_of(user)), p);
            assert_int_equal(records[i].stamp_ms, 1000 + number);
            assert_true(number > last); /* merged by their timestamps */
            last = number;
            seen[number]++;
        }
    }
    assert_int_equal(found, EVENTS);
    for (int i = 0; i < EVENTS; i++) {
        assert_int_equal(seen[i], 1);
    }
}

static void all_of_a_user_comes_into_one_partition_in_the_order_of_time(void **state)
{
    (void)state;
    add_events();
    repartition();
    expect_each_once();
    assert_int_equal(summary.records, EVENTS);
    assert_int_equal(summary.keyed, EVENTS);
    assert_true(summary.commits >= EVENTS / 10); /* job.commit_events_max */
    assert_false(summary.stopped);
}

static void a_partition_whose_records_come_late_is_waited_for(void **state)
{
    (void)state;
    add_events();
    fake_topic_copy_slow_partition = 1;
    fake_topic_copy_slow_times = 3;
    repartition();
    expect_each_once();
}

static void order_inside_a_partition_is_kept_whatever_its_timestamps(void **state)
{
    (void)state;
    uint32_t count;
    const int64_t stamps[] = {500, 100, 900, 300};
    for (int i = 0; i < 4; i++) {
        add(0, stamps[i], "u", i);
        add(1, 400 + i, "u", 10 + i);
    }
    repartition();
    const struct fake_copied *records =
        fake_topic_copy_target(fake_topic_copy_partition(bytes_of("u")), &count);
    const int64_t expected[] = {400, 401, 402, 403, 500, 100, 900, 300};
    assert_int_equal(count, 8);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(records[i].stamp_ms, expected[i]);
    }
}

static void equal_timestamps_go_by_partition(void **state)
{
    (void)state;
    uint32_t count;
    add(2, 5, "u", 2);
    add(0, 5, "u", 0);
    add(1, 5, "u", 1);
    repartition();
    const struct fake_copied *records =
        fake_topic_copy_target(fake_topic_copy_partition(bytes_of("u")), &count);
    assert_int_equal(count, 3);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(records[i].from, i);
    }
}

static void a_record_without_a_user_is_copied_by_its_own_key_or_place(void **state)
{
    (void)state;
    uint32_t count;
    fake_topic_copy_add(0, 1, "theirs", "not JSON");
    fake_topic_copy_add(2, 2, NULL, "nor this");
    repartition();
    const struct fake_copied *records =
        fake_topic_copy_target(fake_topic_copy_partition(bytes_of("theirs")), &count);
    assert_true(count > 0);
    assert_string_equal(records[0].value, "not JSON");
    assert_string_equal(records[0].key, "theirs");
    records = fake_topic_copy_target(2 % FAKE_COPY_TARGETS, &count);
    assert_true(count > 0);
    assert_string_equal(records[count - 1].value, "nor this");
    assert_string_equal(records[count - 1].key, "");
    assert_int_equal(summary.userless, 2);
    assert_int_equal(summary.keyed, 0);
}

static void an_event_whose_action_is_not_listed_is_copied_with_its_user(void **state)
{
    (void)state;
    struct error error = {.text = ""};
    uint32_t count;
    assert_int_equal(config_set(&config, "source.fields.action", "action", "test", &error), 0);
    assert_int_equal(config_set(&config, "actions.buy", "1", "test", &error), 0);
    fake_topic_copy_add(0, 1, NULL,
                        "{\"user\":\"u\",\"item\":\"i\",\"time\":1,\"action\":\"hover\"}");
    repartition();
    const struct fake_copied *records =
        fake_topic_copy_target(fake_topic_copy_partition(bytes_of("u")), &count);
    assert_int_equal(count, 1);
    assert_string_equal(records[0].key, "u");
}

/* Its features are written behind all else that decoding takes room for. */
static void an_event_of_the_largest_size_has_room_for_what_it_says_of_its_user(void **state)
{
    (void)state;
    static const char event[] =
        "{\"user\":\"u\",\"item\":\"i\",\"time\":1700000000000,\"plan\":\"abcdef\"}";
    struct error error = {.text = ""};
    uint32_t count;
    _Static_assert(sizeof event - 1 <= 64, "the least that source.event_size_max may be");
    assert_int_equal(config_set(&config, "source.event_size_max", "64", "test", &error), 0);
    assert_int_equal(config_set(&config, "profile.fields", "plan", "test", &error), 0);
    fake_topic_copy_add(0, 1, NULL, event);
    repartition();
    const struct fake_copied *records =
        fake_topic_copy_target(fake_topic_copy_partition(bytes_of("u")), &count);
    assert_int_equal(count, 1);
    assert_string_equal(records[0].value, event);
}

static void each_record_is_copied_once_whatever_step_fails(void **state)
{
    (void)state;
    /* A transaction is ten records and its commit. */
    static const uint32_t steps[] = {1, 2, 10, 11, 12, 13, 22, 40, 60, 61};
    for (uint32_t i = 0; i < 2 * sizeof steps / sizeof *steps; i++) {
        fake_topic_copy_reset();
        add_events();
        fake_topic_copy_fails_at = steps[i / 2];
        fake_topic_copy_commits_unseen = i % 2;
        repartition();
        expect_each_once();
    }
}

static void a_copy_that_is_run_again_goes_on_where_it_ended(void **state)
{
    (void)state;
    add_events();
    repartition();
    const uint32_t commits = fake_topic_copy_commits;
    repartition();
    expect_each_once();
    assert_int_equal(summary.records, 0);
    add(1, 9999, "u-late", 99);
    repartition();
    assert_int_equal(summary.records, 1);
    assert_true(fake_topic_copy_commits > commits);
}

static void a_copy_that_is_stopped_leaves_the_rest_to_the_next_run(void **state)
{
    (void)state;
    add_events();
    atomic_store(&stopping, true);
    repartition();
    assert_true(summary.stopped);
    assert_int_equal(summary.records, 0);
    atomic_store(&stopping, false);
    repartition();
    expect_each_once();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
        CASE(all_of_a_user_comes_into_one_partition_in_the_order_of_time),
        CASE(a_partition_whose_records_come_late_is_waited_for),
        CASE(order_inside_a_partition_is_kept_whatever_its_timestamps),
        CASE(equal_timestamps_go_by_partition),
        CASE(a_record_without_a_user_is_copied_by_its_own_key_or_place),
        CASE(an_event_whose_action_is_not_listed_is_copied_with_its_user),
        CASE(an_event_of_the_largest_size_has_room_for_what_it_says_of_its_user),
        CASE(each_record_is_copied_once_whatever_step_fails),
        CASE(a_copy_that_is_run_again_goes_on_where_it_ended),
        CASE(a_copy_that_is_stopped_leaves_the_rest_to_the_next_run),
#undef CASE
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_file_part.c - how much of a part of a log was read, whatever lies before and behind it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/status.h"
#include "stream/broker/file/file_part.h"

static struct file_part part_until(const char *end)
{
    struct file_part part = {0};
    struct error error;
    if (bound_parse_end(&part.end, end, &error) != STATUS_OK) fail_msg("%s", error.text);
    return part;
}

static void take(struct file_part *part, int64_t offset, int64_t time_ms, double bytes)
{
    const struct event event = {.offset = offset, .time_ms = time_ms, .verdict = EVENT_ACCEPTED};
    file_part_take(part, &event, bytes);
}

static void assert_share(const struct file_part *part, double bytes, double expected)
{
    assert_float_equal(file_part_share(part, bytes), expected, 1e-6);
}

static void a_part_of_a_file_is_done_when_its_end_is_reached(void **state)
{
    (void)state;
    struct file_part lines = part_until("1100"), times = part_until("1970-01-01T00:00:10Z");
    assert_share(&lines, 0.5, 0);
    take(&lines, 1000, 1, 0.5); /* half of the file is passed over */
    take(&lines, 1049, 1, 0.51);
    assert_share(&lines, 0.51, 0.5);
    take(&lines, 1099, 1, 0.52);
    assert_share(&lines, 0.52, 1);

    take(&times, 1000, 6000, 0.5);
    take(&times, 1001, 7000, 0.51);
    assert_share(&times, 0.51, 0.25);
    take(&times, 1002, 6500, 0.51); /* late */
    assert_share(&times, 0.51, 0.25);
    take(&times, 1003, 10000, 0.52);
    assert_share(&times, 0.52, 1);
}

static void a_log_that_ends_before_its_part_is_done_with_its_last_byte(void **state)
{
    (void)state;
    struct file_part part = part_until("1000000");
    take(&part, 100, 1, 0.2);
    take(&part, 200, 1, 0.6);
    assert_share(&part, 0.6, 0.5);
    assert_share(&part, 1, 1);
    assert_true(file_part_share(&part, -1) < 0.001); /* of a pipe the bytes are not known */
}

static void all_of_a_log_is_its_bytes_and_one_that_is_followed_has_no_end(void **state)
{
    (void)state;
    const struct file_part all = part_until(""), latest = part_until("latest");
    const struct file_part followed = part_until("never");
    assert_share(&all, 0.25, 0.25);
    assert_share(&latest, 0.25, 0.25);
    assert_share(&followed, 0.25, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_part_of_a_file_is_done_when_its_end_is_reached),
        cmocka_unit_test(a_log_that_ends_before_its_part_is_done_with_its_last_byte),
        cmocka_unit_test(all_of_a_log_is_its_bytes_and_one_that_is_followed_has_no_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_iso8601.c - times read and written, and text that is no time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <time.h>

#include "base/iso8601.h"
#include "base/random.h"

static void moments_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {
        {"1970-01-01", 0},
        {"1970-01-01T00:00Z", 0},
        {"1969-12-31T23:59:59.999Z", -1},
        {"2024-02-29T12:34:56Z", 1709210096000},
        {"2024-02-29 12:34:56", 1709210096000},
        {"2024-02-29t12:34:56.7z", 1709210096700},
        {"2024-02-29T12:34:56,789999", 1709210096789},
        {"2024-02-29T14:34:56+02:00", 1709210096000},
        {"2024-02-29T14:34:56+02", 1709210096000},
        {"2024-02-29T05:04:56-0730", 1709210096000},
        {"2024-02-29 12:34:56 UTC", 1709210096000},
        {"2024-02-29 12:34:56.5 GMT", 1709210096500},
        {"2024-02-29T12:34:56UTC", 1709210096000},
        {"2024-02-29 12:34:56 Z", 1709210096000},
        {"2024-02-29 12:34:56 +0000", 1709210096000},
        {"2024-02-29 14:34:56 +02:00", 1709210096000},
        {"2024-02-29T14:34:56+02:00[Europe/Berlin]", 1709210096000},
        {"2024-02-29T14:34:56+02[Europe/Berlin]", 1709210096000},
        {"2024-02-29 14:34:56  +0200", 1709210096000},
        {"2024-02-29  12:34:56", 1709210096000},
        {"2024-02-29T04:42:00-07:52:56", 1709210096000},
        {"20240229T123456Z", 1709210096000},
        {"20240229T123456.25Z", 1709210096250},
        {"20240229T143456+0200", 1709210096000},
        {"20240229 12:34:56", 1709210096000},
        {"20240229", 1709164800000},
        {"20240229T1234", 1709210040000},
        {"2024-02-29T12Z", 1709208000000},
        {"2024-02-29T24:00:00Z", 1709251200000},
        {"20240229T24", 1709251200000},
        {"2023-12-31T24:00", 1704067200000},
        {"2024-02-29 7:05:09", 1709190309000},
        {"2016-12-31T23:59:60Z", 1483228800000},
        {"0000-03-01", -62162035200000},
        {"9999-12-31T23:59:59.999Z", 253402300799999},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t ms = -2;
        if (!iso8601_parse(bytes_of(cases[i].text), &ms) || ms != cases[i].ms) {
            fail_msg("%s gives %lld", cases[i].text, (long long)ms);
        }
    }
}

static void other_texts_are_not(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "2024",
        "2024-02",
        "2024-02-30",
        "2023-02-29",
        "2024-13-01",
        "2024-00-10",
        "2024-01-00",
        "2024-01-32",
        "24-01-01",
        "2024-1-1",
        "2024-01-01T",
        "2024-01-01T1",
        "2024-01-01T24:00:01",
        "2024-01-01T24:01",
        "2024-01-01T25:00",
        "2024-01-01T7",
        "2024-01-01T123",
        "2024-01-01T12:3",
        "2024-01-01T12:3456",
        "20240101T12:3456",
        "202401-01",
        "2024-0101",
        "20240101120000",
        "1714564800000",
        "2024-01-01T12:00:00+01:00:60",
        "2024-01-01T12:00:00+0100000",
        "2024-01-01T12:60",
        "2024-01-01T12:00:61",
        "2024-01-01T12:00:00.",
        "2024-01-01T12:00:00+",
        "2024-01-01T12:00:00+24:00",
        "2024-01-01T12:00:00+01:",
        "2024-01-01T12:00Zx",
        "2024-01-01T12:00 UTCx",
        "2024-01-01T12:00 CET",
        "2024-01-01T12:00+01[x",
        "2024-01-01T12:00+01[x]y",
        "2024/01/01",
        "2024-01-01 ",
        " 2024-01-01",
        "-024-01-01",
        "1714564800",
        "now",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t ms;
        if (iso8601_parse(bytes_of(cases[i]), &ms)) fail_msg("accepted: %s", cases[i]);
    }
}

static void printing_agrees_with_the_c_library_and_reading(void **state)
{
    (void)state;
    struct random random = random_seeded(7);
    for (int i = 0; i < 20000; i++) {
        char text[ISO8601_SIZE], expected[ISO8601_SIZE];
        int64_t ms =
            (int64_t)random_below(&random, 253402300800000 + 62162035200000) - 62162035200000;
        int64_t again;
        iso8601_print(ms, text);
        assert_true(iso8601_parse(bytes_of(text), &again));
        assert_true(again == ms);
        if (ms < 0) continue;
        time_t seconds = (time_t)(ms / 1000);
        struct tm utc;
        strftime(expected, sizeof expected, "%Y-%m-%dT%H:%M:%S", gmtime_r(&seconds, &utc));
        assert_memory_equal(text, expected, 19);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moments_are_read),
        cmocka_unit_test(other_texts_are_not),
        cmocka_unit_test(printing_agrees_with_the_c_library_and_reading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

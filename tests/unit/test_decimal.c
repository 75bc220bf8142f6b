/* test_decimal.c - numbers are what they are worth, however they are written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "stream/source/decimal.h"

static void one_value_has_one_text(void **state)
{
    (void)state;
    static const struct {
        const char *text, *integer; /* "" = it has none */
    } cases[] = {
        {"123", "123"},
        {"123.0", "123"},
        {"1.23e2", "123"},
        {"+1.23E+2", "123"},
        {"1230e-1", "123"},
        {"0.00123e5", "123"},
        {"00123.000", "123"},
        {"-123.0", "-123"},
        {"0", "0"},
        {"-0.0", "0"},
        {"0e999999999999", "0"},
        {"1e19", "10000000000000000000"},
        {"1e20", ""},
        {"-1e18", "-1000000000000000000"},
        {"-1e19", ""},
        {"1e999999999999", ""},
        {"12345678901234567890.0", "12345678901234567890"},
        {"123.5", ""},
        {"1.23e1", ""},
        {"1e-1", ""},
        {"0.1", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct decimal decimal;
        char text[DECIMAL_INTEGER_MAX];
        if (!decimal_parse(bytes_of(cases[i].text), &decimal)) fail_msg("%s", cases[i].text);
        size_t size = decimal_integer(&decimal, text);
        if (size != strlen(cases[i].integer) || memcmp(text, cases[i].integer, size) != 0) {
            fail_msg("%s gives %.*s", cases[i].text, (int)size, text);
        }
    }
}

static void scaling_cuts_the_fraction_off(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int places;
        int64_t value; /* -1: beyond 64 bits */
    } cases[] = {
        {"1714564800.1239", 3, 1714564800123},
        {"1.7145648E9", 3, 1714564800000},
        {"-0.5", 0, 0},
        {"-1.7", 0, -1},
        {"1714564800123456", -3, 1714564800123},
        {"999", -3, 0},
        {"0.0001", 3, 0},
        {"9223372036854775807", 0, INT64_MAX},
        {"9223372036854775808", 0, -1},
        {"1e300", 0, -1},
        {"0e300", 0, 0},
        {"1e-300", 3, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct decimal decimal;
        int64_t value = -1;
        assert_true(decimal_parse(bytes_of(cases[i].text), &decimal));
        bool fits = decimal_scaled(&decimal, cases[i].places, &value);
        if (value != cases[i].value || (!fits && cases[i].value != -1)) {
            fail_msg("%s gives %lld", cases[i].text, (long long)value);
        }
    }
}

static void what_is_no_number_is_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "-",
        "+",
        ".",
        ".5",
        "5.",
        "1e",
        "1e+",
        "e5",
        "1.e5",
        "0x66",
        "1 ",
        " 1",
        "1,000",
        "1_0",
        "--1",
        "+-1",
        "nan",
        "inf",
        "1e5x",
        "1.2.3",
        "1e5.0",
        "0.12345678901234567890123456789012345678901",
        "12345678901234567890123456789012345678901",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct decimal decimal;
        if (decimal_parse(bytes_of(cases[i]), &decimal)) fail_msg("accepted: %s", cases[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_value_has_one_text),
        cmocka_unit_test(scaling_cuts_the_fraction_off),
        cmocka_unit_test(what_is_no_number_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

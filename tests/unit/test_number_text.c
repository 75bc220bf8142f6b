/* test_number_text.c - numbers as text, both ways; floats in the fewest digits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/number_text.h"
#include "base/random.h"

enum { SEED = 20240501, FLOATS = 200000 };

static void the_form_is_the_shortest(void **state)
{
    (void)state;
    static const struct {
        float value;
        const char *text;
    } cases[] = {
        {0, "0"},
        {1, "1"},
        {-0.5f, "-0.5"},
        {0.1f, "0.1"},
        {1.0f / 3, "0.33333334"},
        {1e-5f, "1e-05"},
        {16777216, "16777216"},
        {1e10f, "1e+10"},
        {FLT_MAX, "3.4028235e+38"},
        {-FLT_MIN, "-1.1754944e-38"},
        {FLT_TRUE_MIN, "1e-45"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[FLOAT_TEXT_MAX + 1];
        *put_float(text, cases[i].value) = 0;
        assert_string_equal(text, cases[i].text);
    }
}

static void every_float_reads_back_and_fits(void **state)
{
    (void)state;
    struct random random = random_seeded(SEED);
    for (unsigned i = 0; i < FLOATS; i++) {
        const uint32_t bits = (uint32_t)random_next(&random);
        float value, read;
        char text[FLOAT_TEXT_MAX + 1], nine_digits[32];
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value)) continue;
        *put_float(text, value) = 0;
        read = strtof(text, NULL);
        assert_memory_equal(&read, &value, sizeof value);
        snprintf(nine_digits, sizeof nine_digits, "%.9g", (double)value);
        assert_true(strlen(text) <= strlen(nine_digits));
    }
}

static void integers_are_read_whole_and_in_range(void **state)
{
    (void)state;
    uint64_t number = 7;
    int64_t integer = 7;
    assert_true(parse_unsigned(bytes_of("18446744073709551615"), UINT64_MAX, &number));
    assert_true(number == UINT64_MAX);
    assert_true(parse_unsigned(bytes_of("007"), 7, &number) && number == 7);
    assert_true(parse_signed(bytes_of("-9223372036854775808"), &integer) && integer == INT64_MIN);
    static const char *const none[] = {
        "", " 1", "1 ", "+1", "0x1", "1.0", "1e3", "18446744073709551616", "1\n"};
    number = 7;
    integer = 7;
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        assert_false(parse_unsigned(bytes_of(none[i]), UINT64_MAX, &number));
        assert_false(parse_signed(bytes_of(none[i]), &integer));
    }
    assert_false(parse_unsigned(bytes_of("-1"), UINT64_MAX, &number));
    assert_false(parse_unsigned(bytes_of("8"), 7, &number));
    assert_false(parse_unsigned((struct bytes){"1\0", 2}, 7, &number));
    assert_true(number == 7 && integer == 7);
}

static void reals_are_read_whole_and_finite(void **state)
{
    (void)state;
    double number = 7;
    assert_true(parse_real(bytes_of("1.7145648E12"), &number) && number == 1.7145648e12);
    assert_true(parse_real(bytes_of("-0.5"), &number) && number == -0.5);
    assert_true(parse_real(bytes_of("3"), &number) && number == 3);
    static const char *const none[] = {"",    " 1",    "1 ", "+1",    "0x1p3", "nan",
                                       "inf", "1e400", "1e", "1.2.3", "1,5"};
    number = 7;
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        assert_false(parse_real(bytes_of(none[i]), &number));
    }
    assert_true(number == 7);
}

static void integers_are_written_in_decimal(void **state)
{
    (void)state;
    char text[NUMBER_TEXT_MAX + 1];
    *put_unsigned(text, UINT64_MAX) = 0;
    assert_string_equal(text, "18446744073709551615");
    *put_signed(text, INT64_MIN) = 0;
    assert_string_equal(text, "-9223372036854775808");
    *put_signed(text, 0) = 0;
    assert_string_equal(text, "0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_form_is_the_shortest),
        cmocka_unit_test(every_float_reads_back_and_fits),
        cmocka_unit_test(integers_are_read_whole_and_in_range),
        cmocka_unit_test(reals_are_read_whole_and_finite),
        cmocka_unit_test(integers_are_written_in_decimal),
    };
    printf("seed %d\n", SEED);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

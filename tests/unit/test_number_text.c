/* test_number_text.c - floats as text, in the fewest digits. */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_form_is_the_shortest),
        cmocka_unit_test(every_float_reads_back_and_fits),
    };
    printf("seed %d\n", SEED);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

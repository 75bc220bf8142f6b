/* test_hex.c - numbers and bytes in hexadecimal, both ways. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/hex.h"

static void a_number_is_written_with_the_digits_asked_for(void **state)
{
    (void)state;
    char text[17];
    *put_hex(text, 0x0123456789abcdef, 16) = 0;
    assert_string_equal(text, "0123456789abcdef");
    *put_hex(text, 0x1f, 4) = 0;
    assert_string_equal(text, "001f");
}

static void a_number_reads_back_and_nothing_else_does(void **state)
{
    (void)state;
    uint64_t value = 7;
    assert_true(parse_hex(bytes_of("ffffffffffffffff"), &value) && value == UINT64_MAX);
    assert_true(parse_hex(bytes_of("0"), &value) && value == 0);
    static const char *const none[] = {"", "0x1", "A", " 1", "1 ", "-1", "00000000000000001", "g"};
    value = 7;
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        assert_false(parse_hex(bytes_of(none[i]), &value));
    }
    assert_int_equal(value, 7);
}

static void bytes_read_back_in_their_number_only(void **state)
{
    (void)state;
    static const uint8_t raw[] = {0x00, 0x7f, 0x80, 0xff};
    char text[9];
    uint8_t back[5] = {0};
    *put_hex_bytes(text, (struct bytes){raw, sizeof raw}) = 0;
    assert_string_equal(text, "007f80ff");
    assert_true(parse_hex_bytes(bytes_of(text), back, sizeof raw));
    assert_memory_equal(back, raw, sizeof raw);
    assert_false(parse_hex_bytes(bytes_of(text), back, 3));
    assert_false(parse_hex_bytes(bytes_of(text), back, 5));
    assert_false(parse_hex_bytes(bytes_of("0x"), back, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_is_written_with_the_digits_asked_for),
        cmocka_unit_test(a_number_reads_back_and_nothing_else_does),
        cmocka_unit_test(bytes_read_back_in_their_number_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

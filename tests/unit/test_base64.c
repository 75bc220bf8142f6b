/* test_base64.c - RFC 4648's own examples, and that there is one text for each string of bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/base64.h"

static void the_examples_of_the_standard_hold(void **state)
{
    (void)state;
    static const char *const examples[][2] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
        {"\xfb\xff", "+/8="},
    };
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        const struct bytes from = bytes_of(examples[i][0]), to = bytes_of(examples[i][1]);
        char text[16], back[16];
        assert_int_equal(base64_size(from.size), to.size);
        assert_int_equal(base64_encode(from, text), to.size);
        assert_memory_equal(text, to.at, to.size);
        assert_true(base64_decode(to, back, from.size));
        assert_memory_equal(back, from.at, from.size);
    }
}

static void every_triple_of_bytes_comes_back(void **state)
{
    (void)state;
    for (uint32_t value = 0; value < 1 << 24; value += 251) {
        const uint8_t bytes[3] = {(uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16)};
        char text[4];
        uint8_t back[3];
        base64_encode((struct bytes){bytes, 3}, text);
        assert_true(base64_decode((struct bytes){text, 4}, back, 3));
        assert_memory_equal(back, bytes, 3);
    }
}

static void other_texts_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t size;
    } cases[] = {
        {"Zg=", 1},  {"Zg", 1},   {"Zg===", 1}, {"Zh==", 1}, {"Zm9=", 2}, {"Zg=A", 1}, {"Z===", 1},
        {"====", 1}, {"Zm9v", 2}, {"Zm8=", 3},  {"Zm9-", 3}, {"Zm v", 3}, {"", 1},     {"Zg==", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char back[4];
        if (base64_decode(bytes_of(cases[i].text), back, cases[i].size)) {
            fail_msg("'%s' passes as %zu bytes", cases[i].text, cases[i].size);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_examples_of_the_standard_hold),
        cmocka_unit_test(every_triple_of_bytes_comes_back),
        cmocka_unit_test(other_texts_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

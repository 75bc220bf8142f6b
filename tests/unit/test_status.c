/* test_status.c - the text of an error, whatever it quotes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/status.h"

static void bytes_from_data_are_escaped_in_messages(void **state)
{
    (void)state;
    struct error error;
    error_set(&error, STATUS_INVALID, "no column '%s'", "a\x1b[2J\xff\n");
    assert_string_equal(error.text, "no column 'a\\x1b[2J\\xff\\x0a'");
    error_prefix(&error, "%s: ", "b\r");
    assert_string_equal(error.text, "b\\x0d: no column 'a\\x1b[2J\\xff\\x0a'");
    assert_int_equal(error.status, STATUS_INVALID);
}

static void a_long_message_is_cut(void **state)
{
    (void)state;
    char text[2 * ERROR_TEXT_MAX];
    struct error error;
    memset(text, 1, sizeof text - 1);
    text[sizeof text - 1] = 0;
    error_set(&error, STATUS_IO, "%s", text);
    assert_int_equal(strlen(error.text), (ERROR_TEXT_MAX - 1) / 4 * 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_from_data_are_escaped_in_messages),
        cmocka_unit_test(a_long_message_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

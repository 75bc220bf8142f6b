/* test_json_writer.c - values become one JSON text, or the writer says that they did not fit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "base/json_writer.h"

static void write_everything(struct json_writer *json)
{
    json_begin(json, '{');
    json_key(json, "text");
    json_text(json, bytes_of("a\"\n"));
    json_text_key(json, bytes_of("k\\"));
    json_unsigned(json, UINT64_MAX);
    json_key(json, "list");
    json_begin(json, '[');
    json_signed(json, INT64_MIN);
    json_real(json, 0.123456789, 6);
    json_real(json, NAN, 6);
    json_begin(json, '[');
    json_end(json, ']');
    json_float(json, 0.1f);
    json_float(json, -0.0f);
    json_bool(json, true);
    json_bool(json, false);
    json_end(json, ']');
    json_key(json, "hash");
    json_hex(json, 0xabc);
    json_key(json, "bytes");
    json_base64(json, bytes_of("abcd"));
    json_end(json, '}');
}

static const char everything[] =
    "{\"text\":\"a\\\"\\u000a\",\"k\\\\\":18446744073709551615,\"list\":[-9223372036854775808,"
    "0.123457,null,[],0.1,-0.0,true,false],\"hash\":\"0000000000000abc\",\"bytes\":\"YWJjZA==\"}";

static void every_kind_of_value_is_written(void **state)
{
    (void)state;
    char line[512];
    struct json_writer json = json_writer_at(line, sizeof line);
    write_everything(&json);
    assert_false(json.failed);
    assert_true(bytes_equal(json_written(&json), bytes_of(everything)));
}

static void memory_grows_with_what_is_written(void **state)
{
    (void)state;
    struct json_writer json = json_writer_growing();
    json_begin(&json, '[');
    for (int i = 0; i < 1000; i++) {
        write_everything(&json);
    }
    json_end(&json, ']');
    assert_false(json.failed);
    assert_int_equal(json.used, 2 + 1000 * sizeof everything - 1);
    free(json.at);
}

static void what_does_not_fit_is_not_written_and_nothing_is_written_after_it(void **state)
{
    (void)state;
    char line[sizeof everything + 64];
    for (size_t room = 0; room < sizeof everything - 1; room++) {
        memset(line, '?', sizeof line);
        struct json_writer json = json_writer_at(line, room);
        write_everything(&json);
        assert_true(json.failed);
        assert_int_equal(line[room], '?');
        assert_memory_equal(line, everything, json.used);
    }
}

static void a_text_needs_no_more_room_than_it_takes(void **state)
{
    (void)state;
    char line[12];
    struct json_writer json = json_writer_at(line, sizeof line);
    json_text(&json, bytes_of("0123456789"));
    assert_false(json.failed);
    assert_true(bytes_equal(json_written(&json), bytes_of("\"0123456789\"")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_value_is_written),
        cmocka_unit_test(memory_grows_with_what_is_written),
        cmocka_unit_test(what_does_not_fit_is_not_written_and_nothing_is_written_after_it),
        cmocka_unit_test(a_text_needs_no_more_room_than_it_takes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

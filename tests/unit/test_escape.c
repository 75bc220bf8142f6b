/* test_escape.c - bytes from outside as text: what can be printed stays, the rest is escaped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/escape.h"
#include "base/json.h"
#include "base/random.h"

enum { SEED = 20240502, TEXTS = 20000, BYTES = 24 };

static struct bytes of(const char *text)
{
    return bytes_of(text);
}

static void assert_escaped(struct bytes text, const char *json, const char *message)
{
    char to[ESCAPE_MAX * 64 + 1];
    *put_escaped(to, text) = 0;
    assert_string_equal(to, json);
    assert_int_equal(escaped_size(text), strlen(json));
    assert_string_equal(escape_message(text, to, sizeof to), message);
}

static void printable_text_stays_as_it_is(void **state)
{
    (void)state;
    assert_escaped(of(""), "", "");
    assert_escaped(of("plain / text"), "plain / text", "plain / text");
    assert_escaped(of("žlutý 日本語 🎬"), "žlutý 日本語 🎬", "žlutý 日本語 🎬");
    assert_escaped(of("a \"b\" \\c"), "a \\\"b\\\" \\\\c", "a \"b\" \\c");
}

static void control_characters_are_escaped(void **state)
{
    (void)state;
    assert_escaped(of("\x1b[31m\n\x7f"), "\\u001b[31m\\u000a\\u007f", "\\x1b[31m\\x0a\\x7f");
    assert_escaped(of("\xc2\x9b"), "\\u009b", "\\xc2\\x9b");          /* a C1 CSI */
    assert_escaped(of("\xe2\x80\xae"), "\\u202e", "\\xe2\\x80\\xae"); /* right to left */
    assert_escaped(of("\xe2\x80\xa8"), "\\u2028", "\\xe2\\x80\\xa8"); /* line separator */
    assert_escaped((struct bytes){"a\0b", 3}, "a\\u0000b", "a\\x00b");
}

static void bytes_that_are_not_utf8_are_escaped(void **state)
{
    (void)state;
    assert_escaped(of("caf\xe9"), "caf\\\\xe9", "caf\\xe9");                        /* Latin-1 */
    assert_escaped(of("\xe2\x82"), "\\\\xe2\\\\x82", "\\xe2\\x82");                 /* cut short */
    assert_escaped(of("\xc0\xaf"), "\\\\xc0\\\\xaf", "\\xc0\\xaf");                 /* overlong */
    assert_escaped(of("\xed\xa0\x80"), "\\\\xed\\\\xa0\\\\x80", "\\xed\\xa0\\x80"); /* surrogate */
    assert_escaped(of("\xf4\x90\x80\x80"), "\\\\xf4\\\\x90\\\\x80\\\\x80", "\\xf4\\x90\\x80\\x80");
}

static void a_message_is_cut_between_characters(void **state)
{
    (void)state;
    char to[8];
    assert_string_equal(escape_message(of("12345é"), to, sizeof to), "12345é");
    assert_string_equal(escape_message(of("123456é"), to, sizeof to), "123456");
    assert_string_equal(escape_message(of("1234\x1b!"), to, sizeof to), "1234");
    assert_string_equal(escape_message(of("abc"), to, 1), "");
}

/* simdjson is the judge of what is UTF-8. */
static void any_bytes_become_a_json_string_and_utf8_reads_back(void **state)
{
    (void)state;
    static const uint8_t lead[] = {0xC2, 0xE0, 0xE2, 0xED, 0xF0, 0xF4, 0x80, 0xBF, 0x9F, 'a', '"'};
    struct random random = random_seeded(SEED);
    struct json_decoder *json;
    assert_int_equal(json_decoder_open(&json, 1024, NULL), STATUS_OK);
    for (unsigned i = 0; i < TEXTS; i++) {
        char line[512] = "{\"t\":\"", scratch[512];
        uint8_t raw[BYTES];
        const struct bytes text = {raw, random_below(&random, BYTES)};
        for (size_t k = 0; k < text.size; k++) {
            const uint64_t next = random_next(&random);
            raw[k] = next & 256 ? lead[next % sizeof lead] : (uint8_t)next;
        }
        char *end = put_escaped(line + 6, text);
        assert_int_equal(end - line - 6, escaped_size(text));
        memcpy(end, "\"}", 3);
        const struct bytes name = bytes_of("t");
        struct json_value value;
        const char *why;
        assert_int_equal(json_decode(json, bytes_of(line), &name, 1, scratch, &value, &why),
                         JSON_OK);
        if (json_utf8_valid(text)) assert_true(bytes_equal(value.text, text));
        escape_message(text, line, sizeof line);
        assert_true(json_utf8_valid(bytes_of(line)));
    }
    json_decoder_close(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(printable_text_stays_as_it_is),
        cmocka_unit_test(control_characters_are_escaped),
        cmocka_unit_test(bytes_that_are_not_utf8_are_escaped),
        cmocka_unit_test(a_message_is_cut_between_characters),
        cmocka_unit_test(any_bytes_become_a_json_string_and_utf8_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

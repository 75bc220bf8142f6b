/* test_json.c - the decoder's strictness, types and limits; the document's walk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/json.h"

enum { TEXT_MAX = 4096, NAMES = 3 };

static struct json_decoder *decoder;
static struct json_document *document;
static char padded[TEXT_MAX + JSON_PADDING];
static char scratch[TEXT_MAX];
static struct json_value values[NAMES];
static const char *why;

static int open_all(void **state)
{
    (void)state;
    return json_decoder_open(&decoder, TEXT_MAX, NULL) || json_document_open(&document, NULL);
}

static int close_all(void **state)
{
    (void)state;
    json_decoder_close(decoder);
    json_document_close(document);
    return 0;
}

static enum json_verdict decode(const char *text)
{
    struct bytes names[NAMES] = {bytes_of("a"), bytes_of("b"), bytes_of("long name")};
    size_t size = strlen(text);
    memset(padded, '}', sizeof padded);
    memcpy(padded, text, size);
    return json_decode(decoder, (struct bytes){padded, size}, names, NAMES, scratch, values, &why);
}

static void assert_text(struct bytes text, const char *expected)
{
    assert_int_equal(text.size, strlen(expected));
    assert_memory_equal(text.at, expected, text.size);
}

static void members_come_with_their_types(void **state)
{
    (void)state;
    assert_int_equal(decode("{\"b\":\"x\\u00e9\\n\", \"skip\":[{\"a\":1}], \"a\" : -12 }"),
                     JSON_OK);
    assert_int_equal(values[0].type, JSON_INTEGER);
    assert_int_equal(values[0].integer, -12);
    assert_text(values[0].text, "-12");
    assert_int_equal(values[1].type, JSON_STRING);
    assert_text(values[1].text, "x\xc3\xa9\n");
    assert_int_equal(values[2].type, JSON_ABSENT);

    assert_int_equal(decode("{\"a\":null,\"b\":true,\"long name\":1.5e3}"), JSON_OK);
    assert_int_equal(values[0].type, JSON_NULL);
    assert_int_equal(values[1].type, JSON_BOOL);
    assert_int_equal(values[1].integer, 1);
    assert_int_equal(values[2].type, JSON_REAL);
    assert_true(values[2].real == 1500);

    assert_int_equal(decode("{\"a\":[1,[2]],\"b\":{\"a\":{}}}"), JSON_OK);
    assert_int_equal(values[0].type, JSON_ARRAY);
    assert_int_equal(values[1].type, JSON_OBJECT);
}

static void the_last_of_equal_names_counts(void **state)
{
    (void)state;
    assert_int_equal(decode("{\"a\":\"one\",\"a\":2,\"\\u0062\":3}"), JSON_OK);
    assert_int_equal(values[0].integer, 2);
    assert_int_equal(values[1].integer, 3);
}

static void integers_beyond_64_bits_are_still_json(void **state)
{
    (void)state;
    assert_int_equal(decode("{\"a\":123456789012345678901234567890 ,\"b\":18446744073709551615,"
                            "\"skip\":99999999999999999999999,\"long name\":-9223372036854775808}"),
                     JSON_OK);
    assert_int_equal(values[0].type, JSON_BIG_INTEGER);
    assert_text(values[0].text, "123456789012345678901234567890");
    assert_int_equal(values[1].type, JSON_BIG_INTEGER);
    assert_text(values[1].text, "18446744073709551615");
    assert_int_equal(values[2].type, JSON_INTEGER);
    assert_true(values[2].integer == INT64_MIN);
}

static void malformed_texts_are_told_from_bad_utf8(void **state)
{
    (void)state;
    const char *malformed[] = {
        "",
        " ",
        "x",
        "1",
        "\"a\"",
        "[]",
        "[{}]",
        "null",
        "{",
        "}",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,}",
        "{\"a\":1}}",
        "{\"a\":1} x",
        "{\"a\":1}{\"a\":1}",
        "{\"a\" 1}",
        "{a:1}",
        "{\"a\":tru}",
        "{\"skip\":tru}",
        "{\"a\":nul}",
        "{\"skip\":nulL}",
        "{\"a\":01}",
        "{\"a\":1x}",
        "{\"a\":-}",
        "{\"a\":+1}",
        "{\"a\":.5}",
        "{\"a\":1e}",
        "{\"skip\":1.}",
        "{\"a\":\"x}",
        "{\"a\":\"\\x\"}",
        "{\"skip\":\"\\x\"}",
        "{\"a\":\"\\ud800\"}",
        "{\"a\":\"\x01\"}",
        "{\"skip\":[1,2}",
        "{\"skip\":[1,{]}}",
        "{\"skip\":{\"a\":1]}",
        "{\"a\":[1,]}",
        "{,}",
        "{\"a\":1,,\"b\":2}",
        "\xef\xbb\xbf{\"a\":1}",
    };
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++) {
        if (decode(malformed[i]) != JSON_MALFORMED) fail_msg("accepted: %s", malformed[i]);
        assert_non_null(why);
    }
    assert_int_equal(decode("{\"a\":\"\xff\"}"), JSON_BAD_UTF8);
    assert_int_equal(decode("{\"skip\":\"\xc3\"}"), JSON_BAD_UTF8);
    assert_int_equal(decode("{\"skip\":\"\xed\xa0\x80\"}"), JSON_BAD_UTF8);
}

static void deep_nesting_is_refused(void **state)
{
    (void)state;
    char text[TEXT_MAX] = "{\"skip\":";
    memset(text + 8, '[', 1500);
    memset(text + 1508, ']', 1500);
    text[3008] = '}';
    assert_int_equal(decode(text), JSON_MALFORMED);
}

static void a_document_is_walked_in_order(void **state)
{
    (void)state;
    const char *text =
        "{\"f\":[1.5,-2,\"s\"],\"o\":{\"k\":true},\"n\":null,\"e\":[],\"u\":18446744073709551615}";
    memcpy(padded, text, strlen(text));
    struct json_value root, value, child;
    struct bytes key;
    assert_int_equal(
        json_document_parse(document, (struct bytes){padded, strlen(text)}, &root, NULL),
        STATUS_OK);
    struct json_cursor members = json_walk(&root);

    assert_true(json_next(&members, &key, &value));
    assert_text(key, "f");
    struct json_cursor elements = json_walk(&value);
    assert_true(json_next(&elements, NULL, &child) && child.type == JSON_REAL && child.real == 1.5);
    assert_true(json_next(&elements, NULL, &child) && child.integer == -2 && child.real == -2);
    assert_true(json_next(&elements, NULL, &child) && child.type == JSON_STRING);
    assert_text(child.text, "s");
    assert_false(json_next(&elements, NULL, &child));

    assert_true(json_next(&members, &key, &value) && value.type == JSON_OBJECT);
    elements = json_walk(&value);
    assert_true(json_next(&elements, &key, &child) && child.type == JSON_BOOL &&
                child.integer == 1);
    assert_text(key, "k");
    assert_true(json_next(&members, &key, &value) && value.type == JSON_NULL);
    assert_true(json_next(&members, &key, &value) && value.type == JSON_ARRAY);
    elements = json_walk(&value);
    assert_false(json_next(&elements, NULL, &child));
    assert_true(json_next(&members, &key, &value) && value.type == JSON_BIG_INTEGER);
    assert_false(json_next(&members, &key, &value));
}

static void a_document_that_is_not_json_says_why(void **state)
{
    (void)state;
    struct error error;
    struct json_value root;
    memcpy(padded, "[1,", 3);
    assert_int_equal(json_document_parse(document, (struct bytes){padded, 3}, &root, &error),
                     STATUS_CORRUPT);
    assert_true(strlen(error.text) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_come_with_their_types),
        cmocka_unit_test(the_last_of_equal_names_counts),
        cmocka_unit_test(integers_beyond_64_bits_are_still_json),
        cmocka_unit_test(malformed_texts_are_told_from_bad_utf8),
        cmocka_unit_test(deep_nesting_is_refused),
        cmocka_unit_test(a_document_is_walked_in_order),
        cmocka_unit_test(a_document_that_is_not_json_says_why),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}

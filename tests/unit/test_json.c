/* test_json.c - the decoder's strictness, types and limits; the document's walk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
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
static char padding = '}'; /* what lies behind a text */

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
    memset(padded, padding, sizeof padded);
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
    assert_text(values[2].text, "1.5e3");

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

static void what_is_no_object_is_malformed_whatever_follows_it(void **state)
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
        "{\"a\":\"x}",
        "{\"skip\":[1,2}",
        "{\"a\":}",
        "{\"skip\":}",
        "{\"skip\":,\"a\":1}",
        "{\"skip\":]}",
        "{\"skip\":[}",
        "{\"skip\":\"x\":1}",
        "{\"a\":1 2}",
        "{\"skip\":1 2}",
        "{,}",
        "{\"a\":1,,\"b\":2}",
        "\xef\xbb\xbf{\"a\":1}",
    };
    static const char behind[] = "},\"]: \n1";
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++) {
        for (size_t j = 0; j < sizeof behind; j++) {
            padding = behind[j];
            if (decode(malformed[i]) != JSON_MALFORMED) fail_msg("accepted: %s", malformed[i]);
            assert_non_null(why);
        }
    }
}

/* What nobody asked for does not make an object malformed, and is not looked at. */
static void a_member_that_nobody_named_may_be_anything(void **state)
{
    (void)state;
    static const char *const members[] = {
        "NaN",
        "-Infinity",
        "1e400",
        "01",
        "1.",
        "tru",
        "\"\\ud800\"",
        "\"\\x\"",
        "\"\xff\"",
        "\"caf\xe9\"",
        "\"\xed\xa0\x80\"",
        "\"\xc3\"",
        "\"a\tb\nc\x01\"",
        "[1,{]}",
        "{\"a\":5,\"b\":[\"\xff\"]}",
        "[NaN,[1e999,\"\\ud800\"]]",
    };
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        char text[200];
        snprintf(text, sizeof text, "{\"skip\":%s,\"a\":\"\xc3\xa9\",\n\"b\" : 7\n}", members[i]);
        if (decode(text) != JSON_OK) fail_msg("%s: %s", text, why);
        assert_int_equal(values[0].type, JSON_STRING);
        assert_text(values[0].text, "\xc3\xa9");
        assert_int_equal(values[1].integer, 7);
        assert_true((const char *)values[1].text.at > padded);
        assert_true((const char *)values[1].text.at < padded + sizeof padded);
    }
    assert_int_equal(decode("{\"\\ud800\":1,\"k\xff\":2,\"a\":3}"), JSON_OK);
    assert_int_equal(values[0].integer, 3);
}

static void a_named_member_that_json_has_no_value_for_says_so(void **state)
{
    (void)state;
    static const char *const strings[] = {"\"\\ud800\"", "\"\\x\"", "\"\x01\"", "\"caf\xe9\"",
                                          "\"\xff\""};
    static const char *const scalars[] = {"NaN", "tru", "nul", "nulL", "01", "1x",
                                          "-",   "+1",  ".5",  "1e",   "1.", "undefined"};
    char text[100];
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++) {
        snprintf(text, sizeof text, "{\"a\":%s,\"b\":\"\xc3\xa9\"}", strings[i]);
        assert_int_equal(decode(text), JSON_OK);
        assert_int_equal(values[0].type, JSON_BAD_STRING);
        assert_text(values[1].text, "\xc3\xa9");
    }
    for (size_t i = 0; i < sizeof scalars / sizeof *scalars; i++) {
        snprintf(text, sizeof text, "{\"a\":%s }", scalars[i]);
        assert_int_equal(decode(text), JSON_OK);
        assert_int_equal(values[0].type, JSON_BAD_SCALAR);
        assert_text(values[0].text, scalars[i]);
    }
    assert_int_equal(decode("{\"a\":1e400}"), JSON_OK);
    assert_int_equal(values[0].type, JSON_REAL);
    assert_text(values[0].text, "1e400");
}

static void a_name_with_dots_leads_into_objects(void **state)
{
    (void)state;
    const struct bytes names[] = {bytes_of("p.u"), bytes_of("p.q.i"), bytes_of("t.$date")};
    static const struct {
        const char *text;
        enum json_type types[3];
    } cases[] = {
        {"{\"p\":{\"x\":[{}],\"q\":{\"i\":\"one\",\"u\":9},\"u\":7},\"t\":{\"$date\":5}}",
         {JSON_INTEGER, JSON_STRING, JSON_INTEGER}},
        {"{\"p.u\":7,\"p.q.i\":\"one\",\"t\":[{\"$date\":5}]}",
         {JSON_INTEGER, JSON_STRING, JSON_ABSENT}},
        {"{\"p\":{\"q.i\":\"one\",\"u\":null,\"bad\":\"\xff\"},\"t\":7}",
         {JSON_NULL, JSON_STRING, JSON_ABSENT}},
        {"{\"p\":\"{\\\"u\\\":1}\",\"t\":{\"$date\":NaN,\"t\":{}}}",
         {JSON_ABSENT, JSON_ABSENT, JSON_BAD_SCALAR}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct json_value found[3];
        size_t size = strlen(cases[i].text);
        memcpy(padded, cases[i].text, size);
        enum json_verdict verdict =
            json_decode(decoder, (struct bytes){padded, size}, names, 3, scratch, found, &why);
        if (verdict != JSON_OK) fail_msg("%s: %s", cases[i].text, why);
        for (unsigned f = 0; f < 3; f++) {
            if (found[f].type != cases[i].types[f]) fail_msg("%s: %u", cases[i].text, f);
        }
        if (found[1].type == JSON_STRING) assert_text(found[1].text, "one");
        if (found[0].type == JSON_INTEGER) assert_int_equal(found[0].integer, 7);
    }
}

/* Neither a deep value that is stepped over nor one that a name leads into overflows the stack. */
static void deep_nesting_is_survived(void **state)
{
    (void)state;
    char text[TEXT_MAX] = "{\"skip\":";
    memset(text + 8, '[', 1500);
    memset(text + 1508, ']', 1500);
    text[3008] = '}';
    assert_int_equal(decode(text), JSON_OK);
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
        cmocka_unit_test(what_is_no_object_is_malformed_whatever_follows_it),
        cmocka_unit_test(a_member_that_nobody_named_may_be_anything),
        cmocka_unit_test(a_named_member_that_json_has_no_value_for_says_so),
        cmocka_unit_test(a_name_with_dots_leads_into_objects),
        cmocka_unit_test(deep_nesting_is_survived),
        cmocka_unit_test(a_document_is_walked_in_order),
        cmocka_unit_test(a_document_that_is_not_json_says_why),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}

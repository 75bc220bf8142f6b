/* test_event.c - good events, and how each of their fields is judged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/checksum.h"
#include "base/json.h"
#include "stream/source/categories.h"
#include "tests/unit/event_fixture.h"

static void a_json_event_is_read(void **state)
{
    (void)state;
    set("source.fields.action", "do");
    set("source.fields.category", "cat");
    set("actions", "view:1,buy:3");
    open_decoder();
    assert_int_equal(
        decode("{\"user\":\"u\\u00e91\",\"item\":42,\"time\":1714564800123,\"do\":\"buy\","
               "\"cat\":\"c\",\"more\":[1,{}]}"),
        EVENT_ACCEPTED);
    assert_text(event.user, "u\xc3\xa9"
                            "1");
    assert_text(event.item, "42");
    assert_true(event.item_hash == identity_of("42", 2));
    assert_true(event.time_ms == 1714564800123);
    assert_int_equal(event.action, 2);
    assert_text(event.category, "c");
    assert_string_equal(event.why, "");

    assert_int_equal(decode("{\"user\":\"a\\u0000b\",\"item\":123456789012345678901234567890,"
                            "\"time\":\"1714564800123\",\"do\":\"view\",\"cat\":null}"),
                     EVENT_ACCEPTED);
    assert_int_equal(event.user.size, 3);
    assert_text(event.item, "123456789012345678901234567890");
    assert_int_equal(event.action, 1);
    assert_int_equal(event.category.size, 0);
}

static void unlisted_actions_are_dropped_whatever_else_they_are(void **state)
{
    (void)state;
    set("source.fields.action", "do");
    set("actions", "view:1");
    open_decoder();
    assert_int_equal(decode("{\"user\":\"u\",\"item\":\"i\",\"time\":1714564800123,\"do\":\"x\"}"),
                     EVENT_DROPPED);
    assert_text(event.user, "u");
    assert_int_equal(decode("{\"do\":\"login\"}"), EVENT_DROPPED);
    assert_string_equal(event.why, "");
    assert_int_equal(event.payload.size, 0);
    assert_int_equal(decode("{\"user\":\"u\",\"item\":\"i\",\"time\":1714564800123}"),
                     EVENT_MISSING_FIELD);
    assert_string_equal(event.why, "do is missing");
    assert_int_equal(decode("{\"user\":\"u\",\"item\":\"i\",\"time\":1714564800123,\"do\":{}}"),
                     EVENT_BAD_FIELD);
}

static void without_listed_actions_every_event_counts(void **state)
{
    (void)state;
    set("source.fields.action", "do");
    open_decoder();
    assert_int_equal(decode("{\"user\":\"u\",\"item\":\"i\",\"time\":1714564800123,\"do\":\"x\"}"),
                     EVENT_ACCEPTED);
    assert_int_equal(event.action, 0);
}

static void actions_without_a_field_that_tells_them_are_refused(void **state)
{
    (void)state;
    struct error error;
    set("actions", "view:1");
    set("source.fields.action", "");
    assert_int_equal(event_decoder_open(&decoder, &config, &error), STATUS_INVALID);
    assert_non_null(strstr(error.text, "source.fields.action"));
}

static void bad_json_events_say_why(void **state)
{
    (void)state;
    set("source.id_size_max", "8");
    set("source.event_size_max", "200");
    set("source.fields.category", "category");
    open_decoder();
    static const struct bad_case cases[] = {
        {"not json", EVENT_MALFORMED, ""},
        {"[1]", EVENT_MALFORMED, "not a JSON object"},
        {"{\"user\":\"u\",\"item\":\"i\",\"time\":17145648001", EVENT_MALFORMED, ""},
        {"{\"user\":\"u\",\"item\":\"i\",\"time\":1714564800123} x", EVENT_MALFORMED, ""},
        {"{\"user\":\"u\",\"item\":\"i\",\"x\":[[[}", EVENT_MALFORMED, ""},
        {"{\"user\":\"\xff\",\"item\":\"i\",\"time\":1714564800123}", EVENT_BAD_UTF8,
         "user is no UTF-8 text"},
        {"{\"user\":\"u\",\"item\":\"\\ud800\",\"time\":1714564800123}", EVENT_BAD_UTF8,
         "item is no"},
        {"{\"user\":\"u\",\"item\":NaN,\"time\":1714564800123}", EVENT_BAD_FIELD,
         "item is neither text nor a whole number: NaN"},
        {"{\"user\":\"u\",\"item\":1e30,\"time\":1714564800123}", EVENT_BAD_FIELD,
         "item is neither text nor a whole number: 1e30"},
        {"{\"item\":\"i\",\"time\":1714564800123}", EVENT_MISSING_FIELD, "user is missing"},
        {"{\"user\":null,\"item\":\"i\",\"time\":1714564800123}", EVENT_MISSING_FIELD, "user is"},
        {"{\"user\":\"\",\"item\":\"i\",\"time\":1714564800123}", EVENT_MISSING_FIELD,
         "user is empty"},
        {"{\"user\":\"u\",\"time\":1714564800123}", EVENT_MISSING_FIELD, "item is missing"},
        {"{\"user\":\"u\",\"item\":\"i\"}", EVENT_MISSING_FIELD, "time is missing"},
        {"{\"user\":\"u\",\"item\":\"i\",\"time\":\"\"}", EVENT_MISSING_FIELD, "time is empty"},
        {"{\"user\":1.5,\"item\":\"i\",\"time\":1714564800123}", EVENT_BAD_FIELD,
         "user is neither text nor a whole number: 1.5"},
        {"{\"user\":\"u\",\"item\":[1],\"time\":1714564800123}", EVENT_BAD_FIELD, "item is"},
        {"{\"user\":\"u\",\"item\":\"i\",\"time\":true}", EVENT_BAD_FIELD, "time is neither"},
        {"{\"user\":\"123456789\",\"item\":\"i\",\"time\":1714564800123}", EVENT_OVERSIZE,
         "user has 9 bytes"},
        {"{\"user\":\"u\",\"item\":\"i\",\"time\":\"soon\"}", EVENT_BAD_TIME,
         "time is no number of milliseconds: soon: is source.time right?"},
        {"{\"user\":\"u\",\"item\":\"i\",\"time\":-5}", EVENT_BAD_TIME,
         "time: -5 as ms is 1969-12-31, before source.time_min: is source.time right?"},
        {"{\"user\":\"u\",\"item\":\"i\",\"time\":1714564800}", EVENT_BAD_TIME,
         "time: 1714564800 as ms is 1970-01-20, before source.time_min: is source.time right?"},
        {"{\"user\":\"u\",\"item\":\"i\",\"time\":1714564800000000}", EVENT_BAD_TIME,
         "time: 1714564800000000 as ms is no date, after source.time_max: is source.time right?"},
        {"{\"user\":\"u\",\"item\":\"i\",\"time\":99999999999999999999}", EVENT_BAD_TIME,
         "time is no number of milliseconds: 99999999999999999999"},
        {"{\"user\":\"u\",\"item\":\"i\",\"time\":9223372036854775807}", EVENT_BAD_TIME,
         "time: 9223372036854775807 as ms is no date"},
        {"{\"user\":\"u\",\"item\":\"i\",\"time\":1e300}", EVENT_BAD_TIME, "time is no number"},
    };
    assert_all_bad(cases, sizeof cases / sizeof *cases);

    char large[300] = "{\"user\":\"u\",\"item\":\"i\",\"time\":1714564800123,\"x\":\"";
    memset(large + strlen(large), 'x', sizeof large - strlen(large) - 1);
    assert_int_equal(decode(large), EVENT_OVERSIZE);
    assert_string_equal(event.why, "longer than 200 bytes (source.event_size_max)");
    assert_int_equal(event.payload.size, 200);
}

static void a_bad_event_still_names_its_user(void **state)
{
    (void)state;
    open_decoder();
    assert_int_equal(decode("{\"user\":\"u7\",\"item\":\"i\",\"time\":1}"), EVENT_BAD_TIME);
    assert_text(event.user, "u7");
    assert_int_equal(decode("{\"user\":\"u7\"}"), EVENT_MISSING_FIELD);
    assert_text(event.user, "u7");
}

static void times_are_read_in_the_configured_unit(void **state)
{
    (void)state;
    static const struct {
        const char *unit, *text;
        int64_t ms; /* -1: refused */
    } cases[] = {
        {"s", "1714564800", 1714564800000},
        {"s", "1714564800.5", 1714564800500},
        {"s", "1714564800.1239", 1714564800123},
        {"s", "\"1714564800.02\"", 1714564800020},
        {"s", "1714564800.0", 1714564800000},
        {"s", "\"1714564800.\"", -1},
        {"s", "\" 1714564800 \"", 1714564800000},
        {"s", "\"+1714564800\"", 1714564800000},
        {"s", "\"17 14564800\"", -1},
        {"s", "\"1,714,564,800\"", -1},
        {"s", "1.7145648E9", 1714564800000},
        {"s", "\"1.7145648e+09\"", 1714564800000},
        {"ms", "1.7145648E12", 1714564800000},
        {"ms", "1714564800000.0", 1714564800000},
        {"s", "\"0x66\"", -1},
        {"ms", "1714564800123.9", 1714564800123},
        {"ms", "\"1714564800123\"", 1714564800123},
        {"us", "1714564800123456", 1714564800123},
        {"us", "\"17145648001234x\"", -1},
        {"iso8601", "\"2024-05-01T12:00:00Z\"", 1714564800000},
        {"iso8601", "\"2024-05-01T14:00:00.25+02:00\"", 1714564800250},
        {"iso8601", "\"2024-05-01 12:00:00 UTC\"", 1714564800000},
        {"iso8601", "\"2024-05-01 12:00:00.123456 UTC\"", 1714564800123},
        {"iso8601", "\" 2024-05-01T14:00:00+02:00[Europe/Berlin] \"", 1714564800000},
        {"iso8601", "\"2024-05-01 17:30:00 +0530\"", 1714564800000},
        {"iso8601", "1714564800", -1},
        {"iso8601", "\"2024-05-32\"", -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[200];
        set("source.time", cases[i].unit);
        open_decoder();
        snprintf(text, sizeof text, "{\"user\":1,\"item\":2,\"time\":%s}", cases[i].text);
        enum event_verdict verdict = decode(text);
        bool right = cases[i].ms < 0 ? verdict == EVENT_BAD_TIME
                                     : verdict == EVENT_ACCEPTED && event.time_ms == cases[i].ms;
        if (!right) fail_msg("%s: %s, %lld", text, event.why, (long long)event.time_ms);
        event_decoder_close(decoder);
        decoder = NULL;
    }
}

static void broker_time_judges_where_there_is_one(void **state)
{
    (void)state;
    set("source.time_ahead", "1s");
    set("source.time_behind", "10s");
    open_decoder();
    const char *text = "{\"user\":1,\"item\":2,\"time\":100000}";
    assert_int_equal(decode_bytes(text, strlen(text), 99000), EVENT_ACCEPTED);
    assert_int_equal(decode_bytes(text, strlen(text), 98999), EVENT_BAD_TIME);
    assert_int_equal(decode_bytes(text, strlen(text), 110000), EVENT_ACCEPTED);
    assert_int_equal(decode_bytes(text, strlen(text), 110001), EVENT_BAD_TIME);
    const char *negative = "{\"user\":1,\"item\":2,\"time\":-1}";
    assert_int_equal(decode_bytes(negative, strlen(negative), 0), EVENT_BAD_TIME);
}

static void times_that_no_behavior_can_hold_are_bad(void **state)
{
    (void)state;
    set("source.time_min", "0000-01-01");
    set("source.time_max", "9999-12-31");
    open_decoder();
    assert_int_equal(decode("{\"user\":1,\"item\":2,\"time\":-1}"), EVENT_BAD_TIME);
    assert_int_equal(decode("{\"user\":1,\"item\":2,\"time\":0}"), EVENT_ACCEPTED);
    assert_int_equal(decode("{\"user\":1,\"item\":2,\"time\":253402214400000}"), EVENT_ACCEPTED);
}

static void a_number_is_one_id_however_it_is_written(void **state)
{
    (void)state;
    static const char *const numbers[] = {"123", "123.0", "1.23e2", "1230E-1", "\"123\""};
    open_decoder();
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        char text[200];
        snprintf(text, sizeof text, "{\"user\":%s,\"item\":%s,\"time\":1714564800123}", numbers[i],
                 numbers[i]);
        assert_int_equal(decode(text), EVENT_ACCEPTED);
        assert_text(event.user, "123");
        assert_text(event.item, "123");
    }
    assert_int_equal(decode("{\"user\":-0,\"item\":-0.0,\"time\":1714564800123}"), EVENT_ACCEPTED);
    assert_text(event.user, "0");
    assert_text(event.item, "0");
    assert_int_equal(decode("{\"user\":\"1e2\",\"item\":\"007\",\"time\":1714564800123}"),
                     EVENT_ACCEPTED); /* texts are ids as they are */
    assert_text(event.user, "1e2");
    assert_text(event.item, "007");
}

/* The categories of the event that was decoded, with commas between. */
static void assert_categories(const char *expected)
{
    struct bytes rest = event.category, one;
    char text[256] = "";
    while (categories_next(&rest, &one)) {
        const size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, "%s%.*s", used ? "," : "", (int)one.size,
                 (const char *)one.at);
    }
    assert_string_equal(text, expected);
}

#define TAGGED(list) "{\"user\":\"u\",\"item\":\"i\",\"time\":1700000000000,\"c\":" list "}"

static void an_array_is_several_categories_each_once_and_eight_at_most(void **state)
{
    (void)state;
    static const struct {
        const char *text, *categories;
        bool odd;
    } cases[] = {
        {TAGGED("[\"b\",\"a\"]"), "b,a", false},
        {TAGGED("[]"), "", false},
        {TAGGED("[\"a\"]"), "a", false},
        {TAGGED("\"a\""), "a", false},
        {TAGGED("[\"a\", 7,\"a\",null,\"\",-0,1e2,\"\\u00e9\"]"), "a,7,0,100,\xC3\xA9", false},
        {TAGGED("[\"a\",[1],{\"x\":1},true,1.5,\"b\"]"), "a,b", true},
        {TAGGED("[1,2,3,4,5,6,7,8,9,10]"), "1,2,3,4,5,6,7,8", false},
        {TAGGED("[1,2,3,4,5,6,7,8,9,10],\"user\":\"v\""), "1,2,3,4,5,6,7,8", false},
    };
    set("source.fields.category", "c");
    open_decoder();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(decode(cases[i].text), EVENT_ACCEPTED);
        assert_categories(cases[i].categories);
        assert_int_equal(event.odd_category, cases[i].odd);
    }
    assert_text(event.user, "v");
    assert_int_equal(decode(TAGGED("[\"a\",")), EVENT_MALFORMED);
}

static void several_members_are_several_categories(void **state)
{
    (void)state;
    set("source.fields.category", "c,d.e,f");
    open_decoder();
    assert_int_equal(decode(TAGGED("\"x\",\"f\":[\"y\",\"x\"],\"d\":{\"e\":3}")), EVENT_ACCEPTED);
    assert_categories("x,3,y");
    assert_int_equal(decode(TAGGED("null")), EVENT_ACCEPTED);
    assert_categories("");
}

static void several_columns_are_several_categories(void **state)
{
    (void)state;
    struct error error;
    set("source.format", "csv");
    set("source.fields.category", "g1,g2,g3");
    open_decoder();
    assert_int_equal(event_decoder_header(decoder, bytes_of("g3,user,g1,item,time,g2"), &error),
                     STATUS_OK);
    assert_int_equal(decode("c,u,a,i,1700000000000,b"), EVENT_ACCEPTED);
    assert_categories("a,b,c");
    assert_int_equal(decode("\"c\"\"\",u,\"a\",\"i\",1700000000000,NULL"), EVENT_ACCEPTED);
    assert_categories("a,c\"");
    assert_text(event.item, "i");
}

static void more_than_eight_categories_are_refused_as_fields(void **state)
{
    (void)state;
    struct error error;
    set("source.fields.category", "1,2,3,4,5,6,7,8,9");
    assert_int_equal(event_decoder_open(&decoder, &config, &error), STATUS_INVALID);
    assert_non_null(strstr(error.text, "source.fields.category: at most 8"));
}

#define OF_USER(rest) "{\"user\":\"u\",\"item\":\"i\",\"time\":1700000000000" rest "}"

static uint64_t feature(const char *text)
{
    return identity_of(text, strlen(text));
}

static void an_event_says_features_of_its_user_as_they_are_written(void **state)
{
    (void)state;
    static const struct {
        const char *text, *plan, *age;
        bool odd;
    } cases[] = {
        {OF_USER(",\"plan\":\"gold\",\"a\":{\"age\":31}"), "plan=gold", "a.age=31", false},
        {OF_USER(",\"plan\":true,\"a\":{\"age\":3.10}"), "plan=true", "a.age=3.10", false},
        {OF_USER(",\"plan\":null,\"a\":{\"age\":\"\"}"), NULL, NULL, false},
        {OF_USER(",\"plan\":\"NULL\",\"a\":{\"age\":NaN}"), NULL, NULL, false},
        {OF_USER(",\"plan\":\"\u00e9=\""), "plan=\xC3\xA9=", NULL, false},
        {OF_USER(",\"plan\":[\"gold\"],\"a\":{\"age\":7}"), NULL, "a.age=7", true},
        {OF_USER(",\"plan\":\"123456789\""), NULL, NULL, true},
        {OF_USER(",\"plan\":\"\xff\""), NULL, NULL, true},
    };
    set("source.id_size_max", "8");
    set("profile.fields", "plan,a.age");
    open_decoder();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(decode(cases[i].text), EVENT_ACCEPTED);
        assert_int_equal(event.features, 2);
        assert_true(event_feature(&event, 0) == (cases[i].plan ? feature(cases[i].plan) : 0));
        assert_true(event_feature(&event, 1) == (cases[i].age ? feature(cases[i].age) : 0));
        assert_int_equal(event.odd_category, cases[i].odd);
    }
}

static void columns_say_features_too(void **state)
{
    (void)state;
    struct error error;
    set("source.format", "csv");
    set("source.fields.category", "g1,g2");
    set("profile.fields", "plan,city");
    open_decoder();
    assert_int_equal(
        event_decoder_header(decoder, bytes_of("city,user,g1,item,time,g2,plan"), &error),
        STATUS_OK);
    assert_int_equal(decode("Rome,u,a,i,1700000000000,b,"), EVENT_ACCEPTED);
    assert_categories("a,b");
    assert_true(event_feature(&event, 0) == 0);
    assert_true(event_feature(&event, 1) == feature("city=Rome"));
}

static void features_without_an_end_or_with_an_equals_sign_are_refused(void **state)
{
    (void)state;
    struct error error;
    set("profile.fields", "1,2,3,4,5,6,7,8,9");
    assert_int_equal(event_decoder_open(&decoder, &config, &error), STATUS_INVALID);
    assert_non_null(strstr(error.text, "profile.fields: at most 8"));
    set("profile.fields", "a=b");
    assert_int_equal(event_decoder_open(&decoder, &config, &error), STATUS_INVALID);
    assert_non_null(strstr(error.text, "no = in a name"));
}

static void an_odd_category_is_left_out_and_said(void **state)
{
    (void)state;
    static const char *const odd[] = {"true", "[[1]]",         "[\"\xff\"]",
                                      "{}",   "\"123456789\"", "\"\\ud800\"",
                                      "1.5",  "NaN",           "\"\xff\""};
    set("source.id_size_max", "8");
    set("source.fields.category", "c");
    open_decoder();
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        char text[200];
        snprintf(text, sizeof text, "{\"user\":1,\"item\":2,\"time\":1714564800123,\"c\":%s}",
                 odd[i]);
        if (decode(text) != EVENT_ACCEPTED) fail_msg("%s: %s", text, event.why);
        assert_int_equal(event.category.size, 0);
        assert_true(event.odd_category);
        assert_true(strncmp(event.why, "c is ", 5) == 0 || strncmp(event.why, "c has ", 6) == 0);
    }
    static const char *const none[] = {"", ",\"c\":null", ",\"c\":\"\"", ",\"c\":\"NULL\""};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        char text[200];
        snprintf(text, sizeof text, "{\"user\":1,\"item\":2,\"time\":1714564800123%s}", none[i]);
        assert_int_equal(decode(text), EVENT_ACCEPTED);
        assert_int_equal(event.category.size, 0);
        assert_false(event.odd_category);
        assert_string_equal(event.why, "");
    }
    assert_int_equal(decode("{\"user\":1,\"item\":2,\"time\":1714564800123,\"c\":7.0}"),
                     EVENT_ACCEPTED);
    assert_false(event.odd_category);
    assert_text(event.category, "7");
}

static void null_values_are_missing_fields(void **state)
{
    (void)state;
    static const char *const nulls[] = {"\\\\N", "NULL", "null", "nan", "NaN", "None", "undefined"};
    open_decoder();
    for (size_t i = 0; i < sizeof nulls / sizeof *nulls; i++) {
        char text[200];
        snprintf(text, sizeof text, "{\"user\":\"%s\",\"item\":2,\"time\":1714564800123}",
                 nulls[i]);
        assert_int_equal(decode(text), EVENT_MISSING_FIELD);
        assert_int_equal(event.user.size, 0);
        assert_non_null(strstr(event.why, "one of source.null_values"));
    }
    assert_int_equal(decode("{\"user\":1,\"item\":2,\"time\":\"NULL\"}"), EVENT_MISSING_FIELD);
    assert_int_equal(decode("{\"user\":\"Nan\",\"item\":\"NULLABLE\",\"time\":1714564800123}"),
                     EVENT_ACCEPTED);
    event_decoder_close(decoder);

    set("source.null_values", "-,0");
    open_decoder();
    assert_int_equal(decode("{\"user\":0,\"item\":2,\"time\":1714564800123}"), EVENT_MISSING_FIELD);
    assert_int_equal(decode("{\"user\":1,\"item\":\"-\",\"time\":1714564800123}"),
                     EVENT_MISSING_FIELD);
    assert_int_equal(decode("{\"user\":\"NULL\",\"item\":2,\"time\":1714564800123}"),
                     EVENT_ACCEPTED);
    event_decoder_close(decoder);

    struct error error;
    set("source.null_values", "a text of more than thirty-one bytes");
    assert_int_equal(event_decoder_open(&decoder, &config, &error), STATUS_INVALID);
    assert_null(decoder);
}

static void reasons_are_printable_whatever_the_event_holds(void **state)
{
    (void)state;
    open_decoder();
    decode("{\"user\":1,\"item\":2,\"time\":\"\\u001b[31mred\\u0007\\n\"}");
    assert_string_equal(event.why, "time is no number of milliseconds: \\x1b[31mred\\x07\\x0a: "
                                   "is source.time right?");
    decode(
        "{\"user\":1,\"item\":2,\"time\":"
        "\"a\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3"
        "\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\"}");
    assert_true(json_utf8_valid(bytes_of(event.why))); /* cut between two characters */
    event_decoder_close(decoder);
    struct error error;
    set("source.format", "csv");
    open_decoder();
    assert_int_equal(event_decoder_header(decoder, bytes_of("\x1b]0;x\x07user,item"), &error),
                     STATUS_INVALID);
    assert_non_null(strstr(error.text, "it is: \\x1b]0;x\\x07user,item"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_json_event_is_read),
        TEST(unlisted_actions_are_dropped_whatever_else_they_are),
        TEST(without_listed_actions_every_event_counts),
        TEST(actions_without_a_field_that_tells_them_are_refused),
        TEST(bad_json_events_say_why),
        TEST(a_bad_event_still_names_its_user),
        TEST(times_are_read_in_the_configured_unit),
        TEST(broker_time_judges_where_there_is_one),
        TEST(times_that_no_behavior_can_hold_are_bad),
        TEST(a_number_is_one_id_however_it_is_written),
        TEST(an_array_is_several_categories_each_once_and_eight_at_most),
        TEST(several_members_are_several_categories),
        TEST(several_columns_are_several_categories),
        TEST(more_than_eight_categories_are_refused_as_fields),
        TEST(an_event_says_features_of_its_user_as_they_are_written),
        TEST(columns_say_features_too),
        TEST(features_without_an_end_or_with_an_equals_sign_are_refused),
        TEST(an_odd_category_is_left_out_and_said),
        TEST(null_values_are_missing_fields),
        TEST(reasons_are_printable_whatever_the_event_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

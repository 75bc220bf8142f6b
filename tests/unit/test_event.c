/* test_event.c - good events in all formats, and every way an event can be bad. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "base/random.h"
#include "stream/source/event_decoder.h"

enum { RAW_MAX = 4096 };

static struct config config;
static struct event_decoder *decoder;
static struct event event;
static char *raw, *scratch; /* of the last decoded event; exactly as large as promised */

static int set_up(void **state)
{
    (void)state;
    config_defaults(&config);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    event_decoder_close(decoder);
    config_close(&config);
    free(raw);
    free(scratch);
    decoder = NULL;
    raw = scratch = NULL;
    return 0;
}

static void set(const char *key, const char *value)
{
    struct error error;
    if (config_set(&config, key, value, "test", &error)) fail_msg("%s", error.text);
}

static void open_decoder(void)
{
    assert_int_equal(event_decoder_open(&decoder, &config, NULL), STATUS_OK);
}

static enum event_verdict decode_bytes(const void *at, size_t size, int64_t broker_ms)
{
    free(raw);
    free(scratch);
    raw = malloc(size + EVENT_PADDING);
    scratch = malloc(size + 64);
    memcpy(raw, at, size);
    memset(raw + size, 0xFF, EVENT_PADDING);
    event_decode(decoder, (struct bytes){raw, size}, broker_ms, scratch, &event);
    return event.verdict;
}

static enum event_verdict decode(const char *text)
{
    return decode_bytes(text, strlen(text), -1);
}

static void assert_text(struct bytes text, const char *expected)
{
    assert_int_equal(text.size, strlen(expected));
    assert_memory_equal(text.at, expected, text.size);
}

struct bad_case {
    const char *text;
    enum event_verdict verdict;
    const char *why; /* begins so */
};

static void assert_all_bad(const struct bad_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        enum event_verdict verdict = decode(cases[i].text);
        if (verdict != cases[i].verdict || strncmp(event.why, cases[i].why, strlen(cases[i].why))) {
            fail_msg("%s: %s, %s", cases[i].text, event_verdict_name(verdict), event.why);
        }
        assert_int_equal(event.payload.size, strlen(cases[i].text));
    }
}

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

static void bad_json_events_say_why(void **state)
{
    (void)state;
    set("source.id_size_max", "8");
    set("source.event_size_max", "200");
    set("source.fields.category", "category");
    open_decoder();
    static const struct bad_case cases[] = {
        {"", EVENT_MALFORMED, ""},
        {"not json", EVENT_MALFORMED, ""},
        {"[1]", EVENT_MALFORMED, "not a JSON object"},
        {"{\"user\":\"u\",\"item\":\"i\",\"time\":17145648001", EVENT_MALFORMED, ""},
        {"{\"user\":\"u\",\"item\":\"i\",\"time\":1714564800123} x", EVENT_MALFORMED, ""},
        {"{\"user\":\"u\",\"item\":\"i\",\"x\":[[[}", EVENT_MALFORMED, ""},
        {"\xef\xbb\xbf{\"user\":\"u\"}", EVENT_MALFORMED, ""},
        {"{\"user\":\"\xff\",\"item\":\"i\",\"time\":1714564800123}", EVENT_BAD_UTF8, ""},
        {"{\"item\":\"i\",\"time\":1714564800123}", EVENT_MISSING_FIELD, "user is missing"},
        {"{\"user\":null,\"item\":\"i\",\"time\":1714564800123}", EVENT_MISSING_FIELD, "user is"},
        {"{\"user\":\"\",\"item\":\"i\",\"time\":1714564800123}", EVENT_MISSING_FIELD,
         "user is empty"},
        {"{\"user\":\"u\",\"time\":1714564800123}", EVENT_MISSING_FIELD, "item is missing"},
        {"{\"user\":\"u\",\"item\":\"i\"}", EVENT_MISSING_FIELD, "time is missing"},
        {"{\"user\":\"u\",\"item\":\"i\",\"time\":\"\"}", EVENT_MISSING_FIELD, "time is missing"},
        {"{\"user\":1.5,\"item\":\"i\",\"time\":1714564800123}", EVENT_BAD_FIELD,
         "user is neither text nor an integer"},
        {"{\"user\":\"u\",\"item\":[1],\"time\":1714564800123}", EVENT_BAD_FIELD, "item is"},
        {"{\"user\":\"u\",\"item\":\"i\",\"time\":true}", EVENT_BAD_FIELD, "time is neither"},
        {"{\"user\":\"u\",\"item\":\"i\",\"time\":1714564800123,\"category\":false}",
         EVENT_BAD_FIELD, "category is"},
        {"{\"user\":\"123456789\",\"item\":\"i\",\"time\":1714564800123}", EVENT_OVERSIZE,
         "user has 9 bytes"},
        {"{\"user\":\"u\",\"item\":\"i\",\"time\":1714564800123,\"category\":\"123456789\"}",
         EVENT_OVERSIZE, "category has 9 bytes"},
        {"{\"user\":\"u\",\"item\":\"i\",\"time\":\"soon\"}", EVENT_BAD_TIME,
         "time is no time: soon"},
        {"{\"user\":\"u\",\"item\":\"i\",\"time\":-5}", EVENT_BAD_TIME,
         "time is not within 1990-01-01T00:00:00. .. 2100-01-01T00:00:00."},
        {"{\"user\":\"u\",\"item\":\"i\",\"time\":1714564800}", EVENT_BAD_TIME, "time is not with"},
        {"{\"user\":\"u\",\"item\":\"i\",\"time\":99999999999999999999}", EVENT_BAD_TIME,
         "time is no time"},
        {"{\"user\":\"u\",\"item\":\"i\",\"time\":9223372036854775807}", EVENT_BAD_TIME, "time is"},
        {"{\"user\":\"u\",\"item\":\"i\",\"time\":1e300}", EVENT_BAD_TIME, "time is no time"},
    };
    assert_all_bad(cases, sizeof cases / sizeof *cases);

    char large[300] = "{\"user\":\"u\",\"item\":\"i\",\"time\":1714564800123,\"x\":\"";
    memset(large + strlen(large), 'x', sizeof large - strlen(large) - 1);
    assert_int_equal(decode(large), EVENT_OVERSIZE);
    assert_string_equal(event.why, "longer than 200 bytes");
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
        {"s", "\"1714564800 \"", -1},
        {"s", "\"0x66\"", -1},
        {"ms", "1714564800123.9", 1714564800123},
        {"ms", "\"1714564800123\"", 1714564800123},
        {"us", "1714564800123456", 1714564800123},
        {"us", "\"17145648001234x\"", -1},
        {"iso8601", "\"2024-05-01T12:00:00Z\"", 1714564800000},
        {"iso8601", "\"2024-05-01T14:00:00.25+02:00\"", 1714564800250},
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

static void rows_with_a_header_are_read_by_name(void **state)
{
    (void)state;
    set("source.format", "csv");
    set("source.time", "s");
    set("source.fields.category", "kind");
    open_decoder();
    assert_int_equal(event_decoder_header(decoder, bytes_of("time,\"item\",x,user,kind"), NULL),
                     STATUS_OK);
    assert_int_equal(decode("1714564800,\"a \"\"b\"\", c\",,u1,"), EVENT_ACCEPTED);
    assert_text(event.user, "u1");
    assert_text(event.item, "a \"b\", c");
    assert_int_equal(event.category.size, 0);
    static const struct bad_case cases[] = {
        {"", EVENT_MALFORMED, "1 columns where 5 are expected"},
        {"1714564800,i,,u", EVENT_MALFORMED, "4 columns where 5"},
        {"1714564800,i,,u,k,more", EVENT_MALFORMED, "6 columns where 5"},
        {"1714564800,\"i,,u,k", EVENT_MALFORMED, "column 2: quotes do not match"},
        {"1714564800,\"i\"x,,u,k", EVENT_MALFORMED, "column 2: quotes do not match"},
        {"1714564800,i,,,k", EVENT_MISSING_FIELD, "user is empty"},
        {"1714564800,\"\",,u,k", EVENT_MISSING_FIELD, "item is empty"},
        {",i,,u,k", EVENT_MISSING_FIELD, "time is missing"},
        {"yesterday,i,,u,k", EVENT_BAD_TIME, "time is no time"},
        {"1714564800,i,\xff,u,k", EVENT_BAD_UTF8, "the row is not UTF-8"},
    };
    assert_all_bad(cases, sizeof cases / sizeof *cases);
}

static void rows_without_a_header_are_read_by_number(void **state)
{
    (void)state;
    set("source.format", "tsv");
    set("source.header", "false");
    set("source.time", "s");
    set("source.fields.user", "1");
    set("source.fields.item", "2");
    set("source.fields.time", "4");
    open_decoder();
    assert_int_equal(decode("196\t\"24,2\t3.0\t881250949\tmore"), EVENT_ACCEPTED);
    assert_text(event.item, "\"24,2");
    assert_true(event.time_ms == 881250949000);
    assert_int_equal(decode("196\t242\t3.0"), EVENT_MALFORMED);
    assert_string_equal(event.why, "3 columns where at least 4 are expected");
}

static void wrong_columns_are_refused(void **state)
{
    (void)state;
    struct error error;
    set("source.format", "csv");
    open_decoder();
    assert_int_equal(event_decoder_header(decoder, bytes_of("user,item"), &error), STATUS_INVALID);
    assert_string_equal(error.text,
                        "the header has no column 'time' (source.fields); it is: user,item");
    assert_int_equal(event_decoder_header(decoder, bytes_of("user,\"item"), &error),
                     STATUS_INVALID);
    event_decoder_close(decoder);
    set("source.header", "false");
    assert_int_equal(event_decoder_open(&decoder, &config, &error), STATUS_INVALID);
    assert_string_equal(error.text, "source.fields: 'user' is no column: without source.header "
                                    "columns are named by their number, from 1");
    assert_null(decoder);
}

/* Turns a good event into something else by a few random edits. */
static size_t damage(struct random *random, char *text, size_t size)
{
    for (uint64_t edits = 1 + random_below(random, 4); edits > 0 && size > 0; edits--) {
        size_t at = random_below(random, size);
        switch (random_below(random, 4)) {
        case 0: text[at] = (char)random_next(random); break;
        case 1: text[at] = "{}[]\",:\\\n\t0e-"[random_below(random, 13)]; break;
        case 2: size = at; break;
        default: memmove(text + at, text + at + 1, size - at - 1); size--;
        }
    }
    return size;
}

/* Whatever comes in, the decoder gives a verdict and keeps its promises. */
static void random_bytes_are_survived(void **state)
{
    (void)state;
    static const char *const formats[] = {"json", "csv", "tsv"};
    static const char *const good[] = {
        "{\"user\":\"u1\",\"item\":\"i\\u00e9\",\"time\":1714564800123,\"x\":[1,{\"a\":null}]}",
        "u1,\"i \"\"2\"\"\",1714564800123", "u1\ti2\t1714564800123"};
    uint64_t seed = 20240501;
    struct random random = random_seeded(seed);
    for (unsigned f = 0; f < 3; f++) {
        set("source.format", formats[f]);
        open_decoder();
        if (f > 0) {
            struct bytes header = bytes_of(f == 1 ? "user,item,time" : "user\titem\ttime");
            assert_int_equal(event_decoder_header(decoder, header, NULL), STATUS_OK);
        }
        for (int i = 0; i < 20000; i++) {
            char text[RAW_MAX];
            size_t size = strlen(good[f]);
            memcpy(text, good[f], size);
            size = damage(&random, text, size);
            enum event_verdict verdict = decode_bytes(text, size, -1);
            bool sound = verdict == EVENT_ACCEPTED ? event.user.size > 0 && event.item.size > 0
                                                   : event.payload.size == size && *event.why;
            if (!sound) fail_msg("seed %llu, format %u, event %d", (unsigned long long)seed, f, i);
        }
        event_decoder_close(decoder);
        decoder = NULL;
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_json_event_is_read),
        TEST(unlisted_actions_are_dropped_whatever_else_they_are),
        TEST(without_listed_actions_every_event_counts),
        TEST(bad_json_events_say_why),
        TEST(a_bad_event_still_names_its_user),
        TEST(times_are_read_in_the_configured_unit),
        TEST(broker_time_judges_where_there_is_one),
        TEST(times_that_no_behavior_can_hold_are_bad),
        TEST(rows_with_a_header_are_read_by_name),
        TEST(rows_without_a_header_are_read_by_number),
        TEST(wrong_columns_are_refused),
        TEST(random_bytes_are_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_event_forms.c - what bytes are an event, in which forms, and what other bytes are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/random.h"
#include "tests/unit/event_fixture.h"

enum { RAW_MAX = 4096 };

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
        {"x", EVENT_MALFORMED, "1 columns where 5 are expected"},
        {"1714564800,i,,u", EVENT_MALFORMED, "4 columns where 5"},
        {"1714564800,i,,u,k,more", EVENT_MALFORMED, "6 columns where 5"},
        {"1714564800,\"i,,u,k", EVENT_MALFORMED, "column 2: its quote is not closed"},
        {"1714564800,\"i\"x,,u,k", EVENT_MALFORMED, "column 2: quotes do not match"},
        {"1714564800,i,,,k", EVENT_MISSING_FIELD, "user is empty"},
        {"1714564800,\"\",,u,k", EVENT_MISSING_FIELD, "item is empty"},
        {",i,,u,k", EVENT_MISSING_FIELD, "time is empty"},
        {"yesterday,i,,u,k", EVENT_BAD_TIME, "time is no number of seconds"},
        {"1714564800,\xff,x,u,k", EVENT_BAD_UTF8, "item is no UTF-8 text"},
        {"1714564800,i,,u,k\n1714564800,i,,u,k", EVENT_MALFORMED, "column 1: a line break"},
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
    assert_int_equal(decode("196\t242\t3.0\t881250949000"), EVENT_BAD_TIME);
    assert_string_equal(event.why, "column 4: 881250949000 as s is no date, after source.time_max: "
                                   "is source.time right?");
}

static void wrong_columns_are_refused(void **state)
{
    (void)state;
    struct error error;
    set("source.path", "log.csv");
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

static void what_nobody_asked_for_is_no_matter(void **state)
{
    (void)state;
    static const char *const members[] = {"NaN", "1e400", "\"\\ud800\"", "\"caf\xe9\"", "\"\t\""};
    open_decoder();
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        char text[200];
        snprintf(text, sizeof text,
                 "{\"x\":%s,\"user\":\"u\xc3\xa9\",\"item\":2,\"time\":1714564800123}", members[i]);
        if (decode(text) != EVENT_ACCEPTED) fail_msg("%s: %s", text, event.why);
        assert_text(event.user, "u\xc3\xa9");
        assert_text(event.item, "2");
    }
    event_decoder_close(decoder);
    set("source.format", "csv");
    open_decoder();
    assert_int_equal(event_decoder_header(decoder, bytes_of("user,item,time,note"), NULL),
                     STATUS_OK);
    assert_int_equal(decode("u,i,1714564800123,caf\xe9 24\" \x01"), EVENT_ACCEPTED);
}

static void blank_lines_and_tombstones_are_no_bad_events(void **state)
{
    (void)state;
    static const char *const blanks[] = {"", " ", "\r", "\t \r\n", "\xef\xbb\xbf"};
    static const char *const formats[] = {"json", "csv"};
    for (size_t f = 0; f < 2; f++) {
        set("source.format", formats[f]);
        event_decoder_close(decoder);
        open_decoder();
        for (size_t i = 0; i < sizeof blanks / sizeof *blanks; i++) {
            assert_int_equal(decode(blanks[i]), EVENT_BLANK);
            assert_false(event_is_bad(event.verdict));
            assert_int_equal(event.payload.size, 0);
        }
    }
    event_decode(decoder, (struct bytes){raw, 0}, 1714564800123, scratch, &event);
    assert_int_equal(event.verdict, EVENT_BLANK);
}

static void a_byte_order_mark_is_no_part_of_an_event(void **state)
{
    (void)state;
    open_decoder();
    assert_int_equal(decode("\xef\xbb\xbf{\"user\":1,\"item\":2,\"time\":1714564800123}"),
                     EVENT_ACCEPTED);
    assert_int_equal(decode("\xef\xbb\xbf\xef\xbb\xbf{\"user\":1,\"item\":2,\"time\":17145648001}"),
                     EVENT_MALFORMED);
    event_decoder_close(decoder);
    set("source.format", "csv");
    open_decoder();
    assert_int_equal(event_decoder_header(decoder, bytes_of("user,item,time"), NULL), STATUS_OK);
    assert_int_equal(decode("\xef\xbb\xbfu1,i1,1714564800123"), EVENT_ACCEPTED);
    assert_text(event.user, "u1");
}

static void fields_of_nested_objects_are_named_by_their_path(void **state)
{
    (void)state;
    set("source.fields.user", "payload.user_id");
    set("source.fields.item", "payload.item.id");
    set("source.fields.time", "ts.$date");
    open_decoder();
    assert_int_equal(decode("{\"ts\":{\"$date\":1714564800123},\"payload\":{\"user_id\":\"u1\","
                            "\"x\":NaN,\"item\":{\"id\":42.0}}}"),
                     EVENT_ACCEPTED);
    assert_text(event.user, "u1");
    assert_text(event.item, "42");
    assert_int_equal(decode("{\"ts\":{\"$date\":1714564800123},\"payload\":{\"item\":{\"id\":4}}}"),
                     EVENT_MISSING_FIELD);
    assert_string_equal(event.why, "payload.user_id is missing");
}

/* Other formats are named as what they are, by their first bytes. */
static void bytes_of_another_format_are_named(void **state)
{
    (void)state;
    static const struct {
        struct bytes raw;
        const char *why;
    } cases[] = {
        {{"PAR1\x15\x04", 6}, "it is a Parquet file, not "},
        {{"\x28\xB5\x2F\xFD\x04", 5}, "it is compressed by zstd, not "},
        {{"\x1F\x8B\x08", 3}, "it is compressed by gzip, not "},
        {{"\xFF\xFE{\0\"\0", 6}, "it is text in UTF-16, not "},
        {{"\0{\0\"\0u", 6}, "it is text in UTF-16, not "},
        {{"{\0\"\0u\0", 6}, "it is text in UTF-16, not "},
        {{"\0\0\0\0\x07{\"user\":1}", 15}, "it is framed for a schema registry"},
        {{"Obj\1\4", 5}, "it is an Avro file, not "},
    };
    static const char *const formats[] = {"json", "csv"};
    set("source.path", "log.csv");
    for (size_t f = 0; f < 2; f++) {
        set("source.format", formats[f]);
        event_decoder_close(decoder);
        open_decoder();
        if (f) {
            assert_int_equal(event_decoder_header(decoder, bytes_of("user,item,time"), NULL),
                             STATUS_OK);
        }
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            assert_int_equal(decode_bytes(cases[i].raw.at, cases[i].raw.size, -1), EVENT_MALFORMED);
            if (strncmp(event.why, cases[i].why, strlen(cases[i].why)) != 0) {
                fail_msg("%s, case %zu: %s", formats[f], i, event.why);
            }
        }
    }
    struct error error;
    assert_int_equal(
        event_decoder_header(decoder, (struct bytes){"\xFF\xFEu\0s\0e\0r\0", 10}, &error),
        STATUS_INVALID);
    assert_string_equal(error.text, "it is text in UTF-16, not a table");
}

static void an_event_wrapped_by_kafka_connect_is_named(void **state)
{
    (void)state;
    open_decoder();
    assert_int_equal(decode("{\"schema\":{\"type\":\"struct\"},\"payload\":{\"user\":\"u\"}}"),
                     EVENT_MISSING_FIELD);
    assert_string_equal(event.why, "it is wrapped by Kafka Connect: its fields are in payload, as "
                                   "source.fields.user=payload.user");
    assert_int_equal(decode("{\"schema\":{},\"payload\":\"x\"}"), EVENT_MISSING_FIELD);
    assert_string_equal(event.why, "user is missing");
}

/* A text with a line break, as a review, is a cell of its row wherever the row comes from. */
static void rows_may_be_separated_and_quoted_otherwise(void **state)
{
    (void)state;
    set("source.format", "csv");
    set("source.separator", ";");
    open_decoder();
    assert_int_equal(event_decoder_header(decoder, bytes_of("user;item;time;review"), NULL),
                     STATUS_OK);
    assert_int_equal(decode("u1;i1;1714564800123;\"nice;\r\nu2;i2;1714564800123\"\r\n"),
                     EVENT_ACCEPTED);
    assert_text(event.user, "u1");
    assert_text(event.item, "i1");
    event_decoder_close(decoder);

    set("source.format", "tsv");
    set("source.separator", "");
    set("source.quotes", "on");
    open_decoder();
    assert_int_equal(event_decoder_header(decoder, bytes_of("user\titem\ttime"), NULL), STATUS_OK);
    assert_int_equal(decode("u1\t\"i\t1\"\t1714564800123\n"), EVENT_ACCEPTED);
    assert_text(event.item, "i\t1");
    event_decoder_close(decoder);

    set("source.format", "csv");
    set("source.separator", "\\x01");
    set("source.quotes", "off");
    open_decoder();
    assert_int_equal(event_decoder_header(decoder, bytes_of("user\x01item\x01time"), NULL),
                     STATUS_OK);
    assert_int_equal(decode("u1\x01\"i,1\x01"
                            "1714564800123"),
                     EVENT_ACCEPTED);
    assert_text(event.item, "\"i,1");
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
                         : verdict == EVENT_BLANK  ? event.payload.size == 0
                                                   : event.payload.size == size && *event.why;
            if (!sound) fail_msg("seed %llu, format %u, event %d", (unsigned long long)seed, f, i);
        }
        event_decoder_close(decoder);
        decoder = NULL;
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rows_with_a_header_are_read_by_name),
        TEST(rows_without_a_header_are_read_by_number),
        TEST(wrong_columns_are_refused),
        TEST(what_nobody_asked_for_is_no_matter),
        TEST(blank_lines_and_tombstones_are_no_bad_events),
        TEST(a_byte_order_mark_is_no_part_of_an_event),
        TEST(fields_of_nested_objects_are_named_by_their_path),
        TEST(bytes_of_another_format_are_named),
        TEST(an_event_wrapped_by_kafka_connect_is_named),
        TEST(rows_may_be_separated_and_quoted_otherwise),
        TEST(random_bytes_are_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

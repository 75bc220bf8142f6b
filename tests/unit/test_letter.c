/* test_letter.c - what a topic gets of a bad event: the event as it came, and why in headers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "stream/broker/kafka/letter.h"

static const char raw[] = "{\"time\":1}";

static struct event bad_event(void)
{
    struct event event = {.verdict = EVENT_BAD_TIME,
                          .partition = 3,
                          .offset = 41,
                          .key = bytes_of("ann"),
                          .payload = bytes_of(raw)};
    memcpy(event.why, "time: 1", sizeof "time: 1");
    return event;
}

static void assert_header(const struct record *letter, const char *name, const char *value)
{
    for (uint32_t i = 0; i < letter->headers_count; i++) {
        if (strcmp(letter->headers[i].name, name) != 0) continue;
        if (!value) fail_msg("there is a header %s", name);
        assert_int_equal(letter->headers[i].value.size, strlen(value));
        assert_memory_equal(letter->headers[i].value.at, value, strlen(value));
        return;
    }
    if (value) fail_msg("no header %s", name);
}

static void key_and_value_are_the_event_s_and_headers_say_what_is_wrong(void **state)
{
    (void)state;
    const struct event event = bad_event();
    struct letter_headers headers;
    struct record letter = letter_of(&event, "clicks", LETTER_SIZE_MAX, &headers);
    assert_int_equal(letter.kind, RECORD_DEAD_LETTER);
    assert_int_equal(letter.partition, 3);
    assert_true(bytes_equal(letter.key, event.key));
    assert_true(bytes_equal(letter.value, event.payload));
    assert_header(&letter, LETTER_REASON, "bad_time");
    assert_header(&letter, LETTER_MESSAGE, "time: 1");
    assert_header(&letter, LETTER_TOPIC, "clicks");
    assert_header(&letter, LETTER_PARTITION, "3");
    assert_header(&letter, LETTER_OFFSET, "41");
    assert_header(&letter, LETTER_KEY_SIZE, NULL);
    assert_header(&letter, LETTER_VALUE_SIZE, NULL);
}

static void an_event_without_key_has_a_letter_without_key(void **state)
{
    (void)state;
    struct event event = bad_event();
    struct letter_headers headers;
    event.key = (struct bytes){NULL, 0};
    assert_null(letter_of(&event, "clicks", LETTER_SIZE_MAX, &headers).key.at);
    event.key = bytes_of("");
    assert_non_null(letter_of(&event, "clicks", LETTER_SIZE_MAX, &headers).key.at);
}

/* `room` bytes hold `key` of the key and `value` of the value, the sizes before are told. */
static void assert_cut(size_t room, size_t key, size_t value)
{
    const struct event event = bad_event();
    struct letter_headers headers;
    struct record letter = letter_of(&event, "clicks", room, &headers);
    assert_int_equal(letter.key.size, key);
    assert_int_equal(letter.value.size, value);
    assert_header(&letter, LETTER_KEY_SIZE, key < 3 ? "3" : NULL);
    assert_header(&letter, LETTER_VALUE_SIZE, value < sizeof raw - 1 ? "10" : NULL);
}

static void what_does_not_fit_is_cut_the_value_first_and_said(void **state)
{
    (void)state;
    assert_cut(13, 3, 10);
    assert_cut(12, 3, 9);
    assert_cut(3, 3, 0);
    assert_cut(2, 2, 0);
    assert_cut(0, 0, 0);
}

/* A record holds, of each header, name and value with a size of up to five bytes in front of it. */
static void the_largest_headers_fit_the_room_that_is_kept_for_them(void **state)
{
    (void)state;
    struct event event = {.verdict = EVENT_MISSING_FIELD,
                          .partition = UINT32_MAX,
                          .offset = INT64_MIN,
                          .key = {raw, SIZE_MAX},
                          .payload = {raw, SIZE_MAX}};
    char topic[250]; /* Kafka takes no longer name */
    struct letter_headers headers;
    memset(event.why, 'x', sizeof event.why - 1);
    memset(topic, 'x', sizeof topic - 1);
    topic[sizeof topic - 1] = '\0';
    struct record letter = letter_of(&event, topic, 0, &headers);
    size_t size = 0;
    assert_int_equal(letter.headers_count, LETTER_HEADERS_MAX);
    for (uint32_t i = 0; i < letter.headers_count; i++) {
        size += 10 + strlen(letter.headers[i].name) + letter.headers[i].value.size;
    }
    assert_in_range(size, 1, LETTER_HEADERS_SIZE_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(key_and_value_are_the_event_s_and_headers_say_what_is_wrong),
        cmocka_unit_test(an_event_without_key_has_a_letter_without_key),
        cmocka_unit_test(what_does_not_fit_is_cut_the_value_first_and_said),
        cmocka_unit_test(the_largest_headers_fit_the_room_that_is_kept_for_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

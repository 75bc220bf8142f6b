/* test_dead_letter.c - dead letters are valid JSON within their size, whatever the bad event was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "stream/source/dead_letter.h"

static void a_letter_says_what_where_and_why(void **state)
{
    (void)state;
    struct event event = {.verdict = EVENT_BAD_TIME,
                          .partition = 3,
                          .offset = 41,
                          .payload = bytes_of("{\"time\":1}"),
                          .why = "time is no time: \"\x01"};
    char *letter = calloc(1, dead_letter_size_max(8) + 1);
    size_t size = dead_letter_encode(&event, "logs/a.jsonl", 8, letter);
    assert_int_equal(size, strlen(letter));
    assert_string_equal(letter,
                        "{\"reason\":\"bad_time\",\"detail\":\"time is no time: \\\"\\u0001\","
                        "\"source\":\"logs/a.jsonl\",\"partition\":3,\"offset\":41,"
                        "\"payload\":\"eyJ0aW1lIjo=\"}");
    free(letter);
}

/* The longest texts, all of bytes that need escapes or are no UTF-8, and the widest numbers. */
static void the_largest_letter_fits_and_is_json(void **state)
{
    (void)state;
    static const char bytes[] = {1, -1};
    for (unsigned kind = 0; kind < 2; kind++) {
        struct event event = {
            .verdict = EVENT_MISSING_FIELD, .partition = UINT32_MAX, .offset = INT64_MIN};
        char payload[1000], source[5000];
        memset(event.why, bytes[kind], sizeof event.why - 1);
        memset(source, bytes[kind], sizeof source);
        source[sizeof source - 1] = '\0';
        memset(payload, 'x', sizeof payload);
        event.payload = (struct bytes){payload, sizeof payload};
        size_t size_max = dead_letter_size_max(1000);
        char *letter = malloc(size_max + JSON_PADDING);
        size_t size = dead_letter_encode(&event, source, 1000, letter);
        assert_true(size <= size_max);

        struct json_document *document;
        struct json_value root;
        assert_int_equal(json_document_open(&document, NULL), STATUS_OK);
        assert_int_equal(json_document_parse(document, (struct bytes){letter, size}, &root, NULL),
                         STATUS_OK);
        json_document_close(document);
        free(letter);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_letter_says_what_where_and_why),
        cmocka_unit_test(the_largest_letter_fits_and_is_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

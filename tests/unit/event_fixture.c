/* event_fixture.c - one decoder, one event. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/event_fixture.h"

#include <stdlib.h>
#include <string.h>

struct config config;
struct event_decoder *decoder;
struct event event;
char *raw, *scratch; /* of the last decoded event; exactly as large as promised */

int open_fixture(void **state)
{
    (void)state;
    config_defaults(&config);
    return 0;
}

int close_fixture(void **state)
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

void set(const char *key, const char *value)
{
    struct error error;
    if (config_set(&config, key, value, "test", &error)) fail_msg("%s", error.text);
}

void open_decoder(void)
{
    assert_int_equal(event_decoder_open(&decoder, &config, NULL), STATUS_OK);
}

enum event_verdict decode_bytes(const void *at, size_t size, int64_t broker_ms)
{
    free(raw);
    free(scratch);
    raw = malloc(size + EVENT_PADDING);
    scratch = malloc(event_scratch_size(size));
    memcpy(raw, at, size);
    memset(raw + size, 0xFF, EVENT_PADDING);
    event_decode(decoder, (struct bytes){raw, size}, broker_ms, scratch, &event);
    return event.verdict;
}

enum event_verdict decode(const char *text)
{
    return decode_bytes(text, strlen(text), -1);
}

void assert_text(struct bytes text, const char *expected)
{
    assert_int_equal(text.size, strlen(expected));
    assert_memory_equal(text.at, expected, text.size);
}

void assert_all_bad(const struct bad_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        enum event_verdict verdict = decode(cases[i].text);
        if (verdict != cases[i].verdict || strncmp(event.why, cases[i].why, strlen(cases[i].why))) {
            fail_msg("%s: %s, %s", cases[i].text, event_verdict_name(verdict), event.why);
        }
        assert_int_equal(event.payload.size, strlen(cases[i].text));
    }
}

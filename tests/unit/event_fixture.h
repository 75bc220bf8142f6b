/*
 * event_fixture.h - a decoder with its configuration, and the last event that it decoded.
 */
#ifndef TESTS_UNIT_EVENT_FIXTURE_H
#define TESTS_UNIT_EVENT_FIXTURE_H

#include "stream/source/event_decoder.h"

extern struct config config;
extern struct event_decoder *decoder;
extern struct event event;
extern char *raw, *scratch; /* of the last decoded event; exactly as large as promised */

int open_fixture(void **state);
int close_fixture(void **state);

/* Sets an option, before open_decoder. */
void set(const char *key, const char *value);
void open_decoder(void);

/* Decode into `event`; the second an event of a file. */
enum event_verdict decode_bytes(const void *at, size_t size, int64_t broker_ms);
enum event_verdict decode(const char *text);

void assert_text(struct bytes text, const char *expected);

struct bad_case {
    const char *text;
    enum event_verdict verdict;
    const char *why; /* begins so */
};

void assert_all_bad(const struct bad_case *cases, size_t count);

#endif

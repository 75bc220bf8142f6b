/*
 * test_cuts.c - who was erased up to when, and the records that say so (source.erase).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/checksum.h"
#include "stream/source/erasure/cuts.h"
#include "stream/source/erasure/erase_request.h"

enum { STAMP = 1732700000, ID_MAX = 64, MANY = 10000 };

static struct json_decoder *json;
static struct event event;

static enum event_verdict decode(const char *key, const char *value, struct erase_record *record)
{
    const struct bytes text = value ? bytes_of(value) : (struct bytes){NULL, 0};
    event = (struct event){0};
    return erase_record_decode(json, bytes_of(key), text, STAMP, ID_MAX, record, &event);
}

static void a_request_cuts_at_the_time_of_its_record_or_before(void **state)
{
    struct erase_record record;
    (void)state;
    assert_int_equal(decode("u17", "{}", &record), EVENT_ERASURE);
    assert_true(bytes_equal(record.user, bytes_of("u17")));
    assert_int_equal(record.hash, identity_of("u17", 3));
    assert_int_equal(record.cut_ms, STAMP);
    assert_int_equal(decode("u17", "{\"cut_ms\": 5, \"why\": [\"asked\"]}", &record),
                     EVENT_ERASURE);
    assert_int_equal(record.cut_ms, 5);
    assert_int_equal(decode("u17", "{\"cut_ms\": 1732700001}", &record), EVENT_ERASURE);
    assert_int_equal(record.cut_ms, STAMP);
    assert_int_equal(decode("u17", "{\"gone_ms\": 9}", &record), EVENT_ERASURE);
    assert_int_equal(record.gone_ms, 0); /* a request is no receipt */
    assert_int_equal(decode("u17", NULL, &record), EVENT_BLANK);
}

static void what_is_no_erasure_is_refused_and_says_why(void **state)
{
    struct erase_record record;
    char id[ID_MAX + 2], long_value[ERASE_VALUE_MAX + 2];
    (void)state;
    memset(id, 'x', sizeof id - 1);
    id[sizeof id - 1] = 0;
    memset(long_value, ' ', sizeof long_value - 1);
    long_value[sizeof long_value - 1] = 0;
    assert_int_equal(decode("u17", "", &record), EVENT_MALFORMED);
    assert_int_equal(decode("u17", "true", &record), EVENT_MALFORMED);
    assert_int_equal(decode("u17", "{\"cut_ms\":", &record), EVENT_MALFORMED);
    assert_int_equal(decode("u17", "{\"cut_ms\": \"5\"}", &record), EVENT_BAD_TIME);
    assert_int_equal(decode("u17", "{\"cut_ms\": -1}", &record), EVENT_BAD_TIME);
    assert_int_equal(decode("u17", long_value, &record), EVENT_OVERSIZE);
    assert_int_equal(decode("", "{}", &record), EVENT_MISSING_FIELD);
    assert_int_equal(decode(id, "{}", &record), EVENT_OVERSIZE);
    assert_true(*event.why);
}

static void a_record_under_a_hash_reads_back(void **state)
{
    char key[ERASE_KEY_SIZE + 1], value[ERASE_VALUE_MAX];
    const struct erase_record told = {.hash = 0x9b1c5d0e6f7a8b90, .cut_ms = STAMP + 7};
    const struct erase_record receipt = {
        .hash = 0xb1c, .cut_ms = 1, .gone_ms = STAMP + 8, .topics_gone_ms = STAMP + 9};
    struct erase_record record;
    (void)state;
    assert_int_equal(erase_key_encode(told.hash, key), ERASE_KEY_SIZE);
    assert_string_equal(key, "erased:9b1c5d0e6f7a8b90");
    value[erase_value_encode(&told, value)] = 0;
    assert_int_equal(decode(key, value, &record), EVENT_ERASURE);
    assert_memory_equal(&record, &told, sizeof told);
    erase_key_encode(receipt.hash, key);
    value[erase_value_encode(&receipt, value)] = 0;
    assert_int_equal(decode(key, value, &record), EVENT_ERASURE);
    assert_memory_equal(&record, &receipt, sizeof receipt);
}

static void what_was_done_up_to_the_cut_is_dropped_and_nothing_else(void **state)
{
    struct cuts cuts = {0};
    struct user_cut *cut;
    struct event click = {.verdict = EVENT_ACCEPTED, .user = bytes_of("u17"), .time_ms = 100};
    (void)state;
    assert_int_equal(cuts_verdict(&cuts, &click), EVENT_ACCEPTED);
    assert_int_equal(cuts_raise(&cuts, identity_of("u17", 3), 100, &cut, NULL), STATUS_OK);
    assert_int_equal(cuts_verdict(&cuts, &click), EVENT_DROPPED);
    click.verdict = EVENT_PROFILE;
    assert_int_equal(cuts_verdict(&cuts, &click), EVENT_DROPPED);
    click.verdict = EVENT_MALFORMED;
    assert_int_equal(cuts_verdict(&cuts, &click), EVENT_MALFORMED);
    click.verdict = EVENT_ACCEPTED;
    click.time_ms = 101;
    assert_int_equal(cuts_verdict(&cuts, &click), EVENT_ACCEPTED);
    click = (struct event){.verdict = EVENT_ACCEPTED, .user = bytes_of("u18"), .time_ms = 100};
    assert_int_equal(cuts_verdict(&cuts, &click), EVENT_ACCEPTED);
    cuts_close(&cuts);
}

static void a_cut_only_rises_and_then_begins_anew(void **state)
{
    struct cuts cuts = {0};
    struct user_cut *cut;
    (void)state;
    for (uint64_t i = 0; i < MANY; i++) {
        assert_int_equal(cuts_raise(&cuts, splitmix64(i), (int64_t)i, &cut, NULL), STATUS_OK);
        cut->stage = CUT_KEPT;
    }
    for (uint64_t i = 0; i < MANY; i++) {
        cut = cuts_find(&cuts, splitmix64(i));
        assert_non_null(cut);
        assert_int_equal(cut->ms, i);
    }
    assert_int_equal(cuts.count, MANY);
    assert_null(cuts_find(&cuts, splitmix64(MANY)));
    assert_int_equal(cuts_raise(&cuts, splitmix64(9), 8, &cut, NULL), STATUS_OK);
    assert_int_equal(cut->ms, 9);
    assert_int_equal(cut->stage, CUT_KEPT);
    assert_int_equal(cuts_raise(&cuts, splitmix64(9), 10, &cut, NULL), STATUS_OK);
    assert_int_equal(cut->ms, 10);
    assert_int_equal(cut->stage, CUT_ASKED);
    cuts_close(&cuts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_cuts_at_the_time_of_its_record_or_before),
        cmocka_unit_test(what_is_no_erasure_is_refused_and_says_why),
        cmocka_unit_test(a_record_under_a_hash_reads_back),
        cmocka_unit_test(what_was_done_up_to_the_cut_is_dropped_and_nothing_else),
        cmocka_unit_test(a_cut_only_rises_and_then_begins_anew),
    };
    if (json_decoder_open(&json, ERASE_VALUE_MAX, NULL) != STATUS_OK) return 1;
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    json_decoder_close(json);
    return failed;
}

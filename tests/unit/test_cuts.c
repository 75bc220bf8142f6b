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

static void assert_says(const struct erase_record *record, const struct erase_record *told,
                        struct bytes group)
{
    assert_null(record->user.at);
    assert_true(bytes_equal(record->group, group));
    assert_int_equal(record->hash, told->hash);
    assert_int_equal(record->cut_ms, told->cut_ms);
    assert_int_equal(record->gone_ms, told->gone_ms);
    assert_int_equal(record->topics_gone_ms, told->topics_gone_ms);
}

static void a_record_under_a_hash_reads_back(void **state)
{
    char key[ERASE_KEY_SIZE + 8], value[ERASE_VALUE_MAX];
    const struct bytes group = bytes_of("a:group");
    const struct erase_record told = {.hash = 0x9b1c5d0e6f7a8b90, .cut_ms = STAMP + 7};
    const struct erase_record receipt = {
        .hash = 0xb1c, .cut_ms = 1, .gone_ms = STAMP + 8, .topics_gone_ms = STAMP + 9};
    struct erase_record record;
    (void)state;
    assert_int_equal(erase_key_encode(told.hash, group, key), ERASE_KEY_SIZE + group.size);
    assert_string_equal(key, "erased:9b1c5d0e6f7a8b90:a:group");
    value[erase_value_encode(&told, value)] = 0;
    assert_int_equal(decode(key, value, &record), EVENT_ERASURE);
    assert_says(&record, &told, group);
    erase_key_encode(receipt.hash, group, key);
    value[erase_value_encode(&receipt, value)] = 0;
    assert_int_equal(decode(key, value, &record), EVENT_ERASURE);
    assert_says(&record, &receipt, group);
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
        cut_move(&cuts, cut, CUT_KEPT);
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

static struct user_cut *cut_of(struct cuts *cuts, uint64_t hash)
{
    struct user_cut *cut = cuts_find(cuts, hash);
    assert_non_null(cut);
    return cut;
}

static void who_is_told_of_is_sought_unless_that_was_done(void **state)
{
    struct cuts cuts = {0};
    struct user_cut *cut;
    (void)state;
    assert_int_equal(cuts_tell(&cuts, 1, 100, CUT_SOUGHT, NULL), STATUS_OK);
    assert_int_equal(cut_of(&cuts, 1)->stage, CUT_SOUGHT);
    cuts_move(&cuts, CUT_SOUGHT, CUT_SEEKING);
    cuts_end_seeking(&cuts);
    assert_int_equal(cut_of(&cuts, 1)->stage, CUT_GONE);
    assert_int_equal(cuts_tell(&cuts, 1, 100, CUT_SOUGHT, NULL), STATUS_OK);
    assert_int_equal(cut_of(&cuts, 1)->stage, CUT_GONE); /* the same again */
    assert_int_equal(cuts_tell(&cuts, 1, 99, CUT_SOUGHT, NULL), STATUS_OK);
    assert_int_equal(cut_of(&cuts, 1)->stage, CUT_GONE);
    assert_int_equal(cuts_tell(&cuts, 1, 101, CUT_SOUGHT, NULL), STATUS_OK);
    assert_int_equal(cut_of(&cuts, 1)->stage, CUT_SOUGHT);
    assert_int_equal(cuts_raise(&cuts, 2, 50, &cut, NULL), STATUS_OK);
    assert_int_equal(cuts_tell(&cuts, 2, 40, CUT_SOUGHT, NULL), STATUS_OK);
    assert_int_equal(cut_of(&cuts, 2)->stage, CUT_ASKED); /* its request is yet to be read */
    assert_int_equal(cuts_tell(&cuts, 2, 50, CUT_SOUGHT, NULL), STATUS_OK);
    assert_int_equal(cut_of(&cuts, 2)->stage, CUT_SOUGHT); /* its request may be gone */
    assert_int_equal(cuts.of_stage[CUT_SOUGHT], 2);
    cuts_close(&cuts);
}

/* A cut that is raised while the files may have what was deleted for the lower one. */
static void a_receipt_that_is_owed_is_owed_until_it_is_given(void **state)
{
    struct cuts cuts = {0};
    (void)state;
    assert_int_equal(cuts_tell(&cuts, 1, 100, CUT_KEPT, NULL), STATUS_OK);
    assert_int_equal(cuts_tell(&cuts, 1, 200, CUT_SEEKING, NULL), STATUS_OK);
    cuts_end_seeking(&cuts);
    assert_int_equal(cut_of(&cuts, 1)->stage, CUT_KEPT); /* nobody was found, yet */
    cuts_move(&cuts, CUT_KEPT, CUT_SEALED);
    cuts_move(&cuts, CUT_SEALED, CUT_GONE);
    assert_int_equal(cuts_tell(&cuts, 1, 300, CUT_SEEKING, NULL), STATUS_OK);
    cuts_end_seeking(&cuts);
    assert_int_equal(cut_of(&cuts, 1)->stage, CUT_GONE);
    cuts_close(&cuts);
}

static void what_came_to_nothing_has_raised_no_cut(void **state)
{
    struct cuts cuts = {0};
    struct user_cut *cut;
    (void)state;
    assert_int_equal(cuts_raise(&cuts, 1, 100, &cut, NULL), STATUS_OK);
    cut_take(&cuts, cut, 150);
    assert_int_equal(cut->ms, 150);
    assert_int_equal(cuts_tell(&cuts, 2, 100, CUT_SOUGHT, NULL), STATUS_OK);
    cut_take(&cuts, cut_of(&cuts, 2), 90);
    assert_int_equal(cut_of(&cuts, 2)->ms, 100);
    cut_move(&cuts, cut_of(&cuts, 2), CUT_CLOSED);
    cuts_undo(&cuts);
    assert_int_equal(cut_of(&cuts, 1)->ms, 100);
    assert_int_equal(cut_of(&cuts, 1)->stage, CUT_ASKED);
    assert_int_equal(cut_of(&cuts, 2)->stage, CUT_SOUGHT);
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
        cmocka_unit_test(who_is_told_of_is_sought_unless_that_was_done),
        cmocka_unit_test(a_receipt_that_is_owed_is_owed_until_it_is_given),
        cmocka_unit_test(what_came_to_nothing_has_raised_no_cut),
    };
    if (json_decoder_open(&json, ERASE_VALUE_MAX, NULL) != STATUS_OK) return 1;
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    json_decoder_close(json);
    return failed;
}

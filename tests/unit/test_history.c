/* test_history.c - growth of a history against its formula, and records that must be refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/checksum.h"
#include "state/history.h"

enum { SEED = 7 };

static uint64_t random_below(uint64_t *seed, uint64_t bound)
{
    *seed = splitmix64(*seed);
    return *seed % bound;
}

static struct history_behavior behavior_at(uint64_t ordinal)
{
    return history_behavior_of(splitmix64(ordinal), (int64_t)(1000 + ordinal), 3);
}

/* A user of n behaviors. */
static struct history user_of(uint64_t start, uint64_t events, uint32_t history_max)
{
    struct history history;
    history_init(&history, 1);
    for (uint64_t n = 0; n < events; n++) {
        if (n == start) history.start = history.from = start, history.before_ms = HISTORY_NO_TIME;
        (void)history_append(&history, behavior_at(n), (int64_t)n, history_max);
    }
    return history;
}

static void from_jumps_to_a_quarter_whenever_the_history_is_full(void **state)
{
    (void)state;
    uint64_t seed = SEED;
    for (int life = 0; life < 200; life++) {
        uint64_t start = random_below(&seed, 1000);
        uint32_t max = 128 * (uint32_t)(1 + random_below(&seed, 8));
        uint64_t from = start;
        for (uint64_t n = start; n < start + 5000; n++) {
            if (n - from == max) from = n - max / 4;
            assert_int_equal(history_from(start, n, max), from);
        }
    }
}

static void append_agrees_with_the_law_of_from_in_every_life(void **state)
{
    (void)state;
    uint64_t seed = SEED;
    for (int user = 0; user < 50; user++) {
        uint32_t max = 128 * (uint32_t)(1 + random_below(&seed, 4));
        uint64_t events = 0;
        struct history history;
        history_init(&history, 1);
        for (int life = 0; life < 3; life++) {
            history.start = history.from = events;
            history.before_ms = HISTORY_NO_TIME;
            for (uint64_t left = 1 + random_below(&seed, 2000); left > 0; left--) {
                uint64_t before = history.from;
                bool jumped = history_append(&history, behavior_at(events), 0, max);
                events++;
                assert_int_equal(history_events(&history), events);
                assert_int_equal(history.from, history_from(history.start, events, max));
                assert_int_equal(jumped, history.from != before);
            }
        }
    }
}

static void a_smaller_limit_cuts_at_once_and_a_larger_one_brings_nothing_back(void **state)
{
    (void)state;
    struct history history = user_of(0, 1000, 4096);
    assert_int_equal(history.from, 0);
    assert_true(history_append(&history, behavior_at(1000), 1000, 256));
    uint64_t from = history.from;
    assert_int_equal(from, history_from(0, 1001, 256));
    assert_false(history_append(&history, behavior_at(1001), 1001, 4096));
    assert_int_equal(history.from, from);
}

static void appending_keeps_the_last_32_and_their_ordinals(void **state)
{
    (void)state;
    for (uint64_t n = 1; n < 100; n++) {
        struct history history = user_of(0, n, 4096);
        assert_int_equal(history.first, (n - 1) / 32 * 32);
        assert_int_equal(history_events(&history), n);
        assert_int_equal(history_full(&history), n % 32 == 0);
        for (uint32_t i = 0; i < history.count; i++) {
            assert_int_equal(history.at[i].item, behavior_at(history.first + i).item);
        }
        assert_int_equal(history.source_offset, n - 1);
        assert_int_equal(history.event_ms, 1000 + n - 1);
    }
}

static void the_latest_time_is_that_of_the_life_and_not_of_the_last_event(void **state)
{
    (void)state;
    struct history history;
    history_init(&history, 1);
    assert_int_equal(history_last_ms(&history), HISTORY_NO_TIME);
    history_append(&history, history_behavior_of(1, 500, 0), 0, 128);
    history_append(&history, history_behavior_of(2, 900, 0), 1, 128);
    history_append(&history, history_behavior_of(3, 700, 0), 2, 128);
    assert_int_equal(history_last_ms(&history), 900);
    history.start = history.from = 2;
    assert_int_equal(history_last_ms(&history), 700);
    for (int i = 0; i < 30; i++) {
        history_append(&history, history_behavior_of(4, 600, 0), 3 + i, 128);
    }
    assert_int_equal(history.first, 32);
    assert_int_equal(history.before_ms, 700);
    assert_int_equal(history_last_ms(&history), 700);
}

static void an_append_ends_a_tombstone(void **state)
{
    (void)state;
    struct history history = user_of(0, 3, 128);
    history.tombstone = true;
    history_append(&history, behavior_at(3), 3, 128);
    assert_false(history.tombstone);
}

static void assert_same(const struct history *a, const struct history *b)
{
    assert_int_equal(a->first, b->first);
    assert_int_equal(a->count, b->count);
    assert_int_equal(a->tombstone, b->tombstone);
    assert_int_equal(a->start, b->start);
    assert_int_equal(a->from, b->from);
    assert_int_equal(a->before_ms, b->before_ms);
    assert_int_equal(a->generation, b->generation);
    assert_int_equal(a->source_offset, b->source_offset);
    const uint64_t before = a->start > a->first ? a->start - a->first : 0; /* is not kept */
    if (before < a->count) assert_int_equal(a->event_ms, b->event_ms);
    assert_int_equal(a->hour, b->hour);
    assert_int_equal(a->hour_events, b->hour_events);
    for (uint64_t i = before; i < a->count; i++) {
        assert_memory_equal(&a->at[i], &b->at[i], sizeof a->at[i]);
    }
}

static void a_record_reads_back_as_it_was_written(void **state)
{
    (void)state;
    uint8_t record[HISTORY_RECORD_MAX];
    struct error error;
    uint64_t seed = SEED;
    for (int i = 0; i < 500; i++) {
        uint64_t start = random_below(&seed, 400);
        struct history history = user_of(start, start + random_below(&seed, 1500), 256);
        history.tombstone = random_below(&seed, 2);
        history.generation = splitmix64(seed) >> random_below(&seed, 64);
        if (random_below(&seed, 8) == 0) history.source_offset = INT64_MAX;
        if (random_below(&seed, 2) == 0) {
            history.hour = random_below(&seed, 500000);
            history.hour_events = 1 + (uint32_t)random_below(&seed, 1000);
        }
        size_t size = history_encode(&history, record);
        assert_in_range(size, 1, sizeof record);
        struct history read;
        assert_int_equal(history_decode(&read, (struct bytes){record, size}, &error), STATUS_OK);
        assert_same(&history, &read);
    }
}

static void a_typical_record_spends_24_bytes_beside_its_behaviors(void **state)
{
    (void)state;
    uint8_t record[HISTORY_RECORD_MAX];
    struct history history = user_of(0, 300, 4096);
    history.before_ms = 1700000000000;
    history.source_offset = 100000000;
    size_t behaviors = history.count * (size_t)HISTORY_BEHAVIOR_SIZE;
    assert_in_range(history_encode(&history, record), behaviors, behaviors + 24);
}

static void any_cut_or_flipped_bit_is_corrupt(void **state)
{
    (void)state;
    uint8_t record[HISTORY_RECORD_MAX];
    struct history history = user_of(0, 40, 4096), read;
    size_t size = history_encode(&history, record);
    for (size_t cut = 0; cut < size; cut++) {
        struct bytes bytes = {record, cut};
        assert_int_equal(history_decode(&read, bytes, NULL), STATUS_CORRUPT);
    }
    for (size_t bit = 0; bit < size * 8; bit++) {
        record[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(history_decode(&read, (struct bytes){record, size}, NULL), STATUS_CORRUPT);
        record[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

/* Recomputes the checksum of a record that a test has tampered with. */
static struct bytes resealed(uint8_t *record, size_t size)
{
    uint64_t sum = checksum_of(record, size - 4);
    for (size_t i = 0; i < 4; i++) {
        record[size - 4 + i] = (uint8_t)(sum >> (8 * i));
    }
    return (struct bytes){record, size};
}

static void a_record_with_a_good_checksum_that_contradicts_itself_is_corrupt(void **state)
{
    (void)state;
    /* Offsets of one-byte fields in the record of a user with 40 behaviors. */
    static const struct {
        size_t at;
        uint8_t value;
    } lies[] = {
        {0, 0},    /* format 0 */
        {1, 2},    /* a flag that does not exist */
        {2, 33},   /* more behaviors than fit */
        {2, 7},    /* fewer than are there */
        {3, 0},    /* chunk 0, and yet a time before it */
        {4, 41},   /* begins after its end */
        {5, 41},   /* folds from after its end */
        {4, 35},   /* a life that begins inside the chunk, and yet a time before it */
        {3, 0x80}, /* shifts every field after it */
    };
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        uint8_t record[HISTORY_RECORD_MAX];
        struct history history = user_of(0, 40, 4096), read;
        size_t size = history_encode(&history, record);
        assert_int_equal(record[2], 8);
        assert_int_equal(record[3], 1);
        record[lies[i].at] = lies[i].value;
        assert_int_equal(history_decode(&read, resealed(record, size), NULL), STATUS_CORRUPT);
    }
}

static void a_newer_format_is_refused_with_a_remedy(void **state)
{
    (void)state;
    uint8_t record[HISTORY_RECORD_MAX];
    struct history history = user_of(0, 40, 4096);
    struct error error;
    size_t size = history_encode(&history, record);
    record[0] = 6;
    assert_int_equal(history_decode(&history, resealed(record, size), &error), STATUS_REFUSED);
    assert_non_null(strstr(error.text, "run the version of Braid"));
}

static void keys_read_back_and_no_chunk_has_the_seals(void **state)
{
    (void)state;
    static const char *const users[] = {"", "u", "\xFF\xFF", "user with spaces"};
    uint8_t key[HISTORY_KEY_MAX];
    for (size_t i = 0; i < sizeof users / sizeof users[0]; i++) {
        struct bytes user = bytes_of(users[i]), read;
        uint64_t chunk;
        size_t size = history_key_encode(user, 0x0102030405060708u, key);
        assert_int_equal(history_key_decode((struct bytes){key, size}, &read, &chunk, NULL),
                         STATUS_OK);
        assert_true(bytes_equal(user, read));
        assert_true(chunk == 0x0102030405060708u);
        assert_false(history_is_seal((struct bytes){key, size}));
        assert_int_equal(history_key_decode((struct bytes){key, size - 1}, &read, &chunk, NULL),
                         STATUS_CORRUPT);
    }
    struct bytes seal = {history_seal_key, sizeof history_seal_key}, user;
    uint64_t chunk;
    assert_true(history_is_seal(seal));
    assert_int_equal(history_key_decode(seal, &user, &chunk, NULL), STATUS_CORRUPT);
}

static void chunks_of_a_user_sort_by_ordinal(void **state)
{
    (void)state;
    uint8_t a[HISTORY_KEY_MAX], b[HISTORY_KEY_MAX];
    for (uint64_t chunk = 0; chunk < 1000; chunk++) {
        size_t size = history_key_encode(bytes_of("u"), chunk, a);
        history_key_encode(bytes_of("u"), chunk + 1, b);
        assert_true(memcmp(a, b, size) < 0);
    }
}

static void a_seal_reads_back_and_is_as_strict(void **state)
{
    (void)state;
    const struct history_seal seal = {
        .number = 9,
        .source_identity = 0xFEDCBA9876543210u,
        .partitions = 16,
        .next_offset = 123456789,
        .generation = 2,
        .target = 3,
        .sweep = 77,
        .watermark_ms = HISTORY_NO_TIME,
        .lost = 12,
        .checkpoint = 0x0123456789ABCDEFu,
        .decoding = {1, 0, 0xFFFFFFFFu, [HISTORY_DECODING_MAX - 1] = 5},
        .range = {.first = 17, .end = 1234567890123, .bound = 0x89ABCDEFu, .cut_ms = 1714521600000},
        .next_profile = 987654321,
        .next_erasure = 87654321,
    };
    uint8_t record[HISTORY_SEAL_MAX];
    struct history_seal read = {0};
    struct bytes bytes = {record, history_seal_encode(&seal, record)};
    assert_int_equal(history_seal_decode(&read, bytes, NULL), STATUS_OK);
    assert_memory_equal(&read, &seal, sizeof seal);
    for (size_t bit = 0; bit < bytes.size * 8; bit++) {
        record[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(history_seal_decode(&read, bytes, NULL), STATUS_CORRUPT);
        record[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    record[0] = 7;
    assert_int_equal(history_seal_decode(&read, resealed(record, bytes.size), NULL),
                     STATUS_REFUSED);
    record[0] = 6;
    memset(record + 1, 0, 8); /* seals count from 1 */
    assert_int_equal(history_seal_decode(&read, resealed(record, bytes.size), NULL),
                     STATUS_CORRUPT);
}

static void a_seal_of_format_1_is_read_and_does_not_know_what_it_was_made_with(void **state)
{
    (void)state;
    const struct history_seal seal = {
        .number = 9,
        .partitions = 16,
        .next_offset = 5,
        .generation = 2,
        .target = 2,
        .watermark_ms = HISTORY_NO_TIME,
    };
    uint8_t record[HISTORY_SEAL_MAX];
    struct history_seal read;
    memset(&read, 0xFF, sizeof read);
    size_t size = history_seal_encode(&seal, record);
    record[0] = 1;
    size -= 8 + 8 + 1 + 20; /* no lost events, no checkpoint, no fingerprints, no range */
    assert_int_equal(size, 65);
    assert_int_equal(history_seal_decode(&read, resealed(record, size), NULL), STATUS_OK);
    assert_memory_equal(&read, &seal, sizeof seal);
}

static void a_seal_of_format_2_is_read_and_has_no_range(void **state)
{
    (void)state;
    const struct history_seal seal = {.number = 9, .partitions = 16, .lost = 3, .decoding = {7}};
    uint8_t record[HISTORY_SEAL_MAX];
    struct history_seal read;
    memset(&read, 0xFF, sizeof read);
    const size_t size = history_seal_encode(&seal, record) - 20;
    record[0] = 2;
    assert_int_equal(history_seal_decode(&read, resealed(record, size), NULL), STATUS_OK);
    assert_memory_equal(&read, &seal, sizeof seal);
}

static void fingerprints_that_a_later_build_added_to_a_seal_are_passed_over(void **state)
{
    (void)state;
    const struct history_seal seal = {
        .number = 1, .partitions = 1, .decoding = {[HISTORY_DECODING_MAX - 1] = 7}};
    uint8_t record[HISTORY_SEAL_MAX + 4];
    struct history_seal read;
    size_t size = history_seal_encode(&seal, record);
    record[size - 4 - 20 - 4 * HISTORY_DECODING_MAX - 1]++; /* one more: */
    memset(record + size - 4, 0, 4);                        /* where the checksum was */
    assert_int_equal(history_seal_decode(&read, resealed(record, size + 4), NULL), STATUS_OK);
    assert_memory_equal(&read, &seal, sizeof seal);
}

/* Appends behaviors of which some say a feature; `values[n]` is what is in force after n of them. */
static struct history profiled(uint64_t events, uint64_t each, uint64_t (*values)[HISTORY_FEATURES])
{
    struct history history;
    uint64_t seed = SEED;
    history_init(&history, 1);
    memset(values[0], 0, sizeof *values);
    for (uint64_t n = 0; n < events; n++) {
        history_append(&history, behavior_at(n), (int64_t)n, 4096);
        memcpy(values[n + 1], values[n], sizeof *values);
        if (random_below(&seed, each)) continue;
        const uint32_t feature = (uint32_t)random_below(&seed, HISTORY_FEATURES);
        values[n + 1][feature] = 1 + random_below(&seed, 3);
        history_set_feature(&history, feature, values[n + 1][feature]);
    }
    return history;
}

static void assert_profile(const struct history *history, uint64_t events,
                           const uint64_t expected[HISTORY_FEATURES])
{
    uint64_t values[HISTORY_FEATURES];
    history_profile_at(history, events, values);
    assert_memory_equal(values, expected, sizeof values);
}

static void a_profile_is_what_was_said_last_before_each_behavior(void **state)
{
    (void)state;
    static uint64_t values[401][HISTORY_FEATURES];
    for (uint64_t events = 1; events <= 400; events++) {
        const struct history history = profiled(events, 6, values); /* few changes in a chunk */
        for (uint64_t n = history.first; n <= events; n++) {
            if (n > 0) assert_profile(&history, n, values[n]);
        }
    }
}

static void however_much_changes_a_profile_is_exact_at_the_end_of_a_history(void **state)
{
    (void)state;
    static uint64_t values[201][HISTORY_FEATURES];
    for (uint64_t events = 1; events <= 200; events++) {
        const struct history history = profiled(events, 1, values);
        assert_profile(&history, events, values[events]);
        assert_true(history.profile.changes <= HISTORY_CHANGES);
    }
}

static void a_profile_comes_back_from_its_record(void **state)
{
    (void)state;
    static uint64_t values[101][HISTORY_FEATURES];
    for (uint64_t events = 0; events <= 100; events++) {
        const struct history history = profiled(events, 1 + events % 5, values);
        uint8_t record[HISTORY_RECORD_MAX];
        struct history read;
        const size_t size = history_encode(&history, record);
        assert_int_equal(history_decode(&read, (struct bytes){record, size}, NULL), STATUS_OK);
        for (uint64_t n = history.first; n <= events; n++) {
            uint64_t expected[HISTORY_FEATURES];
            history_profile_at(&history, n, expected);
            assert_profile(&read, n, expected);
        }
        for (size_t cut = 0; cut < size; cut++) {
            assert_int_equal(history_decode(&read, (struct bytes){record, cut}, NULL),
                             STATUS_CORRUPT);
        }
    }
}

/* What waits of a whole profile, said between any two behaviors, as often as one likes. */
static void a_profile_that_is_set_between_behaviors_comes_with_the_next_one(void **state)
{
    (void)state;
    struct history history;
    uint64_t said[HISTORY_FEATURES] = {0}, now[HISTORY_FEATURES] = {0};
    uint64_t seed = SEED;
    history_init(&history, 1);
    for (uint64_t n = 0; n < 400; n++) {
        for (uint64_t times = random_below(&seed, 3); times > 0; times--) {
            for (uint32_t i = 0; i < HISTORY_FEATURES; i++) {
                said[i] = random_below(&seed, 3);
            }
            history_set_profile(&history, said);
        }
        uint8_t record[HISTORY_RECORD_MAX];
        struct history read;
        const size_t size = history_encode(&history, record);
        assert_int_equal(history_decode(&read, (struct bytes){record, size}, NULL), STATUS_OK);
        assert_profile(&read, n, now); /* also of a user without behaviors */
        for (size_t cut = 0; cut < size; cut++) {
            assert_int_equal(history_decode(&history, (struct bytes){record, cut}, NULL),
                             STATUS_CORRUPT);
        }
        history = read;
        history_append(&history, behavior_at(n), (int64_t)n, 4096);
        memcpy(now, said, sizeof now);
        assert_profile(&history, n + 1, now);
    }
}

static void a_user_of_whom_nothing_is_known_has_the_record_it_always_had(void **state)
{
    (void)state;
    const struct history history = user_of(0, 40, 128);
    uint8_t record[HISTORY_RECORD_MAX];
    history_encode(&history, record);
    assert_int_equal(record[0], 1);
}

/* What history_encode could not have written. */
static void a_profile_that_makes_no_sense_is_refused(void **state)
{
    (void)state;
    struct history history = user_of(0, 3, 128), read;
    uint8_t record[HISTORY_RECORD_MAX];
    history_set_feature(&history, 2, 77);
    static const struct {
        uint8_t at, feature, changes;
    } bad[] = {{3, 2, 1}, {2, 2, 9}, {2, 2, 0}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct history wrong = history;
        wrong.profile.at[0] = bad[i].at;
        size_t size = history_encode(&wrong, record);
        if (bad[i].changes != 1) { /* the count stands before nine bytes and the behaviors */
            uint8_t *count = record + size - 4 - 3 * HISTORY_BEHAVIOR_SIZE - 9 - 1;
            assert_int_equal(*count, 1);
            *count = bad[i].changes;
            const uint32_t sum = (uint32_t)checksum_of(record, size - 4);
            for (int b = 0; b < 4; b++) {
                record[size - 4 + (size_t)b] = (uint8_t)(sum >> (8 * b));
            }
        }
        assert_int_equal(history_decode(&read, (struct bytes){record, size}, NULL), STATUS_CORRUPT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(from_jumps_to_a_quarter_whenever_the_history_is_full),
        cmocka_unit_test(append_agrees_with_the_law_of_from_in_every_life),
        cmocka_unit_test(a_smaller_limit_cuts_at_once_and_a_larger_one_brings_nothing_back),
        cmocka_unit_test(appending_keeps_the_last_32_and_their_ordinals),
        cmocka_unit_test(the_latest_time_is_that_of_the_life_and_not_of_the_last_event),
        cmocka_unit_test(an_append_ends_a_tombstone),
        cmocka_unit_test(a_record_reads_back_as_it_was_written),
        cmocka_unit_test(a_typical_record_spends_24_bytes_beside_its_behaviors),
        cmocka_unit_test(any_cut_or_flipped_bit_is_corrupt),
        cmocka_unit_test(a_record_with_a_good_checksum_that_contradicts_itself_is_corrupt),
        cmocka_unit_test(a_newer_format_is_refused_with_a_remedy),
        cmocka_unit_test(keys_read_back_and_no_chunk_has_the_seals),
        cmocka_unit_test(a_profile_is_what_was_said_last_before_each_behavior),
        cmocka_unit_test(however_much_changes_a_profile_is_exact_at_the_end_of_a_history),
        cmocka_unit_test(a_profile_comes_back_from_its_record),
        cmocka_unit_test(a_profile_that_is_set_between_behaviors_comes_with_the_next_one),
        cmocka_unit_test(a_user_of_whom_nothing_is_known_has_the_record_it_always_had),
        cmocka_unit_test(a_profile_that_makes_no_sense_is_refused),
        cmocka_unit_test(chunks_of_a_user_sort_by_ordinal),
        cmocka_unit_test(a_seal_reads_back_and_is_as_strict),
        cmocka_unit_test(a_seal_of_format_1_is_read_and_does_not_know_what_it_was_made_with),
        cmocka_unit_test(a_seal_of_format_2_is_read_and_has_no_range),
        cmocka_unit_test(fingerprints_that_a_later_build_added_to_a_seal_are_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

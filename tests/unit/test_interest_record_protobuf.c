/*
 * test_interest_record_protobuf.c - the published record in Protobuf: round trips, and damaged
 * bytes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/random.h"
#include "stream/interests/interest_record.h"

enum { ROOM_SIZE = 1 << 16, SEED = 20240501 };

static uint8_t encoded[ROOM_SIZE];
static uint8_t room[ROOM_SIZE];

static const float vectors[] = {0.5f, -1, 0, 3, 1e-30f, 7};
static const float weights[] = {0.75f, 0.25f};

static struct interest_record record_of(const char *user, uint32_t count)
{
    return (struct interest_record){.user = bytes_of(user),
                                    .generation = 7,
                                    .from = 32,
                                    .events = (uint64_t)1 << 40,
                                    .event_ms = 1700000000123,
                                    .partition = 3,
                                    .offset = (int64_t)1 << 50,
                                    .count = count,
                                    .width = 3,
                                    .vectors = vectors,
                                    .weights = weights};
}

static void expect_round_trip(const struct interest_record *record)
{
    struct interest_record read;
    struct error error;
    const size_t size = interest_record_encode_protobuf(record, encoded);
    assert_true(size <= interest_record_size_max((uint32_t)record->user.size, record->count,
                                                 record->width, CONFIG_VECTORS_BASE64));
    if (interest_record_decode_protobuf((struct bytes){encoded, size}, room, sizeof room, &read,
                                        &error) != STATUS_OK) {
        fail_msg("%s", error.text);
    }
    assert_true(bytes_equal(record->user, read.user));
    assert_int_equal(record->event_ms, read.event_ms);
    assert_int_equal(record->count, read.count);
    assert_int_equal(read.checksum, interest_record_checksum(record));
    assert_int_equal(interest_record_checksum(&read), read.checksum); /* covers every field */
}

static void a_record_survives_the_round_trip(void **state)
{
    (void)state;
    struct interest_record record = record_of("u1", 2);
    expect_round_trip(&record);
    record = record_of("no interests yet", 0);
    expect_round_trip(&record);
    record = record_of("with an intent", 2);
    record.intent = vectors + 2;
    expect_round_trip(&record);
    record.offset = 0;
    record.event_ms = -1;
    expect_round_trip(&record);
}

static void arrays_that_contradict_each_other_are_refused(void **state)
{
    (void)state;
    struct interest_record record = record_of("u1", 2), read;
    struct error error;
    const size_t size = interest_record_encode_protobuf(&record, encoded);
    /* Field 8 (width), a varint: 0x40 0x03. */
    uint8_t *width = memmem(encoded, size, "\x40\x03", 2);
    assert_non_null(width);
    width[1] = 2;
    assert_int_equal(interest_record_decode_protobuf((struct bytes){encoded, size}, room,
                                                     sizeof room, &read, &error),
                     STATUS_CORRUPT);
    assert_non_null(strstr(error.text, "are not 2 vectors of 2"));
}

static void a_record_cut_or_too_large_for_its_room_is_refused(void **state)
{
    (void)state;
    struct interest_record record = record_of("u1", 2), read;
    struct error error;
    const size_t size = interest_record_encode_protobuf(&record, encoded);
    assert_int_equal(interest_record_decode_protobuf((struct bytes){encoded, size - 1}, room,
                                                     sizeof room, &read, &error),
                     STATUS_CORRUPT);
    assert_int_equal(
        interest_record_decode_protobuf((struct bytes){encoded, size}, room, 64, &read, &error),
        STATUS_CORRUPT);
}

static void random_damage_never_reads_beyond_the_record(void **state)
{
    (void)state;
    struct random random = random_seeded(SEED);
    for (int i = 0; i < 20000; i++) {
        struct interest_record record = record_of("u1", 2), read;
        struct error error;
        const size_t size = interest_record_encode_protobuf(&record, encoded);
        for (int j = 0; j < 3; j++) {
            encoded[random_below(&random, size)] = (uint8_t)random_below(&random, 256);
        }
        if (interest_record_decode_protobuf((struct bytes){encoded, size}, room, sizeof room, &read,
                                            &error) == STATUS_OK) {
            interest_record_checksum(&read); /* reads every byte that it names */
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_survives_the_round_trip),
        cmocka_unit_test(arrays_that_contradict_each_other_are_refused),
        cmocka_unit_test(a_record_cut_or_too_large_for_its_room_is_refused),
        cmocka_unit_test(random_damage_never_reads_beyond_the_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

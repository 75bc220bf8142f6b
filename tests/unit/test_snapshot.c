/* test_snapshot.c - a snapshot comes back whole or not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "state/snapshot.h"

enum { STATE_SIZE = 96 };

static const struct snapshot_stamp stamp = {.generation = 3,
                                            .fingerprint = 0xABCDEF,
                                            .from = 96,
                                            .events = 500,
                                            .absorbed = 390,
                                            .last_ms = -1};

static struct bytes encode(uint8_t *value)
{
    uint8_t state[STATE_SIZE];
    for (size_t i = 0; i < sizeof state; i++) {
        state[i] = (uint8_t)(i * 7);
    }
    return (struct bytes){value, snapshot_encode(&stamp, state, sizeof state, value)};
}

static void stamp_and_state_come_back(void **state)
{
    (void)state;
    uint8_t value[SNAPSHOT_OVERHEAD + STATE_SIZE], read[STATE_SIZE];
    struct snapshot_stamp found = {0};
    assert_true(snapshot_decode(encode(value), &found, read, sizeof read));
    assert_memory_equal(&found, &stamp, sizeof stamp);
    for (size_t i = 0; i < sizeof read; i++) {
        assert_int_equal(read[i], (uint8_t)(i * 7));
    }
}

static void damage_and_other_sizes_are_not_decoded(void **state)
{
    (void)state;
    uint8_t value[SNAPSHOT_OVERHEAD + STATE_SIZE], read[STATE_SIZE + 1];
    struct snapshot_stamp found;
    struct bytes bytes = encode(value);
    for (size_t bit = 0; bit < bytes.size * 8; bit++) {
        value[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_false(snapshot_decode(bytes, &found, read, STATE_SIZE));
        value[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_false(snapshot_decode(bytes, &found, read, STATE_SIZE - 1));
    assert_false(snapshot_decode(bytes, &found, read, STATE_SIZE + 1));
    for (size_t cut = 0; cut < bytes.size; cut++) {
        assert_false(snapshot_decode((struct bytes){value, cut}, &found, read, STATE_SIZE));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stamp_and_state_come_back),
        cmocka_unit_test(damage_and_other_sizes_are_not_decoded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

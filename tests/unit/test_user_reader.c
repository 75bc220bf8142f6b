/*
 * test_user_reader.c - what is read of a user out of a store is the fold of its history, whether
 * from a state that was kept or from nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/checksum.h"
#include "base/random.h"
#include "model/checkpoint.h"
#include "stream/query/user_reader.h"
#include "tests/store/store_memory.h"
#include "tests/unit/job_fixture.h"

enum { HISTORY_MAX = 256, USERS = 40, STEPS = 600, STEP_MAX = 90 };

static struct fixture fixture;
static struct checkpoint *checkpoint;
static struct interest_model *model;
static struct store *store;
static struct store_ops stores; /* store_memory, that counts the chunks that are looked up */
static uint32_t chunks;

static enum status count_look(struct store *of, enum store_space space, const struct store_key *key,
                              store_found *found, void *context, struct error *error)
{
    chunks += space == STORE_CHUNKS;
    return store_memory.look(of, space, key, found, context, error);
}

static int open_all(void **state)
{
    (void)state;
    const struct store_identity identity = {.source = 1, .partition = 0, .partitions = 1};
    const struct store_options options = {1 << 20, 1 << 20};
    fixture_open(&fixture, 1);
    stores = store_memory;
    stores.look = count_look;
    if (checkpoint_open(&checkpoint, fixture.checkpoint, NULL) != STATUS_OK) return -1;
    if (interest_model_open(&model, checkpoint, NULL) != STATUS_OK) return -1;
    return stores.open(&store, "users", &identity, &options, NULL) != STATUS_OK;
}

static int close_all(void **state)
{
    (void)state;
    stores.close(store);
    interest_model_close(model);
    checkpoint_close(checkpoint);
    fixture_close(&fixture);
    return 0;
}

static void put(enum store_space space, struct bytes user, const struct history *history)
{
    uint8_t record[HISTORY_RECORD_MAX];
    const struct store_position position = {.next = 1};
    const struct store_write write = {
        .space = space,
        .key = {user, space == STORE_CHUNKS ? history->first / HISTORY_CHUNK_BEHAVIORS : 0},
        .value = {record, history_encode(history, record)}};
    assert_int_equal(stores.commit(store, &write, 1, &position, NULL), STATUS_OK);
}

static int64_t time_of(uint64_t ordinal)
{
    return 1000000 + (int64_t)ordinal * 1000;
}

/* The user goes on by some behaviors of items that the model mostly knows. */
static void act(struct bytes user, struct history *history, uint32_t behaviors,
                struct random *random)
{
    for (uint32_t i = 0; i < behaviors; i++) {
        char item[16];
        const int size = snprintf(item, sizeof item, "i%u", (unsigned)(random_below(random, 50)));
        const uint64_t n = history_events(history);
        const struct history_behavior behavior =
            history_behavior_of(identity_of(item, (size_t)size), time_of(n), 0);
        if (history_full(history)) put(STORE_CHUNKS, user, history);
        history_append(history, behavior, (int64_t)n, HISTORY_MAX);
    }
    put(STORE_USERS, user, history);
}

/* Reads the user with both readers, which must see the same bits. */
static void compare(struct user_reader *keeping, struct user_reader *other, struct bytes user)
{
    const size_t width = interest_model_width(model);
    struct user_history kept = {0}, whole = {0};
    struct user_view a, b;
    assert_int_equal(user_reader_history(keeping, &stores, store, 0, user, false, &kept, NULL),
                     STATUS_OK);
    assert_int_equal(user_reader_view(keeping, &kept, &a, NULL), STATUS_OK);
    assert_int_equal(user_reader_history(other, &stores, store, 0, user, false, &whole, NULL),
                     STATUS_OK);
    assert_int_equal(user_reader_view(other, &whole, &b, NULL), STATUS_OK);
    assert_int_equal(a.count, b.count);
    assert_int_equal(a.absorbed, b.absorbed);
    assert_memory_equal(a.vectors, b.vectors, b.count * width * sizeof(real));
    assert_memory_equal(a.weights, b.weights, b.count * sizeof(real));
    user_history_close(&kept);
    user_history_close(&whole);
}

/* Looks the user up; returns how many chunks that took. */
static uint32_t chunks_to_view(struct user_reader *reader, struct bytes user, uint64_t absorbed)
{
    struct user_history found = {0};
    struct user_view view;
    chunks = 0;
    assert_int_equal(user_reader_history(reader, &stores, store, 0, user, false, &found, NULL),
                     STATUS_OK);
    assert_int_equal(user_reader_view(reader, &found, &view, NULL), STATUS_OK);
    assert_int_equal(view.absorbed, absorbed);
    user_history_close(&found);
    return chunks;
}

static void a_state_that_was_kept_and_what_came_since_is_the_whole_fold(void **state)
{
    (void)state;
    static struct history histories[USERS];
    struct folded_states *states;
    struct user_reader *keeping, *other;
    struct random random = random_seeded(7);
    /* Fewer slots than users: some are evicted. */
    const size_t size = (size_t)USERS / 2 * (interest_model_state_size(model) + 2048);
    assert_int_equal(folded_states_open(&states, size, model, 64, NULL), STATUS_OK);
    assert_non_null(states);
    assert_int_equal(user_reader_open(&keeping, model, states, NULL), STATUS_OK);
    assert_int_equal(user_reader_open(&other, model, NULL, NULL), STATUS_OK);
    for (uint32_t u = 0; u < USERS; u++) {
        history_init(&histories[u], 1);
    }
    for (uint32_t step = 0; step < STEPS; step++) {
        char name[16];
        const uint32_t u = (uint32_t)(random_below(&random, USERS));
        const struct bytes user = {name, (size_t)snprintf(name, sizeof name, "u%u", u)};
        act(user, &histories[u], 1 + (uint32_t)(random_below(&random, STEP_MAX)), &random);
        compare(keeping, other, user);
    }
    user_reader_close(keeping);
    user_reader_close(other);
    folded_states_close(states);
}

static void of_a_user_asked_for_again_no_chunk_is_read_twice(void **state)
{
    (void)state;
    struct history history;
    struct folded_states *states;
    struct user_reader *reader, *other;
    struct random random = random_seeded(8);
    const struct bytes user = bytes_of("again");
    assert_int_equal(folded_states_open(&states, 1 << 20, model, 64, NULL), STATUS_OK);
    assert_int_equal(user_reader_open(&reader, model, states, NULL), STATUS_OK);
    assert_int_equal(user_reader_open(&other, model, NULL, NULL), STATUS_OK);
    history_init(&history, 1);
    act(user, &history, 150, &random);
    compare(reader, other, user);
    act(user, &history, 1, &random);
    assert_int_equal(chunks_to_view(reader, user, 151), 0);
    user_reader_close(reader);
    user_reader_close(other);
    folded_states_close(states);
}

/* Saves the user's state of now, which is in `states`, as a snapshot. */
static void save_snapshot(struct folded_states *states, struct bytes user,
                          const struct history *history)
{
    static uint8_t state[1 << 16], value[(1 << 16) + SNAPSHOT_OVERHEAD];
    const size_t size = interest_model_state_size(model);
    struct snapshot_stamp stamp = {.from = history->from};
    const uint64_t n = history_events(history);
    assert_true(size <= sizeof state);
    assert_true(folded_states_take(states, 0, user, n, n, &stamp, state));
    stamp.fingerprint = interest_model_state_fingerprint(model);
    const struct store_key key = {.user = user};
    const struct bytes snapshot = {value, snapshot_encode(&stamp, state, size, value)};
    assert_int_equal(stores.put_snapshots(store, &key, &snapshot, 1, NULL), STATUS_OK);
}

static void of_a_state_and_a_snapshot_the_newer_is_taken(void **state)
{
    (void)state;
    struct history history;
    struct folded_states *states, *others;
    struct user_reader *reader, *other, *plain;
    struct random random = random_seeded(9);
    const struct bytes user = bytes_of("both");
    assert_int_equal(folded_states_open(&states, 1 << 20, model, 64, NULL), STATUS_OK);
    assert_int_equal(folded_states_open(&others, 1 << 20, model, 64, NULL), STATUS_OK);
    assert_int_equal(user_reader_open(&reader, model, states, NULL), STATUS_OK);
    assert_int_equal(user_reader_open(&other, model, others, NULL), STATUS_OK);
    assert_int_equal(user_reader_open(&plain, model, NULL, NULL), STATUS_OK);
    history_init(&history, 1);
    act(user, &history, 20, &random);
    assert_int_equal(chunks_to_view(reader, user, 20), 0); /* keeps the state of 20 */
    act(user, &history, 120, &random);
    assert_int_equal(chunks_to_view(other, user, 140), 4);
    save_snapshot(others, user, &history);
    act(user, &history, 20, &random);
    assert_int_equal(chunks_to_view(reader, user, 160), 0); /* the snapshot of 140 */
    compare(reader, plain, user);
    act(user, &history, 80, &random);
    assert_int_equal(chunks_to_view(plain, user, 240), 3);  /* the snapshot: chunks 4 to 6 */
    assert_int_equal(chunks_to_view(reader, user, 240), 2); /* the state of 160: from chunk 5 on */
    compare(reader, plain, user);
    user_reader_close(reader);
    user_reader_close(other);
    user_reader_close(plain);
    folded_states_close(states);
    folded_states_close(others);
}

static void a_state_of_another_partition_or_life_is_not_taken(void **state)
{
    (void)state;
    uint8_t there[1 << 16] = {1}, back[1 << 16];
    struct folded_states *states;
    const struct bytes user = bytes_of("u");
    assert_int_equal(folded_states_open(&states, 1 << 20, model, 64, NULL), STATUS_OK);
    struct snapshot_stamp stamp = {.from = 64, .events = 100, .absorbed = 36, .last_ms = 5};
    folded_states_keep(states, 3, user, &stamp, there);
    assert_false(folded_states_take(states, 2, user, 0, 200, &stamp, back));
    assert_false(folded_states_take(states, 3, user, 0, 99, &stamp, back));    /* is ahead */
    assert_false(folded_states_take(states, 3, user, 101, 200, &stamp, back)); /* lacks too much */
    struct snapshot_stamp later = {.from = 96};
    assert_false(folded_states_take(states, 3, user, 0, 200, &later, back));
    struct snapshot_stamp same = {.from = 64};
    assert_true(folded_states_take(states, 3, user, 100, 100, &same, back));
    assert_int_equal(same.events, 100);
    assert_int_equal(same.absorbed, 36);
    assert_int_equal(same.last_ms, 5);
    assert_memory_equal(back, there, interest_model_state_size(model));
    folded_states_close(states);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_state_that_was_kept_and_what_came_since_is_the_whole_fold),
        cmocka_unit_test(of_a_user_asked_for_again_no_chunk_is_read_twice),
        cmocka_unit_test(of_a_state_and_a_snapshot_the_newer_is_taken),
        cmocka_unit_test(a_state_of_another_partition_or_life_is_not_taken),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}

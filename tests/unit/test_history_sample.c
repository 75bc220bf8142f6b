/*
 * test_history_sample.c - what a round of training draws from stores: whole histories as a fold
 * sees them, a fair share of them, and the same again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/checksum.h"
#include "base/clock.h"
#include "stream/learn/history_sample.h"
#include "tests/store/store_memory.h"

enum {
    USERS = 300,
    HISTORY_MAX = 128,
    ACTIVE_FROM = 200,
    DAY_MS = 86400000,
    USER_ID_MAX = 16,
    VIEW_OLD_MS = 700
};

struct stored {
    struct store *store;
    struct store_ops ops; /* the memory store, with a wound */
    uint64_t behaviors;
};

static size_t user_id(uint32_t user, char *id)
{
    return (size_t)snprintf(id, USER_ID_MAX, "user-%u", user);
}

/* Behavior `ordinal` of a user: its item and time can be told from both. */
static struct history_behavior behavior_of(uint32_t user, uint64_t ordinal)
{
    return history_behavior_of(user * UINT64_C(1000) + ordinal, (int64_t)(ordinal + 1) * DAY_MS, 1);
}

static uint32_t length_of(uint32_t user)
{
    return 1 + user; /* up to 300: `from` has jumped for the longest */
}

static void put(struct stored *stored, enum store_space space, struct bytes user, uint64_t chunk,
                const struct history *history)
{
    uint8_t value[HISTORY_RECORD_MAX];
    const struct store_write write = {
        .space = space,
        .key = {user, chunk},
        .value = {value, history_encode(history, value)},
    };
    const struct store_position position = {.next = 1, .seal = 1};
    assert_int_equal(store_memory.commit(stored->store, &write, 1, &position, NULL), STATUS_OK);
}

static void put_user(struct stored *stored, uint32_t user)
{
    char id[USER_ID_MAX];
    struct history history;
    struct bytes name = {id, user_id(user, id)};
    history_init(&history, 1);
    for (uint32_t i = 0; i < length_of(user); i++) {
        if (history_full(&history)) {
            put(stored, STORE_CHUNKS, name, history.first / HISTORY_CHUNK_BEHAVIORS, &history);
        }
        history_append(&history, behavior_of(user, i), i, HISTORY_MAX);
        if (i % 7 == 3) history_set_feature(&history, user % HISTORY_FEATURES, i + 1);
    }
    put(stored, STORE_USERS, name, 0, &history);
    stored->behaviors += history_events(&history) - history.from;
}

static int open_store(void **state)
{
    static struct stored stored;
    const struct store_identity identity = {1, 0, 1};
    const struct store_options options = {1 << 20, 1 << 20};
    stored = (struct stored){.ops = store_memory};
    assert_int_equal(store_memory.open(&stored.store, "sample", &identity, &options, NULL),
                     STATUS_OK);
    for (uint32_t user = 0; user < USERS; user++) {
        put_user(&stored, user);
    }
    *state = &stored;
    return 0;
}

static int close_store(void **state)
{
    store_memory.close(((struct stored *)*state)->store);
    return 0;
}

static struct history_sample sample_of(struct stored *stored, struct history_sample_options options)
{
    struct history_sample sample;
    struct error error = {.status = STATUS_OK};
    const struct history_stores stores = {&store_memory, &stored->store, 1, NULL, NULL};
    enum status status = history_sample_read(&sample, &stores, &options, &error);
    if (status != STATUS_OK) print_message("%s\n", error.text);
    assert_int_equal(status, STATUS_OK);
    return sample;
}

/* The number of the user whose behaviors these are. */
static uint32_t check_user(const struct history_sample *sample, const struct sampled_user *user)
{
    const uint32_t number = (uint32_t)(sample->behaviors[user->at].item / 1000);
    char id[USER_ID_MAX];
    assert_int_equal(user->hash, identity_of(id, user_id(number, id)));
    assert_int_equal(user->from, history_from(0, length_of(number), HISTORY_MAX));
    assert_int_equal(user->count, length_of(number) - user->from);
    for (uint32_t i = 0; i < user->count; i++) {
        const struct history_behavior want = behavior_of(number, user->from + i);
        assert_memory_equal(&sample->behaviors[user->at + i], &want, sizeof want);
    }
    return number;
}

static void a_sample_without_bounds_is_every_history_as_a_fold_sees_it(void **state)
{
    struct stored *stored = *state;
    struct history_sample sample =
        sample_of(stored, (struct history_sample_options){INT64_MIN, 0, UINT64_MAX, 1});
    assert_int_equal(sample.users_count, USERS);
    assert_int_equal(sample.users_active, USERS);
    assert_int_equal(sample.behaviors_count, stored->behaviors);
    assert_int_equal(sample.behaviors_seen, stored->behaviors);
    assert_int_equal(sample.users_left_out, 0);
    for (uint32_t i = 0; i < sample.users_count; i++) {
        check_user(&sample, &sample.users[i]);
    }
    history_sample_close(&sample);
}

static void active_users_are_drawn_before_a_share_of_the_others(void **state)
{
    struct stored *stored = *state;
    const int64_t since_ms = (int64_t)ACTIVE_FROM * DAY_MS;
    struct history_sample sample =
        sample_of(stored, (struct history_sample_options){since_ms, 0.25, UINT64_MAX, 7});
    uint32_t active = 0;
    for (uint32_t i = 0; i < sample.users_count; i++) {
        active += length_of(check_user(&sample, &sample.users[i])) > ACTIVE_FROM;
    }
    assert_int_equal(active, USERS - ACTIVE_FROM);
    assert_int_equal(sample.users_active, active);
    assert_in_range(sample.users_count - active, ACTIVE_FROM / 8, ACTIVE_FROM / 2);
    history_sample_close(&sample);
}

static void a_bound_thins_the_active_and_leaves_no_room_for_others(void **state)
{
    struct stored *stored = *state;
    const uint64_t bound = stored->behaviors / 8;
    const int64_t since_ms = (int64_t)ACTIVE_FROM * DAY_MS;
    struct history_sample sample =
        sample_of(stored, (struct history_sample_options){since_ms, 1, bound, 3});
    assert_in_range(sample.behaviors_count, bound / 2, bound * 3 / 2);
    for (uint32_t i = 0; i < sample.users_count; i++) {
        assert_true(length_of(check_user(&sample, &sample.users[i])) > ACTIVE_FROM);
    }
    history_sample_close(&sample);
}

static void the_same_seed_draws_the_same_users_and_another_seed_others(void **state)
{
    struct stored *stored = *state;
    const struct history_sample_options options = {INT64_MAX, 0.5, UINT64_MAX, 5};
    struct history_sample_options other = options;
    other.seed++;
    struct history_sample a = sample_of(stored, options), b = sample_of(stored, options),
                          c = sample_of(stored, other);
    assert_int_equal(a.users_count, b.users_count);
    assert_memory_equal(a.users, b.users, a.users_count * sizeof *a.users);
    bool same = a.users_count == c.users_count;
    for (uint32_t i = 0; same && i < a.users_count; i++) {
        same = a.users[i].hash == c.users[i].hash;
    }
    assert_false(same);
    history_sample_close(&a);
    history_sample_close(&b);
    history_sample_close(&c);
}

/* A store that loses its chunks between the scans. */
static enum status scan_without_chunks(struct store *store, enum store_space space,
                                       const struct store_key *start, store_visit *visit,
                                       void *context, struct error *error)
{
    if (space == STORE_CHUNKS) return STATUS_OK;
    return store_memory.scan(store, space, start, visit, context, error);
}

static void a_user_with_a_missing_chunk_is_left_out_and_counted(void **state)
{
    struct stored *stored = *state;
    stored->ops.scan = scan_without_chunks;
    const struct history_stores stores = {&stored->ops, &stored->store, 1, NULL, NULL};
    const struct history_sample_options options = {INT64_MIN, 0, UINT64_MAX, 1};
    struct history_sample sample;
    assert_int_equal(history_sample_read(&sample, &stores, &options, NULL), STATUS_OK);
    assert_true(sample.users_left_out > 0);
    assert_int_equal(sample.users_count + sample.users_left_out, USERS);
    for (uint32_t i = 0; i < sample.users_count; i++) {
        check_user(&sample, &sample.users[i]);
    }
    history_sample_close(&sample);
}

static void a_store_that_is_to_be_left_is_not_read_on(void **state)
{
    struct stored *stored = *state;
    const atomic_bool set = true, *const gone[] = {&set};
    const struct history_stores stores[] = {{&store_memory, &stored->store, 1, NULL, &set},
                                            {&store_memory, &stored->store, 1, gone, NULL}};
    const struct history_sample_options options = {INT64_MIN, 0, UINT64_MAX, 1};
    for (int i = 0; i < 2; i++) {
        struct history_sample sample;
        assert_int_equal(history_sample_read(&sample, &stores[i], &options, NULL), STATUS_END);
        assert_int_equal(sample.users_count, 0);
        history_sample_close(&sample);
    }
}

/* A scan of users that takes a long rest once it has visited some. */
struct slow_scan {
    store_visit *visit;
    void *context;
    uint32_t visited;
};

static uint32_t views; /* of users, so far */

static bool visit_slowly(void *context, const struct store_key *key, struct bytes value)
{
    struct slow_scan *scan = context;
    if (++scan->visited == 100) clock_sleep_ms(VIEW_OLD_MS);
    assert_true(scan->visited < USERS); /* it was ended before all were visited */
    return scan->visit(scan->context, key, value);
}

static enum status scan_slowly(struct store *store, enum store_space space,
                               const struct store_key *start, store_visit *visit, void *context,
                               struct error *error)
{
    struct slow_scan scan = {visit, context, 0};
    if (space != STORE_USERS) return store_memory.scan(store, space, start, visit, context, error);
    views++;
    return store_memory.scan(store, space, start, visit_slowly, &scan, error);
}

/* A view that is held on to stops the collection of what was overwritten in the store. */
static void no_view_is_held_for_long_and_nobody_is_passed_over_between_two(void **state)
{
    struct stored *stored = *state;
    stored->ops.scan = scan_slowly;
    const struct history_stores stores = {&stored->ops, &stored->store, 1, NULL, NULL};
    const struct history_sample_options options = {INT64_MIN, 0, UINT64_MAX, 1};
    struct history_sample sample;
    views = 0;
    assert_int_equal(history_sample_read(&sample, &stores, &options, NULL), STATUS_OK);
    assert_true(views >= 4); /* two for each time that all are read */
    assert_int_equal(sample.users_count, USERS);
    assert_int_equal(sample.behaviors_count, stored->behaviors);
    for (uint32_t i = 0; i < sample.users_count; i++) {
        check_user(&sample, &sample.users[i]);
    }
    history_sample_close(&sample);
}

/* With each behavior is known what the user has said last, also before `from`. */
static void check_profiles(const struct dataset *dataset, const struct dataset_sequence *sequence,
                           uint64_t user)
{
    for (uint32_t i = 0; i < sequence->count; i++) {
        const uint64_t ordinal = sequence->at[i].ordinal;
        struct user_profile expected = {{0}};
        if (ordinal >= 3) expected.hash[user % PROFILE_MAX] = (ordinal - 3) / 7 * 7 + 3 + 1;
        const struct user_profile known = dataset_known_of(sequence, i + 1, dataset);
        assert_memory_equal(&known, &expected, sizeof known);
    }
}

static void a_dataset_of_a_sample_keeps_ordinals_and_counts_unknown_items(void **state)
{
    struct stored *stored = *state;
    struct item_table *items;
    struct dataset *dataset;
    uint64_t unknown;
    const struct item_entry known = {{"x", 1}, 0};
    assert_int_equal(item_table_open(&items, &known, 1, NULL, 0, 4, NULL), STATUS_OK);
    struct history_sample sample =
        sample_of(stored, (struct history_sample_options){INT64_MIN, 0, UINT64_MAX, 1});
    assert_int_equal(history_sample_dataset(&sample, items, &dataset, &unknown, NULL), STATUS_OK);
    assert_int_equal(dataset_users(dataset), USERS);
    assert_int_equal(dataset_behaviors(dataset), stored->behaviors);
    assert_int_equal(unknown, stored->behaviors);
    for (uint32_t i = 0; i < sample.users_count; i++) {
        const struct dataset_sequence sequence = dataset_sequence(dataset, i);
        assert_int_equal(sequence.count, sample.users[i].count);
        assert_int_equal(sequence.at[0].ordinal, sample.users[i].from);
        assert_int_equal(sequence.at[0].gap_s, -1);
        assert_int_equal(sequence.at[sequence.count - 1].ordinal,
                         sample.users[i].from + sequence.count - 1);
        check_profiles(dataset, &sequence, sample.behaviors[sample.users[i].at].item / 1000);
    }
    dataset_close(dataset);
    history_sample_close(&sample);
    item_table_close(items);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_sample_without_bounds_is_every_history_as_a_fold_sees_it,
                                        open_store, close_store),
        cmocka_unit_test_setup_teardown(active_users_are_drawn_before_a_share_of_the_others,
                                        open_store, close_store),
        cmocka_unit_test_setup_teardown(a_bound_thins_the_active_and_leaves_no_room_for_others,
                                        open_store, close_store),
        cmocka_unit_test_setup_teardown(the_same_seed_draws_the_same_users_and_another_seed_others,
                                        open_store, close_store),
        cmocka_unit_test_setup_teardown(a_user_with_a_missing_chunk_is_left_out_and_counted,
                                        open_store, close_store),
        cmocka_unit_test_setup_teardown(
            no_view_is_held_for_long_and_nobody_is_passed_over_between_two, open_store,
            close_store),
        cmocka_unit_test_setup_teardown(a_store_that_is_to_be_left_is_not_read_on, open_store,
                                        close_store),
        cmocka_unit_test_setup_teardown(
            a_dataset_of_a_sample_keeps_ordinals_and_counts_unknown_items, open_store, close_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

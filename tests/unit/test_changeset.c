/* test_changeset.c - what a transaction changed is written in full, in the memory that was planned. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "state/state_cache.h"
#include "stream/job/changeset.h"

enum { HISTORY_MAX = 65536, STATE_SIZE = 64, CHUNK = HISTORY_CHUNK_BEHAVIORS };

static struct state_cache *cache;
static struct changeset set;
static struct change_list list;

static void evicted(void *context, const struct cached_user *user)
{
    (void)context;
    (void)user;
}

static void open_set(uint32_t users_max, uint32_t behaviors_max)
{
    list = (struct change_list){0};
    assert_int_equal(cache_open(&cache, 64, STATE_SIZE, 64, evicted, NULL, NULL), STATUS_OK);
    assert_int_equal(changeset_open(&set, users_max, behaviors_max, NULL), STATUS_OK);
}

static int close_set(void **state)
{
    (void)state;
    changeset_close(&set);
    cache_close(cache);
    return 0;
}

/* A user that has `events` committed behaviors. */
static struct cached_user *user_with(const char *name, uint64_t events)
{
    struct bytes id = bytes_of(name);
    struct cached_user *user = cache_insert(cache, 0, id, (uint64_t)name[0]);
    assert_non_null(user);
    for (uint64_t n = 0; n < events; n++) {
        history_append(&user->history, history_behavior_of(n, (int64_t)n, 1), (int64_t)n,
                       HISTORY_MAX);
    }
    return user;
}

static void append(struct cached_user *user)
{
    struct change *change = changeset_touch(&set, cache, user, &list);
    if (history_full(&user->history)) changeset_keep_chunk(&set, change);
    (void)history_append(&user->history, history_behavior_of(1, 1, 1), 1, HISTORY_MAX);
}

static void a_jump_of_a_long_history_is_one_write_that_deletes_every_chunk_left_behind(void **state)
{
    (void)state;
    size_t count;
    open_set(1, 1);
    struct cached_user *user = user_with("a", HISTORY_MAX - 1);
    append(user);
    assert_true(user->history.from > 0);
    const struct store_write *writes = changeset_writes(&set, &list, &count);
    assert_int_equal(count, 2);
    assert_int_equal(writes[0].space, STORE_CHUNKS);
    assert_null(writes[0].value.at);
    assert_int_equal(writes[0].key.chunk, 0);
    assert_int_equal(writes[0].chunks_after + 1, user->history.from / CHUNK);
    assert_int_equal(writes[1].space, STORE_USERS);
}

static void every_user_may_close_a_chunk_and_jump_in_the_memory_that_was_planned(void **state)
{
    (void)state;
    enum { USERS = 32 };
    char names[USERS][8];
    size_t count;
    open_set(USERS, USERS);
    for (int u = 0; u < USERS; u++) {
        snprintf(names[u], sizeof names[u], "%c", 'A' + u);
        append(user_with(names[u], u % 2 ? HISTORY_MAX - 1 : CHUNK));
    }
    assert_non_null(changeset_writes(&set, &list, &count));
    assert_int_equal(count, 2 * USERS);
    assert_true(set.arena.peak <= changeset_size(USERS, USERS));
}

static void who_is_forgotten_loses_all_its_chunks_and_keeps_n(void **state)
{
    (void)state;
    for (uint64_t events = 1; events <= 3 * CHUNK; events += CHUNK - 1) {
        size_t count;
        uint64_t deleted = 0;
        struct history kept;
        open_set(1, 1);
        struct cached_user *user = user_with("a", events);
        (void)changeset_touch(&set, cache, user, &list);
        history_forget(&user->history, false);
        const struct store_write *writes = changeset_writes(&set, &list, &count);
        for (size_t i = 0; i + 1 < count; i++) {
            assert_null(writes[i].value.at);
            assert_int_equal(writes[i].key.chunk, deleted);
            deleted += writes[i].chunks_after + 1;
        }
        assert_in_range(deleted, (events - 1) / CHUNK, events / CHUNK);
        assert_int_equal(writes[count - 1].space, STORE_USERS);
        assert_int_equal(history_decode(&kept, writes[count - 1].value, NULL), STATUS_OK);
        assert_int_equal(history_events(&kept), events);
        assert_true(history_is_forgotten(&kept));
        if (events + CHUNK - 1 <= 3 * CHUNK) (void)close_set(NULL);
    }
}

static void its_size_does_not_wrap(void **state)
{
    (void)state;
    size_t one = changeset_size(1, 0) - changeset_size(0, 0);
    assert_true(changeset_size(UINT32_MAX, UINT32_MAX) / one >= UINT32_MAX);
}

static void who_is_erased_loses_every_chunk_and_the_record_and_begins_at_1(void **state)
{
    (void)state;
    enum { EVENTS = 2 * CHUNK + 5 };
    size_t count;
    open_set(1, 2 * CHUNK);
    struct cached_user *user = user_with("a", EVENTS);
    for (int i = 0; i < CHUNK; i++) { /* closes a chunk that is not committed */
        append(user);
    }
    change_erase(changeset_of(&set, user));
    const struct change *change = changeset_of(&set, user);
    assert_true(change->erased.published);
    assert_false(change_has_record(change));
    const struct store_write *writes = changeset_writes(&set, &list, &count);
    assert_int_equal(count, 2);
    assert_int_equal(writes[0].space, STORE_CHUNKS);
    assert_int_equal(writes[0].key.chunk, 0);
    assert_int_equal(writes[0].chunks_after, EVENTS / CHUNK);
    assert_int_equal(writes[1].space, STORE_USERS);
    assert_int_equal(writes[1].key.chunk, HISTORY_USER_GONE);
    assert_null(writes[0].value.at);
    assert_null(writes[1].value.at);
    append(user); /* it comes back in the same transaction */
    change_erase(changeset_of(&set, user));
    append(user);
    assert_int_equal(history_events(&user->history), 1);
    assert_true(change_has_record(changeset_of(&set, user)));
    writes = changeset_writes(&set, &list, &count);
    assert_int_equal(count, 3);
    assert_int_equal(writes[2].space, STORE_USERS);
    assert_int_equal(writes[2].key.chunk, 0);
    assert_non_null(writes[2].value.at);
}

static void of_whom_nothing_was_committed_no_reader_is_told_that_it_was_erased(void **state)
{
    (void)state;
    open_set(1, CHUNK);
    struct cached_user *user = user_with("a", 0);
    append(user);
    change_erase(changeset_of(&set, user));
    assert_false(change_is_published(changeset_of(&set, user)));
    assert_int_equal(history_events(&user->history), 0);
}

/* Of one who left n is kept, in the chunk that was open; of a profile alone a chunk without behaviors. */
static void who_is_erased_loses_the_record_also_where_it_has_no_behaviors(void **state)
{
    (void)state;
    static const uint64_t events[] = {0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK};
    open_set(sizeof events / sizeof *events, CHUNK);
    for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
        size_t count;
        const char name[] = {(char)('a' + i), 0};
        list = (struct change_list){0};
        struct cached_user *user = user_with(name, events[i]);
        history_forget(&user->history, true);
        const uint64_t chunk = user->history.first / CHUNK; /* that its record is written under */
        change_erase(changeset_touch(&set, cache, user, &list));
        const struct store_write *writes = changeset_writes(&set, &list, &count);
        assert_int_equal(count, 2);
        assert_int_equal(writes[0].space, STORE_CHUNKS);
        assert_int_equal(writes[0].key.chunk, chunk);
        assert_int_equal(writes[0].chunks_after, 0);
        assert_int_equal(writes[1].key.chunk, HISTORY_USER_GONE);
    }
}

/* What is in force when the record's behaviors have come, and what waits for the next one. */
static uint64_t feature_of(struct bytes record, uint64_t *waiting)
{
    struct history history;
    uint64_t values[HISTORY_FEATURES];
    assert_int_equal(history_decode(&history, record, NULL), STATUS_OK);
    history_profile_at(&history, history_events(&history), values);
    *waiting = history.profile.waiting;
    return values[0];
}

/* What source.profile says is set as it comes; what was said until the cut does not come at all. */
static void a_profile_goes_with_who_is_erased_and_one_that_is_said_later_stays(void **state)
{
    (void)state;
    const uint64_t earlier[HISTORY_FEATURES] = {7, 7}, later[HISTORY_FEATURES] = {9};
    size_t count;
    uint64_t waiting;
    open_set(1, CHUNK);
    struct cached_user *user = user_with("a", 5);
    history_set_profile(&user->history, earlier);
    append(user);
    history_set_profile(&user->history, earlier);
    struct change *change = changeset_of(&set, user);
    change->profiled = true;
    change_erase(change);
    const struct store_write *writes = changeset_writes(&set, &list, &count);
    assert_int_equal(count, 2); /* its chunk, and the user: no record is left */
    assert_int_equal(writes[1].key.chunk, HISTORY_USER_GONE);
    history_set_profile(&user->history, later);
    change->profiled = true;
    writes = changeset_writes(&set, &list, &count);
    assert_int_equal(count, 3);
    assert_int_equal(feature_of(writes[2].value, &waiting), 0); /* of no record yet */
    assert_int_equal(waiting, 1);
    append(user);
    writes = changeset_writes(&set, &list, &count);
    assert_int_equal(feature_of(writes[2].value, &waiting), 9);
    assert_int_equal(waiting, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(
            a_jump_of_a_long_history_is_one_write_that_deletes_every_chunk_left_behind, close_set),
        cmocka_unit_test_teardown(
            every_user_may_close_a_chunk_and_jump_in_the_memory_that_was_planned, close_set),
        cmocka_unit_test_teardown(who_is_forgotten_loses_all_its_chunks_and_keeps_n, close_set),
        cmocka_unit_test_teardown(who_is_erased_loses_every_chunk_and_the_record_and_begins_at_1,
                                  close_set),
        cmocka_unit_test_teardown(
            of_whom_nothing_was_committed_no_reader_is_told_that_it_was_erased, close_set),
        cmocka_unit_test_teardown(who_is_erased_loses_the_record_also_where_it_has_no_behaviors,
                                  close_set),
        cmocka_unit_test_teardown(
            a_profile_goes_with_who_is_erased_and_one_that_is_said_later_stays, close_set),
        cmocka_unit_test(its_size_does_not_wrap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_state_cache.c - the cache against a naive model, and each promise of its header alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/checksum.h"
#include "state/state_cache.h"

enum { STATE_SIZE = 40, ID_MAX = 16, CAPACITY = 8, MODEL_USERS = 60, MODEL_PARTITIONS = 3 };

struct evictions {
    uint32_t count;
    char last[ID_MAX + 1];
};

static void note_eviction(void *context, const struct cached_user *user)
{
    struct evictions *evictions = context;
    assert_false(user->dirty || user->committing);
    evictions->count++;
    memcpy(evictions->last, user->user.at, user->user.size);
    evictions->last[user->user.size] = 0;
}

static struct state_cache *cache_of(uint32_t capacity, struct evictions *evictions)
{
    struct state_cache *cache;
    *evictions = (struct evictions){0};
    assert_int_equal(
        cache_open(&cache, capacity, STATE_SIZE, ID_MAX, note_eviction, evictions, NULL),
        STATUS_OK);
    return cache;
}

static struct cached_user *insert(struct state_cache *cache, const char *id)
{
    struct bytes user = bytes_of(id);
    return cache_insert(cache, 0, user, identity_of(user.at, user.size));
}

static struct cached_user *find(struct state_cache *cache, const char *id)
{
    struct bytes user = bytes_of(id);
    return cache_find(cache, 0, user, identity_of(user.at, user.size));
}

static void a_new_user_is_empty_aligned_and_found(void **state)
{
    (void)state;
    struct evictions evictions;
    struct state_cache *cache = cache_of(CAPACITY, &evictions);
    assert_null(find(cache, "a"));
    struct cached_user *user = insert(cache, "a");
    assert_int_equal((uintptr_t)user->state % 64, 0);
    assert_int_equal(history_events(&user->history), 0);
    assert_int_equal(user->state_events, 0);
    assert_int_equal(user->last_ms, HISTORY_NO_TIME);
    assert_false(user->dirty);
    assert_ptr_equal(find(cache, "a"), user);
    assert_null(find(cache, "b"));
    cache_close(cache);
}

static void equal_hashes_are_told_apart_by_id_and_partition(void **state)
{
    (void)state;
    struct evictions evictions;
    struct state_cache *cache = cache_of(CAPACITY, &evictions);
    struct cached_user *a = cache_insert(cache, 0, bytes_of("a"), 42);
    struct cached_user *b = cache_insert(cache, 0, bytes_of("b"), 42);
    struct cached_user *other = cache_insert(cache, 1, bytes_of("a"), 42);
    assert_ptr_equal(cache_find(cache, 0, bytes_of("a"), 42), a);
    assert_ptr_equal(cache_find(cache, 0, bytes_of("b"), 42), b);
    assert_ptr_equal(cache_find(cache, 1, bytes_of("a"), 42), other);
    cache_drop_partition(cache, 0);
    assert_null(cache_find(cache, 0, bytes_of("a"), 42));
    assert_null(cache_find(cache, 0, bytes_of("b"), 42));
    assert_ptr_equal(cache_find(cache, 1, bytes_of("a"), 42), other);
    cache_close(cache);
}

static void a_used_user_outlives_an_unused_one(void **state)
{
    (void)state;
    struct evictions evictions;
    struct state_cache *cache = cache_of(3, &evictions);
    insert(cache, "a");
    insert(cache, "b");
    insert(cache, "c");
    find(cache, "a");
    insert(cache, "d");
    assert_string_equal(evictions.last, "b");
    assert_non_null(find(cache, "a"));
    cache_close(cache);
}

static void dirty_users_stay_until_the_commit(void **state)
{
    (void)state;
    struct evictions evictions;
    struct state_cache *cache = cache_of(2, &evictions);
    cache_touch(cache, insert(cache, "a"));
    cache_touch(cache, insert(cache, "b"));
    assert_null(insert(cache, "c"));
    cache_close_dirty(cache);
    assert_null(insert(cache, "c"));
    assert_int_equal(evictions.count, 0);
    cache_clean(cache);
    assert_non_null(insert(cache, "c"));
    assert_int_equal(evictions.count, 1);
    cache_close(cache);
}

static void an_abort_forgets_exactly_the_dirty(void **state)
{
    (void)state;
    struct evictions evictions;
    struct state_cache *cache = cache_of(CAPACITY, &evictions);
    insert(cache, "clean");
    cache_touch(cache, insert(cache, "dirty"));
    cache_drop_dirty(cache);
    assert_null(find(cache, "dirty"));
    assert_non_null(find(cache, "clean"));
    assert_int_equal(cache_users(cache), 1);
    assert_int_equal(evictions.count, 0);
    cache_close(cache);
}

static void a_user_changed_while_its_commit_is_under_way_stays_for_the_next_one(void **state)
{
    (void)state;
    struct evictions evictions;
    struct state_cache *cache = cache_of(2, &evictions);
    cache_touch(cache, insert(cache, "a"));
    cache_touch(cache, insert(cache, "b"));
    cache_close_dirty(cache);
    cache_touch(cache, find(cache, "a"));
    cache_clean(cache);
    assert_non_null(insert(cache, "c"));
    assert_string_equal(evictions.last, "b");
    assert_non_null(insert(cache, "d"));
    assert_string_equal(evictions.last, "c");
    cache_close_dirty(cache);
    cache_clean(cache);
    assert_false(find(cache, "a")->dirty);
    cache_close(cache);
}

static void an_abort_forgets_what_both_changesets_touched(void **state)
{
    (void)state;
    struct evictions evictions;
    struct state_cache *cache = cache_of(CAPACITY, &evictions);
    insert(cache, "clean");
    cache_touch(cache, insert(cache, "first"));
    cache_touch(cache, insert(cache, "both"));
    cache_close_dirty(cache);
    cache_touch(cache, find(cache, "both"));
    cache_touch(cache, insert(cache, "second"));
    cache_drop_dirty(cache);
    assert_null(find(cache, "first"));
    assert_null(find(cache, "both"));
    assert_null(find(cache, "second"));
    assert_int_equal(cache_users(cache), 1);
    for (int i = 0; i < CAPACITY; i++) {
        char name[2] = {(char)('0' + i), 0};
        struct cached_user *user = insert(cache, name);
        assert_non_null(user);
        assert_false(user->dirty || user->committing);
    }
    cache_close(cache);
}

static void next_behind_goes_round_the_clean_users_that_lag(void **state)
{
    (void)state;
    struct evictions evictions;
    struct state_cache *cache = cache_of(CAPACITY, &evictions);
    struct cached_user *behind = insert(cache, "behind"), *fresh = insert(cache, "fresh");
    struct cached_user *jumped = insert(cache, "jumped"), *dirty = insert(cache, "dirty");
    behind->state_events = 100, behind->snapshot_events = 84;
    fresh->state_events = 100, fresh->snapshot_events = 85;
    jumped->state_events = 5000, jumped->state_from = 4980;
    dirty->state_events = 100;
    cache_touch(cache, dirty);
    for (int round = 0; round < 3; round++) {
        assert_ptr_equal(cache_next_behind(cache, 16), behind);
        assert_ptr_equal(cache_next_behind(cache, 16), jumped);
    }
    assert_null(cache_next_behind(cache, 21));
    cache_close(cache);
}

static void the_size_is_known_before_it_is_taken(void **state)
{
    (void)state;
    size_t slot = sizeof(struct cached_user) + 256 + 9216;
    size_t size = cache_size(100000, 9216, 256);
    assert_in_range(size, 100000 * slot, 100000 * (slot + 200));
}

/* What a cache of unbounded patience would know. */
struct known {
    bool present, dirty, committing;
    uint64_t value; /* what the test wrote into its state */
};

struct model {
    struct known at[MODEL_PARTITIONS][MODEL_USERS];
    uint32_t capacity, users, pinned;
};

static void model_evict(void *context, const struct cached_user *user)
{
    struct model *model = context;
    uint32_t index;
    memcpy(&index, user->user.at, sizeof index);
    struct known *known = &model->at[user->partition][index];
    assert_true(known->present && !known->dirty && !known->committing);
    known->present = false;
    model->users--;
}

static void model_forget(struct model *model, struct known *known)
{
    model->users -= known->present;
    model->pinned -= known->dirty || known->committing;
    *known = (struct known){0};
}

static void forget_all(struct model *model, uint32_t partition, bool only_dirty)
{
    for (uint32_t p = 0; p < MODEL_PARTITIONS; p++) {
        for (uint32_t i = 0; i < MODEL_USERS; i++) {
            struct known *known = &model->at[p][i];
            bool pinned = known->dirty || known->committing;
            if (only_dirty ? pinned : p == partition) model_forget(model, known);
        }
    }
}

/* The commit under way is stored; another may begin. */
static void model_clean(struct model *model, bool close)
{
    for (uint32_t p = 0; p < MODEL_PARTITIONS; p++) {
        for (uint32_t i = 0; i < MODEL_USERS; i++) {
            struct known *known = &model->at[p][i];
            model->pinned -= known->committing && !known->dirty;
            known->committing = close && known->dirty;
            known->dirty = known->dirty && !close;
        }
    }
}

/* One use of a user as the processor makes it: find or insert, check, write, touch. */
static void use_user(struct state_cache *cache, struct model *model, uint32_t partition,
                     uint32_t index, uint64_t random)
{
    struct bytes id = {&index, sizeof index};
    uint64_t hash = index % 7; /* collides on purpose */
    struct known *known = &model->at[partition][index];
    cache_prefetch(cache, partition, hash);
    struct cached_user *user = cache_find(cache, partition, id, hash);
    assert_int_equal(user != NULL, known->present);
    if (user) {
        assert_int_equal(user->dirty, known->dirty);
        assert_int_equal(user->committing, known->committing);
        assert_memory_equal(user->state, &known->value, sizeof known->value);
    } else {
        bool full = model->pinned == model->capacity;
        user = cache_insert(cache, partition, id, hash);
        assert_int_equal(user == NULL, full);
        if (full) return;
        *known = (struct known){.present = true};
        model->users++;
    }
    known->value = random;
    memcpy(user->state, &random, sizeof random);
    if (random % 3 == 0) return;
    cache_touch(cache, user);
    model->pinned += !known->dirty && !known->committing;
    known->dirty = true;
}

static void any_sequence_of_calls_agrees_with_the_model(void **state)
{
    (void)state;
    uint64_t random = 11;
    for (uint32_t capacity = 1; capacity <= 64; capacity = capacity * 2 + 1) {
        struct state_cache *cache;
        struct model model = {.capacity = capacity};
        assert_int_equal(
            cache_open(&cache, capacity, STATE_SIZE, ID_MAX, model_evict, &model, NULL), STATUS_OK);
        for (int step = 0; step < 20000; step++) {
            random = splitmix64(random);
            uint32_t partition = (uint32_t)(random >> 40) % MODEL_PARTITIONS;
            if (random % 97 == 0) {
                forget_all(&model, 0, true);
                cache_drop_dirty(cache);
            } else if (random % 89 == 0) {
                model_clean(&model, false);
                cache_clean(cache);
                forget_all(&model, partition, false);
                cache_drop_partition(cache, partition);
            } else if (random % 23 == 0) {
                model_clean(&model, false);
                cache_clean(cache);
                if (random % 2) continue;
                model_clean(&model, true);
                cache_close_dirty(cache);
            } else {
                use_user(cache, &model, partition, (uint32_t)(random >> 50) % MODEL_USERS, random);
            }
            assert_int_equal(cache_users(cache), model.users);
        }
        cache_close(cache);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_user_is_empty_aligned_and_found),
        cmocka_unit_test(equal_hashes_are_told_apart_by_id_and_partition),
        cmocka_unit_test(a_used_user_outlives_an_unused_one),
        cmocka_unit_test(dirty_users_stay_until_the_commit),
        cmocka_unit_test(an_abort_forgets_exactly_the_dirty),
        cmocka_unit_test(a_user_changed_while_its_commit_is_under_way_stays_for_the_next_one),
        cmocka_unit_test(an_abort_forgets_what_both_changesets_touched),
        cmocka_unit_test(next_behind_goes_round_the_clean_users_that_lag),
        cmocka_unit_test(the_size_is_known_before_it_is_taken),
        cmocka_unit_test(any_sequence_of_calls_agrees_with_the_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * test_snapshots.c - a saved state is the fold of its history, and is used only where it is.
 *
 * A job runs over the first half of a log and saves states on the way. Its stores are opened, looked
 * at and tampered with; then it goes on with the second half.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/metrics.h"
#include "model/interest_ops.h"
#include "state/snapshot.h"
#include "state/store.h"
#include "stream/broker/file/commit_file.h"
#include "stream/interests/fold.h"
#include "tests/unit/job_fixture.h"

enum {
    SEED = 5,
    HALF = 6000, /* so many that `from` of some users jumps */
    USERS = 120,
    EVERY = 20,
    NEVER = 65536,
    STATE_SIZE_MAX = 4096,
    CHUNK = HISTORY_CHUNK_BEHAVIORS,
};

/* One store and what its states are folded with. */
struct opened {
    struct checkpoint *checkpoint;
    struct interest_model *model;
    size_t state_size;
    struct store *store;
};

struct saved {
    struct snapshot_stamp stamp;
    uint8_t state[STATE_SIZE_MAX];
    size_t size; /* of the state */
};

typedef void saved_visit(struct opened *opened, struct bytes user, struct saved *saved);

static void open_store(struct opened *opened, const struct fixture *fixture, uint32_t partition)
{
    struct commit commit;
    assert_int_equal(commit_file_read(&commit, fixture->state, NULL), STATUS_OK);
    const struct store_identity identity = {commit.source, partition, commit.partitions};
    commit_close(&commit);
    const struct store_options options = {8 << 20, 8 << 20};
    char path[128];
    snprintf(path, sizeof path, "%s/store-%04u", fixture->state, partition);
    assert_int_equal(store_rocksdb.open(&opened->store, path, &identity, &options, NULL),
                     STATUS_OK);
}

struct snapshots {
    struct opened *opened;
    saved_visit *visit;
    struct bytes users[USERS];
    struct saved *saved; /* [USERS] */
    size_t count;
};

static bool keep_snapshot(void *context, const struct store_key *key, struct bytes value)
{
    struct snapshots *all = context;
    struct saved *saved = &all->saved[all->count];
    saved->size = all->opened->state_size;
    assert_true(snapshot_decode(value, &saved->stamp, saved->state, saved->size));
    char *id = malloc(key->user.size);
    assert_non_null(id);
    all->users[all->count++] =
        (struct bytes){memcpy(id, key->user.at, key->user.size), key->user.size};
    return true;
}

/* Calls `visit` for each snapshot of all stores. Returns how many there are. */
static size_t each_snapshot(const struct fixture *fixture, saved_visit *visit)
{
    struct opened opened;
    size_t found = 0;
    assert_int_equal(checkpoint_open(&opened.checkpoint, fixture->checkpoint, NULL), STATUS_OK);
    assert_int_equal(interest_model_open(&opened.model, opened.checkpoint, NULL), STATUS_OK);
    opened.state_size = interest_model_state_size(opened.model);
    assert_true(opened.state_size <= STATE_SIZE_MAX);
    for (uint32_t p = 0; p < fixture->config.state.partitions; p++) {
        struct snapshots all = {.opened = &opened, .saved = calloc(USERS, sizeof *all.saved)};
        assert_non_null(all.saved);
        open_store(&opened, fixture, p);
        assert_int_equal(
            store_rocksdb.scan(opened.store, STORE_SNAPSHOTS, NULL, keep_snapshot, &all, NULL),
            STATUS_OK);
        for (size_t i = 0; i < all.count; i++) {
            if (visit) visit(&opened, all.users[i], &all.saved[i]);
            free((void *)all.users[i].at);
        }
        found += all.count;
        free(all.saved);
        store_rocksdb.close(opened.store);
    }
    interest_model_close(opened.model);
    checkpoint_close(opened.checkpoint);
    return found;
}

/*
 * The job over both halves. `model` NULL: the fixture's. `between` and `after` see each snapshot that
 * there is then.
 */
static char *published_in_two_runs(const char *model, uint32_t snapshot_every, saved_visit *between,
                                   saved_visit *after, size_t *foundp)
{
    struct fixture fixture;
    fixture_open(&fixture, SEED);
    if (model) fixture_model(&fixture, model);
    fixture.config.state.snapshot_every = snapshot_every;
    fixture.config.state.snapshot_rate = (uint64_t)1 << 30;
    fixture_log(&fixture, HALF, USERS);
    fixture_run(&fixture);
    *foundp = each_snapshot(&fixture, between);
    fixture_log(&fixture, HALF, USERS);
    fixture_run(&fixture);
    if (after) (void)each_snapshot(&fixture, after);
    char *newest = fixture_newest(&fixture);
    fixture_close(&fixture);
    return newest;
}

static int64_t uses(const char *use)
{
    return metric_value(metrics_get("braid_snapshots_total", "use", use));
}

/* ---- what is saved ---- */

static struct history *chunk_wanted; /* by the lookup under way */

static void found_record(void *context, size_t index, struct bytes value)
{
    (void)index;
    assert_int_equal(history_decode(chunk_wanted, value, NULL), STATUS_OK);
    *(bool *)context = true;
}

static void read_record(struct opened *opened, enum store_space space, struct bytes user,
                        uint64_t chunk, struct history *history)
{
    const struct store_key key = {user, chunk};
    bool found = false;
    chunk_wanted = history;
    assert_int_equal(store_rocksdb.get(opened->store, space, &key, 1, found_record, &found, NULL),
                     STATUS_OK);
    assert_true(found);
}

static uint64_t jumped; /* snapshots of users whose `from` has moved */

/* Folds what the stamp names from the history in the store: to the same bytes and counts. */
static void is_the_fold_of_its_history(struct opened *opened, struct bytes user,
                                       struct saved *saved)
{
    const struct snapshot_stamp *stamp = &saved->stamp;
    struct history newest, chunk;
    read_record(opened, STORE_USERS, user, 0, &newest);
    assert_true(stamp->events <= history_events(&newest));
    assert_true(stamp->events - stamp->from >= EVERY);
    if (stamp->from < newest.from) return; /* stale: its chunks are gone */
    jumped += stamp->from > 0;

    struct fold *fold;
    struct fold_progress progress = {0, HISTORY_NO_TIME};
    _Alignas(64) uint8_t state[STATE_SIZE_MAX];
    interest_state_init(opened->model, state);
    assert_int_equal(fold_open(&fold, opened->model, 1, NEVER, NULL), STATUS_OK);
    assert_true(fold_user(fold, state, &progress));
    for (uint64_t i = stamp->from; i < stamp->events; i++) {
        if (i == stamp->from || i % CHUNK == 0) {
            chunk = newest;
            if (i < newest.first) read_record(opened, STORE_CHUNKS, user, i / CHUNK, &chunk);
        }
        assert_true(fold_behavior(fold, i, chunk.at[i - chunk.first]));
    }
    fold_run(fold);
    fold_close(fold);
    assert_memory_equal(state, saved->state, opened->state_size);
    assert_int_equal(stamp->absorbed, progress.absorbed);
    assert_int_equal(stamp->absorbed, stamp->events - stamp->from); /* the model has OOV rows */
    assert_int_equal(stamp->last_ms, progress.last_ms);
    assert_int_equal(stamp->fingerprint, interest_model_state_fingerprint(opened->model));
}

static void every_models_saved_states_are_the_folds_of_their_histories_also_after_a_jump(
    void **state)
{
    (void)state;
    const struct interest_ops *ops;
    for (uint32_t i = 0; (ops = interest_ops_at(i)); i++) {
        size_t found;
        jumped = 0;
        int64_t loaded = uses("loaded");
        free(published_in_two_runs(ops->name, EVERY, is_the_fold_of_its_history,
                                   is_the_fold_of_its_history, &found));
        if (uses("loaded") <= loaded || found <= USERS / 2 || jumped == 0) {
            fail_msg("%s: %zu saved, %lld loaded, %llu after a jump", ops->name, found,
                     (long long)(uses("loaded") - loaded), (unsigned long long)jumped);
        }
    }
}

/* ---- what is used ---- */

static char *expected; /* what folding alone publishes */

static int publish_without_snapshots(void **state)
{
    (void)state;
    size_t found;
    expected = published_in_two_runs(NULL, NEVER, NULL, NULL, &found);
    assert_int_equal(found, 0);
    assert_int_equal(uses("loaded"), 0); /* the group begins with this */
    return 0;
}

static int forget_published(void **state)
{
    (void)state;
    free(expected);
    return 0;
}

/* With snapshots the job publishes the same; `visit` has changed them between the halves. */
static void published_is_the_fold(saved_visit *visit, bool used)
{
    size_t found;
    int64_t loaded = uses("loaded"), ignored = uses("ignored");
    char *newest = published_in_two_runs(NULL, EVERY, visit, NULL, &found);
    assert_string_equal(newest, expected);
    assert_true(found > USERS / 2);
    assert_int_equal(uses("loaded") > loaded, used);
    if (!used) assert_true(uses("ignored") > ignored);
    free(newest);
}

static void users_that_come_back_by_snapshot_or_by_history_are_published_alike(void **state)
{
    (void)state;
    published_is_the_fold(NULL, true);
}

/* Writes the snapshot back with a state that is nobody's. */
static void put_back(struct opened *opened, struct bytes user, struct saved *saved, size_t cut)
{
    uint8_t value[SNAPSHOT_OVERHEAD + STATE_SIZE_MAX];
    const struct store_key key = {.user = user};
    for (size_t i = 0; i < saved->size; i += sizeof(float)) {
        const float wrong = 3;
        memcpy(saved->state + i, &wrong, sizeof wrong);
    }
    size_t size = snapshot_encode(&saved->stamp, saved->state, saved->size, value);
    const struct bytes bytes = {value, size - cut};
    assert_int_equal(store_rocksdb.put_snapshots(opened->store, &key, &bytes, 1, NULL), STATUS_OK);
}

static void of_other_parameters(struct opened *opened, struct bytes user, struct saved *saved)
{
    saved->stamp.fingerprint ^= 1;
    put_back(opened, user, saved, 0);
}

static void of_another_beginning(struct opened *opened, struct bytes user, struct saved *saved)
{
    saved->stamp.from++;
    put_back(opened, user, saved, 0);
}

static void ahead_of_the_history(struct opened *opened, struct bytes user, struct saved *saved)
{
    saved->stamp.events = (uint64_t)1 << 40;
    put_back(opened, user, saved, 0);
}

static void of_another_size(struct opened *opened, struct bytes user, struct saved *saved)
{
    saved->size -= sizeof(float);
    put_back(opened, user, saved, 0);
}

static void cut_short(struct opened *opened, struct bytes user, struct saved *saved)
{
    put_back(opened, user, saved, 1);
}

static void a_snapshot_that_is_not_of_this_fold_is_ignored(void **state)
{
    (void)state;
    saved_visit *const changes[] = {of_other_parameters, of_another_beginning, ahead_of_the_history,
                                    of_another_size, cut_short};
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        published_is_the_fold(changes[i], false);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            every_models_saved_states_are_the_folds_of_their_histories_also_after_a_jump),
        cmocka_unit_test(users_that_come_back_by_snapshot_or_by_history_are_published_alike),
        cmocka_unit_test(a_snapshot_that_is_not_of_this_fold_is_ignored),
    };
    return cmocka_run_group_tests(tests, publish_without_snapshots, forget_published);
}

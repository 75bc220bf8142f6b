/*
 * test_durability.c - what the RocksDB store keeps over a close and kill -9, and which folders it refuses.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include <rocksdb/c.h>

#include "base/checksum.h"
#include "tests/store/fixture.h"

enum {
    KILLS = 20,
    USERS = 3000,
    BATCH_WRITES = 200,
    SNAPSHOT_SIZE = 16 << 10,
    SNAPSHOT_USERS = 512, /* 8 MiB live */
    SNAPSHOT_ROUNDS = 30, /* 240 MiB written */
};

static void commit_user(const char *user, const char *value, int64_t next)
{
    struct store_write write = {STORE_USERS, {bytes_of(user), 0}, bytes_of(value), 0};
    fixture_commit(&fixture, &write, 1, next);
}

static void a_close_keeps_everything(void **state)
{
    (void)state;
    char value[256];
    struct store_key key = {bytes_of("u"), 0};
    struct bytes snapshot = bytes_of("state");
    commit_user("u", "record", 42);
    assert_int_equal(store_rocksdb.put_snapshots(fixture.store, &key, &snapshot, 1, NULL),
                     STATUS_OK);
    fixture_reopen(&fixture);
    assert_int_equal(store_rocksdb.position(fixture.store).next, 42);
    fixture_value(&fixture, STORE_USERS, key, value);
    assert_string_equal(value, "record");
    fixture_value(&fixture, STORE_SNAPSHOTS, key, value);
    assert_string_equal(value, "state");
}

static void assert_open_fails(const struct store_identity *identity, enum status expected,
                              const char *says)
{
    struct store *store;
    struct error error;
    enum status status =
        store_rocksdb.open(&store, fixture.path, identity, &fixture_options, &error);
    assert_int_equal(status, expected);
    assert_null(store);
    if (!strstr(error.text, says)) fail_msg("'%s' does not say '%s'", error.text, says);
}

static void reopen(void)
{
    assert_int_equal(
        store_rocksdb.open(&fixture.store, fixture.path, &fixture_identity, &fixture_options, NULL),
        STATUS_OK);
}

static void another_identity_is_refused_and_nothing_is_lost(void **state)
{
    (void)state;
    commit_user("u", "record", 1);
    store_rocksdb.close(fixture.store);
    for (int field = 0; field < 3; field++) {
        struct store_identity other = fixture_identity;
        if (field == 0) other.source++;
        if (field == 1) other.partition++;
        if (field == 2) other.partitions++;
        assert_open_fails(&other, STATUS_REFUSED, "name another state directory");
    }
    reopen();
    char value[256];
    fixture_value(&fixture, STORE_USERS, (struct store_key){bytes_of("u"), 0}, value);
    assert_string_equal(value, "record");
}

static void an_open_store_cannot_be_opened_again(void **state)
{
    (void)state;
    assert_open_fails(&fixture_identity, STATUS_BUSY, "it is open elsewhere");
}

/* Puts `value` in the place of the store's mark, behind its back. */
static void overwrite_mark(const uint8_t *value, size_t size)
{
    const char *const names[] = {"default", "snapshots"};
    rocksdb_options_t *options = rocksdb_options_create();
    const rocksdb_options_t *const each[] = {options, options};
    rocksdb_column_family_handle_t *families[2];
    char *text = NULL;
    rocksdb_t *db =
        rocksdb_open_column_families(options, fixture.path, 2, names, each, families, &text);
    assert_null(text);
    rocksdb_writeoptions_t *writing = rocksdb_writeoptions_create();
    rocksdb_put_cf(db, writing, families[0], "p", 1, (const char *)value, size, &text);
    assert_null(text);
    rocksdb_writeoptions_destroy(writing);
    rocksdb_column_family_handle_destroy(families[0]);
    rocksdb_column_family_handle_destroy(families[1]);
    rocksdb_close(db);
    rocksdb_options_destroy(options);
}

static void a_newer_format_and_a_damaged_mark_are_told_apart(void **state)
{
    (void)state;
    uint8_t mark[64] = {2};
    uint64_t checksum = checksum_of(mark, sizeof mark - 8);
    store_rocksdb.close(fixture.store);
    memcpy(mark + sizeof mark - 8, &checksum, 8);
    overwrite_mark(mark, sizeof mark);
    assert_open_fails(&fixture_identity, STATUS_REFUSED, "run the version of Braid that wrote it");
    mark[20] ^= 1;
    overwrite_mark(mark, sizeof mark);
    assert_open_fails(&fixture_identity, STATUS_CORRUPT, "delete the directory");
    overwrite_mark(mark, 3);
    assert_open_fails(&fixture_identity, STATUS_CORRUPT, "delete the directory");
    fixture.store = NULL; /* what is left is destroyed with the fixture */
}

static void a_directory_with_unknown_families_is_refused(void **state)
{
    (void)state;
    store_rocksdb.close(fixture.store);
    const char *const names[] = {"default", "snapshots"};
    rocksdb_options_t *options = rocksdb_options_create();
    const rocksdb_options_t *const each[] = {options, options};
    rocksdb_column_family_handle_t *families[3];
    char *text = NULL;
    rocksdb_t *db =
        rocksdb_open_column_families(options, fixture.path, 2, names, each, families, &text);
    families[2] = rocksdb_create_column_family(db, options, "later", &text);
    assert_null(text);
    for (int i = 0; i < 3; i++) {
        rocksdb_column_family_handle_destroy(families[i]);
    }
    rocksdb_close(db);
    rocksdb_options_destroy(options);
    assert_open_fails(&fixture_identity, STATUS_REFUSED, "run the version of Braid that wrote it");
    fixture.store = NULL;
}

/* Whom batch `batch` writes, and deletes every seventh time: a function of its number alone. */
static uint32_t batch_user(int64_t batch, uint32_t i)
{
    return (uint32_t)(splitmix64((uint64_t)batch << 10 | i) % USERS);
}

static bool batch_deletes(int64_t batch, uint32_t i)
{
    return splitmix64((uint64_t)batch << 10 | i) >> 32 & 1 && batch % 7 == 0;
}

static void commit_batch(int64_t batch)
{
    static uint32_t users[BATCH_WRITES];
    static struct store_write writes[BATCH_WRITES];
    static int64_t value[32];
    for (size_t i = 0; i < 32; i++) {
        value[i] = batch;
    }
    for (uint32_t i = 0; i < BATCH_WRITES; i++) {
        users[i] = batch_user(batch, i);
        writes[i] = (struct store_write){
            STORE_USERS,
            {{&users[i], sizeof users[i]}, 0},
            {batch_deletes(batch, i) ? NULL : value, sizeof value},
            0,
        };
    }
    struct store_position position = {.next = batch};
    if (store_rocksdb.commit(fixture.store, writes, BATCH_WRITES, &position, NULL)) _exit(1);
    struct store_key key = {{&users[0], sizeof users[0]}, 0};
    struct bytes snapshot = {value, sizeof value};
    if (store_rocksdb.put_snapshots(fixture.store, &key, &snapshot, 1, NULL)) _exit(1);
}

/* The child's life: batches without end, flushes now and then, and word of what is durable. */
static _Noreturn void write_until_killed(const char *path)
{
    struct error error;
    snprintf(fixture.path, sizeof fixture.path, "%s", path);
    if (store_rocksdb.open(&fixture.store, fixture.path, &fixture_identity, &fixture_options,
                           &error)) {
        fprintf(stderr, "%s\n", error.text);
        _exit(1);
    }
    for (int64_t batch = store_rocksdb.position(fixture.store).next + 1;; batch++) {
        commit_batch(batch);
        if (batch % 20 == 0 && store_rocksdb.flush(fixture.store, false, NULL)) _exit(1);
        if (batch % 70 != 0) continue;
        if (store_rocksdb.flush(fixture.store, true, NULL)) _exit(1);
        if (write(STDOUT_FILENO, &batch, sizeof batch) != sizeof batch) _exit(1);
    }
}

/*
 * Starts a child (this program again: RocksDB's threads do not survive a fork), kills it `after_us`
 * after its start, or after its first word, and returns the last batch of which it said that it is
 * durable; -1 if none.
 */
static int64_t run_and_kill(bool after_word, useconds_t after_us)
{
    int ends[2], status;
    int64_t batch, durable = -1;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        execl("/proc/self/exe", "test_durability", fixture.path, (char *)NULL);
        _exit(1);
    }
    close(ends[1]);
    if (after_word) assert_int_equal(read(ends[0], &durable, sizeof durable), sizeof durable);
    usleep(after_us);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    while (read(ends[0], &batch, sizeof batch) == sizeof batch) {
        durable = batch;
    }
    close(ends[0]);
    return durable;
}

static bool take_value(void *context, const struct store_key *key, struct bytes value)
{
    int64_t *values = context;
    uint32_t user;
    memcpy(&user, key->user.at, sizeof user);
    memcpy(&values[user], value.at, sizeof values[user]);
    return true;
}

static void assert_store_is_the_batches_up_to_its_position(int64_t durable)
{
    static int64_t expected[USERS], found[USERS];
    int64_t next = store_rocksdb.position(fixture.store).next;
    assert_true(next >= durable);
    for (uint32_t user = 0; user < USERS; user++) {
        expected[user] = found[user] = -1;
    }
    for (int64_t batch = 0; batch <= next; batch++) {
        for (uint32_t i = 0; i < BATCH_WRITES; i++) {
            expected[batch_user(batch, i)] = batch_deletes(batch, i) ? -1 : batch;
        }
    }
    assert_int_equal(store_rocksdb.scan(fixture.store, STORE_USERS, NULL, take_value, found, NULL),
                     STATUS_OK);
    assert_memory_equal(found, expected, sizeof found);
}

static void kill_9_leaves_exactly_the_batches_up_to_the_position(void **state)
{
    (void)state;
    uint64_t seed = (uint64_t)getpid();
    print_message("seed %llu\n", (unsigned long long)seed);
    int64_t durable = -1;
    for (int kill_number = 0; kill_number < KILLS; kill_number++) {
        store_rocksdb.close(fixture.store);
        seed = splitmix64(seed);
        int64_t batch = run_and_kill(kill_number % 2, (useconds_t)(seed % 200000));
        if (batch > durable) durable = batch;
        reopen();
        assert_store_is_the_batches_up_to_its_position(durable);
    }
    print_message("%lld batches survived\n", (long long)store_rocksdb.position(fixture.store).next);
}

static void overwritten_snapshots_give_their_disk_back(void **state)
{
    (void)state;
    static uint8_t value[SNAPSHOT_SIZE];
    struct store_facts facts;
    for (uint32_t i = 0; i < SNAPSHOT_ROUNDS * SNAPSHOT_USERS; i++) {
        uint32_t user = (uint32_t)(splitmix64(i) % SNAPSHOT_USERS);
        struct store_key key = {{&user, sizeof user}, 0};
        struct bytes bytes = {value, sizeof value};
        memset(value, (int)(i & 0xFF), sizeof value);
        assert_int_equal(store_rocksdb.put_snapshots(fixture.store, &key, &bytes, 1, NULL),
                         STATUS_OK);
    }
    fixture_reopen(&fixture);
    store_rocksdb.measure(fixture.store, &facts);
    print_message("%llu MiB on disk\n", (unsigned long long)facts.disk_bytes >> 20);
    assert_true(facts.disk_bytes < (size_t)SNAPSHOT_ROUNDS * SNAPSHOT_USERS * SNAPSHOT_SIZE / 4);
}

static void a_deletion_that_was_killed_is_ended_when_the_store_is_opened(void **state)
{
    (void)state;
    char current[128], value[256];
    commit_user("u", "record", 1);
    store_rocksdb.close(fixture.store);
    snprintf(current, sizeof current, "%s/CURRENT", fixture.path);
    assert_int_equal(unlink(current), 0); /* tables and an empty log of writes are still there */
    reopen();
    assert_int_equal(store_rocksdb.position(fixture.store).next, -1);
    fixture_value(&fixture, STORE_USERS, (struct store_key){bytes_of("u"), 0}, value);
    assert_string_equal(value, "-");
}

static void destroy_leaves_nothing(void **state)
{
    (void)state;
    commit_user("u", "record", 1);
    store_rocksdb.close(fixture.store);
    assert_int_equal(store_rocksdb.destroy(fixture.path, NULL), STATUS_OK);
    assert_int_not_equal(access(fixture.path, F_OK), 0);
    reopen();
    assert_int_equal(store_rocksdb.position(fixture.store).next, -1);
}

#define WITH_FIXTURE(test)                                                                         \
    cmocka_unit_test_setup_teardown(test, fixture_setup_rocksdb, fixture_teardown)

int main(int count, char **arguments)
{
    if (count == 2) write_until_killed(arguments[1]);
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(a_close_keeps_everything),
        WITH_FIXTURE(another_identity_is_refused_and_nothing_is_lost),
        WITH_FIXTURE(an_open_store_cannot_be_opened_again),
        WITH_FIXTURE(a_newer_format_and_a_damaged_mark_are_told_apart),
        WITH_FIXTURE(a_directory_with_unknown_families_is_refused),
        WITH_FIXTURE(kill_9_leaves_exactly_the_batches_up_to_the_position),
        WITH_FIXTURE(overwritten_snapshots_give_their_disk_back),
        WITH_FIXTURE(a_deletion_that_was_killed_is_ended_when_the_store_is_opened),
        WITH_FIXTURE(destroy_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * test_purge.c - what the RocksDB store no longer has of those who were erased: no snapshot after a kill,
 * and no byte in any of its files after a purge.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <dirent.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/store/fixture.h"

enum { OTHERS = 500, CHUNKS = 3, SNAPSHOT_SIZE = 16 << 10 };

static const char erased[] = "who-is-erased"; /* its id, and in all of its values */
static void put_snapshot(const char *user)
{
    char value[SNAPSHOT_SIZE];
    const struct store_key key = {.user = bytes_of(user)};
    for (size_t i = 0; i < sizeof value; i++) {
        value[i] = user[i % strlen(user)];
    }
    const struct bytes bytes = {value, sizeof value};
    assert_int_equal(store_rocksdb.put_snapshots(fixture.store, &key, &bytes, 1, NULL), STATUS_OK);
}

/* Record, chunks and snapshot, in memory and in files. */
static void write_user(const char *user, int64_t next)
{
    struct store_write writes[1 + CHUNKS] = {{STORE_USERS, {bytes_of(user), 0}, bytes_of(user), 0}};
    for (uint64_t chunk = 0; chunk < CHUNKS; chunk++) {
        writes[1 + chunk] =
            (struct store_write){STORE_CHUNKS, {bytes_of(user), chunk}, bytes_of(user), 0};
    }
    fixture_commit(&fixture, writes, 1 + CHUNKS, next);
    put_snapshot(user);
}

static void delete_user(const char *user, int64_t next)
{
    const struct store_key key = {.user = bytes_of(user)};
    const struct store_write writes[] = {
        {.space = STORE_CHUNKS, .key = key, .chunks_after = CHUNKS - 1},
        {.space = STORE_USERS, .key = key},
    };
    assert_int_equal(store_rocksdb.forget_snapshots(fixture.store, &key, 1, NULL), STATUS_OK);
    fixture_commit(&fixture, writes, 2, next);
}

static bool file_has(const char *path, const char *text)
{
    size_t size = 0;
    char *bytes = NULL;
    FILE *file = fopen(path, "rb");
    if (!file) return false; /* RocksDB has just deleted it */
    FILE *copy = open_memstream(&bytes, &size);
    for (int next; (next = getc(file)) != EOF;) {
        putc(next, copy);
    }
    assert_int_equal(fclose(file) + fclose(copy), 0);
    const bool has = memmem(bytes, size, text, strlen(text)) != NULL;
    free(bytes);
    return has;
}

static uint32_t files_with(const char *text)
{
    uint32_t count = 0;
    DIR *dir = opendir(fixture.path);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", fixture.path, entry->d_name);
        if (entry->d_type == DT_REG) count += file_has(path, text);
    }
    closedir(dir);
    return count;
}

static void assert_kept(const char *user, const char *expected)
{
    char value[256];
    fixture_value(&fixture, STORE_USERS, (struct store_key){.user = bytes_of(user)}, value);
    assert_string_equal(value, expected);
}

static void write_others(int64_t next)
{
    for (uint32_t i = 0; i < OTHERS; i++) {
        char user[32];
        snprintf(user, sizeof user, "other-%u", i);
        write_user(user, next);
    }
}

static void after_a_purge_no_file_has_a_byte_of_who_was_deleted(void **state)
{
    (void)state;
    write_others(1);
    write_user(erased, 2);
    fixture_reopen(&fixture); /* all of it lies in files */
    put_snapshot(erased);
    fixture_reopen(&fixture);
    assert_true(files_with(erased) >= 2);
    delete_user(erased, 3);
    assert_int_equal(store_rocksdb.flush(fixture.store, true, NULL), STATUS_OK);
    assert_true(files_with(erased) > 0);
    assert_int_equal(store_rocksdb.purge(fixture.store, NULL), STATUS_OK);
    assert_int_equal(files_with(erased), 0);
    fixture_reopen(&fixture);
    assert_int_equal(files_with(erased), 0);
    assert_kept(erased, "-");
    assert_kept("other-7", "other-7");
    assert_int_equal(store_rocksdb.position(fixture.store).next, 3);
}

/* Who comes back while files are written anew stays. */
static void a_purge_takes_nothing_but_what_was_deleted(void **state)
{
    (void)state;
    write_user(erased, 1);
    delete_user(erased, 2);
    write_user(erased, 3);
    assert_int_equal(store_rocksdb.purge(fixture.store, NULL), STATUS_OK);
    assert_kept(erased, erased);
    char value[256];
    fixture_value(&fixture, STORE_CHUNKS, (struct store_key){bytes_of(erased), CHUNKS - 1}, value);
    assert_string_equal(value, erased);
}

static void a_purge_that_is_canceled_says_so(void **state)
{
    (void)state;
    write_others(1);
    store_rocksdb.cancel_purge(fixture.store);
    struct error error;
    assert_int_equal(store_rocksdb.purge(fixture.store, &error), STATUS_END);
    fixture_reopen(&fixture);
    assert_int_equal(store_rocksdb.purge(fixture.store, NULL), STATUS_OK);
}

/* The child's life: snapshots that are in files, one that is forgotten, and kill -9. */
static _Noreturn void forget_and_die(const char *path)
{
    snprintf(fixture.path, sizeof fixture.path, "%s", path);
    const struct store_key key = {.user = bytes_of(erased)};
    if (store_rocksdb.open(&fixture.store, fixture.path, &fixture_identity, &fixture_options, NULL))
        _exit(1);
    if (store_rocksdb.forget_snapshots(fixture.store, &key, 1, NULL)) _exit(1);
    kill(getpid(), SIGKILL);
    _exit(1);
}

static bool count_snapshot(void *context, const struct store_key *key, struct bytes value)
{
    uint32_t *count = context;
    (void)value;
    assert_false(bytes_equal(key->user, bytes_of(erased)));
    (*count)++;
    return true;
}

static void a_forgotten_snapshot_does_not_come_back_after_kill_9(void **state)
{
    int status;
    uint32_t count = 0;
    (void)state;
    put_snapshot(erased);
    put_snapshot("other");
    store_rocksdb.close(fixture.store);
    const pid_t child = fork(); /* this program again: RocksDB's threads do not survive a fork */
    if (child == 0) {
        execl("/proc/self/exe", "test_purge", fixture.path, (char *)NULL);
        _exit(1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(
        store_rocksdb.open(&fixture.store, fixture.path, &fixture_identity, &fixture_options, NULL),
        STATUS_OK);
    assert_int_equal(
        store_rocksdb.scan(fixture.store, STORE_SNAPSHOTS, NULL, count_snapshot, &count, NULL),
        STATUS_OK);
    assert_int_equal(count, 1);
}

#define WITH_FIXTURE(test)                                                                         \
    cmocka_unit_test_setup_teardown(test, fixture_setup_rocksdb, fixture_teardown)

int main(int count, char **arguments)
{
    if (count == 2) forget_and_die(arguments[1]);
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(after_a_purge_no_file_has_a_byte_of_who_was_deleted),
        WITH_FIXTURE(a_purge_takes_nothing_but_what_was_deleted),
        WITH_FIXTURE(a_purge_that_is_canceled_says_so),
        WITH_FIXTURE(a_forgotten_snapshot_does_not_come_back_after_kill_9),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

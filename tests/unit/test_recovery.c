/* test_recovery.c - a store is rebuilt from the history log alone, entry for entry. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "stream/broker/file/commit_file.h"
#include "stream/job/recovery.h"
#include "tests/store/store_memory.h"
#include "tests/unit/job_fixture.h"

enum { PARTITIONS = 4 };

static const struct store_options options = {(size_t)16 << 20, (size_t)16 << 20};

/* One number for a space's keys and values, in their order. */
struct digest {
    uint64_t value;
    uint64_t entries;
};

static bool add_entry(void *context, const struct store_key *key, struct bytes value)
{
    struct digest *digest = context;
    digest->value = splitmix64(digest->value ^ checksum_of(key->user.at, key->user.size));
    digest->value = splitmix64(digest->value ^ key->chunk);
    digest->value = splitmix64(digest->value ^ checksum_of(value.at, value.size));
    digest->entries++;
    return true;
}

static struct digest digest_of(const struct store_ops *ops, struct store *store,
                               enum store_space space)
{
    struct digest digest = {0};
    assert_int_equal(ops->scan(store, space, NULL, add_entry, &digest, NULL), STATUS_OK);
    return digest;
}

static void run_recovery(struct recovery *recovery)
{
    struct error error = {.text = ""};
    if (recovery_run(recovery, &error) != STATUS_OK) fail_msg("%s", error.text);
}

/* What the job that has run would write again. */
static struct history_seal seal_of(const struct fixture *fixture)
{
    struct commit commit;
    assert_int_equal(commit_file_read(&commit, fixture->state, NULL), STATUS_OK);
    const struct history_seal seal = commit_seal(&commit, 0);
    commit_close(&commit);
    return seal;
}

/*
 * Restores partition `partition` from the log into a store in memory, and compares it with the
 * job's.
 */
static void compare_stores(const struct fixture *fixture, struct broker *broker, uint32_t partition)
{
    char path[160];
    atomic_bool cancel = false;
    snprintf(path, sizeof path, "%s/store-%04u", fixture->state, partition);
    const struct history_seal own = seal_of(fixture);
    struct recovery from_log = {.config = &fixture->config,
                                .own = &own,
                                .ops = &broker_file,
                                .broker = broker,
                                .stores = &store_memory,
                                .options = &options,
                                .path = path,
                                .partition = partition,
                                .cancel = &cancel};
    struct recovery of_job = from_log;
    of_job.stores = &store_rocksdb;
    run_recovery(&from_log);
    run_recovery(&of_job);
    assert_true(from_log.records > 0);
    assert_int_equal(of_job.records, 0);
    assert_int_equal(from_log.seal.number, of_job.seal.number);
    assert_int_equal(from_log.position.next, of_job.position.next);
    struct digest users = digest_of(&store_memory, from_log.store, STORE_USERS);
    struct digest expected = digest_of(&store_rocksdb, of_job.store, STORE_USERS);
    assert_true(users.entries > 0);
    assert_int_equal(users.entries, expected.entries);
    assert_int_equal(users.value, expected.value);
    store_memory.close(from_log.store);
    store_rocksdb.close(of_job.store);
}

static void a_store_from_the_log_has_the_users_of_the_jobs_own(void **state)
{
    (void)state;
    struct fixture fixture;
    struct broker *broker;
    fixture_open(&fixture, 3);
    fixture_log(&fixture, 4000, 60);
    fixture_run(&fixture);
    assert_int_equal(broker_file.open(&broker, &fixture.config, NULL), STATUS_OK);
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        compare_stores(&fixture, broker, p);
    }
    broker_file.close(broker);
    fixture_close(&fixture);
}

static void a_canceled_restore_keeps_its_store_and_says_so(void **state)
{
    (void)state;
    struct fixture fixture;
    struct broker *broker;
    char path[160];
    atomic_bool cancel = true;
    fixture_open(&fixture, 3);
    fixture_log(&fixture, 400, 20);
    fixture_run(&fixture);
    assert_int_equal(broker_file.open(&broker, &fixture.config, NULL), STATUS_OK);
    snprintf(path, sizeof path, "%s/store-0000", fixture.state);
    const struct history_seal own = seal_of(&fixture);
    struct recovery recovery = {.config = &fixture.config,
                                .own = &own,
                                .ops = &broker_file,
                                .broker = broker,
                                .stores = &store_memory,
                                .options = &options,
                                .path = path,
                                .cancel = &cancel};
    assert_int_equal(recovery_run(&recovery, NULL), STATUS_END);
    assert_non_null(recovery.store);
    store_memory.close(recovery.store);
    broker_file.close(broker);
    fixture_close(&fixture);
}

/* An older commit file was put back: the store knows of transactions that it does not. */
static void a_store_ahead_of_the_log_is_refused(void **state)
{
    (void)state;
    struct fixture fixture;
    char remedy[160];
    fixture_open(&fixture, 3);
    fixture_log(&fixture, 400, 20);
    fixture_run(&fixture);
    struct commit old;
    assert_int_equal(commit_file_read(&old, fixture.state, NULL), STATUS_OK);
    fixture_log(&fixture, 400, 20);
    fixture_run(&fixture);
    assert_int_equal(commit_file_write(&old, fixture.state, NULL), STATUS_OK);
    commit_close(&old);

    struct job_summary summary;
    struct error error = {.text = ""};
    assert_int_equal(job_run(&fixture.config, NULL, NULL, &summary, &error), STATUS_REFUSED);
    snprintf(remedy, sizeof remedy, "delete %s/store-", fixture.state);
    assert_non_null(strstr(error.text, remedy));
    fixture_close(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_store_from_the_log_has_the_users_of_the_jobs_own),
        cmocka_unit_test(a_canceled_restore_keeps_its_store_and_says_so),
        cmocka_unit_test(a_store_ahead_of_the_log_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

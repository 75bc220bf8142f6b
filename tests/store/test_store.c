/*
 * test_store.c - what every store promises, run over each implementation, and one against the
 * other.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/checksum.h"
#include "tests/store/fixture.h"
#include "tests/store/store_memory.h"

enum { USERS = 40, CHUNKS = 3, STEPS = 3000, WRITES_MAX = 20, SEED = 5 };

static int open_memory(void **state)
{
    (void)state;
    fixture_open(&fixture, &store_memory);
    return 0;
}

static struct store_key key_of(const char *user, uint64_t chunk)
{
    return (struct store_key){bytes_of(user), chunk};
}

static struct store_write write_of(enum store_space space, const char *user, uint64_t chunk,
                                   const char *value)
{
    return (struct store_write){.space = space,
                                .key = key_of(user, chunk),
                                .value = value ? bytes_of(value) : (struct bytes){NULL, 0}};
}

static void assert_value(enum store_space space, const char *user, uint64_t chunk,
                         const char *expected)
{
    char value[256];
    fixture_value(&fixture, space, key_of(user, chunk), value);
    assert_string_equal(value, expected);
}

static void put_snapshot(const char *user, const char *value)
{
    struct store_key key = key_of(user, 0);
    struct bytes bytes = value ? bytes_of(value) : (struct bytes){NULL, 0};
    assert_int_equal(fixture.ops->put_snapshots(fixture.store, &key, &bytes, 1, NULL), STATUS_OK);
}

static void a_new_store_is_empty_and_at_no_position(void **state)
{
    (void)state;
    struct store_position position = fixture.ops->position(fixture.store);
    assert_int_equal(position.next, -1);
    assert_int_equal(position.seal, 0);
    assert_value(STORE_USERS, "a", 0, "-");
}

static void a_deletion_takes_the_chunks_after_it_along(void **state)
{
    (void)state;
    struct store_write chunks[] = {
        write_of(STORE_CHUNKS, "a", 0, "A0"), write_of(STORE_CHUNKS, "a", 1, "A1"),
        write_of(STORE_CHUNKS, "a", 2, "A2"), write_of(STORE_CHUNKS, "a", 3, "A3"),
        write_of(STORE_CHUNKS, "b", 1, "B1")};
    fixture_commit(&fixture, chunks, 5, 10);
    struct store_write deletion = write_of(STORE_CHUNKS, "a", 1, NULL);
    deletion.chunks_after = 1;
    fixture_commit(&fixture, &deletion, 1, 20);
    assert_value(STORE_CHUNKS, "a", 0, "A0");
    assert_value(STORE_CHUNKS, "a", 1, "-");
    assert_value(STORE_CHUNKS, "a", 2, "-");
    assert_value(STORE_CHUNKS, "a", 3, "A3");
    assert_value(STORE_CHUNKS, "b", 1, "B1");
}

static void a_commit_writes_deletes_and_moves_the_position(void **state)
{
    (void)state;
    struct store_write first[] = {write_of(STORE_USERS, "a", 0, "A"),
                                  write_of(STORE_CHUNKS, "a", 7, "A7"),
                                  write_of(STORE_USERS, "b", 0, "")};
    fixture_commit(&fixture, first, 3, 10);
    assert_value(STORE_USERS, "a", 0, "A");
    assert_value(STORE_CHUNKS, "a", 7, "A7");
    assert_value(STORE_USERS, "b", 0, "");

    struct store_write second[] = {
        write_of(STORE_CHUNKS, "a", 7, NULL), write_of(STORE_USERS, "a", 0, "A+"),
        write_of(STORE_USERS, "a", 0, "A++"), write_of(STORE_USERS, "missing", 0, NULL)};
    fixture_commit(&fixture, second, 4, 20);
    assert_value(STORE_CHUNKS, "a", 7, "-");
    assert_value(STORE_USERS, "a", 0, "A++");
    struct store_position position = fixture.ops->position(fixture.store);
    assert_int_equal(position.log, 1);
    assert_int_equal(position.next, 20);
    assert_int_equal(position.seal, 2);
    assert_int_equal(position.written_ms, 3);
}

static void the_spaces_do_not_mix(void **state)
{
    (void)state;
    struct store_write writes[] = {write_of(STORE_USERS, "u", 0, "record"),
                                   write_of(STORE_CHUNKS, "u", 0, "chunk")};
    fixture_commit(&fixture, writes, 2, 1);
    put_snapshot("u", "snapshot");
    assert_value(STORE_USERS, "u", 0, "record");
    assert_value(STORE_CHUNKS, "u", 0, "chunk");
    assert_value(STORE_SNAPSHOTS, "u", 0, "snapshot");
    put_snapshot("u", NULL);
    assert_value(STORE_SNAPSHOTS, "u", 0, "-");
    assert_value(STORE_USERS, "u", 0, "record");
}

struct found {
    uint32_t count;
    char text[STORE_GET_MAX][16];
};

static void note_found(void *context, size_t index, struct bytes value)
{
    struct found *found = context;
    found->count++;
    memcpy(found->text[index], value.at, value.size);
}

static void a_batched_get_skips_what_is_missing(void **state)
{
    (void)state;
    char users[STORE_GET_MAX][8];
    struct store_write writes[STORE_GET_MAX / 2];
    struct store_key keys[STORE_GET_MAX];
    for (size_t i = 0; i < STORE_GET_MAX; i++) {
        snprintf(users[i], sizeof users[i], "u%zu", STORE_GET_MAX - i); /* not in key order */
        keys[i] = key_of(users[i], 0);
        if (i % 2) writes[i / 2] = write_of(STORE_USERS, users[i], 0, users[i]);
    }
    fixture_commit(&fixture, writes, STORE_GET_MAX / 2, 1);
    struct found found = {0};
    assert_int_equal(
        fixture.ops->get(fixture.store, STORE_USERS, keys, STORE_GET_MAX, note_found, &found, NULL),
        STATUS_OK);
    assert_int_equal(found.count, STORE_GET_MAX / 2);
    for (size_t i = 0; i < STORE_GET_MAX; i++) {
        assert_string_equal(found.text[i], i % 2 ? users[i] : "");
    }
    assert_int_equal(
        fixture.ops->get(fixture.store, STORE_USERS, keys, 0, note_found, &found, NULL), STATUS_OK);
}

struct listing {
    char text[256];
    uint32_t left; /* entries still wanted */
};

static bool list(void *context, const struct store_key *key, struct bytes value)
{
    struct listing *listing = context;
    size_t used = strlen(listing->text);
    snprintf(listing->text + used, sizeof listing->text - used, "%.*s:%llu=%.*s ",
             (int)key->user.size, (const char *)key->user.at, (unsigned long long)key->chunk,
             (int)value.size, (const char *)value.at);
    return --listing->left > 0;
}

static void assert_scan(enum store_space space, const struct store_key *start, uint32_t count,
                        const char *expected)
{
    struct listing listing = {.left = count};
    assert_int_equal(fixture.ops->scan(fixture.store, space, start, list, &listing, NULL),
                     STATUS_OK);
    assert_string_equal(listing.text, expected);
}

static void a_scan_goes_in_order_from_its_start_until_it_is_stopped(void **state)
{
    (void)state;
    struct store_write writes[] = {
        write_of(STORE_USERS, "bb", 0, "2"),      write_of(STORE_USERS, "c", 0, "1"),
        write_of(STORE_USERS, "ba", 0, "0"),      write_of(STORE_CHUNKS, "ba", 256, "z"),
        write_of(STORE_CHUNKS, "c", 1, "y"),      write_of(STORE_CHUNKS, "ba", 2, "x"),
        write_of(STORE_CHUNKS, "ba\xFF", 0, "w"),
    };
    fixture_commit(&fixture, writes, 7, 1);
    assert_scan(STORE_USERS, NULL, 9, "c:0=1 ba:0=0 bb:0=2 ");
    assert_scan(STORE_USERS, NULL, 2, "c:0=1 ba:0=0 ");
    assert_scan(STORE_CHUNKS, NULL, 9, "c:1=y ba:2=x ba:256=z ba\xFF:0=w ");
    struct store_key start = key_of("ba", 3);
    assert_scan(STORE_CHUNKS, &start, 9, "ba:256=z ba\xFF:0=w ");
    start = key_of("bb", 0);
    assert_scan(STORE_USERS, &start, 9, "bb:0=2 ");
    assert_scan(STORE_SNAPSHOTS, NULL, 9, "");
}

static bool count_and_commit(void *context, const struct store_key *key, struct bytes value)
{
    (void)key, (void)value;
    uint32_t *visits = context;
    struct store_write writes[] = {write_of(STORE_USERS, "zz", 0, "new"),
                                   write_of(STORE_USERS, "b", 0, NULL)};
    fixture_commit(&fixture, writes, 2, 2);
    return ++*visits < 100;
}

static void a_scan_sees_the_moment_it_began(void **state)
{
    (void)state;
    struct store_write writes[] = {write_of(STORE_USERS, "a", 0, "A"),
                                   write_of(STORE_USERS, "b", 0, "B")};
    uint32_t visits = 0;
    fixture_commit(&fixture, writes, 2, 1);
    assert_int_equal(
        fixture.ops->scan(fixture.store, STORE_USERS, NULL, count_and_commit, &visits, NULL),
        STATUS_OK);
    assert_int_equal(visits, 2);
    assert_scan(STORE_USERS, NULL, 9, "a:0=A zz:0=new ");
}

static void a_measure_sees_what_was_committed(void **state)
{
    (void)state;
    char user[8];
    struct store_facts before, after;
    fixture.ops->measure(fixture.store, &before);
    for (int i = 0; i < 100; i++) {
        snprintf(user, sizeof user, "%d", i);
        struct store_write write = write_of(STORE_USERS, user, 0, "value");
        fixture_commit(&fixture, &write, 1, i);
    }
    fixture.ops->measure(fixture.store, &after);
    assert_true(after.memory_bytes > before.memory_bytes);
    assert_false(after.delayed || after.stopped);
}

/* Values of a few sizes up to some kilobytes; `at` NULL one time in five. */
static struct bytes random_value(uint64_t *seed, uint8_t value[4096])
{
    *seed = splitmix64(*seed);
    size_t size = *seed % 3 ? *seed % 100 : *seed % 4096;
    memset(value, (int)(*seed >> 20 & 0xFF), size);
    return (struct bytes){*seed % 5 ? value : NULL, size};
}

static void random_step(struct fixture stores[2], uint64_t *seed, int64_t next)
{
    static uint8_t values[WRITES_MAX][4096];
    static char users[WRITES_MAX][8];
    struct store_write writes[WRITES_MAX];
    struct store_key keys[WRITES_MAX];
    struct bytes snapshots[WRITES_MAX];
    *seed = splitmix64(*seed);
    size_t count = *seed % WRITES_MAX;
    for (size_t i = 0; i < count; i++) {
        *seed = splitmix64(*seed);
        snprintf(users[i], sizeof users[i], "%llu", (unsigned long long)(*seed >> 8) % USERS);
        keys[i] = key_of(users[i], (*seed >> 40) % CHUNKS);
        snapshots[i] = random_value(seed, values[i]);
        writes[i] =
            (struct store_write){*seed % 2 ? STORE_CHUNKS : STORE_USERS, keys[i], snapshots[i], 0};
        bool deletes = writes[i].space == STORE_CHUNKS && !writes[i].value.at;
        writes[i].chunks_after = deletes ? (*seed >> 50) % CHUNKS : 0;
    }
    for (int s = 0; s < 2; s++) {
        if (next % 4) {
            fixture_commit(&stores[s], writes, count, next);
        } else {
            assert_int_equal(
                stores[s].ops->put_snapshots(stores[s].store, keys, snapshots, count, NULL),
                STATUS_OK);
        }
    }
}

struct digest {
    uint64_t sum;
    uint32_t count;
};

static bool digest_entry(void *context, const struct store_key *key, struct bytes value)
{
    struct digest *digest = context;
    digest->sum = splitmix64(digest->sum ^ checksum_of(key->user.at, key->user.size));
    digest->sum = splitmix64(digest->sum ^ key->chunk);
    digest->sum = splitmix64(digest->sum ^ checksum_of(value.at, value.size));
    digest->count++;
    return true;
}

static struct digest digest_of(struct fixture *of, enum store_space space)
{
    struct digest digest = {0};
    assert_int_equal(of->ops->scan(of->store, space, NULL, digest_entry, &digest, NULL), STATUS_OK);
    return digest;
}

static void both_stores_hold_the_same_after_any_calls(void **state)
{
    (void)state;
    struct fixture stores[2];
    uint64_t seed = SEED;
    fixture_open(&stores[0], &store_memory);
    fixture_open(&stores[1], &store_rocksdb);
    for (int step = 0; step < STEPS; step++) {
        random_step(stores, &seed, step);
        if (step % 500 == 250) fixture_reopen(&stores[1]);
        if (step % 100) continue;
        for (enum store_space space = STORE_USERS; space <= STORE_SNAPSHOTS; space++) {
            struct digest memory = digest_of(&stores[0], space);
            struct digest rocksdb = digest_of(&stores[1], space);
            if (memory.sum == rocksdb.sum) continue;
            fail_msg("seed %d, step %d, space %d: %u entries in memory, %u in RocksDB differ", SEED,
                     step, space, memory.count, rocksdb.count);
        }
    }
    fixture_close(&stores[0]);
    fixture_close(&stores[1]);
}

#define OVER(open, test)                                                                           \
    {                                                                                              \
#open "/" #test, test, open, fixture_teardown, NULL                                        \
    }
#define OVER_BOTH(test) OVER(open_memory, test), OVER(fixture_setup_rocksdb, test)

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER_BOTH(a_new_store_is_empty_and_at_no_position),
        OVER_BOTH(a_deletion_takes_the_chunks_after_it_along),
        OVER_BOTH(a_commit_writes_deletes_and_moves_the_position),
        OVER_BOTH(the_spaces_do_not_mix),
        OVER_BOTH(a_batched_get_skips_what_is_missing),
        OVER_BOTH(a_scan_goes_in_order_from_its_start_until_it_is_stopped),
        OVER_BOTH(a_scan_sees_the_moment_it_began),
        OVER_BOTH(a_measure_sees_what_was_committed),
        cmocka_unit_test(both_stores_hold_the_same_after_any_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

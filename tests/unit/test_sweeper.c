/* test_sweeper.c - whom one call finds, and where it stops. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/checksum.h"
#include "state/history.h"
#include "stream/job/sweeper.h"
#include "tests/store/store_memory.h"

enum { SOUGHT_EVERY = 500, MANY = 3 * SWEEPER_VISITS_MAX };
enum { USERS = 100, BEHAVIORS = 1000, USERS_MAX = 256, GENERATION = 2 };

static struct config config;
static struct task task;

static void put(const char *name, uint32_t behaviors, uint64_t generation, bool tombstone)
{
    static uint64_t seal;
    struct history history;
    uint8_t record[HISTORY_RECORD_MAX];
    const struct store_position position = {.next = 1, .seal = ++seal};
    history_init(&history, generation);
    for (uint32_t i = 0; i < behaviors; i++) {
        (void)history_append(&history, history_behavior_of(i, 1700000000000 + i, 0), i, 1 << 20);
    }
    history.tombstone = tombstone;
    const struct store_write write = {
        .space = STORE_USERS,
        .key = {.user = bytes_of(name)},
        .value = {record, history_encode(&history, record)},
    };
    assert_int_equal(store_memory.commit(task.store, &write, 1, &position, NULL), STATUS_OK);
}

static struct sweeper *open_sweeper(void)
{
    struct sweeper *sweeper;
    assert_int_equal(sweeper_open(&sweeper, &config, &store_memory, NULL, USERS_MAX, 0, NULL),
                     STATUS_OK);
    return sweeper;
}

/* A poll waits for no more than the fold of so many behaviors, however long histories are. */
static void a_call_finds_users_of_so_many_behaviors_and_goes_on_behind_them(void **state)
{
    (void)state;
    char name[16];
    const struct unswept_user *users;
    uint32_t count, found = 0, calls = 0;
    bool ended = false;
    for (uint32_t u = 0; u < USERS; u++) {
        snprintf(name, sizeof name, "u%02u", u);
        put(name, BEHAVIORS, 1, false);
    }
    put("u50a-moved", 1, GENERATION, false);
    put("u50b-gone", 1, 1, true);
    struct sweeper *sweeper = open_sweeper();
    for (; !ended; calls++) {
        assert_int_equal(
            sweeper_next(sweeper, &task, GENERATION, USERS_MAX, &users, &count, &ended, NULL),
            STATUS_OK);
        assert_true(count * BEHAVIORS < SWEEPER_BEHAVIORS_MAX + BEHAVIORS);
        for (uint32_t i = 0; i < count; i++) {
            snprintf(name, sizeof name, "u%02u", found++);
            assert_ptr_equal(users[i].task, &task);
            assert_int_equal(users[i].id.size, strlen(name));
            assert_memory_equal(users[i].id.at, name, strlen(name));
        }
    }
    assert_int_equal(found, USERS);
    assert_true(calls >= USERS * BEHAVIORS / (SWEEPER_BEHAVIORS_MAX + BEHAVIORS));
    sweeper_close(sweeper);
}

static void tell(const char *name, enum cut_stage stage)
{
    assert_int_equal(cuts_tell(&task.cuts, identity_of(name, strlen(name)), 1, stage, NULL),
                     STATUS_OK);
}

/* One scan serves all that are sought, whoever else was erased, or is sought by the next one. */
static void who_is_known_by_a_hash_is_found_in_the_order_of_keys(void **state)
{
    (void)state;
    char name[16];
    const struct unswept_user *users;
    uint32_t count, found = 0, calls = 0;
    bool ended = false;
    for (uint32_t u = 0; u < MANY; u++) {
        snprintf(name, sizeof name, "many-%05u", u);
        put(name, 1, 1, u % (2 * SOUGHT_EVERY) == 0);
        if (u % SOUGHT_EVERY == 0) tell(name, CUT_SEEKING);
        if (u % SOUGHT_EVERY == 1) tell(name, CUT_SOUGHT);
        if (u % SOUGHT_EVERY == 2) tell(name, CUT_GONE);
    }
    tell("nobody", CUT_SEEKING);
    struct sweeper *sweeper = open_sweeper();
    for (; !ended; calls++) {
        assert_int_equal(sweeper_next_sought(sweeper, &task, 3, &users, &count, &ended, NULL),
                         STATUS_OK);
        assert_true(count <= 3);
        for (uint32_t i = 0; i < count; i++) {
            snprintf(name, sizeof name, "many-%05u", found++ * SOUGHT_EVERY);
            assert_true(bytes_equal(users[i].id, bytes_of(name)));
        }
    }
    assert_int_equal(found, MANY / SOUGHT_EVERY + 1);
    assert_true(calls > MANY / SWEEPER_VISITS_MAX);
    sweeper_close(sweeper);
    cuts_close(&task.cuts);
}

static int open_all(void **state)
{
    (void)state;
    static const struct store_identity identity = {1, 0, 1};
    static const struct store_options options;
    config_defaults(&config);
    return store_memory.open(&task.store, "memory", &identity, &options, NULL) == STATUS_OK ? 0
                                                                                            : -1;
}

static int close_all(void **state)
{
    (void)state;
    store_memory.close(task.store);
    config_close(&config);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_finds_users_of_so_many_behaviors_and_goes_on_behind_them),
        cmocka_unit_test(who_is_known_by_a_hash_is_found_in_the_order_of_keys),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}

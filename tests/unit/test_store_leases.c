/* test_store_leases.c - who closes a store that is read beside its worker. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "stream/job/store_leases.h"

enum { PARTITIONS = 3 };

struct store {
    int closed;
};

static void close_store(struct store *store)
{
    store->closed++;
}

static const struct store_ops stores = {.close = close_store};

static struct store_leases *leases;

static int open_leases(void **state)
{
    (void)state;
    return store_leases_open(&leases, &stores, PARTITIONS, NULL);
}

static int close_leases(void **state)
{
    (void)state;
    store_leases_close(leases);
    return 0;
}

static struct store_lease *lend(uint32_t partition, struct store *store)
{
    struct store_lease *lease;
    assert_int_equal(store_leases_lend(leases, partition, store, &lease, NULL), STATUS_OK);
    return lease;
}

static void a_worker_goes_on_at_once_and_the_last_reader_closes_the_store(void **state)
{
    (void)state;
    struct store store = {0};
    struct store_lease *lease = lend(1, &store), *taken[PARTITIONS];
    assert_int_equal(store_leases_take(leases, taken), 1);
    assert_ptr_equal(taken[0]->store, &store);
    assert_false(atomic_load(&taken[0]->withdrawn));
    store_leases_withdraw(leases, lease);
    assert_int_equal(store.closed, 0);
    assert_true(atomic_load(&taken[0]->withdrawn));
    store_leases_give_back(leases, taken, 1);
    assert_int_equal(store.closed, 1);
}

static void nobody_takes_a_store_that_was_withdrawn(void **state)
{
    (void)state;
    struct store store = {0}, other = {0};
    struct store_lease *lease = lend(1, &store), *rest = lend(2, &other), *taken[PARTITIONS];
    assert_true(store_leases_has(leases, 1));
    store_leases_withdraw(leases, lease);
    assert_int_equal(store.closed, 1);
    assert_false(store_leases_has(leases, 1));
    assert_int_equal(store_leases_take(leases, taken), 1);
    assert_int_equal(taken[0]->partition, 2);
    store_leases_give_back(leases, taken, 1);
    store_leases_withdraw(leases, rest);
    assert_int_equal(other.closed, 1);
}

static void who_trains_hears_when_partition_0_is_given_up(void **state)
{
    (void)state;
    struct store store = {0}, first = {0};
    atomic_bool lost = false;
    struct store_lease *one = lend(1, &store), *seat = lend(0, &first);
    store_leases_watch(leases, &lost);
    store_leases_withdraw(leases, one);
    assert_false(atomic_load(&lost));
    store_leases_withdraw(leases, seat);
    assert_true(atomic_load(&lost));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            a_worker_goes_on_at_once_and_the_last_reader_closes_the_store, open_leases,
            close_leases),
        cmocka_unit_test_setup_teardown(nobody_takes_a_store_that_was_withdrawn, open_leases,
                                        close_leases),
        cmocka_unit_test_setup_teardown(who_trains_hears_when_partition_0_is_given_up, open_leases,
                                        close_leases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

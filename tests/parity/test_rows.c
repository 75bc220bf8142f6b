/* test_rows.c - which rows a behavior reads: gap buckets and out-of-vocabulary rows. */
#include "base/checksum.h"
#include "model/item_table.h"
#include "model/tensor/op.h"
#include "tests/parity/oracle.h"

static void gap_buckets_equal_the_fixture(void **context)
{
    (void)context;
    struct safetensors *file = oracle_open("rows.default");
    uint32_t buckets = (uint32_t)oracle_number(file, "gap_buckets");
    for (uint32_t i = 0; i < oracle_extent(file, "input/seconds", 0); i++) {
        assert_int_equal(gap_bucket(oracle_integers(file, "input/seconds")[i], buckets),
                         oracle_integers(file, "output/bucket")[i]);
    }
    safetensors_close(file);
}

static void unknown_items_share_the_rows_of_the_fixture(void **context)
{
    (void)context;
    struct safetensors *file = oracle_open("rows.default");
    struct item_table *table;
    struct error error;
    assert_int_equal(
        item_table_open(&table, NULL, 0, NULL, 0, (uint32_t)oracle_number(file, "oov"), &error),
        STATUS_OK);
    for (uint32_t i = 0; i < oracle_extent(file, "input/id", 0); i++) {
        struct item_resolved resolved;
        assert_true(
            item_table_resolve(table, (uint64_t)oracle_integers(file, "input/id")[i], &resolved));
        assert_int_equal(resolved.item, oracle_integers(file, "output/oov_row")[i]);
    }
    item_table_close(table);
    safetensors_close(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gap_buckets_equal_the_fixture),
        cmocka_unit_test(unknown_items_share_the_rows_of_the_fixture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

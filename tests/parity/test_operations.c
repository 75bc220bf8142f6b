/* test_operations.c - single kernels and rules against the reference, in float and in double. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/checksum.h"
#include "model/tensor/kernel.h"
#include "tests/parity/fixture.h"

static void elu1_equals_the_reference(void **state)
{
    (void)state;
    struct fixture fixture;
    const uint64_t *shape = NULL;
    fixture_open_named(&fixture, "op-elu1.default");
    real *x = fixture_reals(&fixture, "input/x", &shape);
    kernel_elu1(x, (uint32_t)shape[0], (uint32_t)shape[1], (uint32_t)shape[1]);
    assert_close(&fixture, "output/y", x, fixture_f64(&fixture, "output/y", NULL),
                 shape[0] * shape[1]);
    free(x);
    fixture_close(&fixture);
}

static void unit_equals_the_reference(void **state)
{
    (void)state;
    struct fixture fixture;
    const uint64_t *shape = NULL;
    fixture_open_named(&fixture, "op-unit.default");
    real *x = fixture_reals(&fixture, "input/x", &shape);
    kernel_unit(x, (uint32_t)shape[0], (uint32_t)shape[1]);
    assert_close(&fixture, "output/y", x, fixture_f64(&fixture, "output/y", NULL),
                 shape[0] * shape[1]);
    free(x);
    fixture_close(&fixture);
}

static void layer_norm_equals_the_reference(void **state)
{
    (void)state;
    struct fixture fixture;
    const uint64_t *shape = NULL;
    fixture_open_named(&fixture, "op-layer-norm.default");
    real *x = fixture_reals(&fixture, "input/x", &shape);
    real *weight = fixture_reals(&fixture, "input/weight", NULL);
    real *bias = fixture_reals(&fixture, "input/bias", NULL);
    real *y = calloc(shape[0] * shape[1], sizeof(real));
    assert_non_null(y);
    kernel_layer_norm(y, x, weight, bias, (uint32_t)shape[0], (uint32_t)shape[1]);
    assert_close(&fixture, "output/y", y, fixture_f64(&fixture, "output/y", NULL),
                 shape[0] * shape[1]);
    free(x);
    free(weight);
    free(bias);
    free(y);
    fixture_close(&fixture);
}

static void linear_attention_equals_the_reference(void **state)
{
    (void)state;
    struct fixture fixture;
    const uint64_t *shape = NULL;
    fixture_open_named(&fixture, "op-linear-attention.default");
    real *q = fixture_reals(&fixture, "input/q", &shape);
    real *k = fixture_reals(&fixture, "input/key", NULL);
    real *v = fixture_reals(&fixture, "input/v", NULL);
    const int64_t *length = fixture_i64(&fixture, "input/length", NULL);
    const uint32_t heads = (uint32_t)shape[2], width = (uint32_t)shape[3];
    const size_t row = (size_t)heads * width;
    real *y = calloc(shape[0] * shape[1] * row, sizeof(real));
    real *sums = calloc(row * width + row, sizeof(real));
    assert_true(y && sums);
    for (size_t user = 0; user < shape[0]; user++) {
        memset(sums, 0, (row * width + row) * sizeof(real));
        for (size_t step = 0; step < (size_t)length[user]; step++) {
            size_t at = (user * shape[1] + step) * row;
            kernel_attention_step(y + at, sums, sums + row * width, q + at, k + at, v + at, heads,
                                  width);
        }
    }
    assert_close(&fixture, "output/y", y, fixture_f64(&fixture, "output/y", NULL),
                 shape[0] * shape[1] * row);
    free(q);
    free(k);
    free(v);
    free(y);
    free(sums);
    fixture_close(&fixture);
}

static void gaps_fall_into_the_reference_buckets(void **state)
{
    (void)state;
    struct fixture fixture;
    const uint64_t *shape = NULL;
    fixture_open_named(&fixture, "rows.default");
    const int64_t *seconds = fixture_i64(&fixture, "input/seconds", &shape);
    const int64_t *bucket = fixture_i64(&fixture, "output/bucket", NULL);
    for (size_t i = 0; i < shape[0]; i++) {
        assert_int_equal(gap_bucket(seconds[i], fixture_number(&fixture, "gap_buckets")),
                         bucket[i]);
    }
    assert_int_equal(gap_bucket(INT64_MAX, 65), 64);
    fixture_close(&fixture);
}

static void unknown_items_use_the_reference_rows(void **state)
{
    (void)state;
    struct fixture fixture;
    struct error error;
    struct item_table *table = NULL;
    const uint64_t *shape = NULL;
    fixture_open_named(&fixture, "rows.default");
    const int64_t *id = fixture_i64(&fixture, "input/id", &shape);
    const int64_t *row = fixture_i64(&fixture, "output/oov_row", NULL);
    assert_int_equal(
        item_table_open(&table, NULL, 0, NULL, 0, fixture_number(&fixture, "oov"), &error),
        STATUS_OK);
    for (size_t i = 0; i < shape[0]; i++) {
        struct item_resolved resolved;
        assert_true(item_table_resolve(table, (uint64_t)id[i], &resolved));
        assert_int_equal(resolved.item, row[i]);
    }
    item_table_close(table);
    fixture_close(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elu1_equals_the_reference),
        cmocka_unit_test(unit_equals_the_reference),
        cmocka_unit_test(layer_norm_equals_the_reference),
        cmocka_unit_test(linear_attention_equals_the_reference),
        cmocka_unit_test(gaps_fall_into_the_reference_buckets),
        cmocka_unit_test(unknown_items_use_the_reference_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

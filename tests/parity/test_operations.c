/*
 * test_operations.c - single kernels and rules against the reference, in float and in double; where
 * the reference gives a cotangent, what backward makes of it, too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/checksum.h"
#include "model/kernel/kernel.h"
#include "model/tensor/op_profile.h"
#include "tests/parity/fixture.h"

static real *zeros(size_t count)
{
    real *at = calloc(count, sizeof(real));
    assert_non_null(at);
    return at;
}

static void assert_gradient(const struct fixture *fixture, const char *name, const real *got)
{
    size_t count = safetensors_find(fixture->file, name)->size / sizeof(double);
    assert_close(fixture, name, got, fixture_f64(fixture, name, NULL), count);
}

static void elu1_equals_the_reference(void **state)
{
    (void)state;
    struct fixture fixture;
    const uint64_t *shape = NULL;
    fixture_open_named(&fixture, "op-elu1.default");
    real *x = fixture_reals(&fixture, "input/x", &shape);
    real *dy = fixture_reals(&fixture, "cotangent/y", NULL);
    const uint32_t rows = (uint32_t)shape[0], cols = (uint32_t)shape[1];
    real *dx = zeros((size_t)rows * cols);
    kernel_elu1(x, rows, cols, cols);
    assert_close(&fixture, "output/y", x, fixture_f64(&fixture, "output/y", NULL),
                 (size_t)rows * cols);
    kernel_elu1_backward(dx, dy, x, rows, cols, cols);
    assert_gradient(&fixture, "grad/x", dx);
    free(x);
    free(dy);
    free(dx);
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
    real *dy = fixture_reals(&fixture, "cotangent/y", NULL);
    const uint32_t rows = (uint32_t)shape[0], cols = (uint32_t)shape[1];
    real *y = zeros((size_t)rows * cols), *dx = zeros((size_t)rows * cols);
    real *d_weight = zeros(cols), *d_bias = zeros(cols);
    kernel_layer_norm(y, x, weight, bias, rows, cols);
    assert_close(&fixture, "output/y", y, fixture_f64(&fixture, "output/y", NULL),
                 (size_t)rows * cols);
    kernel_layer_norm_backward(dx, d_weight, d_bias, dy, x, weight, rows, cols);
    assert_gradient(&fixture, "grad/x", dx);
    assert_gradient(&fixture, "grad/weight", d_weight);
    assert_gradient(&fixture, "grad/bias", d_bias);
    free(x);
    free(weight);
    free(bias);
    free(dy);
    free(y);
    free(dx);
    free(d_weight);
    free(d_bias);
    fixture_close(&fixture);
}

/* The steps of a user that count are the first ones of its row, each of them a point. */
static void linear_attention_equals_the_reference(void **state)
{
    (void)state;
    struct fixture fixture;
    const uint64_t *shape = NULL;
    fixture_open_named(&fixture, "op-linear-attention.default");
    real *q = fixture_reals(&fixture, "input/q", &shape);
    real *k = fixture_reals(&fixture, "input/key", NULL);
    real *v = fixture_reals(&fixture, "input/v", NULL);
    real *dy = fixture_reals(&fixture, "cotangent/y", NULL);
    const int64_t *length = fixture_i64(&fixture, "input/length", NULL);
    const uint32_t users = (uint32_t)shape[0], steps = (uint32_t)shape[1];
    const uint32_t heads = (uint32_t)shape[2], width = (uint32_t)shape[3], d = heads * width;
    const size_t size = (size_t)users * steps * d;
    real *y = zeros(size), *dq = zeros(size), *dk = zeros(size), *dv = zeros(size);
    real *sums = zeros((size_t)d * width + d);
    real *scratch = zeros(kernel_attention_scratch(steps, 1, width));
    uint32_t *points = calloc((size_t)users * steps, sizeof(*points));
    assert_non_null(points);
    for (uint32_t i = 0; i < users * steps; i++) {
        points[i] = i;
    }
    const struct attention_gradients gradients = {dq, dk, dv};
    const struct attention_rows rows = {heads, width, 1, q, k, v, d, d, points};
    for (uint32_t user = 0; user < users; user++) {
        const uint32_t from = user * steps, end = from + (uint32_t)length[user];
        const struct attention_span span = {from, end, from, end};
        memset(sums, 0, ((size_t)d * width + d) * sizeof(real));
        kernel_attention_sequence(y, sums, sums + (size_t)d * width, &rows, span);
        kernel_attention_sequence_backward(&gradients, y, dy, &rows, span, scratch);
    }
    assert_close(&fixture, "output/y", y, fixture_f64(&fixture, "output/y", NULL), size);
    assert_gradient(&fixture, "grad/q", dq);
    assert_gradient(&fixture, "grad/key", dk);
    assert_gradient(&fixture, "grad/v", dv);
    real *all[] = {q, k, v, dy, y, dq, dk, dv, sums, scratch};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        free(all[i]);
    }
    free(points);
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

static void features_use_the_reference_hashes_and_rows(void **state)
{
    (void)state;
    struct fixture fixture;
    const uint64_t *shape = NULL;
    fixture_open_named(&fixture, "rows.profile");
    const int64_t *bytes = fixture_i64(&fixture, "input/bytes", &shape);
    const int64_t *length = fixture_i64(&fixture, "input/length", NULL);
    const int64_t *hash = fixture_i64(&fixture, "output/hash", NULL);
    const int64_t *row = fixture_i64(&fixture, "output/row", NULL);
    const struct param table = {
        .spec = {.rank = 2, .shape = {1 + fixture_number(&fixture, "profile_buckets"), 1}}};
    for (size_t i = 0; i < shape[0]; i++) {
        uint8_t text[16];
        uint32_t rows[PROFILE_MAX];
        for (size_t k = 0; k < (size_t)length[i]; k++) {
            text[k] = (uint8_t)bytes[i * shape[1] + k];
        }
        const struct user_profile profile = {{0, identity_of(text, (size_t)length[i])}};
        assert_true(profile.hash[1] == (uint64_t)hash[i]);
        assert_int_equal(profile_rows(&table, &profile, rows), 1);
        assert_int_equal(rows[0], row[i]);
    }
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
        cmocka_unit_test(features_use_the_reference_hashes_and_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_kernel.c - kernels against plain loops in double, and each row against itself alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <math.h>

#include "base/random.h"
#include "model/kernel/kernel.h"

enum { ROWS_MAX = 20, WIDTH_MAX = 70 };

static void fill(real *x, size_t n, struct random *random)
{
    for (size_t i = 0; i < n; i++) {
        x[i] = (real)random_normal(random);
    }
}

/* One element of x W^T + bias as models.md writes it. */
static double plain_product(const real *x, const real *weight, double bias, uint32_t in)
{
    for (uint32_t i = 0; i < in; i++) {
        bias += (double)x[i] * (double)weight[i];
    }
    return bias;
}

static void products_equal_plain_loops_and_rows_do_not_see_each_other(void **state)
{
    (void)state;
    static real x[ROWS_MAX * WIDTH_MAX], weight[WIDTH_MAX * WIDTH_MAX], y[ROWS_MAX * WIDTH_MAX];
    static real bias[WIDTH_MAX + KERNEL_PANEL], alone[WIDTH_MAX];
    const uint32_t widths[] = {1, 7, 8, 16, 31, 64, 70};
    struct random random = random_seeded(1);
    fill(x, ROWS_MAX * WIDTH_MAX, &random);
    fill(weight, WIDTH_MAX * WIDTH_MAX, &random);
    fill(bias, WIDTH_MAX, &random);
    for (uint32_t shape = 0; shape < 7 * 7; shape++) {
        const uint32_t out = widths[shape / 7], in = widths[shape % 7];
        real *panels = calloc(kernel_packed_size(out, in), sizeof(real));
        assert_non_null(panels);
        kernel_pack(panels, weight, 0, out, in);
        for (uint32_t rows = 1; rows <= ROWS_MAX; rows++) {
            const real *added = rows % 2 ? bias : NULL;
            kernel_matmul_packed(y, x, panels, added, rows, out, in);
            for (uint32_t row = 0; row < rows; row++) {
                kernel_matmul_packed(alone, x + row * in, panels, added, 1, out, in);
                assert_memory_equal(alone, y + row * out, out * sizeof(real));
                for (uint32_t i = 0; i < out; i++) {
                    double want = plain_product(x + row * in, weight + i * in,
                                                added ? (double)bias[i] : 0, in);
                    assert_float_equal(y[row * out + i], want, 2e-5);
                }
            }
        }
        free(panels);
    }
}

static void products_of_plain_and_turned_factors_equal_plain_loops(void **state)
{
    (void)state;
    static real a[WIDTH_MAX * WIDTH_MAX], b[WIDTH_MAX * WIDTH_MAX], c[ROWS_MAX * WIDTH_MAX];
    static real before[ROWS_MAX * WIDTH_MAX];
    const uint32_t widths[] = {1, 8, 16, 31, 64, 70};
    struct random random = random_seeded(5);
    fill(a, WIDTH_MAX * WIDTH_MAX, &random);
    fill(b, WIDTH_MAX * WIDTH_MAX, &random);
    fill(before, ROWS_MAX * WIDTH_MAX, &random);
    for (uint32_t shape = 0; shape < 6 * 6 * ROWS_MAX * 4; shape++) {
        const uint32_t n = widths[shape % 6], k = widths[shape / 6 % 6];
        const uint32_t m = 1 + shape / 36 % ROWS_MAX;
        const bool turned = shape / 36 / ROWS_MAX % 2, keep = shape / 36 / ROWS_MAX / 2;
        const struct factor left = {a, turned ? m : k, turned};
        memcpy(c, before, sizeof(c));
        kernel_product(c, WIDTH_MAX, left, factor_of(b, n), m, n, k, keep);
        for (uint32_t at = 0; at < m * WIDTH_MAX; at++) {
            const uint32_t row = at / WIDTH_MAX, column = at % WIDTH_MAX;
            double want = keep || column >= n ? (double)before[at] : 0;
            for (uint32_t i = 0; column < n && i < k; i++) {
                const real factor = turned ? a[i * m + row] : a[row * k + i];
                want += (double)factor * (double)b[i * n + column];
            }
            assert_float_equal(c[at], want, 2e-5);
        }
    }
}

static void weights_packed_in_parts_equal_one_weight(void **state)
{
    (void)state;
    static real weight[40 * 9], whole[48 * 9], parts[48 * 9];
    struct random random = random_seeded(2);
    fill(weight, 40 * 9, &random);
    kernel_pack(whole, weight, 0, 40, 9);
    kernel_pack(parts, weight, 0, 13, 9);
    kernel_pack(parts, weight + 13 * 9, 13, 27, 9);
    assert_memory_equal(whole, parts, sizeof(whole));
}

static void exponential_is_accurate_over_its_range(void **state)
{
    (void)state;
    double worst = 0;
    for (double at = -87; at < 88; at += 0.00137) {
        real x = (real)at, y = 0;
        kernel_exp(&y, &x, 1);
        worst = fmax(worst, fabs((double)y / exp((double)x) - 1));
    }
    assert_true(worst < 2e-7);
    const real ends[] = {-1000, 1000, 0};
    real y[3];
    kernel_exp(y, ends, 3);
    assert_true(y[0] >= 0 && y[0] < (real)1e-37 && y[1] > (real)1e38 && y[2] == 1);
}

static void an_element_is_the_same_in_a_vector_and_in_its_tail(void **state)
{
    (void)state;
    real x[41], y[41], alone = 0;
    struct random random = random_seeded(3);
    fill(x, 41, &random);
    for (size_t n = 1; n <= 41; n++) {
        kernel_exp(y, x, n);
        for (size_t i = 0; i < n; i++) {
            kernel_exp(&alone, x + i, 1);
            assert_memory_equal(&alone, y + i, sizeof(real));
        }
    }
}

static void an_attention_step_is_absorbing_and_then_reading(void **state)
{
    (void)state;
    enum { HEADS = 2, LARGEST = 41 };
    static real once[HEADS * LARGEST * LARGEST], twice[HEADS * LARGEST * LARGEST];
    real q[HEADS * LARGEST], k[HEADS * LARGEST], v[HEADS * LARGEST];
    real step[HEADS * LARGEST], read[HEADS * LARGEST];
    struct random random = random_seeded(4);
    fill(q, HEADS * LARGEST, &random);
    fill(k, HEADS * LARGEST, &random);
    fill(v, HEADS * LARGEST, &random);
    kernel_elu1(q, 1, HEADS * LARGEST, HEADS * LARGEST);
    kernel_elu1(k, 1, HEADS * LARGEST, HEADS * LARGEST);
    for (uint32_t width = 1; width <= LARGEST; width++) {
        real z_once[HEADS * LARGEST] = {0}, z_twice[HEADS * LARGEST] = {0};
        memset(once, 0, sizeof(once));
        memset(twice, 0, sizeof(twice));
        for (int event = 0; event < 3; event++) {
            kernel_attention_step(step, once, z_once, q, k, v, HEADS, width);
            kernel_attention_absorb(twice, z_twice, k, v, HEADS, width);
            kernel_attention_read(read, NULL, twice, z_twice, q, 1, HEADS, width);
            assert_memory_equal(step, read, HEADS * width * sizeof(real));
        }
        assert_memory_equal(once, twice, sizeof(once));
        assert_memory_equal(z_once, z_twice, sizeof(z_once));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_equal_plain_loops_and_rows_do_not_see_each_other),
        cmocka_unit_test(products_of_plain_and_turned_factors_equal_plain_loops),
        cmocka_unit_test(weights_packed_in_parts_equal_one_weight),
        cmocka_unit_test(exponential_is_accurate_over_its_range),
        cmocka_unit_test(an_element_is_the_same_in_a_vector_and_in_its_tail),
        cmocka_unit_test(an_attention_step_is_absorbing_and_then_reading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

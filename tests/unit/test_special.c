/*
 * test_special.c - the library's own functions against libm, and what kernels promise about them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <math.h>

#include "base/random.h"
#include "model/kernel/kernel_activation.h"
#include "model/kernel/kernel_delta.h"
#include "model/kernel/special.h"

static double relative_error(real got, double want)
{
    return want == 0 ? fabs((double)got) : fabs((double)got / want - 1);
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static double softplus(double x)
{
    return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

static void tanh_is_accurate_near_zero_and_far_from_it(void **state)
{
    (void)state;
    double worst = 0;
    for (double at = 1e-20; at < 100; at *= 1.00037) {
        real x = (real)at, y[2] = {x, -x};
        kernel_tanh(y, 2);
        worst = fmax(worst, relative_error(y[0], tanh((double)x)));
        assert_true(y[1] == -y[0]);
    }
    assert_true(worst < 3e-7);
    real zero = 0;
    kernel_tanh(&zero, 1);
    assert_true(zero == 0);
}

static void logistic_and_softplus_are_accurate_on_both_sides(void **state)
{
    (void)state;
    double worst_sigmoid = 0, worst_softplus = 0;
    for (double at = -80; at < 80; at += 0.00137) {
        real x = (real)at, y = x, z = x;
        kernel_sigmoid(&y, 1);
        kernel_softplus(&z, 1);
        worst_sigmoid = fmax(worst_sigmoid, relative_error(y, sigmoid((double)x)));
        worst_softplus = fmax(worst_softplus, relative_error(z, softplus((double)x)));
    }
    assert_true(worst_sigmoid < 3e-7);
    assert_true(worst_softplus < 5e-7);
    real ends[] = {-1000, 1000};
    kernel_sigmoid(ends, 2);
    assert_true(ends[0] >= 0 && ends[0] < (real)1e-37 && ends[1] == 1);
    real large[] = {-1000, 1000};
    kernel_softplus(large, 2);
    assert_true(large[0] >= 0 && large[0] < (real)1e-37 && large[1] == 1000);
}

static void logarithms_of_small_numbers_keep_their_digits(void **state)
{
    (void)state;
    double worst = 0;
    for (double at = 1e-20; at <= 1; at *= 1.00037) {
        worst = fmax(worst, relative_error(log1p_of((real)at), log1p((double)(real)at)));
    }
    assert_true(worst < 3e-7);
}

static void an_element_is_the_same_in_a_vector_and_in_its_tail(void **state)
{
    (void)state;
    void (*const kernels[])(real *, size_t) = {kernel_tanh, kernel_sigmoid, kernel_softplus,
                                               kernel_silu};
    struct random random = random_seeded(1);
    real x[41], y[41];
    for (int i = 0; i < 41; i++) {
        x[i] = (real)(3 * random_normal(&random));
    }
    for (size_t k = 0; k < sizeof kernels / sizeof kernels[0]; k++) {
        for (size_t n = 1; n <= 41; n++) {
            memcpy(y, x, sizeof y);
            kernels[k](y, n);
            for (size_t i = 0; i < n; i++) {
                real alone = x[i];
                kernels[k](&alone, 1);
                assert_memory_equal(&alone, y + i, sizeof(real));
            }
        }
    }
}

static void a_delta_step_is_absorbing_and_then_reading(void **state)
{
    enum { HEADS = 2, LARGEST = 41 };
    static real once[HEADS * LARGEST * LARGEST], twice[HEADS * LARGEST * LARGEST];
    real q[HEADS * LARGEST], k[HEADS * LARGEST], v[HEADS * LARGEST];
    real step[HEADS * LARGEST], read[HEADS * LARGEST];
    const real alpha[] = {(real)0.9, (real)0.5}, beta[] = {(real)0.3, (real)0.99};
    struct random random = random_seeded(4);
    (void)state;
    for (uint32_t width = 1; width <= LARGEST; width++) {
        memset(once, 0, sizeof once);
        memset(twice, 0, sizeof twice);
        for (int event = 0; event < 3; event++) {
            for (uint32_t i = 0; i < HEADS * width; i++) {
                q[i] = (real)random_normal(&random);
                k[i] = (real)random_normal(&random);
                v[i] = (real)random_normal(&random);
            }
            kernel_delta_step(step, once, q, k, v, alpha, beta, HEADS, width);
            kernel_delta_absorb(twice, k, v, alpha, beta, HEADS, width);
            kernel_delta_read(read, twice, q, HEADS, width);
            assert_memory_equal(step, read, HEADS * width * sizeof(real));
        }
        assert_memory_equal(once, twice, sizeof once);
    }
}

static void a_full_write_makes_the_memory_answer_its_value(void **state)
{
    const real key[] = {(real)0.6, (real)0.8}, value[] = {3, -7}, keep = 1, strength = 1;
    real s[4] = {1, 2, 3, 4}, answer[2];
    (void)state;
    kernel_delta_absorb(s, key, value, &keep, &strength, 1, 2);
    kernel_delta_read(answer, s, key, 1, 2);
    assert_true(fabs((double)answer[0] - 3) < 1e-5 && fabs((double)answer[1] + 7) < 1e-5);
    real again[4];
    memcpy(again, s, sizeof again);
    kernel_delta_absorb(again, key, value, &keep, &strength, 1, 2);
    for (int i = 0; i < 4; i++) {
        assert_true(fabs((double)again[i] - (double)s[i]) < 1e-5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tanh_is_accurate_near_zero_and_far_from_it),
        cmocka_unit_test(logistic_and_softplus_are_accurate_on_both_sides),
        cmocka_unit_test(logarithms_of_small_numbers_keep_their_digits),
        cmocka_unit_test(an_element_is_the_same_in_a_vector_and_in_its_tail),
        cmocka_unit_test(a_delta_step_is_absorbing_and_then_reading),
        cmocka_unit_test(a_full_write_makes_the_memory_answer_its_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

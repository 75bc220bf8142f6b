/*
 * test_growing.c - what growing K is made of, against the reference: when new interests are due, and
 * what keeps the old ones.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "model/eval/interest_detect.h"
#include "model/train/retention.h"
#include "tests/near.h"
#include "tests/parity/fixture.h"

static void divergences_and_what_they_decide_equal_the_reference(void **state)
{
    (void)state;
    struct fixture file;
    const uint64_t *shape = NULL, *items_shape = NULL;
    fixture_open_named(&file, "detect.default");
    real *interests = fixture_reals(&file, "input/interests", &shape);
    real *items = fixture_reals(&file, "input/items", &items_shape);
    const uint32_t users = (uint32_t)shape[0], count = (uint32_t)shape[1], d = (uint32_t)shape[2];
    const uint32_t each = (uint32_t)items_shape[1];
    const struct interest_detect cosine = {true, fixture_real(&file, "temperature"), d};
    const struct interest_detect inner = {false, cosine.temperature, d};
    const double *want = fixture_f64(&file, "output/divergence", NULL);
    const double *want_dot = fixture_f64(&file, "output/divergence_dot", NULL);
    for (uint32_t user = 0; user < users; user++) {
        const real *own = interests + (size_t)user * count * d;
        double sum = 0;
        for (uint32_t i = 0; i < each; i++) {
            const size_t at = (size_t)user * each + i;
            const double divergence = interest_divergence(&cosine, own, count, items + at * d);
            assert_near(divergence, want[at], 1e-5);
            assert_near(interest_divergence(&inner, own, count, items + at * d), want_dot[at],
                        1e-5 * (1 + want_dot[at]));
            sum += divergence;
        }
        assert_int_equal(sum / each < INTEREST_DETECT_MIN,
                         fixture_i64(&file, "output/create", NULL)[user]);
    }
    assert_true(interest_divergence(&cosine, interests, 1, items) == 0);
    free(interests);
    free(items);
    fixture_close(&file);
}

static void retention_and_its_gradients_equal_the_reference(void **state)
{
    (void)state;
    struct fixture file;
    const uint64_t *shape = NULL;
    fixture_open_named(&file, "retain.default");
    real *old = fixture_reals(&file, "input/old", &shape);
    real *now = fixture_reals(&file, "input/new", NULL);
    real *target = fixture_reals(&file, "input/target", NULL);
    const size_t samples = shape[0], count = shape[1], d = shape[2];
    const struct retention rule = {(real)fixture_real(&file, "temperature"), (uint32_t)d};
    real *d_now = calloc(samples * count * d, sizeof *d_now);
    real *d_target = calloc(samples * d, sizeof *d_target);
    double loss = 0;
    assert_non_null(d_now);
    assert_non_null(d_target);
    for (size_t i = 0; i < samples; i++) {
        loss += retention_add(&rule, old + i * count * d, now + i * count * d, (uint32_t)count,
                              target + i * d, (real)(1.0 / (double)samples), d_now + i * count * d,
                              d_target + i * d);
    }
    assert_near(loss, fixture_f64(&file, "output/loss", NULL)[0], 1e-5);
    assert_close(&file, "grad/new", d_now, fixture_f64(&file, "grad/new", NULL),
                 samples * count * d);
    assert_close(&file, "grad/target", d_target, fixture_f64(&file, "grad/target", NULL),
                 samples * d);
    free(old);
    free(now);
    free(target);
    free(d_now);
    free(d_target);
    fixture_close(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(divergences_and_what_they_decide_equal_the_reference),
        cmocka_unit_test(retention_and_its_gradients_equal_the_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_select.c - selection at read time against its fixture, and its edges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include "model/interest_select.h"
#include "tests/near.h"
#include "tests/parity/fixture.h"

static void selection_equals_its_fixture(void **context)
{
    (void)context;
    struct fixture file;
    fixture_open_named(&file, "select.default");
    const uint64_t *shape = NULL;
    real *vectors = fixture_reals(&file, "input/interests", &shape);
    real *relative = fixture_reals(&file, "input/relative", NULL);
    uint32_t users = (uint32_t)shape[0], interests = (uint32_t)shape[1], d = (uint32_t)shape[2];
    size_t size = (size_t)interests * d;
    double *basis = malloc(size * sizeof *basis);
    struct interest_select options = {
        .limit = fixture_number(&file, "limit"),
        .evidence_min = fixture_real(&file, "evidence_min"),
        .residual_min = fixture_real(&file, "residual_min"),
    };
    real one[INTEREST_SELECT_MAX];
    for (uint32_t k = 0; k < interests; k++) {
        one[k] = 1;
    }
    for (uint32_t user = 0; user < users; user++) {
        struct interest_select_read read = {
            .vectors = vectors + user * size,
            .share = relative + (size_t)user * interests,
            .prior = one,
            .interests = interests,
            .d = d,
            .events = (uint64_t)fixture_i64(&file, "input/events", NULL)[user],
        };
        uint32_t chosen[INTEREST_SELECT_MAX];
        real weights[INTEREST_SELECT_MAX];
        const int64_t *want = fixture_i64(&file, "output/chosen", NULL) + (size_t)user * interests;
        uint32_t count = interest_select(&options, &read, basis, chosen, weights);
        double sum = 0;
        assert_int_equal(count, fixture_i64(&file, "output/count", NULL)[user]);
        for (uint32_t k = 0; k < count; k++) {
            assert_int_equal(chosen[k], want[k]);
            sum += weights[k];
        }
        if (count) assert_near(sum, 1, 1e-6);
    }
    free(basis);
    free(relative);
    free(vectors);
    fixture_close(&file);
}

static void one_event_publishes_exactly_one(void **context)
{
    (void)context;
    struct interest_select options = interest_select_defaults();
    const real vectors[] = {1, 0, 0, 1}, share[] = {(real)0.01, (real)0.99};
    struct interest_select_read read = {vectors, share, NULL, 2, 2, 1};
    double basis[4];
    uint32_t chosen[2];
    real weights[2];
    assert_int_equal(interest_select(&options, &read, basis, chosen, weights), 1);
    assert_int_equal(chosen[0], 1);
    assert_near(weights[0], 1, 0);
    read.events = 2; /* now only the lack of evidence keeps the other one out */
    assert_int_equal(interest_select(&options, &read, basis, chosen, weights), 1);
    options.evidence_min = 0.01;
    assert_int_equal(interest_select(&options, &read, basis, chosen, weights), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(selection_equals_its_fixture),
        cmocka_unit_test(one_event_publishes_exactly_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

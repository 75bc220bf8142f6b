/* test_negative_sampler.c - how often items are drawn, and their log probabilities. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "model/train/negative_sampler.h"

static void items_are_drawn_as_often_as_log_q_says(void **state)
{
    (void)state;
    enum { ROWS = 7, FIRST = 3, DRAWS = 200000 };
    const uint32_t counts[ROWS] = {9, 9, 9, 0, 15, 80, 255};
    struct negative_sampler *sampler;
    struct error error;
    struct random random = random_seeded(5);
    uint32_t drawn[1000], seen[ROWS] = {0};
    double sum = 0;
    assert_int_equal(negative_sampler_open(&sampler, counts, FIRST, ROWS, &error), STATUS_OK);
    for (int i = 0; i < DRAWS; i += 1000) {
        negative_sampler_draw(sampler, &random, drawn, 1000);
        for (int j = 0; j < 1000; j++) {
            assert_true(drawn[j] >= FIRST && drawn[j] < ROWS);
            seen[drawn[j]]++;
        }
    }
    for (int row = FIRST; row < ROWS; row++) {
        const double q = exp((double)negative_sampler_log_q(sampler)[row]);
        sum += q;
        assert_true(fabs(seen[row] / (double)DRAWS - q) < 5 * sqrt(q / DRAWS));
    }
    assert_true(fabs(sum - 1) < 1e-5);
    /* (1 + 255)^0.75 over (1 + 15)^0.75 is 8. */
    const real *log_q = negative_sampler_log_q(sampler);
    assert_true(fabs((double)(log_q[6] - log_q[4]) - log(8)) < 1e-5);
    negative_sampler_close(sampler);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(items_are_drawn_as_often_as_log_q_says)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_random.c - the generator's sequence is fixed, its distributions are what they say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "base/random.h"

enum { DRAWS = 100000 };

/* Seeds are part of checkpoints: the sequence of a seed must never change. */
static void a_seed_gives_the_same_numbers_for_ever(void **state)
{
    (void)state;
    struct random random = random_seeded(42);
    assert_true(random_next(&random) == 0xd0764d4f4476689fu);
    assert_true(random_next(&random) == 0x519e4174576f3791u);
    struct random copy = random;
    assert_true(random_next(&copy) == random_next(&random));
    struct random other = random_seeded(43);
    assert_true(random_next(&other) != random_next(&random));
}

static void below_reaches_every_number_equally_often(void **state)
{
    (void)state;
    struct random random = random_seeded(1);
    unsigned counts[7] = {0};
    for (int i = 0; i < DRAWS; i++) {
        counts[random_below(&random, 7)]++;
    }
    for (int i = 0; i < 7; i++) {
        assert_in_range(counts[i], DRAWS / 7 - 600, DRAWS / 7 + 600); /* five deviations */
    }
    assert_int_equal(random_below(&random, 1), 0);
}

static void uniform_and_normal_have_their_moments(void **state)
{
    (void)state;
    struct random random = random_seeded(2);
    double uniform = 0, mean = 0, square = 0;
    for (int i = 0; i < DRAWS; i++) {
        double u = random_uniform(&random), z = random_normal(&random);
        assert_true(u >= 0 && u < 1);
        uniform += u / DRAWS;
        mean += z / DRAWS;
        square += z * z / DRAWS;
    }
    assert_true(fabs(uniform - 0.5) < 0.005);
    assert_true(fabs(mean) < 0.016);
    assert_true(fabs(square - 1) < 0.023);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_seed_gives_the_same_numbers_for_ever),
        cmocka_unit_test(below_reaches_every_number_equally_often),
        cmocka_unit_test(uniform_and_normal_have_their_moments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * near.h - assert_near(): two numbers that may differ by rounding, printed where they differ by
 * more.
 */
#ifndef TESTS_NEAR_H
#define TESTS_NEAR_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

static inline void near_or_fail(double got, double want, double limit, const char *file, int line)
{
    double gap = got > want ? got - want : want - got;
    if (gap <= limit) return;
    print_error("%.17g is not within %g of %.17g\n", got, limit, want);
    _fail(file, line);
}

/* `got` is within `limit` of `want`; NaN is near nothing. */
#define assert_near(got, want, limit)                                                              \
    near_or_fail((double)(got), (double)(want), limit, __FILE__, __LINE__)

#endif

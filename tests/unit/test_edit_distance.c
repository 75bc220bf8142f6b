/* test_edit_distance.c - the distances one can count by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/edit_distance.h"

static void distances_count_the_edits(void **state)
{
    (void)state;
    assert_int_equal(edit_distance("", ""), 0);
    assert_int_equal(edit_distance("abc", ""), 3);
    assert_int_equal(edit_distance("", "abc"), 3);
    assert_int_equal(edit_distance("kitten", "sitting"), 3);
    assert_int_equal(edit_distance("source.pth", "source.path"), 1);
}

static void only_the_first_bytes_are_compared(void **state)
{
    (void)state;
    char a[200], b[200];
    memset(a, 'a', sizeof a);
    memset(b, 'b', sizeof b);
    a[199] = b[199] = '\0';
    assert_int_equal(edit_distance(a, b), EDIT_DISTANCE_WORD_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distances_count_the_edits),
        cmocka_unit_test(only_the_first_bytes_are_compared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

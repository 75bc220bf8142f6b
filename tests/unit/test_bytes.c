/* test_bytes.c - byte strings of every length are told apart by every byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/bytes.h"

enum { SIZE_MAX_TRIED = 40 };

static void equal_bytes_are_equal_whatever_their_length(void **state)
{
    char one[SIZE_MAX_TRIED], other[SIZE_MAX_TRIED];
    (void)state;
    for (size_t size = 0; size <= SIZE_MAX_TRIED; size++) {
        /* Ends where the block does, so that reading further would be found. */
        char *a = one + SIZE_MAX_TRIED - size, *b = other + SIZE_MAX_TRIED - size;
        for (size_t i = 0; i < size; i++) {
            a[i] = b[i] = (char)(i * 37);
        }
        assert_true(bytes_equal((struct bytes){a, size}, (struct bytes){b, size}));
    }
    assert_true(bytes_equal((struct bytes){NULL, 0}, (struct bytes){one, 0}));
}

static void one_other_byte_makes_them_differ(void **state)
{
    char one[SIZE_MAX_TRIED] = {0}, other[SIZE_MAX_TRIED] = {0};
    (void)state;
    for (size_t size = 1; size <= SIZE_MAX_TRIED; size++) {
        for (size_t i = 0; i < size; i++) {
            other[i] = 1;
            assert_false(bytes_equal((struct bytes){one, size}, (struct bytes){other, size}));
            other[i] = 0;
        }
        assert_false(bytes_equal((struct bytes){one, size}, (struct bytes){one, size - 1}));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_bytes_are_equal_whatever_their_length),
        cmocka_unit_test(one_other_byte_makes_them_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

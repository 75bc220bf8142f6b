/* test_transaction.c - exactly the state changes that transaction.h lists are legal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "stream/job/transaction.h"

static void only_the_documented_arrows_are_legal(void **state)
{
    (void)state;
    static const enum transaction_state legal[][2] = {
        {TRANSACTION_IDLE, TRANSACTION_OPEN},
        {TRANSACTION_OPEN, TRANSACTION_COMMITTING},
        {TRANSACTION_COMMITTING, TRANSACTION_STORING},
        {TRANSACTION_STORING, TRANSACTION_IDLE},
        {TRANSACTION_OPEN, TRANSACTION_ABORTING},
        {TRANSACTION_COMMITTING, TRANSACTION_ABORTING},
        {TRANSACTION_ABORTING, TRANSACTION_IDLE},
    };
    for (int from = 0; from < TRANSACTION_STATES; from++) {
        for (int to = 0; to < TRANSACTION_STATES; to++) {
            bool expected = to == TRANSACTION_FENCED && from != TRANSACTION_FENCED;
            for (size_t i = 0; i < sizeof legal / sizeof *legal; i++) {
                if ((int)legal[i][0] == from && (int)legal[i][1] == to) expected = true;
            }
            assert_int_equal(
                transaction_allows((enum transaction_state)from, (enum transaction_state)to),
                expected);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_documented_arrows_are_legal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

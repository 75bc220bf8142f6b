/* test_fault.c - a chosen point kills the process at the chosen pass, and only there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fault.h"

/* Passes the point three times in a child; gives its wait status. */
static int pass_three_times(const char *choice)
{
    pid_t child = fork();
    if (child == 0) {
        setenv("BRAID_FAULT", choice, 1);
        for (int i = 0; i < 3; i++) {
            FAULT_POINT("transaction_begun");
        }
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return status;
}

static void the_chosen_pass_kills(void **state)
{
    (void)state;
    if (!fault_names[0]) skip(); /* a build without fault points */
    int status = pass_three_times("transaction_begun:3");
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    status = pass_three_times("transaction_begun");
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void other_passes_and_points_do_not(void **state)
{
    (void)state;
    assert_int_equal(pass_three_times("transaction_begun:4"), 0);
    assert_int_equal(pass_three_times("committed"), 0);
    assert_int_equal(pass_three_times(""), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_chosen_pass_kills),
        cmocka_unit_test(other_passes_and_points_do_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

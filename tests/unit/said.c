/* said.c - a failure shows all that the program said. */
#include "tests/unit/said.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

void expect_said(const struct scene *scene, int code, int wanted, const char *text)
{
    if (code == wanted && strstr(scene->output, text)) return;
    fail_msg("exit code %d, expected %d and '%s', said:\n%s", code, wanted, text, scene->output);
}

void expect_all_said(const struct scene *scene, int code, int wanted, const char *const *texts)
{
    do {
        expect_said(scene, code, wanted, *texts ? *texts : "");
    } while (*texts && *++texts);
}

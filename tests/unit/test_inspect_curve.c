/* test_inspect_curve.c - columns of a table of figures, printed and drawn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "stream/query/inspect.h"

static char directory[64], csv[96], svg[96], said[8192];

static int open_scene(void **state)
{
    (void)state;
    snprintf(directory, sizeof directory, "/tmp/braid-inspect-curve-XXXXXX");
    assert_non_null(mkdtemp(directory));
    snprintf(csv, sizeof csv, "%s/c.csv", directory);
    snprintf(svg, sizeof svg, "%s/c.svg", directory);
    FILE *file = fopen(csv, "w");
    assert_non_null(file);
    fputs("position,events,hr,verdict,ndcg\n"
          "10,0,0,none,0\n"
          "20,5,0.5,adopted,0.25\n"
          "30,5,,held,0.125\n"
          "40,5,1,held,0.5\n",
          file);
    fclose(file);
    return 0;
}

static int close_scene(void **state)
{
    (void)state;
    unlink(csv);
    unlink(svg);
    rmdir(directory);
    return 0;
}

static const char *read_all(FILE *file)
{
    rewind(file);
    said[fread(said, 1, sizeof said - 1, file)] = 0;
    fclose(file);
    return said;
}

static enum status inspect(const char *columns, const char *picture, struct error *error)
{
    FILE *out = tmpfile();
    assert_non_null(out);
    const enum status status = inspect_curve(csv, columns, picture, out, error);
    read_all(out);
    return status;
}

static void rows_with_events_are_printed(void **state)
{
    struct error error;
    (void)state;
    assert_int_equal(inspect("position,ndcg", NULL, &error), STATUS_OK);
    assert_null(strstr(said, " 10 "));
    assert_non_null(strstr(said, "20                 0.25\n"));
    assert_non_null(strstr(said, "40                  0.5\n"));
}

static void a_picture_has_a_line_a_column_and_gaps_where_there_is_no_number(void **state)
{
    struct error error;
    (void)state;
    assert_int_equal(inspect("position,ndcg,hr", svg, &error), STATUS_OK);
    FILE *file = fopen(svg, "r");
    assert_non_null(file);
    const char *text = read_all(file);
    /* From 20 to 40 and from 0 to the greatest of both columns, 1. */
    assert_non_null(strstr(text, "points=\"60.0,250.0 360.0,285.0 660.0,180.0 \""));
    assert_non_null(strstr(text, "points=\"60.0,180.0 660.0,40.0 \""));
    assert_non_null(strstr(text, ">ndcg</text>"));
    assert_non_null(strstr(text, ">position 20</text>"));
}

static void a_column_that_is_not_there_is_refused(void **state)
{
    struct error error;
    (void)state;
    assert_int_equal(inspect("position,loss", NULL, &error), STATUS_INVALID);
    assert_non_null(strstr(error.text, "no column loss"));
    assert_int_equal(inspect("position", NULL, &error), STATUS_INVALID);
}

static void a_file_that_is_not_there_is_named(void **state)
{
    struct error error;
    (void)state;
    assert_int_equal(inspect_curve("/nowhere/c.csv", NULL, NULL, stdout, &error), STATUS_NOT_FOUND);
    assert_non_null(strstr(error.text, "/nowhere/c.csv"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rows_with_events_are_printed, open_scene, close_scene),
        cmocka_unit_test_setup_teardown(
            a_picture_has_a_line_a_column_and_gaps_where_there_is_no_number, open_scene,
            close_scene),
        cmocka_unit_test_setup_teardown(a_column_that_is_not_there_is_refused, open_scene,
                                        close_scene),
        cmocka_unit_test(a_file_that_is_not_there_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

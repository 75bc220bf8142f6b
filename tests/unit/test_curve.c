/* test_curve.c - the lines of a curve's file, and the picture drawn from them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "model/train/curve.h"

enum { TEXT_SIZE = 8192 };

struct scene {
    char directory[64], csv[80], svg[80];
    char text[TEXT_SIZE];
};

static void scene_open(struct scene *scene)
{
    snprintf(scene->directory, sizeof scene->directory, "/tmp/braid-curve-XXXXXX");
    assert_non_null(mkdtemp(scene->directory));
    snprintf(scene->csv, sizeof scene->csv, "%s/c.csv", scene->directory);
    snprintf(scene->svg, sizeof scene->svg, "%s/c.svg", scene->directory);
}

static void scene_close(struct scene *scene)
{
    unlink(scene->csv);
    unlink(scene->svg);
    rmdir(scene->directory);
}

static const char *read_text(struct scene *scene, const char *path)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    scene->text[fread(scene->text, 1, TEXT_SIZE - 1, file)] = 0;
    fclose(file);
    return scene->text;
}

static void append(struct scene *scene, uint32_t epoch, double loss)
{
    const struct curve_point point = {epoch, 10 * (uint64_t)epoch, loss, 0.25, 0.125, 1.5};
    struct error error;
    assert_int_equal(curve_append(scene->csv, &point, &error), STATUS_OK);
}

static void each_epoch_is_a_line_below_the_columns(void **state)
{
    (void)state;
    struct scene scene;
    scene_open(&scene);
    append(&scene, 1, 8);
    append(&scene, 2, 6.5);
    assert_string_equal(read_text(&scene, scene.csv), "epoch,steps,loss,hit_rate,ndcg,seconds\n"
                                                      "1,10,8.000000,0.250000,0.125000,1.50\n"
                                                      "2,20,6.500000,0.250000,0.125000,1.50\n");
    scene_close(&scene);
}

static void an_epoch_that_was_run_again_counts_once(void **state)
{
    (void)state;
    struct scene scene;
    struct error error;
    scene_open(&scene);
    append(&scene, 1, 9);
    append(&scene, 2, 100); /* lost: the run was resumed after epoch 1 */
    append(&scene, 3, 100);
    append(&scene, 2, 5);
    append(&scene, 3, 7);
    assert_int_equal(curve_plot(scene.csv, scene.svg, &error), STATUS_OK);
    const char *text = read_text(&scene, scene.svg);
    /* From the left to the right edge, from the greatest loss to the least and half way back. */
    assert_non_null(strstr(text, "points=\"60.0,40.0 360.0,320.0 660.0,180.0 \""));
    assert_non_null(strstr(text, "epoch 1<"));
    scene_close(&scene);
}

static void a_foreign_line_is_named(void **state)
{
    (void)state;
    struct scene scene;
    struct error error;
    scene_open(&scene);
    append(&scene, 1, 9);
    FILE *file = fopen(scene.csv, "a");
    assert_non_null(file);
    fputs("2,three\n", file);
    fclose(file);
    assert_int_equal(curve_plot(scene.csv, scene.svg, &error), STATUS_CORRUPT);
    assert_non_null(strstr(error.text, "c.csv:3:"));
    scene_close(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_epoch_is_a_line_below_the_columns),
        cmocka_unit_test(an_epoch_that_was_run_again_counts_once),
        cmocka_unit_test(a_foreign_line_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

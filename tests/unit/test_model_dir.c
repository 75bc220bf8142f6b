/* test_model_dir.c - generations of a directory: their numbers, their order, and who is passed over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "model/interest_ops.h"
#include "model/model_dir.h"

static char dir[64];

static struct checkpoint *make_checkpoint(uint64_t seed)
{
    const struct item_entry entries[] = {{{"alien", 5}, 0}, {{"brazil", 6}, 0}};
    struct model_dims dims = interest_ops_find("single")->defaults;
    struct item_table *items;
    struct checkpoint *checkpoint;
    dims.use_category = false;
    assert_int_equal(item_table_open(&items, entries, 2, NULL, 0, 1, NULL), STATUS_OK);
    assert_int_equal(checkpoint_init(&checkpoint, "single", &dims, items, seed, NULL), STATUS_OK);
    return checkpoint;
}

/* Writes one more generation and returns its number. */
static uint64_t write_one(uint64_t at_least)
{
    struct error error;
    struct checkpoint *checkpoint = make_checkpoint(1);
    checkpoint->generation = at_least;
    if (model_dir_write(dir, checkpoint, &error) != STATUS_OK) fail_msg("%s", error.text);
    const uint64_t number = checkpoint->generation;
    checkpoint_close(checkpoint);
    return number;
}

static void expect_newest(uint64_t number)
{
    char path[MODEL_DIR_PATH_MAX];
    struct checkpoint *checkpoint;
    struct error error;
    if (model_dir_newest(dir, path, &error) != STATUS_OK) fail_msg("%s", error.text);
    assert_int_equal(checkpoint_open(&checkpoint, path, &error), STATUS_OK);
    assert_int_equal(checkpoint->generation, number);
    checkpoint_close(checkpoint);
}

static void expect_list(const uint64_t *numbers, uint32_t count)
{
    struct model_dir_list list;
    assert_int_equal(model_dir_list_open(&list, dir, NULL), STATUS_OK);
    assert_int_equal(list.count, count);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(list.numbers[i], numbers[i]);
    }
    model_dir_list_close(&list);
}

static void remove_generation(uint64_t number)
{
    char path[MODEL_DIR_PATH_MAX];
    assert_int_equal(model_dir_path(dir, number, path, NULL), STATUS_OK);
    assert_int_equal(unlink(path), 0);
}

static void write_file(const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void an_empty_or_missing_directory_has_no_generation(void **state)
{
    (void)state;
    char path[MODEL_DIR_PATH_MAX];
    struct error error;
    assert_int_equal(model_dir_newest(dir, path, &error), STATUS_NOT_FOUND);
    assert_non_null(strstr(error.text, "braid init"));
    expect_list(NULL, 0);
}

static void numbers_rise_from_one_and_the_newest_is_found(void **state)
{
    (void)state;
    for (uint64_t number = 1; number <= 3; number++) {
        assert_int_equal(write_one(1), number);
        expect_newest(number);
    }
    expect_list((const uint64_t[]){1, 2, 3}, 3);
}

static void a_number_is_never_given_twice(void **state)
{
    (void)state;
    write_one(1);
    write_one(1);
    remove_generation(2);
    assert_int_equal(write_one(1), 3); /* though 2 is free */
    remove_generation(3);
    remove_generation(1);
    assert_int_equal(write_one(1), 4); /* though there was none */
    assert_int_equal(write_one(9), 9); /* a successor of somebody's generation 8 */
    assert_int_equal(write_one(1), 10);
    char path[128];
    snprintf(path, sizeof path, "%s/next", dir);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(write_one(1), 11); /* as the files say */
    write_file("next", "1x");
    assert_int_equal(write_one(1), 12);
}

static void writers_at_once_get_numbers_of_their_own(void **state)
{
    (void)state;
    enum { WRITERS = 4, EACH = 5 };
    for (int i = 0; i < WRITERS; i++) {
        const pid_t child = fork();
        assert_true(child >= 0);
        if (child > 0) continue;
        for (int k = 0; k < EACH; k++) {
            struct checkpoint *checkpoint = make_checkpoint((uint64_t)i);
            if (model_dir_write(dir, checkpoint, NULL) != STATUS_OK) _exit(1);
            checkpoint_close(checkpoint);
        }
        _exit(0);
    }
    for (int i = 0; i < WRITERS; i++) {
        int status;
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    struct model_dir_list list;
    assert_int_equal(model_dir_list_open(&list, dir, NULL), STATUS_OK);
    assert_int_equal(list.count, WRITERS * EACH);
    assert_int_equal(list.numbers[list.count - 1], WRITERS * EACH);
    model_dir_list_close(&list);
}

static void what_is_torn_or_foreign_is_passed_over(void **state)
{
    (void)state;
    char path[MODEL_DIR_PATH_MAX], other[MODEL_DIR_PATH_MAX];
    write_one(1);
    write_one(1);
    write_file("generation-0000000003.safetensors.tmp", "a write that was cut off");
    write_file("generation-0000000004.safetensors", "no checkpoint");
    write_file("generation-12.safetensors", "not a name of ours");
    write_file("notes.txt", "by hand");
    expect_newest(2);
    assert_int_equal(model_dir_path(dir, 2, path, NULL), STATUS_OK);
    assert_int_equal(model_dir_path(dir, 7, other, NULL), STATUS_OK);
    assert_int_equal(link(path, other), 0); /* generation 2 under the name of 7 */
    expect_newest(2);
    assert_int_equal(truncate(path, 1000), 0);
    expect_newest(1);
    assert_int_equal(write_one(1), 8);
    expect_newest(8);
}

static void pruning_keeps_the_newest_and_what_is_active(void **state)
{
    (void)state;
    for (int i = 0; i < 7; i++) {
        write_one(1);
    }
    assert_int_equal(model_dir_prune(dir, 3, (const uint64_t[]){2}, 1, NULL), STATUS_OK);
    expect_list((const uint64_t[]){2, 5, 6, 7}, 4);
    assert_int_equal(model_dir_prune(dir, 1, NULL, 0, NULL), STATUS_OK);
    expect_list((const uint64_t[]){7}, 1);
    assert_int_equal(write_one(1), 8);
}

static int open_dir(void **state)
{
    (void)state;
    char made[] = "/tmp/braid-model-dir-XXXXXX";
    if (!mkdtemp(made)) return 1;
    snprintf(dir, sizeof dir, "%s/models", made);
    return 0;
}

static int close_dir(void **state)
{
    (void)state;
    char command[128];
    char *slash = strrchr(dir, '/');
    *slash = 0;
    snprintf(command, sizeof command, "%s", dir);
    const pid_t child = fork();
    if (child == 0) execlp("rm", "rm", "-rf", command, (char *)NULL);
    int status;
    return child < 0 || waitpid(child, &status, 0) != child || status != 0;
}

static void a_file_that_comes_from_elsewhere_has_its_number_for_ever(void **state)
{
    (void)state;
    char path[MODEL_DIR_PATH_MAX], apart[MODEL_DIR_PATH_MAX];
    struct checkpoint *checkpoint = make_checkpoint(7);
    checkpoint->generation = 5;
    snprintf(apart, sizeof apart, "%s/apart.tmp", dir);
    assert_int_equal(write_one(1), 1);
    assert_int_equal(checkpoint_write(checkpoint, apart, NULL), STATUS_OK);
    assert_int_equal(model_dir_install(dir, apart, 5, NULL), STATUS_OK);
    expect_newest(5);
    remove_generation(5);
    assert_int_equal(write_one(1), 6);
    assert_int_equal(checkpoint_write(checkpoint, apart, NULL), STATUS_OK);
    assert_int_equal(model_dir_install(dir, apart, 5, NULL), STATUS_OK);
    assert_int_equal(write_one(1), 7);
    assert_int_equal(model_dir_path(dir, 5, path, NULL), STATUS_OK);
    assert_true(model_dir_is_whole(path, 5));
    checkpoint_close(checkpoint);
}

static void a_number_that_others_had_is_not_given_out(void **state)
{
    (void)state;
    assert_int_equal(write_one(1), 1);
    assert_int_equal(model_dir_pass(dir, 9, NULL), STATUS_OK);
    assert_int_equal(model_dir_pass(dir, 3, NULL), STATUS_OK);
    assert_int_equal(write_one(1), 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_empty_or_missing_directory_has_no_generation, open_dir,
                                        close_dir),
        cmocka_unit_test_setup_teardown(numbers_rise_from_one_and_the_newest_is_found, open_dir,
                                        close_dir),
        cmocka_unit_test_setup_teardown(a_number_is_never_given_twice, open_dir, close_dir),
        cmocka_unit_test_setup_teardown(writers_at_once_get_numbers_of_their_own, open_dir,
                                        close_dir),
        cmocka_unit_test_setup_teardown(what_is_torn_or_foreign_is_passed_over, open_dir,
                                        close_dir),
        cmocka_unit_test_setup_teardown(pruning_keeps_the_newest_and_what_is_active, open_dir,
                                        close_dir),
        cmocka_unit_test_setup_teardown(a_file_that_comes_from_elsewhere_has_its_number_for_ever,
                                        open_dir, close_dir),
        cmocka_unit_test_setup_teardown(a_number_that_others_had_is_not_given_out, open_dir,
                                        close_dir),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * test_checkpoint.c - a checkpoint is read back bit for bit; a damaged or foreign file is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <math.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/checksum.h"
#include "model/checkpoint.h"
#include "model/param_draw.h"
#include "model/safetensors.h"
#include "model/tensor/params.h"
#include "tests/unit/forgery.h"

enum { FILE_SIZE_MAX = 1 << 16 };

static char directory[] = "/tmp/braid-checkpoint-XXXXXX";
static char path[64];
static char other_path[64];

static const struct model_dims dims = {.d = 8,
                                       .heads = 2,
                                       .blocks = 1,
                                       .ffn = 8,
                                       .interests = 2,
                                       .extract_heads = 2,
                                       .conditional = true,
                                       .use_category = true,
                                       .tags = true,
                                       .use_gap = true,
                                       .gap_buckets = 4,
                                       .cosine = true,
                                       .temperature = 0.1f};

static struct checkpoint *make_checkpoint(void)
{
    static const struct bytes categories[] = {{"drama", 5}, {"com\0edy", 7}};
    static const struct item_entry entries[] = {
        {{"alien", 5}, 1}, {{"", 0}, 0}, {{"br\xC3\xA9zil", 7}, 3}};
    static const struct category_list list = {{2, 1}};
    struct item_table *items;
    struct checkpoint *checkpoint;
    assert_int_equal(item_table_open_lists(&items, entries, 3, categories, 2, &list, 1, 2, NULL),
                     STATUS_OK);
    assert_int_equal(checkpoint_init(&checkpoint, "limarec", &dims, items, 7, NULL), STATUS_OK);
    return checkpoint;
}

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(directory)) return 1;
    snprintf(path, sizeof path, "%s/one.safetensors", directory);
    snprintf(other_path, sizeof other_path, "%s/other.safetensors", directory);
    struct checkpoint *checkpoint = make_checkpoint();
    const enum status status = checkpoint_write(checkpoint, path, NULL);
    checkpoint_close(checkpoint);
    return status;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    unlink(other_path);
    return rmdir(directory);
}

/* The file as it was written. */
static size_t read_good(uint8_t bytes[FILE_SIZE_MAX])
{
    FILE *in = fopen(path, "rb");
    assert_non_null(in);
    const size_t size = fread(bytes, 1, FILE_SIZE_MAX, in);
    assert_true(size > 0 && size < FILE_SIZE_MAX);
    fclose(in);
    return size;
}

static void write_other(const uint8_t *bytes, size_t size)
{
    FILE *out = fopen(other_path, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(bytes, 1, size, out), size);
    assert_int_equal(fclose(out), 0);
}

static enum status open_other(struct error *error)
{
    struct checkpoint *checkpoint;
    const enum status status = checkpoint_open(&checkpoint, other_path, error);
    if (status != STATUS_OK) assert_null(checkpoint);
    checkpoint_close(checkpoint);
    return status;
}

static void expect_refused(enum status status, const char *why)
{
    struct error error;
    assert_int_equal(open_other(&error), status);
    if (!strstr(error.text, why) || !strstr(error.text, other_path)) {
        fail_msg("'%s' does not say '%s' of %s", error.text, why, other_path);
    }
}

static void a_checkpoint_comes_back_bit_for_bit(void **state)
{
    (void)state;
    struct checkpoint *made = make_checkpoint(), *read;
    made->generation = 41;
    made->state_generation = 40;
    made->seed = UINT64_MAX;
    assert_int_equal(checkpoint_write(made, other_path, NULL), STATUS_OK);
    assert_int_equal(checkpoint_open(&read, other_path, NULL), STATUS_OK);
    assert_string_equal(read->model, "limarec");
    assert_memory_equal(&read->dims, &dims, sizeof dims);
    assert_int_equal(read->generation, 41);
    assert_int_equal(read->state_generation, 40);
    assert_true(read->seed == UINT64_MAX);
    assert_int_equal(read->fingerprint, made->fingerprint);
    assert_int_equal(param_set_size(read->params), param_set_size(made->params));
    assert_memory_equal(param_set_block(read->params), param_set_block(made->params),
                        param_set_size(made->params) * sizeof(real));
    assert_int_equal(item_table_rows(read->items), item_table_rows(made->items));
    assert_int_equal(item_table_oov(read->items), 2);
    for (uint32_t row = 0; row < item_table_rows(made->items); row++) {
        assert_true(bytes_equal(item_table_id(read->items, row), item_table_id(made->items, row)));
        const struct category_list list = item_table_categories_of(made->items, row);
        const struct category_list again = item_table_categories_of(read->items, row);
        assert_memory_equal(&again, &list, sizeof list);
    }
    assert_true(bytes_equal(item_table_category_name(read->items, 2),
                            item_table_category_name(made->items, 2)));
    checkpoint_close(read);
    checkpoint_close(made);
}

/* Without the package this is skipped, except where CI says that everything must be there. */
static void the_python_package_reads_a_checkpoint(void **state)
{
    (void)state;
    char *arguments[] = {"python3", "tests/unit/read_checkpoint.py", path, NULL};
    const char *ci = getenv("CI");
    pid_t python;
    int result;
    assert_int_equal(posix_spawnp(&python, arguments[0], NULL, NULL, arguments, environ), 0);
    assert_int_equal(waitpid(python, &result, 0), python);
    assert_true(WIFEXITED(result));
    if (WEXITSTATUS(result) == 77 && !(ci && strcmp(ci, "true") == 0)) skip();
    assert_int_equal(WEXITSTATUS(result), 0);
}

static void equal_checkpoints_are_equal_files(void **state)
{
    (void)state;
    static uint8_t first[FILE_SIZE_MAX], second[FILE_SIZE_MAX];
    struct checkpoint *checkpoint;
    const size_t size = read_good(first);
    assert_int_equal(checkpoint_open(&checkpoint, path, NULL), STATUS_OK);
    assert_int_equal(checkpoint_write(checkpoint, path, NULL), STATUS_OK);
    checkpoint_close(checkpoint);
    assert_int_equal(read_good(second), size);
    assert_memory_equal(first, second, size);
}

static void the_fingerprint_names_content_not_generation(void **state)
{
    (void)state;
    struct checkpoint *a = make_checkpoint(), *b = make_checkpoint();
    b->generation++;
    b->seed++;
    assert_int_equal(checkpoint_write(b, other_path, NULL), STATUS_OK);
    assert_int_equal(a->fingerprint, b->fingerprint);
    param_set_at(b->params, 0)->data[dims.d] += 1;
    assert_int_equal(checkpoint_write(b, other_path, NULL), STATUS_OK);
    assert_int_not_equal(a->fingerprint, b->fingerprint);
    const uint64_t changed = b->fingerprint;
    b->dims.temperature = 0.2f;
    assert_int_equal(checkpoint_write(b, other_path, NULL), STATUS_OK);
    assert_int_not_equal(changed, b->fingerprint);
    checkpoint_close(a);
    checkpoint_close(b);
}

/* K names the queries' shape, so they are drawn anew; select.prior is new. */
static void a_change_keeps_what_has_the_same_shape(void **state)
{
    (void)state;
    struct checkpoint *made = make_checkpoint(), *changed = make_checkpoint();
    struct model_dims other = dims;
    struct error error;
    other.heads = 3;
    assert_int_equal(checkpoint_change(changed, changed->model, &other, 1, &error), STATUS_INVALID);
    assert_int_equal(changed->fingerprint, made->fingerprint);
    assert_true(checkpoint_alike(changed, made));
    other.heads = dims.heads;
    other.interests = 4;
    other.select = true;
    assert_int_equal(checkpoint_change(changed, changed->model, &other, 1, &error), STATUS_OK);
    assert_false(checkpoint_alike(changed, made));
    assert_int_equal(param_set_count(changed->params), param_set_count(made->params) + 1);
    for (uint32_t i = 0; i < param_set_count(made->params); i++) {
        const struct param *before = param_set_at(made->params, i);
        const struct param *after = param_set_find(changed->params, before->name);
        if (before->count != after->count) {
            assert_non_null(strstr(before->name, "extract."));
        } else {
            assert_memory_equal(after->data, before->data, before->count * sizeof(real));
        }
    }
    assert_true(param_set_find(changed->params, "select.prior")->data[3] == (real)0.25);
    checkpoint_close(changed);
    checkpoint_close(made);
}

static void every_flipped_bit_is_found(void **state)
{
    (void)state;
    static uint8_t bytes[FILE_SIZE_MAX];
    const size_t size = read_good(bytes);
    for (size_t i = 0; i < size; i++) {
        const uint8_t bit = (uint8_t)(1 << i % 8);
        bytes[i] ^= bit;
        write_other(bytes, size);
        const enum status status = open_other(NULL);
        if (status != STATUS_CORRUPT && status != STATUS_REFUSED) fail_msg("byte %zu", i);
        bytes[i] ^= bit;
    }
}

/* Where another bit of a byte makes another digit, or the same one in the other case. */
static void every_flipped_bit_of_the_checksum_is_found(void **state)
{
    (void)state;
    static uint8_t bytes[FILE_SIZE_MAX];
    const size_t size = read_good(bytes);
    const uint8_t *checksum = memmem(bytes, size, "\"checksum\"", 10);
    assert_non_null(checksum);
    const size_t from = (size_t)(checksum - bytes);
    for (size_t i = 8 * from; i < 8 * (from + 32); i++) {
        bytes[i / 8] ^= (uint8_t)(1 << i % 8);
        write_other(bytes, size);
        if (open_other(NULL) == STATUS_OK) fail_msg("bit %zu of byte %zu", i % 8, i / 8);
        bytes[i / 8] ^= (uint8_t)(1 << i % 8);
    }
}

static void a_file_cut_anywhere_is_refused(void **state)
{
    (void)state;
    static uint8_t bytes[FILE_SIZE_MAX];
    const size_t size = read_good(bytes);
    for (size_t cut = 0; cut < size; cut += cut < 64 || size - cut < 64 ? 1 : 13) {
        write_other(bytes, cut);
        assert_int_equal(open_other(NULL), STATUS_CORRUPT);
    }
    bytes[size] = 0;
    write_other(bytes, size + 1);
    assert_int_equal(open_other(NULL), STATUS_CORRUPT);
}

static void an_honest_forgery_opens(void **state)
{
    (void)state;
    struct forgery forgery;
    forgery_begin(&forgery, path);
    forgery_end(&forgery, other_path);
    assert_int_equal(open_other(NULL), STATUS_OK);
}

static void metadata_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *key, *value;
        enum status status;
        const char *why;
    } cases[] = {
        {"format", "1", STATUS_REFUSED, "not a Braid checkpoint"},
        {"format", "braid-checkpoint-3", STATUS_REFUSED, "newer"},
        {"format", "braid-checkpoint-2", STATUS_CORRUPT, "no parent"},
        {"model", "nonesuch", STATUS_REFUSED, "nonesuch"},
        {"model", "a-name-that-is-longer-than-any-that-a-model-may-have", STATUS_CORRUPT, "model"},
        {"generation", "", STATUS_CORRUPT, "generation"},
        {"generation", "18446744073709551616", STATUS_CORRUPT, "generation"},
        {"generation", "+1", STATUS_CORRUPT, "generation"},
        {"oov", "4294967296", STATUS_CORRUPT, "oov"},
        {"oov", "4294967295", STATUS_CORRUPT, "rows"},
        {"oov", "3", STATUS_CORRUPT, "item.embedding"},
        {"d", "8x", STATUS_REFUSED, "d=8x: a whole number"},
        {"d", "16", STATUS_CORRUPT, "shape"},
        {"d", "0", STATUS_REFUSED, "d = 0"},
        {"d", "1032", STATUS_REFUSED, "d=1032: a whole number from 1 to 1024"},
        {"blocks", "17", STATUS_REFUSED, "blocks=17: a whole number from 1 to 16"},
        {"H", "4294967298", STATUS_REFUSED, "H=4294967298: a whole number"},
        {"cosine", "yes", STATUS_REFUSED, "cosine=yes: true or false"},
        {"temperature", "1s", STATUS_REFUSED, "temperature=1s: a number"},
        {"temperature", "nan", STATUS_REFUSED, "temperature=nan: a number"},
        {"temperature", "0.2", STATUS_CORRUPT, "fingerprint"},
        {"fingerprint", "0", STATUS_CORRUPT, "fingerprint is 0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct forgery forgery;
        forgery_begin(&forgery, path);
        assert_true(forgery_set(&forgery, cases[i].key, cases[i].value));
        forgery_end(&forgery, other_path);
        expect_refused(cases[i].status, cases[i].why);
    }
}

static void a_missing_parameter_is_named(void **state)
{
    (void)state;
    struct forgery forgery;
    forgery_begin(&forgery, path);
    *forgery_tensor(&forgery, "final_norm.weight") = forgery.tensors[--forgery.tensors_count];
    forgery_end(&forgery, other_path);
    expect_refused(STATUS_CORRUPT, "final_norm.weight");
}

static void a_parameter_too_many_is_named(void **state)
{
    (void)state;
    struct forgery forgery;
    forgery_begin(&forgery, path);
    forgery.tensors[forgery.tensors_count] = *forgery_tensor(&forgery, "final_norm.weight");
    forgery.tensors[forgery.tensors_count++].name = "final_norm.wait";
    forgery_end(&forgery, other_path);
    expect_refused(STATUS_CORRUPT, "no parameter final_norm.wait");
}

static void a_parameter_of_another_shape_is_named(void **state)
{
    (void)state;
    struct forgery forgery;
    forgery_begin(&forgery, path);
    struct safetensors_tensor *tensor = forgery_tensor(&forgery, "final_norm.weight");
    tensor->rank = 2;
    tensor->shape[1] = 1;
    forgery_end(&forgery, other_path);
    expect_refused(STATUS_CORRUPT, "final_norm.weight has another shape");
    forgery_begin(&forgery, path);
    forgery_tensor(&forgery, "final_norm.weight")->dtype = SAFETENSORS_I32;
    forgery_end(&forgery, other_path);
    expect_refused(STATUS_CORRUPT, "final_norm.weight has another shape");
}

static void a_weight_that_is_not_finite_is_refused(void **state)
{
    (void)state;
    const float bad[] = {NAN, INFINITY, -INFINITY, 1e38F};
    for (unsigned i = 0; i < 4; i++) {
        struct forgery forgery;
        float values[8] = {0};
        values[7] = bad[i];
        forgery_begin(&forgery, path);
        forgery_tensor(&forgery, "final_norm.weight")->data = values;
        forgery_end(&forgery, other_path);
        expect_refused(STATUS_CORRUPT, "final_norm.weight has a weight that is not finite");
    }
}

static void a_changed_weight_under_a_right_checksum_fails_the_fingerprint(void **state)
{
    (void)state;
    struct forgery forgery;
    const float values[8] = {0};
    forgery_begin(&forgery, path);
    forgery_tensor(&forgery, "final_norm.weight")->data = values;
    forgery_end(&forgery, other_path);
    expect_refused(STATUS_CORRUPT, "fingerprint");
}

static void a_dictionary_that_contradicts_itself_is_refused(void **state)
{
    (void)state;
    static const uint64_t falling[] = {0, 7, 5, 12}, beyond[] = {0, 5, 5, 13},
                          late[] = {1, 5, 5, 12};
    static const uint64_t *const offsets[] = {falling, beyond, late};
    struct forgery forgery;
    for (unsigned i = 0; i < 3; i++) {
        forgery_begin(&forgery, path);
        forgery_tensor(&forgery, "dictionary.item_offsets")->data = offsets[i];
        forgery_end(&forgery, other_path);
        expect_refused(STATUS_CORRUPT, "dictionary.*");
    }
    static const uint32_t categories[] = {1, 0, 4};
    forgery_begin(&forgery, path);
    forgery_tensor(&forgery, "dictionary.item_categories")->data = categories;
    forgery_end(&forgery, other_path);
    expect_refused(STATUS_CORRUPT, "category 4 of 2 and 1 lists of them");
    static const uint64_t twice[] = {0, 0, 0, 12};
    forgery_begin(&forgery, path);
    forgery_tensor(&forgery, "dictionary.item_offsets")->data = twice;
    forgery_end(&forgery, other_path);
    expect_refused(STATUS_CORRUPT, "same hash");
    forgery_begin(&forgery, path);
    forgery_tensor(&forgery, "dictionary.item_ids")->name = "dictionary.ids";
    forgery_end(&forgery, other_path);
    expect_refused(STATUS_CORRUPT, "dictionary.*");
}

static void a_failed_write_leaves_the_old_file(void **state)
{
    (void)state;
    static uint8_t before[FILE_SIZE_MAX], after[FILE_SIZE_MAX];
    char blocker[80];
    snprintf(blocker, sizeof blocker, "%s.tmp", path);
    const size_t size = read_good(before);
    struct checkpoint *checkpoint = make_checkpoint();
    struct error error;
    checkpoint->generation = 2;
    assert_int_equal(mkdir(blocker, 0700), 0);
    assert_int_equal(checkpoint_write(checkpoint, path, &error), STATUS_IO);
    assert_non_null(strstr(error.text, blocker));
    assert_int_equal(rmdir(blocker), 0);
    assert_int_equal(checkpoint_write(checkpoint, "/nonexistent/x", &error), STATUS_IO);
    checkpoint_close(checkpoint);
    assert_int_equal(read_good(after), size);
    assert_memory_equal(before, after, size);
}

static void an_unknown_model_is_not_made(void **state)
{
    (void)state;
    struct item_table *items;
    struct checkpoint *checkpoint;
    struct error error;
    assert_int_equal(item_table_open(&items, NULL, 0, NULL, 0, 1, NULL), STATUS_OK);
    assert_int_equal(checkpoint_init(&checkpoint, "nonesuch", &dims, items, 1, &error),
                     STATUS_INVALID);
    assert_null(checkpoint);
    assert_non_null(strstr(error.text, "nonesuch"));
}

static void the_seed_decides_the_parameters(void **state)
{
    (void)state;
    struct checkpoint *a = make_checkpoint(), *b = make_checkpoint();
    assert_int_equal(a->fingerprint, b->fingerprint);
    param_set_draw(b->params, 8);
    assert_int_equal(checkpoint_write(b, other_path, NULL), STATUS_OK);
    assert_int_not_equal(a->fingerprint, b->fingerprint);
    checkpoint_close(a);
    checkpoint_close(b);
}

static void the_account_names_what_is_in_it(void **state)
{
    (void)state;
    static const char *const parts[] = {"limarec", "seed         7", "temperature=0.1", "3 items",
                                        "item.embedding"};
    char text[8192] = "";
    FILE *out = fmemopen(text, sizeof text, "w");
    struct checkpoint *checkpoint = make_checkpoint();
    checkpoint_print(checkpoint, out);
    fclose(out);
    checkpoint_close(checkpoint);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (!strstr(text, parts[i])) fail_msg("no '%s' in:\n%s", parts[i], text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_checkpoint_comes_back_bit_for_bit),
        cmocka_unit_test(the_python_package_reads_a_checkpoint),
        cmocka_unit_test(equal_checkpoints_are_equal_files),
        cmocka_unit_test(the_fingerprint_names_content_not_generation),
        cmocka_unit_test(a_change_keeps_what_has_the_same_shape),
        cmocka_unit_test(every_flipped_bit_is_found),
        cmocka_unit_test(every_flipped_bit_of_the_checksum_is_found),
        cmocka_unit_test(a_file_cut_anywhere_is_refused),
        cmocka_unit_test(an_honest_forgery_opens),
        cmocka_unit_test(metadata_that_make_no_sense_are_refused),
        cmocka_unit_test(a_missing_parameter_is_named),
        cmocka_unit_test(a_parameter_too_many_is_named),
        cmocka_unit_test(a_parameter_of_another_shape_is_named),
        cmocka_unit_test(a_weight_that_is_not_finite_is_refused),
        cmocka_unit_test(a_changed_weight_under_a_right_checksum_fails_the_fingerprint),
        cmocka_unit_test(a_dictionary_that_contradicts_itself_is_refused),
        cmocka_unit_test(a_failed_write_leaves_the_old_file),
        cmocka_unit_test(an_unknown_model_is_not_made),
        cmocka_unit_test(the_seed_decides_the_parameters),
        cmocka_unit_test(the_account_names_what_is_in_it),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

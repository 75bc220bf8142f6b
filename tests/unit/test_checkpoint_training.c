/* test_checkpoint_training.c - what training leaves in a checkpoint comes back, or is refused. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/checksum.h"
#include "base/hex.h"
#include "model/interest_ops.h"

static char path[] = "/tmp/braid-training-XXXXXX";

static struct checkpoint *make_checkpoint(void)
{
    const struct item_entry entries[] = {{{"alien", 5}, 0}, {{"brazil", 6}, 0}};
    struct model_dims dims = interest_ops_find("single")->defaults;
    struct item_table *items;
    struct checkpoint *checkpoint;
    dims.use_category = false;
    dims.project = true;
    dims.d = 32;
    assert_int_equal(item_table_open(&items, entries, 2, NULL, 0, 1, NULL), STATUS_OK);
    assert_int_equal(checkpoint_init(&checkpoint, "single", &dims, items, 1, NULL), STATUS_OK);
    return checkpoint;
}

/* Everything that there can be, each number another. */
static struct checkpoint *make_trained(void)
{
    struct checkpoint *checkpoint = make_checkpoint();
    struct checkpoint_training *training = &checkpoint->training;
    const size_t size = param_set_size(checkpoint->params);
    assert_int_equal(training_make_moments(training, size, NULL), STATUS_OK);
    for (size_t i = 0; i < size; i++) {
        training->moments.mean[i] = -(real)i;
        training->moments.square[i] = (real)i / 3;
    }
    training->parent = 41;
    training->parent_fingerprint = UINT64_MAX - 2;
    training->moments.step = 1234567;
    training->moments.epochs = 12;
    training->cut.event_time_ms = 1714564800123;
    training->cut.partitions = 3;
    training->cut.offsets = malloc(3 * sizeof(int64_t));
    training->item_counts = malloc(2 * sizeof(uint32_t));
    assert_true(training->cut.offsets && training->item_counts);
    memcpy(training->cut.offsets, (int64_t[]){7, 0, INT64_MAX}, 3 * sizeof(int64_t));
    memcpy(training->item_counts, (uint32_t[]){5, UINT32_MAX}, 2 * sizeof(uint32_t));
    training->verdict = (struct training_verdict){.text = "adopted",
                                                  .events = 2048,
                                                  .ndcg_current = 0.1,
                                                  .ndcg_candidate = 1.0 / 3,
                                                  .ndcg_transitions = 0.2,
                                                  .difference_bound = -1e-3};
    return checkpoint;
}

static void what_training_leaves_comes_back(void **state)
{
    (void)state;
    struct checkpoint *made = make_trained(), *read;
    struct error error;
    assert_int_equal(checkpoint_write(made, path, NULL), STATUS_OK);
    if (checkpoint_open_to_train(&read, path, &error) != STATUS_OK) fail_msg("%s", error.text);
    const struct checkpoint_training *a = &made->training, *b = &read->training;
    const size_t size = param_set_size(made->params) * sizeof(real);
    assert_int_equal(b->parent, 41);
    assert_true(b->parent_fingerprint == UINT64_MAX - 2);
    assert_int_equal(b->moments.step, 1234567);
    assert_int_equal(b->moments.epochs, 12);
    assert_memory_equal(a->moments.mean, b->moments.mean, size);
    assert_memory_equal(a->moments.square, b->moments.square, size);
    assert_true(b->cut.event_time_ms == 1714564800123);
    assert_int_equal(b->cut.partitions, 3);
    assert_memory_equal(a->cut.offsets, b->cut.offsets, 3 * sizeof(int64_t));
    assert_memory_equal(a->item_counts, b->item_counts, 2 * sizeof(uint32_t));
    assert_string_equal(b->verdict.text, "adopted");
    assert_int_equal(b->verdict.events, 2048);
    assert_true(b->verdict.ndcg_candidate == 1.0 / 3 && b->verdict.ndcg_current == 0.1);
    assert_true(b->verdict.ndcg_transitions == 0.2 && b->verdict.difference_bound == -1e-3);
    checkpoint_close(read);
    checkpoint_close(made);
}

static void who_serves_does_not_keep_the_moments(void **state)
{
    (void)state;
    struct checkpoint *made = make_trained(), *read;
    assert_int_equal(checkpoint_write(made, path, NULL), STATUS_OK);
    assert_int_equal(checkpoint_open(&read, path, NULL), STATUS_OK);
    assert_null(read->training.moments.mean);
    assert_null(read->training.moments.square);
    assert_int_equal(read->training.moments.step, 1234567);
    assert_int_equal(read->fingerprint, made->fingerprint);
    checkpoint_close(read);
    checkpoint_close(made);
}

static void what_never_trained_is_written_as_before(void **state)
{
    (void)state;
    struct checkpoint *made = make_checkpoint();
    struct safetensors *file;
    assert_int_equal(checkpoint_write(made, path, NULL), STATUS_OK);
    assert_int_equal(safetensors_open(&file, path, NULL), STATUS_OK);
    assert_string_equal(safetensors_metadata(file, "format"), "braid-checkpoint-1");
    assert_null(safetensors_metadata(file, "parent"));
    assert_int_equal(safetensors_count(file), param_set_count(made->params) + 5);
    safetensors_close(file);
    checkpoint_close(made);
}

static void moments_follow_their_parameters(void **state)
{
    (void)state;
    struct checkpoint *checkpoint = make_trained();
    struct model_dims dims = checkpoint->dims;
    const struct param *items = param_set_get(checkpoint->params, "item.embedding");
    const size_t items_at = (size_t)(items->data - param_set_block(checkpoint->params));
    const real mean = checkpoint->training.moments.mean[items_at + 70];
    dims.use_gap = !dims.use_gap; /* one parameter more, or less, in front of the projection */
    if (dims.use_gap) dims.gap_buckets = 8;
    assert_int_equal(checkpoint_change(checkpoint, "single", &dims, 1, NULL), STATUS_OK);
    items = param_set_get(checkpoint->params, "item.embedding");
    const size_t at = (size_t)(items->data - param_set_block(checkpoint->params));
    assert_true(checkpoint->training.moments.mean[at + 70] == mean);
    assert_int_equal(checkpoint->training.moments.step, 1234567);
    assert_int_equal(checkpoint_write(checkpoint, path, NULL), STATUS_OK);
    checkpoint_close(checkpoint);
}

static void an_absurd_number_is_not_sealed(void **state)
{
    (void)state;
    const real means[] = {(real)1e38, -(real)1e38, (real)INFINITY, (real)NAN};
    const real squares[] = {-1, (real)1e38, (real)INFINITY, (real)NAN};
    struct error error;
    for (int i = 0; i < 4; i++) {
        struct checkpoint *checkpoint = make_trained();
        checkpoint->training.moments.mean[5] = means[i];
        assert_int_equal(checkpoint_write(checkpoint, path, &error), STATUS_INVALID);
        assert_non_null(strstr(error.text, "training.mean"));
        checkpoint->training.moments.mean[5] = 0;
        checkpoint->training.moments.square[5] = squares[i];
        assert_int_equal(checkpoint_write(checkpoint, path, &error), STATUS_INVALID);
        assert_non_null(strstr(error.text, "training.square"));
        checkpoint->training.moments.square[5] = 0;
        param_set_find(checkpoint->params, "item.embedding")->data[9] = means[i];
        assert_int_equal(checkpoint_write(checkpoint, path, &error), STATUS_INVALID);
        assert_non_null(strstr(error.text, "item.embedding"));
        checkpoint_close(checkpoint);
    }
}

/* Puts `number` where `known` is, and the checksum of that into the file. */
static void forge(real known, real number)
{
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    static char bytes[1 << 17], rest[1 << 17];
    const size_t size = fread(bytes, 1, sizeof bytes, file);
    assert_true(size > 0 && size < sizeof bytes);
    char *at = memmem(bytes, size, &known, sizeof known);
    assert_non_null(at);
    memcpy(at, &number, sizeof number);
    char *digits = memmem(bytes, size, "\"checksum\":\"", 12);
    assert_non_null(digits);
    digits += 12;
    const size_t before = (size_t)(digits - bytes);
    memcpy(rest, bytes, before);
    memcpy(rest + before, digits + 16, size - before - 16);
    put_hex(digits, checksum_of(rest, size - 16), 16);
    rewind(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

static void an_absurd_moment_in_a_file_is_refused(void **state)
{
    (void)state;
    struct checkpoint *checkpoint = make_trained(), *read;
    struct error error;
    checkpoint->training.moments.mean[5] = (real)-123456.75;
    checkpoint->training.moments.square[5] = (real)98765.25;
    assert_int_equal(checkpoint_write(checkpoint, path, NULL), STATUS_OK);
    forge((real)-123456.75, (real)1e38);
    assert_int_equal(checkpoint_open(&read, path, &error), STATUS_CORRUPT);
    assert_non_null(strstr(error.text, "training.mean has a moment beyond"));
    assert_non_null(strstr(error.text, path));
    assert_int_equal(checkpoint_write(checkpoint, path, NULL), STATUS_OK);
    forge((real)98765.25, (real)-1);
    assert_int_equal(checkpoint_open_to_train(&read, path, &error), STATUS_CORRUPT);
    assert_non_null(strstr(error.text, "training.square has a moment outside"));
    checkpoint_close(checkpoint);
}

static void the_account_says_how_it_was_trained(void **state)
{
    (void)state;
    static const char *const parts[] = {"parent       41 fffffffffffffffd",
                                        "until 2024-05-01T12:00:00.123Z", "1234567 steps",
                                        "offsets      7, 0, ", "adopted: NDCG 0.3333"};
    char text[8192] = "";
    FILE *out = fmemopen(text, sizeof text, "w");
    struct checkpoint *checkpoint = make_trained();
    checkpoint_print(checkpoint, out);
    fclose(out);
    checkpoint_close(checkpoint);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (!strstr(text, parts[i])) fail_msg("no '%s' in:\n%s", parts[i], text);
    }
}

static int set_up(void **state)
{
    (void)state;
    const int file = mkstemp(path);
    return file < 0 || close(file) != 0;
}

static int tear_down(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_training_leaves_comes_back),
        cmocka_unit_test(who_serves_does_not_keep_the_moments),
        cmocka_unit_test(what_never_trained_is_written_as_before),
        cmocka_unit_test(moments_follow_their_parameters),
        cmocka_unit_test(an_absurd_number_is_not_sealed),
        cmocka_unit_test(an_absurd_moment_in_a_file_is_refused),
        cmocka_unit_test(the_account_says_how_it_was_trained),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

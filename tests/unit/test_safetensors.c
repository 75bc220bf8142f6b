/* test_safetensors.c - a file is read back as written, and an inconsistent one is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model/safetensors.h"

static char path[] = "/tmp/braid-safetensors-XXXXXX";

static int make_path(void **state)
{
    (void)state;
    const int fd = mkstemp(path);
    return fd < 0 || close(fd);
}

static int remove_path(void **state)
{
    (void)state;
    return unlink(path);
}

static const float weights[6] = {1.5f, -0.0f, 3e-38f, 4, 5, 6};
static const uint64_t offsets[3] = {0, 3, UINT64_MAX};
static const uint8_t blob[5] = {'a', 0, 255, 'b', 'c'};

/* Given in an order in which the data would not be aligned. */
static void write_three(void)
{
    struct safetensors_tensor tensors[] = {
        {"blob", SAFETENSORS_U8, 1, {5}, blob, sizeof blob},
        {"a \"name\"\n", SAFETENSORS_F32, 2, {2, 3}, weights, sizeof weights},
        {"none", SAFETENSORS_F32, 2, {0, 3}, NULL, 0},
        {"offsets", SAFETENSORS_U64, 1, {3}, offsets, sizeof offsets},
        {"scalar", SAFETENSORS_U8, 0, {0}, blob, 1},
    };
    const struct safetensors_entry metadata[] = {{"model", "x\\\"\t\xC3\xA9"}, {"empty", ""}};
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    assert_int_equal(safetensors_write(out, metadata, 2, tensors, 5, NULL), STATUS_OK);
    assert_int_equal(fclose(out), 0);
}

static void what_is_written_is_read_back(void **state)
{
    (void)state;
    struct safetensors *file;
    write_three();
    assert_int_equal(safetensors_open(&file, path, NULL), STATUS_OK);
    assert_int_equal(safetensors_count(file), 5);
    assert_string_equal(safetensors_metadata(file, "model"), "x\\\"\t\xC3\xA9");
    assert_string_equal(safetensors_metadata(file, "empty"), "");
    assert_null(safetensors_metadata(file, "absent"));

    const struct safetensors_tensor *tensor = safetensors_find(file, "a \"name\"\n");
    assert_non_null(tensor);
    assert_int_equal(tensor->dtype, SAFETENSORS_F32);
    assert_int_equal(tensor->rank, 2);
    assert_int_equal(tensor->shape[0], 2);
    assert_int_equal(tensor->shape[1], 3);
    assert_int_equal(tensor->size, sizeof weights);
    assert_memory_equal(tensor->data, weights, sizeof weights);

    tensor = safetensors_find(file, "offsets");
    assert_int_equal((uintptr_t)tensor->data % 8, 0);
    assert_memory_equal(tensor->data, offsets, sizeof offsets);
    assert_memory_equal(safetensors_find(file, "blob")->data, blob, sizeof blob);
    assert_int_equal(safetensors_find(file, "none")->size, 0);
    assert_int_equal(safetensors_find(file, "scalar")->size, 1);
    assert_null(safetensors_find(file, "absent"));
    safetensors_close(file);
}

static void the_order_of_the_tensors_is_that_of_their_data(void **state)
{
    (void)state;
    struct safetensors *file;
    write_three();
    assert_int_equal(safetensors_open(&file, path, NULL), STATUS_OK);
    for (uint32_t i = 1; i < safetensors_count(file); i++) {
        const struct safetensors_tensor *before = safetensors_at(file, i - 1);
        const struct safetensors_tensor *tensor = safetensors_at(file, i);
        assert_ptr_equal(tensor->data, (const char *)before->data + before->size);
    }
    safetensors_close(file);
}

/* Writes a file by hand: the size that it says its header has, the header, zeros as data. */
static void write_by_hand(uint64_t header_size, const char *header, size_t data_size)
{
    uint8_t prefix[8];
    struct byte_writer writer = byte_writer_of(prefix, sizeof prefix);
    write_u64(&writer, header_size);
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    fwrite(prefix, sizeof prefix, 1, out);
    fputs(header, out);
    while (data_size--) {
        fputc(0, out);
    }
    assert_int_equal(fclose(out), 0);
}

/* Opening must fail as corrupt; the text names the file and says `why`. */
static void expect_corrupt(const char *why)
{
    struct safetensors *file;
    struct error error;
    assert_int_equal(safetensors_open(&file, path, &error), STATUS_CORRUPT);
    assert_null(file);
    assert_non_null(strstr(error.text, path));
    if (!strstr(error.text, why)) fail_msg("'%s' does not say '%s'", error.text, why);
}

static void headers_that_contradict_themselves_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *header; /* padded to a multiple of 8 */
        size_t data_size;
        const char *why;
    } cases[] = {
        {"[]", 0, "not an object"},
        {"{\"a\":1}", 0, "tensor a is not"},
        {"{\"a\":{}}", 0, "tensor a is not"},
        {"{\"a\":{\"dtype\":\"F16\",\"shape\":[],\"data_offsets\":[0,2]}}", 2, "unknown dtype"},
        {"{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[1]}}", 1, "data_offsets"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"offsets\":[0,1]}}", 1, "data_offsets"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[-1],\"data_offsets\":[0,1]}}", 1, "shape"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1.0],\"data_offsets\":[0,1]}}", 1, "shape"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,1]}}", 1,
         "shape"},
        {"{\"a\":{\"dtype\":\"F64\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}", 0,
         "shape"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,1]}}", 1, "data_offsets"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[-1,0]}}", 1, "data_offsets"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,0]}}", 1, "data_offsets"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1,2]}}", 1, "data_offsets"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[9],\"data_offsets\":[0,9]}}", 8, "data_offsets"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
         "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[1,5]}}",
         5, "alignment"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}", 2, "do not begin"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
         "\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[1,3]}}",
         3, "do not begin"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 3, "no tensor's"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
         "\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}",
         2, "two tensors"},
        {"{\"a\\u0000\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "zero byte"},
        {"{\"__metadata__\":[]}", 0, "not an object"},
        {"{\"__metadata__\":{\"k\":1}}", 0, "k is not a text"},
        {"{\"__metadata__\":{\"k\":\"a\\u0000b\"}}", 0, "k is not a text"},
        {"{\"__metadata__\":{\"k\":\"\",\"k\":\"\"}}", 0, "two k"},
        {"{\"__metadata__\":{},\"__metadata__\":{}}", 0, "two __metadata__"},
        {"{\"a\":", 0, "not JSON"},
        {"{} {}", 0, "not JSON"},
        {"{\"\xFF\":1}", 0, "not JSON"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char header[256];
        const int padded = (int)(strlen(cases[i].header) + 7) / 8 * 8;
        snprintf(header, sizeof header, "%-*s", padded, cases[i].header);
        write_by_hand((uint64_t)padded, header, cases[i].data_size);
        expect_corrupt(cases[i].why);
    }
}

static void sizes_that_do_not_fit_the_file_are_refused(void **state)
{
    (void)state;
    write_by_hand(9, "{}      ", 0);
    expect_corrupt("a header of 9 bytes");
    write_by_hand(UINT64_MAX, "{}      ", 0);
    expect_corrupt("a header of");
    write_by_hand(SAFETENSORS_HEADER_MAX + 1, "{}      ", 0);
    expect_corrupt("a header of");
    write_by_hand(0, "", 0);
    expect_corrupt("too short");
    write_by_hand(0, "{}      ", 0);
    expect_corrupt("not JSON");
}

static void a_header_that_ends_a_page_is_read_within_the_file(void **state)
{
    (void)state;
    char header[4096 - 8 + 1];
    snprintf(header, sizeof header, "%-4088s", "{}");
    write_by_hand(4088, header, 0);
    struct safetensors *file;
    assert_int_equal(safetensors_open(&file, path, NULL), STATUS_OK);
    assert_int_equal(safetensors_count(file), 0);
    safetensors_close(file);
}

static void an_absent_file_and_a_directory_are_told_apart(void **state)
{
    (void)state;
    struct safetensors *file;
    assert_int_equal(safetensors_open(&file, "/nonexistent/x", NULL), STATUS_NOT_FOUND);
    assert_null(file);
    assert_int_equal(safetensors_open(&file, "/tmp", NULL), STATUS_CORRUPT);
    assert_null(file);
}

static void a_full_disk_is_reported(void **state)
{
    (void)state;
    struct safetensors_tensor tensor = {"a", SAFETENSORS_U8, 1, {5}, blob, sizeof blob};
    FILE *out = fopen("/dev/full", "wb");
    assert_non_null(out);
    setvbuf(out, NULL, _IONBF, 0);
    struct error error;
    assert_int_equal(safetensors_write(out, NULL, 0, &tensor, 1, &error), STATUS_IO);
    fclose(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(the_order_of_the_tensors_is_that_of_their_data),
        cmocka_unit_test(headers_that_contradict_themselves_are_refused),
        cmocka_unit_test(sizes_that_do_not_fit_the_file_are_refused),
        cmocka_unit_test(a_header_that_ends_a_page_is_read_within_the_file),
        cmocka_unit_test(an_absent_file_and_a_directory_are_told_apart),
        cmocka_unit_test(a_full_disk_is_reported),
    };
    return cmocka_run_group_tests(tests, make_path, remove_path);
}

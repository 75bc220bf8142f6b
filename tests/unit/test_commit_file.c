/*
 * test_commit_file.c - the commit file is read back as written, and a damaged one is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/checksum.h"
#include "stream/broker/file/commit_file.h"

static char dir[64];
static char path[96];

static int make_directory(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/braid-commit-XXXXXX");
    if (!mkdtemp(dir)) return -1;
    snprintf(path, sizeof path, "%s/commit", dir);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(dir);
}

static struct commit written_commit(uint32_t partitions)
{
    struct commit commit;
    assert_int_equal(commit_init(&commit, partitions, NULL), STATUS_OK);
    static const char *const names[] = {"a b.jsonl", "c.jsonl.gz", ""};
    commit.first = partitions % 2 ? 17 : 0;
    commit.offset = INT64_MAX;
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(source_files_add(&commit.inputs, names[i], NULL), STATUS_OK);
        commit.inputs.at[i].identity =
            (struct input_identity){.hash = UINT64_C(0xfedcba9876543210) + i, .size = 65536 - i};
        commit.inputs.at[i].position =
            (struct line_position){.line = 12 + i, .byte = INT64_MAX - i};
    }
    commit.decoding[0] = 1;
    commit.decoding[HISTORY_DECODING_MAX - 1] = UINT32_MAX;
    for (uint32_t p = 0; p < partitions; p++) {
        struct commit_entry *entry = &commit.entries[p];
        entry->seal = UINT64_MAX - p;
        entry->generation = 3;
        entry->target = 3 + p;
        entry->checkpoint = UINT64_C(0xabcdef) << p % 32;
        entry->log = p + 1;
        if (p % 3 == 2) entry->clock = 1 + UINT64_C(1700000000000);
        entry->base = 99;
        for (int kind = 0; kind < RECORD_KINDS; kind++) {
            entry->length[kind] = p * 10u + (unsigned)kind;
        }
    }
    assert_int_equal(commit_file_write(&commit, dir, NULL), STATUS_OK);
    return commit;
}

static void reads_what_was_written(void **state)
{
    (void)state;
    const uint32_t counts[] = {1, 4, POLL_PARTITIONS_MAX};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        struct commit commit = written_commit(counts[i]);
        struct commit read;
        assert_int_equal(commit_file_read(&read, dir, NULL), STATUS_OK);
        assert_int_equal(read.partitions, commit.partitions);
        assert_int_equal(read.source, commit.source);
        assert_int_equal(read.offset, commit.offset);
        assert_int_equal(read.first, commit.first);
        assert_int_equal(read.inputs.count, commit.inputs.count);
        for (uint32_t f = 0; f < read.inputs.count; f++) {
            const struct source_file *file = &read.inputs.at[f], *other = &commit.inputs.at[f];
            assert_string_equal(file->name, other->name);
            assert_memory_equal(&file->identity, &other->identity, sizeof file->identity);
            assert_memory_equal(&file->position, &other->position, sizeof file->position);
        }
        assert_memory_equal(read.decoding, commit.decoding, sizeof read.decoding);
        assert_memory_equal(read.entries, commit.entries, counts[i] * sizeof *read.entries);
        commit_close(&read);
        commit_close(&commit);
    }
}

static void a_missing_file_is_not_found(void **state)
{
    (void)state;
    struct commit read;
    assert_int_equal(commit_file_read(&read, dir, NULL), STATUS_NOT_FOUND);
}

static size_t load(char *text, size_t room)
{
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    size_t size = fread(text, 1, room, file);
    fclose(file);
    return size;
}

static void store(const char *text, size_t size)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, size, file), size);
    fclose(file);
}

static void any_changed_or_missing_byte_is_refused(void **state)
{
    (void)state;
    struct commit commit = written_commit(2);
    commit_close(&commit);
    char text[2048], damaged[2048];
    size_t size = load(text, sizeof text);
    for (size_t i = 0; i < size; i++) {
        struct commit read;
        memcpy(damaged, text, size);
        damaged[i] ^= 1;
        store(damaged, size);
        assert_int_not_equal(commit_file_read(&read, dir, NULL), STATUS_OK);
        store(text, i);
        assert_int_not_equal(commit_file_read(&read, dir, NULL), STATUS_OK);
    }
}

static void a_newer_format_is_refused(void **state)
{
    (void)state;
    store("braid-commit 7\nwhatever\n", 24);
    struct commit read;
    struct error error;
    assert_int_equal(commit_file_read(&read, dir, &error), STATUS_REFUSED);
    assert_non_null(strstr(error.text, "format 7"));
}

/* Of a program that knew of no fingerprints. */
static void format_1_is_read_and_knows_no_fingerprints(void **state)
{
    (void)state;
    char text[512];
    int size = snprintf(text, sizeof text,
                        "braid-commit 1\ninput fedcba9876543210 65536\npartitions 1\n"
                        "position 12 3456\npartition 0 seal 3 generation 2 log 4 base 5 "
                        "interests 6 history 7 dead-letters 8 items 9\n");
    size += snprintf(text + size, sizeof text - (size_t)size, "checksum %016llx\n",
                     (unsigned long long)checksum_of(text, (size_t)size));
    store(text, (size_t)size);
    struct commit read;
    assert_int_equal(commit_file_read(&read, dir, NULL), STATUS_OK);
    const struct commit_entry expected = {
        .seal = 3, .generation = 2, .target = 2, .log = 4, .base = 5, .length = {6, 7, 8, 9}};
    assert_memory_equal(read.entries, &expected, sizeof expected);
    assert_int_equal(read.offset, 12);
    assert_int_equal(read.inputs.count, 1);
    assert_string_equal(read.inputs.at[0].name, "");
    assert_int_equal(read.inputs.at[0].identity.hash, UINT64_C(0xfedcba9876543210));
    assert_int_equal(read.inputs.at[0].position.line, 12);
    assert_int_equal(read.inputs.at[0].position.byte, 3456);
    for (int i = 0; i < HISTORY_DECODING_MAX; i++) {
        assert_int_equal(read.decoding[i], 0);
    }
    commit_close(&read);
}

/* Of a program that knew of fewer options, or that knows of more than this one. */
static void a_commit_with_fewer_or_more_fingerprints_is_read(void **state)
{
    (void)state;
    static const int counts[] = {0, 1, HISTORY_DECODING_MAX - 5, HISTORY_DECODING_MAX + 3};
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        char text[1024];
        int size = snprintf(text, sizeof text,
                            "braid-commit 2\nsource 0000000000000007\n"
                            "offset 9\ndecoding");
        for (int i = 0; i < counts[c]; i++) {
            size += snprintf(text + size, sizeof text - (size_t)size, " %08x", i + 1);
        }
        size += snprintf(text + size, sizeof text - (size_t)size,
                         "\npartitions 1\ninputs 0\npartition 0 seal 3 generation 2 checkpoint "
                         "00000000000000ab log 4 base 5 interests 6 history 7 dead-letters 8 "
                         "items 9\n");
        size += snprintf(text + size, sizeof text - (size_t)size, "checksum %016llx\n",
                         (unsigned long long)checksum_of(text, (size_t)size));
        store(text, (size_t)size);
        struct commit read;
        struct error error;
        if (commit_file_read(&read, dir, &error) != STATUS_OK) fail_msg("%s", error.text);
        assert_int_equal(read.source, 7);
        assert_int_equal(read.entries[0].checkpoint, 0xab);
        for (int i = 0; i < HISTORY_DECODING_MAX; i++) {
            assert_int_equal(read.decoding[i], i < counts[c] ? i + 1 : 0);
        }
        commit_close(&read);
    }
}

/* The checksum is right, a number is not. */
static void a_number_that_is_none_is_refused(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "source zz\noffset 0",  "source 1\noffset 1x", "source 1\noffset 99999999999999999999",
        "source 1 2\noffset 0", "source 1\noffset",    "source 11111111111111111\noffset 0",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        char text[512];
        int size = snprintf(text, sizeof text,
                            "braid-commit 2\n%s\ndecoding 0\npartitions 1\ninputs 0\npartition 0 "
                            "seal 0 generation 0 checkpoint 0 log 1 base 0 interests 0 history 0 "
                            "dead-letters 0 items 0\n",
                            lines[i]);
        size += snprintf(text + size, sizeof text - (size_t)size, "checksum %016llx\n",
                         (unsigned long long)checksum_of(text, (size_t)size));
        store(text, (size_t)size);
        struct commit read;
        if (commit_file_read(&read, dir, NULL) != STATUS_CORRUPT) fail_msg("taken: %s", lines[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads_what_was_written, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(a_missing_file_is_not_found, make_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(any_changed_or_missing_byte_is_refused, make_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(format_1_is_read_and_knows_no_fingerprints, make_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(a_commit_with_fewer_or_more_fingerprints_is_read,
                                        make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(a_number_that_is_none_is_refused, make_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(a_newer_format_is_refused, make_directory,
                                        remove_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

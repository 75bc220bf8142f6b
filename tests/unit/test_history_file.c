/*
 * test_history_file.c - frames of a history log: any batch size, any start, and damage is found.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stream/broker/file/history_file.h"

enum { RECORDS = 5000, SEAL_EVERY = 100 };

static char path[64];
static uint64_t length;        /* of the file */
static uint64_t ends[RECORDS]; /* byte after each record (and its seal) */

/* The value of record i: i bytes modulo something, or none for every seventh. */
static struct bytes value_of(uint32_t i, char *to)
{
    if (i % 7 == 0) return (struct bytes){NULL, 0};
    memset(to, (int)i, i % 500);
    return (struct bytes){to, i % 500};
}

static size_t key_of(uint32_t i, uint8_t *to)
{
    char user[16];
    snprintf(user, sizeof user, "user%u", i);
    return history_key_encode(bytes_of(user), i, to);
}

static void append(FILE *file, struct bytes key, struct bytes value)
{
    uint8_t frame[HISTORY_FRAME_MAX];
    size_t size = history_frame_encode(key, value, frame);
    assert_int_equal(fwrite(frame, 1, size, file), size);
    length += size;
}

static int write_log(void **state)
{
    (void)state;
    length = 0;
    snprintf(path, sizeof path, "/tmp/braid-history-XXXXXX");
    FILE *file = fdopen(mkstemp(path), "w");
    if (!file) return -1;
    for (uint32_t i = 0; i < RECORDS; i++) {
        uint8_t key[HISTORY_KEY_MAX];
        char value[512];
        struct bytes key_bytes = {key, key_of(i, key)};
        append(file, key_bytes, value_of(i, value));
        if (i % SEAL_EVERY == SEAL_EVERY - 1) {
            uint8_t seal[HISTORY_SEAL_MAX];
            const struct history_seal facts = {
                .number = i / SEAL_EVERY + 1, .partitions = 1, .watermark_ms = HISTORY_NO_TIME};
            append(file, (struct bytes){history_seal_key, HISTORY_SEAL_KEY_SIZE},
                   (struct bytes){seal, history_seal_encode(&facts, seal)});
        }
        ends[i] = length;
    }
    return fclose(file);
}

static int remove_log(void **state)
{
    (void)state;
    return unlink(path);
}

/* Reads records first .. to the end in batches of `max`. */
static void read_from(uint32_t first, uint32_t max)
{
    struct history_file *file;
    uint64_t start = first ? ends[first - 1] : 0;
    assert_int_equal(history_file_open(&file, path, start, length, NULL), STATUS_OK);
    struct record *records = calloc(max, sizeof *records);
    uint32_t next = first;
    for (uint32_t count; next <= RECORDS; next += count) {
        assert_int_equal(history_file_next(file, records, max, &count, NULL), STATUS_OK);
        if (count == 0) break;
        for (uint32_t i = 0; i < count; i++) {
            uint8_t key[HISTORY_KEY_MAX];
            char text[512];
            struct bytes value = value_of(next + i, text);
            assert_true(bytes_equal(records[i].key, (struct bytes){key, key_of(next + i, key)}));
            assert_true((records[i].value.at == NULL) == (value.at == NULL));
            assert_true(bytes_equal(records[i].value, value));
        }
    }
    assert_int_equal(next, RECORDS);
    assert_int_equal(history_file_at(file), length);
    assert_int_equal(history_file_seal(file)->number, RECORDS / SEAL_EVERY);
    free(records);
    history_file_close(file);
}

static void reads_the_same_in_any_batches_from_any_record(void **state)
{
    (void)state;
    read_from(0, 1);
    read_from(0, 512);
    read_from(0, RECORDS + 1);
    read_from(SEAL_EVERY - 1, 7);
    read_from(SEAL_EVERY, 1000);
}

static void stops_at_the_committed_end(void **state)
{
    (void)state;
    struct history_file *file;
    struct record records[64];
    uint32_t count, all = 0;
    assert_int_equal(history_file_open(&file, path, 0, ends[299], NULL), STATUS_OK);
    do {
        assert_int_equal(history_file_next(file, records, 64, &count, NULL), STATUS_OK);
        all += count;
    } while (count > 0);
    assert_int_equal(all, 300);
    assert_int_equal(history_file_seal(file)->number, 3);
    history_file_close(file);
}

static void a_flipped_bit_is_corrupt_and_named_by_its_byte(void **state)
{
    (void)state;
    int file = open(path, O_RDWR);
    uint8_t byte;
    off_t at = (off_t)ends[41] + 20;
    assert_int_equal(pread(file, &byte, 1, at), 1);
    byte ^= 4;
    assert_int_equal(pwrite(file, &byte, 1, at), 1);
    close(file);

    struct history_file *log;
    struct record records[64];
    struct error error = {.text = ""};
    uint32_t count;
    char where[48];
    assert_int_equal(history_file_open(&log, path, 0, length, NULL), STATUS_OK);
    assert_int_equal(history_file_next(log, records, 64, &count, &error), STATUS_CORRUPT);
    snprintf(where, sizeof where, "at byte %llu ", (unsigned long long)ends[41]);
    assert_non_null(strstr(error.text, where));
    history_file_close(log);
}

static void a_file_shorter_than_committed_is_refused(void **state)
{
    (void)state;
    struct history_file *file;
    assert_int_equal(history_file_open(&file, path, 0, length + 1, NULL), STATUS_REFUSED);
}

static void an_end_inside_a_record_is_corrupt(void **state)
{
    (void)state;
    struct history_file *file;
    struct record records[64];
    uint32_t count;
    assert_int_equal(history_file_open(&file, path, ends[9], ends[10] - 1, NULL), STATUS_OK);
    assert_int_equal(history_file_next(file, records, 64, &count, NULL), STATUS_CORRUPT);
    history_file_close(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_same_in_any_batches_from_any_record),
        cmocka_unit_test(stops_at_the_committed_end),
        cmocka_unit_test(a_file_shorter_than_committed_is_refused),
        cmocka_unit_test(an_end_inside_a_record_is_corrupt),
        cmocka_unit_test(a_flipped_bit_is_corrupt_and_named_by_its_byte),
    };
    return cmocka_run_group_tests(tests, write_log, remove_log);
}

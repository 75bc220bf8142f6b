/* test_line_reader.c - lines of plain files, gzip and pipes; positions; what is no line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/random.h"
#include "stream/source/event.h"
#include "stream/source/line_reader.h"

enum { LINE_MAX_SIZE = 100, LINES = 50000 };

static char path[] = "/tmp/braid-lines-XXXXXX";
static struct line_reader *reader;
static struct line line;
static struct error error;
static struct line_options options; /* of the readers that a test opens */

static int set_up(void **state)
{
    (void)state;
    memcpy(path + strlen(path) - 6, "XXXXXX", 6);
    options = (struct line_options){.size_max = LINE_MAX_SIZE};
    int file = mkstemp(path);
    return file < 0 || close(file);
}

static int tear_down(void **state)
{
    (void)state;
    line_reader_close(reader);
    reader = NULL;
    return unlink(path);
}

static void write_plain(const void *at, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_int_equal(fwrite(at, 1, size, file), size);
    fclose(file);
}

static void append_gzip(const void *at, size_t size)
{
    gzFile file = gzopen(path, "ab1");
    assert_int_equal(gzwrite(file, at, (unsigned)size), size);
    gzclose(file);
}

static void open_at(struct line_position start)
{
    line_reader_close(reader);
    if (line_reader_open(&reader, path, options, start, &error)) fail_msg("%s", error.text);
}

static void assert_line(const char *text)
{
    assert_int_equal(line_reader_next(reader, &line, &error), STATUS_OK);
    assert_int_equal(line.text.size, strlen(text));
    assert_memory_equal(line.text.at, text, line.text.size);
    assert_false(line.cut);
}

static void assert_end(void)
{
    assert_int_equal(line_reader_next(reader, &line, &error), STATUS_END);
    assert_int_equal(line_reader_next(reader, &line, &error), STATUS_END);
}

static void assert_position(int64_t number, int64_t byte)
{
    assert_int_equal(line_reader_position(reader).line, number);
    assert_int_equal(line_reader_position(reader).byte, byte);
}

static void line_ends_are_taken_off(void **state)
{
    (void)state;
    options.take_unfinished = true;
    write_plain("\xEF\xBB\xBF"
                "one\r\n\n\rtwo\n \r\nlast",
                21);
    open_at((struct line_position){0});
    assert_position(0, 0);
    assert_line("one");
    assert_position(1, 8);
    assert_line("");
    assert_line("\rtwo");
    assert_line(" ");
    assert_line("last");
    assert_position(5, 21);
    assert_end();
}

static void an_empty_file_has_no_line(void **state)
{
    (void)state;
    open_at((struct line_position){0});
    assert_end();
    assert_position(0, 0);
}

static void nul_bytes_are_bytes(void **state)
{
    (void)state;
    write_plain("a\0b\n\0\n", 6);
    open_at((struct line_position){0});
    assert_int_equal(line_reader_next(reader, &line, &error), STATUS_OK);
    assert_int_equal(line.text.size, 3);
    assert_memory_equal(line.text.at, "a\0b", 3);
    assert_int_equal(line_reader_next(reader, &line, &error), STATUS_OK);
    assert_int_equal(line.text.size, 1);
    assert_end();
}

/* Lines around the limit, and one that is longer than any buffer. */
static void overlong_lines_are_cut_and_marked(void **state)
{
    (void)state;
    static const size_t sizes[] = {LINE_MAX_SIZE, LINE_MAX_SIZE + 1, LINE_MAX_SIZE + 2, 3 << 20, 1};
    FILE *file = fopen(path, "wb");
    int64_t bytes = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (size_t j = 0; j < sizes[i]; j++) {
            fputc('a' + (int)i, file);
        }
        fputs("\r\n", file);
    }
    fclose(file);
    open_at((struct line_position){0});
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        assert_int_equal(line_reader_next(reader, &line, &error), STATUS_OK);
        size_t kept = sizes[i] < LINE_MAX_SIZE ? sizes[i] : LINE_MAX_SIZE;
        assert_int_equal(line.cut, sizes[i] > LINE_MAX_SIZE);
        assert_int_equal(line.text.size, kept);
        for (size_t j = 0; j < kept; j++) {
            assert_int_equal(((const char *)line.text.at)[j], 'a' + (int)i);
        }
        bytes += (int64_t)sizes[i] + 2;
        assert_position((int64_t)i + 1, bytes);
    }
    assert_end();
}

/* A log with lines of random lengths, the longest of them too long; `copy` holds all of it. */
static char *random_log(size_t *sizep)
{
    struct random random = random_seeded(11);
    char *log = malloc((size_t)LINES * (LINE_MAX_SIZE + 60));
    size_t size = 0;
    for (int i = 0; i < LINES; i++) {
        size_t length = random_below(&random, LINE_MAX_SIZE + 50);
        for (size_t j = 0; j < length; j++) {
            log[size++] = (char)('a' + random_below(&random, 26));
        }
        log[size++] = '\n';
    }
    *sizep = size;
    return log;
}

/* Reads the rest of the log, comparing with `log`, and keeps the position before line `stop`. */
static struct line_position compare(const char *log, size_t size, int64_t stop)
{
    struct line_position kept = {0};
    for (;;) {
        struct line_position before = line_reader_position(reader);
        enum status status = line_reader_next(reader, &line, &error);
        if (status == STATUS_END) break;
        assert_int_equal(status, STATUS_OK);
        if (before.line == stop) kept = before;
        const char *begin = log + before.byte;
        size_t length = (size_t)((char *)memchr(begin, '\n', size - (size_t)before.byte) - begin);
        assert_int_equal(line.cut, length > LINE_MAX_SIZE);
        assert_int_equal(line.text.size, length < LINE_MAX_SIZE ? length : LINE_MAX_SIZE);
        assert_memory_equal(line.text.at, begin, line.text.size);
    }
    assert_position(LINES, (int64_t)size);
    return kept;
}

static void reading_goes_on_at_a_position(void **state)
{
    (void)state;
    size_t size;
    char *log = random_log(&size);
    for (int gzip = 0; gzip < 2; gzip++) {
        if (gzip) {
            write_plain("", 0);
            append_gzip(log, size / 3); /* two members, as when files are concatenated */
            append_gzip(log + size / 3, size - size / 3);
        } else {
            write_plain(log, size);
        }
        open_at((struct line_position){0});
        struct line_position middle = compare(log, size, LINES / 2);
        int64_t done, total;
        line_reader_progress(reader, &done, &total);
        assert_true(done == total && total > 0);
        open_at(middle);
        compare(log, size, -1);
    }
    free(log);
}

static void a_pipe_is_read_as_it_comes(void **state)
{
    (void)state;
    int ends[2], saved = dup(STDIN_FILENO);
    assert_int_equal(pipe(ends), 0);
    dup2(ends[0], STDIN_FILENO);
    close(ends[0]);
    assert_int_equal(write(ends[1], "one\ntw", 6), 6);
    assert_int_equal(line_reader_open(&reader, "-", options, (struct line_position){0}, &error),
                     STATUS_OK);
    assert_line("one");
    assert_int_equal(write(ends[1], "o\nthree", 7), 7);
    assert_line("two");
    int64_t done, total;
    line_reader_progress(reader, &done, &total);
    assert_int_equal(total, -1);
    assert_int_equal(write(ends[1], "\nfo", 3), 3);
    close(ends[1]);
    assert_line("three");
    assert_end();
    assert_int_equal(line_reader_rest(reader).size, 2);
    dup2(saved, STDIN_FILENO);
    close(saved);
}

/* The unfinished line stays behind the position, so that the next reader meets all of it. */
static void a_line_without_end_waits_for_the_next_reader(void **state)
{
    (void)state;
    write_plain("one\ntw", 6);
    open_at((struct line_position){0});
    assert_line("one");
    assert_end();
    assert_position(1, 4);
    assert_int_equal(line_reader_rest(reader).size, 2);
    assert_string_equal(line_reader_rest(reader).why, "it has no line end");

    write_plain("one\ntwo\n", 8);
    open_at(line_reader_position(reader));
    assert_line("two");
    assert_end();
    assert_position(2, 8);
    assert_null(line_reader_rest(reader).why);
}

/* Also one that is longer than the buffer, of which nothing is left when the end comes. */
static void a_long_line_without_end_waits_too(void **state)
{
    (void)state;
    enum { LONG = 3 << 20 };
    char *text = malloc(LONG);
    memset(text, 'x', LONG);
    write_plain(text, LONG);
    open_at((struct line_position){0});
    assert_end();
    assert_position(0, 0);
    assert_int_equal(line_reader_rest(reader).size, LONG);
    free(text);
}

static void a_line_without_end_is_taken_from_a_complete_input(void **state)
{
    (void)state;
    options.take_unfinished = true;
    write_plain("one\ntwo", 7);
    open_at((struct line_position){0});
    assert_line("one");
    assert_line("two");
    assert_end();
    assert_position(2, 7);
    assert_null(line_reader_rest(reader).why);
}

/* The line end is written after all: it is the taken line's, and no line of its own. */
static void the_end_of_a_taken_line_is_no_line(void **state)
{
    (void)state;
    static const char *const rests[] = {"", "\n", "\r\n", "\r\nthree\n", "\nthree\n"};
    for (size_t i = 0; i < sizeof rests / sizeof *rests; i++) {
        char text[40];
        int size = snprintf(text, sizeof text, "one\ntwo%s", rests[i]);
        write_plain(text, (size_t)size);
        open_at((struct line_position){.line = 2, .byte = 7});
        if (strstr(text, "three")) assert_line("three");
        assert_end();
        assert_position(strstr(text, "three") ? 3 : 2, size);
    }
    write_plain("one\ntwofold\n", 12);
    open_at((struct line_position){.line = 2, .byte = 7});
    assert_int_equal(line_reader_next(reader, &line, &error), STATUS_REFUSED);
    assert_non_null(strstr(error.text, "line 2 had no line end when it was taken"));
}

static size_t file_bytes(char **bytesp)
{
    FILE *file = fopen(path, "rb");
    *bytesp = malloc(1 << 20);
    size_t size = fread(*bytesp, 1, 1 << 20, file);
    fclose(file);
    return size;
}

/* A file that is cut anywhere in its second member is one that is still being written. */
static void a_gzip_member_that_is_being_written_is_not_finished(void **state)
{
    (void)state;
    char *whole;
    append_gzip("one\ntwo\n", 8);
    char *first;
    size_t first_size = file_bytes(&first);
    append_gzip("three\nfour\n", 11);
    size_t size = file_bytes(&whole);
    for (size_t cut = first_size; cut <= size; cut++) {
        write_plain(whole, cut);
        open_at((struct line_position){0});
        assert_line("one");
        assert_line("two");
        enum status status = line_reader_next(reader, &line, &error);
        while (status == STATUS_OK) {
            status = line_reader_next(reader, &line, &error);
        }
        assert_int_equal(status, STATUS_END);
        struct line_position position = line_reader_position(reader);
        assert_int_equal(position.byte, position.line == 2 ? 8 : position.line == 3 ? 14 : 19);
        bool complete = cut == first_size || cut == size;
        if (!line_reader_rest(reader).why != complete) fail_msg("cut at %zu of %zu", cut, size);

        write_plain(whole, size);
        open_at(position);
        if (position.line == 2) assert_line("three");
        if (position.line <= 3) assert_line("four");
        assert_end();
    }
    free(first);
    free(whole);
}

/* Also if what is left of it ends with a line. */
static void a_gzip_file_that_should_be_complete_and_is_cut_short_is_refused(void **state)
{
    (void)state;
    char *whole;
    append_gzip("one\ntwo\nthree\n", 14);
    const size_t size = file_bytes(&whole);
    options.take_unfinished = true;
    for (size_t cut = 2; cut <= size; cut++) {
        write_plain(whole, cut);
        open_at((struct line_position){0});
        enum status status;
        while ((status = line_reader_next(reader, &line, &error)) == STATUS_OK) {
        }
        if (status != (cut < size ? STATUS_CORRUPT : STATUS_END)) fail_msg("cut at %zu", cut);
    }
    free(whole);
}

static void damage_of_a_gzip_file_is_said_with_its_place(void **state)
{
    (void)state;
    char *whole, wanted[64];
    append_gzip("one\ntwo\n", 8);
    const size_t size = file_bytes(&whole);
    whole[size - 8] ^= 1; /* of the checksum */
    write_plain(whole, size);
    append_gzip("three\n", 6);
    free(whole);
    open_at((struct line_position){0});
    enum status status;
    while ((status = line_reader_next(reader, &line, &error)) == STATUS_OK) {
    }
    assert_int_equal(status, STATUS_CORRUPT);
    snprintf(wanted, sizeof wanted, "damaged gzip at its byte %zu: incorrect data check", size - 4);
    if (!strstr(error.text, wanted)) fail_msg("%s, not %s", error.text, wanted);
}

static void what_lies_behind_the_last_gzip_member_is_ignored(void **state)
{
    (void)state;
    static const char zeros[512];
    static const struct bytes tails[] = {
        {zeros, 512}, {zeros, 1}, {"a text\n", 7}, {"x", 1}, {"\x1Fx", 2}};
    for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
        write_plain("", 0);
        append_gzip("one\n", 4);
        FILE *file = fopen(path, "ab");
        fwrite(tails[i].at, 1, tails[i].size, file);
        fclose(file);
        open_at((struct line_position){0});
        assert_line("one");
        assert_end();
        assert_null(line_reader_rest(reader).why);
    }
}

static void a_line_break_in_a_quoted_cell_does_not_end_a_row(void **state)
{
    (void)state;
    static const char text[] = "\xEF\xBB\xBF\"us\ner\",item\r\n"
                               "u1,\"nice\nu2,i2\r\n\r\n\"\n"
                               "\n"
                               "24\" screen,i3\n"
                               "u4,\"i\"4\"\n"
                               "u5,i5\n";
    options.rows = (struct table_form){',', true};
    write_plain(text, sizeof text - 1);
    open_at((struct line_position){0});
    assert_line("\"us\ner\",item");
    struct line_position first = line_reader_position(reader);
    assert_line("u1,\"nice\nu2,i2\r\n\r\n\"");
    assert_line("");
    assert_line("24\" screen,i3");
    assert_line("u4,\"i\"4\"");
    assert_line("u5,i5");
    assert_end();
    assert_position(6, sizeof text - 1);
    open_at(first);
    assert_line("u1,\"nice\nu2,i2\r\n\r\n\"");
}

static void a_row_whose_quote_is_open_waits_for_the_next_reader(void **state)
{
    (void)state;
    options.rows = (struct table_form){',', true};
    write_plain("u1,i1\nu2,\"nice\nu3,i3\n", 22);
    open_at((struct line_position){0});
    assert_line("u1,i1");
    assert_end();
    assert_position(1, 6);
    assert_string_equal(line_reader_rest(reader).why, "a quoted cell is still open");
    write_plain("u1,i1\nu2,\"nice\nu3,i3\n\"\n", 24);
    open_at(line_reader_position(reader));
    assert_line("u2,\"nice\nu3,i3\n\"");
    assert_end();
}

/* Rows of all lengths, some far longer than the limit, with line breaks and separators inside. */
static void long_quoted_rows_are_cut_and_not_split(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 90, 91, 95, 99, 100, 5000, 1 << 20, 3 << 20};
    options.rows = (struct table_form){',', true};
    FILE *file = fopen(path, "wb");
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        fputs("u,\"", file);
        for (size_t j = 0; j < sizes[i]; j++) {
            fputs(j % 2 ? "\n" : ",\"\"", file);
        }
        fputs("\",\"i\"\nnext\n", file);
    }
    fclose(file);
    open_at((struct line_position){0});
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        assert_int_equal(line_reader_next(reader, &line, &error), STATUS_OK);
        assert_memory_equal(line.text.at, "u,\"", 3);
        assert_int_equal(line.cut, sizes[i] >= 90);
        assert_line("next");
    }
    assert_end();
}

/* Beyond any event's size, a quote that is not closed is taken for a character. */
static void a_stray_quote_does_not_swallow_the_input(void **state)
{
    (void)state;
    options.rows = (struct table_form){',', true};
    FILE *file = fopen(path, "wb");
    fputs("u,\"stray\n", file);
    for (int i = 0; i < QUOTED_SIZE_MAX / 16; i++) {
        fputs("0123456789,abcd\n", file);
    }
    fputs("u,i\nv,\"j\"\n", file);
    fclose(file);
    open_at((struct line_position){0});
    assert_int_equal(line_reader_next(reader, &line, &error), STATUS_OK);
    assert_true(line.cut);
    assert_true(line_reader_position(reader).byte >= QUOTED_SIZE_MAX);
    assert_true(line_reader_position(reader).byte < QUOTED_SIZE_MAX + 40);
    assert_line("u,i");
    assert_line("v,\"j\"");
    assert_end();
}

static void damaged_inputs_are_errors(void **state)
{
    (void)state;
    assert_int_equal(
        line_reader_open(&reader, "/nowhere", options, (struct line_position){0}, &error),
        STATUS_INVALID);
    assert_string_equal(error.text, "/nowhere: No such file or directory");
    assert_null(reader);
    assert_int_equal(line_reader_open(&reader, "/tmp", options, (struct line_position){0}, &error),
                     STATUS_IO);

    append_gzip("one\ntwo", 7);
    assert_int_equal(truncate(path, 20), 0);
    options.take_unfinished = true; /* complete, it says, but the member is not */
    open_at((struct line_position){0});
    enum status status = line_reader_next(reader, &line, &error);
    while (status == STATUS_OK) {
        status = line_reader_next(reader, &line, &error);
    }
    assert_int_equal(status, STATUS_CORRUPT);
    line_reader_close(reader);

    write_plain("one\n", 4);
    assert_int_equal(line_reader_open(&reader, path, options,
                                      (struct line_position){.line = 9, .byte = 90}, &error),
                     STATUS_REFUSED);
    write_plain("\x1F\x8B garbage", 10);
    open_at((struct line_position){0});
    assert_int_equal(line_reader_next(reader, &line, &error), STATUS_CORRUPT);
}

static void inputs_are_told_apart_by_their_first_bytes(void **state)
{
    (void)state;
    struct input_identity plain, longer, gzip, other;
    write_plain("one\n", 4);
    assert_int_equal(input_identify(path, 0, &plain, &error), STATUS_OK);
    assert_int_equal(plain.size, 4);
    write_plain("one\ntwo\n", 8);
    assert_int_equal(input_identify(path, plain.size, &longer, &error), STATUS_OK);
    assert_true(longer.hash == plain.hash && longer.size == 4);
    write_plain("", 0);
    append_gzip("one\n", 4);
    assert_int_equal(input_identify(path, 0, &gzip, &error), STATUS_OK);
    assert_true(gzip.hash == plain.hash && gzip.size == 4);
    write_plain("two\n", 4);
    assert_int_equal(input_identify(path, 0, &other, &error), STATUS_OK);
    assert_true(other.hash != plain.hash);
    assert_int_equal(input_identify("-", 0, &other, &error), STATUS_OK);
    assert_int_equal(other.size, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(line_ends_are_taken_off),
        TEST(an_empty_file_has_no_line),
        TEST(nul_bytes_are_bytes),
        TEST(overlong_lines_are_cut_and_marked),
        TEST(reading_goes_on_at_a_position),
        TEST(a_pipe_is_read_as_it_comes),
        TEST(a_line_without_end_waits_for_the_next_reader),
        TEST(a_long_line_without_end_waits_too),
        TEST(a_line_without_end_is_taken_from_a_complete_input),
        TEST(the_end_of_a_taken_line_is_no_line),
        TEST(a_gzip_member_that_is_being_written_is_not_finished),
        TEST(a_gzip_file_that_should_be_complete_and_is_cut_short_is_refused),
        TEST(damage_of_a_gzip_file_is_said_with_its_place),
        TEST(what_lies_behind_the_last_gzip_member_is_ignored),
        TEST(a_line_break_in_a_quoted_cell_does_not_end_a_row),
        TEST(a_row_whose_quote_is_open_waits_for_the_next_reader),
        TEST(long_quoted_rows_are_cut_and_not_split),
        TEST(a_stray_quote_does_not_swallow_the_input),
        TEST(damaged_inputs_are_errors),
        TEST(inputs_are_told_apart_by_their_first_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

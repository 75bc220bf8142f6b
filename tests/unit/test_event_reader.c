/*
 * test_event_reader.c - several files are one sequence of events, read on where it was left.
 *
 * Files are written into a directory; each event is told by its user.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "stream/source/event_reader.h"

static char dir[64], source[80];
static struct config config;
static struct error error;

static int remove_entry(const char *path, const struct stat *facts, int kind, struct FTW *walk)
{
    (void)facts, (void)kind, (void)walk;
    return remove(path);
}

static int make_directory(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/braid-reader-XXXXXX");
    if (!mkdtemp(dir)) return -1;
    snprintf(source, sizeof source, "%s/log", dir);
    config_defaults(&config);
    config.source.path = source;
    config.source.format = CONFIG_TSV;
    config.source.header = false;
    config.source.field_user = "1";
    config.source.field_item = "2";
    config.source.field_time = "3";
    error.text[0] = 0;
    return mkdir(source, 0755);
}

static int remove_directory(void **state)
{
    (void)state;
    config_close(&config);
    return nftw(dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static const char *path_of(const char *name)
{
    static char path[160];
    snprintf(path, sizeof path, "%s/%s", source, name);
    return path;
}

/* Appends rows of these users ("a b c") to a file; "c|" has no line end. */
static void append(const char *name, const char *users)
{
    char words[256];
    snprintf(words, sizeof words, "%s", users);
    FILE *file = fopen(path_of(name), "ae");
    assert_non_null(file);
    char *rest;
    for (char *user = strtok_r(words, " ", &rest); user; user = strtok_r(NULL, " ", &rest)) {
        char *cut = strchr(user, '|');
        if (cut) *cut = 0;
        fprintf(file, "%s\titem\t1700000000000%s", user, cut ? "" : "\n");
    }
    fclose(file);
}

static void compress_file(const char *name, const char *compressed)
{
    char text[4096];
    FILE *file = fopen(path_of(name), "re");
    assert_non_null(file);
    size_t size = fread(text, 1, sizeof text, file);
    fclose(file);
    assert_int_equal(unlink(path_of(name)), 0);
    gzFile out = gzopen(path_of(compressed), "wb");
    assert_int_equal(gzwrite(out, text, (unsigned)size), (int)size);
    gzclose(out);
}

/* What was read so far, as a commit file keeps it. */
static struct source_files known;
static int64_t known_offset;

static void forget(void)
{
    source_files_close(&known);
    known_offset = 0;
}

static void note(struct event_reader *reader)
{
    struct source_position position = event_reader_position(reader);
    for (uint32_t i = known.count ? known.count - 1 : 0; i <= position.file; i++) {
        const struct source_file *file = event_reader_file(reader, i);
        if (i == known.count) assert_int_equal(source_files_add(&known, file->name, &error), 0);
        struct source_file *to = &known.at[i];
        to->position = i < position.file ? file->position : position.line;
        assert_int_equal(event_reader_identify(reader, i, to->position.byte, &to->identity, &error),
                         STATUS_OK);
    }
    known_offset = position.offset;
}

/* Reads up to `most` events; returns their users and offsets ("a0 b1"), or why it was refused. */
static const char *reads(enum event_reader_mode mode, unsigned most)
{
    static char said[512];
    struct event_reader *reader;
    struct event event;
    size_t used = 0;
    said[0] = 0;
    enum status status = event_reader_open(&reader, &config, &known, mode, &error);
    for (; status == STATUS_OK && most > 0; most--) {
        status = event_reader_next(reader, &event, &error);
        if (status != STATUS_OK) break;
        used += (size_t)snprintf(said + used, sizeof said - used, "%s%.*s%lld", used ? " " : "",
                                 (int)event.user.size, (const char *)event.user.at,
                                 (long long)event.offset);
    }
    if (status == STATUS_OK || status == STATUS_END) {
        if (mode == READ_ON && used > 0) note(reader);
    } else {
        snprintf(said, sizeof said, "%s", error.text);
    }
    event_reader_close(reader);
    return said;
}

static const char *reads_on(void)
{
    return reads(READ_ON, UINT32_MAX);
}

static void assert_refused(const char *said, const char *word)
{
    if (!strstr(said, word)) fail_msg("'%s' is not in: %s", word, said);
}

static void files_of_a_directory_are_read_in_the_order_of_their_names(void **state)
{
    (void)state;
    append("2", "c d");
    append("10", "a b"); /* byte by byte: 1 before 2 */
    append(".hidden", "x");
    append("_SUCCESS", "y");
    assert_string_equal(reads_on(), "a0 b1 c2 d3");
    assert_string_equal(reads_on(), "");
    append("3", "e");
    assert_string_equal(reads_on(), "e4");
    assert_string_equal(reads(READ_AGAIN, UINT32_MAX), "a0 b1 c2 d3 e4");
    forget();
}

static void several_paths_between_commas_are_read_in_the_order_of_their_names(void **state)
{
    (void)state;
    char paths[400], *at = paths;
    append("a", "u");
    append("b", "v");
    at += snprintf(paths, sizeof paths, "%s,", path_of("b"));
    snprintf(at, sizeof paths - (size_t)(at - paths), "%s", path_of("a"));
    config.source.path = paths;
    assert_string_equal(reads_on(), "u0 v1");
    append("b", "w");
    assert_string_equal(reads_on(), "w2");
    forget();
}

static void reading_on_begins_where_it_was_left_also_within_a_file(void **state)
{
    (void)state;
    append("a", "u v");
    append("b", "w x");
    assert_string_equal(reads(READ_ON, 1), "u0");
    assert_string_equal(reads(READ_ON, 2), "v1 w2");
    assert_string_equal(reads(READ_AGAIN, UINT32_MAX), "u0 v1 w2");
    append("b", "y");
    assert_string_equal(reads_on(), "x3 y4");
    forget();
}

static void a_file_whose_name_lies_before_comes_after_what_was_read(void **state)
{
    (void)state;
    append("a", "u");
    append("c", "v");
    assert_string_equal(reads_on(), "u0 v1");
    append("b", "w");
    assert_string_equal(reads_on(), "w2");
    assert_string_equal(reads(READ_AGAIN, UINT32_MAX), "u0 v1 w2");
    forget();
}

static void each_file_of_a_table_has_its_header(void **state)
{
    (void)state;
    config.source.header = true;
    config.source.field_user = "who";
    config.source.field_item = "what";
    config.source.field_time = "when";
    FILE *file = fopen(path_of("a"), "we");
    fputs("who\twhat\twhen\nu\ti\t1700000000000\n", file);
    fclose(file);
    file = fopen(path_of("b"), "we");
    fputs("when\twho\twhat\n1700000000000\tv\ti\n", file);
    fclose(file);
    assert_string_equal(reads(READ_ON, 1), "u1");
    assert_string_equal(reads_on(), "v3");
    assert_string_equal(reads(READ_AGAIN, UINT32_MAX), "u1 v3");
    forget();
}

static void a_compressed_file_goes_on_where_the_plain_one_ended(void **state)
{
    (void)state;
    append("a", "u v");
    append("b", "w");
    assert_string_equal(reads_on(), "u0 v1 w2");
    compress_file("a", "a.gz");
    append("b", "x");
    compress_file("b", "b.gz");
    assert_string_equal(reads_on(), "x3");
    assert_string_equal(reads(READ_AGAIN, UINT32_MAX), "u0 v1 w2 x3");
    append("b", "w x");
    assert_refused(reads_on(), "or its compressed copy");
    forget();
}

static void an_unfinished_last_line_waits_unless_another_file_follows(void **state)
{
    (void)state;
    append("a", "u v|");
    append("b", "");
    assert_string_equal(reads_on(), "u0"); /* an empty file follows, which is nothing yet */
    append("b", "w|");
    assert_string_equal(reads_on(), "v1");
    assert_string_equal(reads_on(), "");
    forget();
}

static void a_file_that_has_grown_after_the_next_was_begun_is_refused(void **state)
{
    (void)state;
    append("a", "u");
    append("b", "v");
    assert_string_equal(reads_on(), "u0 v1");
    append("a", "w");
    assert_refused(reads_on(), "out of order");
    forget();
}

static void another_file_in_the_place_of_one_that_was_read_is_refused(void **state)
{
    (void)state;
    append("a", "u v");
    assert_string_equal(reads_on(), "u0 v1");
    unlink(path_of("a"));
    append("a", "u x y");
    assert_refused(reads_on(), "its first");
    unlink(path_of("a"));
    append("b", "z");
    assert_refused(reads(READ_AGAIN, UINT32_MAX), "is not the input"); /* one follows one */
    append("c", "z");
    assert_refused(reads_on(), "'a' was read, and is not there any more");
    forget();
}

static void a_file_that_is_read_and_gone_is_missed_only_when_it_is_read_again(void **state)
{
    (void)state;
    append("a", "u");
    append("b", "v");
    assert_string_equal(reads_on(), "u0 v1");
    unlink(path_of("a"));
    append("b", "w");
    append("c", "x");
    assert_string_equal(reads_on(), "w2 x3");
    assert_refused(reads(READ_AGAIN, UINT32_MAX), "'a' was read, and is not there any more");
    forget();
}

/* Else a file that logrotate has renamed would be read twice. */
static void a_file_that_was_read_is_known_under_another_name(void **state)
{
    (void)state;
    append("a", "u");
    append("b", "v");
    assert_string_equal(reads_on(), "u0 v1");
    char old[160];
    snprintf(old, sizeof old, "%s", path_of("a"));
    assert_int_equal(rename(old, path_of("z")), 0);
    assert_refused(reads_on(), "under another name");
    forget();
}

/* All files of a table begin with the same header, which tells none from the others. */
static void a_file_that_had_a_header_alone_is_no_file_that_was_read(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "user\titem\ttime\nu\ti\t1700000000000\n", "user\titem\ttime\n",
        "user\titem\ttime\nv\ti\t1700000000000\n", "user\titem\ttime\nw\ti\t1700000000000\n"};
    config.source.header = true;
    config.source.field_user = "user";
    config.source.field_item = "item";
    config.source.field_time = "time";
    for (int i = 0; i < 4; i++) {
        char name[2] = {(char)('a' + i), 0};
        FILE *file = fopen(path_of(name), "we");
        assert_non_null(file);
        fputs(texts[i], file);
        fclose(file);
        if (i == 2) assert_string_equal(reads_on(), "u1 v4");
    }
    assert_string_equal(reads_on(), "w6");
    forget();
}

/* What was seen of it is nothing: so nothing can differ. */
static void an_input_first_seen_empty_or_with_a_header_alone_binds_to_nothing(void **state)
{
    (void)state;
    config.source.path = path_of("one");
    append("one", "");
    assert_string_equal(reads_on(), "");
    assert_int_equal(known.count, 0);
    append("one", "u v w");
    assert_string_equal(reads_on(), "u0 v1 w2");
    forget();
}

static void identity_grows_with_what_was_read(void **state)
{
    (void)state;
    append("a", "u v");
    assert_string_equal(reads(READ_ON, 1), "u0");
    unlink(path_of("a"));
    append("a", "u x"); /* what was not read yet may be another */
    assert_string_equal(reads_on(), "x1");
    unlink(path_of("a"));
    append("a", "u v w");
    assert_refused(reads_on(), "is not the input that was read before");
    forget();
}

static void a_path_that_means_nothing_is_refused(void **state)
{
    (void)state;
    assert_refused(reads_on(), "without files to read");
    config.source.path = "/nowhere/a,/nowhere/b";
    assert_refused(reads_on(), "/nowhere/a: No such file");
    config.source.path = "/nowhere/a,,";
    assert_refused(reads_on(), "/nowhere/a: No such file");
}

/* ---- a source that is followed ---- */

static struct event_reader *followed;

/* The file `name`, or "": the directory. */
static void follow(const char *name)
{
    static char path[160];
    config.source.end = "never";
    if (!*name) return;
    snprintf(path, sizeof path, "%s", path_of(name));
    config.source.path = path;
}

static void open_followed(void)
{
    assert_int_equal(event_reader_open(&followed, &config, &known, READ_ON, &error), STATUS_OK);
}

static void close_followed(void)
{
    event_reader_close(followed);
    followed = NULL;
}

/* What comes up to the end of what is there, after as many looks as are given. */
static const char *follows(unsigned looks)
{
    static char said[512];
    size_t used = 0;
    said[0] = 0;
    for (;;) {
        struct event event;
        bool more = false;
        while (event_reader_next(followed, &event, &error) == STATUS_OK) {
            used += (size_t)snprintf(said + used, sizeof said - used, "%s%.*s%lld", used ? " " : "",
                                     (int)event.user.size, (const char *)event.user.at,
                                     (long long)event.offset);
            note(followed);
        }
        for (; looks > 0 && !more; looks--) {
            if (event_reader_look(followed, &more, &error) != STATUS_OK) return error.text;
        }
        if (!more) return said;
    }
}

static void rename_file(const char *from, const char *to)
{
    char path[160];
    snprintf(path, sizeof path, "%s", path_of(to));
    assert_int_equal(rename(path_of(from), path), 0);
}

/* Files of a test are written within a tick of the clock. */
static void written_at(const char *name, int64_t second)
{
    const struct timespec times[2] = {{.tv_sec = second}, {.tv_sec = second}};
    assert_int_equal(utimensat(AT_FDCWD, path_of(name), times, 0), 0);
}

static void a_followed_file_goes_on_with_what_is_written_and_its_last_part_waits(void **state)
{
    (void)state;
    follow("app");
    append("app", "u v|");
    open_followed();
    assert_string_equal(follows(3), "u0");
    append("app", "w| x");
    assert_string_equal(follows(3), "v1");
    assert_string_equal(follows(3), "");
    close_followed();
    forget();
}

static void a_file_that_is_renamed_is_read_to_its_end_before_the_one_that_gets_its_name(
    void **state)
{
    (void)state;
    follow("app");
    append("app.1", "never");
    written_at("app.1", 1000);
    append("app", "u");
    open_followed();
    assert_string_equal(follows(2), "u0");
    append("app", "v");
    rename_file("app", "app.2");
    append("app", "x");
    assert_string_equal(follows(1), "v1");
    assert_string_equal(follows(1), "");
    append("app.2", "w|"); /* who has it open goes on for a moment */
    assert_string_equal(follows(1), "");
    assert_string_equal(follows(2), "w2 x3");
    append("app", "y");
    assert_string_equal(follows(2), "y4");
    close_followed();
    assert_string_equal(reads(READ_AGAIN, UINT32_MAX), "u0 v1 w2 x3 y4");
    rename_file("app", "app.3"); /* while nobody reads */
    append("app", "z");
    assert_string_equal(reads_on(), "z5");
    assert_string_equal(reads(READ_AGAIN, UINT32_MAX), "u0 v1 w2 x3 y4 z5");
    forget();
}

static void files_that_were_renamed_while_nobody_read_are_found_again(void **state)
{
    (void)state;
    follow("app");
    append("app", "u v");
    assert_string_equal(reads(READ_ON, 1), "u0");
    rename_file("app", "app.2");
    append("app.1", "w");
    append("app", "x");
    append("app.old", "older");
    written_at("app.old", 1000);
    written_at("app.2", 2000);
    written_at("app.1", 3000);
    assert_string_equal(reads_on(), "v1 w2 x3");
    compress_file("app.2", "app.2.gz");
    written_at("app.2.gz", 2000);
    append("app", "y");
    assert_string_equal(reads_on(), "y4");
    rename_file("app", "app.0"); /* and no other has been begun yet */
    append("app.0", "z");
    assert_string_equal(reads_on(), "z5");
    assert_string_equal(reads(READ_AGAIN, UINT32_MAX), "u0 v1 w2 x3 y4 z5");
    forget();
    assert_refused(reads_on(), "app: no such file");
}

static void a_followed_directory_goes_on_with_the_next_file_that_has_something(void **state)
{
    (void)state;
    follow("");
    append("day-1", "u");
    open_followed();
    assert_string_equal(follows(1), "u0");
    append("day-3", "");
    append("day-2", "");
    assert_string_equal(follows(4), "");
    append("day-2", "v");
    append("day-3", "w");
    assert_string_equal(follows(4), "v1 w2");
    close_followed();
    append("day-4", "x");
    assert_string_equal(reads_on(), "x3");
    assert_string_equal(reads(READ_AGAIN, UINT32_MAX), "u0 v1 w2 x3");
    forget();
}

static void a_followed_file_that_is_cut_is_refused(void **state)
{
    (void)state;
    follow("");
    append("app", "u v");
    open_followed();
    assert_string_equal(follows(1), "u0 v1");
    assert_int_equal(truncate(path_of("app"), 0), 0);
    assert_refused(follows(1), "was cut to 0 bytes");
    close_followed();
    forget();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_directory, remove_directory)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(files_of_a_directory_are_read_in_the_order_of_their_names),
        TEST(several_paths_between_commas_are_read_in_the_order_of_their_names),
        TEST(reading_on_begins_where_it_was_left_also_within_a_file),
        TEST(a_file_whose_name_lies_before_comes_after_what_was_read),
        TEST(each_file_of_a_table_has_its_header),
        TEST(a_compressed_file_goes_on_where_the_plain_one_ended),
        TEST(an_unfinished_last_line_waits_unless_another_file_follows),
        TEST(a_file_that_has_grown_after_the_next_was_begun_is_refused),
        TEST(another_file_in_the_place_of_one_that_was_read_is_refused),
        TEST(a_file_that_is_read_and_gone_is_missed_only_when_it_is_read_again),
        TEST(a_file_that_was_read_is_known_under_another_name),
        TEST(a_file_that_had_a_header_alone_is_no_file_that_was_read),
        TEST(an_input_first_seen_empty_or_with_a_header_alone_binds_to_nothing),
        TEST(identity_grows_with_what_was_read),
        TEST(a_path_that_means_nothing_is_refused),
        TEST(a_followed_file_goes_on_with_what_is_written_and_its_last_part_waits),
        TEST(a_file_that_is_renamed_is_read_to_its_end_before_the_one_that_gets_its_name),
        TEST(files_that_were_renamed_while_nobody_read_are_found_again),
        TEST(a_followed_directory_goes_on_with_the_next_file_that_has_something),
        TEST(a_followed_file_that_is_cut_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

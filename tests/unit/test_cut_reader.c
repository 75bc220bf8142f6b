/* test_cut_reader.c - an event of a file lies before a cut by its own time, or by another field. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stream/source/cut_reader.h"

enum { LINES = 5 };

static char path[] = "/tmp/braid-cut-XXXXXX";
static struct config files;

static int write_cut_file(void **state)
{
    (void)state;
    static const char text[] =
        "{\"user\":\"u\",\"item\":\"a\",\"time\":1000000000,\"stamp\":1000000009}\n"
        "{\"user\":\"u\",\"item\":\"b\",\"time\":1000000008,\"stamp\":1000000002}\n"
        "{\"user\":\"u\",\"item\":\"c\",\"time\":1000000001}\n"
        "no event\n"
        "{\"user\":\"u\",\"item\":\"d\",\"time\":1000000003,\"stamp\":1000000004}\n";
    const int file = mkstemp(path);
    if (file < 0 || write(file, text, strlen(text)) != (ssize_t)strlen(text)) return 1;
    close(file);
    config_defaults(&files);
    return config_set(&files, "source.time", "s", "test", NULL);
}

static int remove_cut_file(void **state)
{
    (void)state;
    config_close(&files);
    return unlink(path);
}

/* Which lines come before the cut (b), which do not (-), and which are no events (x). */
static void read_lines(const char *field, char before[LINES + 1])
{
    const struct cut cut = {1000000005000, field};
    struct cut_reader *reader;
    struct event event;
    bool is_before;
    assert_int_equal(cut_reader_open(&reader, &files, path, &cut, NULL), STATUS_OK);
    for (int i = 0; i < LINES; i++) {
        assert_int_equal(cut_reader_next(reader, &event, &is_before, NULL), STATUS_OK);
        assert_int_equal(event.offset, i);
        before[i] = event_is_bad(event.verdict) ? 'x' : is_before ? 'b' : '-';
    }
    before[LINES] = 0;
    assert_int_equal(cut_reader_next(reader, &event, &is_before, NULL), STATUS_END);
    cut_reader_close(reader);
}

static void an_event_lies_before_a_cut_by_its_own_time(void **state)
{
    (void)state;
    char before[LINES + 1];
    read_lines(NULL, before);
    assert_string_equal(before, "b-bxb");
}

static void another_field_may_say_so_and_an_event_without_it_is_bad(void **state)
{
    (void)state;
    char before[LINES + 1];
    read_lines("stamp", before);
    assert_string_equal(before, "-bxxb");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_lies_before_a_cut_by_its_own_time),
        cmocka_unit_test(another_field_may_say_so_and_an_event_without_it_is_bad),
    };
    return cmocka_run_group_tests(tests, write_cut_file, remove_cut_file);
}

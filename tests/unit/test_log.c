/* test_log.c - lines in each form, read back from a pipe that stands in for standard error. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/log_repeats.h"

static int pipe_ends[2];
static int saved_stderr;
static char line[2 * LOG_LINE_MAX];

static int redirect(void **state)
{
    (void)state;
    saved_stderr = dup(STDERR_FILENO);
    return pipe(pipe_ends) || dup2(pipe_ends[1], STDERR_FILENO) < 0;
}

static int restore(void **state)
{
    (void)state;
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
    return 0;
}

/* What came out after the time stamp of fixed width. */
static const char *read_line(size_t stamp_size)
{
    ssize_t size = read(pipe_ends[0], line, sizeof line - 1);
    assert_true(size > (ssize_t)stamp_size);
    line[size] = '\0';
    return line + stamp_size;
}

static void text_quotes_only_what_needs_it(void **state)
{
    (void)state;
    log_setup(LOG_INFO, LOG_PLAIN);
    log_debug("not seen");
    log_warn("partition restored", log_int("partition", -3), log_real("seconds", 1.5),
             log_text("path", "a/b"), log_text("why", "say \"no\"\n"), log_text("empty", ""));
    assert_string_equal(read_line(strlen("2024-05-01T12:00:00.123Z")),
                        " warn partition restored partition=-3 seconds=1.5 path=a/b "
                        "why=\"say \\\"no\\\"\\u000a\" empty=\"\"\n");
}

static void logfmt_has_a_key_for_everything(void **state)
{
    (void)state;
    log_setup(LOG_INFO, LOG_LOGFMT);
    log_warn("partition restored", log_int("partition", -3), log_text("why", "a=b c"));
    assert_string_equal(read_line(strlen("time=2024-05-01T12:00:00.123Z")),
                        " level=warn message=\"partition restored\" partition=-3 why=\"a=b c\"\n");
}

/* One line in a window is the last; what came behind it is told at the end, errors come always. */
static void a_message_that_floods_is_left_out_and_counted(void **state)
{
    (void)state;
    log_setup(LOG_INFO, LOG_PLAIN);
    for (unsigned i = 0; i < LOG_REPEATS_MAX; i++) {
        log_info("flood");
        read_line(0);
    }
    for (unsigned i = 0; i < 3; i++) {
        log_info("flood");
        log_error("failed");
        assert_non_null(strstr(read_line(0), " error failed\n"));
    }
    log_finish();
    assert_non_null(strstr(read_line(0), " warn lines left out of=flood lines=3\n"));
}

static void json_is_one_object_a_line(void **state)
{
    (void)state;
    log_setup(LOG_INFO, LOG_JSON);
    log_info("done");
    assert_string_equal(read_line(strlen("{\"time\":\"2024-05-01T12:00:00.123Z\",")),
                        "\"level\":\"info\",\"message\":\"done\"}\n");
    log_error("bad", log_text("user", "a\\b"), log_real("share", 1.0 / 0.0));
    assert_string_equal(
        read_line(strlen("{\"time\":\"2024-05-01T12:00:00.123Z\",")),
        "\"level\":\"error\",\"message\":\"bad\",\"user\":\"a\\\\b\",\"share\":null}\n");
}

static void bytes_from_data_are_escaped_in_every_form(void **state)
{
    (void)state;
    for (enum log_form form = LOG_PLAIN; form <= LOG_JSON; form++) {
        log_setup(LOG_INFO, form);
        log_info("x", log_text("of", "\x1b[2J\xff\n\xc2\x85"));
        const char *text = read_line(0);
        assert_non_null(strstr(text, "\"\\u001b[2J\\\\xff\\u000a\\u0085\""));
    }
}

static void fields_that_do_not_fit_are_left_out_and_the_line_says_so(void **state)
{
    (void)state;
    char text[LOG_LINE_MAX + 100];
    memset(text, 1, sizeof text);
    const struct bytes bytes = {text, sizeof text};
    log_setup(LOG_INFO, LOG_JSON);
    log_info("long", log_bytes("text", bytes), log_int("kept", 1));
    read_line(0);
    assert_null(strstr(line, "text"));
    assert_non_null(strstr(line, "\"message\":\"long\",\"kept\":1,\"cut\":1}\n"));
    log_setup(LOG_INFO, LOG_PLAIN);
    log_info("long", log_bytes("text", bytes), log_int("kept", 1));
    read_line(0);
    assert_non_null(strstr(line, " info long kept=1 cut=1\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(text_quotes_only_what_needs_it, redirect, restore),
        cmocka_unit_test_setup_teardown(logfmt_has_a_key_for_everything, redirect, restore),
        cmocka_unit_test_setup_teardown(a_message_that_floods_is_left_out_and_counted, redirect,
                                        restore),
        cmocka_unit_test_setup_teardown(json_is_one_object_a_line, redirect, restore),
        cmocka_unit_test_setup_teardown(bytes_from_data_are_escaped_in_every_form, redirect,
                                        restore),
        cmocka_unit_test_setup_teardown(fields_that_do_not_fit_are_left_out_and_the_line_says_so,
                                        redirect, restore),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

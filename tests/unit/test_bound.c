/* test_bound.c - the texts of source.start and source.end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "config/bound.h"
#include "config/config.h"

static void words_times_and_numbers_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum bound_kind kind;
        int64_t value;
    } starts[] = {
        {"earliest", BOUND_NONE, 0},
        {"latest", BOUND_LATEST, 0},
        {"1200", BOUND_OFFSET, 1200},
        {"1970-01-02", BOUND_TIME, 86400000},
        {"1970-01-01T00:00:01Z", BOUND_TIME, 1000},
        {"0:1200", BOUND_PLACES, 0},
    };
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        struct bound bound;
        assert_int_equal(bound_parse_start(&bound, starts[i].text, NULL), STATUS_OK);
        assert_int_equal(bound.kind, starts[i].kind);
        assert_int_equal(bound.value, starts[i].value);
    }
    struct bound bound;
    assert_int_equal(bound_parse_end(&bound, "", NULL), STATUS_OK);
    assert_int_equal(bound.kind, BOUND_NONE);
    assert_int_equal(bound_parse_end(&bound, "never", NULL), STATUS_OK);
    assert_int_equal(bound.kind, BOUND_NEVER);
    assert_int_equal(bound_parse_start(&bound, "never", NULL), STATUS_INVALID);
    assert_int_equal(bound_parse_end(&bound, "earliest", NULL), STATUS_INVALID);
}

static void each_partition_has_the_offset_that_is_given_for_it(void **state)
{
    (void)state;
    struct bound bound;
    int64_t offset = -1;
    assert_int_equal(bound_parse_end(&bound, "1:3400,0:9223372036854775807,17:0", NULL), STATUS_OK);
    assert_int_equal(bound.kind, BOUND_PLACES);
    assert_true(bound_place(&bound, 0, &offset));
    assert_int_equal(offset, INT64_MAX);
    assert_true(bound_place(&bound, 1, &offset));
    assert_int_equal(offset, 3400);
    assert_true(bound_place(&bound, 17, &offset));
    assert_int_equal(offset, 0);
    assert_false(bound_place(&bound, 7, &offset));
}

static void offsets_that_are_not_clear_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"0:1,",
                                        ",0:1",
                                        "0:1,,1:2",
                                        "0:",
                                        ":1",
                                        "0:1:2",
                                        "0:-1",
                                        "a:1",
                                        "0:1,0:2",
                                        "0:1 ",
                                        "0:1,1:2,0:1",
                                        ":",
                                        "0:9223372036854775808"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct bound bound;
        struct error error;
        assert_int_equal(bound_parse_start(&bound, wrong[i], &error), STATUS_INVALID);
        assert_non_null(strstr(error.text, wrong[i]));
    }
}

/* What a source cannot have is told before anything is opened. */
static void numbers_are_for_files_and_offsets_for_topics(void **state)
{
    (void)state;
    struct config config;
    struct error error;
    config_defaults(&config);
    config.source.start = "0:1";
    assert_int_equal(config_check_events(&config, &error), STATUS_INVALID);
    assert_non_null(strstr(error.text, "source.start=0:1"));
    config.source.broker = CONFIG_BROKER_KAFKA;
    assert_int_equal(config_check_events(&config, &error), STATUS_OK);
    config.source.end = "17";
    assert_int_equal(config_check_events(&config, &error), STATUS_INVALID);
    assert_non_null(strstr(error.text, "source.end=17"));
    config_close(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_times_and_numbers_are_told_apart),
        cmocka_unit_test(each_partition_has_the_offset_that_is_given_for_it),
        cmocka_unit_test(offsets_that_are_not_clear_are_refused),
        cmocka_unit_test(numbers_are_for_files_and_offsets_for_topics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

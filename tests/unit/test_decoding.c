/* test_decoding.c - an option that changes which events are accepted, and how, is not forgotten. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "stream/source/decoding.h"

/* A committed job's settings, of which one is then another. */
static void set(struct config *config, const char *key, const char *value)
{
    struct error error = {.text = ""};
    if (config_set(config, key, value, "test", &error)) fail_msg("%s", error.text);
}

static void open_config(struct config *config, const char *broker)
{
    config_defaults(config);
    set(config, "source.broker", broker);
    set(config, "source.format", "csv");
    set(config, "source.fields.action", "kind");
    set(config, "actions", "view:1,buy:3");
    set(config, "state.dir", "the-state");
}

static void each_option_that_decides_how_events_are_read_is_compared_and_named(void **state)
{
    (void)state;
    static const struct {
        const char *broker, *key, *value;
    } cases[] = {
        {"file", "source.format", "tsv"},
        {"file", "source.header", "false"},
        {"file", "source.fields.user", "actor"},
        {"file", "source.fields.item", "thing"},
        {"file", "source.fields.time", "at"},
        {"file", "source.fields.action", "verb"},
        {"file", "source.fields.category", "group"},
        {"file", "source.time", "s"},
        {"file", "source.time_min", "2001-01-01"},
        {"file", "source.time_max", "2031-01-01"},
        {"kafka", "source.time_ahead", "2h"},
        {"kafka", "source.time_behind", "2d"},
        {"file", "source.id_size_max", "64"},
        {"file", "source.event_size_max", "128"},
        {"file", "state.history_max", "128"},
        {"file", "source.separator", ";"},
        {"file", "source.quotes", "off"},
        {"file", "source.null_values", "none"},
        {"file", "source.user_events_max", "60"},
        {"kafka", "source.deduplicate", "true"},
        {"file", "state.ttl", "90d"},
        {"kafka", "actions", "buy:3,view:1"},
        {"file", "actions", "view:1"},
        {"file", "actions", "view:1,cart:3"},
        {"file", "actions", "cart:1,view:1,buy:3"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t committed[HISTORY_DECODING_MAX];
        struct config config;
        struct error error = {.text = ""};
        open_config(&config, cases[i].broker);
        decoding_fingerprints(&config, committed);
        assert_int_equal(decoding_check(&config, committed, &error), STATUS_OK);
        set(&config, cases[i].key, cases[i].value);
        assert_int_equal(decoding_check(&config, committed, &error), STATUS_REFUSED);
        if (!strstr(error.text, cases[i].key)) fail_msg("%s: %s", cases[i].key, error.text);
        config_close(&config);
    }
}

static void what_has_no_say_in_how_events_are_read_may_change(void **state)
{
    (void)state;
    static const char *const changes[][2] = {
        {"source.path", "elsewhere.csv"},
        {"source.time_ahead", "2h"},
        {"actions", "view:5,buy:0"},
        {"actions", "view:1,buy:3,cart:2"},
        {"job.workers", "7"},
        {"log.quiet", "true"},
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        uint32_t committed[HISTORY_DECODING_MAX];
        struct config config;
        open_config(&config, "file");
        decoding_fingerprints(&config, committed);
        set(&config, changes[i][0], changes[i][1]);
        assert_int_equal(decoding_check(&config, committed, NULL), STATUS_OK);
        config_close(&config);
    }
}

static void what_was_not_recorded_is_not_compared(void **state)
{
    (void)state;
    const uint32_t unknown[HISTORY_DECODING_MAX] = {0};
    struct config config;
    open_config(&config, "kafka");
    assert_int_equal(decoding_check(&config, unknown, NULL), STATUS_OK);
    config_close(&config);
}

/* A seal that knows all the others is of a build that took every event. */
static void a_seal_older_than_a_rule_of_intake_was_without_it(void **state)
{
    (void)state;
    uint32_t committed[HISTORY_DECODING_MAX];
    struct config config;
    open_config(&config, "file");
    decoding_fingerprints(&config, committed);
    committed[19] = committed[20] = 0;
    assert_int_equal(decoding_check(&config, committed, NULL), STATUS_OK);
    set(&config, "source.deduplicate", "true");
    assert_int_equal(decoding_check(&config, committed, NULL), STATUS_REFUSED);
    config_close(&config);
}

/* Else a person would read "buy" where somebody viewed. */
static void actions_have_names_only_in_the_order_that_was_stored(void **state)
{
    (void)state;
    uint32_t committed[HISTORY_DECODING_MAX];
    struct config config;
    open_config(&config, "file");
    decoding_fingerprints(&config, committed);
    set(&config, "source.fields.user", "actor");
    assert_true(decoding_same_actions(&config, committed));
    set(&config, "actions", "buy:3,view:1");
    assert_false(decoding_same_actions(&config, committed));
    config_close(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_option_that_decides_how_events_are_read_is_compared_and_named),
        cmocka_unit_test(what_has_no_say_in_how_events_are_read_may_change),
        cmocka_unit_test(actions_have_names_only_in_the_order_that_was_stored),
        cmocka_unit_test(what_was_not_recorded_is_not_compared),
        cmocka_unit_test(a_seal_older_than_a_rule_of_intake_was_without_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_config.c - defaults, the three sources, golden error messages, examples, the reference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/config.h"

static struct config config;
static struct error error;

static int set_up(void **state)
{
    (void)state;
    config_defaults(&config);
    error.text[0] = '\0';
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    config_close(&config);
    return 0;
}

/* Reads `yaml` as a file. The file is named x.yaml in a directory of its own. */
static enum status read_yaml(const char *yaml)
{
    char dir[] = "/tmp/braid-config-XXXXXX";
    assert_non_null(mkdtemp(dir));
    char *here = getcwd(NULL, 0);
    assert_int_equal(chdir(dir), 0);
    FILE *file = fopen("x.yaml", "w");
    fputs(yaml, file);
    fclose(file);
    enum status status = config_file(&config, "x.yaml", &error);
    unlink("x.yaml");
    assert_int_equal(chdir(here), 0);
    rmdir(dir);
    free(here);
    return status;
}

static void defaults_are_those_of_the_table(void **state)
{
    (void)state;
    assert_int_equal(config.source.broker, CONFIG_BROKER_FILE);
    assert_string_equal(config.source.field_user, "user");
    assert_int_equal(config.source.time, CONFIG_TIME_MS);
    assert_true(config.source.time_min_ms == 631152000000);
    assert_true(config.source.time_max_ms == 4102444800000);
    assert_true(config.source.time_behind_ms == 365 * 86400000LL);
    assert_int_equal(config.source.event_size_max, 65536);
    assert_int_equal(config.state.history_max, 4096);
    assert_true(config.state.snapshot_rate == 50 << 20);
    assert_true(config.job.memory == 1 << 30);
    assert_int_equal(config.job.commit_interval_ms, 1000);
    assert_int_equal(config.kafka.transaction_timeout_ms, 10000);
    assert_true(config.source.header);
    assert_false(config.log.quiet);
}

static void a_file_sets_values_of_every_type(void **state)
{
    (void)state;
    assert_int_equal(read_yaml("source:\n"
                               "  format: csv\n"
                               "  header: false\n"
                               "  fields: {user: '1', item: \"2\", time: 3}\n"
                               "  time_min: 2000-01-01T00:00:00+01:00\n"
                               "  event_size_max: 16KB\n"
                               "job.commit_interval: 250ms\n"
                               "job:\n"
                               "  workers: 8\n"
                               "state:\n"
                               "actions:\n"
                               "  add.to.cart: 0\n"
                               "  'buy it': 2.5\n"
                               "kafka:\n"
                               "  client:\n"
                               "    sasl.password: secret\n"),
                     STATUS_OK);
    assert_int_equal(config.source.format, CONFIG_CSV);
    assert_false(config.source.header);
    assert_string_equal(config.source.field_item, "2");
    assert_true(config.source.time_min_ms == 946681200000);
    assert_int_equal(config.source.event_size_max, 16384);
    assert_int_equal(config.job.commit_interval_ms, 250);
    assert_int_equal(config.job.workers, 8);
    assert_int_equal(config.actions_count, 2);
    assert_string_equal(config.actions[0].name, "add.to.cart");
    assert_true(config.actions[0].weight == 0);
    assert_string_equal(config.actions[1].name, "buy it");
    assert_true(config.actions[1].weight == 2.5);
    assert_int_equal(config.kafka.client_count, 1);
    assert_string_equal(config.kafka.client[0].key, "sasl.password");
    assert_string_equal(config.kafka.client[0].value, "secret");
}

static void an_empty_file_changes_nothing(void **state)
{
    (void)state;
    assert_int_equal(read_yaml(""), STATUS_OK);
    assert_int_equal(read_yaml("# only a comment\n"), STATUS_OK);
}

static void errors_in_a_file_say_where_what_and_what_is_allowed(void **state)
{
    (void)state;
    static const struct {
        const char *yaml;
        const char *text;
    } cases[] = {
        {"source:\n  pth: x\n", "x.yaml:2: source.pth: unknown key; did you mean source.path?"},
        {"\nsorce:\n  path: x\n", "x.yaml:2: sorce: unknown key; did you mean source?"},
        {"action: 1\n", "x.yaml:1: action: unknown key; did you mean actions?"},
        {"zzzzzzzz: 1\n", "x.yaml:1: zzzzzzzz: unknown key; config/REFERENCE.md lists all keys"},
        {"job:\n  workers: many\n", "x.yaml:2: job.workers: 'many' is not allowed; expected a "
                                    "whole number from 1 to 256"},
        {"job:\n  workers: 0\n", "x.yaml:2: job.workers: '0' is not allowed; expected a whole "
                                 "number from 1 to 256"},
        {"job:\n  workers: 1.5\n", "x.yaml:2: job.workers: '1.5' is not allowed; expected a whole "
                                   "number from 1 to 256"},
        {"job:\n  memory: 1MB\n",
         "x.yaml:2: job.memory: '1MB' is not allowed; expected a size from 64MB to 4TB"},
        {"job:\n  memory: 99999999999TB\n", "x.yaml:2: job.memory: '99999999999TB' is not allowed; "
                                            "expected a size from 64MB to 4TB"},
        {"job:\n  commit_interval: 5 parsecs\n",
         "x.yaml:2: job.commit_interval: '5 parsecs' is not allowed; expected a duration from 10ms "
         "to 1h"},
        {"source:\n  format: xml\n",
         "x.yaml:2: source.format: 'xml' is not allowed; expected json, csv or tsv"},
        {"source:\n  header: maybe\n",
         "x.yaml:2: source.header: 'maybe' is not allowed; expected true or false"},
        {"source:\n  time_min: yesterday\n", "x.yaml:2: source.time_min: 'yesterday' is not "
                                             "allowed; expected an ISO 8601 date or time"},
        {"actions:\n  buy: -1\n", "x.yaml:2: actions.buy: '-1' is not allowed; expected a weight: "
                                  "0 or a positive number"},
        {"source: x\n", "x.yaml:1: source: is a section, not a value"},
        {"source:\n  path: {a: b}\n", "x.yaml:2: source.path: is a value, not a section"},
        {"source:\n  path: [a, b]\n",
         "x.yaml:2: source.path: a single value is expected, not a list or an alias"},
        {"source:\n  path:\n",
         "x.yaml:2: source.path: has no value; an empty text is written \"\""},
        {"source:\n  path: \"a\\0b\"\n",
         "x.yaml:2: source.path: a single value is expected, not a list or an alias"},
        {"source:\n  path: a\nsource.path: b\n", "x.yaml:3: source.path: is set twice"},
        {"- a\n", "x.yaml:1: a configuration is a mapping of sections"},
        {"source:\n  path: a\n---\nb: c\n", "x.yaml:3: a configuration is one document"},
        {"source:\n  path: x: y\n",
         "x.yaml:2: not YAML: mapping values are not allowed in this context"},
        {"a: \"b\n", "x.yaml:2: not YAML: found unexpected end of stream, while scanning a quoted "
                     "scalar"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(read_yaml(cases[i].yaml), STATUS_INVALID);
        assert_string_equal(error.text, cases[i].text);
    }
    assert_int_equal(config_file(&config, "/nowhere/x.yaml", &error), STATUS_INVALID);
    assert_string_equal(error.text, "/nowhere/x.yaml: No such file or directory");
}

static void the_environment_overrides(void **state)
{
    (void)state;
    char *good[] = {"PATH=/bin",
                    "BRAID_STATE_DIR=/s",
                    "BRAID_SOURCE_FIELDS_USER=uid",
                    "BRAID_ACTIONS=view:1, buy:3",
                    "BRAID_KAFKA_CLIENT_SASL_PASSWORD=p=q",
                    "BRAID_FAULT=committed",
                    "BRAID_FIXTURES=x",
                    "BRAID_CONFIG=y",
                    NULL};
    assert_int_equal(config_environment(&config, good, &error), STATUS_OK);
    assert_string_equal(config.state.dir, "/s");
    assert_string_equal(config.source.field_user, "uid");
    assert_int_equal(config.actions_count, 2);
    assert_string_equal(config.actions[1].name, "buy");
    assert_string_equal(config.kafka.client[0].key, "sasl.password");
    assert_string_equal(config.kafka.client[0].value, "p=q");

    char *unknown[] = {"BRAID_STATE_DRI=/s", NULL};
    assert_int_equal(config_environment(&config, unknown, &error), STATUS_INVALID);
    assert_string_equal(error.text, "environment: BRAID_STATE_DRI: no such option; did you mean "
                                    "BRAID_STATE_DIR?");
    char *wrong[] = {"BRAID_JOB_WORKERS=x", NULL};
    assert_int_equal(config_environment(&config, wrong, &error), STATUS_INVALID);
    assert_string_equal(error.text, "BRAID_JOB_WORKERS: job.workers: 'x' is not allowed; expected "
                                    "a whole number from 1 to 256");
    char *actions[] = {"BRAID_ACTIONS=view", NULL};
    assert_int_equal(config_environment(&config, actions, &error), STATUS_INVALID);
    assert_string_equal(error.text, "BRAID_ACTIONS: actions: 'view' is not allowed; expected "
                                    "NAME:WEIGHT, ...");
}

/* Kubernetes sets such ones for every service that is called braid. */
static void variables_of_other_programs_change_nothing(void **state)
{
    (void)state;
    char *others[] = {"BRAID_SERVICE_HOST=10.0.0.7",
                      "BRAID_PORT=tcp://10.0.0.7:80",
                      "BRAID_PORT_80_TCP_PROTO=tcp",
                      "BRAID_KAFKA_PORT=tcp://10.0.0.8:9092",
                      "BRAID_DATA=/d",
                      "BRAID_=",
                      "BRAID",
                      NULL};
    config_defaults(&config);
    assert_int_equal(config_environment(&config, others, &error), STATUS_OK);
    assert_string_equal(config.kafka.brokers, "localhost:9092");
}

static void arguments_override_and_words_remain(void **state)
{
    (void)state;
    char *arguments[] = {"user", "--state.dir=a=b", "--job.workers", "3", "-", "--actions.buy=2"};
    int rest = 0;
    assert_int_equal(config_arguments(&config, 6, arguments, &rest, &error), STATUS_OK);
    assert_int_equal(rest, 2);
    assert_string_equal(arguments[0], "user");
    assert_string_equal(arguments[1], "-");
    assert_string_equal(config.state.dir, "a=b");
    assert_int_equal(config.job.workers, 3);
    assert_true(config.actions[0].weight == 2);

    char *unknown[] = {"--state.dri", "x"};
    assert_int_equal(config_arguments(&config, 2, unknown, &rest, &error), STATUS_INVALID);
    assert_string_equal(error.text,
                        "command line: state.dri: unknown key; did you mean state.dir?");
    char *missing[] = {"--state.dir"};
    assert_int_equal(config_arguments(&config, 1, missing, &rest, &error), STATUS_INVALID);
    assert_string_equal(error.text, "command line: --state.dir needs a value");
}

static void actions_have_a_limit(void **state)
{
    (void)state;
    char key[32];
    for (int i = 0; i < CONFIG_ACTIONS_MAX; i++) {
        snprintf(key, sizeof key, "actions.a%d", i);
        assert_int_equal(config_set(&config, key, "1", "test", &error), STATUS_OK);
    }
    assert_int_equal(config_set(&config, "actions.more", "1", "test", &error), STATUS_INVALID);
    assert_int_equal(config_set(&config, "actions.a0", "2", "test", &error), STATUS_OK);
    assert_true(config.actions[0].weight == 2);
}

/* Sets the pairs on top of a good file job and gives the check's message, "" if it passes. */
static const char *checked(const char *const pairs[][2])
{
    static const char *const good[][2] = {{"source.path", "x"},
                                          {"model.checkpoint", "m"},
                                          {"state.dir", "s"},
                                          {"output.dir", "o"},
                                          {NULL, NULL}};
    config_close(&config);
    config_defaults(&config);
    for (int i = 0; good[i][0]; i++) {
        assert_int_equal(config_set(&config, good[i][0], good[i][1], "test", &error), STATUS_OK);
    }
    for (int i = 0; pairs[i][0]; i++) {
        assert_int_equal(config_set(&config, pairs[i][0], pairs[i][1], "test", &error), STATUS_OK);
    }
    return config_check(&config, &error) == STATUS_OK ? "" : error.text;
}

#define CHECKED(...) checked((const char *const[][2]){__VA_ARGS__, {NULL, NULL}})

static void options_are_checked_together(void **state)
{
    (void)state;
    assert_string_equal(CHECKED({"log.quiet", "true"}), "");
    assert_string_equal(CHECKED({"source.path", ""}),
                        "source.path must be set, since source.broker is file");
    assert_string_equal(CHECKED({"state.dir", ""}), "state.dir must be set");
    assert_string_equal(CHECKED({"state.history_max", "1000"}),
                        "state.history_max must be a multiple of 128");
    assert_string_equal(CHECKED({"actions", "a:1"}),
                        "source.fields.action must be set, since actions are listed");
    assert_string_equal(CHECKED({"source.time_min", "2100-01-01"}),
                        "source.time_min must be before source.time_max");
    assert_string_equal(CHECKED({"source.broker", "kafka"}),
                        "source.topic must be set, since source.broker is kafka");
    assert_string_equal(CHECKED({"source.broker", "kafka"}, {"source.topic", "t"}), "");
    assert_string_equal(
        CHECKED({"source.broker", "kafka"}, {"source.topic", "t"},
                {"output.dead_letter_topic", "t"}),
        "source.topic and output.dead_letter_topic are both 't': each needs a topic "
        "of its own");
    assert_string_equal(CHECKED({"source.broker", "kafka"}, {"source.topic", "t"},
                                {"output.topic", "interests-history"}),
                        "output.topic and output.history_topic are both 'interests-history': each "
                        "needs a topic of its own");
    assert_string_equal(CHECKED({"source.broker", "kafka"}, {"source.topic", "t"},
                                {"kafka.session_timeout", "10s"}),
                        "kafka.transaction_timeout must be less than kafka.session_timeout");
    assert_string_equal(
        CHECKED({"source.broker", "kafka"}, {"source.topic", "t"}, {"job.commit_interval", "10s"}),
        "job.commit_interval must be less than kafka.transaction_timeout");
    assert_string_equal(
        CHECKED({"source.broker", "kafka"}, {"source.topic", "t"}, {"source.format", "tsv"}),
        "source.header must be false, since records of a topic have no header");
}

static void an_advertised_address_is_a_host_and_a_port(void **state)
{
    (void)state;
    static const char *const good[] = {"braid-0.braid-pods:9474", "10.0.0.7:1", "[fe80::1]:65535"};
    static const char *const bad[] = {"9474",       "host",   ":9474",    "host:0",
                                      "host:65536", "a b:80", "a@b:9474", "http://h:1",
                                      "fe80::1:80", "[]x:1"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_string_equal(CHECKED({"source.broker", "kafka"}, {"source.topic", "t"},
                                    {"kafka.advertise", good[i]}),
                            "");
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char told[200];
        snprintf(told, sizeof told,
                 "kafka.advertise: '%s' is not allowed; expected HOST:PORT, as others reach "
                 "http.listen",
                 bad[i]);
        assert_string_equal(
            CHECKED({"source.broker", "kafka"}, {"source.topic", "t"}, {"kafka.advertise", bad[i]}),
            told);
    }
}

static void secrets_are_never_printed(void **state)
{
    (void)state;
    assert_int_equal(config_set(&config, "kafka.client.sasl.password", "hunter2", "x", &error), 0);
    assert_int_equal(config_set(&config, "actions.a\"b", "2", "x", &error), 0);
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_int_equal(config_print(&config, out, &error), STATUS_OK);
    fclose(out);
    assert_null(strstr(text, "hunter2"));
    assert_non_null(strstr(text, "kafka.client.sasl.password: \"***\"\n"));
    assert_non_null(strstr(text, "job.memory: 1GB\n"));
    assert_non_null(strstr(text, "source.time_max: 2100-01-01T00:00:00.000Z\n"));
    config_close(&config);
    config_defaults(&config);
    assert_int_equal(read_yaml(text), STATUS_OK); /* what is printed can be read */
    assert_string_equal(config.actions[0].name, "a\"b");
    free(text);
}

static void the_examples_pass_their_checks(void **state)
{
    (void)state;
    static const char *const names[] = {"config/development.yaml", "config/movielens.yaml",
                                        "config/production.yaml"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        config_close(&config);
        config_defaults(&config);
        if (config_file(&config, names[i], &error) || config_check(&config, &error)) {
            fail_msg("%s: %s", names[i], error.text);
        }
    }
}

static void the_reference_is_up_to_date(void **state)
{
    (void)state;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    config_print_reference(out);
    fclose(out);
    char *committed = calloc(1, size + 2);
    FILE *file = fopen("config/REFERENCE.md", "r");
    assert_non_null(file);
    size_t committed_size = fread(committed, 1, size + 1, file);
    fclose(file);
    if (committed_size != size || memcmp(text, committed, size) != 0) {
        fail_msg("stale; run: braid check-config --reference > config/REFERENCE.md");
    }
    free(committed);
    free(text);
}

static void help_names_every_section(void **state)
{
    (void)state;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    config_print_help(out);
    fclose(out);
    assert_non_null(strstr(text, "  --source.path=\"\"\n"));
    assert_non_null(strstr(text, "  --job.memory=1GB\n"));
    assert_non_null(strstr(text, "      a size from 64MB to 4TB\n"));
    free(text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* Quotes, control characters, line ends of Unicode: a file of what is printed says the same. */
static void any_text_is_printed_so_that_it_reads_back(void **state)
{
    (void)state;
    static const char odd[] =
        "a \"b\" \\c: #d\t\n\x01\x7f \xc3\xa9 \xe2\x80\xa8 \xf0\x9f\x98\x80 '%s'";
    char long_path[3000];
    memset(long_path, '"', sizeof long_path - 1);
    long_path[sizeof long_path - 1] = '\0';
    assert_int_equal(config_set(&config, "source.path", odd, "x", &error), STATUS_OK);
    assert_int_equal(config_set(&config, "output.dir", long_path, "x", &error), STATUS_OK);
    assert_int_equal(config_set(&config, "source.separator", "\\x01", "x", &error), STATUS_OK);
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_int_equal(config_print(&config, out, &error), STATUS_OK);
    fclose(out);
    config_close(&config);
    config_defaults(&config);
    if (read_yaml(text) != STATUS_OK) fail_msg("%s", error.text);
    assert_string_equal(config.source.path, odd);
    assert_string_equal(config.output.dir, long_path);
    assert_int_equal(config.source.separator, 1);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(defaults_are_those_of_the_table),
        TEST(a_file_sets_values_of_every_type),
        TEST(an_empty_file_changes_nothing),
        TEST(errors_in_a_file_say_where_what_and_what_is_allowed),
        TEST(the_environment_overrides),
        TEST(variables_of_other_programs_change_nothing),
        TEST(arguments_override_and_words_remain),
        TEST(actions_have_a_limit),
        TEST(options_are_checked_together),
        TEST(an_advertised_address_is_a_host_and_a_port),
        TEST(secrets_are_never_printed),
        TEST(any_text_is_printed_so_that_it_reads_back),
        TEST(the_examples_pass_their_checks),
        TEST(the_reference_is_up_to_date),
        TEST(help_names_every_section),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

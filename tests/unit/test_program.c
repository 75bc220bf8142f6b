/*
 * test_program.c - the program from the command line: commands, messages, exit codes, signals.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "tests/unit/said.h"

enum { EVENTS = 1500 };

static struct scene scene;

/* Runs `braid A [B [C]]` and holds its exit code and a part of what it says to what is expected. */
static void assert_says(const char *a, const char *b, const char *c, int code, const char *text)
{
    const char *arguments[] = {a, b, c, NULL};
    expect_said(&scene, scene_program(&scene, arguments, NULL), code, text);
}

/* As assert_says, of a command that works on the job `name` of the scene. */
static void assert_job(const char *command, const char *name, const struct scene_run *how, int code,
                       const char *text)
{
    expect_said(&scene, scene_run(&scene, command, name, how), code, text);
}

static void every_command_has_help_with_examples(void **state)
{
    (void)state;
    static const char *const commands[] = {"init",     "train",        "run",       "inspect",
                                           "verify",   "evaluate",     "recommend", "promote",
                                           "rollback", "check-config", "version"};
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        char example[64];
        snprintf(example, sizeof example, "\n  braid %s", commands[i]);
        assert_says(commands[i], "--help", NULL, 0, example);
        assert_says("--help", NULL, NULL, 0, commands[i]);
    }
}

static void unknown_words_get_suggestions(void **state)
{
    (void)state;
    assert_says("verfy", NULL, NULL, 2, "did you mean 'verify'");
    assert_says("run", "--state.dri=x", NULL, 2, "state.dir");
    assert_says("run", "now", NULL, 2, "'now' is not expected");
    assert_says("inspect", "usr", NULL, 2, "user, store, checkpoint or curve");
}

static void an_option_given_twice_is_said_to_be(void **state)
{
    (void)state;
    assert_says("init", "--seed=1", "--seed=2", 2, "--seed is given twice: 1 and 2");
}

static void a_seed_would_lose_what_events_say_of_their_users_and_is_refused(void **state)
{
    (void)state;
    static const char *const seed[] = {"seed",
                                       "--files=days",
                                       "--cut=2024-05-01",
                                       "--source.broker=kafka",
                                       "--source.topic=clicks",
                                       "--profile.fields=plan",
                                       NULL};
    expect_said(&scene, scene_program(&scene, seed, NULL), 2, "put it into a topic");
}

static void a_seed_is_cut_at_a_moment_that_is_past(void **state)
{
    (void)state;
    static const char *const seed[] = {"seed",
                                       "--files=days",
                                       "--cut=2999-01-01",
                                       "--source.broker=kafka",
                                       "--source.topic=clicks",
                                       NULL};
    expect_said(&scene, scene_program(&scene, seed, NULL), 2, "still to come");
}

static void a_replay_publishes_what_jobs_do_or_each_user_last_and_a_job_not(void **state)
{
    (void)state;
    static const char *const job[] = {"run", "--source.path=clicks.jsonl",
                                      "--model.checkpoint=log.jsonl", "--output.publish=last",
                                      NULL};
    assert_says("replay", "--as=x", "--publish=some", 2, "expected all, none or last");
    expect_said(&scene, scene_program(&scene, job, NULL), 2, "last is for braid replay");
}

/* With log.format=json a program that collects the log reads nothing else, also at a failure. */
static void the_last_line_of_a_json_log_is_json_too(void **state)
{
    (void)state;
    assert_says(
        "run", "--log.format=json", "--job.workers=x\x1b\xff", 2,
        "\"level\":\"error\",\"message\":\"command failed\",\"command\":\"run\","
        "\"error\":\"command line: job.workers: 'x\\\\x1b\\\\xff' is not allowed; expected a "
        "whole number from 1 to 256\",\"exit_code\":2}\n");
    assert_int_equal(scene.output[0], '{');
}

static void variables_of_other_programs_are_warned_of(void **state)
{
    (void)state;
    setenv("BRAID_SERVICE_HOST", "10.0.0.7", 1);
    assert_says("check-config", "--reference", NULL, 0, "# Configuration reference");
    assert_says("run", "--log.format=json", NULL, 2, "\"variable\":\"BRAID_SERVICE_HOST\"}\n");
    unsetenv("BRAID_SERVICE_HOST");
}

static void version_tells_build_libraries_and_faults(void **state)
{
    (void)state;
    assert_says("version", NULL, NULL, 0, "rocksdb ");
    assert_says("version", "--faults", NULL, 0, "committed");
}

static void configuration_errors_name_file_line_and_key(void **state)
{
    (void)state;
    static const char bad[] = "job:\n  workers: many\n";
    scene_write(scene_path(&scene, "bad.yaml"), bad, sizeof bad - 1);
    assert_says("run", "--config", "bad.yaml", 2, "bad.yaml:2: job.workers");
    assert_says("run", "--config", "none.yaml", 2, "none.yaml");
    assert_says("run", "--job.memory=1MB", NULL, 2, "job.memory");
    assert_says("run", "--source.path=log.jsonl", "--output.dir=", 2, "output.dir must be set");
}

/* Of librdkafka's properties, beside each other and beside what Braid sets. */
static void client_properties_that_exclude_each_other_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *property, *said; /* NULL: it is taken */
    } cases[] = {
        {"reconnect.backoff.ms=5000", NULL},
        {"reconnect.backoff.ms=15000", "`reconnect.backoff.max.ms` must be >="},
        {"socket.timeout.ms=60000", "kafka.transaction_timeout sets `transaction.timeout.ms`"},
        {"message.timeout.ms=60000", "kafka.transaction_timeout sets `transaction.timeout.ms`"},
        {"max.poll.interval.ms=20000", "kafka.session_timeout sets `session.timeout.ms`"},
        {"session.timeout.ms=20000", "is decided by Braid itself: set kafka.session_timeout"},
        {"heartbeat.interval.ms=60000", "is decided by Braid itself: remove it"},
        {"batch.size=2000000", "is decided by Braid itself: remove it"},
        {"message.max.bytes=16777216", NULL},
        {"acks=1", "settings of the producer: `acks` must be set to `all`"},
    };
    static const char job[] =
        "source: {broker: kafka, topic: clicks, fields: {action: action}}\nactions: {view: 1}\n"
        "model: {checkpoint: generation-1.safetensors}\n"
        "output: {topic: interests, history_topic: history, dead_letter_topic: dead,\n"
        "  items_topic: items}\nkafka: {brokers: \"127.0.0.1:1\", group: g}\n";
    scene_write(scene_path(&scene, "kafka.yaml"), job, sizeof job - 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char setting[128];
        snprintf(setting, sizeof setting, "--kafka.client.%s", cases[i].property);
        const bool taken = !cases[i].said;
        assert_says("check-config", "--config=kafka.yaml", setting, taken ? 0 : 2,
                    taken ? "kafka.client." : cases[i].said);
    }
}

static void a_job_that_learns_passes_the_check_with_its_log_alone(void **state)
{
    (void)state;
    assert_says("check-config", "--source.path=log.jsonl", NULL, 0, "model.dir: \"state/models\"");
    assert_says("check-config", "--source.path=log.jsonl", NULL, 0, "train.enabled: true");
}

static void missing_or_foreign_checkpoint_is_refused(void **state)
{
    (void)state;
    struct scene_run none = {.setting = "--model.checkpoint=none.safetensors"};
    struct scene_run foreign = {.setting = "--model.checkpoint=log.jsonl"};
    assert_job("run", "refused", &none, 2, "there is no none.safetensors: braid init makes");
    assert_job("run", "refused", &foreign, 3, "log.jsonl");
}

static void bad_events_are_counted_kept_and_passed_over(void **state)
{
    (void)state;
    char counts[64];
    snprintf(counts, sizeof counts, "dropped=%u dead_letters=%u blank=%u ", scene.dropped,
             scene.bad, scene.blank);
    assert_true(scene.bad > 18);
    assert_job("run", "job", NULL, 0, counts);
    assert_job("verify", "job", NULL, 0, "verdict=ok");

    static const char *const reasons[] = {"malformed", "missing_field", "bad_field",
                                          "oversize",  "bad_time",      "bad_utf8"};
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        char reason[64];
        bool found = false;
        snprintf(reason, sizeof reason, "\"reason\":\"%s\"", reasons[i]);
        for (int partition = 0; partition < 4 && !found; partition++) {
            size_t size;
            char *letters = scene_read(
                scene_path(&scene, "job/output/dead-letters-%04d.jsonl", partition), &size);
            found = strstr(letters, reason) != NULL;
            free(letters);
        }
        if (!found) fail_msg("no dead letter with %s", reason);
    }
}

static void finished_job_goes_on_with_nothing_to_do(void **state)
{
    (void)state;
    assert_job("run", "again", NULL, 0, "events=1500 ");
    assert_job("run", "again", NULL, 0, "events=0 ");
    assert_job("verify", "again", NULL, 0, "verdict=ok");
}

static void inspect_shows_user_store_and_checkpoint(void **state)
{
    (void)state;
    static const char titles[] = "item\ttitle\ni0\tThe First\n";
    char catalogue[SCENE_PATH_MAX];
    snprintf(catalogue, sizeof catalogue, "--catalogue=%s", scene_path(&scene, "titles.tsv"));
    scene_write(scene_path(&scene, "titles.tsv"), titles, sizeof titles - 1);
    assert_job("run", "inspected", NULL, 0, "events=1500 ");
    char state_dir[SCENE_PATH_MAX];
    snprintf(state_dir, sizeof state_dir, "--state.dir=%s", scene_path(&scene, "inspected/state"));
    const char *user[] = {"inspect", "user",       "u0",      "--config",       "braid.yaml",
                          state_dir, "--last=200", catalogue, "--output.dir=x", NULL};
    assert_int_equal(scene_program(&scene, user, NULL), 0);
    assert_non_null(strstr(scene.output, "The First"));
    assert_non_null(strstr(scene.output, "interests now, 4"));
    user[2] = "nobody";
    assert_int_equal(scene_program(&scene, user, NULL), 1);
    assert_non_null(strstr(scene.output, "no user 'nobody'"));
    assert_says("inspect", "store", state_dir, 0, "partition 3");
    assert_non_null(strstr(scene.output, " users, "));
    assert_null(strstr(scene.output, " 0 users, "));
    scene_remove(&scene, "inspected/state/store-0003");
    assert_says("inspect", "store", state_dir, 0, "store      missing");
    assert_says("inspect", "store", state_dir, 0, "store      missing"); /* looking made none */
    assert_says("inspect", "checkpoint", "generation-1.safetensors", 0, "limarec");
}

/* A dictionary of one item: the names of the others come from what the job noted. */
static void inspect_names_items_that_the_generation_does_not_know(void **state)
{
    (void)state;
    char checkpoint[SCENE_PATH_MAX];
    char state_dir[SCENE_PATH_MAX];
    snprintf(checkpoint, sizeof checkpoint, "--model.checkpoint=%s",
             scene_path(&scene, "small.safetensors"));
    snprintf(state_dir, sizeof state_dir, "--state.dir=%s", scene_path(&scene, "named/state"));
    const char *init[] = {"init",      "--config", "braid.yaml",    "--d=16",
                          "--heads=2", checkpoint, "--items-max=1", NULL};
    assert_int_equal(scene_program(&scene, init, NULL), 0);
    assert_job("run", "named", &(struct scene_run){.setting = checkpoint}, 0, "events=1500 ");
    const char *user[] = {"inspect",    "user",    "u1",       "--config",
                          "braid.yaml", state_dir, checkpoint, "--output.dir=x",
                          "--last=500", NULL};
    assert_int_equal(scene_program(&scene, user, NULL), 0);
    assert_non_null(strstr(scene.output, "  i7\n"));
    assert_null(strstr(scene.output, "  item "));
}

static bool says_control_characters(void)
{
    const char *at = scene.output;
    while (*at == '\n' || (unsigned char)*at >= 0x20) {
        at++;
    }
    return *at != 0;
}

/* An id that clears the terminal, one of two lines, and a time that rings the bell. */
static void bytes_from_data_are_escaped_wherever_they_are_printed(void **state)
{
    (void)state;
    static const char log[] =
        "{\"user\":\"u\\u001b[2J\",\"item\":\"i\\u001b[31mred\\u0007\",\"time\":1714564800,"
        "\"action\":\"view\",\"category\":\"a\\nb\"}\n"
        "{\"user\":\"u1\",\"item\":\"i1\",\"time\":\"x\\u0007\",\"action\":\"view\"}\n";
    char source[SCENE_PATH_MAX + 16], checkpoint[SCENE_PATH_MAX + 32];
    char state_dir[SCENE_PATH_MAX + 16];
    scene_write(scene_path(&scene, "bytes.jsonl"), log, sizeof log - 1);
    snprintf(source, sizeof source, "--source.path=%s", scene_path(&scene, "bytes.jsonl"));
    snprintf(checkpoint, sizeof checkpoint, "--model.checkpoint=%s",
             scene_path(&scene, "bytes.safetensors"));
    snprintf(state_dir, sizeof state_dir, "--state.dir=%s", scene_path(&scene, "bytes/state"));
    const char *init[] = {"init",      "--config", "braid.yaml", "--d=16",
                          "--heads=2", checkpoint, source,       NULL};
    assert_int_equal(scene_program(&scene, init, NULL), 0);
    assert_false(says_control_characters());
    assert_non_null(strstr(scene.output, "x\\x07"));
    assert_job("run", "bytes", &(struct scene_run){.setting = source}, 0, "dead_letters=1 ");
    const char *inspect[] = {"inspect", "user", "u\x1b[2J", "--config",       "braid.yaml",
                             state_dir, source, checkpoint, "--output.dir=x", NULL};
    assert_int_equal(scene_program(&scene, inspect, NULL), 0);
    assert_false(says_control_characters());
    assert_non_null(strstr(scene.output, "user u\\x1b[2J\n"));
    assert_non_null(strstr(scene.output, "  i\\x1b[31mred\\x07\n"));
    const char *recommend[] = {"recommend",  "--user=u\x1b[2J", "--config",
                               "braid.yaml", "--seen",          state_dir,
                               source,       checkpoint,        NULL};
    assert_int_equal(scene_program(&scene, recommend, NULL), 0);
    assert_false(says_control_characters());
    assert_non_null(strstr(scene.output, "  i\\x1b[31mred\\x07  (a\\x0ab)\n"));
}

/* What was committed before is there to be verified, however early the signal comes. */
static void signal_finishes_the_transaction_and_exits_with_0(void **state)
{
    (void)state;
    static const int signals[] = {SIGTERM, SIGINT};
    for (size_t i = 0; i < 2; i++) {
        struct scene_run begin = {.fault = "commit_finished:2"};
        struct scene_run stop = {.signal = signals[i], .signal_us = 20000};
        const char *name = i ? "interrupted" : "terminated";
        assert_int_equal(scene_run(&scene, "run", name, &begin), -SIGKILL);
        assert_job("run", name, &stop, 0, "events=");
        assert_job("verify", name, NULL, 0, "verdict=ok");
        assert_job("run", name, NULL, 0, "events=");
        assert_job("verify", name, NULL, 0, "events=1500 ");
    }
}

/* A pipe from which nothing comes and which never ends. */
static const char *silent_pipe(const char *name)
{
    const char *pipe = scene_path(&scene, "%s", name);
    assert_int_equal(mkfifo(pipe, 0600), 0);
    return pipe;
}

static void a_job_that_waits_for_its_first_event_stops_at_a_signal(void **state)
{
    (void)state;
    struct scene_run stop = {.input = silent_pipe("silent-pipe"),
                             .setting = "--source.path=-",
                             .signal = SIGTERM,
                             .signal_us = 20000};
    assert_job("run", "silent", &stop, 0, "events=0 ");
}

/* Two signals that arrive together, while the job waits for a header, which one would not end. */
static void second_signal_exits_at_once(void **state)
{
    (void)state;
    struct scene_run twice = {.input = silent_pipe("headless-pipe"),
                              .setting = "--source.format=csv",
                              .signal = SIGTERM,
                              .second_signal = SIGINT,
                              .signal_us = 20000};
    setenv("BRAID_SOURCE_PATH", "-", 1);
    int code = scene_run(&scene, "run", "twice", &twice);
    unsetenv("BRAID_SOURCE_PATH");
    assert_true(code == 128 + SIGTERM || code == 128 + SIGINT);
}

static void standard_input_is_read_and_verified_with_a_file(void **state)
{
    (void)state;
    char input[SCENE_PATH_MAX];
    snprintf(input, sizeof input, "%s", scene_path(&scene, "log.jsonl"));
    struct scene_run piped = {.input = input, .setting = "--source.path=-"};
    struct scene_run reread = {.setting = "--source.path=-"};
    assert_job("run", "piped", &piped, 0, "events=1500 ");
    assert_job("verify", "piped", &reread, 2, "cannot be read again");
    assert_job("verify", "piped", NULL, 0, "verdict=ok");
}

static void gzip_input_gives_the_same_records(void **state)
{
    (void)state;
    size_t size;
    char setting[SCENE_PATH_MAX];
    uint32_t users, zipped_users;
    char *bytes = scene_read(scene_path(&scene, "log.jsonl"), &size);
    gzFile zip = gzopen(scene_path(&scene, "log.jsonl.gz"), "wb");
    assert_int_equal(gzwrite(zip, bytes, (unsigned)size), (int)size);
    assert_int_equal(gzclose(zip), Z_OK);
    free(bytes);
    snprintf(setting, sizeof setting, "--source.path=%s", scene_path(&scene, "log.jsonl.gz"));
    struct scene_run zipped = {.setting = setting};
    assert_job("run", "plain", NULL, 0, "events=1500 ");
    assert_job("run", "zipped", &zipped, 0, "events=1500 ");
    assert_job("verify", "zipped", &zipped, 0, "verdict=ok");
    uint64_t plain = scene_result(&scene, "plain", &users);
    assert_true(plain == scene_result(&scene, "zipped", &zipped_users));
    assert_int_equal(users, zipped_users);
}

static void another_input_is_refused_with_the_remedy(void **state)
{
    (void)state;
    static const char other[] = "{\"user\":\"u\",\"item\":\"i\",\"time\":1500000000}\n";
    char setting[SCENE_PATH_MAX];
    scene_write(scene_path(&scene, "other.jsonl"), other, sizeof other - 1);
    snprintf(setting, sizeof setting, "--source.path=%s", scene_path(&scene, "other.jsonl"));
    assert_job("run", "first", NULL, 0, "events=1500 ");
    assert_job("run", "first", &(struct scene_run){.setting = setting}, 3, "another state.dir");
    assert_job("verify", "first", &(struct scene_run){.setting = setting}, 3, "not the input");
}

static void a_source_that_cannot_be_read_again_is_refused(void **state)
{
    (void)state;
    struct scene_run device = {.setting = "--source.path=/dev/null"};
    assert_job("run", "device", &device, 2, "not a regular file");
}

static void a_job_that_began_with_an_empty_log_goes_on_when_it_grows(void **state)
{
    (void)state;
    char setting[SCENE_PATH_MAX];
    size_t size;
    scene_write(scene_path(&scene, "grows.jsonl"), "", 0);
    snprintf(setting, sizeof setting, "--source.path=%s", scene_path(&scene, "grows.jsonl"));
    struct scene_run grows = {.setting = setting};
    assert_job("run", "grows", &grows, 0, "events=0 ");
    char *bytes = scene_read(scene_path(&scene, "log.jsonl"), &size);
    scene_write(scene_path(&scene, "grows.jsonl"), bytes, size);
    free(bytes);
    assert_job("run", "grows", &grows, 0, "events=1500 ");
    assert_job("verify", "grows", &grows, 0, "verdict=ok");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_command_has_help_with_examples),
        cmocka_unit_test(unknown_words_get_suggestions),
        cmocka_unit_test(an_option_given_twice_is_said_to_be),
        cmocka_unit_test(a_seed_would_lose_what_events_say_of_their_users_and_is_refused),
        cmocka_unit_test(a_seed_is_cut_at_a_moment_that_is_past),
        cmocka_unit_test(a_replay_publishes_what_jobs_do_or_each_user_last_and_a_job_not),
        cmocka_unit_test(the_last_line_of_a_json_log_is_json_too),
        cmocka_unit_test(variables_of_other_programs_are_warned_of),
        cmocka_unit_test(version_tells_build_libraries_and_faults),
        cmocka_unit_test(configuration_errors_name_file_line_and_key),
        cmocka_unit_test(client_properties_that_exclude_each_other_are_refused),
        cmocka_unit_test(a_job_that_learns_passes_the_check_with_its_log_alone),
        cmocka_unit_test(missing_or_foreign_checkpoint_is_refused),
        cmocka_unit_test(bad_events_are_counted_kept_and_passed_over),
        cmocka_unit_test(finished_job_goes_on_with_nothing_to_do),
        cmocka_unit_test(inspect_shows_user_store_and_checkpoint),
        cmocka_unit_test(inspect_names_items_that_the_generation_does_not_know),
        cmocka_unit_test(bytes_from_data_are_escaped_wherever_they_are_printed),
        cmocka_unit_test(signal_finishes_the_transaction_and_exits_with_0),
        cmocka_unit_test(a_job_that_waits_for_its_first_event_stops_at_a_signal),
        cmocka_unit_test(second_signal_exits_at_once),
        cmocka_unit_test(standard_input_is_read_and_verified_with_a_file),
        cmocka_unit_test(gzip_input_gives_the_same_records),
        cmocka_unit_test(another_input_is_refused_with_the_remedy),
        cmocka_unit_test(a_source_that_cannot_be_read_again_is_refused),
        cmocka_unit_test(a_job_that_began_with_an_empty_log_goes_on_when_it_grows),
    };
    scene_open(&scene, EVENTS, 5);
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    scene_close(&scene);
    return failed;
}

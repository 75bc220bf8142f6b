/*
 * test_log_forms.c - logs as people have them, through the whole program: tables, unfinished lines,
 * other ways to write a time, files that are no log at all, settings that were changed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/said.h"

enum { EVENTS = 100 };

static struct scene scene;

static void write_file(const char *name, const char *text)
{
    scene_write(scene_path(&scene, "%s", name), text, strlen(text));
}

static void append_file(const char *name, const char *text)
{
    FILE *file = fopen(scene_path(&scene, "%s", name), "ab");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* `braid WORD ...` on the log `name`, whose job lies in NAME.job, with what `more` says. */
static int program(const char *const *words, const char *name, const char *const *more)
{
    char source[64], state[64], output[64];
    const char *const fixed[] = {source,
                                 state,
                                 output,
                                 "--model.checkpoint=generation-1.safetensors",
                                 "--job.memory=512MB",
                                 "--job.workers=1",
                                 NULL};
    const char *const *const parts[] = {words, fixed, more};
    const char *arguments[SCENE_ARGUMENTS_MAX] = {NULL};
    uint32_t count = 0;
    snprintf(source, sizeof source, "--source.path=%s", name);
    snprintf(state, sizeof state, "--state.dir=%s.job/state", name);
    snprintf(output, sizeof output, "--output.dir=%s.job/output", name);
    for (int p = 0; p < 3; p++) {
        for (int i = 0; parts[p][i]; i++) {
            assert_true(count < SCENE_ARGUMENTS_MAX - 1);
            arguments[count++] = parts[p][i];
        }
    }
    return scene_program(&scene, arguments, NULL);
}

static void job(const char *command, const char *name, const char *const *more, int wanted,
                const char *text)
{
    expect_said(&scene, program((const char *[]){command, NULL}, name, more), wanted, text);
}

static void assert_also_said(const char *text)
{
    if (!strstr(scene.output, text)) fail_msg("no '%s' in:\n%s", text, scene.output);
}

/* The user's history holds `item`; or it has none, if that is NULL. */
static void assert_has(const char *name, const char *const *more, const char *user,
                       const char *item)
{
    const int code = program((const char *[]){"inspect", "user", user, NULL}, name, more);
    if (item) {
        expect_said(&scene, code, 0, item);
    } else {
        assert_int_not_equal(code, 0);
    }
}

static void an_unfinished_last_line_waits_for_the_next_run(void **state)
{
    (void)state;
    const char *const none[] = {NULL};
    write_file("half.jsonl", "{\"user\":\"u1\",\"item\":\"i1\",\"time\":1700000000000}\n"
                             "{\"user\":\"u1\",\"item\":\"i3\",\"ti");
    job("run", "half.jsonl", none, 0, "source.unfinished_line");
    assert_also_said("events=1 accepted=1 ");
    append_file("half.jsonl", "me\":1700000002000}\n");
    job("run", "half.jsonl", none, 0, "events=1 accepted=1 ");
    job("verify", "half.jsonl", none, 0, "events=2 accepted=2 dropped=0 dead_letters=0 ");
    assert_has("half.jsonl", none, "u1", "  i3\n");
}

static void an_unfinished_last_cell_is_no_shorter_one(void **state)
{
    (void)state;
    const char *const tsv[] = {"--source.format=tsv",    "--source.header=false",
                               "--source.fields.user=1", "--source.fields.time=2",
                               "--source.fields.item=3", NULL};
    write_file("half.tsv", "u1\t1700000000000\ti10\nu1\t1700000002000\ti1");
    job("run", "half.tsv", tsv, 0, "events=1 accepted=1 ");
    append_file("half.tsv", "234\n");
    job("run", "half.tsv", tsv, 0, "events=1 accepted=1 ");
    job("verify", "half.tsv", tsv, 0, "verdict=ok");
    assert_has("half.tsv", tsv, "u1", "  i1234\n");
}

static void an_unfinished_last_line_is_taken_if_the_file_is_complete(void **state)
{
    (void)state;
    const char *const take[] = {"--source.unfinished_line=take", NULL};
    write_file("whole.jsonl", "{\"user\":\"u1\",\"item\":\"i1\",\"time\":1700000000000}\n"
                              "{\"user\":\"u2\",\"item\":\"i2\",\"time\":1700000001000}");
    job("run", "whole.jsonl", take, 0, "events=2 accepted=2 ");
    assert_null(strstr(scene.output, "not finished"));
    job("verify", "whole.jsonl", take, 0, "verdict=ok");
}

/* What a user wrote, that looks like another user's event, stays one. */
static void a_line_break_in_a_quoted_cell_makes_no_event_of_the_text(void **state)
{
    (void)state;
    const char *const csv[] = {"--source.format=csv", NULL};
    write_file("review.csv", "user,item,time,review\n"
                             "u1,i1,1700000000000,\"good,\nu9,i9,1700000001000,\"\"very\"\"\n\"\n"
                             "u2,i2,1700000002000,plain\n");
    job("run", "review.csv", csv, 0, "events=2 accepted=2 dropped=0 dead_letters=0 ");
    job("verify", "review.csv", csv, 0, "users=2 events=2 ");
    assert_has("review.csv", csv, "u1", "  i1\n");
    assert_has("review.csv", csv, "u9", NULL);
}

static void times_are_taken_as_exporters_write_them(void **state)
{
    (void)state;
    const char *const csv[] = {
        "--source.format=csv",         "--source.time=iso8601",   "--source.fields.user=u_id",
        "--source.fields.item=p_id",   "--source.fields.time=at", "--source.fields.category=kind",
        "--source.fields.action=type", "--actions=view:1,cart:2", NULL};
    write_file("iso.csv", "at,type,p_id,kind,u_id\n"
                          "2019-10-01 00:00:00 UTC,view,44600001,,541312001\n"
                          "2019-10-01 00:00:05 +0000,cart,3900802,a.b,554748002\n"
                          "20191001T000009Z,view,3900802,a.b,554748002\n");
    job("run", "iso.csv", csv, 0, "events=3 accepted=3 dropped=0 dead_letters=0 ");
    job("verify", "iso.csv", csv, 0, "verdict=ok");
    const char *const none[] = {NULL};
    write_file("ms.jsonl", "{\"user\":123.0,\"item\":\"i1\",\"time\":1.7145648E12}\n"
                           "{\"user\":\"123\",\"item\":\"i1\",\"time\":\" 1714564800000\"}\n"
                           "{\"user\":123,\"item\":\"i1\",\"time\":1714564800000.0,\"x\":NaN}\n");
    job("run", "ms.jsonl", none, 0, "accepted=3 dropped=0 dead_letters=0 ");
    job("verify", "ms.jsonl", none, 0, "users=1 events=3 ");
}

static void bytes_that_are_no_log_fail_and_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *name, *bytes;
        size_t size;
        const char *said;
    } files[] = {
        {"a.parquet", "PAR1\x15\x04\x15\x10\n\x01PAR1\n", 15, "it is a Parquet file, not JSON"},
        {"a.zst", "\x28\xB5\x2F\xFD\x04\x88\n\x01\n", 9, "it is compressed by zstd, not JSON"},
        {"a.framed", "\0\0\0\0\x07{\"user\":\"u\"}\n\0\0\0\0\x07{}\n", 27,
         "it is framed for a schema registry"},
        {"a.utf16", "\xFF\xFE{\0\"\0u\0\n\0", 10, "it is text in UTF-16"},
        {"a.connect",
         "{\"schema\":{},\"payload\":{\"user\":\"u1\",\"item\":\"i1\",\"time\":1700000000000}}\n",
         0, "it is wrapped by Kafka Connect: its fields are in payload"},
        {"a.seconds", "{\"user\":\"u1\",\"item\":\"i1\",\"time\":1700000000}\n", 0,
         "time: 1700000000 as ms is 1970-01-20, before source.time_min: is source.time right?"},
    };
    const char *const none[] = {NULL};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        const char *name = files[i].name;
        scene_write(scene_path(&scene, "%s", name), files[i].bytes,
                    files[i].size ? files[i].size : strlen(files[i].bytes));
        job("run", name, none, 2, files[i].said);
        assert_also_said("first event that cannot be used");
        assert_also_said("most events cannot be used");
        assert_also_said("accepted=0 ");
    }
}

static void what_was_refused_before_anything_was_read_binds_nothing(void **state)
{
    (void)state;
    const char *const csv[] = {"--source.format=csv", NULL};
    write_file("log.csv", "user_id,item,time\nu1,i1,1700000000000\n");
    job("run", "log.csv", csv, 2, "log.csv: the header has no column 'user' (source.fields)");
    assert_null(strstr(scene.output, "log.csv: log.csv"));
    write_file("log.csv", "user,item,time\nu1,i1,1700000000000\n");
    job("run", "log.csv", csv, 0, "events=1 accepted=1 ");
    job("verify", "log.csv", csv, 0, "verdict=ok");
}

/* What run permitted, verify would have to forbid. */
static void settings_that_make_other_events_of_a_log_are_refused(void **state)
{
    (void)state;
    const char *const view_buy[] = {"--source.fields.action=action", "--actions=view:1,buy:3",
                                    NULL};
    const char *const changed[][5] = {
        {"--source.fields.action=action", "--actions=buy:3,view:1"},
        {"--source.fields.action=action", "--actions=view:1,buy:3", "--source.fields.user=actor"},
        {"--source.fields.action=action", "--actions=view:1,buy:3", "--source.time=s"},
        {"--source.fields.action=action", "--actions=view:1,buy:3", "--state.history_max=128"},
    };
    static const char *const said[] = {"actions (other names, or another order)",
                                       "source.fields.user (now 'actor')", "source.time (now 's')",
                                       "state.history_max (now '128')"};
    const char *const more_actions[] = {"--source.fields.action=action",
                                        "--actions=view:2,buy:3,like:1", NULL};
    const char *event =
        "{\"user\":\"u1\",\"item\":\"i1\",\"time\":1700000000000,\"action\":\"buy\","
        "\"actor\":\"a\"}\n";
    write_file("actions.jsonl", event);
    job("run", "actions.jsonl", view_buy, 0, "accepted=1 ");
    append_file("actions.jsonl", event);
    for (size_t i = 0; i < sizeof changed / sizeof *changed; i++) {
        job("run", "actions.jsonl", changed[i], 3, said[i]);
        assert_also_said("set them back to what they were");
        job("verify", "actions.jsonl", changed[i], 3, said[i]);
    }
    job("run", "actions.jsonl", more_actions, 0, "accepted=1 ");
    job("verify", "actions.jsonl", more_actions, 0, "verdict=ok");
    assert_has("actions.jsonl", more_actions, "u1", "  buy ");
}

/* What a transaction may need in memory follows from its events, not from the longest history. */
static void the_longest_histories_fit_little_memory(void **state)
{
    (void)state;
    const char *const longest[] = {"--state.history_max=65536", NULL};
    write_file("long.jsonl", "{\"user\":\"u1\",\"item\":\"i1\",\"time\":1700000000000}\n"
                             "{\"user\":\"u2\",\"item\":\"i2\",\"time\":1700000001000}\n");
    job("run", "long.jsonl", longest, 0, "events=2 accepted=2 ");
    job("verify", "long.jsonl", longest, 0, "verdict=ok");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_unfinished_last_line_waits_for_the_next_run),
        cmocka_unit_test(an_unfinished_last_cell_is_no_shorter_one),
        cmocka_unit_test(an_unfinished_last_line_is_taken_if_the_file_is_complete),
        cmocka_unit_test(a_line_break_in_a_quoted_cell_makes_no_event_of_the_text),
        cmocka_unit_test(times_are_taken_as_exporters_write_them),
        cmocka_unit_test(bytes_that_are_no_log_fail_and_are_named),
        cmocka_unit_test(what_was_refused_before_anything_was_read_binds_nothing),
        cmocka_unit_test(the_longest_histories_fit_little_memory),
        cmocka_unit_test(settings_that_make_other_events_of_a_log_are_refused),
    };
    scene_open(&scene, EVENTS, 3);
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    scene_close(&scene);
    return failed;
}

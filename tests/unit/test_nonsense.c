/*
 * test_nonsense.c - logs that would be taken in without a word and mean nothing: wrong settings, no
 * order of time, users who return, items that are newer than the dictionary.
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

enum { EVENTS = 300, USERS = 30, LENGTH = 6, MORE_MAX = 6 };

static struct scene scene;

/* `braid COMMAND` on log.jsonl of the scene, or what `more` says; its exit code. */
static int command(const char *name, const char *const *more)
{
    const char *arguments[3 + MORE_MAX + 1] = {name, "--config", "braid.yaml"};
    for (int i = 0; more[i]; i++) {
        assert_true(i < MORE_MAX);
        arguments[3 + i] = more[i];
    }
    return scene_program(&scene, arguments, NULL);
}

static void expect(int code, int wanted, const char *const *texts)
{
    expect_all_said(&scene, code, wanted, texts);
}

/* How a log of walks is written. */
struct walk {
    bool reversed; /* each user's events from the last to the first */
    uint32_t items_from;
    uint32_t returning; /* users whose last event is of the item before it */
};

static void write_walk(const char *name, struct walk walk)
{
    FILE *log = fopen(scene_path(&scene, "%s", name), "w");
    assert_non_null(log);
    for (uint32_t i = 0; i < USERS * LENGTH; i++) {
        const uint32_t user = i % USERS;
        const uint32_t step = walk.reversed ? LENGTH - 1 - i / USERS : i / USERS;
        const bool stays = step == LENGTH - 1 && user < walk.returning;
        fprintf(log, "{\"user\":\"u%u\",\"item\":\"i%u\",\"time\":%u,\"action\":\"view\"}\n", user,
                walk.items_from + (user + step - stays) % 20, 1500000000 + step * 3600);
    }
    assert_int_equal(fclose(log), 0);
}

static void a_log_of_which_nothing_can_be_used_fails_and_names_the_option(void **state)
{
    (void)state;
    const char *const wrong_unit[] = {"--source.time=ms", "--state.dir=unit/state",
                                      "--output.dir=unit/output", NULL};
    expect(command("run", wrong_unit), 2,
           (const char *[]){"events could be used", "most events cannot be used",
                            "first event that cannot be used", "bad_time", "source.time", NULL});
    const char *const init[] = {"--source.time=ms", "--model.checkpoint=unit.safetensors", NULL};
    expect(command("init", init), 2,
           (const char *[]){"no event that can be used", "see source.time", NULL});
    const char *const actions[] = {"--actions=like:1", "--state.dir=actions/state",
                                   "--output.dir=actions/output", NULL};
    expect(command("run", actions), 2,
           (const char *[]){"dropped for their action", "most events cannot be used", NULL});
}

static void a_log_out_of_the_order_of_time_is_told(void **state)
{
    (void)state;
    write_walk("reversed.jsonl", (struct walk){.reversed = true});
    write_walk("ordered.jsonl", (struct walk){0});
    const char *texts[] = {"150 of 150 events (100.0 %) come after a later one of their user",
                           "the worst by 5.0 hours in line 151", NULL};
    const char *const init[] = {"--source.path=reversed.jsonl", "--d=8", "--heads=2",
                                "--model.checkpoint=walk.safetensors", NULL};
    expect(command("init", init), 0, texts);
    const char *const train[] = {"--source.path=reversed.jsonl", "--epochs=1",
                                 "--model.checkpoint=walk.safetensors", "--out=walk-2.safetensors",
                                 NULL};
    expect(command("train", train), 0, texts);
    const char *const evaluate[] = {"--source.path=reversed.jsonl", "--checkpoint=walk.safetensors",
                                    NULL};
    expect(command("evaluate", evaluate), 0, texts);
    const char *const run[] = {"--source.path=reversed.jsonl", "--state.dir=reversed/state",
                               "--output.dir=reversed/output", NULL};
    expect(command("run", run), 0,
           (const char *[]){"is the source in the order of time?", "late=150", NULL});
    const char *const ordered[] = {"--source.path=ordered.jsonl", "--checkpoint=walk.safetensors",
                                   NULL};
    expect(command("evaluate", ordered), 0, (const char *[]){"30 cases", NULL});
    assert_null(strstr(scene.output, "order of time"));
}

static void write_log(const char *name, const char *text)
{
    scene_write(scene_path(&scene, "%s", name), text, strlen(text));
}

static void the_worst_late_event_is_named(void **state)
{
    (void)state;
    write_log("late.jsonl",
              "{\"action\":\"view\",\"user\":\"a\",\"item\":\"i1\",\"time\":1500360000}\n"
              "{\"action\":\"view\",\"user\":\"a\",\"item\":\"i2\",\"time\":1500180000}\n"
              "{\"action\":\"view\",\"user\":\"b\",\"item\":\"i2\",\"time\":1500180000}\n"
              "{\"action\":\"view\",\"user\":\"a\",\"item\":\"i3\",\"time\":1500216000}\n"
              "{\"action\":\"view\",\"user\":\"b\",\"item\":\"i3\",\"time\":1500178200}\n");
    const char *const init[] = {"--source.path=late.jsonl", "--d=8", "--heads=2",

                                "--model.checkpoint=late.safetensors", NULL};
    expect(command("init", init), 0,
           (const char *[]){"3 of 3 events (100.0 %) come after a later one of their user, the "
                            "worst by 50.0 hours in line 2, of user 'a'",
                            NULL});
    const char *const run[] = {"--source.path=late.jsonl",

                               "--state.dir=late/state", "--output.dir=late/output",
                               "--model.checkpoint=late.safetensors", NULL};
    expect(command("run", run), 0,
           (const char *[]){"late=3 share=0.6 worst_hours=50 user=a", "offset=1", NULL});
}

static void odd_categories_are_left_out_counted_and_said(void **state)
{
    (void)state;
    write_log(
        "odd.jsonl",
        "{\"action\":\"view\",\"user\":\"a\",\"item\":\"i1\",\"time\":1500000000,\"c\":\"x\"}\n"
        "{\"action\":\"view\",\"user\":\"a\",\"item\":\"i2\",\"time\":1500000001,\"c\":[[\"x\"]]}\n"
        "{\"action\":\"view\",\"user\":\"a\",\"item\":\"i3\",\"time\":1500000002,\"c\":1.5}\n"
        "{\"action\":\"view\",\"user\":\"a\",\"item\":\"i4\",\"time\":1500000003,\"c\":null}\n"
        "{\"action\":\"view\",\"user\":\"a\",\"item\":\"i5\",\"time\":1500000004,\"c\":7}\n");
    setenv("BRAID_SOURCE_FIELDS_CATEGORY", "c", 1);
    const char *const init[] = {"--source.path=odd.jsonl", "--d=8", "--heads=2",

                                "--model.checkpoint=odd.safetensors", NULL};
    expect(command("init", init), 0,
           (const char *[]){"5 of 5 items and 2 categories",
                            "2 events count without a category or feature that cannot be used, the "
                            "first: line 2: c is neither text nor a whole number",
                            "source.fields.category", NULL});
    const char *const job[] = {"--source.path=odd.jsonl",

                               "--state.dir=odd/state", "--output.dir=odd/output",
                               "--model.checkpoint=odd.safetensors", NULL};
    expect(
        command("run", job), 0,
        (const char *[]){"first event with a category or feature that cannot be used", "offset=1 ",
                         "events count without a category or feature that cannot be used events=2",
                         "accepted=5", NULL});
    expect(command("verify", job), 0,
           (const char *[]){"2 events count without a category or feature", "odd_categories=2",
                            "verdict=ok", NULL});
    unsetenv("BRAID_SOURCE_FIELDS_CATEGORY");
}

static void users_who_return_are_left_out_and_counted(void **state)
{
    (void)state;
    write_walk("some.jsonl", (struct walk){.returning = 12});
    write_walk("all.jsonl", (struct walk){.returning = USERS});
    const char *const some[] = {"--source.path=some.jsonl", "--checkpoint=walk.safetensors", NULL};
    expect(command("evaluate", some), 0,
           (const char *[]){"18 cases; 12 users left out, whose last item", NULL});
    const char *const json[] = {"--source.path=some.jsonl", "--checkpoint=walk.safetensors",
                                "--json", NULL};
    expect(command("evaluate", json), 0, (const char *[]){"\"cases\":18,\"left_out\":12,", NULL});
    const char *const all[] = {"--source.path=all.jsonl", "--checkpoint=walk.safetensors", NULL};
    expect(command("evaluate", all), 2,
           (const char *[]){"all users return to an item that they have had", NULL});
    const char *const some_train[] = {"--source.path=some.jsonl", "--epochs=1",
                                      "--model.checkpoint=walk.safetensors", "--out=some.st", NULL};
    expect(command("train", some_train), 0,
           (const char *[]){"validation asks 18 users; 12 return", "HR@10", NULL});
    const char *const all_train[] = {"--source.path=all.jsonl", "--epochs=2",
                                     "--model.checkpoint=walk.safetensors", "--out=all.st", NULL};
    expect(command("train", all_train), 0,
           (const char *[]){"validation has nobody to ask: the last epoch", NULL});
    assert_null(strstr(scene.output, "HR@10"));
    const char *inspect[] = {"inspect", "checkpoint", "all.st", NULL};
    assert_int_equal(scene_program(&scene, inspect, NULL), 0);
    assert_non_null(strstr(scene.output, ", 2 epochs"));
}

static void items_newer_than_the_dictionary_are_counted(void **state)
{
    (void)state;
    write_walk("newer.jsonl", (struct walk){.items_from = 10});
    const char *const train[] = {"--source.path=newer.jsonl", "--epochs=1",
                                 "--model.checkpoint=walk.safetensors", "--out=newer.st", NULL};
    expect(command("train", train), 0,
           (const char *[]){" of 180 events are of items that the dictionary does not have", NULL});
    const char *const run[] = {"--source.path=newer.jsonl", "--state.dir=newer/state",
                               "--output.dir=newer/output", "--model.checkpoint=walk.safetensors",
                               NULL};
    expect(command("run", run), 0,
           (const char *[]){"events of items that the generation does not know unknown=", NULL});
    expect(command("verify", run), 0,
           (const char *[]){" events are of items that the newest generation does not know",
                            "verdict=ok", NULL});
    const char *const init[] = {
        "--source.path=newer.jsonl",          "--d=8", "--heads=2", "--items-max=5",
        "--model.checkpoint=few.safetensors", NULL};
    expect(command("init", init), 0,
           (const char *[]){" of 180 events are of items without a row", "--items-max", NULL});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_log_of_which_nothing_can_be_used_fails_and_names_the_option),
        cmocka_unit_test(a_log_out_of_the_order_of_time_is_told),
        cmocka_unit_test(the_worst_late_event_is_named),
        cmocka_unit_test(odd_categories_are_left_out_counted_and_said),
        cmocka_unit_test(users_who_return_are_left_out_and_counted),
        cmocka_unit_test(items_newer_than_the_dictionary_are_counted),
    };
    scene_open(&scene, EVENTS, 11);
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    scene_close(&scene);
    return failed;
}

/*
 * test_features.c - several categories of an item through the whole program: from an array of the
 * log to models that train on it, records that verify, and the items that are published.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/random.h"
#include "tests/unit/said.h"

enum { EVENTS = 2000, USERS = 40, ITEMS = 30 };

static struct scene scene;

/* Item n has 1 + n % 4 of eight categories; users like items near their own number. */
static void write_log(const char *name)
{
    struct random random = random_seeded(11);
    FILE *file = fopen(scene_path(&scene, "%s", name), "wb");
    assert_non_null(file);
    for (uint32_t i = 0; i < EVENTS; i++) {
        const uint32_t user = (uint32_t)random_below(&random, USERS);
        const uint32_t item = (user + (uint32_t)random_below(&random, 5)) % ITEMS;
        fprintf(file, "{\"user\":\"u%u\",\"item\":\"i%u\",\"time\":%llu,\"genres\":[", user, item,
                1700000000000ULL + i * 60000ULL);
        for (uint32_t k = 0; k <= item % 4; k++) {
            fprintf(file, "%s\"g%u\"", k ? "," : "", (item + 3 * k) % 8);
        }
        fputs("]}\n", file);
    }
    assert_int_equal(fclose(file), 0);
}

/* `braid WORD ...` on tags.jsonl and the job `name`. */
static void program(const char *name, const char *const *words, const char *text)
{
    char state[64], output[64];
    const char *arguments[SCENE_ARGUMENTS_MAX] = {NULL};
    uint32_t count = 0;
    snprintf(state, sizeof state, "--state.dir=%s/state", name);
    snprintf(output, sizeof output, "--output.dir=%s/output", name);
    for (; words[count]; count++) {
        arguments[count] = words[count];
    }
    arguments[count++] = "--source.path=tags.jsonl";
    arguments[count++] = "--source.fields.category=genres";
    arguments[count++] = "--job.memory=512MB";
    arguments[count++] = state;
    arguments[count++] = output;
    expect_said(&scene, scene_program(&scene, arguments, NULL), 0, text);
}

static void a_model_with_tags_trains_serves_verifies_and_exports(void **state)
{
    (void)state;
    static const char *const models[] = {"limarec", "mind"};
    for (int i = 0; i < 2; i++) {
        char first[64], second[64], out[64], model[64], items[64];
        snprintf(first, sizeof first, "--model.checkpoint=%s-1.safetensors", models[i]);
        snprintf(second, sizeof second, "--model.checkpoint=%s-2.safetensors", models[i]);
        snprintf(out, sizeof out, "--out=%s-2.safetensors", models[i]);
        snprintf(model, sizeof model, "--model=%s", models[i]);
        snprintf(items, sizeof items, "--out=%s.jsonl", models[i]);
        program(models[i], (const char *[]){"init", model, first, "--tags=true", "--d=8", NULL},
                "30 of 30 items and 8 categories have a row");
        program(models[i], (const char *[]){"train", first, out, "--epochs=1", NULL}, "epoch");
        program(models[i], (const char *[]){"evaluate", second, "--protocol=prequential", NULL},
                models[i]);
        program(models[i], (const char *[]){"run", second, NULL}, "accepted=2000 ");
        program(models[i], (const char *[]){"verify", second, NULL}, "verdict=ok");
        program(models[i], (const char *[]){"export", "items", second, items, NULL}, "items=30 ");
        size_t size;
        char *exported = scene_read(scene_path(&scene, "%s.jsonl", models[i]), &size);
        assert_non_null(strstr(exported, "\"category\":\"g3\",\"categories\":[\"g3\",\"g6\",\"g1\","
                                         "\"g4\"]"));
        free(exported);
    }
}

static void a_job_that_learns_knows_all_categories(void **state)
{
    (void)state;
    program("learns",
            (const char *[]){"run", "--train.events=800", "--train.gate_events=100",
                             "--train.dimensions=tags=true,d=8,H=2", NULL},
            "accepted=2000 ");
    program("learns", (const char *[]){"verify", NULL}, "verdict=ok");
    expect_said(&scene,
                scene_program(&scene,
                              (const char *[]){"inspect", "checkpoint",
                                               "learns/state/models/"
                                               "generation-0000000001.safetensors",
                                               NULL},
                              NULL),
                0, "tags=true");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_with_tags_trains_serves_verifies_and_exports),
        cmocka_unit_test(a_job_that_learns_knows_all_categories),
    };
    scene_open(&scene, 100, 3);
    write_log("tags.jsonl");
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    scene_close(&scene);
    return failed;
}

/*
 * test_features.c - several categories of an item, and what is known of a user, through the whole
 * program: from the log to models that train on it, records that verify, and what is published.
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
        fputs("]", file);
        if (i % 3 == 0) fprintf(file, ",\"plan\":\"%s\"", user % 2 ? "gold" : "free");
        if (i % 7 == 0) fprintf(file, ",\"age\":%u", 20 + user % 4 + i / 900);
        fputs("}\n", file);
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
    arguments[count++] = "--job.memory=1GB";
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

static void what_events_say_of_users_is_learned_served_and_verified(void **state)
{
    (void)state;
    static const char *const models[] = {"single", "mind"};
    const char *const fields = "--profile.fields=plan,age";
    for (int i = 0; i < 2; i++) {
        char job[64], first[64], second[64], out[64], model[64];
        snprintf(job, sizeof job, "known-%s", models[i]);
        snprintf(first, sizeof first, "--model.checkpoint=%s-1.safetensors", job);
        snprintf(second, sizeof second, "--model.checkpoint=%s-2.safetensors", job);
        snprintf(out, sizeof out, "--out=%s-2.safetensors", job);
        snprintf(model, sizeof model, "--model=%s", models[i]);
        program(
            job,
            (const char *[]){"init", model, first, "--profile-buckets=16", "--d=8", fields, NULL},
            "30 of 30 items");
        program(job, (const char *[]){"train", first, out, "--epochs=1", fields, NULL}, "epoch");
        program(job, (const char *[]){"evaluate", second, "--protocol=prequential", fields, NULL},
                models[i]);
        program(job, (const char *[]){"run", second, fields, NULL}, "accepted=2000 ");
        program(job, (const char *[]){"verify", second, fields, NULL}, "verdict=ok");
    }
}

static void a_job_learns_from_what_its_histories_know_of_users(void **state)
{
    (void)state;
    const char *const fields = "--profile.fields=plan,age";
    program("known",
            (const char *[]){"run", "--train.events=800", "--train.gate_events=100",
                             "--train.model=mind", "--train.dimensions=profile_buckets=16,d=8",
                             fields, NULL},
            "accepted=2000 ");
    program("known", (const char *[]){"verify", fields, NULL}, "verdict=ok");
    program("known", (const char *[]){"recommend", "--user=u1", fields, NULL}, "user u1: ");
}

/* Other fields, or another order of them, make other histories of the same log. */
static void a_job_that_has_read_profiles_wants_the_same_fields_again(void **state)
{
    (void)state;
    const char *arguments[] = {"run",
                               "--source.path=tags.jsonl",
                               "--source.fields.category=genres",
                               "--job.memory=1GB",
                               "--state.dir=known/state",
                               "--output.dir=known/output",
                               "--profile.fields=age,plan",
                               NULL};
    const int code = scene_program(&scene, arguments, NULL);
    expect_said(&scene, code, 3, "profile.fields (now 'age,plan')");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_with_tags_trains_serves_verifies_and_exports),
        cmocka_unit_test(a_job_that_learns_knows_all_categories),
        cmocka_unit_test(what_events_say_of_users_is_learned_served_and_verified),
        cmocka_unit_test(a_job_learns_from_what_its_histories_know_of_users),
        cmocka_unit_test(a_job_that_has_read_profiles_wants_the_same_fields_again),
    };
    scene_open(&scene, 100, 3);
    write_log("tags.jsonl");
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    scene_close(&scene);
    return failed;
}

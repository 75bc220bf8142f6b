/*
 * test_profiles.c - users of whom files of their own say what is known (source.profile), through the
 * whole program. The oracle is a job whose events say the same: its records must be the same bytes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/checksum.h"
#include "base/random.h"
#include "tests/unit/said.h"

enum { EVENTS = 1500, USERS = 40, ITEMS = 30, LONE = 2000 };

static struct scene scene;
static const char *const fields = "--profile.fields=plan,age";

/* What is known of a user in a round; every fifth has an age. */
static void write_features(FILE *file, uint32_t user, uint32_t round)
{
    fprintf(file, "\"plan\":\"%s\"", (user + round) % 2 ? "gold" : "free");
    if (user % 5 == 0) fprintf(file, ",\"age\":%u", 20 + user + round);
}

/*
 * Of each user a line, of some that never act, and one of nobody. The last line of a user is all that
 * is known of it: u1 has no age.
 */
static uint32_t write_profiles(const char *name, uint32_t round)
{
    FILE *file = fopen(scene_path(&scene, "%s", name), "wb");
    assert_non_null(file);
    fputs("{\"user\":\"u1\",\"plan\":\"none\",\"age\":99}\n{\"plan\":\"gold\"}\n", file);
    for (uint32_t user = USERS + LONE; user-- > 0;) {
        fprintf(file, "{\"user\":\"u%u\",", user);
        write_features(file, user, round);
        fputs("}\n", file);
    }
    assert_int_equal(fclose(file), 0);
    return USERS + LONE + 2;
}

/* So many blank lines, then events, which say what profiles would if `told`. */
static void write_events(const char *name, uint32_t blank, uint32_t round, bool told)
{
    struct random random = random_seeded(round);
    FILE *file = fopen(scene_path(&scene, "%s", name), "wb");
    assert_non_null(file);
    while (blank-- > 0) {
        fputc('\n', file);
    }
    for (uint32_t i = 0; i < EVENTS; i++) {
        const uint32_t user = (uint32_t)random_below(&random, USERS);
        const uint32_t item = (user + (uint32_t)random_below(&random, 5)) % ITEMS;
        fprintf(file, "{\"user\":\"u%u\",\"item\":\"i%u\",\"time\":%llu", user, item,
                1700000000000ULL + (round * EVENTS + i) * 60000ULL);
        if (told) fputs(",", file), write_features(file, user, round);
        fputs("}\n", file);
    }
    assert_int_equal(fclose(file), 0);
}

/* `braid WORD ...` with the job `name` ends with `code` and says `text`. */
static void program_ends(const char *name, const char *const *words, int code, const char *text)
{
    char state[64], output[64], path[64];
    const char *arguments[SCENE_ARGUMENTS_MAX] = {NULL};
    uint32_t count = 0;
    snprintf(state, sizeof state, "--state.dir=%s/state", name);
    snprintf(output, sizeof output, "--output.dir=%s/output", name);
    snprintf(path, sizeof path, "--source.path=%s/clicks", name);
    for (; words[count]; count++) {
        arguments[count] = words[count];
    }
    if (strcmp(name, "known") == 0) arguments[count++] = "--source.profile=known/profiles";
    arguments[count++] = "--model.checkpoint=mind.safetensors";
    arguments[count++] = "--job.memory=1GB";
    arguments[count++] = fields;
    arguments[count++] = "--state.ttl=2h"; /* many a life ends, and what is known stays */
    arguments[count++] = path;
    arguments[count++] = state;
    arguments[count++] = output;
    expect_said(&scene, scene_program(&scene, arguments, NULL), code, text);
}

static void program(const char *name, const char *const *words, const char *text)
{
    program_ends(name, words, 0, text);
}

/* A sum over all committed records of a job, whatever their order, and how many there are. */
static uint64_t records_of(const char *name, uint32_t *countp)
{
    uint64_t sum = 0;
    *countp = 0;
    for (uint32_t p = 0;; p++) {
        const char *path = scene_path(&scene, "%s/output/interests-%04u.jsonl", name, p);
        size_t size;
        if (access(path, R_OK) != 0) return sum;
        char *text = scene_read(path, &size), *rest = text;
        for (char *line; (line = strsep(&rest, "\n")) && *line; ++*countp) {
            sum += splitmix64(checksum_of(line, strlen(line)));
        }
        free(text);
    }
}

/* One commit for each round: the same users are published at the same n. */
static void a_round(uint32_t round)
{
    char profiles[64], clicks[64], told[64];
    static const char *const run[] = {"run", "--job.commit_interval=60s", NULL};
    static const char *const verify[] = {"verify", NULL};
    snprintf(profiles, sizeof profiles, "known/profiles/%u.jsonl", round);
    snprintf(clicks, sizeof clicks, "known/clicks/%u.jsonl", round);
    snprintf(told, sizeof told, "told/clicks/%u.jsonl", round);
    const uint32_t lines = write_profiles(profiles, round);
    write_events(clicks, 0, round, false);
    write_events(told, lines, round, true);
    program("known", run, " dead_letters=1 blank=0 flooded=0 duplicates=0 profiles=2041 ");
    program("known", verify, "verdict=ok");
    program("told", run, " profiles=0 ");
    program("told", verify, "verdict=ok");
}

static void profiles_of_files_give_the_records_that_events_which_say_them_give(void **state)
{
    (void)state;
    for (uint32_t round = 1; round <= 2; round++) {
        a_round(round);
        uint32_t known, told;
        const uint64_t sum = records_of("known", &known);
        assert_int_equal(records_of("told", &told), sum);
        assert_int_equal(known, round * USERS);
        assert_int_equal(told, known);
    }
}

/* The last line of a user that acts, far behind what tells that the file is the one it was. */
static void finds_wrong_profile(void **state)
{
    (void)state;
    static const char *const verify[] = {"verify", NULL};
    static const char *const name = "known/profiles/2.jsonl";
    size_t size;
    char path[1024];
    snprintf(path, sizeof path, "%s", scene_path(&scene, "%s", name));
    char *bytes = scene_read(path, &size);
    char *gold = bytes + size - 6;
    while (memcmp(gold, "\"gold\"", 6) != 0) {
        gold--;
        assert_true(gold > bytes + 65536);
    }
    memcpy(gold, "\"geld\"", 6);
    scene_write(path, bytes, size);
    program_ends("known", verify, 4, "its interests are not those of the events it names");
    memcpy(gold, "\"gold\"", 6);
    scene_write(path, bytes, size);
    free(bytes);
    program("known", verify, "verdict=ok");
}

static void a_model_trains_on_them_and_a_user_without_events_is_no_trouble(void **state)
{
    (void)state;
    program("known", (const char *[]){"train", "--out=second.safetensors", "--epochs=1", NULL},
            "epoch");
    program("known", (const char *[]){"evaluate", "--protocol=prequential", NULL}, "mind");
    program("known", (const char *[]){"inspect", "user", "u2039", NULL}, "u2039");
}

static void a_job_that_had_profiles_wants_them_again(void **state)
{
    (void)state;
    const char *arguments[] = {"run",
                               "--model.checkpoint=mind.safetensors",
                               fields,
                               "--source.path=known/clicks",
                               "--state.ttl=2h",
                               "--job.memory=1GB",
                               "--state.dir=known/state",
                               "--output.dir=known/output",
                               NULL};
    expect_said(&scene, scene_program(&scene, arguments, NULL), 3, "source.profile");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(profiles_of_files_give_the_records_that_events_which_say_them_give),
        cmocka_unit_test(finds_wrong_profile),
        cmocka_unit_test(a_model_trains_on_them_and_a_user_without_events_is_no_trouble),
        cmocka_unit_test(a_job_that_had_profiles_wants_them_again),
    };
    scene_open(&scene, 100, 3);
    static const char *const folders[] = {"known", "known/profiles", "known/clicks", "told",
                                          "told/clicks"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        assert_int_equal(mkdir(scene_path(&scene, "%s", folders[i]), 0777), 0);
    }
    write_events("first.jsonl", 0, 1, false);
    const char *init[] = {"init",  "--model=mind",         "--model.checkpoint=mind.safetensors",
                          "--d=8", "--profile-buckets=64", "--source.path=first.jsonl",
                          NULL};
    assert_int_equal(scene_program(&scene, init, NULL), 0);
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    scene_close(&scene);
    return failed;
}

/*
 * test_dimensions.c - models of random and of extreme dimensions through the program: what init
 * makes, run, train and recommend take; what they cannot, they refuse with a message.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/random.h"
#include "model/interest_ops.h"
#include "tests/crash/scene.h"

enum { EVENTS = 150, ROUNDS = 10, OPTIONS_MAX = 12, TEXT_MAX = 64 };

static struct scene scene;

/* The dimensions of one model, as arguments. */
struct draw {
    char text[OPTIONS_MAX][TEXT_MAX];
    uint32_t count;
};

static void add_option(struct draw *draw, const char *name, uint64_t value)
{
    assert_true(draw->count < OPTIONS_MAX);
    snprintf(draw->text[draw->count++], TEXT_MAX, "--%s=%llu", name, (unsigned long long)value);
}

static void add_model(struct draw *draw, const char *model)
{
    *draw = (struct draw){.count = 1};
    snprintf(draw->text[0], TEXT_MAX, "--model=%s", model);
}

static const char *all_of(const struct draw *draw)
{
    static char text[OPTIONS_MAX * TEXT_MAX];
    *text = 0;
    for (uint32_t i = 0; i < draw->count; i++) {
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s ", draw->text[i]);
    }
    return text;
}

/* `braid COMMAND` on this model; a signal, or a failure without a message, ends the test. */
static int command(const struct draw *draw, const char *name, bool with_dims,
                   const char *const *more)
{
    const char *arguments[SCENE_ARGUMENTS_MAX] = {
        name, "--config", "braid.yaml", "--model.checkpoint=dims.safetensors", "--job.memory=8GB"};
    uint32_t count = 5;
    for (uint32_t i = 0; with_dims && i < draw->count; i++) {
        arguments[count++] = draw->text[i];
    }
    while (*more) {
        arguments[count++] = *more++;
    }
    const int code = scene_program(&scene, arguments, NULL);
    if (code < 0 || code > 3 || (code > 0 && !strstr(scene.output, "braid "))) {
        fail_msg("%s with %s: exit code %d:\n%s", name, all_of(draw), code, scene.output);
    }
    return code;
}

/* Whether init made it; then the rest of a model's life must do. */
static bool live(const struct draw *draw)
{
    const char *const nothing[] = {NULL};
    const char *const run[] = {"--state.dir=dims/state", "--output.dir=dims/output", NULL};
    /* Dropout can empty the few columns of a small d, which no norm makes up for. */
    const char *const train[] = {
        "--out=dims-2.safetensors", "--epochs=1", "--steps=20", "--dropout=0",
        "--validation-users=5",     NULL};
    const char *const recommend[] = {"--user=u0", "--log", NULL};
    scene_remove(&scene, "dims.safetensors");
    scene_remove(&scene, "dims-2.safetensors");
    scene_remove(&scene, "dims");
    if (command(draw, "init", true, nothing) != 0) return false;
    const bool learns = !strstr(draw->text[0], "ledger");
    if (command(draw, "run", false, run) != 0 || !strstr(scene.output, "events=150 ") ||
        command(draw, "recommend", false, recommend) != 0 ||
        (learns && command(draw, "train", false, train) != 0)) {
        fail_msg("init made %s, and then:\n%s", all_of(draw), scene.output);
    }
    return true;
}

static void dimensions_that_init_accepts_can_be_run_and_trained(void **state)
{
    (void)state;
    struct draw draw;
    add_model(&draw, "gdelta"); /* more parameters and parts of a state than any other */
    add_option(&draw, "blocks", 16);
    add_option(&draw, "d", 16);
    add_option(&draw, "ffn", 16);
    assert_true(live(&draw));
    add_model(&draw, "mind"); /* the largest windows of the widest vectors */
    add_option(&draw, "d", 1024);
    add_option(&draw, "window", 512);
    add_option(&draw, "interests", 64);
    assert_true(live(&draw));
    add_model(&draw, "mimn"); /* the largest memory, all of it moved by each event */
    add_option(&draw, "d", 256);
    add_option(&draw, "interests", 64);
    add_option(&draw, "induction-top", 64);
    assert_true(live(&draw));
    add_model(&draw, "ledger");
    add_option(&draw, "d", 1024);
    add_option(&draw, "entries", 64);
    add_option(&draw, "interests", 64);
    assert_true(live(&draw));
}

/* 1 .. most, small ones as likely as large ones; now and then one too many. */
static uint64_t any(struct random *random, uint64_t most)
{
    if (random_below(random, 40) == 0) return most + random_below(random, 2) * 1000000;
    const double share = random_uniform(random);
    uint64_t value = 1;
    for (double left = share; left > 0 && value < most; left -= 0.1) {
        value = value * 2 + random_below(random, 2);
    }
    return value < most ? value : most;
}

static void draw_model(struct draw *draw, struct random *random)
{
    uint32_t models = 0;
    while (interest_ops_at(models)) {
        models++;
    }
    const char *model = interest_ops_at((uint32_t)random_below(random, models))->name;
    add_model(draw, model);
    const uint64_t heads = 1 + random_below(random, 4);
    add_option(draw, "d", any(random, 24) * heads);
    if (strcmp(model, "limarec") == 0 || strcmp(model, "gdelta") == 0) {
        add_option(draw, "heads", heads);
        add_option(draw, "extract-heads", heads);
        add_option(draw, "blocks", any(random, 16));
        add_option(draw, "ffn", any(random, 200));
    }
    if (strcmp(model, "sine") == 0) {
        add_option(draw, "window", any(random, 512));
        add_option(draw, "prototypes", any(random, 16384));
    }
    if (strcmp(model, "lru") == 0) {
        add_option(draw, "extract-heads", heads);
        add_option(draw, "blocks", any(random, 16));
        add_option(draw, "ffn", any(random, 200));
        add_option(draw, "width", any(random, 1024));
    }
    if (strcmp(model, "single") != 0) add_option(draw, "interests", any(random, 64));
    if (strcmp(model, "mimn") == 0) add_option(draw, "induction-top", any(random, 8));
    if (strcmp(model, "hpmn") == 0) add_option(draw, "steps", any(random, 15));
    if (strcmp(model, "ledger") == 0) add_option(draw, "entries", any(random, 64));
    const bool comirec_sa = strcmp(model, "comirec-sa") == 0;
    const bool routes = strcmp(model, "mind") == 0 || strcmp(model, "comirec-dr") == 0;
    if (routes || comirec_sa) add_option(draw, "window", any(random, 512));
    if (routes) add_option(draw, "iterations", any(random, 16));
    if (strcmp(model, "mind") == 0) add_option(draw, "mlp", any(random, 300));
    if (comirec_sa) add_option(draw, "attention", any(random, 300));
}

static void random_dimensions_are_refused_or_work(void **state)
{
    (void)state;
    const char *given = getenv("DIMENSIONS_SEED");
    const uint64_t seed =
        given ? strtoull(given, NULL, 10) : (uint64_t)clock_monotonic_ns() % 1000000;
    struct random random = random_seeded(seed);
    uint32_t made = 0;
    print_message("DIMENSIONS_SEED=%llu\n", (unsigned long long)seed);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        struct draw draw;
        draw_model(&draw, &random);
        made += live(&draw);
    }
    assert_true(made > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dimensions_that_init_accepts_can_be_run_and_trained),
        cmocka_unit_test(random_dimensions_are_refused_or_work),
    };
    scene_open(&scene, EVENTS, 11);
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    scene_close(&scene);
    return failed;
}

/*
 * test_gradients.c - one backward pass of every model that trains against every fixture with
 * gradients.
 *
 * Each file is one minibatch: its sequences run through the model on a recording tape, read after
 * every event; the loss is that of its metadata. The interests read along the way, the loss and the
 * gradient of every parameter are compared, by name. The same test runs in float and in double.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "model/train/loss.h"
#include "tests/parity/fixture.h"

enum { ARENA_SIZE = 1 << 26, ROWS_MAX = 256 };

/* One fixture on its way through forward and backward. */
struct run {
    struct fixture fixture;
    struct fixture_model model;
    struct fixture_behaviors behaviors;
    struct behavior_batch batch;
    struct gradients gradients;
    struct arena arena, scratch;
    uint32_t d, interests, events;
    struct read_points points;     /* every event */
    struct user_profile *profiles; /* of the points, or NULL */
    uint32_t *target;              /* [events] 0 = no sample */
    struct tape tape;
    struct interest_reads reads;
};

static void *take(size_t count, size_t size)
{
    void *at = calloc(count + 1, size);
    assert_non_null(at);
    return at;
}

/* The target of each event: of its step, or of its user after the last step. */
static void set_targets(struct run *run)
{
    const bool every_step = fixture_is(&run->fixture, "every_step", "true");
    const int64_t *at =
        fixture_i64(&run->fixture, every_step ? "input/targets" : "input/target", NULL);
    for (uint32_t user = 0; user < run->batch.users; user++) {
        const uint32_t from = run->batch.offsets[user], end = run->batch.offsets[user + 1];
        for (uint32_t event = from; event < end; event++) {
            uint32_t step = event - from;
            if (every_step) {
                run->target[event] = (uint32_t)at[user * run->behaviors.steps + step];
            } else if (event + 1 == end) {
                run->target[event] = (uint32_t)at[user];
            }
        }
    }
}

/* Every event is a point, and has its user's profile. */
static struct user_profile *profiles_of_points(const struct run *run)
{
    struct user_profile *of_users = fixture_profiles(&run->fixture);
    if (!of_users) return NULL;
    struct user_profile *profiles = take(run->events, sizeof *profiles);
    for (uint32_t user = 0; user < run->batch.users; user++) {
        for (uint32_t i = run->batch.offsets[user]; i < run->batch.offsets[user + 1]; i++) {
            profiles[i] = of_users[user];
        }
    }
    free(of_users);
    return profiles;
}

static void run_open(struct run *run, const char *path)
{
    struct error error;
    *run = (struct run){0};
    fixture_open(&run->fixture, path);
    fixture_model_open(&run->model, &run->fixture);
    run->behaviors = fixture_behaviors(&run->fixture);
    run->batch =
        (struct behavior_batch){run->behaviors.at, run->behaviors.offsets, run->behaviors.users};
    run->events = run->batch.offsets[run->batch.users];
    run->d = run->model.checkpoint.dims.d;
    run->interests = run->model.checkpoint.dims.interests;
    run->target = take(run->events, sizeof(*run->target));
    uint32_t *events = take(run->events, sizeof(*events));
    for (uint32_t i = 0; i < run->events; i++) {
        events[i] = i;
    }
    run->profiles = profiles_of_points(run);
    run->points = (struct read_points){events, run->events, run->profiles};
    set_targets(run);
    assert_int_equal(
        gradients_open(&run->gradients, run->model.checkpoint.params, UINT32_MAX, &error),
        STATUS_OK);
    assert_int_equal(arena_open(&run->arena, ARENA_SIZE, &error), STATUS_OK);
    assert_int_equal(arena_open(&run->scratch, ARENA_SIZE, &error), STATUS_OK);
}

static void run_close(struct run *run)
{
    arena_close(&run->scratch);
    arena_close(&run->arena);
    gradients_close(&run->gradients);
    free((void *)run->points.events);
    free(run->profiles);
    free(run->target);
    fixture_behaviors_free(&run->behaviors);
    fixture_model_close(&run->model);
    fixture_close(&run->fixture);
}

/* What is read after every event, or where the file has no such thing, after each user's last. */
static void compare_reads(struct run *run)
{
    const bool steps = fixture_has(&run->fixture, "output/steps_interests");
    const char *interests_name = steps ? "output/steps_interests" : "output/interests";
    const double *interests = fixture_f64(&run->fixture, interests_name, NULL);
    const int64_t *count =
        fixture_i64(&run->fixture, steps ? "output/steps_count" : "output/count", NULL);
    const size_t size = (size_t)run->interests * run->d;
    for (uint32_t user = 0; user < run->batch.users; user++) {
        const uint32_t from = run->batch.offsets[user], end = run->batch.offsets[user + 1];
        for (uint32_t event = from; event < end; event++) {
            if (!steps && event + 1 < end) continue;
            size_t cell = steps ? user * run->behaviors.steps + event - from : user;
            assert_int_equal(run->reads.live[event], count[cell]);
            assert_close(&run->fixture, interests_name, run->reads.vectors->data + event * size,
                         interests + cell * size, run->reads.live[event] * run->d);
        }
    }
}

/* Equal weights that sum to 1 over the samples. */
static void set_weights(const struct run *run, real *weight)
{
    uint32_t samples = 0;
    for (uint32_t i = 0; i < run->events; i++) {
        samples += run->target[i] != 0 && run->reads.live[i] > 0;
    }
    for (uint32_t i = 0; i < run->events; i++) {
        weight[i] = 1 / (real)samples;
    }
}

static struct loss_options options_of(const struct fixture *fixture)
{
    struct loss_options options = {
        .readout = READOUT_MAX,
        .similarity = {.cosine = fixture_is(fixture, "similarity", "cosine"),
                       .temperature = (real)fixture_real(fixture, "temperature")},
        .power = (real)fixture_real(fixture, "power"),
    };
    if (fixture_is(fixture, "readout", "hard")) options.readout = READOUT_HARD;
    if (fixture_is(fixture, "readout", "label-aware")) options.readout = READOUT_LABEL_AWARE;
    return options;
}

/* The negatives of the file, or every known item. */
static uint32_t candidate_rows(const struct fixture *fixture, bool full, uint32_t *rows)
{
    const uint64_t *shape = NULL;
    if (full) {
        const uint32_t items = fixture_number(fixture, "items");
        assert_true(items <= ROWS_MAX);
        for (uint32_t i = 0; i < items; i++) {
            rows[i] = 1 + fixture_number(fixture, "oov") + i;
        }
        return items;
    }
    const int64_t *negatives = fixture_i64(fixture, "input/negatives", &shape);
    assert_true(shape[0] <= ROWS_MAX);
    for (uint32_t i = 0; i < shape[0]; i++) {
        rows[i] = (uint32_t)negatives[i];
    }
    return (uint32_t)shape[0];
}

static double retrieval_loss(struct run *run)
{
    struct loss loss;
    uint32_t rows[ROWS_MAX];
    const bool full = fixture_is(&run->fixture, "loss", "full");
    const struct loss_options options = options_of(&run->fixture);
    const struct param *table = param_set_get(run->model.checkpoint.params, "item.embedding");
    real *log_q = full ? NULL : fixture_reals(&run->fixture, "input/log_q", NULL);
    real *weight = take(run->events, sizeof(real));
    const struct loss_candidates candidates = {
        .table = table->data,
        .log_q = log_q,
        .rows = rows,
        .count = candidate_rows(&run->fixture, full, rows),
        .d = run->d,
    };
    set_weights(run, weight);
    struct tensor *read = run->reads.intent ? run->reads.intent : run->reads.vectors;
    uint32_t *one = take(run->events, sizeof(*one));
    for (uint32_t i = 0; i < run->events; i++) {
        one[i] = 1;
    }
    const struct loss_samples samples = {
        .interests = read->data,
        .live = run->reads.intent ? one : run->reads.live,
        .target = run->target,
        .weight = weight,
        .count = run->events,
        .interests_each = run->reads.intent ? 1 : run->interests,
    };
    loss_open(&loss, &options, &candidates, gradients_rows(&run->gradients, table), &run->scratch);
    double sum = loss_add(&loss, &samples, tape_gradient(&run->tape, read));
    loss_finish(&loss);
    free(log_q);
    free(weight);
    free(one);
    return sum;
}

/* The mean over the users with behaviors, times its weight in the loss. */
static double penalty_loss(struct run *run)
{
    struct tensor *penalty = run->reads.penalty;
    const double weight = fixture_real(&run->fixture, "penalty_weight");
    double sum = 0;
    uint32_t users = 0;
    if (!penalty) return 0;
    for (uint32_t user = 0; user < run->batch.users; user++) {
        users += run->batch.offsets[user + 1] > run->batch.offsets[user];
    }
    real *gradient = tape_gradient(&run->tape, penalty);
    for (uint32_t user = 0; user < run->batch.users; user++) {
        if (run->batch.offsets[user + 1] == run->batch.offsets[user]) continue;
        sum += (double)penalty->data[user] / users;
        gradient[user] = (real)(weight / users);
    }
    return weight * sum;
}

/* A parameter's gradient, a table's as a dense matrix; free() it. */
static real *dense_gradient(struct run *run, const struct param *param)
{
    real *dense = take(param->count, sizeof(real));
    if (param->spec.init != PARAM_TABLE) {
        return memcpy(dense, gradients_of(&run->gradients, param), param->count * sizeof(real));
    }
    const struct row_gradients *rows = gradients_rows(&run->gradients, param);
    for (uint32_t i = 0; i < rows->count; i++) {
        memcpy(dense + (size_t)rows->touched[i] * rows->width, rows->at + (size_t)i * rows->width,
               rows->width * sizeof(real));
    }
    return dense;
}

static double largest(const double *values, size_t count)
{
    double most = 0;
    for (size_t i = 0; i < count; i++) {
        double size = values[i] < 0 ? -values[i] : values[i];
        if (size > most) most = size;
    }
    return most;
}

/* Gradients that are zero by construction are noise: they are held against the largest of all. */
static double largest_gradient(const struct fixture *fixture)
{
    double most = 0;
    for (uint32_t i = 0; i < safetensors_count(fixture->file); i++) {
        const struct safetensors_tensor *tensor = safetensors_at(fixture->file, i);
        if (strncmp(tensor->name, "grad/", 5) != 0) continue;
        double size =
            largest(fixture_f64(fixture, tensor->name, NULL), tensor->size / sizeof(double));
        if (size > most) most = size;
    }
    return most;
}

static void compare_gradient(struct run *run, const struct param *param, double of_all)
{
    const double tolerance = sizeof(real) == sizeof(double) ? 1e-9 : 1e-3;
    char name[PARAM_NAME_MAX + sizeof("grad/")];
    snprintf(name, sizeof(name), "grad/%s", param->name);
    const double *want = fixture_f64(&run->fixture, name, NULL);
    double scale = largest(want, param->count);
    if (scale < 0.01 * of_all) scale = 0.01 * of_all;
    real *got = dense_gradient(run, param);
    for (size_t i = 0; i < param->count; i++) {
        double off = (double)got[i] - want[i];
        if (off <= tolerance * scale && -off <= tolerance * scale) continue;
        fail_msg("%s: %s[%zu] is %.12g, not %.12g", run->fixture.path, name, i, (double)got[i],
                 want[i]);
    }
    free(got);
}

/* All parameters that are trained, and no name on the fixture's side only. */
static void compare_gradients(struct run *run)
{
    const struct param_set *params = run->model.checkpoint.params;
    const double of_all = largest_gradient(&run->fixture);
    uint32_t trained = 0, given = 0;
    for (uint32_t i = 0; i < param_set_count(params); i++) {
        const struct param *param = param_set_at(params, i);
        if (param->spec.constant) continue;
        compare_gradient(run, param, of_all);
        trained++;
    }
    for (uint32_t i = 0; i < safetensors_count(run->fixture.file); i++) {
        given += strncmp(safetensors_at(run->fixture.file, i)->name, "grad/", 5) == 0;
    }
    assert_int_equal(given, trained);
}

/* Whether the file had gradients to compare. */
static bool compare_file(const char *path)
{
    struct run run;
    run_open(&run, path);
    const bool compared = fixture_has(&run.fixture, "output/loss");
    if (compared) {
        run.tape = tape_recording(&run.arena, &run.gradients);
        run.reads = interest_steps(&run.tape, run.model.model, &run.batch, &run.points);
        compare_reads(&run);
        const real retrieval = (real)retrieval_loss(&run);
        const real loss = (real)penalty_loss(&run) + retrieval;
        tape_backward(&run.tape);
        assert_close(&run.fixture, "output/retrieval_loss", &retrieval,
                     fixture_f64(&run.fixture, "output/retrieval_loss", NULL), 1);
        assert_close(&run.fixture, "output/loss", &loss,
                     fixture_f64(&run.fixture, "output/loss", NULL), 1);
        compare_gradients(&run);
    }
    run_close(&run);
    return compared;
}

static void every_model_gives_back_the_fixtures_gradients(void **state)
{
    (void)state;
    const struct interest_ops *ops = NULL;
    for (uint32_t i = 0; (ops = interest_ops_at(i)); i++) {
        glob_t files;
        char pattern[64];
        if (!ops->steps) continue;
        snprintf(pattern, sizeof(pattern), "%s.*", ops->name);
        fixture_glob(&files, pattern);
        uint32_t compared = 0;
        for (size_t file = 0; file < files.gl_pathc; file++) {
            compared += compare_file(files.gl_pathv[file]);
        }
        if (!compared) fail_msg("no fixture of %s has gradients", ops->name);
        globfree(&files);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_model_gives_back_the_fixtures_gradients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * test_models.c - every registered model against every fixture of its name.
 *
 * Users are folded one event at a time, all users of a step in one call, and read after each step;
 * then once more as one ragged batch, which must give the same bytes. Each result is compared with
 * whatever the file holds of it; a file that holds nothing comparable fails. The same test runs in
 * float and in double.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/parity/fixture.h"

/* One fixture on its way through the model. */
struct run {
    struct fixture fixture;
    struct fixture_model model;
    struct fixture_behaviors behaviors;
    uint32_t d, interests, users, steps;
    size_t state_size;             /* reals */
    real *states;                  /* [users, state_size] */
    uint64_t *events;              /* [users] absorbed */
    struct user_profile *profiles; /* [users], or NULL */
    struct interest_sets sets;
    unsigned compared; /* tensors that were found in the file */
};

static void *take(size_t count, size_t size)
{
    void *at = calloc(count + 1, size);
    assert_non_null(at);
    return at;
}

static void run_open(struct run *run, const char *path)
{
    *run = (struct run){0};
    fixture_open(&run->fixture, path);
    fixture_model_open(&run->model, &run->fixture);
    run->behaviors = fixture_behaviors(&run->fixture);
    run->profiles = fixture_profiles(&run->fixture);
    run->d = interest_model_width(run->model.model);
    run->interests = interest_model_count(run->model.model);
    run->users = run->behaviors.users;
    run->steps = run->behaviors.steps;
    run->state_size = interest_model_state_size(run->model.model) / sizeof(real);
    run->states = take(run->users * run->state_size, sizeof(real));
    run->events = take(run->users, sizeof(uint64_t));
    run->sets.vectors = take((size_t)run->users * run->interests * run->d, sizeof(real));
    run->sets.weights = take((size_t)run->users * run->interests, sizeof(real));
    run->sets.count = take(run->users, sizeof(uint32_t));
    run->sets.intent = take((size_t)run->users * run->d, sizeof(real));
    for (uint32_t user = 0; user < run->users; user++) {
        interest_state_init(run->model.model, run->states + user * run->state_size);
    }
}

static void run_close(struct run *run)
{
    free(run->profiles);
    free(run->states);
    free(run->events);
    free(run->sets.vectors);
    free(run->sets.weights);
    free(run->sets.count);
    free(run->sets.intent);
    fixture_behaviors_free(&run->behaviors);
    fixture_model_close(&run->model);
    fixture_close(&run->fixture);
}

/* Absorbs, of each user, the behaviors of the steps from .. to - 1 that it has. */
static void absorb(struct run *run, uint32_t from, uint32_t to)
{
    const uint32_t *offsets = run->behaviors.offsets;
    struct behavior *at = take((size_t)run->users * run->steps, sizeof(*at));
    uint32_t *ends = take(run->users + 1, sizeof(*ends));
    void **states = take(run->users, sizeof(*states));
    for (uint32_t user = 0; user < run->users; user++) {
        uint32_t end = ends[user];
        for (uint32_t i = offsets[user] + from; i < offsets[user] + to; i++) {
            if (i >= offsets[user + 1]) break;
            at[end++] = run->behaviors.at[i];
            run->events[user]++;
        }
        ends[user + 1] = end;
        states[user] = run->states + user * run->state_size;
    }
    struct behavior_batch batch = {at, ends, run->users};
    interest_absorb(run->model.model, run->model.scratch, states, &batch);
    free(at);
    free(ends);
    free(states);
}

static void read_all(struct run *run)
{
    const void **states = take(run->users, sizeof(*states));
    for (uint32_t user = 0; user < run->users; user++) {
        states[user] = run->states + user * run->state_size;
    }
    interest_read(run->model.model, run->model.scratch, states, run->events, run->profiles,
                  run->users, &run->sets);
    free(states);
}

/* As the model publishes: normalized if the similarity is a cosine. `size` is at most 1024. */
static void normalize(double *vector, uint32_t size)
{
    double sum = 1e-12;
    for (uint32_t i = 0; i < size; i++) {
        sum += vector[i] * vector[i];
    }
    for (uint32_t i = 0; i < size; i++) {
        vector[i] /= __builtin_sqrt(sum);
    }
}

/* The live interests of one user against `want` [K, d], which is as read, not normalized. */
static void compare_interests(struct run *run, uint32_t user, const double *want, const char *what)
{
    const size_t size = (size_t)run->sets.count[user] * run->d;
    double *expected = take(size, sizeof(*expected));
    memcpy(expected, want, size * sizeof(*expected));
    for (uint32_t k = 0; run->model.checkpoint.dims.cosine && k < run->sets.count[user]; k++) {
        normalize(expected + (size_t)k * run->d, run->d);
    }
    assert_close(&run->fixture, what, run->sets.vectors + (size_t)user * run->interests * run->d,
                 expected, size);
    free(expected);
}

/* After `step` steps, against row `step - 1` of output/steps_*. */
static void compare_step(struct run *run, uint32_t step)
{
    if (!fixture_has(&run->fixture, "output/steps_interests")) return;
    const double *interests = fixture_f64(&run->fixture, "output/steps_interests", NULL);
    const int64_t *count = fixture_i64(&run->fixture, "output/steps_count", NULL);
    for (uint32_t user = 0; user < run->users; user++) {
        size_t cell = (size_t)user * run->steps + step - 1;
        assert_int_equal(run->sets.count[user], count[cell]);
        compare_interests(run, user, interests + cell * run->interests * run->d,
                          "output/steps_interests");
    }
    run->compared++;
}

static void compare_final(struct run *run)
{
    if (!fixture_has(&run->fixture, "output/interests")) return;
    const double *interests = fixture_f64(&run->fixture, "output/interests", NULL);
    const int64_t *count = fixture_i64(&run->fixture, "output/count", NULL);
    for (uint32_t user = 0; user < run->users; user++) {
        assert_int_equal(run->sets.count[user], count[user]);
        compare_interests(run, user, interests + (size_t)user * run->interests * run->d,
                          "output/interests");
    }
    run->compared++;
}

/* Evidence as shares are of it: that of comirec-sa is a logarithm. */
static double weight_of(const struct run *run, const double *evidence, uint32_t k)
{
    const bool logarithm = fixture_is(&run->fixture, "model", "comirec-sa");
    return logarithm ? exp(evidence[k] - evidence[0]) : evidence[k];
}

/* The vector beside the interests. */
static void compare_intent(struct run *run)
{
    const bool has = fixture_has(&run->fixture, "output/vector");
    assert_int_equal(has, interest_model_has_intent(run->model.model));
    if (!has) return;
    for (uint32_t user = 0; user < run->users; user++) {
        double want[WIDTH_MAX] = {0};
        memcpy(want, fixture_f64(&run->fixture, "output/vector", NULL) + user * run->d,
               run->d * sizeof *want);
        if (run->model.checkpoint.dims.cosine && run->sets.count[user]) normalize(want, run->d);
        assert_close(&run->fixture, "output/vector", run->sets.intent + (size_t)user * run->d, want,
                     run->d);
    }
    run->compared++;
}

/* Weights are the shares of the live interests in the evidence. */
static void compare_weights(struct run *run)
{
    if (!fixture_has(&run->fixture, "output/evidence")) return;
    const double *evidence = fixture_f64(&run->fixture, "output/evidence", NULL);
    for (uint32_t user = 0; user < run->users; user++) {
        double share[INTERESTS_MAX], sum = 0;
        for (uint32_t k = 0; k < run->sets.count[user]; k++) {
            sum += weight_of(run, evidence + (size_t)user * run->interests, k);
        }
        for (uint32_t k = 0; k < run->sets.count[user]; k++) {
            share[k] = weight_of(run, evidence + (size_t)user * run->interests, k) / sum;
        }
        assert_close(&run->fixture, "output/evidence",
                     run->sets.weights + (size_t)user * run->interests, share,
                     run->sets.count[user]);
    }
    run->compared++;
}

/* Best similarity of an item over the live interests, as a retrieval service computes it. */
static double score_of(const struct run *run, uint32_t user, uint32_t item)
{
    const struct model_dims *dims = &run->model.checkpoint.dims;
    const struct param *table = param_set_get(run->model.checkpoint.params, "item.embedding");
    double vector[WIDTH_MAX], best = 0;
    for (uint32_t i = 0; i < run->d; i++) {
        vector[i] = (double)table->data[(size_t)item * run->d + i];
    }
    if (dims->cosine) normalize(vector, run->d);
    for (uint32_t k = 0; k < run->sets.count[user]; k++) {
        const real *interest = run->sets.vectors + ((size_t)user * run->interests + k) * run->d;
        double score = 0;
        for (uint32_t i = 0; i < run->d; i++) {
            score += (double)interest[i] * vector[i];
        }
        if (dims->cosine) score /= fixture_real(&run->fixture, "temperature");
        if (k == 0 || score > best) best = score;
    }
    return best;
}

static void compare_scores(struct run *run)
{
    if (!fixture_has(&run->fixture, "output/scores")) return;
    const uint64_t *shape = NULL;
    const int64_t *candidates = fixture_i64(&run->fixture, "input/candidates", &shape);
    const double *want = fixture_f64(&run->fixture, "output/scores", NULL);
    real *got = take(run->users * shape[0], sizeof(real));
    for (uint32_t user = 0; user < run->users; user++) {
        for (uint32_t i = 0; i < shape[0]; i++) {
            got[user * shape[0] + i] = (real)score_of(run, user, (uint32_t)candidates[i]);
        }
    }
    assert_close(&run->fixture, "output/scores", got, want, run->users * shape[0]);
    free(got);
    run->compared++;
}

/* Reals of a part as the file has it: `events` is a count there. */
static void compare_part(struct run *run, const struct state_part *part, const char *name)
{
    if (strcmp(part->name, "events") == 0) {
        const int64_t *events = fixture_i64(&run->fixture, name, NULL);
        for (uint32_t user = 0; user < run->users; user++) {
            assert_true(run->states[user * run->state_size + part->at] == (real)events[user]);
        }
        return;
    }
    const double *want = fixture_f64(&run->fixture, name, NULL);
    assert_int_equal(safetensors_find(run->fixture.file, name)->size,
                     run->users * part->count * sizeof(double));
    for (uint32_t user = 0; user < run->users; user++) {
        assert_close(&run->fixture, name, run->states + user * run->state_size + part->at,
                     want + user * part->count, part->count);
    }
}

/* Every part of the layout against state/<name>, and no name on the fixture's side only. */
static void compare_states(struct run *run)
{
    const struct state_layout *layout = &run->model.model->state;
    uint32_t parts = 0, expected = 0;
    for (uint32_t i = 0; i < safetensors_count(run->fixture.file); i++) {
        const char *name = safetensors_at(run->fixture.file, i)->name;
        parts += strncmp(name, "state/", 6) == 0 && strcmp(name, "state/events") != 0;
    }
    if (parts == 0) return;
    for (uint32_t i = 0; i < layout->count; i++) {
        char name[STATE_NAME_MAX + sizeof("state/")];
        snprintf(name, sizeof(name), "state/%s", layout->parts[i].name);
        compare_part(run, &layout->parts[i], name);
        expected += strcmp(layout->parts[i].name, "events") != 0;
    }
    assert_int_equal(parts, expected);
    run->compared++;
}

/* The whole of every history as one batch gives the bytes that the single steps gave. */
static void compare_whole_batch(struct run *run)
{
    const size_t size = run->users * run->state_size * sizeof(real);
    real *stepped = take(size, 1);
    memcpy(stepped, run->states, size);
    for (uint32_t user = 0; user < run->users; user++) {
        interest_state_init(run->model.model, run->states + user * run->state_size);
        run->events[user] = 0;
    }
    absorb(run, 0, run->steps);
    assert_memory_equal(run->states, stepped, size);
    free(stepped);
}

static void compare_file(const char *path)
{
    struct run run;
    run_open(&run, path);
    for (uint32_t step = 1; step <= run.steps; step++) {
        absorb(&run, step - 1, step);
        read_all(&run);
        compare_step(&run, step);
    }
    compare_whole_batch(&run);
    read_all(&run);
    compare_final(&run);
    compare_intent(&run);
    compare_weights(&run);
    compare_scores(&run);
    compare_states(&run);
    if (run.compared == 0 && !fixture_has(&run.fixture, "output/losses")) {
        fail_msg("%s holds nothing to compare", path);
    }
    run_close(&run);
}

static void every_model_equals_its_fixtures(void **state)
{
    (void)state;
    const struct interest_ops *ops = NULL;
    for (uint32_t i = 0; (ops = interest_ops_at(i)); i++) {
        glob_t files;
        char pattern[64];
        if (strcmp(ops->name, "ledger") == 0) continue; /* has no parameters: test_ledger.c */
        snprintf(pattern, sizeof(pattern), "%s.*", ops->name);
        fixture_glob(&files, pattern);
        for (size_t file = 0; file < files.gl_pathc; file++) {
            compare_file(files.gl_pathv[file]);
        }
        globfree(&files);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_model_equals_its_fixtures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

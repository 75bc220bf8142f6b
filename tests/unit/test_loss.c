/*
 * test_loss.c - the blocked softmax against its formula, and its gradients against its own values.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/random.h"
#include "model/train/loss.h"

/* A problem of random numbers; what points into one block is filled by problem_draw. */
struct problem {
    const char *what;
    struct loss_options options;
    uint32_t samples, interests, d, rows, candidates;
    bool full; /* candidates are all rows from 1 on */
    real *vectors, *table, *log_q, *weight;
    uint32_t *live, *target, *candidate;
    real *d_vectors;
    struct row_gradients d_table;
    struct arena scratch;
};

static real *normals(size_t count, struct random *random)
{
    real *at = malloc(count * sizeof(real));
    assert_non_null(at);
    for (size_t i = 0; i < count; i++) {
        at[i] = (real)(0.5 * random_normal(random));
    }
    return at;
}

static void problem_draw(struct problem *problem, uint64_t seed)
{
    struct random random = random_seeded(seed);
    struct error error;
    const size_t reads = (size_t)problem->samples * problem->interests * problem->d;
    problem->vectors = normals(reads, &random);
    problem->table = normals((size_t)problem->rows * problem->d, &random);
    problem->log_q = normals(problem->rows, &random);
    problem->weight = normals(problem->samples, &random);
    problem->live = calloc(problem->samples, sizeof(uint32_t));
    problem->target = calloc(problem->samples, sizeof(uint32_t));
    problem->candidate = calloc(problem->candidates, sizeof(uint32_t));
    assert_true(problem->live && problem->target && problem->candidate);
    for (uint32_t i = 0; i < problem->samples; i++) {
        problem->live[i] = (uint32_t)random_below(&random, problem->interests + 1u);
        problem->target[i] = (uint32_t)random_below(&random, problem->rows);
    }
    for (uint32_t i = 0; i < problem->candidates; i++) {
        problem->candidate[i] =
            problem->full ? i + 1 : 1 + (uint32_t)random_below(&random, problem->rows - 1);
    }
    problem->d_vectors = calloc(reads, sizeof(real));
    problem->d_table = (struct row_gradients){
        .width = problem->d,
        .capacity = problem->rows,
        .slots = calloc(problem->rows, sizeof(uint32_t)),
        .touched = calloc(problem->rows, sizeof(uint32_t)),
        .at = calloc((size_t)problem->rows * problem->d, sizeof(real)),
    };
    assert_true(problem->d_vectors && problem->d_table.slots && problem->d_table.touched &&
                problem->d_table.at);
    assert_int_equal(arena_open(&problem->scratch,
                                loss_scratch_size(problem->samples, problem->interests, problem->d,
                                                  problem->candidates),
                                &error),
                     STATUS_OK);
}

static void problem_free(struct problem *problem)
{
    free(problem->vectors);
    free(problem->table);
    free(problem->log_q);
    free(problem->weight);
    free(problem->live);
    free(problem->target);
    free(problem->candidate);
    free(problem->d_vectors);
    free(problem->d_table.slots);
    free(problem->d_table.touched);
    free(problem->d_table.at);
    arena_close(&problem->scratch);
}

/* In two calls, as a minibatch comes in parts. */
static double run(struct problem *problem)
{
    const uint32_t half = problem->samples / 2;
    const size_t each = (size_t)problem->interests * problem->d;
    const struct loss_candidates candidates = {problem->table,
                                               problem->full ? NULL : problem->log_q,
                                               problem->candidate, problem->candidates, problem->d};
    const struct loss_samples first = {problem->vectors, problem->live, problem->target,
                                       problem->weight,  half,          problem->interests};
    const struct loss_samples second = {problem->vectors + half * each, problem->live + half,
                                        problem->target + half,         problem->weight + half,
                                        problem->samples - half,        problem->interests};
    struct loss loss;
    arena_release(&problem->scratch, 0);
    loss_open(&loss, &problem->options, &candidates, &problem->d_table, &problem->scratch);
    double sum = loss_add(&loss, &first, problem->d_vectors);
    sum += loss_add(&loss, &second, problem->d_vectors + half * each);
    loss_finish(&loss);
    return sum;
}

/* ---- the formula ---- */

static double similarity_of(const struct problem *problem, const real *v, const real *e)
{
    double product = 0, vv = 1e-12, ee = 1e-12;
    for (uint32_t i = 0; i < problem->d; i++) {
        product += (double)v[i] * (double)e[i];
        vv += (double)v[i] * (double)v[i];
        ee += (double)e[i] * (double)e[i];
    }
    if (!problem->options.similarity.cosine) return product;
    return product / sqrt(vv) / sqrt(ee) / (double)problem->options.similarity.temperature;
}

/* Of one item for one sample, by the best interest or by the vector read for the target. */
static double score_of(const struct problem *problem, uint32_t s, const real *read, uint32_t row)
{
    const real *e = problem->table + (size_t)row * problem->d;
    const real *v = problem->vectors + (size_t)s * problem->interests * problem->d;
    const double less = problem->full ? 0 : (double)problem->log_q[row];
    double best = -INFINITY;
    if (problem->options.readout != READOUT_MAX) return similarity_of(problem, read, e) - less;
    for (uint32_t k = 0; k < problem->live[s]; k++) {
        best = fmax(best, similarity_of(problem, v + (size_t)k * problem->d, e));
    }
    return best - less;
}

static double formula(const struct problem *problem)
{
    const struct readout_rule rule = {problem->options.readout, problem->options.similarity,
                                      problem->options.power, problem->d};
    double loss = 0;
    for (uint32_t s = 0; s < problem->samples; s++) {
        const uint32_t target = problem->target[s];
        real read[256];
        if (target == 0 || problem->live[s] == 0) continue;
        if (rule.readout != READOUT_MAX) {
            readout_forward(&rule, read,
                            problem->vectors + (size_t)s * problem->interests * problem->d,
                            problem->live[s], problem->table + (size_t)target * problem->d);
        }
        const double own = score_of(problem, s, read, target);
        double sum = 1;
        for (uint32_t i = 0; i < problem->candidates; i++) {
            if (problem->candidate[i] == target) continue;
            sum += exp(score_of(problem, s, read, problem->candidate[i]) - own);
        }
        loss += (double)problem->weight[s] * log(sum);
    }
    return loss;
}

/* ---- what is checked ---- */

static void check_value(struct problem *problem, uint64_t seed)
{
    problem_draw(problem, seed);
    const double got = run(problem), want = formula(problem);
    const double tolerance = sizeof(real) == sizeof(double) ? 1e-10 : 2e-5;
    if (fabs(got - want) > tolerance * (1 + fabs(want))) {
        fail_msg("%s, seed %llu: %.12g, by the formula %.12g", problem->what,
                 (unsigned long long)seed, got, want);
    }
}

#ifdef REAL_IS_DOUBLE

static double dot(const real *a, const real *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += (double)a[i] * (double)b[i];
    }
    return sum;
}

static void step(real *x, const real *direction, size_t n, double by)
{
    for (size_t i = 0; i < n; i++) {
        x[i] += (real)by * direction[i];
    }
}

/* Along one random direction of interests and table, the slope of the loss is what is returned. */
static void check_gradient(struct problem *problem, uint64_t seed)
{
    const size_t d = problem->d, reads = (size_t)problem->samples * problem->interests * d;
    const double by = 1e-6;
    struct random random = random_seeded(seed + 1);
    real *of_reads = normals(reads, &random), *of_table = normals(problem->rows * d, &random);
    double slope = dot(of_reads, problem->d_vectors, reads);
    for (uint32_t slot = 0; slot < problem->d_table.count; slot++) {
        slope +=
            dot(of_table + problem->d_table.touched[slot] * d, problem->d_table.at + slot * d, d);
    }
    step(problem->vectors, of_reads, reads, by);
    step(problem->table, of_table, problem->rows * d, by);
    const double ahead = run(problem);
    step(problem->vectors, of_reads, reads, -2 * by);
    step(problem->table, of_table, problem->rows * d, -2 * by);
    const double measured = (ahead - run(problem)) / (2 * by);
    if (fabs(measured - slope) > 1e-6 * (1 + fabs(slope))) {
        fail_msg("%s, seed %llu: slope %.12g, by its gradients %.12g", problem->what,
                 (unsigned long long)seed, measured, slope);
    }
    free(of_reads);
    free(of_table);
}

#endif

static void check(struct problem problem)
{
    for (uint64_t seed = 1; seed <= 3; seed++) {
        check_value(&problem, seed);
#ifdef REAL_IS_DOUBLE
        check_gradient(&problem, seed);
#endif
        problem_free(&problem);
    }
}

/* Sizes around the edges of registers, spans, tiles and blocks. */
static void every_readout_equals_its_formula(void **state)
{
    (void)state;
    const struct similarity dot_product = {false, 1}, cosine = {true, (real)0.2};
    const enum readout readouts[] = {READOUT_HARD, READOUT_LABEL_AWARE, READOUT_MAX};
    for (int i = 0; i < 3; i++) {
        check((struct problem){.what = "few items, sampled",
                               .options = {readouts[i], cosine, 2},
                               .samples = 37,
                               .interests = 3,
                               .d = 7,
                               .rows = 30,
                               .candidates = 61});
        check((struct problem){.what = "a catalogue, full",
                               .options = {readouts[i], dot_product, (real)1.5},
                               .samples = 150,
                               .interests = 4,
                               .d = 65,
                               .rows = 1032,
                               .candidates = 1031,
                               .full = true});
        check((struct problem){.what = "one interest",
                               .options = {readouts[i], dot_product, 1},
                               .samples = 140,
                               .interests = 1,
                               .d = 16,
                               .rows = 700,
                               .candidates = 600});
    }
}

static void a_catalogue_beyond_the_cache_equals_the_formula(void **state)
{
    (void)state;
    const struct similarity dot_product = {false, 1};
    check((struct problem){.what = "a large catalogue",
                           .options = {READOUT_MAX, dot_product, 1},
                           .samples = 19,
                           .interests = 2,
                           .d = 8,
                           .rows = 20001,
                           .candidates = 20000,
                           .full = true});
}

static void samples_without_target_or_interest_count_nothing(void **state)
{
    (void)state;
    struct problem problem = {.what = "nothing to find",
                              .options = {READOUT_MAX, {false, 1}, 1},
                              .samples = 3,
                              .interests = 2,
                              .d = 8,
                              .rows = 5,
                              .candidates = 4,
                              .full = true};
    problem_draw(&problem, 1);
    memcpy(problem.target, (uint32_t[]){0, 2, 0}, 3 * sizeof(uint32_t));
    memcpy(problem.live, (uint32_t[]){2, 0, 0}, 3 * sizeof(uint32_t));
    assert_true(run(&problem) == 0);
    for (uint32_t i = 0; i < 3 * 2 * 8; i++) {
        assert_true(problem.d_vectors[i] == 0);
    }
    problem_free(&problem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_readout_equals_its_formula),
        cmocka_unit_test(a_catalogue_beyond_the_cache_equals_the_formula),
        cmocka_unit_test(samples_without_target_or_interest_count_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

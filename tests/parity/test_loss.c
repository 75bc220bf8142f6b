/* test_loss.c - read-outs and softmax losses against the reference, in float and in double. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "model/train/loss.h"
#include "tests/parity/fixture.h"

/* What the README of the fixtures fixes for single operations. */
static const real temperature = (real)0.2, power = (real)1.5;

/* Gradients have a tolerance of their own where reals are floats; the worst of `count` decides. */
static void assert_gradient(const struct fixture *fixture, const char *what, const real *got,
                            size_t count)
{
    const double *want = fixture_f64(fixture, what, NULL);
    const double tolerance = sizeof(real) == sizeof(double) ? 1e-9 : 1e-3;
    double most = 1e-3;
    for (size_t i = 0; i < count; i++) {
        if (want[i] > most) most = want[i];
        if (-want[i] > most) most = -want[i];
    }
    for (size_t i = 0; i < count; i++) {
        const double off = (double)got[i] - want[i];
        if (off < tolerance * most && -off < tolerance * most) continue;
        fail_msg("%s: %s[%zu] is %.12g, not %.12g", fixture->path, what, i, (double)got[i],
                 want[i]);
    }
}

static void *zeros(size_t count, size_t size)
{
    void *at = calloc(count, size);
    assert_non_null(at);
    return at;
}

static void check_readout(const char *name, enum readout readout, bool cosine)
{
    struct fixture fixture;
    const uint64_t *shape = NULL;
    fixture_open_named(&fixture, name);
    real *v = fixture_reals(&fixture, "input/v", &shape);
    real *e = fixture_reals(&fixture, "input/e", NULL);
    real *dy = fixture_reals(&fixture, "cotangent/y", NULL);
    const int64_t *count = fixture_i64(&fixture, "input/count", NULL);
    const size_t users = shape[0], each = shape[1] * shape[2], d = shape[2];
    const struct readout_rule rule = {readout, {cosine, temperature}, power, (uint32_t)d};
    real *y = zeros(users * d, sizeof(real)), *dv = zeros(users * each, sizeof(real));
    real *de = zeros(users * d, sizeof(real));
    for (size_t u = 0; u < users; u++) {
        if (count[u] == 0) continue;
        readout_forward(&rule, y + u * d, v + u * each, (uint32_t)count[u], e + u * d);
        readout_backward(&rule, dv + u * each, de + u * d, dy + u * d, v + u * each,
                         (uint32_t)count[u], e + u * d);
    }
    assert_close(&fixture, "output/y", y, fixture_f64(&fixture, "output/y", NULL), users * d);
    assert_gradient(&fixture, "grad/v", dv, users * each);
    assert_gradient(&fixture, "grad/e", de, users * d);
    free(v);
    free(e);
    free(dy);
    free(y);
    free(dv);
    free(de);
    fixture_close(&fixture);
}

static void readouts_equal_the_reference(void **state)
{
    (void)state;
    check_readout("op-readout-hard-dot.default", READOUT_HARD, false);
    check_readout("op-readout-hard-cosine.default", READOUT_HARD, true);
    check_readout("op-readout-label-aware-dot.default", READOUT_LABEL_AWARE, false);
    check_readout("op-readout-label-aware-cosine.default", READOUT_LABEL_AWARE, true);
}

static struct row_gradients rows_open(uint32_t rows, uint32_t width)
{
    return (struct row_gradients){.width = width,
                                  .capacity = rows,
                                  .slots = zeros(rows, sizeof(uint32_t)),
                                  .touched = zeros(rows, sizeof(uint32_t)),
                                  .at = zeros((size_t)rows * width, sizeof(real))};
}

static void rows_close(struct row_gradients *rows)
{
    free(rows->slots);
    free(rows->touched);
    free(rows->at);
}

/* The fixture's vectors against its table, every sample's loss weighted by its cotangent. */
static void check_sampled_softmax(const char *name, bool cosine)
{
    struct fixture fixture;
    struct error error;
    struct arena scratch;
    const uint64_t *shape = NULL, *drawn = NULL;
    uint32_t live[64], target[64], negatives[64];
    fixture_open_named(&fixture, name);
    real *v = fixture_reals(&fixture, "input/v", &shape);
    const uint32_t samples_count = (uint32_t)shape[0], d = (uint32_t)shape[1];
    real *table = fixture_reals(&fixture, "input/table", &shape);
    real *log_q = fixture_reals(&fixture, "input/log_q", NULL);
    real *weight = fixture_reals(&fixture, "cotangent/y", NULL);
    const int64_t *targets = fixture_i64(&fixture, "input/target", NULL);
    const int64_t *rows = fixture_i64(&fixture, "input/negatives", &drawn);
    const uint32_t negatives_count = (uint32_t)drawn[0], items = (uint32_t)shape[0];
    assert_true(samples_count <= 64 && negatives_count <= 64 && d <= 64);
    for (uint32_t i = 0; i < samples_count; i++) {
        live[i] = 1;
        target[i] = (uint32_t)targets[i];
    }
    for (uint32_t i = 0; i < negatives_count; i++) {
        negatives[i] = (uint32_t)rows[i];
    }
    const struct loss_options options = {READOUT_MAX, {cosine, temperature}, power};
    const struct loss_candidates candidates = {table, log_q, negatives, negatives_count, d};
    struct row_gradients d_table = rows_open(items, d);
    real *d_v = zeros((size_t)samples_count * d, sizeof(real));
    real *nowhere = zeros((size_t)samples_count * d, sizeof(real));
    real *d_rows = zeros((size_t)items * d, sizeof(real));
    real losses[64];
    struct loss loss;
    assert_int_equal(arena_open(&scratch, loss_scratch_size(1, 1, d, negatives_count), &error),
                     STATUS_OK);
    loss_open(&loss, &options, &candidates, &d_table, &scratch);
    for (uint32_t i = 0; i < samples_count; i++) {
        const real one = 1;
        const struct loss_samples alone = {v + i * d, live, target + i, &one, 1, 1};
        losses[i] = (real)loss_add(&loss, &alone, nowhere);
    }
    assert_close(&fixture, "output/y", losses, fixture_f64(&fixture, "output/y", NULL),
                 samples_count);
    arena_release(&scratch, 0);
    memset(d_table.slots, 0, items * sizeof(uint32_t));
    d_table.count = 0;
    const struct loss_samples samples = {v, live, target, weight, samples_count, 1};
    loss_open(&loss, &options, &candidates, &d_table, &scratch);
    loss_add(&loss, &samples, d_v);
    loss_finish(&loss);
    for (uint32_t slot = 0; slot < d_table.count; slot++) {
        memcpy(d_rows + (size_t)d_table.touched[slot] * d, d_table.at + (size_t)slot * d,
               d * sizeof(real));
    }
    assert_gradient(&fixture, "grad/v", d_v, (size_t)samples_count * d);
    assert_gradient(&fixture, "grad/table", d_rows, (size_t)items * d);
    arena_close(&scratch);
    free(v);
    free(table);
    free(log_q);
    free(weight);
    rows_close(&d_table);
    free(d_v);
    free(nowhere);
    free(d_rows);
    fixture_close(&fixture);
}

static void sampled_softmax_equals_the_reference(void **state)
{
    (void)state;
    check_sampled_softmax("op-sampled-softmax-dot.default", false);
    check_sampled_softmax("op-sampled-softmax-cosine.default", true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readouts_equal_the_reference),
        cmocka_unit_test(sampled_softmax_equals_the_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * test_model_operations.c - the ops of gdelta, mimn, mind and lru against the reference, in float and in
 * double: what they give, and what they give back for the file's cotangent.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "model/kernel/kernel_activation.h"
#include "model/kernel/kernel_ring.h"
#include "model/kernel/kernel_routing.h"
#include "model/tensor/op_activation.h"
#include "model/tensor/op_delta.h"
#include "model/tensor/op_memory.h"
#include "model/tensor/op_penalty.h"
#include "model/tensor/op_recurrent.h"
#include "model/tensor/op_rows.h"
#include "tests/parity/fixture.h"

enum { ARENA_SIZE = 1 << 24, PARAMS_MAX = 3 };

/* One fixture, a tape, and the parameters that some ops take. */
struct run {
    struct fixture fixture;
    struct arena arena;
    struct tape tape;
    struct param_set *params;
    struct gradients gradients;
};

/* `names` of inputs that are parameters, `as` what the op calls them. */
static void run_open(struct run *run, const char *name, const char *const *names,
                     const char *const *as)
{
    struct error error;
    fixture_open_named(&run->fixture, name);
    assert_int_equal(arena_open(&run->arena, ARENA_SIZE, &error), STATUS_OK);
    assert_int_equal(param_set_open(&run->params, &error), STATUS_OK);
    for (uint32_t i = 0; names && i < PARAMS_MAX && names[i]; i++) {
        const struct safetensors_tensor *tensor = safetensors_find(run->fixture.file, names[i]);
        assert_non_null(tensor);
        struct param_spec spec = {.rank = tensor->rank};
        for (uint32_t k = 0; k < tensor->rank; k++) {
            spec.shape[k] = (uint32_t)tensor->shape[k];
        }
        param_declare(run->params, spec, "%s", as[i]);
    }
    assert_int_equal(param_set_allocate(run->params, &error), STATUS_OK);
    for (uint32_t i = 0; i < param_set_count(run->params); i++) {
        const struct param *param = param_set_at(run->params, i);
        real *values = fixture_reals(&run->fixture, names[i], NULL);
        memcpy(param->data, values, param->count * sizeof(real));
        free(values);
    }
    assert_int_equal(gradients_open(&run->gradients, run->params, UINT32_MAX, &error), STATUS_OK);
    run->tape = tape_recording(&run->arena, &run->gradients);
}

static void run_close(struct run *run)
{
    gradients_close(&run->gradients);
    param_set_close(run->params);
    arena_close(&run->arena);
    fixture_close(&run->fixture);
}

/* An input whose gradient is asked for: its last `inner` dimensions are a row. */
static struct tensor *input(struct run *run, const char *name, uint32_t inner)
{
    char key[64];
    snprintf(key, sizeof key, "input/%s", name);
    const struct safetensors_tensor *tensor = safetensors_find(run->fixture.file, key);
    real *values = fixture_reals(&run->fixture, key, NULL);
    uint32_t rows = 1, cols = 1;
    for (uint32_t i = 0; i < tensor->rank; i++) {
        *(i + inner < tensor->rank ? &rows : &cols) *= (uint32_t)tensor->shape[i];
    }
    struct tensor *x = tape_tensor(&run->tape, rows, cols);
    memcpy(x->data, values, tensor_count(x) * sizeof(real));
    x->wants_gradient = true;
    free(values);
    return x;
}

/* Compares y, then passes the file's cotangent back from it. */
static void compare_result(struct run *run, struct tensor *y)
{
    const double *want = fixture_f64(&run->fixture, "output/y", NULL);
    assert_int_equal(safetensors_find(run->fixture.file, "output/y")->size / sizeof(double),
                     tensor_count(y));
    assert_close(&run->fixture, "output/y", y->data, want, tensor_count(y));
    real *cotangent = fixture_reals(&run->fixture, "cotangent/y", NULL);
    memcpy(tape_gradient(&run->tape, y), cotangent, tensor_count(y) * sizeof(real));
    free(cotangent);
    tape_backward(&run->tape);
}

static void compare_gradient(struct run *run, const char *name, const real *got, size_t count)
{
    char key[64];
    snprintf(key, sizeof key, "grad/%s", name);
    assert_int_equal(safetensors_find(run->fixture.file, key)->size / sizeof(double), count);
    assert_close(&run->fixture, key, got, fixture_f64(&run->fixture, key, NULL), count);
}

static void compare_input(struct run *run, const char *name, struct tensor *x)
{
    compare_gradient(run, name, tape_gradient(&run->tape, x), tensor_count(x));
}

static void compare_param(struct run *run, const char *name, const char *as)
{
    const struct param *param = param_set_get(run->params, "%s", as);
    compare_gradient(run, name, gradients_of(&run->gradients, param), param->count);
}

/* ---- activations ---- */

typedef struct tensor *slices_op(struct tape *tape, struct tensor *x);

static struct tensor *silu_alone(struct tape *tape, struct tensor *x)
{
    return op_gate(tape, x, x);
}

static struct tensor *unit_expf_of_rows(struct tape *tape, struct tensor *x)
{
    return op_unit_expf(tape, x, x->cols, x->cols);
}

static struct tensor *rms_of_rows(struct tape *tape, struct tensor *x)
{
    return op_rms(tape, x, x->cols);
}

static void activations_equal_the_reference(void **state)
{
    static const struct {
        const char *name;
        slices_op *op;
    } cases[] = {
        {"op-silu.default", silu_alone},
        {"op-gelu.default", op_gelu},
        {"op-unit-expf.default", unit_expf_of_rows},
        {"op-rms.default", rms_of_rows},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct run run;
        run_open(&run, cases[i].name, NULL, NULL);
        struct tensor *x = input(&run, "x", 1);
        compare_result(&run, cases[i].op(&run.tape, x));
        compare_input(&run, "x", x);
        run_close(&run);
    }
}

/* From any state on, as serving goes on; back is compared by the fixtures of lru. */
static void a_ring_equals_the_reference(void **state)
{
    (void)state;
    struct fixture fixture;
    const uint64_t *shape = NULL;
    fixture_open_named(&fixture, "op-diagonal-recurrence.default");
    real *h = fixture_reals(&fixture, "input/h0", NULL);
    real *add = fixture_reals(&fixture, "input/add", &shape);
    real *decay = fixture_reals(&fixture, "input/decay", NULL);
    real *phase = fixture_reals(&fixture, "input/phase", NULL);
    real *gain = fixture_reals(&fixture, "input/gain", NULL);
    const int64_t *length = fixture_i64(&fixture, "input/length", NULL);
    const double *want = fixture_f64(&fixture, "output/y", NULL);
    const uint32_t n = (uint32_t)shape[3];
    real made[3 * 64];
    const struct ring_factors factors = {made, made + n, made + 2 * n};
    assert_true(n <= 64);
    kernel_ring_make(factors, decay, phase, gain, n);
    for (uint64_t user = 0; user < shape[0]; user++) {
        real *at = h + user * 2 * n;
        for (uint64_t step = 0; step < (uint64_t)length[user]; step++) {
            const size_t row = (user * shape[1] + step) * 2 * n;
            kernel_ring_step(at, at, add + row, factors, n);
            assert_close(&fixture, "output/y", at, want + row, 2 * n);
        }
    }
    free(h);
    free(add);
    free(decay);
    free(phase);
    free(gain);
    fixture_close(&fixture);
}

static void squash_equals_the_reference(void **state)
{
    (void)state;
    struct run run;
    run_open(&run, "op-squash.default", NULL, NULL);
    struct tensor *s = input(&run, "s", 1);
    real *y = fixture_reals(&run.fixture, "input/s", NULL);
    real *dy = fixture_reals(&run.fixture, "cotangent/y", NULL);
    real *ds = tape_gradient(&run.tape, s);
    kernel_squash(y, s->rows, s->cols);
    assert_close(&run.fixture, "output/y", y, fixture_f64(&run.fixture, "output/y", NULL),
                 tensor_count(s));
    for (uint32_t row = 0; row < s->rows; row++) {
        const size_t at = (size_t)row * s->cols;
        const struct squash_slope slope = kernel_squash_slope(dy + at, s->data + at, s->cols);
        for (size_t i = at; i < at + s->cols; i++) {
            ds[i] = slope.scale * dy[i] + slope.along * s->data[i];
        }
    }
    compare_input(&run, "s", s);
    free(y);
    free(dy);
    run_close(&run);
}

static void covariances_equal_the_reference(void **state)
{
    (void)state;
    struct run run;
    const uint64_t *shape = NULL;
    run_open(&run, "op-offdiag.default", NULL, NULL);
    fixture_f64(&run.fixture, "input/rows", &shape);
    struct tensor *rows = input(&run, "rows", 1);
    compare_result(&run, op_offdiag(&run.tape, rows, (uint32_t)shape[1]));
    compare_input(&run, "rows", rows);
    run_close(&run);
}

/* ---- recurrences and memories ---- */

static void a_recurrent_step_equals_the_reference(void **state)
{
    static const char *const names[PARAMS_MAX] = {"input/input_weight", "input/recurrent_weight",
                                                  "input/bias"};
    static const char *const as[PARAMS_MAX] = {"gru.input.weight", "gru.recurrent.weight",
                                               "gru.bias"};
    struct error error;
    struct gru gru;
    struct run run;
    (void)state;
    run_open(&run, "op-gru.default", names, as);
    assert_int_equal(gru_open(&gru, run.params, "gru", &error), STATUS_OK);
    struct tensor *x = input(&run, "x", 1), *h = input(&run, "h", 1);
    compare_result(&run, op_gru(&run.tape, &gru, x, h));
    compare_input(&run, "x", x);
    compare_input(&run, "h", h);
    for (int i = 0; i < PARAMS_MAX; i++) {
        compare_param(&run, names[i] + strlen("input/"), as[i]);
    }
    gru_close(&gru);
    run_close(&run);
}

static void addressing_equals_the_reference(void **state)
{
    static const char *const names[PARAMS_MAX] = {"input/keys"}, *const as[PARAMS_MAX] = {"keys"};
    struct run run;
    (void)state;
    run_open(&run, "op-memory-address.default", names, as);
    struct tensor *query = input(&run, "query", 1), *strength = input(&run, "strength", 1);
    struct tensor *memory = input(&run, "memory", 1);
    compare_result(
        &run, op_address(&run.tape, query, strength, param_set_get(run.params, "keys"), memory));
    compare_input(&run, "query", query);
    compare_input(&run, "strength", strength);
    compare_input(&run, "memory", memory);
    compare_param(&run, "keys", "keys");
    run_close(&run);
}

static void writing_equals_the_reference(void **state)
{
    struct run run;
    (void)state;
    run_open(&run, "op-memory-write.default", NULL, NULL);
    struct tensor *memory = input(&run, "memory", 1), *w = input(&run, "w", 1);
    struct tensor *erase = input(&run, "erase", 1), *add = input(&run, "add", 1);
    compare_result(&run, op_memory_write(&run.tape, memory, w, erase, add));
    compare_input(&run, "memory", memory);
    compare_input(&run, "w", w);
    compare_input(&run, "erase", erase);
    compare_input(&run, "add", add);
    run_close(&run);
}

/* ---- the gated delta rule ---- */

/* The sequences of a file, each led by the events that write its first memory. */
struct sequences {
    struct behavior_batch batch;
    uint32_t leading; /* events, of each user: one for every row of a head's memory */
    uint32_t *offsets;
    uint32_t *led;   /* [users * leading] the rows of leading events */
    uint32_t *rows;  /* [count] the rows of the file's own events */
    uint32_t *cells; /* [count] where these lie in the file, [user, step] */
    uint32_t count;
};

static struct sequences sequences_of(struct run *run, uint32_t leading, uint32_t steps)
{
    const uint64_t *shape = NULL;
    const int64_t *length = fixture_i64(&run->fixture, "input/length", &shape);
    const uint32_t users = (uint32_t)shape[0];
    struct sequences s = {.leading = leading};
    s.offsets = arena_take(&run->arena, (users + 1) * sizeof(uint32_t));
    s.led = arena_take(&run->arena, (size_t)users * leading * sizeof(uint32_t));
    s.rows = arena_take(&run->arena, (size_t)users * steps * sizeof(uint32_t));
    s.cells = arena_take(&run->arena, (size_t)users * steps * sizeof(uint32_t));
    s.offsets[0] = 0;
    for (uint32_t user = 0; user < users; user++) {
        uint32_t row = s.offsets[user];
        for (uint32_t i = 0; i < leading; i++) {
            s.led[user * leading + i] = row++;
        }
        for (uint32_t step = 0; step < (uint32_t)length[user]; step++) {
            s.cells[s.count] = user * steps + step;
            s.rows[s.count++] = row++;
        }
        s.offsets[user + 1] = row;
    }
    s.batch = (struct behavior_batch){NULL, s.offsets, users};
    return s;
}

/* Events of one tensor [users * steps, cols] behind their leading ones. */
static struct tensor *led_by(struct run *run, const struct sequences *s, struct tensor *leading,
                             struct tensor *x)
{
    struct tape *tape = &run->tape;
    struct tensor *into = tape_tensor(tape, s->offsets[s->batch.users], x->cols);
    op_place_rows(tape, into, leading, s->led);
    op_place_rows(tape, into, op_rows(tape, x, s->cells, s->count), s->rows);
    return into;
}

static struct tensor *all_ones(struct run *run, uint32_t rows, uint32_t cols)
{
    struct tensor *x = tape_tensor(&run->tape, rows, cols);
    for (size_t i = 0; i < tensor_count(x); i++) {
        x->data[i] = 1;
    }
    return x;
}

/* s0 [users, heads, width, width] as values: those of event i are row i of every head. */
static struct tensor *rows_of_memories(struct run *run, struct tensor *s0, uint32_t users,
                                       uint32_t heads, uint32_t width)
{
    uint32_t *rows = arena_take(&run->arena, s0->rows * sizeof(uint32_t));
    for (uint32_t i = 0; i < s0->rows; i++) {
        uint32_t head = i % heads, row = i / heads % width, user = i / heads / width;
        rows[i] = (user * heads + head) * width + row;
    }
    struct tensor *values = op_rows(&run->tape, s0, rows, s0->rows);
    return op_reshape(&run->tape, values, users * width, heads * width);
}

/* Event i has 1 at coordinate i of every head. */
static struct tensor *unit_keys(struct run *run, uint32_t users, uint32_t heads, uint32_t width)
{
    struct tensor *keys = tape_tensor(&run->tape, users * width, heads * width);
    for (size_t i = 0; i < tensor_count(keys); i++) {
        keys->data[i] = i / keys->cols % width == i % width;
    }
    return keys;
}

/*
 * Memories begin empty; one that does not is written first: an event with the unit key i, nothing
 * forgotten and full strength makes its value the row i.
 */
static void the_gated_delta_rule_equals_the_reference(void **state)
{
    struct run run;
    const uint64_t *shape = NULL;
    (void)state;
    run_open(&run, "op-gated-delta.default", NULL, NULL);
    fixture_f64(&run.fixture, "input/q", &shape);
    const uint32_t steps = (uint32_t)shape[1], heads = (uint32_t)shape[2];
    const struct delta_memory memory = {.heads = heads, .width = (uint32_t)shape[3]};
    const struct sequences s = sequences_of(&run, memory.width, steps);
    const uint32_t users = s.batch.users, leading = users * memory.width;
    struct tape *tape = &run.tape;
    struct tensor *q = input(&run, "q", 2), *k = input(&run, "key", 2), *v = input(&run, "v", 2);
    struct tensor *alpha = input(&run, "alpha", 1), *beta = input(&run, "beta", 1);
    struct tensor *s0 = input(&run, "s0", 1);

    struct tensor *keys = led_by(&run, &s, unit_keys(&run, users, heads, memory.width), k);
    struct tensor *first = rows_of_memories(&run, s0, users, heads, memory.width);
    struct tensor *values = led_by(&run, &s, first, v);
    struct tensor *ones = all_ones(&run, leading, heads);
    struct tensor *gates =
        op_concat(tape, led_by(&run, &s, ones, alpha), led_by(&run, &s, ones, beta));
    struct tensor *queries = op_rows(tape, q, s.cells, s.count);
    struct tensor *reads = op_delta_steps(tape, &memory, queries, op_concat(tape, keys, values),
                                          gates, s.rows, &s.batch);
    struct tensor *y = tape_tensor(tape, users * steps, q->cols);
    memset(y->data, 0, tensor_count(y) * sizeof(real));
    op_place_rows(tape, y, reads, s.cells);
    compare_result(&run, y);
    compare_input(&run, "q", q);
    compare_input(&run, "key", k);
    compare_input(&run, "v", v);
    compare_input(&run, "alpha", alpha);
    compare_input(&run, "beta", beta);
    compare_input(&run, "s0", s0);
    run_close(&run);
}

/* ---- routing ---- */

static void routing_equals_the_reference(void **state)
{
    struct run run;
    const uint64_t *shape = NULL;
    (void)state;
    run_open(&run, "op-route-zero.default", NULL, NULL);
    struct tensor *projected = input(&run, "projected", 2);
    const int64_t *length = fixture_i64(&run.fixture, "input/length", NULL);
    fixture_f64(&run.fixture, "input/projected", &shape);
    const uint32_t steps = (uint32_t)shape[1], interests = (uint32_t)shape[2];
    const uint32_t d = (uint32_t)shape[3];
    const size_t window = (size_t)steps * interests, set = (size_t)interests * d;
    real *y = arena_take(&run.arena, shape[0] * set * sizeof(real));
    real *sums = arena_take(&run.arena, set * sizeof(real));
    real *coupling = arena_take(&run.arena, window * sizeof(real));
    real *logits = arena_take(&run.arena, window * sizeof(real));
    real *dy = fixture_reals(&run.fixture, "cotangent/y", NULL);
    real *d_projected = tape_gradient(&run.tape, projected);
    for (uint32_t user = 0; user < shape[0]; user++) {
        const struct routed routed = {.projected = projected->data + user * window * d,
                                      .event_stride = set,
                                      .interest_stride = d,
                                      .events = (uint32_t)length[user],
                                      .interests = interests,
                                      .d = d};
        memset(logits, 0, window * sizeof(real));
        kernel_route(y + user * set, sums, coupling, logits, &routed, 3);
        kernel_route_backward(d_projected + user * window * d, dy + user * set, sums, coupling,
                              &routed);
    }
    assert_close(&run.fixture, "output/y", y, fixture_f64(&run.fixture, "output/y", NULL),
                 shape[0] * set);
    compare_input(&run, "projected", projected);
    free(dy);
    run_close(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(activations_equal_the_reference),
        cmocka_unit_test(a_ring_equals_the_reference),
        cmocka_unit_test(squash_equals_the_reference),
        cmocka_unit_test(covariances_equal_the_reference),
        cmocka_unit_test(a_recurrent_step_equals_the_reference),
        cmocka_unit_test(addressing_equals_the_reference),
        cmocka_unit_test(writing_equals_the_reference),
        cmocka_unit_test(the_gated_delta_rule_equals_the_reference),
        cmocka_unit_test(routing_equals_the_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

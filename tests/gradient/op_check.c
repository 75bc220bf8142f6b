/* op_check.c - finite differences of one op. */
#include "tests/gradient/op_check.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/random.h"

enum { ARENA_SIZE = 1 << 24, CALLS_MAX = 2 };

static const double STEP = 1e-5, TOLERANCE = 1e-6, KINK = 1e-3;

/* A case on its way. */
struct run {
    const struct op_case *op_case;
    uint32_t tensors, params;
    real *values[CASE_TENSORS_MAX]; /* of the tensors; parameters keep theirs in the set */
    struct param_set *set;
    struct gradients gradients;
    struct arena arena;
    uint32_t calls;    /* of the op in one forward pass */
    uint32_t unwanted; /* tensor, or `tensors` + parameter, that wants no gradient; or beyond all */
};

/* Any normal number but those within reach of a kink at zero. */
static real draw(struct random *random)
{
    double x = random_normal(random);
    return fabs(x) < KINK ? (x < 0 ? -KINK : KINK) : x;
}

static size_t count_of(const struct op_case *op_case, uint32_t tensor)
{
    return (size_t)op_case->tensors[tensor].rows * op_case->tensors[tensor].cols;
}

static void run_open(struct run *run, const struct op_case *op_case)
{
    struct error error;
    struct random random = random_seeded(7);
    *run = (struct run){.op_case = op_case, .calls = 1, .unwanted = UINT32_MAX};
    for (; run->tensors < CASE_TENSORS_MAX && op_case->tensors[run->tensors].rows; run->tensors++) {
        size_t count = count_of(op_case, run->tensors);
        run->values[run->tensors] = calloc(count, sizeof(real));
        assert_non_null(run->values[run->tensors]);
        for (size_t i = 0; i < count; i++) {
            run->values[run->tensors][i] = draw(&random);
        }
    }
    assert_int_equal(param_set_open(&run->set, &error), STATUS_OK);
    for (; run->params < CASE_PARAMS_MAX && op_case->params[run->params].rank; run->params++) {
        param_declare(run->set, op_case->params[run->params], "parameter.%u", run->params);
    }
    assert_int_equal(param_set_allocate(run->set, &error), STATUS_OK);
    for (uint32_t p = 0; p < run->params; p++) {
        struct param *param = param_set_at(run->set, p);
        size_t from = param->spec.init == PARAM_TABLE ? param->spec.shape[1] : 0;
        for (size_t i = from; i < param->count; i++) {
            param->data[i] = draw(&random);
        }
    }
    assert_int_equal(gradients_open(&run->gradients, run->set, UINT32_MAX, &error), STATUS_OK);
    assert_int_equal(arena_open(&run->arena, ARENA_SIZE, &error), STATUS_OK);
}

static void run_close(struct run *run)
{
    for (uint32_t i = 0; i < run->tensors; i++) {
        free(run->values[i]);
    }
    gradients_close(&run->gradients);
    param_set_close(run->set);
    arena_close(&run->arena);
}

/* A forward pass: the leaves, and the results of all calls with their weights. */
struct pass {
    struct tape tape;
    struct random dropout;
    struct tensor *leaves[CASE_TENSORS_MAX];
    struct tensor *results[CALLS_MAX];
    real *weights[CALLS_MAX];
};

/* Everything in `pass` lives in the arena, which the next forward pass releases. */
static double forward(struct run *run, struct pass *pass)
{
    const struct param *params[CASE_PARAMS_MAX];
    struct random random = random_seeded(11);
    double sum = 0;
    arena_release(&run->arena, 0);
    pass->tape = tape_recording(&run->arena, &run->gradients);
    pass->dropout = random_seeded(13);
    pass->tape.random = &pass->dropout;
    pass->tape.dropout = 0.3F;
    for (uint32_t i = 0; i < run->tensors; i++) {
        struct tensor *x =
            tape_tensor(&pass->tape, run->op_case->tensors[i].rows, run->op_case->tensors[i].cols);
        memcpy(x->data, run->values[i], tensor_count(x) * sizeof(real));
        x->wants_gradient = i != run->unwanted;
        pass->leaves[i] = x;
    }
    for (uint32_t i = 0; i < run->params; i++) {
        struct param *param = param_set_at(run->set, i);
        param->spec.constant = run->tensors + i == run->unwanted;
        params[i] = param;
    }
    for (uint32_t call = 0; call < run->calls; call++) {
        struct tensor *y = run->op_case->run(&pass->tape, pass->leaves, params);
        real *weights = arena_take(&run->arena, tensor_count(y) * sizeof(real));
        for (size_t i = 0; i < tensor_count(y); i++) {
            weights[i] = random_normal(&random);
            sum += weights[i] * y->data[i];
        }
        pass->results[call] = y;
        pass->weights[call] = weights;
    }
    return sum;
}

static void backward(struct run *run, struct pass *pass)
{
    for (uint32_t call = 0; call < run->calls; call++) {
        struct tensor *y = pass->results[call];
        real *gradient = tape_gradient(&pass->tape, y);
        if (gradient) memcpy(gradient, pass->weights[call], tensor_count(y) * sizeof(real));
    }
    tape_backward(&pass->tape);
}

/* The derivative by *at, by central differences. */
static double difference(struct run *run, real *at)
{
    struct pass pass;
    const real x = *at;
    *at = x + STEP;
    double above = forward(run, &pass);
    *at = x - STEP;
    double below = forward(run, &pass);
    *at = x;
    return (above - below) / (2 * STEP);
}

static void compare(struct run *run, const char *what, uint32_t index, real *values,
                    const real *gradient, size_t count)
{
    double *want = calloc(count, sizeof(*want)), scale = 1;
    assert_non_null(want);
    for (size_t i = 0; i < count; i++) {
        want[i] = difference(run, &values[i]);
        if (fabs(want[i]) > scale) scale = fabs(want[i]);
    }
    for (size_t i = 0; i < count; i++) {
        if (fabs(want[i] - gradient[i]) <= TOLERANCE * scale) continue;
        fail_msg("%s, %u calls: %s %u, element %zu: backward says %.9g, differences %.9g",
                 run->op_case->name, run->calls, what, index, i, gradient[i], want[i]);
    }
    free(want);
}

/* A parameter's gradient, a table's as a dense matrix; free() it. */
static real *dense_gradient(struct run *run, const struct param *param)
{
    real *dense = calloc(param->count, sizeof(real));
    assert_non_null(dense);
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

static void check_tensors(struct run *run, struct pass *pass)
{
    real *gradients[CASE_TENSORS_MAX];
    for (uint32_t i = 0; i < run->tensors; i++) {
        const size_t count = count_of(run->op_case, i);
        const real *gradient = tape_gradient(&pass->tape, pass->leaves[i]);
        assert_int_equal(gradient == NULL, i == run->unwanted);
        gradients[i] = calloc(count, sizeof(real));
        assert_non_null(gradients[i]);
        if (gradient) memcpy(gradients[i], gradient, count * sizeof(real));
    }
    for (uint32_t i = 0; i < run->tensors; i++) {
        if (i != run->unwanted) {
            compare(run, "input", i, run->values[i], gradients[i], count_of(run->op_case, i));
        }
        free(gradients[i]);
    }
}

static void check_params(struct run *run)
{
    for (uint32_t i = 0; i < run->params; i++) {
        struct param *param = param_set_at(run->set, i);
        size_t padding = param->spec.init == PARAM_TABLE ? param->spec.shape[1] : 0;
        real *gradient = dense_gradient(run, param);
        if (run->tensors + i != run->unwanted) {
            compare(run, "parameter", i, param->data + padding, gradient + padding,
                    param->count - padding);
        } else {
            for (size_t j = 0; j < param->count; j++) {
                assert_true(gradient[j] == 0);
            }
        }
        free(gradient);
    }
}

static void check_once(struct run *run)
{
    struct pass pass;
    gradients_clear(&run->gradients);
    forward(run, &pass);
    backward(run, &pass);
    check_tensors(run, &pass);
    check_params(run);
}

void check_op(const struct op_case *op_case)
{
    struct run run;
    run_open(&run, op_case);
    check_once(&run);
    run.calls = CALLS_MAX;
    check_once(&run);
    run.calls = 1;
    for (run.unwanted = 0; run.unwanted < run.tensors + run.params; run.unwanted++) {
        bool table = run.unwanted >= run.tensors &&
                     op_case->params[run.unwanted - run.tensors].init == PARAM_TABLE;
        if (!table) check_once(&run);
    }
    run_close(&run);
}

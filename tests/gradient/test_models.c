/*
 * test_models.c - every model that trains, along random directions through all of its parameters.
 *
 * The live interests after some events and the penalty are weighted with random numbers; the
 * derivative of that sum along a direction is once the inner product with what backward gives, once
 * a central difference of two forward passes. In double, 1e-6 relative.
 *
 * And what training reads of whole sequences is what serving reads of states that it advances one
 * event at a time, after each event, also where a window has slid.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/random.h"
#include "tests/parity/fixture.h"

enum { ARENA_SIZE = 1 << 26, USERS = 4, EVENTS = 23, DIRECTIONS = 4 };

static const double STEP = 1e-6, TOLERANCE = 1e-6;
static const uint32_t offsets[USERS + 1] = {0, 9, 9, 10, EVENTS};

struct run {
    struct fixture_model model;
    struct behavior behaviors[EVENTS];
    struct behavior_batch batch;
    struct user_profile profiles[EVENTS];
    struct gradients gradients;
    struct arena arena;
};

static void run_open(struct run *run, const char *name, const struct model_dims *dims)
{
    struct error error;
    struct random random = random_seeded(3);
    random_model_open(&run->model, name, dims, 5);
    for (uint32_t i = 0; i < EVENTS; i++) {
        run->behaviors[i] = (struct behavior){
            .item = 1 + (uint32_t)random_below(&random, RANDOM_ITEMS),
            .category = (uint32_t)random_below(&random, 1 + RANDOM_CATEGORIES +
                                                            (dims->tags ? RANDOM_LISTS : 0)),
            .gap_s = (int64_t)random_below(&random, 500000),
        };
        for (uint32_t k = 0; k < PROFILE_MAX; k++) {
            run->profiles[i].hash[k] = random_below(&random, 2 + i % 3);
        }
    }
    for (uint32_t user = 0; user < USERS; user++) {
        for (uint32_t i = offsets[user]; i < offsets[user + 1]; i++) {
            run->behaviors[i].ordinal = i - offsets[user];
        }
        if (offsets[user] < EVENTS) run->behaviors[offsets[user]].gap_s = -1;
    }
    run->batch = (struct behavior_batch){run->behaviors, offsets, USERS};
    assert_int_equal(
        gradients_open(&run->gradients, run->model.checkpoint.params, UINT32_MAX, &error),
        STATUS_OK);
    assert_int_equal(arena_open(&run->arena, ARENA_SIZE, &error), STATUS_OK);
}

static void run_close(struct run *run)
{
    arena_close(&run->arena);
    gradients_close(&run->gradients);
    fixture_model_close(&run->model);
}

/*
 * The weighted sum of x; if `backward`, the weights become its gradient. `live` of every `each`
 * rows count (NULL: all do).
 */
static double weigh(struct tape *tape, struct tensor *x, const uint32_t *live, uint32_t each,
                    struct random *random, bool backward)
{
    double sum = 0;
    real *gradient = backward ? tape_gradient(tape, x) : NULL;
    for (size_t i = 0; i < tensor_count(x); i++) {
        real weight = random_normal(random);
        if (live && i / x->cols % each >= live[i / x->cols / each]) weight = 0;
        sum += weight * x->data[i];
        if (gradient) gradient[i] = weight;
    }
    return sum;
}

/* One forward pass over whole sequences, read after events 0, 1, 3, 5, .. and the last one. */
static double forward(struct run *run, bool backward)
{
    struct random random = random_seeded(9), dropout = random_seeded(10);
    uint32_t events[EVENTS], count = 0;
    for (uint32_t i = 0; i < EVENTS; i++) {
        if (i % 2 == 1 || i == 0 || i + 1 == EVENTS) events[count++] = i;
    }
    const struct read_points points = {events, count, run->profiles};
    arena_release(&run->arena, 0);
    struct tape tape = tape_recording(&run->arena, &run->gradients);
    tape.random = &dropout;
    tape.dropout = 0.1F;
    struct interest_reads reads = interest_steps(&tape, run->model.model, &run->batch, &points);
    double sum = weigh(&tape, reads.vectors, reads.live, run->model.checkpoint.dims.interests,
                       &random, backward);
    if (reads.intent) sum += weigh(&tape, reads.intent, NULL, 1, &random, backward);
    if (reads.penalty) sum += weigh(&tape, reads.penalty, NULL, 1, &random, backward);
    if (backward) tape_backward(&tape);
    return sum;
}

/* parameters += step * direction; the padding row of tables and constants stay. */
static void move(struct param_set *params, const double *direction, double step)
{
    real *block = param_set_block(params);
    for (size_t i = 0; i < param_set_size(params); i++) {
        block[i] += step * direction[i];
    }
}

/* What backward says about a direction, which this draws. */
static double draw_direction(struct run *run, double *direction, struct random *random)
{
    struct param_set *params = run->model.checkpoint.params;
    double inner = 0;
    for (uint32_t p = 0; p < param_set_count(params); p++) {
        const struct param *param = param_set_at(params, p);
        const bool table = param->spec.init == PARAM_TABLE;
        double *along = direction + (param->data - param_set_block(params));
        if (param->spec.constant) continue;
        for (size_t i = table ? param->spec.shape[1] : 0; i < param->count; i++) {
            along[i] = random_normal(random);
        }
        if (!table) {
            const real *gradient = gradients_of(&run->gradients, param);
            for (size_t i = 0; i < param->count; i++) {
                inner += along[i] * gradient[i];
            }
            continue;
        }
        const struct row_gradients *rows = gradients_rows(&run->gradients, param);
        for (size_t i = 0; i < (size_t)rows->count * rows->width; i++) {
            inner +=
                along[rows->touched[i / rows->width] * rows->width + i % rows->width] * rows->at[i];
        }
    }
    return inner;
}

static void check_model(const char *name, const struct model_dims *dims)
{
    struct run run;
    struct random random = random_seeded(21);
    run_open(&run, name, dims);
    struct param_set *params = run.model.checkpoint.params;
    double *direction = calloc(param_set_size(params), sizeof(*direction));
    assert_non_null(direction);
    gradients_clear(&run.gradients);
    forward(&run, true);
    for (int i = 0; i < DIRECTIONS; i++) {
        double inner = draw_direction(&run, direction, &random);
        move(params, direction, STEP);
        double above = forward(&run, false);
        move(params, direction, -2 * STEP);
        double below = forward(&run, false);
        move(params, direction, STEP);
        double difference = (above - below) / (2 * STEP);
        if (!(fabs(difference - inner) <= TOLERANCE * fmax(1, fabs(difference)))) {
            fail_msg("%s: backward says %.9g along a direction, differences %.9g", name, inner,
                     difference);
        }
    }
    free(direction);
    run_close(&run);
}

/*
 * Dimensions that every model accepts, and what else some have. Routing has one iteration here: the
 * shares of later ones are constants to backward, which differences cannot know.
 */
static const struct model_dims variants[] = {
    {.d = 8,
     .heads = 2,
     .blocks = 2,
     .ffn = 12,
     .interests = 3,
     .extract_heads = 2,
     .conditional = true,
     .use_category = true,
     .tags = true,
     .use_gap = true,
     .gap_buckets = 12,
     .induction_top = 2,
     .utilization = true,
     .steps = 0x23,
     .positions = true,
     .attention = 10,
     .window = 6,
     .iterations = 1,
     .mlp = 10,
     .half_life_days = 3,
     .prototypes = 5,
     .tau = 0.5f,
     .intent_cosine = true,
     .width = 5},
    {.d = 16,
     .heads = 1,
     .blocks = 1,
     .ffn = 8,
     .interests = 2,
     .extract_heads = 1,
     .induction_top = 1,
     .steps = 0x1,
     .attention = 7,
     .window = 50,
     .iterations = 1,
     .mlp = 9,
     .fixed_interests = true,
     .project = true,
     .prototypes = 20,
     .tau = 8,
     .width = 6},
};

enum { VARIANTS = sizeof(variants) / sizeof(variants[0]) };

static struct model_dims fitting(const struct interest_ops *ops, size_t variant)
{
    struct model_dims dims = variants[variant];
    if (ops->defaults.interests == 1) dims.interests = 1;
    if (ops->takes_profile && variant == 0) dims.profile_buckets = 7;
    if (ops->defaults.width && variant > 0) dims.extract_heads = 0;
    return dims;
}

static void every_model_gives_back_what_differences_say(void **state)
{
    (void)state;
    const struct interest_ops *ops = NULL;
    for (uint32_t i = 0; (ops = interest_ops_at(i)); i++) {
        for (size_t v = 0; ops->steps && v < VARIANTS; v++) {
            const struct model_dims dims = fitting(ops, v);
            check_model(ops->name, &dims);
        }
    }
}

/* ---- training and serving ---- */

static void assert_same(const char *name, const real *served, const real *trained, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (fabs(served[i] - trained[i]) <= 1e-9 * fmax(1, fabs(trained[i]))) continue;
        fail_msg("%s serves %.12g where training reads %.12g", name, served[i], trained[i]);
    }
}

/* Serves one user, event by event, beside what training read after each. */
static void serve_user(struct run *run, const struct interest_reads *reads, uint32_t user)
{
    const struct interest_model *model = run->model.model;
    const char *name = interest_model_name(model);
    const uint32_t d = model->dims.d, each = model->dims.interests * d, one[] = {0, 1};
    const size_t lines = interest_model_state_size(model) / ARENA_ALIGNMENT + 1;
    uint64_t absorbed = 0;
    uint32_t live;
    void *state = aligned_alloc(ARENA_ALIGNMENT, lines * ARENA_ALIGNMENT);
    real *vectors = calloc(each, sizeof(real)), *weights = calloc(each, sizeof(real));
    real *intent = calloc(d, sizeof(real));
    assert_true(state && vectors && weights && intent);
    interest_state_init(model, state);
    for (uint32_t event = offsets[user]; event < offsets[user + 1]; event++) {
        const struct behavior_batch batch = {run->behaviors + event, one, 1};
        struct interest_sets sets = {vectors, weights, &live, intent};
        interest_absorb(model, run->model.scratch, &state, &batch);
        absorbed++;
        interest_read(model, run->model.scratch, (const void *const *)&state, &absorbed,
                      run->profiles + event, 1, &sets);
        assert_int_equal(live, reads->live[event]);
        assert_same(name, vectors, reads->vectors->data + (size_t)event * each, live * d);
        if (reads->intent) assert_same(name, intent, reads->intent->data + (size_t)event * d, d);
    }
    free(intent);
    free(weights);
    free(vectors);
    free(state);
}

static void training_reads_what_is_served_after_each_event(void **state)
{
    (void)state;
    const struct interest_ops *ops = NULL;
    uint32_t events[EVENTS];
    for (uint32_t i = 0; i < EVENTS; i++) {
        events[i] = i;
    }
    for (uint32_t i = 0; (ops = interest_ops_at(i)); i++) {
        for (size_t v = 0; ops->steps && v < VARIANTS; v++) {
            struct model_dims dims = fitting(ops, v);
            struct run run;
            dims.iterations = 3;
            run_open(&run, ops->name, &dims);
            struct tape tape = tape_recording(&run.arena, &run.gradients);
            const struct read_points points = {events, EVENTS, run.profiles};
            const struct interest_reads reads =
                interest_steps(&tape, run.model.model, &run.batch, &points);
            for (uint32_t user = 0; user < USERS; user++) {
                serve_user(&run, &reads, user);
            }
            run_close(&run);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_model_gives_back_what_differences_say),
        cmocka_unit_test(training_reads_what_is_served_after_each_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

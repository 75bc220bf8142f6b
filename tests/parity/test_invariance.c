/*
 * test_invariance.c - the bytes of states and interests do not depend on batching, other users,
 * thread or processor.
 *
 * Each user is first folded alone, event by event, and read alone, by the narrower kernels. Then the
 * same users are folded again and again in polls cut at random: any number of events of any users
 * in any order, each poll by the kernels of one width or the other, states moved to other memory in
 * between as a snapshot does, the thread's rounding mode set to something else. Every byte must come
 * out the same. The heap is watched all the while.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <xmmintrin.h>
#include <cmocka.h>

#include "base/random.h"
#include "model/kernel/kernel_width.h"
#include "tests/parity/fixture.h"
#include "tests/parity/heap.h"

enum { USERS = 40, EVENTS_MAX = 120, TRIALS = 100 };

/* ---- the users ---- */

static const struct model_dims shapes[] = {
    {.d = 64,
     .heads = 4,
     .blocks = 2,
     .ffn = 128,
     .interests = 4,
     .extract_heads = 4,
     .conditional = true,
     .use_category = true,
     .use_gap = true,
     .gap_buckets = 32,
     .induction_top = 2,
     .utilization = true,
     .steps = 0x234,
     .positions = true,
     .attention = 256,
     .window = 50,
     .iterations = 3,
     .mlp = 256,
     .project = true,
     .prototypes = 256,
     .tau = 0.1f,
     .width = 128},
    {.d = 30,
     .heads = 3,
     .blocks = 1,
     .ffn = 41,
     .interests = 3,
     .extract_heads = 1,
     .use_gap = true,
     .gap_buckets = 8,
     .cosine = true,
     .temperature = 0.1f,
     .induction_top = 3,
     .steps = 0x1,
     .positions = true,
     .attention = 9,
     .window = 7,
     .iterations = 2,
     .fixed_interests = true,
     .mlp = 33,
     .half_life_days = 3,
     .prototypes = 5,
     .tau = 0.1f,
     .intent_cosine = true,
     .width = 21},
    {.d = 24,
     .blocks = 0,
     .interests = 7,
     .extract_heads = 2,
     .conditional = true,
     .use_category = true,
     .tags = true,
     .induction_top = 1,
     .utilization = true,
     .steps = 0x2,
     .attention = 33,
     .window = 1,
     .iterations = 1,
     .mlp = 16,
     .half_life_days = 0.5f,
     .project = true,
     .prototypes = 5000,
     .tau = 1,
     .width = 8},
};

enum { SHAPES = sizeof(shapes) / sizeof(shapes[0]) };

/*
 * A shape with as many interests as the model can have, in the last of which it selects if it can.
 */
static struct model_dims fitting(const struct interest_ops *ops, uint32_t shape)
{
    struct model_dims dims = shapes[shape];
    if (ops->defaults.interests == 1) dims.interests = 1;
    if (ops->takes_profile && shape != 1) dims.profile_buckets = 20;
    if (ops->defaults.entries) {
        dims = ops->defaults;
        dims.d = shapes[shape].d;
        dims.interests = shapes[shape].interests;
    }
    if (ops->defaults.width) {
        if (shape == 1) dims.extract_heads = 0;
        if (dims.blocks == 0) dims.blocks = dims.ffn = 1;
    }
    if (shape + 1 == SHAPES && ops->selectable) {
        dims.select = true;
        dims.evidence_min = 0.9f;
        dims.residual_min = 0.3f;
    }
    return dims;
}

struct world {
    struct fixture_model model;
    struct random random;
    uint64_t seed;
    size_t state_size, set_size; /* bytes of a state, of a user's vectors */
    uint32_t length[USERS];
    struct behavior history[USERS][EVENTS_MAX];
    struct user_profile profiles[USERS];
    unsigned char *alone[USERS]; /* the states of users folded alone */
    unsigned char *states[USERS], *spare[USERS];
    real *vectors_alone, *weights_alone, *intent_alone;
    struct interest_sets sets;
};

static void *take(size_t size)
{
    void *at = aligned_alloc(ARENA_ALIGNMENT, (size + ARENA_ALIGNMENT) / 64 * 64);
    assert_non_null(at);
    memset(at, 0, size);
    return at;
}

static void world_open(struct world *world, const char *name, const struct model_dims *dims,
                       uint64_t seed)
{
    const uint32_t lists = dims->tags ? RANDOM_LISTS : 0;
    world->seed = seed;
    world->random = random_seeded(seed);
    random_model_open(&world->model, name, dims, seed);
    world->state_size = interest_model_state_size(world->model.model);
    world->set_size = sizeof(real) * dims->interests * dims->d;
    for (uint32_t user = 0; user < USERS; user++) {
        world->length[user] = (uint32_t)random_below(&world->random, EVENTS_MAX + 1);
        for (uint32_t i = 0; i < 4; i++) {
            world->profiles[user].hash[i] = random_below(&world->random, 3);
        }
        world->alone[user] = take(world->state_size);
        world->states[user] = take(world->state_size);
        world->spare[user] = take(world->state_size);
        for (uint32_t i = 0; i < world->length[user]; i++) {
            world->history[user][i] = (struct behavior){
                .item = 1 + (uint32_t)random_below(&world->random, RANDOM_ITEMS + 1),
                .category = (uint32_t)random_below(&world->random, RANDOM_CATEGORIES + 1 + lists),
                .gap_s = (int64_t)random_below(&world->random, 1000000) - 1,
                .ordinal = i,
            };
        }
    }
    world->vectors_alone = take(USERS * world->set_size);
    world->weights_alone = take(USERS * dims->interests * sizeof(real));
    world->sets.vectors = take(USERS * world->set_size);
    world->sets.weights = take(USERS * dims->interests * sizeof(real));
    world->sets.count = take(USERS * sizeof(uint32_t));
    world->intent_alone = take(USERS * dims->d * sizeof(real));
    world->sets.intent = take(USERS * dims->d * sizeof(real));
}

static void world_close(struct world *world)
{
    for (uint32_t user = 0; user < USERS; user++) {
        free(world->alone[user]);
        free(world->states[user]);
        free(world->spare[user]);
    }
    free(world->vectors_alone);
    free(world->weights_alone);
    free(world->sets.vectors);
    free(world->sets.weights);
    free(world->sets.count);
    free(world->intent_alone);
    free(world->sets.intent);
    fixture_model_close(&world->model);
}

static void use_width(uint32_t bits)
{
    struct error error;
    assert_int_equal(kernel_width_choose(bits, &error), STATUS_OK);
}

/* 0, the widest, is the same on a processor without AVX-512. */
static void use_random_width(struct world *world)
{
    use_width(random_below(&world->random, 2) ? 256 : 0);
}

/* Folds and reads every user alone, one event a call. */
static void fold_alone(struct world *world)
{
    use_width(256);
    const uint32_t interests = interest_model_count(world->model.model);
    const uint32_t offsets[] = {0, 1};
    for (uint32_t user = 0; user < USERS; user++) {
        void *state = world->alone[user];
        interest_state_init(world->model.model, state);
        for (uint32_t i = 0; i < world->length[user]; i++) {
            struct behavior_batch batch = {&world->history[user][i], offsets, 1};
            interest_absorb(world->model.model, world->model.scratch, &state, &batch);
        }
        uint32_t count = 0;
        uint64_t events = world->length[user];
        struct interest_sets set = {
            (real *)(void *)((char *)world->vectors_alone + user * world->set_size),
            world->weights_alone + user * interests, &count,
            world->intent_alone + user * interest_model_width(world->model.model)};
        const void *read_state = state;
        interest_read(world->model.model, world->model.scratch, &read_state, &events,
                      &world->profiles[user], 1, &set);
    }
}

static void shuffle(struct world *world, uint32_t *order)
{
    for (uint32_t i = 0; i < USERS; i++) {
        order[i] = i;
    }
    for (uint32_t i = USERS; i > 1; i--) {
        uint32_t j = (uint32_t)random_below(&world->random, i);
        uint32_t swapped = order[i - 1];
        order[i - 1] = order[j];
        order[j] = swapped;
    }
}

/* A rounding mode that is not the default, as another library might leave it. */
static void disturb_float_mode(struct world *world)
{
    static const unsigned rounding[] = {0x0000, 0x2000, 0x4000, 0x6000};
    _mm_setcsr(0x1F80 | rounding[random_below(&world->random, 4)] |
               (random_below(&world->random, 2) ? 0x8040 : 0));
}

/* One poll: some users in some order, of each the next few events that it has, or none. */
static void absorb_random_poll(struct world *world, uint32_t *done, uint32_t events_max)
{
    static struct behavior at[USERS * EVENTS_MAX];
    uint32_t offsets[USERS + 1] = {0}, order[USERS];
    void *states[USERS];
    const uint32_t users = 1 + (uint32_t)random_below(&world->random, USERS);
    shuffle(world, order);
    for (uint32_t i = 0; i < users; i++) {
        uint32_t user = order[i], left = world->length[user] - done[user];
        uint32_t some = (uint32_t)random_below(&world->random, events_max + 1);
        some = some < left ? some : left;
        memcpy(at + offsets[i], world->history[user] + done[user], some * sizeof(*at));
        done[user] += some;
        offsets[i + 1] = offsets[i] + some;
        if (random_below(&world->random, 8) == 0) {
            unsigned char *moved = world->spare[user];
            memcpy(moved, world->states[user], world->state_size);
            world->spare[user] = world->states[user];
            world->states[user] = moved;
        }
        states[i] = world->states[user];
    }
    struct behavior_batch batch = {at, offsets, users};
    use_random_width(world);
    unsigned before = allocations;
    interest_absorb(world->model.model, world->model.scratch, states, &batch);
    assert_int_equal(allocations, before);
}

static void compare_states(struct world *world)
{
    for (uint32_t user = 0; user < USERS; user++) {
        if (memcmp(world->states[user], world->alone[user], world->state_size) != 0) {
            fail_msg("seed %llu: user %u has another state in a batch than alone",
                     (unsigned long long)world->seed, user);
        }
    }
}

/* Reads a random part of the users in a random order, all in one call. */
static void compare_reads(struct world *world)
{
    const uint32_t interests = interest_model_count(world->model.model);
    const uint32_t users = 1 + (uint32_t)random_below(&world->random, USERS);
    uint32_t order[USERS];
    const void *states[USERS];
    uint64_t events[USERS];
    struct user_profile profiles[USERS];
    shuffle(world, order);
    for (uint32_t i = 0; i < users; i++) {
        states[i] = world->states[order[i]];
        events[i] = world->length[order[i]];
        profiles[i] = world->profiles[order[i]];
    }
    use_random_width(world);
    unsigned before = allocations;
    interest_read(world->model.model, world->model.scratch, states, events, profiles, users,
                  &world->sets);
    assert_int_equal(allocations, before);
    const size_t d = interest_model_width(world->model.model);
    for (uint32_t i = 0; i < users; i++) {
        const char *vectors = (const char *)world->sets.vectors + i * world->set_size;
        const char *alone = (const char *)world->vectors_alone + order[i] * world->set_size;
        if (memcmp(vectors, alone, world->set_size) != 0 ||
            memcmp(world->sets.weights + i * interests, world->weights_alone + order[i] * interests,
                   interests * sizeof(real)) != 0 ||
            memcmp(world->sets.intent + i * d, world->intent_alone + order[i] * d,
                   d * sizeof(real)) != 0) {
            fail_msg("seed %llu: user %u reads otherwise in a batch than alone",
                     (unsigned long long)world->seed, order[i]);
        }
    }
}

static void fold_in_random_polls(struct world *world)
{
    const uint32_t events_max = 1 + (uint32_t)random_below(&world->random, EVENTS_MAX);
    uint32_t done[USERS] = {0};
    for (uint32_t user = 0; user < USERS; user++) {
        interest_state_init(world->model.model, world->states[user]);
    }
    for (bool left = true; left;) {
        disturb_float_mode(world);
        absorb_random_poll(world, done, events_max);
        left = false;
        for (uint32_t user = 0; user < USERS; user++) {
            left = left || done[user] < world->length[user];
        }
    }
    compare_states(world);
    compare_reads(world);
    _mm_setcsr(0x1F80);
}

static void folds_to_the_same_bytes_however_polls_are_cut(void **state)
{
    (void)state;
    static struct world world;
    const struct interest_ops *ops = NULL;
    for (uint32_t i = 0; (ops = interest_ops_at(i)); i++) {
        for (uint32_t shape = 0; shape < SHAPES; shape++) {
            const struct model_dims dims = fitting(ops, shape);
            world_open(&world, ops->name, &dims, 1 + shape);
            fold_alone(&world);
            for (uint32_t trial = 0; trial < TRIALS; trial++) {
                fold_in_random_polls(&world);
            }
            world_close(&world);
        }
    }
}

static void weights_sum_to_one_over_the_live_interests(void **state)
{
    (void)state;
    static struct world world;
    const struct interest_ops *ops = NULL;
    for (uint32_t i = 0; (ops = interest_ops_at(i)); i++) {
        const struct model_dims dims = fitting(ops, 0);
        world_open(&world, ops->name, &dims, 9);
        fold_alone(&world);
        for (uint32_t user = 0; user < USERS; user++) {
            real sum = 0;
            for (uint32_t k = 0; k < dims.interests; k++) {
                sum += world.weights_alone[user * dims.interests + k];
            }
            assert_float_equal(sum, world.length[user] > 0 ? 1 : 0, 1e-6);
        }
        world_close(&world);
    }
}

static void the_state_fingerprint_ignores_what_only_reading_uses(void **state)
{
    (void)state;
    struct fixture_model model;
    struct interest_model *changed = NULL;
    struct error error;
    random_model_open(&model, "limarec", &shapes[0], 3);
    const uint64_t before = interest_model_state_fingerprint(model.model);
    const struct {
        const char *param;
        bool state_producing;
    } cases[] = {
        {"extract.query", false}, {"extract.mix.weight", false}, {"extract.key.weight", true}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        param_set_find(model.checkpoint.params, cases[i].param)->data[0] += 1;
        assert_int_equal(interest_model_open(&changed, &model.checkpoint, &error), STATUS_OK);
        assert_int_equal(interest_model_state_fingerprint(changed) != before,
                         cases[i].state_producing);
        interest_model_close(changed);
    }
    fixture_model_close(&model);
}

/* Rows are what it keeps, so the dictionary counts and no parameter does. */
static void no_parameter_makes_a_window_of_behaviors_stale(void **state)
{
    (void)state;
    struct fixture_model model;
    struct interest_model *changed = NULL;
    struct error error;
    random_model_open(&model, "mind", &shapes[0], 3);
    const uint64_t before = interest_model_state_fingerprint(model.model);
    for (uint32_t i = 0; i < param_set_count(model.checkpoint.params); i++) {
        param_set_at(model.checkpoint.params, i)->data[0] += 1;
    }
    assert_int_equal(interest_model_open(&changed, &model.checkpoint, &error), STATUS_OK);
    assert_int_equal(interest_model_state_fingerprint(changed), before);
    interest_model_close(changed);
    model.checkpoint.dims.window++;
    assert_int_equal(interest_model_open(&changed, &model.checkpoint, &error), STATUS_OK);
    assert_int_not_equal(interest_model_state_fingerprint(changed), before);
    interest_model_close(changed);
    fixture_model_close(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folds_to_the_same_bytes_however_polls_are_cut),
        cmocka_unit_test(weights_sum_to_one_over_the_live_interests),
        cmocka_unit_test(the_state_fingerprint_ignores_what_only_reading_uses),
        cmocka_unit_test(no_parameter_makes_a_window_of_behaviors_stale),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_model_ops.c - every op beyond op.h: activations, memories, recurrences, pooling, routing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "model/tensor/op_activation.h"
#include "model/tensor/op_delta.h"
#include "model/tensor/op_memory.h"
#include "model/tensor/op_mixture.h"
#include "model/tensor/op_penalty.h"
#include "model/tensor/op_pool.h"
#include "model/tensor/op_profile.h"
#include "model/tensor/op_recurrent.h"
#include "model/tensor/op_routing.h"
#include "model/tensor/op_ring.h"
#include "model/tensor/op_rows.h"
#include "model/tensor/op_window.h"
#include "model/tensor/op_softmax_pool.h"
#include "model/tensor/op_mixture.h"
#include "tests/gradient/op_check.h"

/* Three users, the second without events; with gaps and without. */
static const struct behavior behaviors[] = {
    {.gap_s = -1, .ordinal = 4},    {.gap_s = 90000, .ordinal = 5}, {.gap_s = 0, .ordinal = 6},
    {.gap_s = 86400, .ordinal = 7}, {.gap_s = -1, .ordinal = 0},    {.gap_s = 5000, .ordinal = 1},
};
static const uint32_t offsets[] = {0, 4, 4, 6};
static const struct behavior_batch batch = {behaviors, offsets, 3};
enum { EVENTS = 6 };

#define RUN(name)                                                                                  \
    static struct tensor *name(struct tape *tape, struct tensor *const *x,                         \
                               const struct param *const *p)

RUN(run_sigmoid)
{
    (void)p;
    return op_sigmoid(tape, x[0]);
}

RUN(run_tanh)
{
    (void)p;
    return op_tanh(tape, x[0]);
}

RUN(run_gelu)
{
    (void)p;
    return op_gelu(tape, x[0]);
}

RUN(run_gate)
{
    (void)p;
    return op_gate(tape, x[0], x[1]);
}

RUN(run_unit_silu)
{
    (void)p;
    return op_unit_silu(tape, x[0], 6, 3);
}

RUN(run_unit_expf)
{
    (void)p;
    return op_unit_expf(tape, x[0], 6, 3);
}

RUN(run_rms)
{
    (void)p;
    return op_rms(tape, x[0], 4);
}

RUN(run_scale)
{
    return op_scale(tape, x[0], p[0]);
}

RUN(run_delta_gates)
{
    static struct delta_memory memory;
    memory = (struct delta_memory){.heads = 2, .width = 3, .decay = p[0]};
    return op_delta_gates(tape, &memory, x[0], x[1], &batch);
}

RUN(run_delta)
{
    static const struct delta_memory memory = {.heads = 2, .width = 3};
    (void)p;
    return op_delta(tape, &memory, x[0], x[1], NULL, &batch);
}

/* A sequence longer than what backward keeps at once. */
RUN(run_long_delta)
{
    static const struct delta_memory memory = {.heads = 1, .width = 16};
    static struct behavior at[37];
    static const uint32_t ends[] = {0, 2, 37};
    static const struct behavior_batch sequences = {at, ends, 2};
    (void)p;
    return op_delta(tape, &memory, x[0], x[1], NULL, &sequences);
}

/* Some events are read by two queries, some by none. */
RUN(run_delta_steps)
{
    static const struct delta_memory memory = {.heads = 2, .width = 3};
    static const uint32_t points[] = {1, 3, 4};
    (void)p;
    return op_delta_steps(tape, &memory, x[0], x[1], x[2], points, &batch);
}

/* A unit that is not packed: a recording tape multiplies with the parameters. */
static struct gru *gru_on(const struct param *const *p)
{
    static struct gru gru;
    gru = (struct gru){.in = 4, .n = 3, .gates = *p[2], .candidate = *p[2]};
    gru.gates.spec.shape[0] = 6;
    gru.gates.count = 18;
    gru.candidate.spec.shape[0] = 3;
    gru.candidate.count = 9;
    gru.candidate.data += 18;
    gru.input = (struct linear){.parts = {p[0]}, .bias = p[1], .in = 4, .out = 9};
    gru.gates_recurrent = (struct linear){.parts = {&gru.gates}, .in = 3, .out = 6};
    gru.candidate_recurrent = (struct linear){.parts = {&gru.candidate}, .in = 3, .out = 3};
    return &gru;
}

RUN(run_gru)
{
    return op_gru(tape, gru_on(p), x[0], x[1]);
}

/* Three sequences, of 3, 2 and 1 steps. */
RUN(run_gru_waves)
{
    static const uint32_t sizes[] = {3, 2, 1};
    static const struct waves waves = {sizes, 3};
    return op_gru_waves(tape, gru_on(p), x[0], x[1], &waves);
}

RUN(run_offdiag)
{
    (void)p;
    return op_offdiag(tape, x[0], 3);
}

RUN(run_strength)
{
    (void)p;
    return op_strength(tape, x[0]);
}

RUN(run_address)
{
    return op_address(tape, x[0], x[1], p[0], x[2]);
}

RUN(run_balance)
{
    (void)p;
    return op_balance(tape, x[0], x[1]);
}

RUN(run_memory_read)
{
    (void)p;
    return op_memory_read(tape, x[0], x[1]);
}

RUN(run_memory_write)
{
    (void)p;
    return op_memory_write(tape, x[0], x[1], x[2], x[3]);
}

RUN(run_running_mean)
{
    static const real count[] = {1, 7};
    (void)p;
    return op_running_mean(tape, x[0], x[1], count);
}

RUN(run_unevenness)
{
    (void)p;
    return op_unevenness(tape, x[0]);
}

RUN(run_concat)
{
    (void)p;
    return op_concat(tape, x[0], x[1]);
}

/* Of five rows two are known by features, some of which share a row, one by nothing. */
RUN(run_profile)
{
    static const struct user_profile profiles[5] = {{{1, 2, 3, 4}}, {{0}}, {{5, 0, 5}}};
    tape->profiles = profiles;
    (void)x;
    return op_profile(tape, p[0], 5);
}

RUN(run_replace_rows)
{
    static const uint32_t rows[] = {3, 1};
    (void)p;
    return op_replace_rows(tape, x[0], x[1], rows);
}

RUN(run_place_rows)
{
    static const uint32_t first[] = {2, 0}, second[] = {1};
    struct tensor *into = tape_tensor(tape, 3, 4);
    (void)p;
    op_place_rows(tape, into, x[0], first);
    op_place_rows(tape, into, x[1], second);
    return into;
}

RUN(run_pool_steps)
{
    static const struct pool pool = {.width = 3, .half_life_days = 2};
    static const uint32_t points[] = {0, 1, 3, 5};
    (void)p;
    return op_pool_steps(tape, &pool, x[0], points, 4, &batch);
}

/* A ring that is not opened: a recording tape makes the factors of the parameters. */
RUN(run_ring)
{
    static struct ring ring;
    ring = (struct ring){.decay = p[0], .phase = p[1], .gain = p[2]};
    return op_ring(tape, &ring, x[0], NULL, &batch);
}

RUN(run_likeness)
{
    (void)x;
    return op_likeness(tape, p[0]);
}

RUN(run_skewness)
{
    (void)x;
    return op_skewness(tape, p[0]);
}

/* Every event into both pools. */
RUN(run_softmax_pool)
{
    static const struct softmax_pools pools = {.pools = 2, .width = 3};
    static const uint32_t points[] = {0, 1, 3, 5};
    (void)p;
    return op_softmax_pool_steps(tape, &pools, x[0], x[1], NULL, points, 4, &batch);
}

/* Every event into one pool of three, one of which stays empty. */
RUN(run_softmax_pool_of_choice)
{
    static const struct softmax_pools pools = {.pools = 3, .width = 3};
    static const uint32_t points[] = {1, 2, 3, 4}, chosen[] = {0, 2, 0, 0, 2, 2};
    (void)p;
    return op_softmax_pool_steps(tape, &pools, x[0], x[1], chosen, points, 4, &batch);
}

/*
 * Two windows that overlap and one that is empty. Shares after the first iteration are constants to
 * backward, which differences cannot know; those of one iteration, or of one interest, are.
 */
static struct tensor *route(struct tape *tape, struct tensor *projected, uint32_t iterations,
                            uint32_t most)
{
    static const uint32_t first[] = {0, 1, 4}, end[] = {3, 6, 4};
    static real start[] = {1, 0, 2, -1, 3, 0.5, 0, 0, -2, 1, 1, 1};
    static const struct param init = {.spec = {.rank = 2, .shape = {4, 3}}, .data = start};
    static struct routing routing;
    static struct windows windows;
    static uint32_t live[3];
    live[0] = most > 2 ? 2 : most;
    live[1] = most;
    live[2] = 0;
    routing = (struct routing){&init, 3, false, iterations};
    windows = (struct windows){behaviors, first, end, live, 3};
    return op_route(tape, &routing, projected, &windows, NULL);
}

RUN(run_route)
{
    (void)p;
    return route(tape, x[0], 1, 3);
}

RUN(run_route_to_one)
{
    (void)p;
    return route(tape, x[0], 3, 1);
}

/* Each interest has a vector of its own of every event, and none has a leaning. */
RUN(run_route_own)
{
    static const uint32_t first[] = {0, 1}, end[] = {3, 6}, live[] = {2, 2};
    static const struct routing routing = {NULL, 2, true, 1};
    static const struct windows windows = {behaviors, first, end, live, 2};
    (void)p;
    return op_route(tape, &routing, x[0], &windows, NULL);
}

/* Windows of 3, 5 and no events, of which some are in two. */
static const struct window_cells *cells_on(struct tape *tape)
{
    static const uint32_t first[] = {0, 1, 4}, end[] = {3, 6, 4};
    static const struct windows windows = {behaviors, first, end, NULL, 3};
    return window_cells_of(tape, &windows);
}

enum { CELLS = 8 };

RUN(run_window_rows)
{
    (void)p;
    return op_window_rows(tape, x[0], cells_on(tape));
}

RUN(run_add_rows)
{
    (void)p;
    return op_add_rows(tape, x[0], x[1], cells_on(tape)->age);
}

RUN(run_softmax_steps)
{
    (void)p;
    return op_softmax_steps(tape, x[0], cells_on(tape));
}

RUN(run_window_sums)
{
    const struct window_cells *cells = cells_on(tape);
    (void)p;
    return op_window_sums(tape, x[0], x[1], cells->event, cells);
}

RUN(run_window_sums_of_cells)
{
    (void)p;
    return op_window_sums(tape, x[0], x[1], NULL, cells_on(tape));
}

RUN(run_softmax)
{
    (void)p;
    return op_softmax(tape, x[0]);
}

RUN(run_unit)
{
    (void)p;
    return op_unit(tape, x[0]);
}

RUN(run_multiply)
{
    (void)p;
    return op_multiply(tape, x[0], x[1]);
}

/* Windows of two cells, of none and of three. */
static const struct window_cells *cells_of_three(void)
{
    static const uint32_t ends[] = {0, 2, 2, 5};
    static const struct window_cells cells = {.offsets = ends, .windows = 3};
    return &cells;
}

RUN(run_window_mix)
{
    (void)p;
    return op_window_mix(tape, x[0], x[1], cells_of_three());
}

RUN(run_window_agree)
{
    (void)p;
    return op_window_agree(tape, x[0], x[1], 0.7, cells_of_three());
}

RUN(run_row_dots)
{
    return op_row_dots(tape, x[0], p[0]);
}

RUN(run_gated_rows)
{
    static const uint32_t chosen[] = {2, 0, 2, 3};
    return op_gated_rows(tape, x[0], p[0], chosen, 2);
}

#define VECTOR(n)                                                                                  \
    {                                                                                              \
        .init = PARAM_ZEROS, .rank = 1, .shape = { n }                                             \
    }
#define MATRIX(rows, n)                                                                            \
    {                                                                                              \
        .init = PARAM_GLOROT, .rank = 2, .shape = { rows, n }                                      \
    }

static const struct op_case cases[] = {
    {"op_sigmoid", {{3, 5}}, {{0}}, run_sigmoid},
    {"op_tanh", {{3, 5}}, {{0}}, run_tanh},
    {"op_gelu", {{3, 5}}, {{0}}, run_gelu},
    {"op_gate", {{3, 5}, {3, 5}}, {{0}}, run_gate},
    {"op_unit_silu", {{2, 8}}, {{0}}, run_unit_silu},
    {"op_unit_expf", {{2, 8}}, {{0}}, run_unit_expf},
    {"op_rms", {{2, 8}}, {{0}}, run_rms},
    {"op_scale", {{3, 5}}, {VECTOR(5)}, run_scale},
    {"op_delta_gates", {{EVENTS, 2}, {EVENTS, 2}}, {VECTOR(2)}, run_delta_gates},
    {"op_delta", {{EVENTS, 18}, {EVENTS, 4}}, {{0}}, run_delta},
    {"op_delta of 35 events", {{37, 48}, {37, 2}}, {{0}}, run_long_delta},
    {"op_delta_steps", {{3, 12}, {EVENTS, 12}, {EVENTS, 4}}, {{0}}, run_delta_steps},
    {"op_gru", {{2, 4}, {2, 3}}, {MATRIX(9, 4), VECTOR(9), MATRIX(9, 3)}, run_gru},
    {"op_gru_waves", {{6, 4}, {3, 3}}, {MATRIX(9, 4), VECTOR(9), MATRIX(9, 3)}, run_gru_waves},
    {"op_offdiag", {{6, 5}}, {{0}}, run_offdiag},
    {"op_strength", {{4, 1}}, {{0}}, run_strength},
    {"op_address", {{2, 5}, {2, 1}, {6, 5}}, {MATRIX(3, 5)}, run_address},
    {"op_balance", {{2, 3}, {2, 9}}, {{0}}, run_balance},
    {"op_memory_read", {{2, 3}, {6, 5}}, {{0}}, run_memory_read},
    {"op_memory_write", {{6, 5}, {2, 3}, {2, 5}, {2, 5}}, {{0}}, run_memory_write},
    {"op_running_mean", {{2, 3}, {2, 3}}, {{0}}, run_running_mean},
    {"op_unevenness", {{2, 5}}, {{0}}, run_unevenness},
    {"op_concat", {{2, 3}, {2, 4}}, {{0}}, run_concat},
    {"op_concat of one row to three", {{6, 3}, {2, 4}}, {{0}}, run_concat},
    {"op_profile", {{0}}, {{.init = PARAM_TABLE, .rank = 2, .shape = {4, 3}}}, run_profile},
    {"op_replace_rows", {{4, 3}, {2, 3}}, {{0}}, run_replace_rows},
    {"op_place_rows", {{2, 4}, {1, 4}}, {{0}}, run_place_rows},
    {"op_pool_steps", {{EVENTS, 3}}, {{0}}, run_pool_steps},
    {"op_softmax_pool_steps", {{EVENTS, 3}, {EVENTS, 2}}, {{0}}, run_softmax_pool},
    {"op_softmax_pool_steps of chosen pools",
     {{EVENTS, 3}, {EVENTS, 3}},
     {{0}},
     run_softmax_pool_of_choice},
    {"op_softmax", {{3, 5}}, {{0}}, run_softmax},
    {"op_unit", {{3, 5}}, {{0}}, run_unit},
    {"op_multiply", {{3, 5}, {3, 5}}, {{0}}, run_multiply},
    {"op_window_mix", {{5, 2}, {6, 3}}, {{0}}, run_window_mix},
    {"op_window_agree", {{5, 3}, {6, 3}}, {{0}}, run_window_agree},
    {"op_row_dots", {{3, 8}}, {MATRIX(2, 4)}, run_row_dots},
    {"op_gated_rows", {{2, 4}}, {MATRIX(4, 3)}, run_gated_rows},
    {"op_ring", {{EVENTS, 6}}, {VECTOR(3), VECTOR(3), VECTOR(3)}, run_ring},
    {"op_likeness", {{0}}, {MATRIX(3, 5)}, run_likeness},
    {"op_likeness of more rows than columns", {{0}}, {MATRIX(7, 4)}, run_likeness},
    {"op_skewness", {{0}}, {MATRIX(3, 5)}, run_skewness},
    {"op_route", {{EVENTS, 4}}, {{0}}, run_route},
    {"op_route to one interest", {{EVENTS, 4}}, {{0}}, run_route_to_one},
    {"op_route with own vectors", {{EVENTS, 6}}, {{0}}, run_route_own},
    {"op_window_rows", {{EVENTS, 3}}, {{0}}, run_window_rows},
    {"op_add_rows", {{CELLS, 3}, {5, 3}}, {{0}}, run_add_rows},
    {"op_softmax_steps", {{CELLS, 3}}, {{0}}, run_softmax_steps},
    {"op_window_sums", {{CELLS, 2}, {EVENTS, 3}}, {{0}}, run_window_sums},
    {"op_window_sums of cells", {{CELLS, 2}, {CELLS, 3}}, {{0}}, run_window_sums_of_cells},
};

static void every_op_gives_back_what_differences_say(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        check_op(&cases[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_op_gives_back_what_differences_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_ops.c - every op of op.h that has a gradient. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "model/tensor/op.h"
#include "tests/gradient/op_check.h"

/* Three users, the second without events; with gaps, a repeated item, and rows that are none. */
static const struct behavior behaviors[] = {
    {.item = 3, .category = 1, .gap_s = -1}, {.item = 1, .category = 0, .gap_s = 0},
    {.item = 3, .category = 2, .gap_s = 5},  {.item = 2, .category = 1, .gap_s = -1},
    {.item = 4, .category = 2, .gap_s = 99},
};
static const uint32_t offsets[] = {0, 3, 3, 5};
static const struct behavior_batch batch = {behaviors, offsets, 3};
enum { EVENTS = 5 };

static struct tensor *run_embed(struct tape *tape, struct tensor *const *x,
                                const struct param *const *p)
{
    static struct embedding_tables tables;
    tables = (struct embedding_tables){.item = p[0], .category = p[1], .gap = p[2], .width = 3};
    (void)x;
    return op_embed(tape, &tables, &batch);
}

/* A layer that is not packed: a recording tape multiplies with the parameters. */
static struct tensor *run_linear(struct tape *tape, struct tensor *const *x,
                                 const struct param *const *p)
{
    static struct linear linear;
    linear = (struct linear){.parts = {p[0], p[1], p[2]}, .bias = p[3], .in = 4, .out = 9};
    return op_linear(tape, &linear, x[0]);
}

static struct tensor *run_linear_of_rank_3(struct tape *tape, struct tensor *const *x,
                                           const struct param *const *p)
{
    static struct linear linear;
    linear = (struct linear){.parts = {p[0]}, .in = 4, .out = 6};
    return op_linear(tape, &linear, x[0]);
}

static struct tensor *run_layer_norm(struct tape *tape, struct tensor *const *x,
                                     const struct param *const *p)
{
    return op_layer_norm(tape, x[0], p[0], p[1]);
}

static struct tensor *run_elu1(struct tape *tape, struct tensor *const *x,
                               const struct param *const *p)
{
    (void)p;
    return op_elu1(tape, x[0], 4);
}

static struct tensor *run_relu(struct tape *tape, struct tensor *const *x,
                               const struct param *const *p)
{
    (void)p;
    return op_relu(tape, x[0]);
}

static struct tensor *run_add(struct tape *tape, struct tensor *const *x,
                              const struct param *const *p)
{
    (void)p;
    return op_add(tape, x[0], x[1]);
}

static struct tensor *run_add_to_itself(struct tape *tape, struct tensor *const *x,
                                        const struct param *const *p)
{
    (void)p;
    return op_add(tape, x[0], x[0]);
}

static struct tensor *run_add_repeated(struct tape *tape, struct tensor *const *x,
                                       const struct param *const *p)
{
    (void)p;
    return op_add_repeated(tape, x[0], x[1]);
}

static struct tensor *run_repeat(struct tape *tape, struct tensor *const *x,
                                 const struct param *const *p)
{
    (void)x;
    return op_repeat(tape, p[0], 3);
}

static struct tensor *run_reshape(struct tape *tape, struct tensor *const *x,
                                  const struct param *const *p)
{
    (void)p;
    return op_reshape(tape, x[0], 6, 2);
}

static struct tensor *run_rows(struct tape *tape, struct tensor *const *x,
                               const struct param *const *p)
{
    static const uint32_t rows[] = {2, 0, 2};
    (void)p;
    return op_rows(tape, x[0], rows, 3);
}

static struct tensor *run_dropout(struct tape *tape, struct tensor *const *x,
                                  const struct param *const *p)
{
    (void)p;
    return op_dropout(tape, x[0]);
}

static struct tensor *run_attention(struct tape *tape, struct tensor *const *x,
                                    const struct param *const *p)
{
    static const struct attention_sums sums = {.heads = 2, .width = 3};
    (void)p;
    return op_attention(tape, &sums, x[0], NULL, &batch);
}

static struct tensor *run_wide_attention(struct tape *tape, struct tensor *const *x,
                                         const struct param *const *p)
{
    static const struct attention_sums sums = {.heads = 1, .width = 16};
    (void)p;
    return op_attention(tape, &sums, x[0], NULL, &batch);
}

/* Some events are read by two queries, some by none. */
static struct tensor *run_attention_steps(struct tape *tape, struct tensor *const *x,
                                          const struct param *const *p)
{
    static const struct attention_sums sums = {.heads = 2, .width = 5};
    static const uint32_t points[] = {1, 2, 3};
    (void)p;
    return op_attention_steps(tape, &sums, x[0], x[1], points, &batch);
}

#define VECTOR(n)                                                                                  \
    {                                                                                              \
        .init = PARAM_ZEROS, .rank = 1, .shape = { n }                                             \
    }
#define MATRIX(rows, n)                                                                            \
    {                                                                                              \
        .init = PARAM_GLOROT, .rank = 2, .shape = { rows, n }                                      \
    }
#define TABLE(rows, n)                                                                             \
    {                                                                                              \
        .init = PARAM_TABLE, .rank = 2, .shape = { rows, n }                                       \
    }

/* More queries than are read in one walk. */
static struct tensor *run_five_queries(struct tape *tape, struct tensor *const *x,
                                       const struct param *const *p)
{
    static const struct attention_sums sums = {.heads = 1, .width = 16};
    static const uint32_t points[] = {0, 2, 4};
    (void)p;
    return op_attention_steps(tape, &sums, x[0], x[1], points, &batch);
}

static const struct op_case cases[] = {
    {"op_embed", {{0}}, {TABLE(6, 3), TABLE(3, 3), TABLE(4, 3)}, run_embed},
    {"op_linear", {{5, 4}}, {MATRIX(2, 4), MATRIX(3, 4), MATRIX(4, 4), VECTOR(9)}, run_linear},
    {"op_linear of rank 3",
     {{5, 4}},
     {{.init = PARAM_GLOROT, .rank = 3, .shape = {2, 3, 4}}},
     run_linear_of_rank_3},
    {"op_layer_norm", {{3, 11}}, {VECTOR(11), VECTOR(11)}, run_layer_norm},
    {"op_elu1", {{3, 5}}, {{0}}, run_elu1},
    {"op_relu", {{3, 5}}, {{0}}, run_relu},
    {"op_add", {{3, 5}, {3, 5}}, {{0}}, run_add},
    {"op_add to itself", {{3, 5}}, {{0}}, run_add_to_itself},
    {"op_add_repeated", {{6, 4}, {2, 4}}, {{0}}, run_add_repeated},
    {"op_repeat", {{0}}, {MATRIX(2, 3)}, run_repeat},
    {"op_reshape", {{3, 4}}, {{0}}, run_reshape},
    {"op_rows", {{3, 4}}, {{0}}, run_rows},
    {"op_dropout", {{7, 5}}, {{0}}, run_dropout},
    {"op_attention", {{EVENTS, 18}}, {{0}}, run_attention},
    {"op_attention of width 16", {{EVENTS, 48}}, {{0}}, run_wide_attention},
    {"op_attention_steps", {{3, 20}, {EVENTS, 20}}, {{0}}, run_attention_steps},
    {"op_attention_steps of five queries", {{3, 80}, {EVENTS, 32}}, {{0}}, run_five_queries},
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

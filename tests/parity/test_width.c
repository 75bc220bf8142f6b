/*
 * test_width.c - every kernel gives the same bytes at either width of vectors.
 *
 * Each kernel has a case here, or this does not compile: it is called with random numbers and
 * shapes, some of which fill vectors and some of which do not, at one width and at the other.
 * test_invariance.c does the same with whole models.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/random.h"
#include "model/kernel/kernel_list.h"
#include "model/kernel/kernel_width.h"

enum {
    TRIALS = 60,
    ROWS = 29,
    COLS = 140, /* the most of either */
    AREA = ROWS * COLS * 3,
    HEADS = 2,
    MEMORY = COLS * COLS / HEADS,
    SCRATCH = 1 << 17,
};

/* One call: its shape, what it reads, and what it adds to or overwrites. */
struct call {
    uint32_t rows, cols, width;                 /* width: of a head, HEADS * width = cols */
    size_t n;                                   /* rows * cols */
    real a[AREA], b[AREA], c[AREA];             /* random */
    real share[AREA];                           /* between 0 and 1 */
    real y[AREA], y2[AREA], y3[AREA], y4[AREA]; /* outputs, random at first */
    real s[MEMORY], z[COLS];                    /* sums, random at first */
    real scratch[SCRATCH];                      /* zeros at first */
};

#define CASE(kernel, ...)                                                                          \
    static void try_##kernel(struct call *x)                                                       \
    {                                                                                              \
        __VA_ARGS__;                                                                               \
    }

/* ---- one element in, one out ---- */

CASE(kernel_exp, kernel_exp(x->y, x->a, x->n))
CASE(kernel_elu1, kernel_elu1(x->y, x->rows, x->width, x->cols))
CASE(kernel_elu1_backward, kernel_elu1_backward(x->y, x->a, x->b, x->rows, x->width, x->cols))
CASE(kernel_relu, kernel_relu(x->y, x->n))
CASE(kernel_relu_backward, kernel_relu_backward(x->y, x->a, x->b, x->n))
CASE(kernel_add, kernel_add(x->y, x->a, x->n))
CASE(kernel_add_part, kernel_add_part(x->y, x->a, 3, x->n))

static void try_kernel_add_mean(struct call *x)
{
    const uint32_t rows[] = {x->rows - 1, 0, x->rows / 2};
    kernel_add_mean(x->y, x->a, rows, 1 + x->rows % 3, x->cols);
}

CASE(kernel_add_repeated, kernel_add_repeated(x->y, x->a, x->rows, 3, x->cols))
CASE(kernel_sum_repeated, kernel_sum_repeated(x->y, x->a, x->rows, 3, x->cols))
CASE(kernel_multiply, kernel_multiply(x->y, x->a, x->b, x->n))
CASE(kernel_add_product, kernel_add_product(x->y, x->a, x->b, x->n))
CASE(kernel_sigmoid, kernel_sigmoid(x->y, x->n))
CASE(kernel_sigmoid_backward, kernel_sigmoid_backward(x->y, x->a, x->share, x->n))
CASE(kernel_tanh, kernel_tanh(x->y, x->n))
CASE(kernel_tanh_backward, kernel_tanh_backward(x->y, x->a, x->share, x->n))
CASE(kernel_softplus, kernel_softplus(x->y, x->n))
CASE(kernel_softplus_backward, kernel_softplus_backward(x->y, x->a, x->b, x->share[0], x->n))
CASE(kernel_silu, kernel_silu(x->y, x->n))
CASE(kernel_gelu, kernel_gelu(x->y, x->n))
CASE(kernel_gelu_backward, kernel_gelu_backward(x->y, x->a, x->b, x->n))
CASE(kernel_gate, kernel_gate(x->y, x->a, x->n))
CASE(kernel_gate_backward, kernel_gate_backward(x->y, x->y2, x->a, x->b, x->c, x->n))
CASE(kernel_gru_open, kernel_gru_open(x->y, x->y2, x->a, x->b, x->rows, x->cols))
CASE(kernel_gru_open_backward,
     kernel_gru_open_backward(x->y, x->y2, x->a, x->b, x->share, x->c, x->rows, x->cols))
CASE(kernel_gru_close, kernel_gru_close(x->y, x->y2, x->a, x->b, x->rows, x->cols))
CASE(kernel_gru_close_backward,
     kernel_gru_close_backward(x->y, x->a, x->share, x->b, x->rows, x->cols))
CASE(kernel_pool_keep, x->y[0] = kernel_pool_keep((int64_t)(x->share[0] * 1e6), x->share[1]))
CASE(kernel_pool_absorb, kernel_pool_absorb(x->y, x->y2, x->a, x->share[0], x->cols))
CASE(kernel_pool_read, kernel_pool_read(x->y, x->a, x->share[0], x->cols))

static void try_kernel_softmax_pool_absorb(struct call *x)
{
    const struct softmax_pool pool = {x->z, x->y2, x->y};
    x->y2[0] = x->rows % 3 ? x->share[0] : 0;
    const struct softmax_step step = kernel_softmax_pool_absorb(pool, x->a, x->b[0], x->cols);
    x->y3[0] = step.keep;
    x->y3[1] = step.add;
}

static void try_kernel_softmax_pool_read_backward(struct call *x)
{
    const struct softmax_pool_gradient gradient = {x->y, x->y2};
    kernel_softmax_pool_read_backward(gradient, x->a, x->b, x->share[0], x->cols);
}

static void try_kernel_softmax_pool_backward(struct call *x)
{
    const struct softmax_pool_gradient gradient = {x->y, x->y2};
    const struct softmax_step step = {x->share[0], x->share[1]};
    kernel_softmax_pool_backward(gradient, x->y3, x->y4, step, x->a, x->cols);
}

/* ---- sums over a row ---- */

CASE(kernel_expf, kernel_expf(x->y, x->rows, x->cols))
CASE(kernel_softmax, kernel_softmax(x->y, x->rows, x->cols))
CASE(kernel_layer_norm, kernel_layer_norm(x->y, x->a, x->b, x->c, x->rows, x->cols))
CASE(kernel_layer_norm_backward,
     kernel_layer_norm_backward(x->y, x->y2, x->y3, x->a, x->b, x->c, x->rows, x->cols))
CASE(kernel_unit, kernel_unit(x->y, x->rows, x->cols))
CASE(kernel_unit_silu, kernel_unit_silu(x->y, x->rows, x->cols))
CASE(kernel_unit_silu_backward, kernel_unit_silu_backward(x->y, x->a, x->b, x->c, x->rows, x->cols))
CASE(kernel_unit_expf, kernel_unit_expf(x->y, x->rows, x->cols))
CASE(kernel_unit_expf_backward, kernel_unit_expf_backward(x->y, x->a, x->b, x->rows, x->cols))
CASE(kernel_rms, kernel_rms(x->y, x->rows, x->cols))
CASE(kernel_rms_backward, kernel_rms_backward(x->y, x->a, x->b, x->rows, x->cols))
CASE(kernel_squash, kernel_squash(x->y, x->rows, x->cols))

static void try_kernel_squash_slope(struct call *x)
{
    const struct squash_slope slope = kernel_squash_slope(x->a, x->b, x->cols);
    x->y[0] = slope.scale;
    x->y[1] = slope.along;
}

/* ---- products ---- */

CASE(kernel_packed_size, x->y[0] = (real)kernel_packed_size(x->cols, x->rows))
CASE(kernel_pack, kernel_pack(x->scratch, x->a, 1, x->cols, x->rows))

static void try_kernel_matmul_packed(struct call *x)
{
    kernel_pack(x->scratch, x->a, 0, x->cols, x->width);
    kernel_matmul_packed(x->y, x->b, x->scratch, x->rows % 2 ? x->c : NULL, x->rows, x->cols,
                         x->width);
}

static void try_kernel_matmul_fetching(struct call *x)
{
    const void *rows[] = {x->a, x->b};
    struct prefetch prefetch = prefetch_of(rows, 2, 64, 1000);
    kernel_pack(x->scratch, x->a, 0, x->cols, x->width);
    kernel_matmul_fetching(x->y, x->b, x->scratch, x->c, x->rows, x->cols, x->width, &prefetch);
}

static void try_kernel_product(struct call *x)
{
    const struct factor plain = factor_of(x->a, x->width + 1),
                        turned = factor_turned(x->a, x->rows);
    kernel_product(x->y, x->cols, x->rows % 2 ? plain : turned, factor_of(x->b, x->cols + 3),
                   x->rows, x->cols, x->width, x->rows % 3);
}

/* ---- recurrences ---- */

static const uint32_t points[] = {0, 2, 3, 11};
enum { POINTS = sizeof points / sizeof *points };

CASE(kernel_attention_absorb, kernel_attention_absorb(x->s, x->z, x->share, x->a, HEADS, x->width))
CASE(kernel_attention_step,
     kernel_attention_step(x->y, x->s, x->z, x->share, x->share + 9, x->a, HEADS, x->width))
CASE(kernel_attention_read,
     kernel_attention_read(x->y, x->y2, x->s, x->share, x->share + 9, x->rows, HEADS, x->width))
CASE(kernel_attention_scratch, x->y[0] = (real)kernel_attention_scratch(x->rows, 3, x->width))

/* The queries of a point: sometimes one, which has code of its own. */
static struct attention_rows attention_rows_of(const struct call *x)
{
    const uint32_t queries = x->rows % 2 ? 1 : 3;
    return (struct attention_rows){.heads = HEADS,
                                   .width = x->width,
                                   .queries = queries,
                                   .q = x->share,
                                   .k = x->share + 7,
                                   .v = x->a,
                                   .q_stride = queries * HEADS * x->width,
                                   .kv_stride = HEADS * x->width,
                                   .points = points};
}

static void try_kernel_attention_sequence(struct call *x)
{
    const struct attention_rows rows = attention_rows_of(x);
    kernel_attention_sequence(x->y, x->s, x->z, &rows,
                              (struct attention_span){0, x->rows, 0, x->rows > 11 ? POINTS : 1});
}

static void try_kernel_attention_sequence_backward(struct call *x)
{
    const struct attention_rows rows = attention_rows_of(x);
    const struct attention_gradients gradients = {x->y, x->y2, x->y3};
    kernel_attention_sequence_backward(
        &gradients, x->b, x->c, &rows,
        (struct attention_span){0, x->rows, 0, x->rows > 11 ? POINTS : 1}, x->scratch);
}

CASE(kernel_delta_absorb,
     kernel_delta_absorb(x->s, x->a, x->b, x->share, x->share + 5, HEADS, x->width))
CASE(kernel_delta_step,
     kernel_delta_step(x->y, x->s, x->c, x->a, x->b, x->share, x->share + 5, HEADS, x->width))
CASE(kernel_delta_read, kernel_delta_read(x->y, x->s, x->a, HEADS, x->width))
CASE(kernel_delta_gates,
     kernel_delta_gates(x->y, x->y2, x->a, x->b, x->share, x->share[9], x->cols))
CASE(kernel_delta_gates_backward,
     kernel_delta_gates_backward(x->y, x->y2, x->y3, x->a, x->b, x->share, x->share + 5, x->c, 2,
                                 x->cols))
CASE(kernel_delta_scratch, x->y[0] = (real)kernel_delta_scratch(x->rows, x->width))

static struct delta_rows delta_rows_of(const struct call *x)
{
    return (struct delta_rows){.heads = HEADS,
                               .width = x->width,
                               .queries = 3,
                               .q = x->a,
                               .k = x->b,
                               .v = x->c,
                               .gates = x->share,
                               .q_stride = 3 * HEADS * (size_t)x->width,
                               .kv_stride = HEADS * (size_t)x->width,
                               .points = points};
}

/* Keys as the models make them: of length one, or the memory grows beyond all numbers. */
static void try_kernel_delta_sequence(struct call *x)
{
    const struct delta_rows rows = delta_rows_of(x);
    kernel_unit(x->b, x->rows * HEADS, x->width);
    kernel_delta_sequence(x->y, x->s, &rows,
                          (struct delta_span){0, x->rows, 0, x->rows > 11 ? POINTS : 1});
}

static void try_kernel_delta_sequence_backward(struct call *x)
{
    const struct delta_rows rows = delta_rows_of(x);
    const struct delta_gradients gradients = {x->y, x->y2, x->y3, x->y4};
    kernel_unit(x->b, x->rows * HEADS, x->width);
    kernel_delta_sequence_backward(&gradients, x->a, &rows,
                                   (struct delta_span){0, x->rows, 0, x->rows > 11 ? POINTS : 1},
                                   x->scratch);
}

static struct ring_factors ring_of(struct call *x)
{
    return (struct ring_factors){x->y2, x->y2 + x->cols, x->y2 + 2 * (size_t)x->cols};
}

CASE(kernel_ring_make, kernel_ring_make(ring_of(x), x->a, x->b, x->c, x->cols))
CASE(kernel_ring_make_backward,
     kernel_ring_make_backward((struct ring_gradients){x->y, x->y3, x->y4}, x->a, ring_of(x), x->b,
                               x->c, x->cols))
CASE(kernel_ring_step, kernel_ring_step(x->y, x->a, x->b, ring_of(x), x->cols))
CASE(kernel_ring_backward,
     kernel_ring_backward(x->y, x->y3, x->y4, x->a, x->b, ring_of(x), x->cols))

/* ---- mixtures ---- */

CASE(kernel_softmax_backward, kernel_softmax_backward(x->y, x->a, x->share, x->rows, x->cols))
CASE(kernel_unit_backward, kernel_unit_backward(x->y, x->a, x->b, x->rows, x->cols))
CASE(kernel_dots, kernel_dots(x->y, x->a, x->b, x->share[0], x->rows, 5, x->cols))
CASE(kernel_row_dots, kernel_row_dots(x->y, x->a, x->b, x->rows, HEADS, x->width))
CASE(kernel_row_dots_backward,
     kernel_row_dots_backward(x->y, x->y2, x->c, x->a, x->b, x->rows, HEADS, x->width))

/* ---- memories of slots, routing ---- */

CASE(kernel_address, kernel_address(x->y, x->a, x->share[0] * 4, x->b, x->c, x->rows, x->cols))

static void try_kernel_address_backward(struct call *x)
{
    const struct address_gradients gradients = {x->y, x->z, x->y2, x->y3};
    kernel_address_backward(gradients, x->a, x->share, x->b, x->share[0] * 4, x->c, x->a, x->rows,
                            x->cols);
}

static void try_kernel_offdiag(struct call *x)
{
    x->y2[0] = kernel_offdiag(x->y, x->a, x->rows, x->cols);
}

CASE(kernel_offdiag_backward,
     kernel_offdiag_backward(x->y, x->share[0] * (real)x->cols, x->a, x->rows + 1, x->cols))
CASE(kernel_balance, kernel_balance(x->y, x->y2, x->share, x->rows))
CASE(kernel_balance_backward,
     kernel_balance_backward(x->y, x->y2, x->a, x->share, x->share + 5, x->rows))
CASE(kernel_memory_read, kernel_memory_read(x->y, x->share, x->a, x->rows, x->cols))
CASE(kernel_memory_read_backward,
     kernel_memory_read_backward(x->y, x->y2, x->a, x->share, x->b, x->rows, x->cols))
CASE(kernel_memory_write,
     kernel_memory_write(x->y, x->share, x->share + 50, x->a, x->rows, x->cols))

static void try_kernel_memory_write_backward(struct call *x)
{
    const struct write_gradients gradients = {x->y, x->y2, x->y3, x->y4};
    kernel_memory_write_backward(gradients, x->a, x->b, x->share, x->share + 50, x->c, x->rows,
                                 x->cols);
}

CASE(kernel_softmax_steps, kernel_softmax_steps(x->y, x->rows, x->width < 64 ? x->width : 64))
CASE(kernel_softmax_steps_backward, kernel_softmax_steps_backward(x->y, x->a, x->share, x->rows + 1,
                                                                  x->width < 64 ? x->width : 64))
CASE(kernel_window_sums, kernel_window_sums(x->y, x->share, x->a, NULL, x->rows, 3, x->cols))
CASE(kernel_window_sums_backward,
     kernel_window_sums_backward(x->y, x->y2, x->a, x->share, x->b, NULL, x->rows, 3, x->cols))

static struct routed routed_of(const struct call *x)
{
    return (struct routed){.projected = x->a,
                           .event_stride = x->cols,
                           .events = x->rows,
                           .interests = 3,
                           .d = x->cols};
}

static void try_kernel_route(struct call *x)
{
    const struct routed routed = routed_of(x);
    kernel_route(x->y, x->y2, x->y3, x->y4, &routed, 3);
}

static void try_kernel_route_backward(struct call *x)
{
    const struct routed routed = routed_of(x);
    kernel_route_backward(x->y, x->b, x->c, x->share, &routed);
}

/* ---- both widths ---- */

static void fill(real *x, size_t n, bool share, struct random *random)
{
    for (size_t i = 0; i < n; i++) {
        x[i] = (real)(share ? random_uniform(random) : random_normal(random));
    }
}

static void call_draw(struct call *x, uint32_t trial)
{
    static const uint32_t widths[] = {16, 8, 32, 24, 5, 35, 64, 70};
    struct random random = random_seeded(trial);
    *x = (struct call){.rows = 1 + (uint32_t)random_below(&random, ROWS),
                       .width = widths[trial % 8]};
    x->cols = HEADS * x->width;
    x->n = (size_t)x->rows * x->cols;
    fill(x->a, AREA, false, &random);
    fill(x->b, AREA, false, &random);
    fill(x->c, AREA, false, &random);
    fill(x->share, AREA, true, &random);
    fill(x->y, AREA, false, &random);
    fill(x->y2, AREA, false, &random);
    fill(x->y3, AREA, false, &random);
    fill(x->y4, AREA, false, &random);
    fill(x->s, MEMORY, true, &random);
    fill(x->z, COLS, true, &random);
}

static void choose(uint32_t bits)
{
    struct error error;
    assert_int_equal(kernel_width_choose(bits, &error), STATUS_OK);
    assert_int_equal(kernel_width(), bits ? bits : kernel_width());
}

static void every_kernel_gives_the_same_bytes_at_either_width(void **state)
{
    (void)state;
#define ENTRY(kernel) {#kernel, try_##kernel},
    static const struct {
        const char *name;
        void (*run)(struct call *call);
    } cases[] = {KERNELS(ENTRY)};
    struct error error;
    if (kernel_width_choose(512, &error) != STATUS_OK) skip(); /* there is only one width here */
    struct call *narrow = malloc(sizeof *narrow), *wide = malloc(sizeof *wide);
    struct call *drawn = malloc(sizeof *drawn);
    assert_true(narrow && wide && drawn);
    for (uint32_t trial = 0; trial < TRIALS; trial++) {
        call_draw(drawn, trial);
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            memcpy(narrow, drawn, sizeof *drawn);
            memcpy(wide, drawn, sizeof *drawn);
            choose(256);
            cases[i].run(narrow);
            choose(512);
            cases[i].run(wide);
            if (memcmp(narrow, drawn, sizeof *drawn) == 0) {
                fail_msg("%s did nothing in trial %u", cases[i].name, trial);
            }
            if (memcmp(narrow, wide, sizeof *wide) != 0) {
                fail_msg("%s: other bytes at 512 than at 256, %u rows, %u columns", cases[i].name,
                         drawn->rows, drawn->cols);
            }
        }
    }
    free(narrow);
    free(wide);
    free(drawn);
    choose(0);
}

static void a_width_that_no_processor_has_is_refused(void **state)
{
    (void)state;
    struct error error;
    const uint32_t before = kernel_width();
    assert_int_equal(kernel_width_choose(128, &error), STATUS_INVALID);
    assert_non_null(strstr(error.text, "vectors of 128 bits: this processor runs kernels of 256"));
    assert_int_equal(kernel_width(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kernel_gives_the_same_bytes_at_either_width),
        cmocka_unit_test(a_width_that_no_processor_has_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * kernel.h - the arithmetic of all models, as pure functions over pointers and sizes.
 *
 * Matrices are dense and row-major unless a stride (reals from one row to the next) is given. No
 * kernel allocates, keeps a pointer, or looks at the processor. The law that the stream rests on:
 * a row of an output is computed by the same operations in the same order whatever the number of
 * rows, so its bytes depend on that row's inputs alone.
 */
#ifndef MODEL_KERNEL_KERNEL_H
#define MODEL_KERNEL_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/kernel/real.h"

/* ---- memory on its way ---- */

/*
 * Rows of memory that will be needed soon, scattered anywhere. Whoever computes for long asks for a
 * few cache lines of them now and then, so that the memory works while the arithmetic does.
 */
struct prefetch {
    const void *const *rows;
    uint32_t count;
    uint32_t row;     /* where it stands */
    size_t begin, at; /* bytes of a row: of what is wanted, and where it stands */
    size_t end;
};

/* Of each of `count` rows the `size` bytes from `begin` on. */
static inline struct prefetch prefetch_of(const void *const *rows, uint32_t count, size_t begin,
                                          size_t size)
{
    return (struct prefetch){
        .rows = rows, .count = count, .begin = begin, .at = begin, .end = begin + size};
}

enum { PREFETCH_LINE = 64 };

/* Asks for the next `lines` cache lines. */
static inline void prefetch_some(struct prefetch *prefetch, uint32_t lines)
{
    for (uint32_t i = 0; i < lines && prefetch->row < prefetch->count; i++) {
        __builtin_prefetch((const char *)prefetch->rows[prefetch->row] + prefetch->at, 0, 2);
        prefetch->at += PREFETCH_LINE;
        if (prefetch->at >= prefetch->end) {
            prefetch->at = prefetch->begin;
            prefetch->row++;
        }
    }
}

/* ---- matrix product over packed weights (kernel_matmul.c) ---- */

/*
 * A weight [out, in] is packed once into panels of KERNEL_PANEL output columns: panel p holds, for
 * each input i, the weights of i for outputs p * KERNEL_PANEL and on, zeros beyond `out`.
 */
enum { KERNEL_PANEL = 64 / sizeof(real) };

/* Reals of a packed [out, in]. */
size_t kernel_packed_size(uint32_t out, uint32_t in);

/* Packs weight [rows, in] as the outputs `from` .. from + rows - 1. `panels` starts as zeros. */
void kernel_pack(real *panels, const real *weight, uint32_t from, uint32_t rows, uint32_t in);

/*
 * y [rows, out] = x [rows, in] W^T + bias. `bias` is NULL or holds whole panels. Every output is a
 * chain of fused multiply-adds over the inputs in ascending order, starting at its bias.
 */
void kernel_matmul_packed(real *restrict y, const real *restrict x, const real *restrict panels,
                          const real *restrict bias, uint32_t rows, uint32_t out, uint32_t in);

/* The same, asking for some of `prefetch` between its tiles. */
void kernel_matmul_fetching(real *restrict y, const real *restrict x, const real *restrict panels,
                            const real *restrict bias, uint32_t rows, uint32_t out, uint32_t in,
                            struct prefetch *prefetch);

/* Reals from one row to the next in memory; whether it is meant transposed. */
struct factor {
    const real *at;
    uint32_t stride;
    bool turned;
};

static inline struct factor factor_of(const real *at, uint32_t stride)
{
    return (struct factor){at, stride, false};
}

static inline struct factor factor_turned(const real *at, uint32_t stride)
{
    return (struct factor){at, stride, true};
}

/*
 * c [m, n] = a [m, k] b [k, n], added to what c holds if `keep`; c has rows of `stride` reals. `b`
 * is not turned. Every element is a chain of fused multiply-adds over k, as above.
 */
void kernel_product(real *restrict c, uint32_t stride, struct factor a, struct factor b, uint32_t m,
                    uint32_t n, uint32_t k, bool keep);

/* ---- elementwise (kernel_elementwise.c) ---- */

/* y = e^x, relative error below 2e-7 for x in [-87, 88]; beyond, the value at that end. */
void kernel_exp(real *y, const real *x, size_t n);

/* In place on the first `cols` of each row: x + 1 if x > 0, else e^x. */
void kernel_elu1(real *x, uint32_t rows, uint32_t cols, uint32_t stride);

/* dx += dy * the slope of elu1, given y = elu1(x). Same rows as forward in all three. */
void kernel_elu1_backward(real *restrict dx, const real *restrict dy, const real *restrict y,
                          uint32_t rows, uint32_t cols, uint32_t stride);

/* In place: max(x, 0). */
void kernel_relu(real *x, size_t n);

/* dx += dy where y = relu(x) is not 0. */
void kernel_relu_backward(real *restrict dx, const real *restrict dy, const real *restrict y,
                          size_t n);

/* y += x */
void kernel_add(real *restrict y, const real *restrict x, size_t n);

/* y [cols] += the mean of the rows `rows[0 .. count)` of table [.., cols]; count > 0. */
void kernel_add_mean(real *restrict y, const real *restrict table, const uint32_t *rows,
                     uint32_t count, uint32_t cols);

/* y += x / parts */
void kernel_add_part(real *restrict y, const real *restrict x, uint32_t parts, size_t n);

/* Each of `rows` groups of `copies` rows [cols] of y: += the row of x of that group. */
void kernel_add_repeated(real *restrict y, const real *restrict x, uint32_t rows, uint32_t copies,
                         uint32_t cols);

/* Backward of the above: dx [rows, cols] += the sum of each group of `copies` rows of dy. */
void kernel_sum_repeated(real *restrict dx, const real *restrict dy, uint32_t rows, uint32_t copies,
                         uint32_t cols);

/* y = a x, element by element. */
void kernel_multiply(real *restrict y, const real *restrict a, const real *restrict x, size_t n);

/* y += a x, element by element. */
void kernel_add_product(real *restrict y, const real *restrict a, const real *restrict x, size_t n);

/* ---- norms (kernel_norm.c) ---- */

/* y = (x - mean) / sqrt(var + 1e-5) * gain + shift, biased variance of each row. */
void kernel_layer_norm(real *restrict y, const real *restrict x, const real *gain,
                       const real *shift, uint32_t rows, uint32_t cols);

enum { NORM_COLS_MAX = 1024 }; /* of a backward pass */

/* Adds to dx, d_gain and d_shift (each NULL if not wanted) what dy gives back. */
void kernel_layer_norm_backward(real *restrict dx, real *restrict d_gain, real *restrict d_shift,
                                const real *restrict dy, const real *restrict x, const real *gain,
                                uint32_t rows, uint32_t cols);

/* In place: x / sqrt(sum of squares + 1e-12), each row. */
void kernel_unit(real *x, uint32_t rows, uint32_t cols);

/* ---- linear attention (kernel_attention.c) ---- */

/*
 * The sums of one user: s [heads, width, width] (row = key coordinate), z [heads, width]. Queries
 * and keys are already elu1; q, k, v and y are rows of heads * width.
 */

/* s += k^T v, z += k: one event. */
void kernel_attention_absorb(real *restrict s, real *restrict z, const real *k, const real *v,
                             uint32_t heads, uint32_t width);

/* The same, then y = q s / (<z, q> + 1e-10): the event sees itself. */
void kernel_attention_step(real *restrict y, real *restrict s, real *restrict z, const real *q,
                           const real *k, const real *v, uint32_t heads, uint32_t width);

/*
 * y = q s / (<z, q> + 1e-10) for each of `queries` rows; evidence [queries], if not NULL, = the sum
 * over heads of <z, q>.
 */
void kernel_attention_read(real *restrict y, real *restrict evidence, const real *s, const real *z,
                           const real *q, uint32_t queries, uint32_t heads, uint32_t width);

/* Sequences of many users in training, each row with its stride to the next. */
struct attention_rows {
    uint32_t heads, width; /* heads * width = d */
    uint32_t queries;      /* of a point, one behind the other */
    const real *q;         /* [points][queries * d] */
    const real *k, *v;     /* [events][d] each */
    size_t q_stride, kv_stride;
    const uint32_t *points; /* the event after which each point reads, ascending */
};

/* The events and points of one user. */
struct attention_span {
    uint32_t event, event_end;
    uint32_t point, point_end;
};

/*
 * Steps through a user's events, from the sums s and z on; y [points][queries][d] at the rows of
 * the user's points = what kernel_attention_read gives after their events.
 */
void kernel_attention_sequence(real *y, real *s, real *z, const struct attention_rows *rows,
                               struct attention_span span);

/* Where gradients are added up, shaped like q, k and v of attention_rows. */
struct attention_gradients {
    real *q, *k, *v;
};

/* Reals of scratch for a user with so many reads (points times queries). */
size_t kernel_attention_scratch(uint32_t reads, uint32_t queries, uint32_t width);

/* The gradients of a user's queries, keys and values for dy, with sums that began empty. */
void kernel_attention_sequence_backward(const struct attention_gradients *gradients, const real *y,
                                        const real *dy, const struct attention_rows *rows,
                                        struct attention_span span, real *scratch);

#endif

/*
 * kernel_attention_backward.c - the gradient of linear attention over whole sequences.
 *
 * With n = <z, q> + 1e-10, g = dy / n and m = -<dy, y> / n: a query's gradient is S g + m z, which
 * runs along with the sequence; a key's is G v + h and a value's k G, where G and h add up q^T g
 * and m q of all later reads, which run against it. No S is kept, that would be a matrix for each
 * event; and a product with a matrix's columns is one with the rows of its transpose, kept instead
 * (of S) or beside it (of G), so that all of it is the same walk.
 */
#include "model/kernel/kernel.h"

#include <stdbool.h>
#include <string.h>

#include "model/kernel/walk.h"

static const real EVIDENCE_MIN = (real)1e-10; /* as forward */

/* What the backward pass of one head works with. */
struct head_scratch {
    real *s_t, *g_sum, *g_sum_t; /* [width, width] S transposed, G, G transposed */
    real *z, *h;                 /* [width] */
    real *rows;                  /* [queries, width] what a walk reads */
    real *g;                     /* [reads, width] */
    real *m;                     /* [reads] */
};

size_t kernel_attention_scratch(uint32_t reads, uint32_t queries, uint32_t width)
{
    return (size_t)width * (3 * width + 2 + 1 + queries + reads) + reads;
}

/* Cuts the scratch into pieces, the sums zero. */
static struct head_scratch scratch_of(real *at, uint32_t reads, uint32_t queries, uint32_t width)
{
    const size_t square = (size_t)width * width;
    struct head_scratch scratch = {.s_t = at, .g_sum = at + square, .g_sum_t = at + 2 * square};
    memset(at, 0, (3 * square + 2 * width) * sizeof(real));
    scratch.z = at + 3 * square;
    scratch.h = scratch.z + width;
    scratch.rows = scratch.h + width;
    scratch.g = scratch.rows + (size_t)(queries + 1) * width;
    scratch.m = scratch.g + (size_t)reads * width;
    return scratch;
}

/*
 * Short rows by hand: they are loaded again at once as vectors, which has to wait if the compiler
 * stored them one by one. y = a x.
 */
WALK_INLINE void scale(real *y, real a, const real *x, const uint32_t width)
{
    uint32_t i = 0;
    for (; i + LANES <= width; i += LANES) {
        vec_store(y + i, vec_multiply(vec_all(a), vec_load(x + i)));
    }
    for (; i < width; i++) {
        y[i] = a * x[i];
    }
}

/* y += a x */
WALK_INLINE void add_scaled(real *y, real a, const real *x, const uint32_t width)
{
    uint32_t i = 0;
    for (; i + LANES <= width; i += LANES) {
        vec_store(y + i, vec_fma(vec_all(a), vec_load(x + i), vec_load(y + i)));
    }
    for (; i < width; i++) {
        y[i] = REAL_FMA(a, x[i], y[i]);
    }
}

/*
 * Along the sequence: each event raises S and z, and the queries of a point that read after it get
 * g, m and their gradients.
 */
WALK_INLINE void backward_along(const struct head_scratch *scratch, real *dq, const real *y,
                                const real *dy, const struct attention_rows *rows,
                                const struct attention_span *span, const uint32_t width)
{
    const size_t d = (size_t)rows->heads * width;
    uint32_t point = span->point, read = 0;
    for (uint32_t event = span->event; event < span->event_end; event++) {
        const size_t at = event * rows->kv_stride;
        const bool reads = point < span->point_end && rows->points[point] == event;
        const uint32_t queries = reads ? rows->queries : 0;
        const size_t q_at = point * rows->q_stride, y_at = point * rows->queries * d;
        real *g = scratch->g + (size_t)read * width, *row = scratch->rows;
        add_scaled(scratch->z, 1, rows->k + at, width);
        for (uint32_t i = 0; i < queries; i++) {
            const real *of_y = y + y_at + i * d, *of_dy = dy + y_at + i * d;
            real share = 1 / (vec_dot(scratch->z, rows->q + q_at + i * d, width) + EVIDENCE_MIN);
            scratch->m[read + i] = -vec_dot(of_dy, of_y, width) * share;
            scale(g + (size_t)i * width, share, of_dy, width);
        }
        const struct walk walk = {.s = scratch->s_t,
                                  .k = rows->v + at,
                                  .v = rows->k + at,
                                  .q = g,
                                  .y = row,
                                  .q_step = width,
                                  .y_step = width};
        walk_raise_and_read(walk, 1, queries, width);
        for (uint32_t i = 0; i < queries; i++) {
            real *of_dq = dq + q_at + i * d;
            add_scaled(of_dq, 1, row + (size_t)i * width, width);
            add_scaled(of_dq, scratch->m[read + i], scratch->z, width);
        }
        read += queries;
        point += reads;
    }
}

/* Against the sequence: what later reads have added up gives keys and values their gradients. */
WALK_INLINE void backward_against(const struct head_scratch *scratch, real *dk, real *dv,
                                  uint32_t reads, const struct attention_rows *rows,
                                  const struct attention_span *span, const uint32_t width)
{
    const size_t d = (size_t)rows->heads * width;
    uint32_t point = span->point_end, read = reads;
    for (uint32_t event = span->event_end; event-- > span->event;) {
        const size_t at = event * rows->kv_stride;
        const bool is_point = point > span->point && rows->points[point - 1] == event;
        const uint32_t queries = is_point ? rows->queries : 0;
        point -= is_point;
        read -= queries;
        const real *q = rows->q + point * rows->q_stride;
        const real *g = scratch->g + (size_t)read * width;
        for (uint32_t i = 0; i < queries; i++) {
            add_scaled(scratch->h, scratch->m[read + i], q + i * d, width);
        }
        struct walk walk = {scratch->g_sum_t, g, q, width, d, .q = rows->v + at, scratch->rows};
        walk_raise_and_read(walk, queries, 1, width);
        add_scaled(dk + at, 1, scratch->rows, width);
        add_scaled(dk + at, 1, scratch->h, width);
        walk = (struct walk){scratch->g_sum, q, g, d, width, .q = rows->k + at, scratch->rows};
        walk_raise_and_read(walk, queries, 1, width);
        add_scaled(dv + at, 1, scratch->rows, width);
    }
}

void kernel_attention_sequence_backward(const struct attention_gradients *gradients, const real *y,
                                        const real *dy, const struct attention_rows *rows,
                                        struct attention_span span, real *scratch)
{
    const uint32_t width = rows->width;
    const uint32_t reads = (span.point_end - span.point) * rows->queries;
    for (uint32_t head = 0; head < rows->heads; head++) {
        const size_t at = (size_t)head * width;
        struct attention_rows of_head = *rows;
        of_head.q += at, of_head.k += at, of_head.v += at;
        struct head_scratch pieces = scratch_of(scratch, reads, rows->queries, width);
        real *dq = gradients->q + at, *dk = gradients->k + at, *dv = gradients->v + at;
        if (width == 16) {
            backward_along(&pieces, dq, y + at, dy + at, &of_head, &span, 16);
            backward_against(&pieces, dk, dv, reads, &of_head, &span, 16);
        } else {
            backward_along(&pieces, dq, y + at, dy + at, &of_head, &span, width);
            backward_against(&pieces, dk, dv, reads, &of_head, &span, width);
        }
    }
}

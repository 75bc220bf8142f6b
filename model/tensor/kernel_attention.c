/*
 * kernel_attention.c - linear attention over a user's running sums (models.md 5.1).
 *
 * A head's s is walked once, two vectors of value coordinates at a time: each of its rows is loaded,
 * raised by k_i v, stored, and added to the read with q_i. Where the width of a head leaves a rest,
 * scalar code does the same operations in the same order.
 *
 * The backward pass is the same walk over other sums. With n = <z, q> + 1e-10, g = dy / n and
 * m = -<dy, y> / n: a query's gradient is S g + m z, which runs along with the sequence; a key's is
 * G v + h and a value's k G, where G and h add up q^T g and m q of all later reads, which run
 * against it. No S is kept: that would be a matrix for each event.
 */
#include "model/tensor/kernel.h"

#include <string.h>

#include "model/tensor/vector.h"

static const real EVIDENCE_MIN = (real)1e-10; /* keeps the quotient finite */

/* What one pass over s does: raise it by k^T v, read it with q, or both. */
enum pass { ABSORB = 1, READ = 2 };

/* `vecs` vectors of value coordinates from `at` on. `pass` and `vecs` are constants here. */
static inline __attribute__((always_inline)) void walk_vectors(const int pass, const int vecs,
                                                               uint32_t at, real *y, real *s,
                                                               const real *q, const real *k,
                                                               const real *v, const uint32_t width)
{
    vec value[2], sum[2];
    for (int j = 0; j < vecs; j++) {
        if (pass & ABSORB) value[j] = vec_load(v + at + j * LANES);
        sum[j] = vec_all(0);
    }
    for (uint32_t i = 0; i < width; i++) {
        for (int j = 0; j < vecs; j++) {
            real *cell = s + (size_t)i * width + at + j * LANES;
            vec row = vec_load(cell);
            if (pass & ABSORB) {
                row = vec_fma(vec_all(k[i]), value[j], row);
                vec_store(cell, row);
            }
            if (pass & READ) sum[j] = vec_fma(vec_all(q[i]), row, sum[j]);
        }
    }
    for (int j = 0; pass & READ && j < vecs; j++) {
        vec_store(y + at + j * LANES, sum[j]);
    }
}

/* The value coordinate `at`. */
static inline void walk_scalar(const int pass, uint32_t at, real *y, real *s, const real *q,
                               const real *k, const real *v, uint32_t width)
{
    real sum = 0;
    for (uint32_t i = 0; i < width; i++) {
        real *cell = s + (size_t)i * width + at;
        if (pass & ABSORB) *cell = REAL_FMA(k[i], v[at], *cell);
        if (pass & READ) sum = REAL_FMA(q[i], *cell, sum);
    }
    if (pass & READ) y[at] = sum;
}

/* All of s: s += k^T v, y = q s. */
static inline __attribute__((always_inline)) void walk_matrix(const int pass, real *y, real *s,
                                                              const real *q, const real *k,
                                                              const real *v, const uint32_t width)
{
    uint32_t at = 0;
    for (; at + 2 * LANES <= width; at += 2 * LANES) {
        walk_vectors(pass, 2, at, y, s, q, k, v, width);
    }
    for (; at + LANES <= width; at += LANES) {
        walk_vectors(pass, 1, at, y, s, q, k, v, width);
    }
    for (; at < width; at++) {
        walk_scalar(pass, at, y, s, q, k, v, width);
    }
}

/* One head. Returns <z, q>. */
static inline __attribute__((always_inline)) real walk_head(const int pass, real *y, real *s,
                                                            real *z, const real *q, const real *k,
                                                            const real *v, const uint32_t width)
{
    walk_matrix(pass, y, s, q, k, v, width);
    for (uint32_t i = 0; pass & ABSORB && i < width; i++) {
        z[i] += k[i];
    }
    if (!(pass & READ)) return 0;
    real evidence = vec_dot(z, q, width);
    for (uint32_t i = 0; i < width; i++) {
        y[i] /= evidence + EVIDENCE_MIN;
    }
    return evidence;
}

/* All heads. The usual width is a constant of its own, which unrolls the walk. */
static inline __attribute__((always_inline)) real walk(const int pass, real *y, real *s, real *z,
                                                       const real *q, const real *k, const real *v,
                                                       uint32_t heads, uint32_t width)
{
    real evidence = 0;
    for (uint32_t head = 0; head < heads; head++) {
        evidence += width == 16 ? walk_head(pass, y, s, z, q, k, v, 16)
                                : walk_head(pass, y, s, z, q, k, v, width);
        s += (size_t)width * width;
        z += width;
        if (pass & READ) y += width, q += width;
        if (pass & ABSORB) k += width, v += width;
    }
    return evidence;
}

void kernel_attention_absorb(real *restrict s, real *restrict z, const real *k, const real *v,
                             uint32_t heads, uint32_t width)
{
    walk(ABSORB, NULL, s, z, NULL, k, v, heads, width);
}

void kernel_attention_step(real *restrict y, real *restrict s, real *restrict z, const real *q,
                           const real *k, const real *v, uint32_t heads, uint32_t width)
{
    walk(ABSORB | READ, y, s, z, q, k, v, heads, width);
}

real kernel_attention_read(real *restrict y, const real *s, const real *z, const real *q,
                           uint32_t heads, uint32_t width)
{
    return walk(READ, y, (real *)s, (real *)z, q, NULL, NULL, heads, width);
}

void kernel_attention_sequence(real *y, real *s, real *z, const struct attention_rows *rows,
                               struct attention_span span)
{
    const uint32_t heads = rows->heads, width = rows->width;
    const size_t d = (size_t)heads * width;
    uint32_t point = span.point;
    for (uint32_t event = span.event; event < span.event_end; event++) {
        const real *k = rows->k + event * rows->kv_stride, *v = rows->v + event * rows->kv_stride;
        if (point == span.point_end || rows->points[point] != event) {
            kernel_attention_absorb(s, z, k, v, heads, width);
            continue;
        }
        const real *q = rows->q + point * rows->q_stride;
        real *read = y + point * rows->queries * d;
        kernel_attention_step(read, s, z, q, k, v, heads, width);
        for (uint32_t i = 1; i < rows->queries; i++) {
            kernel_attention_read(read + i * d, s, z, q + i * d, heads, width);
        }
        point++;
    }
}

/* What the backward pass of one head works with; pieces of its scratch. */
struct head_scratch {
    real *g;               /* [reads, width] dy / n */
    real *m;               /* [reads] -<dy, y> / n */
    real *s, *g_t, *g_sum; /* [width, width] */
    real *z, *h, *row;     /* [width] */
};

size_t kernel_attention_scratch(uint32_t reads, uint32_t width)
{
    return (size_t)reads * (width + 1) + 3 * (size_t)width * width + 3 * (size_t)width;
}

static struct head_scratch scratch_of(real *at, uint32_t reads, uint32_t width)
{
    const size_t square = (size_t)width * width;
    struct head_scratch scratch = {.s = at, .g_t = at + square, .g_sum = at + 2 * square};
    memset(at, 0, (3 * square + 2 * width) * sizeof(real));
    scratch.z = at + 3 * square;
    scratch.h = scratch.z + width;
    scratch.row = scratch.h + width;
    scratch.g = scratch.row + width;
    scratch.m = scratch.g + (size_t)reads * width;
    return scratch;
}

/*
 * Along the sequence: g, m and the gradients of queries. S is kept transposed, v^T k, so that
 * S g is the same walk with keys and values exchanged.
 */
static inline __attribute__((always_inline)) void backward_along(
    const struct head_scratch *scratch, real *dq, const real *y, const real *dy,
    const struct attention_rows *rows, const struct attention_span *span, const uint32_t width)
{
    const size_t d = (size_t)rows->heads * width;
    uint32_t point = span->point, read = 0;
    for (uint32_t event = span->event; event < span->event_end; event++) {
        const real *k = rows->k + event * rows->kv_stride, *v = rows->v + event * rows->kv_stride;
        walk_matrix(ABSORB, NULL, scratch->s, NULL, v, k, width);
        kernel_add(scratch->z, k, width);
        if (point == span->point_end || rows->points[point] != event) continue;
        for (uint32_t i = 0; i < rows->queries; i++, read++) {
            const size_t at = (point * rows->queries + i) * d;
            const size_t q_at = point * rows->q_stride + i * d;
            real *g = scratch->g + (size_t)read * width;
            const real n = vec_dot(scratch->z, rows->q + q_at, width) + EVIDENCE_MIN;
            const real m = -vec_dot(dy + at, y + at, width) / n;
            for (uint32_t j = 0; j < width; j++) {
                g[j] = dy[at + j] / n;
            }
            scratch->m[read] = m;
            walk_matrix(READ, scratch->row, scratch->s, g, NULL, NULL, width);
            for (uint32_t j = 0; j < width; j++) {
                dq[q_at + j] += scratch->row[j] + m * scratch->z[j];
            }
        }
        point++;
    }
}

/* Against the sequence: the gradients of keys and values from what later reads have added up. */
static inline __attribute__((always_inline)) void backward_against(
    const struct head_scratch *scratch, real *dk, real *dv, uint32_t reads,
    const struct attention_rows *rows, const struct attention_span *span, const uint32_t width)
{
    uint32_t point = span->point_end, read = reads;
    for (uint32_t event = span->event_end; event-- > span->event;) {
        const size_t at = event * rows->kv_stride;
        if (point > span->point && rows->points[point - 1] == event) {
            point--;
            for (uint32_t i = rows->queries; i-- > 0;) {
                const real *q = rows->q + point * rows->q_stride + i * (size_t)rows->heads * width;
                const real *g = scratch->g + (size_t)--read * width;
                walk_matrix(ABSORB, NULL, scratch->g_sum, NULL, q, g, width);
                walk_matrix(ABSORB, NULL, scratch->g_t, NULL, g, q, width);
                for (uint32_t j = 0; j < width; j++) {
                    scratch->h[j] += scratch->m[read] * q[j];
                }
            }
        }
        walk_matrix(READ, scratch->row, scratch->g_t, rows->v + at, NULL, NULL, width);
        for (uint32_t j = 0; j < width; j++) {
            dk[at + j] += scratch->row[j] + scratch->h[j];
        }
        walk_matrix(READ, scratch->row, scratch->g_sum, rows->k + at, NULL, NULL, width);
        kernel_add(dv + at, scratch->row, width);
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
        struct head_scratch pieces = scratch_of(scratch, reads, width);
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

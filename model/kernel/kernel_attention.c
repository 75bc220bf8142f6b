/*
 * kernel_attention.c - linear attention over a user's running sums (models.md 5.1).
 *
 * An event raises the sums by its key and value; whoever reads them, an event itself or K queries,
 * reads the raised ones. The sums of the heads lie one behind the other and are walked one by one.
 */
#include "model/kernel/kernel.h"

#include "model/kernel/walk.h"

static const real EVIDENCE_MIN = (real)1e-10; /* keeps the quotient finite */

/* y /= by. By hand: the compiler makes scalar divisions of a short loop here. */
WALK_INLINE void divide(real *y, real by, const uint32_t width)
{
    uint32_t i = 0;
    for (; i + LANES <= width; i += LANES) {
        vec_store(y + i, vec_divide(vec_load(y + i), vec_all(by)));
    }
    for (; i < width; i++) {
        y[i] /= by;
    }
}

/* One head: `raises` 0 or 1; y and evidence (NULL if not wanted) of `reads` queries. */
WALK_INLINE void walk_head(const int raises, uint32_t reads, const struct walk *w, real *z,
                           real *evidence, const uint32_t width)
{
    if (raises == 1 && reads == 1) {
        walk_matrix(1, 1, w, width);
    } else if (raises == 1) {
        walk_matrix(1, 0, w, width);
    } else {
        walk_read(*w, reads, width);
    }
    for (uint32_t i = 0; raises == 1 && i < width; i++) {
        z[i] += w->k[i];
    }
    for (uint32_t read = 0; read < reads; read++) {
        real sum = vec_dot(z, w->q + read * w->q_step, width);
        divide(w->y + read * w->y_step, sum + EVIDENCE_MIN, width);
        if (evidence) evidence[read] += sum;
    }
}

/* All heads. The usual width is a constant of its own, which unrolls the walk. */
WALK_INLINE void walk_heads(const int raises, uint32_t reads, struct walk w, real *z,
                            real *evidence, uint32_t heads, uint32_t width)
{
    for (uint32_t head = 0; head < heads; head++) {
        if (width == 16) {
            walk_head(raises, reads, &w, z, evidence, 16);
        } else {
            walk_head(raises, reads, &w, z, evidence, width);
        }
        w.s += (size_t)width * width;
        z += width;
        if (reads > 0) w.y += width, w.q += width;
        if (raises > 0) w.k += width, w.v += width;
    }
}

void kernel_attention_absorb(real *restrict s, real *restrict z, const real *k, const real *v,
                             uint32_t heads, uint32_t width)
{
    walk_heads(1, 0, (struct walk){.s = s, .k = k, .v = v}, z, NULL, heads, width);
}

void kernel_attention_step(real *restrict y, real *restrict s, real *restrict z, const real *q,
                           const real *k, const real *v, uint32_t heads, uint32_t width)
{
    const struct walk walk = {.s = s, .k = k, .v = v, .q = q, .y = y};
    walk_heads(1, 1, walk, z, NULL, heads, width);
}

void kernel_attention_read(real *restrict y, real *restrict evidence, const real *s, const real *z,
                           const real *q, uint32_t queries, uint32_t heads, uint32_t width)
{
    const size_t d = (size_t)heads * width;
    const struct walk walk = {.s = (real *)s, .q = q, .y = y, .q_step = d, .y_step = d};
    for (uint32_t i = 0; evidence && i < queries; i++) {
        evidence[i] = 0;
    }
    walk_heads(0, queries, walk, (real *)z, evidence, heads, width);
}

void kernel_attention_sequence(real *y, real *s, real *z, const struct attention_rows *rows,
                               struct attention_span span)
{
    const uint32_t heads = rows->heads, width = rows->width;
    const size_t row = (size_t)rows->queries * heads * width;
    uint32_t point = span.point;
    for (uint32_t event = span.event; event < span.event_end; event++) {
        const real *k = rows->k + event * rows->kv_stride, *v = rows->v + event * rows->kv_stride;
        const real *q = rows->q + point * rows->q_stride;
        if (point == span.point_end || rows->points[point] != event) {
            kernel_attention_absorb(s, z, k, v, heads, width);
        } else if (rows->queries == 1) {
            kernel_attention_step(y + point++ * row, s, z, q, k, v, heads, width);
        } else {
            kernel_attention_absorb(s, z, k, v, heads, width);
            kernel_attention_read(y + point++ * row, NULL, s, z, q, rows->queries, heads, width);
        }
    }
}

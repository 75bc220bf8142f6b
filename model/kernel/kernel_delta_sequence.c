/*
 * kernel_delta_sequence.c - the gated delta rule over whole sequences, forward and backward.
 *
 * Backward needs the memory before each event, newest first, and a memory is as large as sixteen
 * rows of anything else. So head by head it is computed again: once from the start, keeping every
 * CHUNK-th, and then within each chunk, whose memories stay in the cache while they are needed.
 */
#include <string.h>

#include "model/kernel/kernel_delta.h"
#include "model/kernel/vector.h"

enum { CHUNK = 16, DELTA_WIDTH_MAX = 1024 };

void kernel_delta_sequence(real *y, real *s, const struct delta_rows *rows, struct delta_span span)
{
    const size_t d = (size_t)rows->heads * rows->width;
    uint32_t point = span.point;
    for (uint32_t event = span.event; event < span.event_end; event++) {
        const real *gates = rows->gates + (size_t)event * 2 * rows->heads;
        const size_t at = event * rows->kv_stride;
        kernel_delta_absorb(s, rows->k + at, rows->v + at, gates, gates + rows->heads, rows->heads,
                            rows->width);
        if (point == span.point_end || rows->points[point] != event) continue;
        for (uint32_t query = 0; query < rows->queries; query++) {
            kernel_delta_read(y + (point * (size_t)rows->queries + query) * d, s,
                              rows->q + point * rows->q_stride + query * d, rows->heads,
                              rows->width);
        }
        point++;
    }
}

/* One event at one head: its rows, the gradients of them, and how it was read. */
struct step {
    const real *k, *v;
    real alpha, beta;
    real *dk, *dv, *d_alpha, *d_beta;
    const real *q, *dy; /* of the first read, if there is one; the next ones lie `d` further */
    real *dq;
    uint32_t reads;
    size_t d;
};

/* What the reads after an event give back: to g, [width, width], and to their queries. */
static inline __attribute__((always_inline)) void reads_backward(const struct step *step,
                                                                 real *restrict g,
                                                                 const real *restrict before,
                                                                 const real *restrict correction,
                                                                 const uint32_t width)
{
    for (uint32_t read = 0; read < step->reads; read++) {
        const real *q = step->q + read * step->d, *dy = step->dy + read * step->d;
        real *dq = step->dq + read * step->d;
        const real corrected = vec_dot(correction, dy, width);
        for (uint32_t i = 0; i < width; i++) {
            const real kept = vec_dot(before + (size_t)i * width, dy, width);
            dq[i] += step->alpha * kept + step->k[i] * corrected;
            vec_add_scaled(g + (size_t)i * width, q[i], dy, width);
        }
    }
}

/*
 * Forward, with p = k before and u = v - alpha p: after = alpha before + beta k^T u. `g` is the
 * gradient of the memory after the event without its reads, and becomes that of the one before.
 */
static inline __attribute__((always_inline)) void step_backward(const struct step *step,
                                                                real *restrict g,
                                                                const real *restrict before,
                                                                const uint32_t width)
{
    real p[DELTA_WIDTH_MAX], u[DELTA_WIDTH_MAX], correction[DELTA_WIDTH_MAX];
    real du[DELTA_WIDTH_MAX], dp[DELTA_WIDTH_MAX];
    real kept = 0;
    memset(p, 0, width * sizeof(real));
    memset(du, 0, width * sizeof(real));
    for (uint32_t i = 0; i < width; i++) {
        vec_add_scaled(p, step->k[i], before + (size_t)i * width, width);
    }
    for (uint32_t j = 0; j < width; j++) {
        u[j] = step->v[j] - step->alpha * p[j];
        correction[j] = step->beta * u[j];
    }
    reads_backward(step, g, before, correction, width);
    for (uint32_t i = 0; i < width; i++) {
        vec_add_scaled(du, step->k[i], g + (size_t)i * width, width);
        kept += vec_dot(g + (size_t)i * width, before + (size_t)i * width, width);
    }
    *step->d_beta += vec_dot(du, u, width);
    *step->d_alpha += kept - step->beta * vec_dot(du, p, width);
    for (uint32_t j = 0; j < width; j++) {
        step->dv[j] += step->beta * du[j];
        dp[j] = -step->alpha * step->beta * du[j];
    }
    for (uint32_t i = 0; i < width; i++) {
        real *row = g + (size_t)i * width;
        step->dk[i] +=
            vec_dot(row, correction, width) + vec_dot(before + (size_t)i * width, dp, width);
        for (uint32_t j = 0; j < width; j++) {
            row[j] = REAL_FMA(step->k[i], dp[j], step->alpha * row[j]);
        }
    }
}

/* One head of one user on its way back. */
struct walk {
    const struct delta_gradients *gradients;
    const struct delta_rows *rows;
    const real *dy;
    uint32_t head;
    uint32_t point; /* points before it are still to come */
    uint32_t first_point;
};

static void absorb(const struct walk *walk, real *s, uint32_t event)
{
    const struct delta_rows *rows = walk->rows;
    const real *gates = rows->gates + (size_t)event * 2 * rows->heads + walk->head;
    const size_t at = event * rows->kv_stride + walk->head * (size_t)rows->width;
    kernel_delta_absorb(s, rows->k + at, rows->v + at, gates, gates + rows->heads, 1, rows->width);
}

static struct step delta_step(struct walk *walk, uint32_t event)
{
    const struct delta_rows *rows = walk->rows;
    const struct delta_gradients *gradients = walk->gradients;
    const uint32_t heads = rows->heads, slice = walk->head * rows->width;
    const size_t at = event * rows->kv_stride + slice, d = (size_t)heads * rows->width;
    const size_t gate = (size_t)event * 2 * heads + walk->head;
    struct step step = {
        .k = rows->k + at,
        .v = rows->v + at,
        .alpha = rows->gates[gate],
        .beta = rows->gates[gate + heads],
        .dk = gradients->k + at,
        .dv = gradients->v + at,
        .d_alpha = gradients->gates + gate,
        .d_beta = gradients->gates + gate + heads,
        .d = d,
    };
    if (walk->point > walk->first_point && rows->points[walk->point - 1] == event) {
        const size_t point = --walk->point;
        step.q = rows->q + point * rows->q_stride + slice;
        step.dq = gradients->q + point * rows->q_stride + slice;
        step.dy = walk->dy + point * rows->queries * d + slice;
        step.reads = rows->queries;
    }
    return step;
}

/* Memories that one head of a user needs: the start of each chunk, those of one chunk, and g. */
size_t kernel_delta_scratch(uint32_t events, uint32_t width)
{
    const size_t chunks = (events + CHUNK - 1) / CHUNK;
    return (chunks + CHUNK + 2) * width * width;
}

static void head_backward(struct walk *walk, struct delta_span span, real *scratch)
{
    const uint32_t width = walk->rows->width, events = span.event_end - span.event;
    const uint32_t chunks = (events + CHUNK - 1) / CHUNK;
    const size_t size = (size_t)width * width, bytes = size * sizeof(real);
    real *g = scratch, *s = g + size, *inside = s + size, *starts = inside + CHUNK * size;
    memset(g, 0, bytes);
    memset(s, 0, bytes);
    for (uint32_t i = 0; i < events; i++) {
        if (i % CHUNK == 0) memcpy(starts + i / CHUNK * size, s, bytes);
        absorb(walk, s, span.event + i);
    }
    for (uint32_t chunk = chunks; chunk-- > 0;) {
        const uint32_t first = chunk * CHUNK;
        const uint32_t count = events - first < CHUNK ? events - first : CHUNK;
        memcpy(inside, starts + chunk * size, bytes);
        for (uint32_t i = 1; i < count; i++) {
            memcpy(inside + i * size, inside + (i - 1) * size, bytes);
            absorb(walk, inside + i * size, span.event + first + i - 1);
        }
        for (uint32_t i = count; i-- > 0;) {
            const struct step step = delta_step(walk, span.event + first + i);
            if (width == 16) {
                step_backward(&step, g, inside + i * size, 16);
            } else if (width == 32) {
                step_backward(&step, g, inside + i * size, 32);
            } else {
                step_backward(&step, g, inside + i * size, width);
            }
        }
    }
}

void kernel_delta_sequence_backward(const struct delta_gradients *gradients, const real *dy,
                                    const struct delta_rows *rows, struct delta_span span,
                                    real *scratch)
{
    for (uint32_t head = 0; head < rows->heads; head++) {
        struct walk walk = {.gradients = gradients,
                            .rows = rows,
                            .dy = dy,
                            .head = head,
                            .point = span.point_end,
                            .first_point = span.point};
        head_backward(&walk, span, scratch);
    }
}

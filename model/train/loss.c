/*
 * loss.c - scores of a block of samples against all candidates, and both products back.
 *
 * Candidates are prepared (similarity.h) and packed once. A block is as many samples as leave their
 * scores in the second-level cache. Where all candidates fit beside each other the exponentials of
 * the first pass are still there for the second; where they do not, the second pass makes the scores
 * again, which is cheaper than memory.
 *
 * With several interests a sample remembers which one gave each item its score, so the way back
 * costs the same as for one: each (sample, item) pair moves gradient between two rows only.
 */
#include "model/train/loss.h"

#include <math.h>
#include <string.h>

#include "base/status.h"
#include "model/tensor/kernel.h"
#include "model/tensor/special.h"
#include "model/tensor/vector.h"

enum {
    TILE_ITEMS = 512,      /* candidates scored by one product; whole panels */
    TILE_ROWS = 128,       /* interests of one product, or those of one sample */
    KEPT_SCORES = 1 << 17, /* of a block: 512 KB as floats */
    SAMPLES_MIN = 16,      /* of a block: fewer would starve the products */
    SPAN_ITEMS = 64,       /* candidates whose rows stay in the first-level cache */
    SPAN_VECS = 8,         /* registers that one accumulation holds */
    SPAN_COLUMNS = SPAN_VECS * LANES,
};

/* Candidates as products want them. */
struct catalogue {
    uint32_t count, d;
    size_t stride;
    real *rows; /* [count, stride] prepared */
    real *panels;
    real *bias; /* [count] - log_q */
    real *d_rows;
    const uint32_t *row;
};

/* A block of samples on its way through the candidates. */
struct block {
    uint32_t samples, interests; /* how many; K */
    uint32_t columns;            /* candidates whose scores are kept at once */
    uint32_t index[TILE_ROWS];   /* of each sample in the caller's arrays */
    uint32_t live[TILE_ROWS];
    uint32_t target[TILE_ROWS];
    uint8_t target_chosen[TILE_ROWS];
    real target_score[TILE_ROWS];
    real most[TILE_ROWS], sum[TILE_ROWS]; /* of the softmax so far */
    real weight[TILE_ROWS];
    real *v, *dv;    /* [samples * K, stride] prepared interests */
    real *t;         /* [samples, stride] prepared targets */
    real *dt;        /* [stride] of one target */
    real *tile;      /* [samples * K, TILE_ITEMS] */
    real *score;     /* [samples, columns] */
    uint8_t *chosen; /* [samples, columns] the interest that gave the score */
};

static uint32_t less(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Samples of a block: what the products and the cache allow, SAMPLES_MIN if those disagree. */
static uint32_t block_samples(uint32_t interests, uint32_t candidates)
{
    const uint32_t most = interests < TILE_ROWS ? TILE_ROWS / interests : 1;
    const uint32_t cached = candidates ? KEPT_SCORES / candidates : TILE_ROWS;
    return less(most, cached < SAMPLES_MIN ? SAMPLES_MIN : cached);
}

/* All candidates if their scores can be kept beside each other, else whole tiles of them. */
static uint32_t block_columns(uint32_t samples, uint32_t candidates)
{
    const uint32_t kept = KEPT_SCORES / samples;
    return candidates <= kept ? candidates : kept / TILE_ITEMS * TILE_ITEMS;
}

static real *take(struct arena *arena, size_t count)
{
    return arena_take(arena, count * sizeof(real));
}

static size_t rounded(size_t size)
{
    return (size + ARENA_ALIGNMENT - 1) / ARENA_ALIGNMENT * ARENA_ALIGNMENT;
}

size_t loss_scratch_size(uint32_t samples, uint32_t interests_each, uint32_t d, uint32_t candidates)
{
    const size_t stride = similarity_stride(d), each = interests_each;
    const size_t catalogue =
        2 * rounded(candidates * stride * sizeof(real)) +
        rounded(kernel_packed_size(candidates, (uint32_t)stride) * sizeof(real)) +
        rounded(candidates * sizeof(real));
    const size_t rows = TILE_ROWS + each;
    const size_t block =
        4 * rounded(rows * stride * sizeof(real)) + rounded(rows * TILE_ITEMS * sizeof(real)) +
        rounded((size_t)KEPT_SCORES * sizeof(real)) + rounded(KEPT_SCORES + SPAN_ITEMS);
    const size_t readouts = 2 * rounded(samples * (size_t)d * sizeof(real)) + rounded(samples * 4);
    return catalogue + block + readouts;
}

static void catalogue_prepare(struct catalogue *catalogue, const struct loss_options *options,
                              const struct loss_candidates *candidates, uint32_t d,
                              struct arena *scratch)
{
    const size_t stride = similarity_stride(d), count = candidates->count;
    const size_t packed = kernel_packed_size(candidates->count, (uint32_t)stride);
    *catalogue = (struct catalogue){.count = candidates->count,
                                    .d = d,
                                    .stride = stride,
                                    .rows = take(scratch, count * stride),
                                    .panels = take(scratch, packed),
                                    .bias = take(scratch, count),
                                    .d_rows = take(scratch, count * stride),
                                    .row = candidates->rows};
    memset(catalogue->panels, 0, packed * sizeof(real));
    memset(catalogue->d_rows, 0, count * stride * sizeof(real));
    for (uint32_t i = 0; i < candidates->count; i++) {
        const uint32_t row = candidates->rows[i];
        real *to = catalogue->rows + i * stride;
        similarity_prepare(to, candidates->table + (size_t)row * d, d, options->similarity, 1);
        kernel_pack(catalogue->panels, to, i, 1, (uint32_t)stride);
        catalogue->bias[i] = candidates->log_q ? -candidates->log_q[row] : 0;
    }
}

/* ---- scores ---- */

/* Best over a sample's interests of `tile` [live, items], less log_q; its own target drops out. */
static void reduce_tile(const struct catalogue *catalogue, const struct block *block,
                        uint32_t sample, uint32_t from, uint32_t items, real *restrict score,
                        uint8_t *restrict chosen)
{
    const real *tile = block->tile + (size_t)sample * block->interests * items;
    real best[TILE_ITEMS]; /* a number as wide as a score, so that one mask selects both */
    memcpy(score, tile, items * sizeof(real));
    memset(best, 0, items * sizeof(real));
    for (uint32_t k = 1; k < block->live[sample]; k++) {
        const real *restrict other = tile + (size_t)k * items;
        for (uint32_t i = 0; i < items; i++) {
            best[i] = other[i] > score[i] ? (real)k : best[i];
            score[i] = other[i] > score[i] ? other[i] : score[i];
        }
    }
    for (uint32_t i = 0; i < items; i++) {
        chosen[i] = (uint8_t)best[i];
    }
    const real *restrict bias = catalogue->bias + from;
    const uint32_t *restrict row = catalogue->row + from, target = block->target[sample];
    for (uint32_t i = 0; i < items; i++) {
        score[i] = row[i] == target ? -(real)INFINITY : score[i] + bias[i];
    }
}

/* Scores of the block against the candidates from .. from + columns - 1. */
static void make_scores(const struct catalogue *catalogue, const struct block *block, uint32_t from,
                        uint32_t columns)
{
    const uint32_t rows = block->samples * block->interests;
    for (uint32_t at = 0; at < columns; at += TILE_ITEMS) {
        const uint32_t items = less(TILE_ITEMS, columns - at);
        kernel_matmul_packed(block->tile, block->v,
                             catalogue->panels + (from + at) * catalogue->stride, NULL, rows, items,
                             (uint32_t)catalogue->stride);
        for (uint32_t s = 0; s < block->samples; s++) {
            const size_t to = (size_t)s * block->columns + at;
            reduce_tile(catalogue, block, s, from + at, items, block->score + to,
                        block->chosen + to);
        }
    }
}

static real greatest(const real *x, uint32_t n)
{
    real lane[SPAN_VECS * LANES], most = -(real)INFINITY;
    uint32_t i = 0;
    for (uint32_t j = 0; j < SPAN_VECS * LANES; j++) {
        lane[j] = most;
    }
    for (; i + SPAN_VECS * LANES <= n; i += SPAN_VECS * LANES) {
        for (uint32_t j = 0; j < SPAN_VECS * LANES; j++) {
            lane[j] = x[i + j] > lane[j] ? x[i + j] : lane[j];
        }
    }
    for (; i < n; i++) {
        most = x[i] > most ? x[i] : most;
    }
    for (uint32_t j = 0; j < SPAN_VECS * LANES; j++) {
        most = lane[j] > most ? lane[j] : most;
    }
    return most;
}

/* x = e^(x - shift); returns the sum. */
static real exponentials(real *x, real shift, uint32_t n)
{
    real lane[SPAN_VECS * LANES] = {0}, sum = 0;
    uint32_t i = 0;
    for (uint32_t j = 0; j < n; j++) {
        x[j] -= shift;
    }
    kernel_exp(x, x, n);
    for (; i + SPAN_VECS * LANES <= n; i += SPAN_VECS * LANES) {
        for (uint32_t j = 0; j < SPAN_VECS * LANES; j++) {
            lane[j] += x[i + j];
        }
    }
    for (; i < n; i++) {
        sum += x[i];
    }
    for (uint32_t j = 0; j < SPAN_VECS * LANES; j++) {
        sum += lane[j];
    }
    return sum;
}

/* Lets the scores that are kept take part in each sample's softmax; they become exponentials. */
static void add_to_softmax(struct block *block, uint32_t columns)
{
    for (uint32_t s = 0; s < block->samples; s++) {
        real *score = block->score + (size_t)s * block->columns;
        real most = greatest(score, columns);
        if (most > block->most[s]) {
            block->sum[s] *= exp_of(block->most[s] - most);
            block->most[s] = most;
        }
        block->sum[s] += exponentials(score, block->most[s], columns);
    }
}

/* ---- gradients ---- */

/* The items of a span that were scored by interest `k`, as bits. */
static uint64_t items_of(const uint8_t *chosen, uint32_t k)
{
    uint64_t bits = 0;
    for (uint32_t i = 0; i < SPAN_ITEMS; i += (uint32_t)sizeof(__m256i)) {
        const __m256i some = _mm256_loadu_si256((const void *)(chosen + i));
        const __m256i same = _mm256_cmpeq_epi8(some, _mm256_set1_epi8((char)k));
        bits |= (uint64_t)(uint32_t)_mm256_movemask_epi8(same) << i;
    }
    return bits;
}

/* `vecs` registers of columns; a constant where these are called, so that sums stay in registers. */
static inline __attribute__((always_inline)) void load_sums(vec *sum, const real *y, const int vecs)
{
#pragma GCC unroll 8
    for (int v = 0; v < vecs; v++) {
        sum[v] = vec_load(y + v * LANES);
    }
}

static inline __attribute__((always_inline)) void add_share(vec *sum, real p, const real *row,
                                                            const int vecs)
{
    const vec share = vec_all(p);
#pragma GCC unroll 8
    for (int v = 0; v < vecs; v++) {
        sum[v] = vec_fma(share, vec_load(row + v * LANES), sum[v]);
    }
}

static inline __attribute__((always_inline)) void store_sums(real *y, const vec *sum,
                                                             const int vecs)
{
#pragma GCC unroll 8
    for (int v = 0; v < vecs; v++) {
        vec_store(y + v * LANES, sum[v]);
    }
}

/* dv += sum over `items`, bits of a span, of p[item] * rows[item]. */
static inline __attribute__((always_inline)) void add_items(real *restrict dv,
                                                            const real *restrict rows,
                                                            size_t stride, const real *restrict p,
                                                            uint64_t items, const int vecs)
{
    vec sum[SPAN_VECS];
    load_sums(sum, dv, vecs);
    for (; items; items &= items - 1) {
        const size_t item = (size_t)__builtin_ctzll(items);
        add_share(sum, p[item], rows + item * stride, vecs);
    }
    store_sums(dv, sum, vecs);
}

static __attribute__((noinline)) void add_items_all(real *dv, const real *rows, size_t stride,
                                                    const real *p, uint64_t items)
{
    size_t c = 0;
    for (; c + SPAN_COLUMNS <= stride; c += SPAN_COLUMNS) {
        add_items(dv + c, rows + c, stride, p, items, SPAN_VECS);
    }
    for (; c < stride; c += LANES) {
        add_items(dv + c, rows + c, stride, p, items, 1);
    }
}

/* dy += sum over samples of p * the interest that the sample chose; both are columns of a block. */
static inline __attribute__((always_inline)) void add_interests(
    real *restrict dy, const real *restrict v, size_t stride, const real *restrict p,
    const uint8_t *restrict chosen, const struct block *block, const int vecs)
{
    const size_t step = block->interests * stride, columns = block->columns;
    vec sum[SPAN_VECS];
    load_sums(sum, dy, vecs);
    for (uint32_t s = block->samples; s > 0; s--) {
        add_share(sum, *p, v + *chosen * stride, vecs);
        v += step;
        p += columns;
        chosen += columns;
    }
    store_sums(dy, sum, vecs);
}

static __attribute__((noinline)) void add_interests_all(real *dy, const struct block *block,
                                                        size_t stride, size_t item)
{
    const real *p = block->score + item;
    const uint8_t *chosen = block->chosen + item;
    size_t c = 0;
    for (; c + SPAN_COLUMNS <= stride; c += SPAN_COLUMNS) {
        add_interests(dy + c, block->v + c, stride, p, chosen, block, SPAN_VECS);
    }
    for (; c < stride; c += LANES) {
        add_interests(dy + c, block->v + c, stride, p, chosen, block, 1);
    }
}

/* Both ways back from p = `score`, of the candidates from .. from + columns - 1. */
static void add_gradients(const struct catalogue *catalogue, const struct block *block,
                          uint32_t from, uint32_t columns)
{
    const size_t stride = catalogue->stride;
    for (uint32_t at = 0; at < columns; at += SPAN_ITEMS) {
        const uint32_t items = less(SPAN_ITEMS, columns - at);
        const uint64_t all = UINT64_MAX >> (SPAN_ITEMS - items);
        const real *rows = catalogue->rows + (from + at) * stride;
        for (uint32_t row = 0; row < block->samples * block->interests; row++) {
            const uint32_t s = row / block->interests, k = row % block->interests;
            const size_t corner = (size_t)s * block->columns + at;
            add_items_all(block->dv + row * stride, rows, stride, block->score + corner,
                          items_of(block->chosen + corner, k) & all);
        }
        for (uint32_t i = 0; i < items; i++) {
            add_interests_all(catalogue->d_rows + (from + at + i) * stride, block, stride, at + i);
        }
    }
}

/* Scores, or the exponentials that they already are, become what the loss passes back to scores. */
static void make_shares(const struct block *block, uint32_t columns, bool exponentiated)
{
    for (uint32_t s = 0; s < block->samples; s++) {
        real *p = block->score + (size_t)s * block->columns;
        const real factor = block->weight[s] / block->sum[s];
        if (!exponentiated) exponentials(p, block->most[s], columns);
        for (uint32_t i = 0; i < columns; i++) {
            p[i] *= factor;
        }
    }
}

/* ---- a block ---- */

static void block_take(struct block *block, uint32_t interests, uint32_t candidates, size_t stride,
                       struct arena *scratch)
{
    const uint32_t samples = block_samples(interests, candidates);
    const size_t rows = (size_t)samples * interests;
    block->interests = interests;
    block->columns = block_columns(samples, candidates);
    block->v = take(scratch, rows * stride);
    block->dv = take(scratch, rows * stride);
    block->t = take(scratch, samples * stride);
    block->dt = take(scratch, stride);
    block->tile = take(scratch, rows * TILE_ITEMS);
    block->score = take(scratch, (size_t)samples * block->columns);
    block->chosen = arena_take(scratch, (size_t)samples * block->columns + SPAN_ITEMS);
}

/* Prepares a sample's interests and target and lets its target open its softmax. */
static void block_add(struct block *block, const struct loss_options *options,
                      const struct loss_samples *samples, const struct loss_candidates *candidates,
                      uint32_t index)
{
    const uint32_t d = samples->d, interests = block->interests, s = block->samples++;
    const uint32_t target = samples->target[index];
    const real scale = similarity_scale(options->similarity);
    const size_t stride = similarity_stride(d);
    const real *from = samples->interests + (size_t)index * interests * d;
    real *v = block->v + s * interests * stride, *t = block->t + s * stride;
    memset(block->dv + s * interests * stride, 0, interests * stride * sizeof(real));
    similarity_prepare(t, candidates->table + (size_t)target * d, d, options->similarity, 1);
    for (uint32_t k = 0; k < interests; k++) {
        similarity_prepare(v + k * stride, from + (size_t)k * d, d, options->similarity, scale);
    }
    real best = vec_dot(v, t, (uint32_t)stride);
    uint8_t chosen = 0;
    for (uint32_t k = 1; k < samples->live[index]; k++) {
        const real score = vec_dot(v + k * stride, t, (uint32_t)stride);
        if (score > best) best = score, chosen = (uint8_t)k;
    }
    block->index[s] = index;
    block->live[s] = samples->live[index];
    block->target[s] = target;
    block->target_chosen[s] = chosen;
    block->target_score[s] = best - (candidates->log_q ? candidates->log_q[target] : 0);
    block->most[s] = block->target_score[s];
    block->sum[s] = 1;
    block->weight[s] = samples->weight[index];
}

/* What the target's own score passes back, and all of it from prepared rows to the caller's. */
static void block_finish(const struct block *block, const struct loss_options *options,
                         const struct loss_samples *samples,
                         const struct loss_candidates *candidates,
                         const struct loss_gradients *gradients, size_t stride, uint32_t s)
{
    const uint32_t d = samples->d, interests = block->interests, index = block->index[s];
    const real share = exp_of(block->target_score[s] - block->most[s]) / block->sum[s];
    const real back = block->weight[s] * (share - 1), scale = similarity_scale(options->similarity);
    const size_t chosen = (size_t)s * interests + block->target_chosen[s];
    const real *t = block->t + s * stride, *v = block->v + chosen * stride;
    real *dv = block->dv + chosen * stride;
    real *dt = block->dt;
    for (size_t i = 0; i < stride; i++) {
        dv[i] += back * t[i];
        dt[i] = back * v[i];
    }
    similarity_prepare_backward(gradients->targets + (size_t)index * d,
                                candidates->table + (size_t)block->target[s] * d, dt, d,
                                options->similarity, 1);
    for (uint32_t k = 0; k < block->live[s]; k++) {
        const size_t at = ((size_t)index * interests + k) * d;
        similarity_prepare_backward(gradients->interests + at, samples->interests + at,
                                    block->dv + ((size_t)s * interests + k) * stride, d,
                                    options->similarity, scale);
    }
}

/* Takes the collected samples through all candidates, twice; the weighted sum of their losses. */
static double block_run(struct block *block, struct catalogue *catalogue)
{
    double loss = 0;
    const bool kept = block->columns == catalogue->count;
    for (uint32_t from = 0; from < catalogue->count; from += block->columns) {
        const uint32_t columns = less(block->columns, catalogue->count - from);
        make_scores(catalogue, block, from, columns);
        add_to_softmax(block, columns);
    }
    for (uint32_t from = 0; from < catalogue->count; from += block->columns) {
        const uint32_t columns = less(block->columns, catalogue->count - from);
        if (!kept) make_scores(catalogue, block, from, columns);
        make_shares(block, columns, kept);
        add_gradients(catalogue, block, from, columns);
    }
    for (uint32_t s = 0; s < block->samples; s++) {
        loss += (double)block->weight[s] *
                (log((double)block->sum[s]) + (double)(block->most[s] - block->target_score[s]));
    }
    return loss;
}

/* The loss of samples that each have their interests as they are scored. */
static double score_all(const struct loss_options *options, const struct loss_samples *samples,
                        const struct loss_candidates *candidates, struct arena *scratch,
                        const struct loss_gradients *gradients)
{
    const uint32_t d = samples->d;
    struct catalogue catalogue;
    struct block block = {0};
    double loss = 0;
    catalogue_prepare(&catalogue, options, candidates, d, scratch);
    block_take(&block, samples->interests_each, candidates->count, catalogue.stride, scratch);
    const uint32_t full = block_samples(samples->interests_each, candidates->count);
    for (uint32_t i = 0; i < samples->count; i++) {
        if (samples->target[i] && samples->live[i]) {
            block_add(&block, options, samples, candidates, i);
        }
        if (block.samples < full && i + 1 < samples->count) continue;
        loss += block_run(&block, &catalogue);
        for (uint32_t s = 0; s < block.samples; s++) {
            block_finish(&block, options, samples, candidates, gradients, catalogue.stride, s);
        }
        block.samples = 0;
    }
    for (uint32_t i = 0; i < catalogue.count; i++) {
        similarity_prepare_backward(gradients->candidates + (size_t)i * d,
                                    candidates->table + (size_t)candidates->rows[i] * d,
                                    catalogue.d_rows + i * catalogue.stride, d, options->similarity,
                                    1);
    }
    return loss;
}

/* ---- read-outs that choose one vector ---- */

/* Reads a vector for each sample, takes the loss of those, and goes back through the read-out. */
static double read_and_score(const struct loss_options *options, const struct loss_samples *samples,
                             const struct loss_candidates *candidates, struct arena *scratch,
                             const struct loss_gradients *gradients)
{
    const uint32_t d = samples->d, count = samples->count;
    const size_t each = (size_t)samples->interests_each * d;
    const struct readout_rule rule = {options->readout, options->similarity, options->power, d};
    real *read = take(scratch, (size_t)count * d), *d_read = take(scratch, (size_t)count * d);
    uint32_t *live = arena_take(scratch, count * sizeof(*live));
    memset(d_read, 0, (size_t)count * d * sizeof(real));
    for (uint32_t i = 0; i < count; i++) {
        live[i] = samples->live[i] > 0 && samples->target[i] > 0;
        if (!live[i]) continue;
        readout_forward(&rule, read + (size_t)i * d, samples->interests + i * each,
                        samples->live[i], candidates->table + (size_t)samples->target[i] * d);
    }
    const struct loss_samples one = {read, live, samples->target, samples->weight, count, 1, d};
    const struct loss_gradients back = {d_read, gradients->candidates, gradients->targets};
    const double loss = score_all(options, &one, candidates, scratch, &back);
    for (uint32_t i = 0; i < count; i++) {
        if (!live[i]) continue;
        readout_backward(&rule, gradients->interests + i * each, gradients->targets + (size_t)i * d,
                         d_read + (size_t)i * d, samples->interests + i * each, samples->live[i],
                         candidates->table + (size_t)samples->target[i] * d);
    }
    return loss;
}

double loss_softmax(const struct loss_options *options, const struct loss_samples *samples,
                    const struct loss_candidates *candidates, struct arena *scratch,
                    const struct loss_gradients *gradients)
{
    REQUIRE(samples->interests_each >= 1 && samples->interests_each <= READOUT_INTERESTS_MAX);
    const size_t mark = arena_mark(scratch);
    const bool choose = options->readout != READOUT_MAX && samples->interests_each > 1;
    const double loss = choose ? read_and_score(options, samples, candidates, scratch, gradients)
                               : score_all(options, samples, candidates, scratch, gradients);
    arena_release(scratch, mark);
    return loss;
}

/*
 * loss.c - scores of a block of samples against all candidates, and both products back.
 *
 * Candidates are prepared (similarity.h) and packed once. A block is as many samples as leave their
 * scores in the second-level cache. Where all candidates fit beside each other the exponentials of
 * the first pass are still there for the second; where they do not, the second pass makes the
 * scores again, which is cheaper than memory.
 *
 * With several interests a sample remembers which one gave each item its score, so the way back
 * costs the same as for one: each (sample, item) pair moves gradient between two rows only.
 */
#include "model/train/loss.h"

#include <math.h>
#include <string.h>

#include "base/status.h"
#include "model/kernel/kernel.h"
#include "model/kernel/special.h"
#include "model/kernel/vector.h"

enum {
    TILE_ITEMS = 512,      /* candidates scored by one product; whole panels */
    TILE_ROWS = 128,       /* interests of one product, or those of one sample */
    KEPT_SCORES = 1 << 17, /* of a block: 512 KB as floats */
    SAMPLES_MIN = 16,      /* of a block: fewer would starve the products */
    SPAN_ITEMS = 64,       /* candidates whose rows stay in the first-level cache */
    SPAN_VECS = 8,         /* registers that one accumulation holds */
    SPAN_COLUMNS = SPAN_VECS * LANES,
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
    real *share;     /* [samples * K, stride] v times weight / sum */
    real *t;         /* [samples, stride] prepared targets */
    real *dt;        /* [stride] of one target */
    real *tile;      /* [samples * K, TILE_ITEMS] */
    real *score;     /* [samples, columns] */
    uint8_t *chosen; /* [samples, columns] the interest that gave the score */
};

static uint32_t fewer(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Samples of a block: what the products and the cache allow, SAMPLES_MIN if those disagree. */
static uint32_t block_samples(uint32_t interests, uint32_t candidates)
{
    const uint32_t most = interests < TILE_ROWS ? TILE_ROWS / interests : 1;
    const uint32_t cached = candidates ? KEPT_SCORES / candidates : TILE_ROWS;
    return fewer(most, cached < SAMPLES_MIN ? SAMPLES_MIN : cached);
}

/* All candidates if their scores can be kept beside each other, else whole tiles of them. */
static uint32_t block_columns(uint32_t samples, uint32_t candidates)
{
    const uint32_t kept = KEPT_SCORES / samples;
    return candidates <= kept ? candidates : kept / TILE_ITEMS * TILE_ITEMS;
}

static real *take_reals(struct arena *arena, size_t count)
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

void loss_open(struct loss *loss, const struct loss_options *options,
               const struct loss_candidates *candidates, struct row_gradients *items,
               struct arena *scratch)
{
    const uint32_t d = candidates->d;
    const size_t stride = similarity_stride(d), count = candidates->count;
    const size_t packed = kernel_packed_size(candidates->count, (uint32_t)stride);
    *loss = (struct loss){.options = *options,
                          .candidates = *candidates,
                          .items = items,
                          .scratch = scratch,
                          .stride = stride,
                          .prepared = take_reals(scratch, count * stride),
                          .d_prepared = take_reals(scratch, count * stride),
                          .panels = take_reals(scratch, packed),
                          .bias = take_reals(scratch, count)};
    memset(loss->panels, 0, packed * sizeof(real));
    memset(loss->d_prepared, 0, count * stride * sizeof(real));
    for (uint32_t i = 0; i < candidates->count; i++) {
        const uint32_t row = candidates->rows[i];
        real *to = loss->prepared + i * stride;
        similarity_prepare(to, candidates->table + (size_t)row * d, d, options->similarity, 1);
        kernel_pack(loss->panels, to, i, 1, (uint32_t)stride);
        loss->bias[i] = candidates->log_q ? -candidates->log_q[row] : 0;
    }
}

void loss_finish(struct loss *loss)
{
    const struct loss_candidates *candidates = &loss->candidates;
    const uint32_t d = candidates->d;
    for (uint32_t i = 0; i < candidates->count; i++) {
        const uint32_t row = candidates->rows[i];
        similarity_prepare_backward(
            row_gradient(loss->items, row), candidates->table + (size_t)row * d,
            loss->d_prepared + i * loss->stride, d, loss->options.similarity, 1);
    }
}

/* ---- scores ---- */

/* The greatest of `live` rows of a tile, item by item, and which it was: the lower of equals. */
static void choose_best(const real *tile, uint32_t live, uint32_t items, real *restrict score,
                        uint8_t *restrict chosen)
{
    real best[TILE_ITEMS]; /* a number as wide as a score, so that one mask selects both */
    memcpy(score, tile, items * sizeof(real));
    memset(best, 0, items * sizeof(real));
    for (uint32_t k = 1; k < live; k++) {
        const real *restrict other = tile + (size_t)k * items;
        for (uint32_t i = 0; i < items; i++) {
            best[i] = other[i] > score[i] ? (real)k : best[i];
            score[i] = other[i] > score[i] ? other[i] : score[i];
        }
    }
    for (uint32_t i = 0; i < items; i++) {
        chosen[i] = (uint8_t)best[i];
    }
}

/* Best over a sample's interests of `tile` [live, items], less log_q; its own target drops out. */
static void reduce_tile(const struct loss *loss, const struct block *block, uint32_t sample,
                        uint32_t from, uint32_t items, real *score, uint8_t *chosen)
{
    const real *tile = block->tile + (size_t)sample * block->interests * items;
    const real *restrict bias = loss->bias + from;
    const uint32_t *restrict row = loss->candidates.rows + from, target = block->target[sample];
    if (block->live[sample] > 1) {
        choose_best(tile, block->live[sample], items, score, chosen);
        tile = score;
    } else if (block->interests > 1) {
        memset(chosen, 0, items);
    }
    for (uint32_t i = 0; i < items; i++) {
        score[i] = row[i] == target ? -(real)INFINITY : tile[i] + bias[i];
    }
}

/* Scores of the block against the candidates from .. from + columns - 1. */
static void make_scores(const struct loss *loss, const struct block *block, uint32_t from,
                        uint32_t columns)
{
    const uint32_t rows = block->samples * block->interests;
    for (uint32_t at = 0; at < columns; at += TILE_ITEMS) {
        const uint32_t items = fewer(TILE_ITEMS, columns - at);
        kernel_matmul_packed(block->tile, block->v, loss->panels + (from + at) * loss->stride, NULL,
                             rows, items, (uint32_t)loss->stride);
        for (uint32_t s = 0; s < block->samples; s++) {
            const size_t to = (size_t)s * block->columns + at;
            reduce_tile(loss, block, s, from + at, items, block->score + to, block->chosen + to);
        }
    }
}

static real greatest_score(const real *x, uint32_t n)
{
    real lane[SPAN_COLUMNS], most = -(real)INFINITY;
    uint32_t i = 0;
    for (uint32_t j = 0; j < SPAN_COLUMNS; j++) {
        lane[j] = most;
    }
    for (; i + SPAN_COLUMNS <= n; i += SPAN_COLUMNS) {
        for (uint32_t j = 0; j < SPAN_COLUMNS; j++) {
            lane[j] = x[i + j] > lane[j] ? x[i + j] : lane[j];
        }
    }
    for (; i < n; i++) {
        most = x[i] > most ? x[i] : most;
    }
    for (uint32_t j = 0; j < SPAN_COLUMNS; j++) {
        most = lane[j] > most ? lane[j] : most;
    }
    return most;
}

/* x = e^(x - shift); returns the sum. */
static real exponentials(real *x, real shift, uint32_t n)
{
    real lane[SPAN_COLUMNS] = {0}, sum = 0;
    uint32_t i = 0;
    for (uint32_t j = 0; j < n; j++) {
        x[j] = exp_of(x[j] - shift);
    }
    for (; i + SPAN_COLUMNS <= n; i += SPAN_COLUMNS) {
        for (uint32_t j = 0; j < SPAN_COLUMNS; j++) {
            lane[j] += x[i + j];
        }
    }
    for (; i < n; i++) {
        sum += x[i];
    }
    for (uint32_t j = 0; j < SPAN_COLUMNS; j++) {
        sum += lane[j];
    }
    return sum;
}

/* Lets the scores that are kept take part in each sample's softmax; they become exponentials. */
static void add_to_softmax(struct block *block, uint32_t columns)
{
    for (uint32_t s = 0; s < block->samples; s++) {
        real *score = block->score + (size_t)s * block->columns;
        real most = greatest_score(score, columns);
        if (most > block->most[s]) {
            block->sum[s] *= exp_of(block->most[s] - most);
            block->most[s] = most;
        }
        block->sum[s] += exponentials(score, block->most[s], columns);
    }
}

/* Scores that were made again, once each sample's maximum is known. */
static void make_exponentials(const struct block *block, uint32_t columns)
{
    for (uint32_t s = 0; s < block->samples; s++) {
        exponentials(block->score + (size_t)s * block->columns, block->most[s], columns);
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

/*
 * `vecs` registers of columns; a constant where these are called, so that sums stay in registers.
 */
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

/* dv += sum over `items`, bits of a span, of p[item] * rows[item], p as exponentials. */
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

/*
 * dy += sum over samples of p * the interest that the sample chose; p, chosen: columns of a block.
 */
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
        add_interests(dy + c, block->share + c, stride, p, chosen, block, SPAN_VECS);
    }
    for (; c < stride; c += LANES) {
        add_interests(dy + c, block->share + c, stride, p, chosen, block, 1);
    }
}

/* The same with one interest a sample: nothing to choose, so products as they come. */
static void add_products(const struct loss *loss, const struct block *block, uint32_t from,
                         uint32_t columns)
{
    const uint32_t stride = (uint32_t)loss->stride, p_stride = block->columns;
    const real *rows = loss->prepared + from * loss->stride;
    kernel_product(block->dv, stride, factor_of(block->score, p_stride), factor_of(rows, stride),
                   block->samples, stride, columns, true);
    kernel_product(loss->d_prepared + from * loss->stride, stride,
                   factor_turned(block->score, p_stride), factor_of(block->share, stride), columns,
                   stride, block->samples, true);
}

/* Both ways back from p = `score`, exponentials, of the candidates from .. from + columns - 1. */
static void add_gradients(const struct loss *loss, const struct block *block, uint32_t from,
                          uint32_t columns)
{
    const size_t stride = loss->stride;
    for (uint32_t at = 0; at < columns; at += SPAN_ITEMS) {
        const uint32_t items = fewer(SPAN_ITEMS, columns - at);
        const uint64_t all = UINT64_MAX >> (SPAN_ITEMS - items);
        const real *rows = loss->prepared + (from + at) * stride;
        for (uint32_t row = 0; row < block->samples * block->interests; row++) {
            const uint32_t s = row / block->interests, k = row % block->interests;
            const size_t corner = (size_t)s * block->columns + at;
            add_items_all(block->dv + row * stride, rows, stride, block->score + corner,
                          items_of(block->chosen + corner, k) & all);
        }
        for (uint32_t i = 0; i < items; i++) {
            add_interests_all(loss->d_prepared + (from + at + i) * stride, block, stride, at + i);
        }
    }
}

/* Once the sums are known: interests times what a sample's exponentials lack to be shares of it. */
static void scale_interests(const struct block *block, size_t stride)
{
    for (uint32_t row = 0; row < block->samples * block->interests; row++) {
        const uint32_t s = row / block->interests;
        const real factor = block->weight[s] / block->sum[s];
        const real *v = block->v + row * stride;
        real *share = block->share + row * stride;
        for (size_t i = 0; i < stride; i++) {
            share[i] = factor * v[i];
        }
    }
}

/* ---- a block ---- */

static void block_take(struct block *block, const struct loss *loss, uint32_t interests)
{
    const uint32_t candidates = loss->candidates.count;
    const uint32_t samples = block_samples(interests, candidates);
    const size_t rows = (size_t)samples * interests;
    block->interests = interests;
    block->columns = block_columns(samples, candidates);
    block->v = take_reals(loss->scratch, rows * loss->stride);
    block->dv = take_reals(loss->scratch, rows * loss->stride);
    block->share = take_reals(loss->scratch, rows * loss->stride);
    block->t = take_reals(loss->scratch, samples * loss->stride);
    block->dt = take_reals(loss->scratch, loss->stride);
    block->tile = take_reals(loss->scratch, rows * TILE_ITEMS);
    block->score = take_reals(loss->scratch, (size_t)samples * block->columns);
    block->chosen = arena_take(loss->scratch, (size_t)samples * block->columns + SPAN_ITEMS);
}

/* Prepares a sample's interests and target, and lets its target open its softmax. */
static void block_add(struct block *block, const struct loss *loss,
                      const struct loss_samples *samples, uint32_t index)
{
    const struct loss_candidates *candidates = &loss->candidates;
    const struct similarity similarity = loss->options.similarity;
    const uint32_t d = candidates->d, interests = block->interests, s = block->samples++;
    const uint32_t target = samples->target[index];
    const real scale = similarity_scale(similarity);
    const size_t stride = loss->stride;
    const real *from = samples->interests + (size_t)index * interests * d;
    real *v = block->v + s * interests * stride, *t = block->t + s * stride;
    memset(block->dv + s * interests * stride, 0, interests * stride * sizeof(real));
    similarity_prepare(t, candidates->table + (size_t)target * d, d, similarity, 1);
    for (uint32_t k = 0; k < interests; k++) {
        similarity_prepare(v + k * stride, from + (size_t)k * d, d, similarity, scale);
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
static void block_finish(const struct block *block, const struct loss *loss,
                         const struct loss_samples *samples, real *d_interests, uint32_t s)
{
    const struct similarity similarity = loss->options.similarity;
    const uint32_t d = loss->candidates.d, interests = block->interests, index = block->index[s];
    const real factor = block->weight[s] / block->sum[s], scale = similarity_scale(similarity);
    const real back = factor * exp_of(block->target_score[s] - block->most[s]) - block->weight[s];
    const size_t stride = loss->stride, chosen = block->target_chosen[s];
    const size_t first = (size_t)s * interests * stride;
    const real *t = block->t + s * stride, *v = block->v + first + chosen * stride;
    real *dv = block->dv + first;
    for (size_t i = 0; i < interests * stride; i++) {
        dv[i] *= factor;
    }
    for (size_t i = 0; i < stride; i++) {
        dv[chosen * stride + i] += back * t[i];
        block->dt[i] = back * v[i];
    }
    similarity_prepare_backward(row_gradient(loss->items, block->target[s]),
                                loss->candidates.table + (size_t)block->target[s] * d, block->dt, d,
                                similarity, 1);
    for (uint32_t k = 0; k < block->live[s]; k++) {
        const size_t at = ((size_t)index * interests + k) * d;
        similarity_prepare_backward(d_interests + at, samples->interests + at, dv + k * stride, d,
                                    similarity, scale);
    }
}

/* Takes the collected samples through all candidates, twice; the weighted sum of their losses. */
static double block_run(struct block *block, const struct loss *loss)
{
    const uint32_t count = loss->candidates.count;
    const bool kept = block->columns == count;
    double sum = 0;
    for (uint32_t from = 0; from < count; from += block->columns) {
        const uint32_t columns = fewer(block->columns, count - from);
        make_scores(loss, block, from, columns);
        add_to_softmax(block, columns);
    }
    scale_interests(block, loss->stride);
    for (uint32_t from = 0; from < count; from += block->columns) {
        const uint32_t columns = fewer(block->columns, count - from);
        if (!kept) {
            make_scores(loss, block, from, columns);
            make_exponentials(block, columns);
        }
        if (block->interests == 1) {
            add_products(loss, block, from, columns);
        } else {
            add_gradients(loss, block, from, columns);
        }
    }
    for (uint32_t s = 0; s < block->samples; s++) {
        sum += (double)block->weight[s] *
               (log((double)block->sum[s]) + (double)(block->most[s] - block->target_score[s]));
    }
    return sum;
}

/* The loss of samples whose items are scored by their best interest. */
static double score_all(const struct loss *loss, const struct loss_samples *samples,
                        real *d_interests)
{
    const uint32_t full = block_samples(samples->interests_each, loss->candidates.count);
    struct block block = {0};
    double sum = 0;
    block_take(&block, loss, samples->interests_each);
    for (uint32_t i = 0; i < samples->count; i++) {
        if (samples->target[i] && samples->live[i]) block_add(&block, loss, samples, i);
        if (block.samples < full && i + 1 < samples->count) continue;
        sum += block_run(&block, loss);
        for (uint32_t s = 0; s < block.samples; s++) {
            block_finish(&block, loss, samples, d_interests, s);
        }
        block.samples = 0;
    }
    return sum;
}

/* Reads a vector for each sample, takes the loss of those, and goes back through the read-out. */
static double read_and_score(const struct loss *loss, const struct loss_samples *samples,
                             real *d_interests)
{
    const struct loss_options *options = &loss->options;
    const uint32_t d = loss->candidates.d, count = samples->count;
    const size_t each = (size_t)samples->interests_each * d;
    const real *table = loss->candidates.table;
    const struct readout_rule rule = {options->readout, options->similarity, options->power, d};
    real *read = take_reals(loss->scratch, (size_t)count * d);
    real *d_read = take_reals(loss->scratch, (size_t)count * d);
    uint32_t *live = arena_take(loss->scratch, count * sizeof(*live));
    memset(d_read, 0, (size_t)count * d * sizeof(real));
    for (uint32_t i = 0; i < count; i++) {
        live[i] = samples->live[i] > 0 && samples->target[i] > 0;
        if (!live[i]) continue;
        readout_forward(&rule, read + (size_t)i * d, samples->interests + i * each,
                        samples->live[i], table + (size_t)samples->target[i] * d);
    }
    const struct loss_samples one = {read, live, samples->target, samples->weight, count, 1};
    const double sum = score_all(loss, &one, d_read);
    for (uint32_t i = 0; i < count; i++) {
        if (!live[i]) continue;
        const uint32_t target = samples->target[i];
        readout_backward(&rule, d_interests + i * each, row_gradient(loss->items, target),
                         d_read + (size_t)i * d, samples->interests + i * each, samples->live[i],
                         table + (size_t)target * d);
    }
    return sum;
}

double loss_add(struct loss *loss, const struct loss_samples *samples, real *d_interests)
{
    REQUIRE(samples->interests_each >= 1 && samples->interests_each <= READOUT_INTERESTS_MAX);
    const size_t mark = arena_mark(loss->scratch);
    const bool choose = loss->options.readout != READOUT_MAX && samples->interests_each > 1;
    const double sum =
        choose ? read_and_score(loss, samples, d_interests) : score_all(loss, samples, d_interests);
    arena_release(loss->scratch, mark);
    return sum;
}

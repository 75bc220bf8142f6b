/*
 * bench_absorb.c - what absorbing and reading cost, beside the bare products of the same shapes.
 *
 * LimaRec with its defaults (d = 64, 2 blocks, 4 heads, K = 4), 50,000 items, 100,000 users whose
 * states are all distinct memory. Polls of 10,000 events draw users and items from Zipf(1). All of
 * absorb counts: embeddings, norms, recurrences, states fetched from memory. The ceiling is
 * OpenBLAS at its best (blas.h) on one thread, in the same run, polls and products taking turns.
 *
 *     case=poll   sgemm_share: time of the products by sgemm over time of the polls
 *     case=one    gemv_ratio: time of one event alone over time of its products by sgemv
 *     case=read   sgemm_share: as for polls, for reading the users of each poll
 *
 * Any other model with its defaults, by name or, without an argument, all in turn, has no ceiling:
 *
 *     case=poll   model, bytes of a state, ns_per_event: the same polls
 *     case=read   ns_per_user and users_per_s of one core, of users whose windows are full
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "bench/blas.h"
#include "model/interest_ops.h"
#include "model/param_draw.h"

enum { USERS = 100000, ITEMS = 50000, CATEGORIES = 20, POLL = 10000, POLLS = 24, ONES = 20000 };
enum { READERS = 2000, FULL = 64 }; /* users read in each of POLLS turns, events of each */
enum { BLAS_ROWS_MAX = POLL, BLAS_WIDTH_MAX = 256 };

/* One matrix product of the model: [in] -> [out], `per_row` times for each row. */
struct product {
    uint32_t out, in, per_row;
};

static const struct model_dims limarec_dims = {
    .d = 64,
    .heads = 4,
    .blocks = 2,
    .ffn = 128,
    .interests = 4,
    .extract_heads = 4,
    .conditional = true,
    .use_category = true,
    .use_gap = true,
    .gap_buckets = 32,
};
static const struct product absorb_products[] = {
    {192, 64, 2}, {64, 64, 2}, {128, 64, 2}, {64, 128, 2}, {128, 64, 1},
};
static const struct product read_products[] = {{256, 64, 1}, {64, 64, 4}};

enum { ABSORB_PRODUCTS = 5, READ_PRODUCTS = 2 };

/* Ends the program: a bench that cannot be set up has no result. */
static void check(enum status status, const struct error *error)
{
    if (status == STATUS_OK) return;
    fprintf(stderr, "bench_absorb: %s\n", error->text);
    exit(1);
}

static void *take(size_t size)
{
    void *at = arena_block(size);
    REQUIRE(at != NULL);
    memset(at, 0, size);
    return at;
}

/* ---- the workload ---- */

struct zipf {
    uint32_t n;
    double *upto; /* [n] probability of one of the first i + 1 */
};

static struct zipf zipf_of(uint32_t n)
{
    struct zipf zipf = {n, take(n * sizeof(double))};
    double sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        zipf.upto[i] = sum += 1.0 / (i + 1);
    }
    for (uint32_t i = 0; i < n; i++) {
        zipf.upto[i] /= sum;
    }
    return zipf;
}

/* The rank drawn is scattered over 0 .. n - 1, so that neighbors in memory are not equally hot. */
static uint32_t zipf_draw(const struct zipf *zipf, struct random *random)
{
    double u = random_uniform(random);
    uint32_t low = 0, high = zipf->n - 1;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (zipf->upto[middle] > u) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return (uint32_t)((uint64_t)low * 2654435761u % zipf->n);
}

struct poll {
    struct behavior *at; /* [POLL] */
    uint32_t *offsets;   /* [users + 1] */
    void **states;       /* [users] */
    uint32_t users;
};

/* Draws a poll and groups it by user, as the processor does. */
static void poll_draw(struct poll *poll, const struct zipf *users, const struct zipf *items,
                      char *states, size_t state_size, struct random *random)
{
    static uint32_t count[USERS], at[USERS], order[USERS], drawn[POLL];
    memset(count, 0, sizeof(count));
    poll->users = 0;
    for (uint32_t i = 0; i < POLL; i++) {
        drawn[i] = zipf_draw(users, random);
        if (count[drawn[i]]++ == 0) order[poll->users++] = drawn[i];
    }
    poll->offsets[0] = 0;
    for (uint32_t u = 0; u < poll->users; u++) {
        at[order[u]] = poll->offsets[u];
        poll->offsets[u + 1] = poll->offsets[u] + count[order[u]];
        poll->states[u] = states + order[u] * state_size;
    }
    for (uint32_t i = 0; i < POLL; i++) {
        poll->at[at[drawn[i]]++] = (struct behavior){
            .item = 1 + zipf_draw(items, random),
            .category = (uint32_t)random_below(random, 1 + CATEGORIES),
            .gap_s = (int64_t)random_below(random, 100000),
            .ordinal = random_below(random, 1 << 20),
        };
    }
}

/* ---- the ceiling ---- */

/* Nanoseconds of the products for `rows` rows in chunks of `chunk`. */
static int64_t blas_ns(const struct product *products, uint32_t count, uint32_t rows,
                       uint32_t chunk)
{
    static float *x, *y, *weight;
    if (!x) {
        x = take(sizeof(float) * BLAS_ROWS_MAX * BLAS_WIDTH_MAX);
        y = take(sizeof(float) * BLAS_ROWS_MAX * BLAS_WIDTH_MAX);
        weight = take(sizeof(float) * BLAS_WIDTH_MAX * BLAS_WIDTH_MAX * 16);
    }
    int64_t from = clock_monotonic_ns();
    for (uint32_t row = 0; row < rows; row += chunk) {
        uint32_t some = rows - row < chunk ? rows - row : chunk;
        float *w = weight;
        for (uint32_t i = 0; i < count; i++) {
            for (uint32_t n = 0; n < products[i].per_row; n++) {
                blas_matmul(y, x, w, some, products[i].out, products[i].in);
                w += products[i].out * products[i].in;
            }
        }
    }
    return clock_monotonic_ns() - from;
}

/* The number of rows at which sgemm is fastest: it deserves its best. */
static uint32_t blas_best_chunk(const struct product *products, uint32_t count)
{
    static const uint32_t chunks[] = {64, 192, 512, 2048, POLL};
    uint32_t best = 0;
    int64_t best_ns = INT64_MAX;
    for (uint32_t i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++) {
        for (int repeat = 0; repeat < 3; repeat++) {
            int64_t ns = blas_ns(products, count, POLL, chunks[i]);
            if (ns < best_ns) best_ns = ns, best = chunks[i];
        }
    }
    return best;
}

static double flops_of(const struct product *products, uint32_t count)
{
    double flops = 0;
    for (uint32_t i = 0; i < count; i++) {
        flops += 2.0 * products[i].out * products[i].in * products[i].per_row;
    }
    return flops;
}

static int ascending(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static double median(int64_t *ns, size_t n)
{
    qsort(ns, n, sizeof(*ns), ascending);
    return (double)ns[n / 2];
}

/* ---- the cases ---- */

struct bench {
    struct checkpoint checkpoint; /* of `dims`, its parameters drawn */
    struct interest_model *model;
    struct interest_scratch *scratch;
    char *states;
    struct zipf users, items;
    struct random random;
    struct poll poll;
};

static void bench_open(struct bench *bench, const char *name, const struct model_dims *dims)
{
    struct error error;
    bench->random = random_seeded(1);
    bench->checkpoint = (struct checkpoint){.dims = *dims, .generation = 1};
    snprintf(bench->checkpoint.model, sizeof bench->checkpoint.model, "%s", name);
    static char names[ITEMS][8];
    struct item_entry *entries = take(ITEMS * sizeof(*entries));
    struct bytes categories[CATEGORIES];
    for (uint32_t i = 0; i < ITEMS; i++) {
        snprintf(names[i], sizeof(names[i]), "%u", i);
        entries[i] = (struct item_entry){bytes_of(names[i]), i % CATEGORIES};
        if (i < CATEGORIES) categories[i] = bytes_of(names[i]);
    }
    check(item_table_open(&bench->checkpoint.items, entries, ITEMS, categories, CATEGORIES, 1,
                          &error),
          &error);
    check(interest_params_open(&bench->checkpoint.params, name, dims,
                               item_table_rows(bench->checkpoint.items), CATEGORIES, &error),
          &error);
    param_set_draw(bench->checkpoint.params, 1);
    check(interest_model_open(&bench->model, &bench->checkpoint, &error), &error);
    check(interest_scratch_open(&bench->scratch, bench->model, &error), &error);
    bench->states = take(USERS * interest_model_state_size(bench->model));
    bench->users = zipf_of(USERS);
    bench->items = zipf_of(ITEMS);
    bench->poll = (struct poll){
        .at = take(POLL * sizeof(struct behavior)),
        .offsets = take((POLL + 1) * sizeof(uint32_t)),
        .states = take(POLL * sizeof(void *)),
    };
    free(entries);
}

static void draw(struct bench *bench)
{
    poll_draw(&bench->poll, &bench->users, &bench->items, bench->states,
              interest_model_state_size(bench->model), &bench->random);
}

static void bench_polls(struct bench *bench)
{
    int64_t absorb_ns[POLLS], sgemm_ns[POLLS];
    uint32_t chunk = blas_best_chunk(absorb_products, ABSORB_PRODUCTS);
    for (int i = 0; i < POLLS; i++) {
        draw(bench);
        struct behavior_batch batch = {bench->poll.at, bench->poll.offsets, bench->poll.users};
        int64_t from = clock_monotonic_ns();
        interest_absorb(bench->model, bench->scratch, bench->poll.states, &batch);
        absorb_ns[i] = clock_monotonic_ns() - from;
        sgemm_ns[i] = blas_ns(absorb_products, ABSORB_PRODUCTS, POLL, chunk);
    }
    double ours = median(absorb_ns, POLLS), blas = median(sgemm_ns, POLLS);
    double flops = POLL * flops_of(absorb_products, ABSORB_PRODUCTS);
    printf("case=poll sgemm_share=%.3f ns_per_event=%.0f gflops=%.1f sgemm_gflops=%.1f "
           "sgemm_rows=%u\n",
           blas / ours, ours / POLL, flops / ours, flops / blas, chunk);
}

static void bench_ones(struct bench *bench)
{
    static int64_t absorb_ns[ONES], gemv_ns[ONES];
    const uint32_t offsets[] = {0, 1};
    draw(bench);
    for (int i = 0; i < ONES; i++) {
        uint32_t at = (uint32_t)i % 64;
        struct behavior_batch batch = {bench->poll.at + at, offsets, 1};
        int64_t from = clock_monotonic_ns();
        interest_absorb(bench->model, bench->scratch, bench->poll.states + at, &batch);
        absorb_ns[i] = clock_monotonic_ns() - from;
    }
    for (int i = 0; i < ONES; i++) {
        gemv_ns[i] = blas_ns(absorb_products, ABSORB_PRODUCTS, 1, 1);
    }
    double ours = median(absorb_ns, ONES), blas = median(gemv_ns, ONES);
    printf("case=one gemv_ratio=%.3f ns_per_event=%.0f gemv_ns=%.0f\n", ours / blas, ours, blas);
}

static void bench_reads(struct bench *bench)
{
    int64_t read_ns[POLLS], sgemm_ns[POLLS];
    double users = 0;
    struct interest_sets sets = {
        .vectors = take(sizeof(real) * POLL * limarec_dims.interests * limarec_dims.d),
        .weights = take(sizeof(real) * POLL * limarec_dims.interests),
        .count = take(sizeof(uint32_t) * POLL),
    };
    uint64_t *events = take(POLL * sizeof(*events));
    for (int i = 0; i < POLL; i++) {
        events[i] = 2;
    }
    uint32_t chunk = blas_best_chunk(read_products, READ_PRODUCTS);
    for (int i = 0; i < POLLS; i++) {
        draw(bench);
        const uint32_t n = bench->poll.users;
        int64_t from = clock_monotonic_ns();
        interest_read(bench->model, bench->scratch, (const void *const *)bench->poll.states, events,
                      NULL, n, &sets);
        read_ns[i] = clock_monotonic_ns() - from;
        sgemm_ns[i] = blas_ns(read_products, READ_PRODUCTS, n, chunk);
        users += n / (double)POLLS;
    }
    double ours = median(read_ns, POLLS), blas = median(sgemm_ns, POLLS);
    printf("case=read ns_per_user=%.0f sgemm_share=%.3f users=%.0f\n", ours / users, blas / ours,
           users);
    free(sets.vectors);
    free(sets.weights);
    free(sets.count);
    free(events);
}

static void bench_close(struct bench *bench)
{
    free(bench->poll.at);
    free(bench->poll.offsets);
    free(bench->poll.states);
    free(bench->users.upto);
    free(bench->items.upto);
    free(bench->states);
    interest_scratch_close(bench->scratch);
    interest_model_close(bench->model);
    param_set_close(bench->checkpoint.params);
    item_table_close(bench->checkpoint.items);
}

static void bench_limarec(void)
{
    static struct bench bench;
    bench_open(&bench, "limarec", &limarec_dims);
    bench_polls(&bench);
    bench_ones(&bench);
    bench_reads(&bench);
    bench_close(&bench);
}

/* ---- models without a ceiling ---- */

static void model_polls(struct bench *bench)
{
    int64_t ns[POLLS];
    for (int i = 0; i < POLLS; i++) {
        draw(bench);
        const struct behavior_batch batch = {bench->poll.at, bench->poll.offsets,
                                             bench->poll.users};
        const int64_t from = clock_monotonic_ns();
        interest_absorb(bench->model, bench->scratch, bench->poll.states, &batch);
        ns[i] = clock_monotonic_ns() - from;
    }
    printf("case=poll model=%s state_bytes=%zu ns_per_event=%.0f\n", bench->checkpoint.model,
           interest_model_state_size(bench->model), median(ns, POLLS) / POLL);
}

/* The states of READERS users, each of FULL events from an empty one on. */
static void fill_states(struct bench *bench, void **states)
{
    const size_t size = interest_model_state_size(bench->model);
    struct behavior *at = take(READERS * FULL * sizeof *at);
    uint32_t *offsets = take((READERS + 1) * sizeof *offsets);
    for (uint32_t user = 0; user < READERS; user++) {
        states[user] = bench->states + user * size;
        interest_state_init(bench->model, states[user]);
        offsets[user + 1] = (user + 1) * FULL;
        for (uint32_t i = 0; i < FULL; i++) {
            at[user * FULL + i] = (struct behavior){
                .item = 1 + zipf_draw(&bench->items, &bench->random),
                .category = (uint32_t)random_below(&bench->random, 1 + CATEGORIES),
                .gap_s = i ? (int64_t)random_below(&bench->random, 100000) : -1,
                .ordinal = i,
            };
        }
    }
    interest_absorb(bench->model, bench->scratch, states,
                    &(struct behavior_batch){at, offsets, READERS});
    free(at);
    free(offsets);
}

static void model_reads(struct bench *bench)
{
    static void *states[READERS];
    static uint64_t events[READERS];
    static uint32_t count[READERS];
    const size_t interests = interest_model_count(bench->model);
    struct interest_sets sets = {
        .vectors = take(sizeof(real) * READERS * interests * interest_model_width(bench->model)),
        .weights = take(sizeof(real) * READERS * interests),
        .count = count,
    };
    int64_t ns[POLLS];
    fill_states(bench, states);
    for (uint32_t user = 0; user < READERS; user++) {
        events[user] = FULL;
    }
    for (int i = 0; i < POLLS; i++) {
        const int64_t from = clock_monotonic_ns();
        interest_read(bench->model, bench->scratch, (const void *const *)states, events, NULL,
                      READERS, &sets);
        ns[i] = clock_monotonic_ns() - from;
    }
    const double each = median(ns, POLLS) / READERS;
    printf("case=read model=%s ns_per_user=%.0f users_per_s=%.0f\n", bench->checkpoint.model, each,
           1e9 / each);
    free(sets.vectors);
    free(sets.weights);
}

static void bench_model(const struct interest_ops *ops)
{
    static struct bench bench;
    bench_open(&bench, ops->name, &ops->defaults);
    model_polls(&bench);
    model_reads(&bench);
    bench_close(&bench);
    fflush(stdout);
}

int main(int count, char **words)
{
    const char *only = count > 1 ? words[1] : NULL;
    if (only && !interest_ops_find(only)) {
        fprintf(stderr, "bench_absorb: there is no model named %s\n", only);
        return 2;
    }
    blas_open(words);
    if (!only || strcmp(only, "limarec") == 0) bench_limarec();
    for (uint32_t i = 0; interest_ops_at(i); i++) {
        const char *name = interest_ops_at(i)->name;
        if (only ? strcmp(only, name) == 0 : strcmp(name, "limarec") != 0) {
            bench_model(interest_ops_at(i));
        }
    }
    return 0;
}

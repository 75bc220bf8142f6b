/*
 * bench_train.c - how fast models learn, beside what bare products would take.
 *
 * Every trainable model with the dimensions of its defaults (d = 64) learns from minibatches of 256
 * sequences of 50 events out of 5,000 items against 1,024 sampled negatives: forward, loss,
 * backward, a shard for each core, Adam. The ceiling is OpenBLAS at its best (blas.h) on as many
 * threads in the same run.
 *
 *     case=MODEL         examples_per_s: samples learned from in a second;
 *                        sgemm_share: multiply-adds of weights and scores, three for one, in a second
 *                        over what sgemm does. Weights count once a sample: too often for the upper
 *                        levels of hpmn, which see few events, too seldom for models that read a
 *                        window again
 *     case=limarec-full  seconds_per_minibatch of 128 sequences of 200 events, one interest, and the
 *                        full softmax over 3,416 items; case=limarec-full-max: four interests, `max`
 *
 *     bench_train [MODEL]     only that case
 */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "bench/blas.h"
#include "model/interest_ops.h"
#include "model/train/trainer.h"

enum { MINIBATCHES = 3, REPEATS = 3, NEGATIVES = 1024, SAMPLED_ITEMS = 5000, FULL_ITEMS = 3416 };
enum { SGEMM_ROWS = 768, SGEMM_WIDTH = 64, SGEMM_OUT = 512, SGEMM_CALLS = 800 };

/* What is trained on, and with what. */
struct workload {
    const char *name;
    const char *model;
    uint32_t sequences, length, items;
    uint32_t interests; /* 0: as the model has by default */
    bool full;
};

static void check(enum status status, const struct error *error)
{
    if (status == STATUS_OK) return;
    fprintf(stderr, "bench_train: %s\n", error->text);
    exit(1);
}

/* ---- the ceiling ---- */

static void *multiply(void *argument)
{
    (void)argument;
    float *x = calloc((size_t)SGEMM_ROWS * SGEMM_WIDTH, sizeof *x);
    float *w = calloc((size_t)SGEMM_OUT * SGEMM_WIDTH, sizeof *w);
    float *y = calloc((size_t)SGEMM_ROWS * SGEMM_OUT, sizeof *y);
    REQUIRE(x && w && y);
    for (int i = 0; i < SGEMM_CALLS; i++) {
        blas_matmul(y, x, w, SGEMM_ROWS, SGEMM_OUT, SGEMM_WIDTH);
    }
    free(x);
    free(w);
    free(y);
    return NULL;
}

/* GFLOP/s of all threads together, the best of some tries. */
static double sgemm_gflops(uint32_t count)
{
    double best = 0;
    for (int i = 0; i < REPEATS; i++) {
        pthread_t threads[TRAIN_SHARDS_MAX];
        const int64_t from = clock_monotonic_ns();
        for (uint32_t t = 0; t < count; t++) {
            REQUIRE(pthread_create(&threads[t], NULL, multiply, NULL) == 0);
        }
        for (uint32_t t = 0; t < count; t++) {
            pthread_join(threads[t], NULL);
        }
        const double ns = (double)(clock_monotonic_ns() - from);
        best = fmax(best, 2.0 * count * SGEMM_CALLS * SGEMM_ROWS * SGEMM_OUT * SGEMM_WIDTH / ns);
    }
    return best;
}

/* ---- a model and something to learn ---- */

static struct item_table *items_open(uint32_t items)
{
    struct item_table *table;
    struct error error;
    char(*names)[8] = calloc(items, sizeof *names);
    struct item_entry *entries = calloc(items, sizeof *entries);
    struct bytes categories[20];
    REQUIRE(names && entries);
    for (uint32_t i = 0; i < items; i++) {
        snprintf(names[i], sizeof names[i], "%u", i);
        entries[i] = (struct item_entry){bytes_of(names[i]), 1 + i % 20};
        if (i < 20) categories[i] = bytes_of(names[i]);
    }
    check(item_table_open(&table, entries, items, categories, 20, 1, &error), &error);
    free(entries);
    free(names);
    return table;
}

/* Enough sequences for some minibatches an epoch, of one event more than is absorbed. */
static struct dataset *dataset_draw(const struct workload *workload)
{
    struct dataset *dataset;
    struct error error;
    struct random random = random_seeded(1);
    check(dataset_open(&dataset, 2 + workload->items, 1, &error), &error);
    for (uint32_t user = 0; user < workload->sequences * MINIBATCHES; user++) {
        for (uint32_t i = 0; i <= workload->length; i++) {
            const double u = random_uniform(&random);
            const uint32_t item = (uint32_t)(u * u * workload->items);
            check(
                dataset_add(dataset, user, 2 + item, 1 + item % 20, 60000 * (int64_t)i, 0, &error),
                &error);
        }
    }
    check(dataset_seal(dataset, &error), &error);
    return dataset;
}

/* Multiply-adds that a sample's products take: its weights once, its scores for each interest. */
static double products_of(const struct checkpoint *checkpoint, uint32_t candidates)
{
    double products = 0;
    for (uint32_t i = 0; i < param_set_count(checkpoint->params); i++) {
        const struct param *param = param_set_at(checkpoint->params, i);
        const bool weight = param->spec.init != PARAM_TABLE && param->spec.rank >= 2;
        if (weight && !param->spec.constant) products += 3.0 * (double)param->count;
    }
    return products + (checkpoint->dims.interests + 2.0) * candidates * checkpoint->dims.d;
}

struct timing {
    double seconds; /* of a minibatch, the median */
    double samples; /* of a minibatch */
    double products;
};

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static struct timing run(const struct workload *workload)
{
    struct model_dims dims = interest_ops_find(workload->model)->defaults;
    struct checkpoint *checkpoint;
    struct trainer *trainer;
    struct error error;
    double seconds[REPEATS];
    uint32_t known[1024];
    if (workload->interests) dims.interests = workload->interests;
    check(checkpoint_init(&checkpoint, workload->model, &dims, items_open(workload->items), 1,
                          &error),
          &error);
    struct dataset *dataset = dataset_draw(workload);
    REQUIRE(dataset_users(dataset) <= 1024);
    for (uint32_t user = 0; user < dataset_users(dataset); user++) {
        known[user] = workload->length + 1;
    }
    struct train_options options = train_options_defaults();
    options.epochs = REPEATS + 1;
    options.sequences = workload->sequences;
    options.steps_max = workload->length;
    options.full_softmax_items = workload->full ? workload->items : 0;
    options.negatives = NEGATIVES;
    options.validation_users = 0;
    options.cuts = interest_keeps_history(interest_ops_find(workload->model), &dims) ? 8 : 0;
    check(trainer_open(&trainer, checkpoint, dataset, known, &options, &error), &error);
    for (int i = -1; i < REPEATS; i++) {
        struct train_epoch epoch;
        const int64_t from = clock_monotonic_ns();
        check(trainer_epoch(trainer, NULL, &epoch, &error), &error);
        if (i >= 0) seconds[i] = (double)(clock_monotonic_ns() - from) * 1e-9 / MINIBATCHES;
    }
    qsort(seconds, REPEATS, sizeof *seconds, ascending);
    const struct timing timing = {
        seconds[REPEATS / 2], (double)trainer_samples(trainer) / MINIBATCHES,
        products_of(checkpoint, workload->full ? workload->items : NEGATIVES)};
    trainer_close(trainer);
    dataset_close(dataset);
    checkpoint_close(checkpoint);
    return timing;
}

static void bench(const struct workload *workload, double sgemm)
{
    const struct timing timing = run(workload);
    const double rate = timing.samples / timing.seconds;
    printf("case=%s examples_per_s=%.0f sgemm_share=%.3f seconds_per_minibatch=%.3f\n",
           workload->name, rate, 2e-9 * timing.products * rate / sgemm, timing.seconds);
    fflush(stdout);
}

int main(int count, char **words)
{
    const char *only = count > 1 ? words[1] : NULL;
    const struct workload full[] = {
        {"limarec-full", "limarec", 128, 200, FULL_ITEMS, 1, true},
        {"limarec-full-max", "limarec", 128, 200, FULL_ITEMS, 4, true},
    };
    blas_open(words);
    const uint32_t threads = train_options_defaults().shards;
    const double sgemm = sgemm_gflops(threads);
    printf("case=sgemm gflops=%.1f threads=%u\n", sgemm, threads);
    for (uint32_t i = 0; interest_ops_at(i); i++) {
        const struct interest_ops *ops = interest_ops_at(i);
        const struct workload workload = {ops->name, ops->name, 256, 50, SAMPLED_ITEMS, 0, false};
        if (ops->steps && (!only || strcmp(only, ops->name) == 0)) bench(&workload, sgemm);
    }
    for (size_t i = 0; i < sizeof full / sizeof *full; i++) {
        if (!only || strcmp(only, full[i].name) == 0) bench(&full[i], sgemm);
    }
    return 0;
}

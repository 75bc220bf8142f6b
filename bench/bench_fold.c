/*
 * bench_fold.c - folding states from stored histories, as a new generation or a lost snapshot
 * needs.
 *
 *     case=fold   two threads, each decoding chunk records of its own users and folding them in
 *                 batches. sgemm_share: time of LimaRec's matrix products by sgemm, on two threads in
 *                 the same run, over the time of the folds. They take turns; the best turn counts.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "base/clock.h"
#include "base/random.h"
#include "bench/blas.h"
#include "bench/job_runner.h"
#include "bench/limarec_products.h"
#include "model/checkpoint.h"
#include "stream/interests/fold.h"

enum {
    THREADS = 2,
    USERS = 256, /* of one batch */
    CHUNKS = 3,  /* of each */
    BEHAVIORS = CHUNKS * HISTORY_CHUNK_BEHAVIORS,
    BATCHES = 8, /* of one turn */
    TURNS = 5,
    ITEMS = 50000,
};

/* One thread's work and memory. */
struct folder {
    const struct interest_model *model;
    uint8_t (*records)[HISTORY_RECORD_MAX]; /* [USERS * CHUNKS] */
    size_t *sizes;                          /* [USERS * CHUNKS] */
    uint8_t *states;
    size_t state_size;
    struct fold *fold;
    pthread_t thread;
};

static void *take(size_t size)
{
    void *at = aligned_alloc(64, (size + 63) / 64 * 64);
    REQUIRE(at != NULL);
    return memset(at, 0, size);
}

/* Full chunks of random items for every user. */
static void make_records(struct folder *folder, uint64_t seed)
{
    struct random random = random_seeded(seed);
    for (int user = 0; user < USERS; user++) {
        struct history history;
        history_init(&history, 1);
        for (int i = 0; i < BEHAVIORS; i++) {
            char item[16];
            int size = snprintf(item, sizeof item, "i%u", (unsigned)random_below(&random, ITEMS));
            uint64_t hash = identity_of(item, (size_t)size);
            (void)history_append(&history, history_behavior_of(hash, 1600000000000 + i * 60000, 0),
                                 0, 1 << 20);
            if (!history_full(&history)) continue;
            int record = user * CHUNKS + i / HISTORY_CHUNK_BEHAVIORS;
            folder->sizes[record] = history_encode(&history, folder->records[record]);
        }
    }
}

static void folder_open(struct folder *folder, const struct interest_model *model, uint64_t seed)
{
    struct error error;
    folder->model = model;
    folder->state_size = (interest_model_state_size(model) + 63) / 64 * 64;
    folder->records = take(sizeof *folder->records * USERS * CHUNKS);
    folder->sizes = take(sizeof *folder->sizes * USERS * CHUNKS);
    folder->states = take(folder->state_size * USERS);
    runner_check(fold_open(&folder->fold, model, USERS, USERS * BEHAVIORS, &error), &error);
    make_records(folder, seed);
}

static void folder_close(struct folder *folder)
{
    fold_close(folder->fold);
    free(folder->records);
    free(folder->sizes);
    free(folder->states);
}

static void fold_user_records(struct folder *folder, int user, struct fold_progress *progress)
{
    uint8_t *state = folder->states + (size_t)user * folder->state_size;
    interest_state_init(folder->model, state);
    *progress = (struct fold_progress){0, HISTORY_NO_TIME};
    REQUIRE(fold_user(folder->fold, state, progress));
    for (int c = 0; c < CHUNKS; c++) {
        int record = user * CHUNKS + c;
        struct history chunk;
        struct error error;
        runner_check(history_decode(&chunk,
                                    (struct bytes){folder->records[record], folder->sizes[record]},
                                    &error),
                     &error);
        for (uint32_t i = 0; i < chunk.count; i++) {
            REQUIRE(fold_behavior(folder->fold, chunk.first + i, chunk.at[i]));
        }
    }
}

static void *fold_turn(void *context)
{
    struct folder *folder = context;
    struct fold_progress progress[USERS];
    for (int batch = 0; batch < BATCHES; batch++) {
        for (int user = 0; user < USERS; user++) {
            fold_user_records(folder, user, &progress[user]);
        }
        fold_run(folder->fold);
    }
    return NULL;
}

/* Seconds of one turn of folding on all threads, or `best` if that is less. */
static double turn_seconds(struct folder folders[THREADS], double best)
{
    int64_t begin_ns = clock_monotonic_ns();
    for (int t = 0; t < THREADS; t++) {
        REQUIRE(pthread_create(&folders[t].thread, NULL, fold_turn, &folders[t]) == 0);
    }
    for (int t = 0; t < THREADS; t++) {
        pthread_join(folders[t].thread, NULL);
    }
    double seconds = (double)(clock_monotonic_ns() - begin_ns) / 1e9;
    return seconds < best ? seconds : best;
}

int main(int count, char **words)
{
    struct runner runner;
    struct error error;
    struct checkpoint *checkpoint;
    struct interest_model *model;
    static struct folder folders[THREADS];
    const struct log_options options = {1000, ITEMS, 0, 0, 1};
    (void)count;
    blas_open(words);
    runner_open(&runner);
    runner_log(&runner, &options, 300000);
    runner_check(checkpoint_open(&checkpoint, runner.checkpoint, &error), &error);
    runner_check(interest_model_open(&model, checkpoint, &error), &error);
    for (int t = 0; t < THREADS; t++) {
        folder_open(&folders[t], model, (uint64_t)t + 1);
    }
    double folding = 1e9, sgemm = 1e9;
    for (int turn = 0; turn < TURNS; turn++) {
        folding = turn_seconds(folders, folding);
        const double products =
            limarec_products_seconds((uint64_t)THREADS * BATCHES * USERS * BEHAVIORS, THREADS);
        if (products < sgemm) sgemm = products;
    }
    printf("case=fold events_per_s=%.0f sgemm_share=%.3f\n",
           (double)THREADS * BATCHES * USERS * BEHAVIORS / folding, sgemm / folding);
    for (int t = 0; t < THREADS; t++) {
        folder_close(&folders[t]);
    }
    interest_model_close(model);
    checkpoint_close(checkpoint);
    runner_close(&runner);
    return 0;
}

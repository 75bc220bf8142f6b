/*
 * bench_return.c - the two ways to bring a user's state back from its store, on one thread.
 *
 *     case=return   microseconds for each user: from its history (chunks, fold), and from a snapshot of
 *                   the same state. bytes: what either takes in the store
 *
 * From what length on a snapshot pays is the default of state.snapshot_every. Everything is in the
 * page cache here; a snapshot that has to come from the disk costs that on top, and a history of the
 * lengths shown hardly more, since it is a sixth of the size at most. The two take turns; the best
 * turn counts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "base/clock.h"
#include "base/random.h"
#include "bench/job_runner.h"
#include "model/checkpoint.h"
#include "state/snapshot.h"
#include "state/store.h"
#include "stream/interests/fold.h"

enum {
    BATCH = STORE_GET_MAX, /* users that come back together */
    BATCHES = 16,
    CHUNKS_MAX = 8, /* of each user */
    BEHAVIORS_MAX = CHUNKS_MAX * HISTORY_CHUNK_BEHAVIORS,
    TURNS = 5,
    ITEMS = 50000,
    NAME_SIZE = 8, /* bytes of a user's id */
};

struct bench {
    struct interest_model *model;
    struct fold *fold;
    struct store *store;
    size_t state_size;
    uint8_t *states; /* [BATCH][state_size] */
    struct fold_progress progress[BATCH];
    struct history chunks[BATCH];
    uint8_t *values; /* [BATCH] encoded chunks or snapshots */
    char names[BATCH][NAME_SIZE];
    struct error error;
};

/* The keys of a batch's users. */
static void make_keys(struct bench *bench, int batch, uint64_t chunk, struct store_key *keys)
{
    for (int u = 0; u < BATCH; u++) {
        int size = snprintf(bench->names[u], NAME_SIZE, "u%d", batch * BATCH + u);
        keys[u] = (struct store_key){{bench->names[u], (size_t)size}, chunk};
    }
}

static void *state_of(const struct bench *bench, size_t user)
{
    return bench->states + user * bench->state_size;
}

/* ---- what lies in the store ---- */

static void put_chunk(struct bench *bench, int batch, int chunk, struct random *random)
{
    struct store_key keys[BATCH];
    struct store_write writes[BATCH];
    const struct store_position position = {.log = 1, .next = 1, .seal = 1};
    make_keys(bench, batch, (uint64_t)chunk, keys);
    for (int u = 0; u < BATCH; u++) {
        struct history history;
        history_init(&history, 1);
        history.first = history.from = (uint64_t)chunk * HISTORY_CHUNK_BEHAVIORS;
        for (int i = 0; i < HISTORY_CHUNK_BEHAVIORS; i++) {
            char item[16];
            int size = snprintf(item, sizeof item, "i%u", (unsigned)random_below(random, ITEMS));
            int64_t time_ms = 1600000000000 + (chunk * HISTORY_CHUNK_BEHAVIORS + i) * 60000;
            history.at[history.count++] =
                history_behavior_of(identity_of(item, (size_t)size), time_ms, 0);
        }
        uint8_t *value = bench->values + (size_t)u * HISTORY_RECORD_MAX;
        writes[u] = (struct store_write){
            STORE_CHUNKS, keys[u], {value, history_encode(&history, value)}, 0};
    }
    runner_check(store_rocksdb.commit(bench->store, writes, BATCH, &position, &bench->error),
                 &bench->error);
}

/* States of nothing: what is in them makes no difference. */
static void put_snapshots(struct bench *bench, int batch)
{
    const struct snapshot_stamp stamp = {.generation = 1, .events = BEHAVIORS_MAX};
    const size_t size = SNAPSHOT_OVERHEAD + bench->state_size;
    struct store_key keys[BATCH];
    struct bytes values[BATCH];
    make_keys(bench, batch, 0, keys);
    for (size_t u = 0; u < BATCH; u++) {
        uint8_t *value = bench->values + u * size;
        values[u] = (struct bytes){
            value, snapshot_encode(&stamp, state_of(bench, u), bench->state_size, value)};
    }
    runner_check(store_rocksdb.put_snapshots(bench->store, keys, values, BATCH, &bench->error),
                 &bench->error);
}

/* ---- bringing users back ---- */

static void found_chunk(void *context, size_t index, struct bytes value)
{
    struct bench *bench = context;
    runner_check(history_decode(&bench->chunks[index], value, &bench->error), &bench->error);
}

static void found_snapshot(void *context, size_t index, struct bytes value)
{
    struct bench *bench = context;
    struct snapshot_stamp stamp;
    REQUIRE(snapshot_decode(value, &stamp, state_of(bench, index), bench->state_size));
}

/* A chunk of each user is absorbed before the next ones are looked up. */
static void return_by_history(struct bench *bench, int batch, int chunks)
{
    struct store_key keys[BATCH];
    for (size_t u = 0; u < BATCH; u++) {
        interest_state_init(bench->model, state_of(bench, u));
        bench->progress[u] = (struct fold_progress){0, HISTORY_NO_TIME};
    }
    for (int c = 0; c < chunks; c++) {
        make_keys(bench, batch, (uint64_t)c, keys);
        runner_check(store_rocksdb.get(bench->store, STORE_CHUNKS, keys, BATCH, found_chunk, bench,
                                       &bench->error),
                     &bench->error);
        for (size_t u = 0; u < BATCH; u++) {
            const struct history *chunk = &bench->chunks[u];
            REQUIRE(fold_user(bench->fold, state_of(bench, u), &bench->progress[u]));
            for (uint32_t i = 0; i < chunk->count; i++) {
                REQUIRE(fold_behavior(bench->fold, chunk->first + i, chunk->at[i]));
            }
        }
        fold_run(bench->fold);
    }
}

static void return_by_snapshot(struct bench *bench, int batch)
{
    struct store_key keys[BATCH];
    make_keys(bench, batch, 0, keys);
    runner_check(store_rocksdb.get(bench->store, STORE_SNAPSHOTS, keys, BATCH, found_snapshot,
                                   bench, &bench->error),
                 &bench->error);
}

/* Microseconds for each user of one turn, or `best` if that is less. `chunks` 0: by snapshot. */
static double turn_us(struct bench *bench, int chunks, double best)
{
    int64_t begin_ns = clock_monotonic_ns();
    for (int batch = 0; batch < BATCHES; batch++) {
        if (chunks)
            return_by_history(bench, batch, chunks);
        else
            return_by_snapshot(bench, batch);
    }
    double us = (double)(clock_monotonic_ns() - begin_ns) / 1e3 / (BATCH * BATCHES);
    return us < best ? us : best;
}

static void measure(struct bench *bench)
{
    const size_t chunk_size = HISTORY_CHUNK_BEHAVIORS * HISTORY_BEHAVIOR_SIZE;
    for (int chunks = 1; chunks <= CHUNKS_MAX; chunks *= 2) {
        double history = 1e9, snapshot = 1e9;
        for (int turn = 0; turn < TURNS; turn++) {
            history = turn_us(bench, chunks, history);
            snapshot = turn_us(bench, 0, snapshot);
        }
        printf("case=return history=%d history_us=%.1f snapshot_us=%.1f history_bytes=%zu "
               "snapshot_bytes=%zu\n",
               chunks * HISTORY_CHUNK_BEHAVIORS, history, snapshot, (size_t)chunks * chunk_size,
               SNAPSHOT_OVERHEAD + bench->state_size);
    }
}

static void bench_open(struct bench *bench, const struct runner *runner,
                       const struct checkpoint *checkpoint)
{
    const struct store_identity identity = {.source = 1, .partition = 0, .partitions = 1};
    const struct store_options options = {(size_t)64 << 20, (size_t)64 << 20};
    struct error *error = &bench->error;
    struct random random = random_seeded(1);
    runner_check(interest_model_open(&bench->model, checkpoint, error), error);
    runner_check(
        fold_open(&bench->fold, bench->model, BATCH, BATCH * HISTORY_CHUNK_BEHAVIORS, error),
        error);
    bench->state_size = interest_model_state_size(bench->model);
    bench->states = aligned_alloc(64, BATCH * bench->state_size);
    bench->values = malloc(BATCH * (SNAPSHOT_OVERHEAD + bench->state_size));
    REQUIRE(bench->states && bench->values);
    memset(bench->states, 0, BATCH * bench->state_size);
    runner_check(store_rocksdb.open(&bench->store, runner->state, &identity, &options, error),
                 error);
    for (int batch = 0; batch < BATCHES; batch++) {
        for (int c = 0; c < CHUNKS_MAX; c++) {
            put_chunk(bench, batch, c, &random);
        }
        put_snapshots(bench, batch);
    }
    runner_check(store_rocksdb.flush(bench->store, true, error), error);
}

int main(void)
{
    struct runner runner;
    struct error error;
    struct checkpoint *checkpoint;
    static struct bench bench;
    const struct log_options options = {1000, ITEMS, 0, 0, 1};
    runner_open(&runner);
    runner_log(&runner, &options, 300000);
    runner_check(checkpoint_open(&checkpoint, runner.checkpoint, &error), &error);
    bench_open(&bench, &runner, checkpoint);
    measure(&bench);
    store_rocksdb.close(bench.store);
    fold_close(bench.fold);
    interest_model_close(bench.model);
    checkpoint_close(checkpoint);
    free(bench.states);
    free(bench.values);
    runner_close(&runner);
    return 0;
}

/* preload.c - commit file, logs, of one seal each if there are stores, which their seam writes. */
#include "bench/preload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/random.h"
#include "model/checkpoint.h"
#include "state/snapshot.h"
#include "state/store.h"
#include "stream/broker/file/file_state.h"
#include "stream/interests/fold.h"
#include "stream/broker/file/history_file.h"

enum {
    TEMPLATES = 128,
    BATCH = 512, /* users of one commit */
    ITEMS = 50000,
    CHUNK = HISTORY_CHUNK_BEHAVIORS,
};

/* One history and its state, encoded as the store wants them. */
struct template
{
    struct bytes *records; /* [records_count] full chunks, then the record */
    struct bytes snapshot; /* NULL if the history is too short for one */
};

struct preload {
    struct interest_model *model;
    uint32_t behaviors;
    uint32_t history_max;
    uint32_t snapshot_every;
    uint64_t first_chunk; /* of those that are kept */
    uint32_t records_count;
    struct template templates[TEMPLATES];
    struct store *store;
    struct store_position position;
    struct store_write *writes; /* [BATCH * records_count] */
    struct store_key keys[BATCH];
    struct bytes snapshots[BATCH];
    char names[BATCH][16];
};

static struct bytes keep(const void *at, size_t size)
{
    void *copy = malloc(size);
    REQUIRE(copy != NULL);
    return (struct bytes){memcpy(copy, at, size), size};
}

/* Appends the template's behaviors to an empty history; keeps the records from `from` on. */
static void make_records(const struct preload *preload, struct template *template, uint32_t number,
                         struct history_behavior *behaviors, struct history *history)
{
    struct random random = random_seeded(number);
    uint8_t record[HISTORY_RECORD_MAX];
    uint64_t from = history_from(0, preload->behaviors, preload->history_max);
    uint32_t used = 0;
    history_init(history, interest_model_generation(preload->model));
    for (uint32_t i = 0; i < preload->behaviors; i++) {
        char item[16];
        int size = snprintf(item, sizeof item, "i%u", (unsigned)random_below(&random, ITEMS));
        behaviors[i] =
            history_behavior_of(identity_of(item, (size_t)size), 1600000000000 + i * 60000, 0);
        if (history_full(history) && history->first >= from) {
            struct history chunk = *history;
            chunk.from = chunk.first;
            chunk.before_ms = HISTORY_NO_TIME;
            template->records[used++] = keep(record, history_encode(&chunk, record));
        }
        (void)history_append(history, behaviors[i], 0, preload->history_max);
    }
    template->records[used++] = keep(record, history_encode(history, record));
    REQUIRE(used == preload->records_count);
}

/* The state as it was saved last: each so many behaviors of the fold. */
static struct bytes make_snapshot(const struct preload *preload, struct fold *fold,
                                  const struct history *history,
                                  const struct history_behavior *behaviors)
{
    const uint64_t folded = preload->behaviors - history->from;
    const uint64_t saved = folded / preload->snapshot_every * preload->snapshot_every;
    const size_t state_size = interest_model_state_size(preload->model);
    struct fold_progress progress = {0, HISTORY_NO_TIME};
    if (saved == 0) return (struct bytes){NULL, 0};

    void *state = aligned_alloc(64, (state_size + 63) / 64 * 64);
    uint8_t *snapshot = malloc(state_size + SNAPSHOT_OVERHEAD);
    REQUIRE(state && snapshot);
    interest_state_init(preload->model, state);
    REQUIRE(fold_user(fold, state, &progress));
    for (uint64_t i = history->from; i < history->from + saved; i++) {
        REQUIRE(fold_behavior(fold, i, behaviors[i]));
    }
    fold_run(fold);
    const struct snapshot_stamp stamp = {
        .generation = history->generation,
        .fingerprint = interest_model_state_fingerprint(preload->model),
        .from = history->from,
        .events = history->from + saved,
        .absorbed = progress.absorbed,
        .last_ms = progress.last_ms,
    };
    struct bytes kept = keep(snapshot, snapshot_encode(&stamp, state, state_size, snapshot));
    free(state);
    free(snapshot);
    return kept;
}

static void make_template(struct preload *preload, struct fold *fold, uint32_t number)
{
    struct template *template = &preload->templates[number];
    struct history_behavior *behaviors = calloc(preload->behaviors, sizeof *behaviors);
    template->records = calloc(preload->records_count, sizeof *template->records);
    REQUIRE(behaviors && template->records);
    struct history history;
    make_records(preload, template, number, behaviors, &history);
    template->snapshot = make_snapshot(preload, fold, &history, behaviors);
    free(behaviors);
}

/* Writes users first .. of the partition, up to a batch of them. Returns the next user to write. */
static uint32_t write_batch(struct preload *preload, uint32_t first, uint32_t users,
                            uint32_t partition, uint32_t partitions)
{
    struct error error;
    uint32_t count = 0, user = first;
    size_t writes = 0;
    for (; user < users && count < BATCH; user++) {
        int size = snprintf(preload->names[count], sizeof preload->names[count], "u%u", user);
        struct bytes id = {preload->names[count], (size_t)size};
        if (identity_of(id.at, id.size) % partitions != partition) continue;
        const struct template *template = &preload->templates[user % TEMPLATES];
        for (uint32_t r = 0; r < preload->records_count; r++) {
            bool last = r + 1 == preload->records_count;
            preload->writes[writes++] = (struct store_write){last ? STORE_USERS : STORE_CHUNKS,
                                                             {id, preload->first_chunk + r},
                                                             template->records[r],
                                                             0};
        }
        preload->keys[count] = (struct store_key){.user = id};
        preload->snapshots[count++] = template->snapshot;
    }
    const struct store_ops *stores = &store_rocksdb;
    runner_check(
        stores->commit(preload->store, preload->writes, writes, &preload->position, &error),
        &error);
    if (preload->snapshots[0].at) {
        runner_check(
            stores->put_snapshots(preload->store, preload->keys, preload->snapshots, count, &error),
            &error);
    }
    return user;
}

static void write_store(struct preload *preload, const struct runner *runner, uint64_t source,
                        uint32_t users, uint32_t partition)
{
    struct error error;
    char path[128];
    const uint32_t partitions = runner->config.state.partitions;
    const struct store_identity identity = {source, partition, partitions};
    const struct store_options options = {(size_t)512 << 20, (size_t)64 << 20};
    snprintf(path, sizeof path, "%s/store-%04u", runner->state, partition);
    runner_check(store_rocksdb.open(&preload->store, path, &identity, &options, &error), &error);
    for (uint32_t user = 0; user < users;) {
        user = write_batch(preload, user, users, partition, partitions);
    }
    runner_check(store_rocksdb.flush(preload->store, true, &error), &error);
    store_rocksdb.close(preload->store);
}

static void write_frame(struct append_file *log, struct bytes key, struct bytes value)
{
    struct error error;
    uint8_t frame[HISTORY_FRAME_MAX];
    runner_check(append_file_add(
                     log, (struct bytes){frame, history_frame_encode(key, value, frame)}, &error),
                 &error);
}

/* The records of the partition's users. */
static void write_log(const struct preload *preload, struct append_file *log, uint32_t users,
                      uint32_t partition, uint32_t partitions)
{
    for (uint32_t user = 0; user < users; user++) {
        char name[16];
        uint8_t key[HISTORY_KEY_MAX];
        const struct bytes id = {name, (size_t)snprintf(name, sizeof name, "u%u", user)};
        if (identity_of(id.at, id.size) % partitions != partition) continue;
        const struct template *template = &preload->templates[user % TEMPLATES];
        for (uint32_t r = 0; r < preload->records_count; r++) {
            const size_t size = history_key_encode(id, preload->first_chunk + r, key);
            write_frame(log, (struct bytes){key, size}, template->records[r]);
        }
    }
}

/*
 * Directories, files and a commit file after one transaction, whose logs hold `users` users and a
 * seal.
 */
static void write_files(const struct preload *preload, const struct runner *runner, uint32_t users,
                        uint64_t *sourcep, uint64_t *lengthp)
{
    struct error error;
    struct file_state state;
    runner_check(file_state_open(&state, &runner->config, &error), &error);
    runner_check(file_state_begin(&state, &error), &error);
    *sourcep = state.commit.source;
    for (uint32_t p = 0; p < state.commit.partitions; p++) {
        const struct history_seal seal = {
            .number = 1,
            .source_identity = *sourcep,
            .partitions = state.commit.partitions,
            .generation = 1,
            .target = 1,
            .watermark_ms = HISTORY_NO_TIME,
        };
        uint8_t value[HISTORY_SEAL_MAX];
        struct append_file *log = &state.partitions[p].kind[RECORD_HISTORY];
        write_log(preload, log, users, p, state.commit.partitions);
        write_frame(log, (struct bytes){history_seal_key, HISTORY_SEAL_KEY_SIZE},
                    (struct bytes){value, history_seal_encode(&seal, value)});
        runner_check(append_file_sync(log, &error), &error);
        state.commit.entries[p].seal = 1;
        state.commit.entries[p].generation = 1;
        state.commit.entries[p].length[RECORD_HISTORY] = *lengthp = log->length;
    }
    runner_check(commit_file_write(&state.commit, runner->state, &error), &error);
    file_state_close(&state);
}

static void fill(const struct runner *runner, uint32_t users, uint32_t behaviors, bool stores)
{
    struct error error;
    struct checkpoint *checkpoint;
    struct fold *fold;
    struct preload *preload = calloc(1, sizeof *preload);
    REQUIRE(preload != NULL && behaviors > 0);
    preload->behaviors = behaviors;
    preload->history_max = runner->config.state.history_max;
    preload->snapshot_every = runner->config.state.snapshot_every;
    preload->first_chunk = history_from(0, behaviors, preload->history_max) / CHUNK;
    preload->records_count = (behaviors + CHUNK - 1) / CHUNK - (uint32_t)preload->first_chunk;
    preload->writes = calloc((size_t)BATCH * preload->records_count, sizeof *preload->writes);
    REQUIRE(preload->writes != NULL);
    runner_check(checkpoint_open(&checkpoint, runner->checkpoint, &error), &error);
    runner_check(interest_model_open(&preload->model, checkpoint, &error), &error);
    runner_check(fold_open(&fold, preload->model, 1, behaviors, &error), &error);
    for (uint32_t t = 0; t < TEMPLATES && t < users; t++) {
        make_template(preload, fold, t);
    }
    uint64_t source, length = 0;
    write_files(preload, runner, stores ? 0 : users, &source, &length);
    preload->position = (struct store_position){.log = 1, .next = (int64_t)length, .seal = 1};
    for (uint32_t p = 0; stores && p < runner->config.state.partitions; p++) {
        write_store(preload, runner, source, users, p);
    }
    for (uint32_t t = 0; t < TEMPLATES && t < users; t++) {
        for (uint32_t r = 0; r < preload->records_count; r++) {
            free((void *)preload->templates[t].records[r].at);
        }
        free(preload->templates[t].records);
        free((void *)preload->templates[t].snapshot.at);
    }
    fold_close(fold);
    interest_model_close(preload->model);
    checkpoint_close(checkpoint);
    free(preload->writes);
    free(preload);
}

/* RocksDB's threads would be missing in a job that is forked from a process that had used it. */
static void fill_apart(const struct runner *runner, uint32_t users, uint32_t behaviors, bool stores)
{
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        fill(runner, users, behaviors, stores);
        _exit(0);
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    if (status != 0) exit(1);
}

void preload(const struct runner *runner, uint32_t users, uint32_t behaviors)
{
    fill_apart(runner, users, behaviors, true);
}

void preload_logs(const struct runner *runner, uint32_t users, uint32_t behaviors)
{
    fill_apart(runner, users, behaviors, false);
}

/* seed.c - read and sort, claim, write, seal. */
#include "stream/replay/seed.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/progress.h"
#include "stream/replay/seed_reader.h"
#include "stream/replay/seed_writer.h"
#include "stream/source/decoding.h"

enum {
    READERS_MAX = 64,
    FAILURES_MAX = 5, /* in a row without a commit */
    PAUSE_MS = 100,
    TELL_MS = 20, /* between two looks at how far the readers are */
};

struct seed {
    const struct seed_log_ops *ops;
    const struct seed_options *options;
    const atomic_bool *stopping;
    struct seed_summary *summary;
    char dir[RUN_PATH_MAX / 2];
    int lock; /* of the directory, -1: not taken */
    struct seed_log *log;
    struct source_list list;
    struct seed_reader *readers;
    uint32_t readers_count;
    _Atomic uint64_t read; /* events */
    atomic_uint ended;     /* readers */
};

/* --- the directory ---------------------------------------------------------------------------- */

/* What an earlier run has left, or this one. */
static void empty_directory(const struct seed *seed)
{
    DIR *dir = opendir(seed->dir);
    if (!dir) return;
    for (const struct dirent *entry; (entry = readdir(dir));) {
        const bool ours =
            strncmp(entry->d_name, "run-", 4) == 0 || strncmp(entry->d_name, "items-", 6) == 0;
        if (ours) (void)unlinkat(dirfd(dir), entry->d_name, 0);
    }
    closedir(dir);
}

static enum status take_directory(struct seed *seed, struct error *error)
{
    const char *state = seed->options->job->state.dir;
    const int size = snprintf(seed->dir, sizeof seed->dir, "%s/seed", state);
    seed->lock = -1;
    if (size < 0 || (size_t)size >= sizeof seed->dir) {
        return error_set(error, STATUS_INVALID, "state.dir: %s is too long", state);
    }
    if ((mkdir(state, 0777) != 0 && errno != EEXIST) ||
        (mkdir(seed->dir, 0777) != 0 && errno != EEXIST)) {
        return error_set(error, STATUS_IO, "state.dir: making %s: %s", seed->dir, strerror(errno));
    }
    seed->lock = open(seed->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (seed->lock < 0 || flock(seed->lock, LOCK_EX | LOCK_NB) != 0) {
        return error_set(error, STATUS_REFUSED, "%s: another braid seed works there", seed->dir);
    }
    empty_directory(seed);
    return STATUS_OK;
}

static void leave_directory(struct seed *seed)
{
    if (seed->lock < 0) return;
    empty_directory(seed);
    (void)rmdir(seed->dir);
    close(seed->lock);
}

/* --- reading ---------------------------------------------------------------------------------- */

/* Shares the files out, in their order, so that each reader has about as many bytes. */
static void share_files(struct seed *seed)
{
    int64_t whole = 0, passed = 0;
    uint32_t file = 0;
    for (uint32_t i = 0; i < seed->list.count; i++) {
        whole += seed->list.at[i].size > 0 ? seed->list.at[i].size : 0;
    }
    for (uint32_t r = 0; r < seed->readers_count; r++) {
        const bool last = r + 1 == seed->readers_count;
        const int64_t until = whole / seed->readers_count * (r + 1);
        seed->readers[r].first = file;
        while (file < seed->list.count && (last || passed < until)) {
            passed += seed->list.at[file].size > 0 ? seed->list.at[file].size : 0;
            file++;
        }
        seed->readers[r].end = file;
    }
}

static enum status start_readers(struct seed *seed, struct error *error)
{
    const struct config *job = seed->options->job;
    for (uint32_t r = 0; r < seed->readers_count; r++) {
        struct seed_reader *reader = &seed->readers[r];
        reader->options = seed->options;
        reader->ops = seed->ops;
        reader->log = seed->log;
        reader->dir = seed->dir;
        reader->list = &seed->list;
        reader->name = r;
        reader->memory = job->job.memory / 2 / seed->readers_count;
        reader->stopping = seed->stopping;
        reader->progress = &seed->read;
        reader->ended = &seed->ended;
        if (pthread_create(&reader->thread, NULL, seed_reader_run, reader) != 0) {
            return error_set(error, STATUS_IO, "starting a thread: %s", strerror(errno));
        }
        reader->started = true;
    }
    return STATUS_OK;
}

/* Until all that were started have ended. */
static void show_reading(struct seed *seed)
{
    struct progress progress;
    uint32_t started = 0;
    progress_start(&progress, "reading", "events", seed->options->job->log.quiet);
    for (uint32_t r = 0; r < seed->readers_count; r++) {
        started += seed->readers[r].started;
    }
    while (atomic_load(&seed->ended) < started) {
        progress_show(&progress, -1, atomic_load(&seed->read));
        clock_sleep_ms(TELL_MS);
    }
    progress_end(&progress);
}

static enum status end_readers(struct seed *seed, struct error *error)
{
    enum status status = STATUS_OK;
    for (uint32_t r = 0; r < seed->readers_count; r++) {
        struct seed_reader *reader = &seed->readers[r];
        if (!reader->started) continue;
        pthread_join(reader->thread, NULL);
        if (reader->status != STATUS_OK && status == STATUS_OK) {
            status = reader->status;
            *error = reader->error;
        }
        seed->summary->events += reader->events;
        seed->summary->later += reader->later;
        for (int v = 0; v < EVENT_VERDICTS; v++) {
            seed->summary->verdicts[v] += reader->verdicts[v];
        }
    }
    return status;
}

static enum status read_all_files(struct seed *seed, struct error *error)
{
    const int64_t begun_ns = clock_monotonic_ns();
    TRY(source_list_open(&seed->list, seed->options->files->source.path, error));
    seed->summary->files = seed->list.count;
    seed->readers_count = seed->options->job->job.workers;
    if (seed->readers_count > READERS_MAX) seed->readers_count = READERS_MAX;
    if (seed->readers_count > seed->list.count) seed->readers_count = seed->list.count;
    seed->readers = calloc(seed->readers_count, sizeof *seed->readers);
    if (!seed->readers) return error_set(error, STATUS_IO, "out of memory");
    share_files(seed);
    enum status status = start_readers(seed, error);
    struct error of_reader = {.text = ""};
    show_reading(seed);
    const enum status ended = end_readers(seed, &of_reader);
    if (status == STATUS_OK && ended != STATUS_OK) *error = of_reader;
    seed->summary->read_seconds = (double)(clock_monotonic_ns() - begun_ns) / 1e9;
    return status == STATUS_OK ? ended : status;
}

/* --- writing ---------------------------------------------------------------------------------- */

/* What the seed comes to, whoever sorts it: another input gives another number. */
static uint64_t input_of(const struct seed *seed)
{
    const struct cut *cut = &seed->options->cut;
    uint32_t decoding[HISTORY_DECODING_MAX] = {0}; /* state.history_max and the like included */
    decoding_fingerprints(seed->options->job, decoding);
    uint64_t parts[4 + READERS_MAX] = {
        (uint64_t)cut->ms ^ (cut->field ? checksum_of(cut->field, strlen(cut->field)) : 0),
        checksum_of(decoding, sizeof decoding),
        seed->ops->partitions(seed->log),
        seed->readers_count,
    };
    for (uint32_t r = 0; r < seed->readers_count; r++) {
        parts[4 + r] = seed->readers[r].digest;
    }
    return checksum_of(parts, sizeof parts) | 1;
}

static enum status write_once(struct seed *seed, uint64_t input, struct error *error)
{
    uint32_t counts[READERS_MAX] = {0};
    const struct runs runs = {seed->dir, counts, seed->readers_count};
    for (uint32_t r = 0; r < seed->readers_count; r++) {
        counts[r] = seed->readers[r].runs;
    }
    if (!seed->log) TRY(seed->ops->open(&seed->log, seed->options->job, error));
    TRY(seed->ops->claim(seed->log, input, seed->options->cut.ms, &seed->summary->was_over, error));
    if (seed->summary->was_over) return STATUS_OK;
    const struct seed_writing writing = {
        .ops = seed->ops,
        .log = seed->log,
        .config = seed->options->job,
        .runs = &runs,
        .stopping = seed->stopping,
        .behaviors_total = seed->summary->verdicts[EVENT_ACCEPTED] - seed->summary->later,
        .summary = seed->summary,
    };
    return seed_write(&writing, error);
}

static enum status write_until_done(struct seed *seed, struct error *error)
{
    const uint64_t input = input_of(seed);
    uint64_t commits = 0;
    for (int failures = 1;; failures++) {
        const enum status status = write_once(seed, input, error);
        if (status != STATUS_ABORTABLE) return status;
        if (seed->summary->commits > commits) failures = 1;
        commits = seed->summary->commits;
        if (failures == FAILURES_MAX) return error->status = STATUS_IO;
        log_warn("the seed goes on where its last commit was", log_text("reason", error->text));
        seed->ops->close(seed->log);
        seed->log = NULL;
        clock_sleep_ms(PAUSE_MS);
    }
}

/* Stored behaviors number their actions: the job reads them by its own list. */
static enum status check_actions(const struct seed_options *options, struct error *error)
{
    uint32_t of_job[HISTORY_DECODING_MAX], of_files[HISTORY_DECODING_MAX];
    decoding_fingerprints(options->job, of_job);
    decoding_fingerprints(options->files, of_files);
    if (of_job[DECODING_ACTIONS] == of_files[DECODING_ACTIONS]) return STATUS_OK;
    return error_set(error, STATUS_INVALID,
                     "actions: those of the files' configuration are not the job's; give both the "
                     "same names in the same order");
}

static enum status seed_all(struct seed *seed, struct error *error)
{
    TRY(check_actions(seed->options, error));
    TRY(take_directory(seed, error));
    TRY(seed->ops->open(&seed->log, seed->options->job, error));
    seed->summary->partitions = seed->ops->partitions(seed->log);
    TRY(seed->ops->look(seed->log, seed->options->cut.ms, error));
    TRY(read_all_files(seed, error));
    FAULT_POINT("seed_sorted");
    return write_until_done(seed, error);
}

enum status seed_run(const struct seed_log_ops *ops, const struct seed_options *options,
                     const atomic_bool *stopping, struct seed_summary *summary, struct error *error)
{
    const int64_t begun_ns = clock_monotonic_ns();
    struct seed seed = {
        .ops = ops, .options = options, .stopping = stopping, .summary = summary, .lock = -1};
    *summary = (struct seed_summary){0};
    const enum status status = seed_all(&seed, error);
    if (seed.log) ops->close(seed.log);
    leave_directory(&seed);
    source_list_close(&seed.list);
    free(seed.readers);
    summary->seconds = (double)(clock_monotonic_ns() - begun_ns) / 1e9;
    return status;
}

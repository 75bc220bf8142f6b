/* file_state.c - opening a file job's directories, and refusing what does not belong together. */
#include "stream/broker/file/file_state.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "stream/broker/file/file_reader.h"
#include "stream/broker/file/history_file.h"
#include "stream/source/erasure/erased.h"

enum {
    BUFFERS_SIZE = 32 << 20, /* of all files together */
    BUFFER_MIN = 16 << 10,
    BUFFER_MAX = 512 << 10,
};

/* The large ones (interests, history) share the budget; the others have the smallest. */
static size_t buffer_size(enum record_kind kind, uint32_t partitions)
{
    if (kind == RECORD_DEAD_LETTER || kind == RECORD_ITEM) return BUFFER_MIN;
    size_t share = BUFFERS_SIZE / (2 * (size_t)partitions);
    if (share < BUFFER_MIN) return BUFFER_MIN;
    return share < BUFFER_MAX ? share : BUFFER_MAX;
}

size_t file_state_size(const struct config *config)
{
    size_t partition = 0;
    for (int kind = 0; kind < RECORD_KINDS; kind++) {
        partition += buffer_size((enum record_kind)kind, config->state.partitions);
    }
    return partition * config->state.partitions;
}

/* Makes a directory and those above it. */
static enum status make_directory(const char *path, struct error *error)
{
    char part[COMMIT_PATH_MAX];
    size_t size = strlen(path);
    if (size >= sizeof part) return error_set(error, STATUS_INVALID, "%s: path too long", path);
    for (size_t i = 1; i <= size; i++) {
        if (path[i] != '/' && path[i] != 0) continue;
        memcpy(part, path, i);
        part[i] = 0;
        if (mkdir(part, 0755) != 0 && errno != EEXIST) {
            return error_set(error, STATUS_IO, "making %s: %s", part, strerror(errno));
        }
    }
    return STATUS_OK;
}

static enum status take_lock(struct file_state *state, struct error *error)
{
    char path[COMMIT_PATH_MAX];
    const char *dir = state->config->state.dir;
    if (snprintf(path, sizeof path, "%s/lock", dir) >= (int)sizeof path) {
        return error_set(error, STATUS_INVALID, "%s: path too long", dir);
    }
    state->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (state->lock < 0) {
        return error_set(error, STATUS_IO, "opening %s: %s", path, strerror(errno));
    }
    if (flock(state->lock, LOCK_EX | LOCK_NB) == 0) return STATUS_OK;
    return error_set(error, STATUS_REFUSED,
                     "%s is in use by another job: stop that one, or give this one a state.dir of "
                     "its own",
                     dir);
}

static enum status check_empty(const struct config *config, enum record_kind kind,
                               uint32_t partition, struct error *error)
{
    char path[COMMIT_PATH_MAX];
    struct stat facts;
    TRY(commit_file_path(config, kind, partition, 1, path, error));
    if (stat(path, &facts) != 0 || facts.st_size == 0) return STATUS_OK;
    return error_set(error, STATUS_REFUSED,
                     "%s is not empty, but %s/commit is missing: put the state back, or choose "
                     "another output.dir",
                     path, config->state.dir);
}

/* A new job, which begins over outputs that are empty only. */
static enum status begin_anew(struct file_state *state, struct error *error)
{
    const struct config *config = state->config;
    for (uint32_t p = 0; p < config->state.partitions; p++) {
        for (int kind = 0; kind < RECORD_KINDS; kind++) {
            TRY(check_empty(config, (enum record_kind)kind, p, error));
        }
    }
    state->is_new = true;
    return commit_init(&state->commit, config->state.partitions, error);
}

static bool has_committed(const struct commit *commit)
{
    for (uint32_t p = 0; p < commit->partitions; p++) {
        if (commit->entries[p].seal > 0) return true;
    }
    return false;
}

static enum status check_partitions(const struct file_state *state, struct error *error)
{
    const struct config *config = state->config;
    uint32_t known = state->commit.partitions;
    if (config->state.partitions == known) return STATUS_OK;
    return error_set(error, STATUS_REFUSED,
                     "%s was made with %" PRIu32 " partitions: set state.partitions to %" PRIu32
                     " (not %" PRIu32 "), or begin anew in another state.dir and output.dir",
                     config->state.dir, known, known, config->state.partitions);
}

static enum status open_commit(struct file_state *state, struct error *error)
{
    const struct config *config = state->config;
    enum status status = commit_file_read(&state->commit, config->state.dir, error);
    if (status == STATUS_NOT_FOUND) return begin_anew(state, error);
    TRY(status);
    TRY(check_partitions(state, error));
    struct commit *commit = &state->commit;
    if (!has_committed(commit)) source_files_close(&commit->inputs);
    if (strcmp(config->source.path, "-") == 0) {
        /* Lines go on being counted, but what a crash left unread in the pipe is gone. */
        if (commit->inputs.count > 0) commit->inputs.at[0].position.byte = 0;
        log_warn("standard input cannot be read again: at most once across crashes");
    }
    return STATUS_OK;
}

/* A crash may have left the log before a rewrite, or one after it that was not committed. */
static enum status remove_other_logs(const struct config *config, uint32_t partition, uint64_t log,
                                     struct error *error)
{
    const uint64_t others[] = {log - 1, log + 1};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        char path[COMMIT_PATH_MAX];
        TRY(commit_file_path(config, RECORD_HISTORY, partition, others[i], path, error));
        if (unlink(path) == 0 || errno == ENOENT) continue;
        return error_set(error, STATUS_IO, "deleting %s: %s", path, strerror(errno));
    }
    return STATUS_OK;
}

static enum status open_files(struct file_state *state, struct error *error)
{
    uint32_t count = state->commit.partitions;
    state->partitions = calloc(count, sizeof *state->partitions);
    if (!state->partitions) return error_set(error, STATUS_IO, "out of memory: files");
    for (uint32_t p = 0; p < count; p++) {
        const struct commit_entry *entry = &state->commit.entries[p];
        state->partitions[p].log = entry->log;
        state->partitions[p].base = entry->base;
        TRY(remove_other_logs(state->config, p, entry->log, error));
        for (int k = 0; k < RECORD_KINDS; k++) {
            enum record_kind kind = (enum record_kind)k;
            char path[COMMIT_PATH_MAX];
            TRY(commit_file_path(state->config, kind, p, entry->log, path, error));
            TRY(append_file_open(&state->partitions[p].kind[kind], path, entry->length[kind],
                                 buffer_size(kind, count), error));
        }
    }
    return STATUS_OK;
}

enum status file_state_open(struct file_state *state, const struct config *config,
                            struct error *error)
{
    *state = (struct file_state){.config = config, .lock = -1};
    TRY(make_directory(config->state.dir, error));
    TRY(make_directory(config->output.dir, error));
    TRY(take_lock(state, error));
    return open_commit(state, error);
}

/* What is left of somebody must not be published again. */
static enum status check_erased(const struct config *config, struct error *error)
{
    struct erased erased;
    TRY(erased_read(&erased, config->state.dir, error));
    const uint32_t pending = erased_pending(&erased);
    erased_close(&erased);
    if (pending == 0) return STATUS_OK;
    return error_set(error, STATUS_REFUSED,
                     "%s: the erasure of %" PRIu32 " users was interrupted: run braid erase again, "
                     "which ends it",
                     config->state.dir, pending);
}

enum status file_state_begin(struct file_state *state, struct error *error)
{
    const struct config *config = state->config;
    TRY(check_erased(config, error));
    if (state->is_new) TRY(commit_file_write(&state->commit, config->state.dir, error));
    TRY(open_files(state, error));
    /* New files must not vanish from their directory when what is in them has been committed. */
    TRY(append_file_sync_directory(config->state.dir, error));
    return append_file_sync_directory(config->output.dir, error);
}

/* The known entry of a file, or a new one behind the others; its name is the present one. */
static enum status enter_input(struct source_files *inputs, uint32_t index,
                               const struct source_file *file, struct error *error)
{
    const char *name = file->name;
    if (index == inputs->count) {
        TRY(source_files_add(inputs, name, error));
        inputs->at[index].profiles = file->profiles;
        return STATUS_OK;
    }
    if (strcmp(inputs->at[index].name, name) == 0) return STATUS_OK;
    char *copy = strdup(name);
    if (!copy) return error_set(error, STATUS_IO, "out of memory: names of files");
    free(inputs->at[index].name);
    inputs->at[index].name = copy;
    return STATUS_OK;
}

enum status file_state_set_position(struct file_state *state, const struct file_reader *reader,
                                    const struct source_position *position, struct error *error)
{
    struct event_reader *source = file_reader_source(reader);
    struct source_files *inputs = &state->commit.inputs;
    for (uint32_t i = inputs->count ? inputs->count - 1 : 0; i <= position->file; i++) {
        const struct source_file *file = event_reader_file(source, i);
        TRY(enter_input(inputs, i, file, error));
        struct source_file *input = &inputs->at[i];
        input->position = i < position->file ? file->position : position->line;
        int64_t size = input->position.byte;
        bool grows = input->identity.size < INPUT_IDENTITY_MAX && input->identity.size < size;
        if (!grows || event_reader_is_standard_input(source)) continue;
        TRY(event_reader_identify(source, i, size, &input->identity, error));
    }
    if (file_reader_first(reader) > 0) state->commit.first = file_reader_first(reader);
    state->commit.offset = position->offset;
    return STATUS_OK;
}

enum status file_state_add(struct file_state *state, const struct record *record,
                           struct error *error)
{
    struct append_file *file = &state->partitions[record->partition].kind[record->kind];
    if (record->kind != RECORD_HISTORY) {
        REQUIRE(record->value.at != NULL);
        TRY(append_file_add(file, record->value, error));
        return append_file_add(file, (struct bytes){"\n", 1}, error);
    }
    uint8_t frame[HISTORY_FRAME_MAX];
    size_t size = history_frame_encode(record->key, record->value, frame);
    return append_file_add(file, (struct bytes){frame, size}, error);
}

void file_state_close(struct file_state *state)
{
    for (uint32_t p = 0; state->partitions && p < state->commit.partitions; p++) {
        for (int kind = 0; kind < RECORD_KINDS; kind++) {
            append_file_close(&state->partitions[p].kind[kind]);
        }
    }
    free(state->partitions);
    commit_close(&state->commit);
    if (state->lock >= 0) close(state->lock);
    *state = (struct file_state){.lock = -1};
}

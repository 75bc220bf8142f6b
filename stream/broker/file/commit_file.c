/* commit_file.c - what a commit file says, where it lies, and its atomic replacement. */
#include "stream/broker/file/commit_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fault.h"
#include "stream/broker/file/append_file.h"
#include "stream/broker/file/commit_text.h"

static enum status join_path(char *path, const char *dir, const char *name, struct error *error)
{
    int size = snprintf(path, COMMIT_PATH_MAX, "%s/%s", dir, name);
    if (size < 0 || size >= COMMIT_PATH_MAX) {
        return error_set(error, STATUS_INVALID, "%s/%s: path too long", dir, name);
    }
    return STATUS_OK;
}

enum status commit_file_path(const struct config *config, enum record_kind kind, uint32_t partition,
                             uint64_t log, char *path, struct error *error)
{
    char name[64];
    switch (kind) {
    case RECORD_INTERESTS:
        snprintf(name, sizeof name, "interests-%04" PRIu32 ".jsonl", partition);
        return join_path(path, config->output.dir, name, error);
    case RECORD_DEAD_LETTER:
        snprintf(name, sizeof name, "dead-letters-%04" PRIu32 ".jsonl", partition);
        return join_path(path, config->output.dir, name, error);
    case RECORD_HISTORY:
        snprintf(name, sizeof name, "history-%04" PRIu32 ".%" PRIu64 ".log", partition, log);
        return join_path(path, config->state.dir, name, error);
    case RECORD_ITEM:
        snprintf(name, sizeof name, "items-%04" PRIu32 ".jsonl", partition);
        return join_path(path, config->state.dir, name, error);
    default: break;
    }
    return error_set(error, STATUS_INVALID, "record kind %d has no file", (int)kind);
}

/* Writes all of `text` to a new file `path` and syncs it. */
static enum status write_synced(const char *path, const char *text, size_t size,
                                struct error *error)
{
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (file < 0) return error_set(error, STATUS_IO, "%s: %s", path, strerror(errno));
    enum status status = STATUS_OK;
    size_t done = 0;
    while (status == STATUS_OK && done < size) {
        ssize_t n = write(file, text + done, size - done);
        if (n >= 0)
            done += (size_t)n;
        else if (errno != EINTR)
            status = STATUS_IO;
    }
    if (status == STATUS_OK && fsync(file) != 0) status = STATUS_IO;
    if (status != STATUS_OK) {
        status = error_set(error, status, "writing %s: %s", path, strerror(errno));
    }
    close(file);
    return status;
}

enum status commit_file_write(const struct commit *commit, const char *state_dir,
                              struct error *error)
{
    char path[COMMIT_PATH_MAX], next[COMMIT_PATH_MAX];
    TRY(join_path(path, state_dir, "commit", error));
    TRY(join_path(next, state_dir, "commit.next", error));

    size_t size;
    char *text = commit_text_print(commit, &size);
    if (!text) return error_set(error, STATUS_IO, "out of memory: a commit file");
    enum status status = write_synced(next, text, size, error);
    free(text);
    TRY(status);

    FAULT_POINT("commit_file_written");
    if (rename(next, path) != 0) {
        return error_set(error, STATUS_IO, "renaming %s: %s", next, strerror(errno));
    }
    TRY(append_file_sync_directory(state_dir, error));
    FAULT_POINT("commit_file_renamed");
    return STATUS_OK;
}

/* Reads all of an open file into `*textp`, which ends with a zero; the caller frees it. */
static enum status read_text(int file, const char *path, char **textp, size_t *sizep,
                             struct error *error)
{
    struct stat facts;
    *textp = NULL;
    *sizep = 0;
    if (fstat(file, &facts) != 0) {
        return error_set(error, STATUS_IO, "%s: %s", path, strerror(errno));
    }
    size_t room = (size_t)facts.st_size;
    *textp = malloc(room + 1);
    if (!*textp) return error_set(error, STATUS_IO, "out of memory: a commit file");
    ssize_t n = 1;
    while (*sizep < room && n != 0) {
        n = read(file, *textp + *sizep, room - *sizep);
        if (n > 0) *sizep += (size_t)n;
        if (n < 0 && errno != EINTR) {
            return error_set(error, STATUS_IO, "reading %s: %s", path, strerror(errno));
        }
    }
    (*textp)[*sizep] = 0;
    return STATUS_OK;
}

enum status commit_file_read(struct commit *commit, const char *state_dir, struct error *error)
{
    *commit = (struct commit){0};
    char path[COMMIT_PATH_MAX];
    TRY(join_path(path, state_dir, "commit", error));
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        enum status status = errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO;
        return error_set(error, status, "%s: %s", path, strerror(errno));
    }
    char *text;
    size_t size;
    enum status status = read_text(file, path, &text, &size, error);
    if (status == STATUS_OK) status = commit_text_parse(commit, text, size, path, error);
    free(text);
    close(file);
    return status;
}

enum status commit_file_expect(struct commit *commit, const char *state_dir, struct error *error)
{
    const enum status status = commit_file_read(commit, state_dir, error);
    if (status != STATUS_NOT_FOUND) return status;
    return error_set(error, STATUS_INVALID,
                     "nothing was ever committed in %s: is this the state.dir of the job?",
                     state_dir);
}

/*
 * commit_file.c - the text of the commit file, and its atomic replacement.
 *
 * The file is a few lines that a person can read; its last line is a checksum over the others.
 */
#include "stream/broker/file/commit_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/fault.h"
#include "stream/broker/file/append_file.h"

enum {
    COMMIT_VERSION = 2,
    HEAD_MAX = 512,  /* bytes of the lines that are not a partition's */
    ENTRY_MAX = 360, /* bytes of one partition's line */
    CHECKSUM_LINE = sizeof "checksum 0123456789abcdef",
};

static const char *const remedy =
    "the state cannot be trusted: restore state.dir and output.dir from the same backup, or begin "
    "anew with empty ones";

enum status commit_file_init(struct commit_file *commit, uint32_t partitions, struct error *error)
{
    *commit = (struct commit_file){.partitions = partitions};
    commit->entries = calloc(partitions, sizeof *commit->entries);
    if (!commit->entries) return error_set(error, STATUS_IO, "out of memory: a commit file");
    for (uint32_t p = 0; p < partitions; p++) {
        commit->entries[p].log = 1;
    }
    return STATUS_OK;
}

void commit_file_close(struct commit_file *commit)
{
    free(commit->entries);
    *commit = (struct commit_file){0};
}

uint64_t commit_file_source(const struct commit_file *commit)
{
    return splitmix64(commit->input.hash ^ commit->input.size);
}

struct history_seal commit_file_seal(const struct commit_file *commit, uint32_t partition)
{
    const struct commit_entry *entry = &commit->entries[partition];
    struct history_seal seal = {
        .number = entry->seal,
        .source_identity = commit_file_source(commit),
        .partitions = commit->partitions,
        .next_offset = commit->position.line,
        .generation = entry->generation,
        .target = entry->generation,
        .watermark_ms = HISTORY_NO_TIME,
        .checkpoint = entry->checkpoint,
    };
    memcpy(seal.decoding, commit->decoding, sizeof seal.decoding);
    return seal;
}

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

/* Writes the lines before the checksum; `text` has room for them. */
static size_t print_lines(const struct commit_file *commit, char *text, size_t room)
{
    size_t used =
        (size_t)snprintf(text, room,
                         "braid-commit %d\ninput %016" PRIx64 " %" PRIu32 "\npartitions %" PRIu32
                         "\nposition %" PRId64 " %" PRId64 "\ndecoding",
                         COMMIT_VERSION, commit->input.hash, commit->input.size, commit->partitions,
                         commit->position.line, commit->position.byte);
    for (int i = 0; i < HISTORY_DECODING_MAX; i++) {
        used += (size_t)snprintf(text + used, room - used, " %08" PRIx32, commit->decoding[i]);
    }
    used += (size_t)snprintf(text + used, room - used, "\n");
    for (uint32_t p = 0; p < commit->partitions; p++) {
        const struct commit_entry *entry = &commit->entries[p];
        used += (size_t)snprintf(
            text + used, room - used,
            "partition %" PRIu32 " seal %" PRIu64 " generation %" PRIu64 " checkpoint %016" PRIx64
            " log %" PRIu64 " base %" PRIu64 " interests %" PRIu64 " history %" PRIu64
            " dead-letters %" PRIu64 " items %" PRIu64 "\n",
            p, entry->seal, entry->generation, entry->checkpoint, entry->log, entry->base,
            entry->length[RECORD_INTERESTS], entry->length[RECORD_HISTORY],
            entry->length[RECORD_DEAD_LETTER], entry->length[RECORD_ITEM]);
    }
    REQUIRE(used < room);
    return used;
}

/* The last line, over the `size` bytes of `text`; `line` has room for it and its zero. */
static void print_checksum(char *line, const char *text, size_t size)
{
    snprintf(line, CHECKSUM_LINE + 1, "checksum %016" PRIx64 "\n", checksum_of(text, size));
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

enum status commit_file_write(const struct commit_file *commit, const char *state_dir,
                              struct error *error)
{
    char path[COMMIT_PATH_MAX], next[COMMIT_PATH_MAX];
    TRY(join_path(path, state_dir, "commit", error));
    TRY(join_path(next, state_dir, "commit.next", error));

    size_t room = HEAD_MAX + (size_t)commit->partitions * ENTRY_MAX;
    char *text = malloc(room);
    if (!text) return error_set(error, STATUS_IO, "out of memory: a commit file");
    size_t size = print_lines(commit, text, room);
    print_checksum(text + size, text, size);
    size += CHECKSUM_LINE;
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

/* A partition's line, which in format 1 has no checkpoint. */
static bool parse_entry(const char **textp, struct commit_file *commit, uint32_t partition)
{
    struct commit_entry *entry = &commit->entries[partition];
    uint32_t number;
    int size = 0, checkpoint = 0, rest = 0;
    int fields = sscanf(*textp, "partition %" SCNu32 " seal %" SCNu64 " generation %" SCNu64 " %n",
                        &number, &entry->seal, &entry->generation, &size);
    if (fields != 3 || size == 0 || number != partition) return false;
    if (sscanf(*textp + size, "checkpoint %" SCNx64 " %n", &entry->checkpoint, &checkpoint) < 1) {
        checkpoint = 0;
    }
    fields = sscanf(*textp + size + checkpoint,
                    "log %" SCNu64 " base %" SCNu64 " interests %" SCNu64 " history %" SCNu64
                    " dead-letters %" SCNu64 " items %" SCNu64 "\n%n",
                    &entry->log, &entry->base, &entry->length[RECORD_INTERESTS],
                    &entry->length[RECORD_HISTORY], &entry->length[RECORD_DEAD_LETTER],
                    &entry->length[RECORD_ITEM], &rest);
    *textp += size + checkpoint + rest;
    return fields == 6 && rest > 0;
}

/* The fingerprints, which format 1 does not have. */
static void parse_decoding(const char **textp, struct commit_file *commit)
{
    static const char name[] = "decoding";
    if (strncmp(*textp, name, sizeof name - 1) != 0) return;
    *textp += sizeof name - 1;
    for (int i = 0; **textp == ' '; i++) {
        char *end;
        unsigned long print = strtoul(*textp, &end, 16);
        if (i < HISTORY_DECODING_MAX) commit->decoding[i] = (uint32_t)print;
        if (end == *textp) return;
        *textp = end;
    }
    if (**textp == '\n') ++*textp;
}

/* Parses `text`, whose checksum has been verified. */
static enum status parse_lines(struct commit_file *commit, const char *text, const char *path,
                               struct error *error)
{
    struct commit_file head = {0};
    int size = 0;
    int fields = sscanf(text,
                        "braid-commit %*d\ninput %" SCNx64 " %" SCNu32 "\npartitions %" SCNu32
                        "\nposition %" SCNd64 " %" SCNd64 "\n%n",
                        &head.input.hash, &head.input.size, &head.partitions, &head.position.line,
                        &head.position.byte, &size);
    if (fields != 5 || size == 0 || head.partitions == 0 || head.partitions > POLL_PARTITIONS_MAX) {
        return error_set(error, STATUS_CORRUPT, "%s: not a commit file's lines; %s", path, remedy);
    }
    TRY(commit_file_init(commit, head.partitions, error));
    commit->input = head.input;
    commit->position = head.position;
    text += size;
    parse_decoding(&text, commit);
    for (uint32_t p = 0; p < commit->partitions; p++) {
        if (parse_entry(&text, commit, p)) continue;
        commit_file_close(commit);
        return error_set(error, STATUS_CORRUPT, "%s: the line of partition %u; %s", path, p,
                         remedy);
    }
    return STATUS_OK;
}

/* Checks format and checksum of the file's text, and cuts the checksum's line off. */
static enum status check_text(char *text, size_t size, const char *path, struct error *error)
{
    int version = 0;
    if (sscanf(text, "braid-commit %d\n", &version) != 1) {
        return error_set(error, STATUS_CORRUPT, "%s: not a commit file; %s", path, remedy);
    }
    if (version > COMMIT_VERSION) {
        return error_set(error, STATUS_REFUSED,
                         "%s: format %d is newer than this build reads (%d): use the version of "
                         "Braid that wrote it, or a later one",
                         path, version, COMMIT_VERSION);
    }
    char last[CHECKSUM_LINE + 1];
    size_t covered = size > CHECKSUM_LINE ? size - CHECKSUM_LINE : 0;
    print_checksum(last, text, covered);
    if (strcmp(text + covered, last) != 0) {
        return error_set(error, STATUS_CORRUPT, "%s: its checksum fails; %s", path, remedy);
    }
    text[covered] = 0;
    return STATUS_OK;
}

enum status commit_file_read(struct commit_file *commit, const char *state_dir, struct error *error)
{
    *commit = (struct commit_file){0};
    char path[COMMIT_PATH_MAX];
    TRY(join_path(path, state_dir, "commit", error));
    FILE *file = fopen(path, "re");
    if (!file) {
        enum status status = errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO;
        return error_set(error, status, "%s: %s", path, strerror(errno));
    }
    size_t room = HEAD_MAX + (size_t)POLL_PARTITIONS_MAX * ENTRY_MAX;
    char *text = malloc(room);
    enum status status = STATUS_IO;
    if (!text) {
        error_set(error, status, "out of memory: a commit file");
        goto done;
    }
    size_t size = fread(text, 1, room - 1, file);
    text[size] = 0;
    status = check_text(text, size, path, error);
    if (status == STATUS_OK) status = parse_lines(commit, text, path, error);
done:
    free(text);
    fclose(file);
    return status;
}

enum status commit_file_expect(struct commit_file *commit, const char *state_dir,
                               struct error *error)
{
    const enum status status = commit_file_read(commit, state_dir, error);
    if (status != STATUS_NOT_FOUND) return status;
    return error_set(error, STATUS_INVALID,
                     "nothing was ever committed in %s: is this the state.dir of the job?",
                     state_dir);
}

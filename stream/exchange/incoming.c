/* incoming.c - a file under a temporary name, its checksum as it grows, and its end. */
#include "stream/exchange/incoming.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/log.h"
#include "model/model_dir.h"

static const char lock_name[] = "exchange.lock", growing_name[] = "incoming.tmp";

static enum status incoming_failed(const char *what, const char *path, struct error *error)
{
    return error_set(error, STATUS_IO, "%s %s: %s", what, path, strerror(errno));
}

static enum status path_in(const char *dir, const char *name, char path[MODEL_DIR_PATH_MAX],
                           struct error *error)
{
    const int size = snprintf(path, MODEL_DIR_PATH_MAX, "%s/%s", dir, name);
    if (size > 0 && size < MODEL_DIR_PATH_MAX) return STATUS_OK;
    return error_set(error, STATUS_INVALID, "%s: too long a path", dir);
}

enum status incoming_lock(const char *dir, int *lockp, struct error *error)
{
    char path[MODEL_DIR_PATH_MAX];
    TRY(path_in(dir, lock_name, path, error));
    const int lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (lock < 0) return incoming_failed("opening", path, error);
    while (flock(lock, LOCK_EX) != 0) {
        if (errno == EINTR) continue;
        close(lock);
        return incoming_failed("locking", path, error);
    }
    *lockp = lock;
    return STATUS_OK;
}

void incoming_begin(struct incoming *incoming, const char *dir)
{
    *incoming = (struct incoming){.dir = dir, .file = -1};
}

void incoming_drop(struct incoming *incoming)
{
    if (incoming->file >= 0) close(incoming->file);
    incoming_begin(incoming, incoming->dir);
}

static enum status start(struct incoming *incoming, uint64_t generation, struct error *error)
{
    char path[MODEL_DIR_PATH_MAX];
    incoming_drop(incoming);
    incoming->generation = generation;
    TRY(model_dir_path(incoming->dir, generation, path, error));
    if (access(path, F_OK) == 0) return STATUS_OK;
    TRY(path_in(incoming->dir, growing_name, path, error));
    incoming->file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    return incoming->file >= 0 ? STATUS_OK : incoming_failed("writing", path, error);
}

static enum status append(struct incoming *incoming, struct bytes chunk, struct error *error)
{
    const uint8_t *at = chunk.at;
    for (size_t left = chunk.size; left > 0;) {
        const ssize_t size = write(incoming->file, at, left);
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) return incoming_failed("writing a generation into", incoming->dir, error);
        at += size;
        left -= (size_t)size;
    }
    return STATUS_OK;
}

enum status incoming_chunk(struct incoming *incoming, uint64_t generation, uint32_t number,
                           struct bytes chunk, struct error *error)
{
    if (number == 0) {
        TRY(start(incoming, generation, error));
        incoming->chunk_size = (uint32_t)chunk.size;
    }
    if (generation != incoming->generation || number != incoming->chunks || incoming->broken) {
        incoming->broken = true;
        return STATUS_OK;
    }
    incoming->chunks++;
    incoming->size += chunk.size;
    incoming->checksum = shared_checksum(incoming->checksum, chunk);
    return incoming->file >= 0 ? append(incoming, chunk, error) : STATUS_OK;
}

/* Whether the file that model.dir has is the one of the manifest. */
static enum status check_file(const struct incoming *incoming, const char *path,
                              const struct manifest *manifest, bool *samep, struct error *error)
{
    uint64_t size = 0, checksum = 0;
    FILE *file = fopen(path, "rbe");
    void *chunk = malloc(incoming->chunk_size + (size_t)1);
    enum status status = STATUS_OK;
    if (!chunk) {
        status = error_set(error, STATUS_IO, "out of memory: a chunk of a generation");
    } else if (!file) {
        status = incoming_failed("reading", path, error);
    }
    for (size_t read; status == STATUS_OK && size <= manifest->size;) {
        read = fread(chunk, 1, incoming->chunk_size, file);
        if (read == 0) break;
        size += read;
        checksum = shared_checksum(checksum, (struct bytes){chunk, read});
    }
    if (status == STATUS_OK && ferror(file)) status = incoming_failed("reading", path, error);
    if (file) fclose(file);
    free(chunk);
    *samep = size == manifest->size && checksum == manifest->checksum;
    return status;
}

static enum status hold_against(const struct incoming *incoming, const struct manifest *manifest,
                                enum incoming_end *endp, struct error *error)
{
    char path[MODEL_DIR_PATH_MAX];
    bool same;
    TRY(model_dir_path(incoming->dir, incoming->generation, path, error));
    TRY(check_file(incoming, path, manifest, &same, error));
    *endp = same ? INCOMING_WHOLE : INCOMING_ANOTHER;
    if (same) return STATUS_OK;
    log_warn("a file of model.dir is not the generation that the group has: it is replaced",
             log_text("path", path));
    return unlink(path) == 0 ? STATUS_OK : incoming_failed("removing", path, error);
}

static enum status install(struct incoming *incoming, enum incoming_end *endp, struct error *error)
{
    char path[MODEL_DIR_PATH_MAX];
    TRY(path_in(incoming->dir, growing_name, path, error));
    if (fsync(incoming->file) != 0) return incoming_failed("syncing", path, error);
    *endp = INCOMING_INSTALLED;
    return model_dir_install(incoming->dir, path, incoming->generation, error);
}

enum status incoming_end(struct incoming *incoming, uint64_t generation,
                         const struct manifest *manifest, enum incoming_end *endp,
                         const char **damagep, struct error *error)
{
    enum status status = STATUS_OK;
    *damagep = NULL;
    *endp = INCOMING_DAMAGED;
    if (incoming->generation != generation) {
        *damagep = "it has a manifest and no chunks";
    } else if (incoming->broken || incoming->chunks != manifest->chunks) {
        *damagep = "a chunk is missing";
    } else if (incoming->size != manifest->size) {
        *damagep = "it is not of the size that its manifest says";
    } else if (incoming->checksum != manifest->checksum) {
        *damagep = "its checksum is wrong";
    } else if (incoming->file >= 0) {
        status = install(incoming, endp, error);
    } else {
        status = hold_against(incoming, manifest, endp, error);
    }
    incoming_drop(incoming);
    return status;
}

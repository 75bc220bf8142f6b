/* erased.c - the list as text, sorted by hash. */
#include "stream/source/erasure/erased.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/checksum.h"

enum { ERASED_PATH_MAX = 4096, ERASED_LINE_MAX = 80 };

static const char erased_header[] = "braid-erased 1\n";

static enum status erased_path(char path[ERASED_PATH_MAX], const char *state_dir, const char *name,
                               struct error *error)
{
    if (snprintf(path, ERASED_PATH_MAX, "%s/%s", state_dir, name) < ERASED_PATH_MAX) {
        return STATUS_OK;
    }
    return error_set(error, STATUS_INVALID, "%s: path too long", state_dir);
}

/* The place of a hash, or where it would be put. */
static uint32_t erased_place(const struct erased *erased, uint64_t hash)
{
    uint32_t low = 0, high = erased->count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (erased->at[middle].hash < hash)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

enum status erased_add(struct erased *erased, uint64_t hash, int64_t cut, struct error *error)
{
    const uint32_t place = erased_place(erased, hash);
    if (place == erased->count || erased->at[place].hash != hash) {
        if (erased->count == ERASED_USERS_MAX) {
            return error_set(error, STATUS_INVALID, "more than %d users were erased",
                             ERASED_USERS_MAX);
        }
        struct erased_user *more = realloc(erased->at, (erased->count + 1) * sizeof *erased->at);
        if (!more) return error_set(error, STATUS_IO, "out of memory: erased users");
        erased->at = more;
        memmove(more + place + 1, more + place, (erased->count - place) * sizeof *more);
        erased->count++;
    }
    erased->at[place] = (struct erased_user){hash, cut, true};
    return STATUS_OK;
}

const struct erased_user *erased_find(const struct erased *erased, struct bytes user)
{
    if (erased->count == 0) return NULL;
    const uint64_t hash = identity_of(user.at, user.size);
    const uint32_t place = erased_place(erased, hash);
    const bool there = place < erased->count && erased->at[place].hash == hash;
    return there ? &erased->at[place] : NULL;
}

uint32_t erased_pending(const struct erased *erased)
{
    uint32_t pending = 0;
    for (uint32_t i = 0; i < erased->count; i++) {
        pending += erased->at[i].pending;
    }
    return pending;
}

void erased_close(struct erased *erased)
{
    free(erased->at);
    *erased = (struct erased){0};
}

/* ---- as a file ---- */

static enum status erased_parse(struct erased *erased, FILE *file, const char *path,
                                struct error *error)
{
    char line[ERASED_LINE_MAX];
    uint64_t sum = checksum_of(erased_header, strlen(erased_header));
    bool sound = fgets(line, sizeof line, file) && strcmp(line, erased_header) == 0;
    while (sound && fgets(line, sizeof line, file)) {
        uint64_t hash, told;
        int64_t cut;
        char pending[16] = "";
        if (sscanf(line, "checksum %16" SCNx64, &told) == 1) {
            if (told == sum && !fgets(line, sizeof line, file)) return STATUS_OK;
            break;
        }
        sound = sscanf(line, "%16" SCNx64 " %" SCNd64 " %15s", &hash, &cut, pending) >= 2;
        sum = splitmix64(sum ^ checksum_of(line, strlen(line)));
        if (!sound) break;
        TRY(erased_add(erased, hash, cut, error));
        erased->at[erased_place(erased, hash)].pending = *pending != 0;
    }
    return error_set(error, STATUS_CORRUPT,
                     "%s is damaged: restore it from a backup. Without it, those who were erased "
                     "come back when the log is read again",
                     path);
}

enum status erased_read(struct erased *erased, const char *state_dir, struct error *error)
{
    char path[ERASED_PATH_MAX];
    *erased = (struct erased){0};
    TRY(erased_path(path, state_dir, "erased", error));
    FILE *file = fopen(path, "re");
    if (!file) {
        if (errno == ENOENT || errno == ENOTDIR) return STATUS_OK;
        return error_set(error, STATUS_IO, "opening %s: %s", path, strerror(errno));
    }
    const enum status status = erased_parse(erased, file, path, error);
    fclose(file);
    if (status != STATUS_OK) erased_close(erased);
    return status;
}

static bool erased_print(const struct erased *erased, FILE *file)
{
    uint64_t sum = checksum_of(erased_header, strlen(erased_header));
    fputs(erased_header, file);
    for (uint32_t i = 0; i < erased->count; i++) {
        char line[ERASED_LINE_MAX];
        const struct erased_user *user = &erased->at[i];
        snprintf(line, sizeof line, "%016" PRIx64 " %" PRId64 "%s\n", user->hash, user->cut,
                 user->pending ? " pending" : "");
        sum = splitmix64(sum ^ checksum_of(line, strlen(line)));
        fputs(line, file);
    }
    fprintf(file, "checksum %016" PRIx64 "\n", sum);
    return fflush(file) == 0 && fsync(fileno(file)) == 0;
}

enum status erased_write(const struct erased *erased, const char *state_dir, struct error *error)
{
    char path[ERASED_PATH_MAX], next[ERASED_PATH_MAX];
    TRY(erased_path(path, state_dir, "erased", error));
    TRY(erased_path(next, state_dir, "erased.next", error));
    FILE *file = fopen(next, "we");
    bool written = file && erased_print(erased, file);
    if (file) written = fclose(file) == 0 && written;
    written = written && rename(next, path) == 0;
    const int directory = written ? open(state_dir, O_RDONLY | O_CLOEXEC) : -1;
    written = directory >= 0 && fsync(directory) == 0;
    if (directory >= 0) close(directory);
    if (written) return STATUS_OK;
    return error_set(error, STATUS_IO, "writing %s: %s", path, strerror(errno));
}

/* items_file.c - item after item, then what they sum to. */
#include "stream/exchange/items_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/number_text.h"
#include "model/model_dir.h"
#include "stream/interests/item_vector.h"

#define PREFIX "items-"
#define SUFFIX ".jsonl"

static enum status items_failed(const char *what, const char *path, struct error *error)
{
    return error_set(error, STATUS_IO, "%s %s: %s", what, path, strerror(errno));
}

/* Room for the longest line; `vector` has room for one. */
static size_t line_size_max(const struct checkpoint *checkpoint, float *vector)
{
    size_t most = item_vector_size_max(0, 0);
    for (uint32_t i = 0; i < item_vectors_count(checkpoint); i++) {
        const struct item_vector one = item_vector_at(checkpoint, i, vector);
        if (item_vector_size(&one) > most) most = item_vector_size(&one);
    }
    return most + 1;
}

static bool write_lines(FILE *file, const struct checkpoint *checkpoint,
                        enum config_vectors vectors, char *line, float *vector)
{
    struct items_end end = items_end_begin(checkpoint);
    size_t size;
    for (uint32_t i = 0; i < item_vectors_count(checkpoint); i++) {
        const struct item_vector one = item_vector_at(checkpoint, i, vector);
        size = item_vector_encode(&one, CONFIG_RECORD_JSON, vectors, line);
        line[size++] = '\n';
        if (fwrite(line, 1, size, file) != size) return false;
        items_end_add(&end, &one);
    }
    size = items_end_encode(&end, CONFIG_RECORD_JSON, line);
    line[size++] = '\n';
    return fwrite(line, 1, size, file) == size && fflush(file) == 0 && fsync(fileno(file)) == 0;
}

/* The folder's entry reaches the disk as well. */
static enum status sync_folder(const char *path, struct error *error)
{
    char folder[MODEL_DIR_PATH_MAX];
    const char *slash = strrchr(path, '/');
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path + 1) : 1,
             slash ? path : ".");
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const bool synced = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0) close(fd);
    return synced ? STATUS_OK : items_failed("syncing", folder, error);
}

enum status items_file_write(const char *path, const struct checkpoint *checkpoint,
                             enum config_vectors vectors, struct error *error)
{
    char temporary[MODEL_DIR_PATH_MAX + 8];
    snprintf(temporary, sizeof temporary, "%s.tmp", path);
    float *vector = calloc(item_vectors_width(checkpoint), sizeof *vector);
    char *line = vector ? malloc(line_size_max(checkpoint, vector)) : NULL;
    FILE *file = fopen(temporary, "we");
    enum status status = STATUS_OK;
    if (!line || !vector) {
        status = error_set(error, STATUS_IO, "out of memory: item vectors");
    } else if (!file || !write_lines(file, checkpoint, vectors, line, vector)) {
        status = items_failed("writing", temporary, error);
    }
    if (file && fclose(file) != 0 && status == STATUS_OK) {
        status = items_failed("writing", temporary, error);
    }
    if (status == STATUS_OK && rename(temporary, path) != 0) {
        status = items_failed("writing", path, error);
    }
    free(vector);
    free(line);
    TRY(status);
    return sync_folder(path, error);
}

/* ---- those of output.dir ---- */

static enum status items_path(const char *dir, uint64_t number, char path[MODEL_DIR_PATH_MAX],
                              struct error *error)
{
    const int size =
        snprintf(path, MODEL_DIR_PATH_MAX, "%s/" PREFIX "%010" PRIu64 SUFFIX, dir, number);
    if (size > 0 && size < MODEL_DIR_PATH_MAX) return STATUS_OK;
    return error_set(error, STATUS_INVALID, "output.dir %s: too long a path", dir);
}

/* The generation in a file's name; false if it is no such file. */
static bool items_number(const char *name, uint64_t *number)
{
    const size_t size = strlen(name), around = strlen(PREFIX) + strlen(SUFFIX);
    if (size <= around || strncmp(name, PREFIX, strlen(PREFIX)) != 0) return false;
    if (strcmp(name + size - strlen(SUFFIX), SUFFIX) != 0) return false;
    return parse_unsigned((struct bytes){name + strlen(PREFIX), size - around}, UINT64_MAX, number);
}

static bool dir_has(const struct model_dir_list *list, uint64_t number)
{
    for (uint32_t i = 0; i < list->count; i++) {
        if (list->numbers[i] == number) return true;
    }
    return false;
}

static enum status remove_old(const char *dir, const struct model_dir_list *list,
                              struct error *error)
{
    const struct dirent *entry;
    DIR *entries = opendir(dir);
    enum status status = STATUS_OK;
    if (!entries) return items_failed("opening", dir, error);
    while (status == STATUS_OK && (entry = readdir(entries))) {
        char path[MODEL_DIR_PATH_MAX];
        uint64_t number;
        if (!items_number(entry->d_name, &number) || dir_has(list, number)) continue;
        status = items_path(dir, number, path, error);
        if (status == STATUS_OK && unlink(path) != 0 && errno != ENOENT) {
            status = items_failed("removing", path, error);
        }
    }
    closedir(entries);
    return status;
}

enum status items_file_publish(const struct config *config, const struct checkpoint *checkpoint,
                               struct error *error)
{
    char path[MODEL_DIR_PATH_MAX];
    struct model_dir_list list;
    TRY(model_dir_make(config->output.dir, error));
    TRY(items_path(config->output.dir, checkpoint->generation, path, error));
    TRY(items_file_write(path, checkpoint, config->output.vectors, error));
    TRY(model_dir_list_open(&list, config->model.dir, error));
    const enum status status = remove_old(config->output.dir, &list, error);
    model_dir_list_close(&list);
    return status;
}

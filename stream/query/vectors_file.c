/*
 * vectors_file.c - lines, or columns: each array is written as an .npy file of its own, whose header
 * of fixed size gets the number of users at the end; safetensors maps those and copies them into one.
 */
#include "stream/query/vectors_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json_writer.h"
#include "model/safetensors.h"

enum {
    FILE_PATH_MAX = 4096,
    NPY_HEADER_SIZE = 128,
    COLUMN_NAME_MAX = 32,
};

enum column_name {
    COLUMN_VECTORS,
    COLUMN_WEIGHTS,
    COLUMN_COUNT,
    COLUMN_FROM,
    COLUMN_EVENTS,
    COLUMN_EVENT_TIME,
    COLUMN_INTENT,
    COLUMN_USER_BYTES,
    COLUMN_USER_END,
    COLUMNS
};

static const struct {
    const char *name;
    const char *npy; /* the type as NumPy names it */
    enum safetensors_dtype dtype;
} columns_of[COLUMNS] = {
    [COLUMN_VECTORS] = {"vectors", "<f4", SAFETENSORS_F32},
    [COLUMN_WEIGHTS] = {"weights", "<f4", SAFETENSORS_F32},
    [COLUMN_COUNT] = {"count", "<u4", SAFETENSORS_U32},
    [COLUMN_FROM] = {"from", "<u8", SAFETENSORS_U64},
    [COLUMN_EVENTS] = {"events", "<u8", SAFETENSORS_U64},
    [COLUMN_EVENT_TIME] = {"event_time_ms", "<i8", SAFETENSORS_I64},
    [COLUMN_INTENT] = {"intent", "<f4", SAFETENSORS_F32},
    [COLUMN_USER_BYTES] = {"user_bytes", "|u1", SAFETENSORS_U8},
    [COLUMN_USER_END] = {"user_end", "<u8", SAFETENSORS_U64},
};

const char *const vectors_form_names[VECTORS_FORMS + 1] = {"jsonl", "npy", "safetensors", NULL};

struct vectors_file {
    enum vectors_form form;
    char path[FILE_PATH_MAX];
    char unfinished[FILE_PATH_MAX + 8]; /* the file, or the folder of parts, until it is whole */
    const struct interest_model *model;
    enum config_vectors vectors;
    FILE *lines;            /* jsonl: records; npy: users' ids */
    FILE *columns[COLUMNS]; /* NULL: not of this form or model */
    uint64_t users;
    uint64_t id_bytes;
    char *line;    /* one record as JSON */
    float *zeroes; /* [K][d] */
};

static enum status file_failed(const char *what, const char *path, struct error *error)
{
    return error_set(error, STATUS_IO, "%s %s: %s", what, path, strerror(errno));
}

static void part_path(const struct vectors_file *file, const char *name, const char *suffix,
                      char path[FILE_PATH_MAX + 64])
{
    snprintf(path, FILE_PATH_MAX + 64, "%s/%s%s", file->unfinished, name, suffix);
}

static enum status open_part(const struct vectors_file *file, const char *name, const char *suffix,
                             FILE **partp, struct error *error)
{
    char path[FILE_PATH_MAX + 64];
    part_path(file, name, suffix, path);
    *partp = fopen(path, "w+e");
    return *partp ? STATUS_OK : file_failed("writing", path, error);
}

/* Whether the file has that column. */
static bool has_column(const struct vectors_file *file, enum column_name column)
{
    if (column == COLUMN_INTENT) return interest_model_has_intent(file->model);
    if (column == COLUMN_USER_BYTES || column == COLUMN_USER_END) {
        return file->form == VECTORS_SAFETENSORS;
    }
    return true;
}

static enum status open_columns(struct vectors_file *file, struct error *error)
{
    static const char header[NPY_HEADER_SIZE] = {0};
    struct stat found;
    if (file->form == VECTORS_NPY && stat(file->path, &found) == 0) {
        return error_set(error, STATUS_INVALID,
                         "%s is there already: name a folder that is to be made", file->path);
    }
    if (mkdir(file->unfinished, 0777) != 0 && errno != EEXIST) {
        return file_failed("making", file->unfinished, error);
    }
    for (enum column_name column = 0; column < COLUMNS; column++) {
        FILE **part = &file->columns[column];
        if (!has_column(file, column)) continue;
        TRY(open_part(file, columns_of[column].name, ".npy", part, error));
        fwrite(header, 1, sizeof header, *part); /* ferror tells at the end */
    }
    if (file->form == VECTORS_NPY) return open_part(file, "users", ".jsonl", &file->lines, error);
    return STATUS_OK;
}

static enum status open_form(struct vectors_file *file, const char *path, uint32_t id_size_max,
                             struct error *error)
{
    const uint32_t count = interest_model_count(file->model);
    const uint32_t width = interest_model_width(file->model);
    const char *suffix = file->form == VECTORS_JSONL ? ".tmp" : ".parts";
    if (strlen(path) >= sizeof file->path) {
        return error_set(error, STATUS_INVALID, "--out: a path of %zu bytes", strlen(path));
    }
    snprintf(file->path, sizeof file->path, "%s", path);
    snprintf(file->unfinished, sizeof file->unfinished, "%s%s", path, suffix);
    file->line = malloc(interest_record_size_max(id_size_max, count, width, file->vectors) + 1);
    file->zeroes = calloc((size_t)count * width, sizeof *file->zeroes);
    if (!file->line || !file->zeroes) {
        return error_set(error, STATUS_IO, "out of memory: an export");
    }
    if (file->form != VECTORS_JSONL) return open_columns(file, error);
    file->lines = fopen(file->unfinished, "we");
    return file->lines ? STATUS_OK : file_failed("writing", file->unfinished, error);
}

enum status vectors_file_open(struct vectors_file **filep, const char *path, enum vectors_form form,
                              const struct interest_model *model, enum config_vectors vectors,
                              uint32_t id_size_max, struct error *error)
{
    *filep = NULL;
    struct vectors_file *file = calloc(1, sizeof *file);
    if (!file) return error_set(error, STATUS_IO, "out of memory: an export");
    file->form = form;
    file->model = model;
    file->vectors = vectors;
    const enum status status = open_form(file, path, id_size_max, error);
    if (status != STATUS_OK) {
        vectors_file_close(file);
        return status;
    }
    *filep = file;
    return STATUS_OK;
}

/* ---- a user ---- */

/* `size` bytes of a row that takes `room`, zeroes behind them. */
static void put_row(struct vectors_file *file, enum column_name column, const void *at, size_t size,
                    size_t room)
{
    if (size > 0) fwrite(at, 1, size, file->columns[column]);
    if (size < room) fwrite(file->zeroes, 1, room - size, file->columns[column]);
}

static void put_columns(struct vectors_file *file, const struct interest_record *record)
{
    const size_t most = interest_model_count(file->model);
    const size_t vector = record->width * sizeof(float);
    put_row(file, COLUMN_VECTORS, record->vectors, record->count * vector, most * vector);
    put_row(file, COLUMN_WEIGHTS, record->weights, record->count * sizeof(float),
            most * sizeof(float));
    put_row(file, COLUMN_COUNT, &record->count, sizeof record->count, 0);
    put_row(file, COLUMN_FROM, &record->from, sizeof record->from, 0);
    put_row(file, COLUMN_EVENTS, &record->events, sizeof record->events, 0);
    put_row(file, COLUMN_EVENT_TIME, &record->event_ms, sizeof record->event_ms, 0);
    if (record->intent) put_row(file, COLUMN_INTENT, record->intent, vector, 0);
}

/* The user's id, as its form has it. */
static void put_user(struct vectors_file *file, struct bytes user, size_t line_room)
{
    if (file->form == VECTORS_SAFETENSORS) {
        file->id_bytes += user.size;
        put_row(file, COLUMN_USER_BYTES, user.at, user.size, 0);
        put_row(file, COLUMN_USER_END, &file->id_bytes, sizeof file->id_bytes, 0);
        return;
    }
    struct json_writer json = json_writer_at(file->line, line_room);
    json_text(&json, user);
    fwrite(json.at, 1, json.used, file->lines);
    fputc('\n', file->lines);
}

enum status vectors_file_add(struct vectors_file *file, const struct interest_record *record,
                             struct error *error)
{
    if (file->form == VECTORS_JSONL) {
        size_t size = interest_record_encode_json(record, file->vectors, file->line);
        file->line[size++] = '\n';
        fwrite(file->line, 1, size, file->lines);
    } else {
        put_columns(file, record);
        put_user(file, record->user,
                 interest_record_size_max((uint32_t)record->user.size, record->count, record->width,
                                          file->vectors));
    }
    file->users++;
    if (file->lines && ferror(file->lines)) return file_failed("writing", file->unfinished, error);
    for (enum column_name column = 0; column < COLUMNS; column++) {
        FILE *part = file->columns[column];
        if (part && ferror(part)) return file_failed("writing", file->unfinished, error);
    }
    return STATUS_OK;
}

/* ---- the end ---- */

static uint32_t column_shape(const struct vectors_file *file, enum column_name column,
                             uint64_t shape[3])
{
    shape[0] = column == COLUMN_USER_BYTES ? file->id_bytes : file->users;
    if (column == COLUMN_VECTORS || column == COLUMN_WEIGHTS) {
        shape[1] = interest_model_count(file->model);
        shape[2] = interest_model_width(file->model);
        return column == COLUMN_VECTORS ? 3 : 2;
    }
    shape[1] = interest_model_width(file->model);
    return column == COLUMN_INTENT ? 2 : 1;
}

/* As numpy.lib.format describes version 1.0, padded to its size. */
static void fill_npy_header(const struct vectors_file *file, enum column_name column,
                            char header[NPY_HEADER_SIZE])
{
    enum { PREFIX = 10 }; /* magic, version, size of the rest */
    uint64_t shape[3];
    char dims[80];
    const uint32_t rank = column_shape(file, column, shape);
    int used = 0;
    for (uint32_t i = 0; i < rank; i++) {
        used += snprintf(dims + used, sizeof dims - (size_t)used, "%" PRIu64 ",%s", shape[i],
                         i + 1 < rank ? " " : "");
    }
    memset(header, ' ', NPY_HEADER_SIZE);
    memcpy(header, "\x93NUMPY\x01\x00", 8);
    header[8] = NPY_HEADER_SIZE - PREFIX;
    header[9] = 0;
    const int size = snprintf(header + PREFIX, NPY_HEADER_SIZE - PREFIX,
                              "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }",
                              columns_of[column].npy, dims);
    header[PREFIX + size] = ' ';
    header[NPY_HEADER_SIZE - 1] = '\n';
}

static enum status finish_stream(FILE *stream, const char *path, struct error *error)
{
    if (fflush(stream) == 0 && fsync(fileno(stream)) == 0) return STATUS_OK;
    return file_failed("writing", path, error);
}

static enum status finish_columns(struct vectors_file *file, struct error *error)
{
    for (enum column_name column = 0; column < COLUMNS; column++) {
        char header[NPY_HEADER_SIZE];
        FILE *part = file->columns[column];
        if (!part) continue;
        fill_npy_header(file, column, header);
        if (fseek(part, 0, SEEK_SET) != 0 || fwrite(header, 1, sizeof header, part) == 0) {
            return file_failed("writing", file->unfinished, error);
        }
        TRY(finish_stream(part, file->unfinished, error));
    }
    return STATUS_OK;
}

/* Removes the folder of parts, whatever of them there is. */
static void remove_parts(const struct vectors_file *file)
{
    char path[FILE_PATH_MAX + 64];
    for (enum column_name column = 0; column < COLUMNS; column++) {
        part_path(file, columns_of[column].name, ".npy", path);
        unlink(path);
    }
    part_path(file, "users", ".jsonl", path);
    unlink(path);
    rmdir(file->unfinished);
}

/* Maps the columns as tensors; *countp of them are to be unmapped. */
static enum status map_columns(const struct vectors_file *file, struct safetensors_tensor *tensors,
                               uint32_t *countp, struct error *error)
{
    for (enum column_name column = 0; column < COLUMNS; column++) {
        if (!file->columns[column]) continue;
        struct safetensors_tensor *tensor = &tensors[*countp];
        *tensor = (struct safetensors_tensor){.name = columns_of[column].name,
                                              .dtype = columns_of[column].dtype};
        tensor->rank = column_shape(file, column, tensor->shape);
        tensor->size = safetensors_dtype_size(tensor->dtype);
        for (uint32_t i = 0; i < tensor->rank; i++) {
            tensor->size *= tensor->shape[i];
        }
        const char *at = mmap(NULL, NPY_HEADER_SIZE + tensor->size, PROT_READ, MAP_SHARED,
                              fileno(file->columns[column]), 0);
        if (at == MAP_FAILED) return file_failed("mapping", file->unfinished, error);
        tensor->data = at + NPY_HEADER_SIZE;
        ++*countp;
    }
    return STATUS_OK;
}

static enum status combine_columns(const struct vectors_file *file, FILE *out,
                                   struct safetensors_tensor *tensors, uint32_t count,
                                   struct error *error)
{
    char generation[24];
    snprintf(generation, sizeof generation, "%" PRIu64, interest_model_generation(file->model));
    const struct safetensors_entry metadata[] = {{"generation", generation},
                                                 {"model", interest_model_name(file->model)}};
    return safetensors_write(out, metadata, 2, tensors, count, error);
}

static enum status finish_safetensors(const struct vectors_file *file, struct error *error)
{
    struct safetensors_tensor tensors[COLUMNS];
    uint32_t count = 0;
    char temporary[FILE_PATH_MAX + 8];
    snprintf(temporary, sizeof temporary, "%s.tmp", file->path);
    FILE *out = fopen(temporary, "we");
    if (!out) return file_failed("writing", temporary, error);
    enum status status = map_columns(file, tensors, &count, error);
    if (status == STATUS_OK) status = combine_columns(file, out, tensors, count, error);
    for (uint32_t i = 0; i < count; i++) {
        munmap((char *)tensors[i].data - NPY_HEADER_SIZE, NPY_HEADER_SIZE + tensors[i].size);
    }
    if (status == STATUS_OK) status = finish_stream(out, temporary, error);
    if (fclose(out) != 0 && status == STATUS_OK) status = file_failed("writing", temporary, error);
    if (status == STATUS_OK && rename(temporary, file->path) != 0) {
        status = file_failed("writing", file->path, error);
    }
    if (status != STATUS_OK) unlink(temporary);
    return status;
}

enum status vectors_file_finish(struct vectors_file *file, struct error *error)
{
    if (file->lines) TRY(finish_stream(file->lines, file->unfinished, error));
    TRY(finish_columns(file, error));
    if (file->form == VECTORS_SAFETENSORS) return finish_safetensors(file, error);
    if (rename(file->unfinished, file->path) == 0) return STATUS_OK;
    return file_failed("writing", file->path, error);
}

void vectors_file_close(struct vectors_file *file)
{
    if (!file) return;
    if (file->lines) fclose(file->lines);
    for (enum column_name column = 0; column < COLUMNS; column++) {
        if (file->columns[column]) fclose(file->columns[column]);
    }
    if (file->form != VECTORS_JSONL && *file->unfinished) remove_parts(file);
    if (file->form == VECTORS_JSONL) unlink(file->unfinished); /* a finished one has another name */
    free(file->line);
    free(file->zeroes);
    free(file);
}

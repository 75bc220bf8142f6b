/*
 * safetensors.c - reading (a mapping, a checked header) and writing of the format.
 *
 * Nothing in a file is believed before it has been checked: sizes are computed without overflow,
 * the tensors must tile the data exactly, and names are copied, so that what is handed out ends
 * where a C string ends.
 */
#include "model/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/json_writer.h"

enum { HEADER_AT = 8 }; /* the header follows its size */

struct safetensors {
    const char *path; /* while opening */
    struct bytes bytes;
    struct bytes data; /* behind the header */
    char *strings;     /* names, keys and values, each ended with a zero */
    size_t strings_used;
    struct safetensors_tensor *tensors; /* in the order of their data */
    const struct safetensors_tensor **by_name;
    uint32_t count;
    struct safetensors_entry *metadata; /* in the order of the keys */
    uint32_t metadata_count;
};

static const struct {
    const char *name;
    size_t size;
} dtypes[SAFETENSORS_DTYPES] = {
    [SAFETENSORS_F64] = {"F64", 8}, [SAFETENSORS_I64] = {"I64", 8}, [SAFETENSORS_U64] = {"U64", 8},
    [SAFETENSORS_F32] = {"F32", 4}, [SAFETENSORS_I32] = {"I32", 4}, [SAFETENSORS_U32] = {"U32", 4},
    [SAFETENSORS_U8] = {"U8", 1},
};

size_t safetensors_dtype_size(enum safetensors_dtype dtype)
{
    return dtypes[dtype].size;
}

#define CORRUPT(file, error, format, ...)                                                          \
    error_set(error, STATUS_CORRUPT, "%s: " format, (file)->path __VA_OPT__(, ) __VA_ARGS__)

static enum status map_file(struct safetensors *file, struct error *error)
{
    struct stat info;
    int fd = open(file->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return error_set(error, errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO, "%s: %s",
                         file->path, strerror(errno));
    }
    enum status status = STATUS_OK;
    if (fstat(fd, &info) != 0) {
        status = error_set(error, STATUS_IO, "%s: %s", file->path, strerror(errno));
    } else if (!S_ISREG(info.st_mode) || info.st_size <= HEADER_AT) {
        status = CORRUPT(file, error, "not a safetensors file: too short to have a header");
    } else {
        void *at = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (at == MAP_FAILED) {
            status = error_set(error, STATUS_IO, "%s: cannot be mapped: %s", file->path,
                               strerror(errno));
        } else {
            file->bytes = (struct bytes){at, (size_t)info.st_size};
        }
    }
    close(fd);
    return status;
}

/*
 * A copy that ends with a zero; NULL if the string has one inside. There is room for all strings:
 * each has lost its two quotes.
 */
static const char *copy_string(struct safetensors *file, struct bytes text)
{
    if (memchr(text.at, 0, text.size)) return NULL;
    char *copy = file->strings + file->strings_used;
    memcpy(copy, text.at, text.size);
    copy[text.size] = 0;
    file->strings_used += text.size + 1;
    return copy;
}

static uint32_t count_members(const struct json_value *value)
{
    struct json_cursor cursor = json_walk(value);
    struct json_value member;
    uint32_t count = 0;
    while (json_next(&cursor, NULL, &member)) {
        count++;
    }
    return count;
}

static enum status read_metadata(struct safetensors *file, const struct json_value *value,
                                 struct error *error)
{
    if (value->type != JSON_OBJECT) return CORRUPT(file, error, "__metadata__ is not an object");
    if (file->metadata) return CORRUPT(file, error, "the header has two __metadata__");
    file->metadata = calloc(count_members(value) + 1, sizeof *file->metadata);
    if (!file->metadata) return error_set(error, STATUS_IO, "%s: out of memory", file->path);

    struct json_cursor cursor = json_walk(value);
    struct bytes key;
    struct json_value text;
    while (json_next(&cursor, &key, &text)) {
        struct safetensors_entry entry = {copy_string(file, key), NULL};
        if (text.type == JSON_STRING) entry.value = copy_string(file, text.text);
        if (!entry.key || !entry.value) {
            return CORRUPT(file, error, "__metadata__: %.*s is not a text", (int)key.size,
                           (const char *)key.at);
        }
        file->metadata[file->metadata_count++] = entry;
    }
    return STATUS_OK;
}

static bool read_dtype(const struct json_value *value, struct safetensors_tensor *tensor)
{
    if (value->type != JSON_STRING) return false;
    for (unsigned i = 0; i < SAFETENSORS_DTYPES; i++) {
        if (bytes_equal(value->text, bytes_of(dtypes[i].name))) {
            tensor->dtype = (enum safetensors_dtype)i;
            return true;
        }
    }
    return false;
}

/* Reads the shape, and the size in bytes that it asks for. */
static bool read_shape(const struct json_value *value, struct safetensors_tensor *tensor)
{
    if (value->type != JSON_ARRAY) return false;
    struct json_cursor cursor = json_walk(value);
    struct json_value extent;
    tensor->size = dtypes[tensor->dtype].size;
    while (json_next(&cursor, NULL, &extent)) {
        if (extent.type != JSON_INTEGER || extent.integer < 0) return false;
        if (tensor->rank == SAFETENSORS_RANK_MAX) return false;
        const uint64_t length = (uint64_t)extent.integer;
        tensor->shape[tensor->rank++] = length;
        if (__builtin_mul_overflow(tensor->size, length, &tensor->size)) return false;
    }
    return true;
}

/* Reads [begin, end): inside the data, aligned, and as long as the shape asks for. */
static bool read_offsets(const struct safetensors *file, const struct json_value *value,
                         struct safetensors_tensor *tensor)
{
    if (value->type != JSON_ARRAY || count_members(value) != 2) return false;
    struct json_cursor cursor = json_walk(value);
    struct json_value begin, end;
    json_next(&cursor, NULL, &begin);
    json_next(&cursor, NULL, &end);
    if (begin.type != JSON_INTEGER || begin.integer < 0 || end.type != JSON_INTEGER) return false;
    if (end.integer < begin.integer || (uint64_t)end.integer > file->data.size) return false;
    tensor->data = (const uint8_t *)file->data.at + begin.integer;
    return (uint64_t)(end.integer - begin.integer) == tensor->size &&
           (uintptr_t)tensor->data % dtypes[tensor->dtype].size == 0;
}

static enum status read_tensor(struct safetensors *file, struct bytes key,
                               const struct json_value *value, struct error *error)
{
    enum { DTYPE, SHAPE, OFFSETS, FIELDS };
    static const char *const names[FIELDS] = {"dtype", "shape", "data_offsets"};
    struct json_value fields[FIELDS] = {{.type = JSON_ABSENT}};
    struct safetensors_tensor *tensor = &file->tensors[file->count];
    const int size = (int)key.size;
    const char *const name = key.at;

    if (value->type != JSON_OBJECT || count_members(value) != FIELDS) {
        return CORRUPT(file, error, "tensor %.*s is not {dtype, shape, data_offsets}", size, name);
    }
    struct json_cursor cursor = json_walk(value);
    struct bytes field;
    struct json_value member;
    while (json_next(&cursor, &field, &member)) {
        for (unsigned i = 0; i < FIELDS; i++) {
            if (bytes_equal(field, bytes_of(names[i]))) fields[i] = member;
        }
    }
    if (!(tensor->name = copy_string(file, key))) {
        return CORRUPT(file, error, "the name of a tensor has a zero byte in it");
    }
    if (!read_dtype(&fields[DTYPE], tensor)) {
        return CORRUPT(file, error, "tensor %.*s: unknown dtype", size, name);
    }
    if (!read_shape(&fields[SHAPE], tensor)) {
        return CORRUPT(file, error, "tensor %.*s: impossible shape", size, name);
    }
    if (!read_offsets(file, &fields[OFFSETS], tensor)) {
        return CORRUPT(file, error,
                       "tensor %.*s: its data_offsets do not fit the file, the shape or the "
                       "alignment",
                       size, name);
    }
    file->count++;
    return STATUS_OK;
}

static int compare_places(const void *a, const void *b)
{
    const struct safetensors_tensor *x = a, *y = b;
    if (x->data != y->data) return (uintptr_t)x->data < (uintptr_t)y->data ? -1 : 1;
    return x->size < y->size ? -1 : x->size > y->size;
}

static int compare_names(const void *a, const void *b)
{
    const struct safetensors_tensor *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static int compare_keys(const void *a, const void *b)
{
    const struct safetensors_entry *x = a, *y = b;
    return strcmp(x->key, y->key);
}

/* Puts tensors and metadata in order; the tensors must tile the data, and no name occurs twice. */
static enum status index_tensors(struct safetensors *file, struct error *error)
{
    qsort(file->tensors, file->count, sizeof *file->tensors, compare_places);
    const uint8_t *end = file->data.at;
    for (uint32_t i = 0; i < file->count; i++) {
        const struct safetensors_tensor *tensor = &file->tensors[i];
        if (tensor->data != end) {
            return CORRUPT(file, error,
                           "tensor %s: its data do not begin where those before it "
                           "end",
                           tensor->name);
        }
        end += tensor->size;
        file->by_name[i] = tensor;
    }
    const size_t used = (size_t)(end - (const uint8_t *)file->data.at);
    if (used != file->data.size) {
        return CORRUPT(file, error, "%zu bytes of data, of which %zu are no tensor's",
                       file->data.size, file->data.size - used);
    }
    qsort(file->by_name, file->count, sizeof *file->by_name, compare_names);
    for (uint32_t i = 1; i < file->count; i++) {
        if (compare_names(&file->by_name[i - 1], &file->by_name[i]) == 0) {
            return CORRUPT(file, error, "two tensors are named %s", file->by_name[i]->name);
        }
    }
    if (file->metadata_count == 0) return STATUS_OK;
    qsort(file->metadata, file->metadata_count, sizeof *file->metadata, compare_keys);
    for (uint32_t i = 1; i < file->metadata_count; i++) {
        if (compare_keys(&file->metadata[i - 1], &file->metadata[i]) == 0) {
            return CORRUPT(file, error, "__metadata__ has two %s", file->metadata[i].key);
        }
    }
    return STATUS_OK;
}

static enum status read_tensors(struct safetensors *file, const struct json_value *root,
                                struct error *error)
{
    if (root->type != JSON_OBJECT) return CORRUPT(file, error, "the header is not an object");
    const uint32_t members = count_members(root);
    file->tensors = calloc(members + 1, sizeof *file->tensors);
    file->by_name = calloc(members + 1, sizeof *file->by_name);
    if (!file->tensors || !file->by_name) {
        return error_set(error, STATUS_IO, "%s: out of memory", file->path);
    }
    struct json_cursor cursor = json_walk(root);
    struct bytes key;
    struct json_value value;
    while (json_next(&cursor, &key, &value)) {
        if (bytes_equal(key, bytes_of("__metadata__"))) {
            TRY(read_metadata(file, &value, error));
        } else {
            TRY(read_tensor(file, key, &value, error));
        }
    }
    return index_tensors(file, error);
}

/* The header is parsed out of a copy: the parser reads a little beyond its end. */
static enum status read_header(struct safetensors *file, struct error *error)
{
    struct byte_reader reader = byte_reader_of(file->bytes);
    const uint64_t size = read_u64(&reader);
    if (size > SAFETENSORS_HEADER_MAX || size > reader.left) {
        return CORRUPT(file, error,
                       "not a safetensors file, or a truncated one: a header of %" PRIu64
                       " bytes in a file of %zu",
                       size, file->bytes.size);
    }
    const void *header = read_raw(&reader, size);
    file->data = (struct bytes){reader.at, reader.left};

    enum status status;
    struct json_document *document = NULL;
    struct json_value root;
    struct error why;
    char *copy = calloc(1, size + JSON_PADDING);
    file->strings = malloc(size + 1);
    if (!copy || !file->strings || json_document_open(&document, NULL) != STATUS_OK) {
        status = error_set(error, STATUS_IO, "%s: out of memory for its header", file->path);
        goto done;
    }
    memcpy(copy, header, size);
    status = json_document_parse(document, (struct bytes){copy, size}, &root, &why);
    if (status == STATUS_CORRUPT) {
        CORRUPT(file, error, "not a safetensors file: its header is not JSON: %s", why.text);
    } else if (status != STATUS_OK) {
        error_set(error, status, "%s: %s", file->path, why.text);
    }
    if (status != STATUS_OK) goto done;
    status = read_tensors(file, &root, error);
done:
    json_document_close(document);
    free(copy);
    return status;
}

enum status safetensors_open(struct safetensors **filep, const char *path, struct error *error)
{
    *filep = NULL;
    struct safetensors *file = calloc(1, sizeof *file);
    if (!file) return error_set(error, STATUS_IO, "%s: out of memory", path);
    file->path = path;
    enum status status = map_file(file, error);
    if (status == STATUS_OK) status = read_header(file, error);
    if (status != STATUS_OK) {
        safetensors_close(file);
        return status;
    }
    file->path = NULL;
    *filep = file;
    return STATUS_OK;
}

void safetensors_close(struct safetensors *file)
{
    if (!file) return;
    if (file->bytes.at) munmap((void *)file->bytes.at, file->bytes.size);
    free(file->metadata);
    free(file->by_name);
    free(file->tensors);
    free(file->strings);
    free(file);
}

uint32_t safetensors_count(const struct safetensors *file)
{
    return file->count;
}

const struct safetensors_tensor *safetensors_at(const struct safetensors *file, uint32_t index)
{
    REQUIRE(index < file->count);
    return &file->tensors[index];
}

const struct safetensors_tensor *safetensors_find(const struct safetensors *file, const char *name)
{
    const struct safetensors_tensor key = {.name = name}, *keyp = &key;
    const struct safetensors_tensor **found =
        bsearch(&keyp, file->by_name, file->count, sizeof *file->by_name, compare_names);
    return found ? *found : NULL;
}

const char *safetensors_metadata(const struct safetensors *file, const char *key)
{
    if (file->metadata_count == 0) return NULL;
    const struct safetensors_entry wanted = {key, NULL};
    const struct safetensors_entry *found = bsearch(&wanted, file->metadata, file->metadata_count,
                                                    sizeof *file->metadata, compare_keys);
    return found ? found->value : NULL;
}

struct bytes safetensors_bytes(const struct safetensors *file)
{
    return file->bytes;
}

/* Stable: tensors of one element size keep the order in which they were given. */
static void order_by_element(struct safetensors_tensor *tensors, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) {
        const struct safetensors_tensor tensor = tensors[i];
        uint32_t at = i;
        for (; at && dtypes[tensors[at - 1].dtype].size < dtypes[tensor.dtype].size; at--) {
            tensors[at] = tensors[at - 1];
        }
        tensors[at] = tensor;
    }
}

static void write_header(struct json_writer *json, const struct safetensors_entry *metadata,
                         uint32_t metadata_count, const struct safetensors_tensor *tensors,
                         uint32_t tensors_count)
{
    json_begin(json, '{');
    json_key(json, "__metadata__");
    json_begin(json, '{');
    for (uint32_t i = 0; i < metadata_count; i++) {
        json_text_key(json, bytes_of(metadata[i].key));
        json_text(json, bytes_of(metadata[i].value));
    }
    json_end(json, '}');
    size_t at = 0;
    for (uint32_t i = 0; i < tensors_count; i++) {
        const struct safetensors_tensor *tensor = &tensors[i];
        json_text_key(json, bytes_of(tensor->name));
        json_begin(json, '{');
        json_key(json, "dtype");
        json_text(json, bytes_of(dtypes[tensor->dtype].name));
        json_key(json, "shape");
        json_begin(json, '[');
        for (uint32_t k = 0; k < tensor->rank; k++) {
            json_unsigned(json, tensor->shape[k]);
        }
        json_end(json, ']');
        json_key(json, "data_offsets");
        json_begin(json, '[');
        json_unsigned(json, at);
        at += tensor->size;
        json_unsigned(json, at);
        json_end(json, ']');
        json_end(json, '}');
    }
    json_end(json, '}');
}

enum status safetensors_write(FILE *out, const struct safetensors_entry *metadata,
                              uint32_t metadata_count, struct safetensors_tensor *tensors,
                              uint32_t tensors_count, struct error *error)
{
    struct json_writer header = json_writer_growing();
    order_by_element(tensors, tensors_count);
    write_header(&header, metadata, metadata_count, tensors, tensors_count);
    if (header.failed) {
        free(header.at);
        return error_set(error, STATUS_IO, "out of memory for a header");
    }
    const unsigned padding = (unsigned)(-header.used % 8); /* so that the data are aligned */
    uint8_t prefix[HEADER_AT];
    struct byte_writer writer = byte_writer_of(prefix, sizeof prefix);
    write_u64(&writer, header.used + padding);
    fwrite(prefix, sizeof prefix, 1, out);
    fwrite(header.at, header.used, 1, out);
    fwrite("        ", padding, 1, out);
    for (uint32_t i = 0; i < tensors_count; i++) {
        if (tensors[i].size) fwrite(tensors[i].data, tensors[i].size, 1, out);
    }
    free(header.at);
    if (!ferror(out)) return STATUS_OK;
    return error_set(error, STATUS_IO, "writing tensors: %s", strerror(errno));
}

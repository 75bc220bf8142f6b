/*
 * safetensors.h - named tensors in a file: https://github.com/huggingface/safetensors.
 *
 *     u64 header size | JSON header, padded with spaces | raw little-endian tensors, end to end
 *
 * The header maps each name to {"dtype", "shape", "data_offsets"}, and `__metadata__` to strings.
 * A file is mapped, not copied, and everything in it is checked when it is opened: afterwards every
 * tensor lies inside the mapping, is as large as its shape says, and is aligned to its element.
 *
 *     safetensors_open -> (find | at | metadata) ... -> safetensors_close
 *
 * Threads: an open file never changes and may be shared.
 */
#ifndef MODEL_SAFETENSORS_H
#define MODEL_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/bytes.h"
#include "base/status.h"

enum {
    SAFETENSORS_RANK_MAX = 8,
    SAFETENSORS_HEADER_MAX = 100000000, /* bytes; the limit of the format's reference reader */
};

enum safetensors_dtype {
    SAFETENSORS_F64,
    SAFETENSORS_I64,
    SAFETENSORS_U64,
    SAFETENSORS_F32,
    SAFETENSORS_I32,
    SAFETENSORS_U32,
    SAFETENSORS_U8,
    SAFETENSORS_DTYPES
};

/* Bytes of one element. */
size_t safetensors_dtype_size(enum safetensors_dtype dtype);

/* One tensor, row-major. A scalar has rank 0 and one element. */
struct safetensors_tensor {
    const char *name;
    enum safetensors_dtype dtype;
    uint32_t rank;
    uint64_t shape[SAFETENSORS_RANK_MAX];
    const void *data;
    size_t size; /* bytes: product of the shape times the element size */
};

/* One entry of __metadata__. */
struct safetensors_entry {
    const char *key;
    const char *value;
};

struct safetensors;

/*
 * Maps a file and checks it. STATUS_NOT_FOUND: no such file; STATUS_CORRUPT: it is not safetensors
 * or contradicts itself, with what is wrong. On failure *filep is NULL.
 */
MUST_CHECK enum status safetensors_open(struct safetensors **filep, const char *path,
                                        struct error *error);
void safetensors_close(struct safetensors *file);

/* The tensors, in the order of their data. Borrowed until closed, as is everything below. */
uint32_t safetensors_count(const struct safetensors *file);
const struct safetensors_tensor *safetensors_at(const struct safetensors *file, uint32_t index);

/* NULL if there is no tensor of that name. */
const struct safetensors_tensor *safetensors_find(const struct safetensors *file, const char *name);

/* NULL if __metadata__ has no such key. */
const char *safetensors_metadata(const struct safetensors *file, const char *key);

/* The whole file, byte for byte. */
struct bytes safetensors_bytes(const struct safetensors *file);

/*
 * Writes a file to `out` (which the caller flushes). The tensors are first put into the order of
 * their data, larger elements before smaller ones and as given within a size, so that each is
 * aligned although the format allows no gaps. Names, keys and values must be UTF-8.
 */
MUST_CHECK enum status safetensors_write(FILE *out, const struct safetensors_entry *metadata,
                                         uint32_t metadata_count,
                                         struct safetensors_tensor *tensors, uint32_t tensors_count,
                                         struct error *error);

#endif

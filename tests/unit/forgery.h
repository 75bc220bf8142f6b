/*
 * forgery.h - a good checkpoint's content in the open, to be changed and sealed again with a right
 * checksum, computed as the format says and not by the code under test.
 *
 *     forgery_begin -> forgery_set, change of tensors ... -> forgery_end
 */
#ifndef TESTS_UNIT_FORGERY_H
#define TESTS_UNIT_FORGERY_H

#include <stdbool.h>
#include <stdint.h>

#include "model/safetensors.h"

enum { FORGERY_TENSORS_MAX = 256, FORGERY_ENTRIES_MAX = 96 };

struct forgery {
    struct safetensors *file;
    struct safetensors_tensor tensors[FORGERY_TENSORS_MAX];
    struct safetensors_entry entries[FORGERY_ENTRIES_MAX];
    uint32_t tensors_count;
    uint32_t entries_count;
};

/* Opens the file; it stays as it is. */
void forgery_begin(struct forgery *forgery, const char *path);

/* The tensor of that name, which there must be. */
struct safetensors_tensor *forgery_tensor(struct forgery *forgery, const char *name);

/* Changes an entry of __metadata__; false if there is none of that name. Keeps `value`. */
bool forgery_set(struct forgery *forgery, const char *key, const char *value);

/* Writes the file, sealed. */
void forgery_end(struct forgery *forgery, const char *path);

#endif

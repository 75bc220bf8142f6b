/* forgery.c - a checkpoint is taken apart by its format, and put together again. */
#include "tests/unit/forgery.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/checksum.h"
#include "model/model_dims.h"

static void keep_entry(struct forgery *forgery, const char *key)
{
    const char *value = safetensors_metadata(forgery->file, key);
    if (!value) return;
    assert_true(forgery->entries_count < FORGERY_ENTRIES_MAX);
    forgery->entries[forgery->entries_count++] = (struct safetensors_entry){key, value};
}

void forgery_begin(struct forgery *forgery, const char *path)
{
    static const char *const keys[] = {"format", "model",       "generation", "state_generation",
                                       "seed",   "fingerprint", "oov"};
    *forgery = (struct forgery){0};
    assert_int_equal(safetensors_open(&forgery->file, path, NULL), STATUS_OK);
    forgery->tensors_count = safetensors_count(forgery->file);
    assert_true(forgery->tensors_count < FORGERY_TENSORS_MAX);
    for (uint32_t i = 0; i < forgery->tensors_count; i++) {
        forgery->tensors[i] = *safetensors_at(forgery->file, i);
    }
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        keep_entry(forgery, keys[i]);
    }
    for (uint32_t i = 0; i < MODEL_DIMS; i++) {
        keep_entry(forgery, model_dim_key(i));
    }
    keep_entry(forgery, "checksum");
    assert_true(forgery_set(forgery, "checksum", "0000000000000000"));
}

struct safetensors_tensor *forgery_tensor(struct forgery *forgery, const char *name)
{
    uint32_t i = 0;
    while (strcmp(forgery->tensors[i].name, name) != 0) {
        assert_true(++i < forgery->tensors_count);
    }
    return &forgery->tensors[i];
}

bool forgery_set(struct forgery *forgery, const char *key, const char *value)
{
    for (uint32_t i = 0; i < forgery->entries_count; i++) {
        if (strcmp(forgery->entries[i].key, key) != 0) continue;
        forgery->entries[i].value = value;
        return true;
    }
    return false;
}

/* The checksum is of all bytes but its own digits. */
static void seal(char *bytes, size_t size)
{
    char *digits = memmem(bytes, size, "\"checksum\":\"", 12);
    assert_non_null(digits);
    digits += 12;
    const size_t before = (size_t)(digits - bytes);
    char *rest = malloc(size);
    assert_non_null(rest);
    memcpy(rest, bytes, before);
    memcpy(rest + before, digits + 16, size - before - 16);
    char text[17];
    snprintf(text, sizeof text, "%016" PRIx64, checksum_of(rest, size - 16));
    memcpy(digits, text, 16);
    free(rest);
}

void forgery_end(struct forgery *forgery, const char *path)
{
    char *bytes = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&bytes, &size);
    assert_non_null(out);
    assert_int_equal(safetensors_write(out, forgery->entries, forgery->entries_count,
                                       forgery->tensors, forgery->tensors_count, NULL),
                     STATUS_OK);
    assert_int_equal(fclose(out), 0);
    safetensors_close(forgery->file);
    seal(bytes, size);
    out = fopen(path, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(bytes, 1, size, out), size);
    assert_int_equal(fclose(out), 0);
    free(bytes);
}

/*
 * oracle.h - the fixtures of the adaptive functions and metrics, as plain arrays.
 *
 * Fixtures lie in tests/parity/fixtures, or in $BRAID_FIXTURES. Sizes and options are read from the
 * file, so that another set of fixtures tests the same code.
 */
#ifndef TESTS_PARITY_ORACLE_H
#define TESTS_PARITY_ORACLE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>

#include "model/safetensors.h"
#include "model/tensor/real.h"

/* What the fixtures' README allows of the largest magnitude of a tensor. */
static const double ORACLE_TOLERANCE = sizeof(real) == sizeof(double) ? 1e-9 : 1e-5;

static inline struct safetensors *oracle_open(const char *name)
{
    const char *folder = getenv("BRAID_FIXTURES");
    char path[4096];
    struct error error;
    struct safetensors *file;
    snprintf(path, sizeof path, "%s/%s.safetensors", folder ? folder : "tests/parity/fixtures",
             name);
    if (safetensors_open(&file, path, &error) != STATUS_OK) fail_msg("%s", error.text);
    return file;
}

static inline const struct safetensors_tensor *oracle_tensor(const struct safetensors *file,
                                                             const char *name,
                                                             enum safetensors_dtype dtype)
{
    const struct safetensors_tensor *tensor = safetensors_find(file, name);
    if (!tensor || tensor->dtype != dtype) fail_msg("the fixture has no %s of that type", name);
    return tensor;
}

static inline const double *oracle_doubles(const struct safetensors *file, const char *name)
{
    return oracle_tensor(file, name, SAFETENSORS_F64)->data;
}

static inline const int64_t *oracle_integers(const struct safetensors *file, const char *name)
{
    return oracle_tensor(file, name, SAFETENSORS_I64)->data;
}

/* Extent of one axis of a tensor. */
static inline uint32_t oracle_extent(const struct safetensors *file, const char *name,
                                     uint32_t axis)
{
    const struct safetensors_tensor *tensor = safetensors_find(file, name);
    assert_non_null(tensor);
    assert_true(axis < tensor->rank);
    return (uint32_t)tensor->shape[axis];
}

/* A number of the metadata. */
static inline double oracle_number(const struct safetensors *file, const char *key)
{
    const char *text = safetensors_metadata(file, key);
    if (!text) fail_msg("the fixture's metadata has no %s", key);
    return strtod(text, NULL);
}

/* The same values as reals; the caller frees them. */
static inline real *oracle_reals(const double *from, size_t count)
{
    real *to = malloc(count * sizeof *to);
    assert_non_null(to);
    for (size_t i = 0; i < count; i++) {
        to[i] = (real)from[i];
    }
    return to;
}

/* The largest magnitude of a tensor, at least 1e-3: what tolerances are relative to. */
static inline double oracle_scale(const struct safetensors *file, const char *name)
{
    const struct safetensors_tensor *tensor = oracle_tensor(file, name, SAFETENSORS_F64);
    const double *at = tensor->data;
    double scale = 1e-3;
    for (size_t i = 0; i < tensor->size / sizeof *at; i++) {
        double magnitude = at[i] < 0 ? -at[i] : at[i];
        if (magnitude > scale) scale = magnitude;
    }
    return scale;
}

#endif

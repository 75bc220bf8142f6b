/*
 * fixture.h - one file of the reference's inputs and outputs, and the model that it describes.
 *
 * Which files there are, and every dimension, is read from the directory and from the files:
 * another set (BRAID_FIXTURES=DIR) with other sizes runs through the same tests.
 */
#ifndef TESTS_PARITY_FIXTURE_H
#define TESTS_PARITY_FIXTURE_H

#include <glob.h>
#include <stdbool.h>
#include <stdint.h>

#include "model/interest_ops.h"
#include "model/safetensors.h"

/* The files `pattern` ("limarec.*") of the set; fails the test if there is none. */
void fixture_glob(glob_t *files, const char *pattern);

struct fixture {
    const char *path;
    struct safetensors *file;
};

void fixture_open(struct fixture *fixture, const char *path);
void fixture_close(struct fixture *fixture);

/* The one fixture of that name ("rows.default"). */
void fixture_open_named(struct fixture *fixture, const char *name);

/* Metadata; a missing key fails the test. */
uint32_t fixture_number(const struct fixture *fixture, const char *key);
double fixture_real(const struct fixture *fixture, const char *key);
bool fixture_is(const struct fixture *fixture, const char *key, const char *value);

/* A tensor's elements and, if `shape` is not NULL, its sizes. A missing one fails the test. */
const double *fixture_f64(const struct fixture *fixture, const char *name, const uint64_t **shape);
const int64_t *fixture_i64(const struct fixture *fixture, const char *name, const uint64_t **shape);
bool fixture_has(const struct fixture *fixture, const char *name);

/* Converted to reals; free() it. */
real *fixture_reals(const struct fixture *fixture, const char *name, const uint64_t **shape);

/*
 * Fails the test unless max |got - want| <= tolerance * max(max |want|, 1e-3), the tolerance being
 * 1e-5, or 1e-9 where reals are doubles. `what` names the tensor in the message.
 */
void assert_close(const struct fixture *fixture, const char *what, const real *got,
                  const double *want, size_t count);

/* The model of a fixture, its parameters those of the file, by name, none missing or extra. */
struct fixture_model {
    struct checkpoint checkpoint;
    struct interest_model *model;
    struct interest_scratch *scratch;
};

void fixture_model_open(struct fixture_model *model, const struct fixture *fixture);

/*
 * A model of any registered name and dimensions, its parameters drawn from `seed`. With tags its
 * dictionary has RANDOM_LISTS lists of categories, from the number 1 + RANDOM_CATEGORIES on.
 */
enum { RANDOM_ITEMS = 500, RANDOM_CATEGORIES = 9, RANDOM_LISTS = 3 };
void random_model_open(struct fixture_model *model, const char *name, const struct model_dims *dims,
                       uint64_t seed);

void fixture_model_close(struct fixture_model *model);

/* The behaviors of a file: user u owns at[offsets[u]] .. ; valid steps only. */
struct fixture_behaviors {
    struct behavior *at;
    uint32_t *offsets;
    uint32_t users, steps;
};

struct fixture_behaviors fixture_behaviors(const struct fixture *fixture);

/* Of each user, hashes of the rows that the file has; NULL: its model takes none. free() it. */
struct user_profile *fixture_profiles(const struct fixture *fixture);
void fixture_behaviors_free(struct fixture_behaviors *behaviors);

#endif

/* fixture.c - reading the reference's files into models and behaviors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/checksum.h"
#include "model/param_draw.h"
#include "tests/parity/fixture.h"

#ifdef REAL_IS_DOUBLE
static const double TOLERANCE = 1e-9;
#else
static const double TOLERANCE = 1e-5;
#endif

static void check(enum status status, const struct error *error)
{
    if (status != STATUS_OK) fail_msg("%s", error->text);
}

void fixture_glob(glob_t *files, const char *pattern)
{
    const char *directory = getenv("BRAID_FIXTURES");
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s.safetensors",
             directory && *directory ? directory : "tests/parity/fixtures", pattern);
    if (glob(path, 0, NULL, files) != 0) fail_msg("no file matches %s", path);
}

void fixture_open(struct fixture *fixture, const char *path)
{
    struct error error;
    fixture->path = path;
    check(safetensors_open(&fixture->file, path, &error), &error);
}

void fixture_close(struct fixture *fixture)
{
    safetensors_close(fixture->file);
}

void fixture_open_named(struct fixture *fixture, const char *name)
{
    glob_t files;
    fixture_glob(&files, name);
    fixture_open(fixture, files.gl_pathv[0]);
    fixture->path = name;
    globfree(&files);
}

static const char *metadata(const struct fixture *fixture, const char *key)
{
    const char *value = safetensors_metadata(fixture->file, key);
    if (!value) fail_msg("%s: no metadata \"%s\"", fixture->path, key);
    return value;
}

uint32_t fixture_number(const struct fixture *fixture, const char *key)
{
    return (uint32_t)strtoul(metadata(fixture, key), NULL, 10);
}

double fixture_real(const struct fixture *fixture, const char *key)
{
    return strtod(metadata(fixture, key), NULL);
}

bool fixture_is(const struct fixture *fixture, const char *key, const char *value)
{
    return strcmp(metadata(fixture, key), value) == 0;
}

static const void *tensor(const struct fixture *fixture, const char *name,
                          enum safetensors_dtype dtype, const uint64_t **shape)
{
    const struct safetensors_tensor *found = safetensors_find(fixture->file, name);
    if (!found) fail_msg("%s: no tensor \"%s\"", fixture->path, name);
    if (found->dtype != dtype) fail_msg("%s: %s has another dtype", fixture->path, name);
    if (shape) *shape = found->shape;
    return found->data;
}

const double *fixture_f64(const struct fixture *fixture, const char *name, const uint64_t **shape)
{
    return tensor(fixture, name, SAFETENSORS_F64, shape);
}

const int64_t *fixture_i64(const struct fixture *fixture, const char *name, const uint64_t **shape)
{
    return tensor(fixture, name, SAFETENSORS_I64, shape);
}

bool fixture_has(const struct fixture *fixture, const char *name)
{
    return safetensors_find(fixture->file, name) != NULL;
}

real *fixture_reals(const struct fixture *fixture, const char *name, const uint64_t **shape)
{
    const double *from = fixture_f64(fixture, name, shape);
    size_t count = safetensors_find(fixture->file, name)->size / sizeof(double);
    real *reals = malloc(count * sizeof(real));
    assert_non_null(reals);
    for (size_t i = 0; i < count; i++) {
        reals[i] = (real)from[i];
    }
    return reals;
}

void assert_close(const struct fixture *fixture, const char *what, const real *got,
                  const double *want, size_t count)
{
    double scale = 1e-3, worst = 0;
    for (size_t i = 0; i < count; i++) {
        double size = want[i] < 0 ? -want[i] : want[i];
        double off = (double)got[i] - want[i];
        off = off < 0 ? -off : off;
        if (size > scale) scale = size;
        if (!(off <= worst)) worst = off; /* a NaN is the worst */
    }
    if (!(worst <= TOLERANCE * scale)) {
        fail_msg("%s: %s is off by %g where the largest is %g", fixture->path, what, worst, scale);
    }
}

/* ---- models ---- */

static bool has(const struct fixture *fixture, const char *key)
{
    return safetensors_metadata(fixture->file, key) != NULL;
}

/* 0 where the model has no such dimension. */
static uint32_t number_or_0(const struct fixture *fixture, const char *key)
{
    return has(fixture, key) ? fixture_number(fixture, key) : 0;
}

static bool has_true(const struct fixture *fixture, const char *key)
{
    return has(fixture, key) && fixture_is(fixture, key, "true");
}

/* A list of numbers, as a dimension of that key. */
static uint32_t list_of(const struct fixture *fixture, const char *key)
{
    struct model_dims dims = {0};
    struct error error;
    const uint32_t index = model_dim_find(key);
    check(model_dim_parse(&dims, index, key, metadata(fixture, key), &error), &error);
    return model_dim_bits(&dims, index);
}

/* What the file calls K, except where a model counts its interests by another name. */
static uint32_t interests_of(const struct fixture *fixture)
{
    if (fixture_is(fixture, "model", "mimn")) return fixture_number(fixture, "slots");
    if (fixture_is(fixture, "model", "octopus")) return fixture_number(fixture, "channels");
    if (fixture_is(fixture, "model", "hpmn")) {
        return 1 + model_dims_steps(list_of(fixture, "steps"));
    }
    return fixture_is(fixture, "model", "single") ? 1 : fixture_number(fixture, "K");
}

static struct model_dims dims_of(const struct fixture *fixture)
{
    const bool last = fixture_is(fixture, "read", "last");
    const bool recency = has(fixture, "pooling") && fixture_is(fixture, "pooling", "recency");
    return (struct model_dims){
        .d = fixture_number(fixture, "d"),
        .heads = fixture_number(fixture, "H"),
        .blocks = number_or_0(fixture, "blocks"),
        .ffn = fixture_number(fixture, "ffn"),
        .interests = interests_of(fixture),
        .extract_heads = last ? 0 : number_or_0(fixture, "extract_heads"),
        .conditional = fixture_is(fixture, "read", "conditional"),
        .use_category = fixture_is(fixture, "use_category", "true"),
        .tags = has_true(fixture, "tags"),
        .profile_buckets =
            has_true(fixture, "profile") ? fixture_number(fixture, "profile_buckets") : 0,
        .use_gap = fixture_is(fixture, "use_gap", "true"),
        .gap_buckets = fixture_number(fixture, "gap_buckets"),
        .cosine = fixture_is(fixture, "similarity", "cosine"),
        .temperature = (float)fixture_real(fixture, "temperature"),
        .induction_top = number_or_0(fixture, "induction_top"),
        .utilization = has_true(fixture, "utilization"),
        .steps = fixture_is(fixture, "model", "hpmn") ? list_of(fixture, "steps") : 0,
        .window = fixture_number(fixture, "window"),
        .positions = has_true(fixture, "positions"),
        .attention =
            fixture_is(fixture, "model", "comirec-sa") ? fixture_number(fixture, "attention") : 0,
        .iterations = number_or_0(fixture, "iterations"),
        .mlp = fixture_number(fixture, "mlp"),
        .half_life_days = recency ? (float)fixture_real(fixture, "half_life_days") : 0,
        .project = has_true(fixture, "project"),
        .width = number_or_0(fixture, "width"),
        .prototypes = number_or_0(fixture, "prototypes"),
        .tau = has(fixture, "tau") ? (float)fixture_real(fixture, "tau") : 0,
        .intent_cosine = has_true(fixture, "intent_cosine"),
    };
}

/* A dictionary of as many items and categories as the fixture has; their names do not matter. */
static struct item_table *open_items(uint32_t items, uint32_t categories, uint32_t oov,
                                     const struct category_list *lists, uint32_t lists_count)
{
    struct error error;
    struct item_table *table = NULL;
    struct item_entry *entries = calloc(items, sizeof(*entries));
    struct bytes *names = calloc(categories, sizeof(*names));
    char(*text)[12] = calloc(items + categories, sizeof(*text));
    assert_true(entries && names && text);
    for (uint32_t i = 0; i < items + categories; i++) {
        snprintf(text[i], sizeof(text[i]), "%u", i);
        if (i < items) entries[i].id = bytes_of(text[i]);
        if (i >= items) names[i - items] = bytes_of(text[i]);
    }
    check(item_table_open_lists(&table, entries, items, names, categories, lists, lists_count, oov,
                                &error),
          &error);
    free(entries);
    free(names);
    free(text);
    return table;
}

/* Fills in every parameter, and fails on a name that exists on one side only. */
static void load_params(struct param_set *params, const struct fixture *fixture)
{
    uint32_t loaded = 0;
    for (uint32_t i = 0; i < param_set_count(params); i++) {
        struct param *param = param_set_at(params, i);
        char name[PARAM_NAME_MAX + sizeof("param/")];
        snprintf(name, sizeof(name), "param/%s", param->name);
        const double *values = fixture_f64(fixture, name, NULL);
        size_t size = safetensors_find(fixture->file, name)->size;
        if (size != param->count * sizeof(double)) {
            fail_msg("%s: %s has another shape", fixture->path, name);
        }
        for (size_t j = 0; j < param->count; j++) {
            param->data[j] = (real)values[j];
        }
    }
    for (uint32_t i = 0; i < safetensors_count(fixture->file); i++) {
        loaded += strncmp(safetensors_at(fixture->file, i)->name, "param/", 6) == 0;
    }
    if (loaded != param_set_count(params)) {
        fail_msg("%s: %u parameters, the model has %u", fixture->path, loaded,
                 param_set_count(params));
    }
}

/* Everything but the values of the parameters, which are zeros. */
static void declare_model(struct checkpoint *checkpoint, const char *name,
                          const struct model_dims *dims, uint32_t items, uint32_t categories,
                          uint32_t oov, const struct category_list *lists, uint32_t lists_count)
{
    struct error error;
    *checkpoint = (struct checkpoint){.dims = *dims, .generation = 1, .state_generation = 1};
    snprintf(checkpoint->model, sizeof(checkpoint->model), "%s", name);
    checkpoint->items = open_items(items, categories, oov, lists, lists_count);
    check(interest_params_open(&checkpoint->params, name, dims, item_table_rows(checkpoint->items),
                               categories, &error),
          &error);
}

static void open_declared(struct fixture_model *model)
{
    struct error error;
    check(interest_model_open(&model->model, &model->checkpoint, &error), &error);
    check(interest_scratch_open(&model->scratch, model->model, &error), &error);
}

/* Rows of the categories of a cell of `input/categories` [users, steps, tags]. */
static struct category_list list_at(const int64_t *categories, size_t cell, uint64_t tags)
{
    struct category_list list = {{0}};
    for (uint64_t i = 0; i < tags; i++) {
        list.rows[i] = (uint32_t)categories[cell * tags + i];
    }
    return list;
}

/* A list for each cell that has several categories, in the order of the file; the caller frees. */
static struct category_list *lists_of_fixture(const struct fixture *fixture, uint32_t *countp)
{
    const uint64_t *shape = NULL;
    *countp = 0;
    if (!has_true(fixture, "tags")) return NULL;
    const int64_t *categories = fixture_i64(fixture, "input/categories", &shape);
    struct category_list *lists = calloc(shape[0] * shape[1] + 1, sizeof *lists);
    assert_non_null(lists);
    assert_true(shape[2] <= TAGS_MAX);
    for (size_t cell = 0; cell < shape[0] * shape[1]; cell++) {
        const struct category_list list = list_at(categories, cell, shape[2]);
        if (category_list_count(&list) > 1) lists[(*countp)++] = list;
    }
    return lists;
}

void fixture_model_open(struct fixture_model *model, const struct fixture *fixture)
{
    const struct model_dims dims = dims_of(fixture);
    uint32_t count;
    struct category_list *lists = lists_of_fixture(fixture, &count);
    declare_model(&model->checkpoint, metadata(fixture, "model"), &dims,
                  fixture_number(fixture, "items"), fixture_number(fixture, "categories"),
                  fixture_number(fixture, "oov"), lists, count);
    free(lists);
    load_params(model->checkpoint.params, fixture);
    open_declared(model);
}

void random_model_open(struct fixture_model *model, const char *name, const struct model_dims *dims,
                       uint64_t seed)
{
    static const struct category_list lists[RANDOM_LISTS] = {
        {{3, 1}}, {{9, 2, 4}}, {{1, 2, 3, 4, 5, 6, 7, 8}}};
    declare_model(&model->checkpoint, name, dims, RANDOM_ITEMS, RANDOM_CATEGORIES, 1, lists,
                  dims->tags ? RANDOM_LISTS : 0);
    param_set_draw(model->checkpoint.params, seed);
    open_declared(model);
}

void fixture_model_close(struct fixture_model *model)
{
    interest_scratch_close(model->scratch);
    interest_model_close(model->model);
    param_set_close(model->checkpoint.params);
    item_table_close(model->checkpoint.items);
}

struct fixture_behaviors fixture_behaviors(const struct fixture *fixture)
{
    const uint64_t *shape = NULL;
    const int64_t *item = fixture_i64(fixture, "input/item", &shape);
    const int64_t *category = fixture_i64(fixture, "input/category", NULL);
    const int64_t *gap = fixture_i64(fixture, "input/gap", NULL);
    const int64_t *ordinal = fixture_i64(fixture, "input/ordinal", NULL);
    const int64_t *length = fixture_i64(fixture, "input/length", NULL);
    const uint32_t users = (uint32_t)shape[0], steps = (uint32_t)shape[1];
    struct fixture_behaviors behaviors = {
        .at = calloc((size_t)users * steps, sizeof(struct behavior)),
        .offsets = calloc(users + 1, sizeof(uint32_t)),
        .users = users,
        .steps = steps,
    };
    assert_true(behaviors.at && behaviors.offsets);
    uint32_t list = 1 + fixture_number(fixture, "categories"); /* the next one's number */
    const bool tags = has_true(fixture, "tags");
    const int64_t *categories = tags ? fixture_i64(fixture, "input/categories", &shape) : NULL;
    for (uint32_t user = 0; user < users; user++) {
        uint32_t end = behaviors.offsets[user];
        for (uint32_t step = 0; step < (uint32_t)length[user]; step++) {
            size_t cell = (size_t)user * steps + step;
            behaviors.at[end++] = (struct behavior){
                .item = (uint32_t)item[cell],
                .category = (uint32_t)category[cell],
                .gap_s = gap[cell],
                .ordinal = (uint64_t)ordinal[cell],
            };
            if (!tags) continue;
            const struct category_list all = list_at(categories, cell, shape[2]);
            assert_int_equal(all.rows[0], category[cell]);
            if (category_list_count(&all) > 1) behaviors.at[end - 1].category = list++;
        }
        behaviors.offsets[user + 1] = end;
    }
    return behaviors;
}

/* A hash that is `row` of a profile table of so many buckets. */
static uint64_t hash_of_row(uint32_t row, uint32_t buckets)
{
    uint64_t hash = row > 0;
    while (row > 0 && 1 + splitmix64(hash) % buckets != row) {
        hash++;
    }
    return hash;
}

struct user_profile *fixture_profiles(const struct fixture *fixture)
{
    if (!has_true(fixture, "profile")) return NULL;
    const uint64_t *shape = NULL;
    const int64_t *rows = fixture_i64(fixture, "input/profile", &shape);
    const uint32_t buckets = fixture_number(fixture, "profile_buckets");
    struct user_profile *profiles = calloc(shape[0], sizeof *profiles);
    assert_non_null(profiles);
    assert_true(shape[1] <= PROFILE_MAX);
    for (size_t i = 0; i < shape[0] * shape[1]; i++) {
        profiles[i / shape[1]].hash[i % shape[1]] = hash_of_row((uint32_t)rows[i], buckets);
    }
    return profiles;
}

void fixture_behaviors_free(struct fixture_behaviors *behaviors)
{
    free(behaviors->at);
    free(behaviors->offsets);
}

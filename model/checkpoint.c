/*
 * checkpoint.c - a generation to and from its safetensors file.
 *
 * Two sums guard it. The checksum is XXH3 over every byte of the file but its own sixteen digits:
 * it finds damage, anywhere. The fingerprint is over what a model computes with (parameters,
 * dimensions, dictionary), whatever file or generation that stands in: it names the model.
 */
#include "model/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/checksum.h"
#include "base/number_text.h"
#include "model/interest_ops.h"
#include "model/param_draw.h"
#include "model/safetensors.h"
#include "model/tensor/params.h"

#define FORMAT_PREFIX  "braid-checkpoint-"
#define FORMAT         FORMAT_PREFIX "1"
#define FORMAT_TRAINED FORMAT_PREFIX "2" /* the same, and checkpoint_training.h */

enum { DIGITS = 16 }; /* of a checksum or a fingerprint */

static const enum safetensors_dtype param_dtype =
    sizeof(real) == sizeof(float) ? SAFETENSORS_F32 : SAFETENSORS_F64;

/* The dictionary's tensors. */
#define ITEM_IDS         "dictionary.item_ids"        /* U8: the ids end to end */
#define ITEM_OFFSETS     "dictionary.item_offsets"    /* U64 [items + 1]: where each begins */
#define ITEM_CATEGORIES  "dictionary.item_categories" /* U32 [items]: item_table.h */
#define CATEGORY_NAMES   "dictionary.category_names"
#define CATEGORY_OFFSETS "dictionary.category_offsets"
#define CATEGORY_LISTS   "dictionary.category_lists" /* U32 [lists, TAGS_MAX]; absent if none */
enum { DICTIONARY_TENSORS = 6 };

static struct bytes string_bytes(const struct item_strings *strings)
{
    return (struct bytes){strings->at, strings->offsets[strings->count]};
}

static struct bytes string_offsets(const struct item_strings *strings)
{
    return (struct bytes){strings->offsets, (strings->count + (size_t)1) * sizeof(uint64_t)};
}

static uint64_t fingerprint_of(const struct checkpoint *checkpoint)
{
    uint8_t head[64 + MODEL_DIMS * 32];
    struct byte_writer writer = byte_writer_of(head, sizeof head);
    write_raw(&writer, checkpoint->model, strlen(checkpoint->model) + 1);
    for (uint32_t i = 0; i < MODEL_DIMS; i++) {
        const uint32_t bits = model_dim_bits(&checkpoint->dims, i);
        if (bits == 0) continue;
        write_raw(&writer, model_dim_key(i), strlen(model_dim_key(i)) + 1);
        write_u32(&writer, bits);
    }
    write_u32(&writer, item_table_oov(checkpoint->items));
    write_u64(&writer, param_set_fingerprint(checkpoint->params, PARAMS_ALL));
    REQUIRE(!writer.failed);

    const struct item_strings ids = item_table_ids(checkpoint->items);
    const struct item_strings names = item_table_category_names(checkpoint->items);
    const struct bytes parts[] = {
        written(&writer),
        string_offsets(&ids),
        string_bytes(&ids),
        {item_table_item_categories(checkpoint->items), ids.count * sizeof(uint32_t)},
        string_offsets(&names),
        string_bytes(&names),
        {item_table_lists(checkpoint->items),
         item_table_lists_count(checkpoint->items) * sizeof(struct category_list)},
    };
    return checksum_of_parts(parts, sizeof parts / sizeof parts[0]);
}

/* Where the digits of the checksum stand in a file; NULL if nowhere. */
static const char *find_digits(struct bytes file)
{
    static const char key[] = "\"checksum\":\"";
    const char *at = memmem(file.at, file.size, key, sizeof key - 1);
    if (!at) return NULL;
    at += sizeof key - 1;
    return (size_t)((const char *)file.at + file.size - at) < DIGITS ? NULL : at;
}

static void checksum_digits(struct bytes file, const char *digits, char text[DIGITS + 1])
{
    const size_t before = (size_t)(digits - (const char *)file.at);
    const struct bytes parts[] = {{file.at, before},
                                  {digits + DIGITS, file.size - before - DIGITS}};
    snprintf(text, DIGITS + 1, "%016" PRIx64, checksum_of_parts(parts, 2));
}

static struct safetensors_tensor vector_of(const char *name, enum safetensors_dtype dtype,
                                           const void *data, uint64_t count)
{
    return (struct safetensors_tensor){.name = name,
                                       .dtype = dtype,
                                       .rank = 1,
                                       .shape = {count},
                                       .data = data,
                                       .size = count * safetensors_dtype_size(dtype)};
}

static struct safetensors_tensor lists_of(const struct item_table *items)
{
    const uint64_t count = item_table_lists_count(items);
    struct safetensors_tensor tensor =
        vector_of(CATEGORY_LISTS, SAFETENSORS_U32, item_table_lists(items), count * TAGS_MAX);
    tensor.rank = 2;
    tensor.shape[0] = count;
    tensor.shape[1] = TAGS_MAX;
    return tensor;
}

static uint32_t list_tensors(const struct checkpoint *checkpoint,
                             struct safetensors_tensor *tensors)
{
    const struct item_table *items = checkpoint->items;
    const struct item_strings ids = item_table_ids(items);
    const struct item_strings names = item_table_category_names(items);
    uint32_t count = 0;
    for (; count < param_set_count(checkpoint->params); count++) {
        const struct param *param = param_set_at(checkpoint->params, count);
        struct safetensors_tensor *tensor = &tensors[count];
        *tensor = vector_of(param->name, param_dtype, param->data, param->count);
        tensor->rank = param->spec.rank;
        for (uint32_t i = 0; i < tensor->rank; i++) {
            tensor->shape[i] = param->spec.shape[i];
        }
    }
    tensors[count++] = vector_of(ITEM_OFFSETS, SAFETENSORS_U64, ids.offsets, ids.count + 1u);
    tensors[count++] =
        vector_of(CATEGORY_OFFSETS, SAFETENSORS_U64, names.offsets, names.count + 1u);
    tensors[count++] =
        vector_of(ITEM_CATEGORIES, SAFETENSORS_U32, item_table_item_categories(items), ids.count);
    tensors[count++] = vector_of(ITEM_IDS, SAFETENSORS_U8, ids.at, string_bytes(&ids).size);
    tensors[count++] =
        vector_of(CATEGORY_NAMES, SAFETENSORS_U8, names.at, string_bytes(&names).size);
    if (item_table_lists_count(items) > 0) tensors[count++] = lists_of(items);
    return count + training_list_tensors(&checkpoint->training, param_set_size(checkpoint->params),
                                         ids.count, tensors + count);
}

enum { ENTRIES_MAX = 8 + MODEL_DIMS };
_Static_assert((int)DIM_TEXT_MAX >= (int)TRAINING_TEXT_MAX, "values of both fit");

/* __metadata__, the checksum still zeros; the values are written to `texts`. */
static uint32_t list_metadata(const struct checkpoint *checkpoint,
                              struct safetensors_entry entries[ENTRIES_MAX],
                              char texts[ENTRIES_MAX][DIM_TEXT_MAX])
{
    uint32_t count = 0;
    snprintf(texts[0], DIM_TEXT_MAX, "%" PRIu64, checkpoint->generation);
    snprintf(texts[1], DIM_TEXT_MAX, "%" PRIu64, checkpoint->state_generation);
    snprintf(texts[2], DIM_TEXT_MAX, "%" PRIu64, checkpoint->seed);
    snprintf(texts[3], DIM_TEXT_MAX, "%016" PRIx64, checkpoint->fingerprint);
    snprintf(texts[4], DIM_TEXT_MAX, "%" PRIu32, item_table_oov(checkpoint->items));
    snprintf(texts[5], DIM_TEXT_MAX, "%0*d", DIGITS, 0);
    static const char *const keys[] = {"generation", "state_generation", "seed", "fingerprint",
                                       "oov",        "checksum"};
    for (; count < sizeof keys / sizeof keys[0]; count++) {
        entries[count] = (struct safetensors_entry){keys[count], texts[count]};
    }
    const bool trained = training_any(&checkpoint->training);
    entries[count++] = (struct safetensors_entry){"format", trained ? FORMAT_TRAINED : FORMAT};
    entries[count++] = (struct safetensors_entry){"model", checkpoint->model};
    for (uint32_t i = 0; i < MODEL_DIMS; i++) {
        if (model_dim_bits(&checkpoint->dims, i) == 0) continue;
        model_dim_print(&checkpoint->dims, i, texts[count]);
        entries[count] = (struct safetensors_entry){model_dim_key(i), texts[count]};
        count++;
    }
    return count;
}

static enum status write_tensors(const struct checkpoint *checkpoint, FILE *out,
                                 struct error *error)
{
    struct safetensors_tensor tensors[PARAM_COUNT_MAX + DICTIONARY_TENSORS + TRAINING_TENSORS_MAX];
    struct safetensors_entry entries[ENTRIES_MAX + TRAINING_ENTRIES_MAX];
    char texts[ENTRIES_MAX][DIM_TEXT_MAX], more[TRAINING_ENTRIES_MAX][TRAINING_TEXT_MAX];
    uint32_t entries_count = list_metadata(checkpoint, entries, texts);
    if (training_any(&checkpoint->training)) {
        entries_count +=
            training_list_entries(&checkpoint->training, entries + entries_count, more);
    }
    const uint32_t tensors_count = list_tensors(checkpoint, tensors);
    return safetensors_write(out, entries, entries_count, tensors, tensors_count, error);
}

/* Puts the checksum into a file that is complete but for it. */
static enum status seal(int fd, const char *path, struct error *error)
{
    struct safetensors *file;
    TRY(safetensors_open(&file, path, error));
    const struct bytes bytes = safetensors_bytes(file);
    const char *digits = find_digits(bytes);
    char text[DIGITS + 1];
    REQUIRE(digits != NULL);
    checksum_digits(bytes, digits, text);
    const off_t at = digits - (const char *)bytes.at;
    safetensors_close(file);
    if (pwrite(fd, text, DIGITS, at) == DIGITS && fsync(fd) == 0) return STATUS_OK;
    return error_set(error, STATUS_IO, "%s: %s", path, strerror(errno));
}

static enum status write_file(const struct checkpoint *checkpoint, const char *path,
                              struct error *error)
{
    FILE *out = fopen(path, "wbe");
    if (!out) return error_set(error, STATUS_IO, "%s: %s", path, strerror(errno));
    enum status status = write_tensors(checkpoint, out, error);
    if (status == STATUS_OK && fflush(out) != 0) {
        status = error_set(error, STATUS_IO, "%s: %s", path, strerror(errno));
    }
    if (status == STATUS_OK) status = seal(fileno(out), path, error);
    fclose(out); /* everything has reached the disk, or the file is given up */
    return status;
}

/* A renamed file is there after a power failure only once its directory is on the disk. */
static enum status sync_directory_of(const char *path, struct error *error)
{
    const char *slash = strrchr(path, '/');
    char *directory = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    const int fd = directory ? open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    const bool synced = fd >= 0 && fsync(fd) == 0;
    const int why = errno;
    if (fd >= 0) close(fd);
    free(directory);
    if (synced) return STATUS_OK;
    return error_set(error, STATUS_IO, "syncing the directory of %s: %s", path, strerror(why));
}

/* What may be sealed, and what may be opened: numbers that a model can have been trained to. */
static enum status check_numbers(const struct checkpoint *checkpoint, struct error *error)
{
    const struct param *bad;
    if (!param_set_within(checkpoint->params, CHECKPOINT_WEIGHT_MAX, &bad)) {
        return error_set(error, STATUS_INVALID,
                         "parameter %s has a weight that is not finite, or beyond +-%g", bad->name,
                         (double)CHECKPOINT_WEIGHT_MAX);
    }
    return training_check(&checkpoint->training, param_set_size(checkpoint->params), error);
}

enum status checkpoint_write(struct checkpoint *checkpoint, const char *path, struct error *error)
{
    char *temporary;
    if (check_numbers(checkpoint, error) != STATUS_OK) return error_prefix(error, "%s: ", path);
    if (asprintf(&temporary, "%s.tmp", path) < 0) {
        return error_set(error, STATUS_IO, "%s: out of memory", path);
    }
    checkpoint->fingerprint = fingerprint_of(checkpoint);
    enum status status = write_file(checkpoint, temporary, error);
    if (status == STATUS_OK && rename(temporary, path) != 0) {
        status =
            error_set(error, STATUS_IO, "renaming %s to %s: %s", temporary, path, strerror(errno));
    }
    if (status != STATUS_OK) unlink(temporary);
    if (status == STATUS_OK) status = sync_directory_of(path, error);
    free(temporary);
    return status;
}

#define CORRUPT(path, error, format, ...)                                                          \
    error_set(error, STATUS_CORRUPT, "%s: " format, path __VA_OPT__(, ) __VA_ARGS__)

/* A file of this format whose every byte is as it was written. */
static enum status check_seal(const struct safetensors *file, const char *path, struct error *error)
{
    const char *format = safetensors_metadata(file, "format");
    if (!format || strncmp(format, FORMAT_PREFIX, strlen(FORMAT_PREFIX)) != 0) {
        return error_set(error, STATUS_REFUSED,
                         "%s: not a Braid checkpoint: __metadata__ has no format " FORMAT, path);
    }
    if (strcmp(format, FORMAT) != 0 && strcmp(format, FORMAT_TRAINED) != 0) {
        return error_set(error, STATUS_REFUSED,
                         "%s: format %.32s, and this program reads " FORMAT " and " FORMAT_TRAINED
                         ": use the Braid that wrote it, or a newer one",
                         path, format);
    }
    const char *digits = find_digits(safetensors_bytes(file));
    if (!digits) return CORRUPT(path, error, "__metadata__ has no checksum");
    char text[DIGITS + 1];
    checksum_digits(safetensors_bytes(file), digits, text);
    if (memcmp(text, digits, DIGITS) == 0) return STATUS_OK;
    return CORRUPT(path, error, "damaged: its checksum is %.*s, its bytes have %s", DIGITS, digits,
                   text);
}

static enum status read_number(const struct safetensors *file, const char *path, const char *key,
                               uint64_t most, uint64_t *value, struct error *error)
{
    const char *text = safetensors_metadata(file, key);
    if (text && parse_unsigned(bytes_of(text), most, value)) return STATUS_OK;
    CORRUPT(path, error, "__metadata__ has no %s that is a number", key);
    return STATUS_CORRUPT;
}

/* Everything of __metadata__ but what the dictionary needs. */
static enum status read_identity(struct checkpoint *checkpoint, const struct safetensors *file,
                                 const char *path, struct error *error)
{
    const char *model = safetensors_metadata(file, "model");
    if (!model || strlen(model) >= sizeof checkpoint->model) {
        return CORRUPT(path, error, "__metadata__ has no model, or too long a name");
    }
    memcpy(checkpoint->model, model, strlen(model) + 1);
    TRY(read_number(file, path, "generation", UINT64_MAX, &checkpoint->generation, error));
    TRY(read_number(file, path, "state_generation", UINT64_MAX, &checkpoint->state_generation,
                    error));
    TRY(read_number(file, path, "seed", UINT64_MAX, &checkpoint->seed, error));
    for (uint32_t i = 0; i < MODEL_DIMS; i++) {
        const char *key = model_dim_key(i), *text = safetensors_metadata(file, key);
        struct error why;
        if (text && model_dim_parse(&checkpoint->dims, i, key, text, &why) != STATUS_OK) {
            return error_set(error, STATUS_REFUSED, "%s: __metadata__: %s", path, why.text);
        }
    }
    return STATUS_OK;
}

/* Strings that tile their bytes. */
static bool find_strings(const struct safetensors *file, const char *bytes_name,
                         const char *offsets_name, struct item_strings *strings)
{
    const struct safetensors_tensor *bytes = safetensors_find(file, bytes_name);
    const struct safetensors_tensor *offsets = safetensors_find(file, offsets_name);
    if (!bytes || bytes->dtype != SAFETENSORS_U8 || bytes->rank != 1) return false;
    if (!offsets || offsets->dtype != SAFETENSORS_U64 || offsets->rank != 1) return false;
    if (offsets->shape[0] == 0 || offsets->shape[0] > UINT32_MAX) return false;
    *strings = (struct item_strings){bytes->data, offsets->data, (uint32_t)(offsets->shape[0] - 1)};
    uint64_t before = 0;
    for (uint32_t i = 0; i <= strings->count; i++) {
        if (strings->offsets[i] < before) return false;
        before = strings->offsets[i];
    }
    return strings->offsets[0] == 0 && before == bytes->size;
}

static struct bytes stored_string(const struct item_strings *strings, uint32_t index)
{
    const uint64_t *offsets = strings->offsets + index;
    return (struct bytes){strings->at + offsets[0], offsets[1] - offsets[0]};
}

static enum status read_dictionary(struct checkpoint *checkpoint, const struct safetensors *file,
                                   const char *path, struct error *error)
{
    struct item_strings ids, names;
    uint64_t oov;
    TRY(read_number(file, path, "oov", UINT32_MAX, &oov, error));
    const struct safetensors_tensor *rows = safetensors_find(file, ITEM_CATEGORIES);
    const struct safetensors_tensor *lists = safetensors_find(file, CATEGORY_LISTS);
    if (!find_strings(file, ITEM_IDS, ITEM_OFFSETS, &ids) ||
        !find_strings(file, CATEGORY_NAMES, CATEGORY_OFFSETS, &names) || !rows ||
        rows->dtype != SAFETENSORS_U32 || rows->rank != 1 || rows->shape[0] != ids.count ||
        (lists && (lists->dtype != SAFETENSORS_U32 || lists->rank != 2 ||
                   lists->shape[0] > UINT32_MAX || lists->shape[1] != TAGS_MAX))) {
        return CORRUPT(path, error, "its item dictionary (dictionary.*) contradicts itself");
    }
    struct item_entry *items = malloc((ids.count + (size_t)1) * sizeof *items);
    struct bytes *categories = malloc((names.count + (size_t)1) * sizeof *categories);
    enum status status;
    if (!items || !categories) {
        status = error_set(error, STATUS_IO, "%s: out of memory for its dictionary", path);
    } else {
        const uint32_t *category = rows->data;
        for (uint32_t i = 0; i < ids.count; i++) {
            items[i] = (struct item_entry){stored_string(&ids, i), category[i]};
        }
        for (uint32_t i = 0; i < names.count; i++) {
            categories[i] = stored_string(&names, i);
        }
        struct error why;
        status = item_table_open_lists(&checkpoint->items, items, ids.count, categories,
                                       names.count, lists ? lists->data : NULL,
                                       lists ? (uint32_t)lists->shape[0] : 0, (uint32_t)oov, &why);
        if (status == STATUS_INVALID) {
            status = CORRUPT(path, error, "item dictionary: %s", why.text);
        } else if (status != STATUS_OK) {
            status = error_set(error, status, "%s: item dictionary: %s", path, why.text);
        }
    }
    free(categories);
    free(items);
    return status;
}

static bool fits_param(const struct param *param, const struct safetensors_tensor *tensor)
{
    if (tensor->dtype != param_dtype || tensor->rank != param->spec.rank) return false;
    for (uint32_t i = 0; i < tensor->rank; i++) {
        if (tensor->shape[i] != param->spec.shape[i]) return false;
    }
    return true;
}

/* Declares what the model has, and finds exactly that in the file. */
static enum status read_params(struct checkpoint *checkpoint, const struct safetensors *file,
                               const char *path, struct error *error)
{
    struct error why;
    const enum status status = interest_params_open(
        &checkpoint->params, checkpoint->model, &checkpoint->dims,
        item_table_rows(checkpoint->items), item_table_categories(checkpoint->items), &why);
    if (status != STATUS_OK) {
        return error_set(error, status == STATUS_INVALID ? STATUS_REFUSED : status, "%s: %s", path,
                         why.text);
    }
    for (uint32_t i = 0; i < param_set_count(checkpoint->params); i++) {
        const struct param *param = param_set_at(checkpoint->params, i);
        const struct safetensors_tensor *tensor = safetensors_find(file, param->name);
        if (!tensor) return CORRUPT(path, error, "no parameter %s", param->name);
        if (!fits_param(param, tensor)) {
            return CORRUPT(path, error,
                           "parameter %s has another shape or type than the dimensions "
                           "of a %s ask for",
                           param->name, checkpoint->model);
        }
        memcpy(param->data, tensor->data, tensor->size);
    }
    for (uint32_t i = 0; i < safetensors_count(file); i++) {
        const char *name = safetensors_at(file, i)->name;
        if (strncmp(name, "dictionary.", strlen("dictionary.")) != 0 && !training_owns(name) &&
            !param_set_find(checkpoint->params, name)) {
            return CORRUPT(path, error, "a %s has no parameter %s", checkpoint->model, name);
        }
    }
    if (check_numbers(checkpoint, &why) == STATUS_OK) return STATUS_OK;
    return CORRUPT(path, error, "%s", why.text);
}

/* What the newer format has beside them. */
static enum status read_training(struct checkpoint *checkpoint, const struct safetensors *file,
                                 const char *path, bool keep_moments, struct error *error)
{
    struct error why;
    if (strcmp(safetensors_metadata(file, "format"), FORMAT_TRAINED) != 0) return STATUS_OK;
    const enum status status =
        training_read(&checkpoint->training, file, param_set_size(checkpoint->params),
                      item_table_items(checkpoint->items), keep_moments, &why);
    return status == STATUS_OK ? status : error_set(error, status, "%s: %s", path, why.text);
}

/* The fingerprint is computed, and must be the one that the file names. */
static enum status check_fingerprint(struct checkpoint *checkpoint, const struct safetensors *file,
                                     const char *path, struct error *error)
{
    const char *stored = safetensors_metadata(file, "fingerprint");
    char text[DIGITS + 1];
    checkpoint->fingerprint = fingerprint_of(checkpoint);
    snprintf(text, sizeof text, "%016" PRIx64, checkpoint->fingerprint);
    if (stored && strcmp(stored, text) == 0) return STATUS_OK;
    return CORRUPT(path, error, "its fingerprint is %s, its content has %s",
                   stored ? stored : "missing", text);
}

static enum status read_checkpoint(struct checkpoint *checkpoint, const char *path,
                                   bool keep_moments, struct error *error)
{
    struct safetensors *file;
    TRY(safetensors_open(&file, path, error));
    enum status status = check_seal(file, path, error);
    if (status == STATUS_OK) status = read_identity(checkpoint, file, path, error);
    if (status == STATUS_OK) status = read_dictionary(checkpoint, file, path, error);
    if (status == STATUS_OK) status = read_params(checkpoint, file, path, error);
    if (status == STATUS_OK) {
        status = read_training(checkpoint, file, path, keep_moments, error);
    }
    if (status == STATUS_OK) status = check_fingerprint(checkpoint, file, path, error);
    safetensors_close(file);
    return status;
}

static enum status open_checkpoint(struct checkpoint **checkpointp, const char *path,
                                   bool keep_moments, struct error *error)
{
    *checkpointp = NULL;
    struct checkpoint *checkpoint = calloc(1, sizeof *checkpoint);
    if (!checkpoint) return error_set(error, STATUS_IO, "%s: out of memory", path);
    enum status status = read_checkpoint(checkpoint, path, keep_moments, error);
    if (status != STATUS_OK) {
        checkpoint_close(checkpoint);
        return status;
    }
    *checkpointp = checkpoint;
    return STATUS_OK;
}

enum status checkpoint_open(struct checkpoint **checkpointp, const char *path, struct error *error)
{
    return open_checkpoint(checkpointp, path, false, error);
}

enum status checkpoint_open_to_train(struct checkpoint **checkpointp, const char *path,
                                     struct error *error)
{
    return open_checkpoint(checkpointp, path, true, error);
}

enum status checkpoint_init(struct checkpoint **checkpointp, const char *model,
                            const struct model_dims *dims, struct item_table *items, uint64_t seed,
                            struct error *error)
{
    *checkpointp = NULL;
    struct checkpoint *checkpoint = calloc(1, sizeof *checkpoint);
    if (!checkpoint) {
        item_table_close(items);
        return error_set(error, STATUS_IO, "out of memory for a checkpoint");
    }
    *checkpoint = (struct checkpoint){
        .dims = *dims, .generation = 1, .state_generation = 1, .seed = seed, .items = items};
    snprintf(checkpoint->model, sizeof checkpoint->model, "%s", model);
    enum status status =
        interest_params_open(&checkpoint->params, model, dims, item_table_rows(items),
                             item_table_categories(items), error);
    if (status != STATUS_OK) {
        checkpoint_close(checkpoint);
        return status;
    }
    param_set_draw(checkpoint->params, seed);
    checkpoint->fingerprint = fingerprint_of(checkpoint);
    *checkpointp = checkpoint;
    return STATUS_OK;
}

enum status checkpoint_change(struct checkpoint *checkpoint, const char *model,
                              const struct model_dims *dims, uint64_t seed, struct error *error)
{
    const struct item_table *items = checkpoint->items;
    struct param_set *params;
    TRY(interest_params_open(&params, model, dims, item_table_rows(items),
                             item_table_categories(items), error));
    const enum status status =
        training_move_moments(&checkpoint->training, checkpoint->params, params, error);
    if (status != STATUS_OK) {
        param_set_close(params);
        return status;
    }
    param_set_draw(params, seed);
    param_set_copy(params, checkpoint->params);
    param_set_close(checkpoint->params);
    checkpoint->params = params;
    checkpoint->dims = *dims;
    memmove(checkpoint->model, model, strlen(model) + 1); /* may be its own */
    checkpoint->fingerprint = fingerprint_of(checkpoint);
    return STATUS_OK;
}

bool checkpoint_alike(const struct checkpoint *a, const struct checkpoint *b)
{
    return strcmp(a->model, b->model) == 0 && model_dims_equal(&a->dims, &b->dims) &&
           a->generation == b->generation;
}

void checkpoint_close(struct checkpoint *checkpoint)
{
    if (!checkpoint) return;
    training_clear(&checkpoint->training);
    param_set_close(checkpoint->params);
    item_table_close(checkpoint->items);
    free(checkpoint);
}

/* checkpoint_training.c - moments, cut, counts and verdict, to and from a file's tensors. */
#include "model/checkpoint_training.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "base/number_text.h"

#define PREFIX  "training."
#define MEAN    PREFIX "mean"        /* real [param_set_size] */
#define SQUARE  PREFIX "square"      /* real [param_set_size] */
#define OFFSETS PREFIX "offsets"     /* I64 [partitions] */
#define COUNTS  PREFIX "item_counts" /* U32 [items] */

/* Beyond these a moment is no gradient's memory but damage that happens to be finite. */
static const double MEAN_MAX = 1e9, SQUARE_MAX = 1e18;

static const enum safetensors_dtype moment_dtype =
    sizeof(real) == sizeof(float) ? SAFETENSORS_F32 : SAFETENSORS_F64;

bool training_any(const struct checkpoint_training *training)
{
    return training->parent || training->cut.event_time_ms || training->cut.offsets ||
           training->moments.mean || training->item_counts || *training->verdict.text;
}

void training_forget_moments(struct checkpoint_training *training)
{
    free(training->moments.mean);
    free(training->moments.square);
    training->moments = (struct training_moments){0};
}

void training_clear(struct checkpoint_training *training)
{
    training_forget_moments(training);
    free(training->cut.offsets);
    free(training->item_counts);
    *training = (struct checkpoint_training){0};
}

enum status training_make_moments(struct checkpoint_training *training, size_t size,
                                  struct error *error)
{
    struct training_moments *moments = &training->moments;
    if (moments->mean) return STATUS_OK;
    moments->mean = calloc(size, sizeof(real));
    moments->square = calloc(size, sizeof(real));
    if (moments->mean && moments->square) return STATUS_OK;
    training_forget_moments(training);
    return error_set(error, STATUS_IO, "out of memory: moments of %zu weights", size);
}

enum status training_move_moments(struct checkpoint_training *training,
                                  const struct param_set *from, const struct param_set *to,
                                  struct error *error)
{
    struct checkpoint_training moved = {0};
    if (!training->moments.mean) return STATUS_OK;
    TRY(training_make_moments(&moved, param_set_size(to), error));
    moved.moments.step = training->moments.step;
    moved.moments.epochs = training->moments.epochs;
    for (uint32_t i = 0; i < param_set_count(to); i++) {
        const struct param *param = param_set_at(to, i), *old = param_set_find(from, param->name);
        if (!old) continue;
        const size_t at = (size_t)(param->data - param_set_block(to));
        const size_t old_at = (size_t)(old->data - param_set_block(from));
        const size_t size = param_shared(param, old) * sizeof(real);
        memcpy(moved.moments.mean + at, training->moments.mean + old_at, size);
        memcpy(moved.moments.square + at, training->moments.square + old_at, size);
    }
    training_forget_moments(training);
    training->moments = moved.moments;
    return STATUS_OK;
}

static bool moments_within(const real *x, size_t size, double least, double most)
{
    for (size_t i = 0; i < size; i++) {
        if (!((double)x[i] >= least && (double)x[i] <= most)) return false;
    }
    return true;
}

enum status training_check(const struct checkpoint_training *training, size_t size,
                           struct error *error)
{
    const struct training_moments *moments = &training->moments;
    if (moments->mean && !moments_within(moments->mean, size, -MEAN_MAX, MEAN_MAX)) {
        return error_set(error, STATUS_INVALID, MEAN " has a moment beyond +-%g", MEAN_MAX);
    }
    if (moments->square && !moments_within(moments->square, size, 0, SQUARE_MAX)) {
        return error_set(error, STATUS_INVALID, SQUARE " has a moment outside 0 .. %g", SQUARE_MAX);
    }
    return STATUS_OK;
}

/* ---- to a file ---- */

uint32_t training_list_entries(const struct checkpoint_training *training,
                               struct safetensors_entry entries[TRAINING_ENTRIES_MAX],
                               char texts[TRAINING_ENTRIES_MAX][TRAINING_TEXT_MAX])
{
    const struct training_verdict *verdict = &training->verdict;
    const uint32_t judged = *verdict->text ? 6 : 0;
    const char *const keys[] = {"parent",
                                "parent_fingerprint",
                                "cut_event_time_ms",
                                "step",
                                "epochs",
                                "verdict",
                                "verdict_events",
                                "verdict_ndcg_current",
                                "verdict_ndcg_candidate",
                                "verdict_ndcg_transitions",
                                "verdict_difference_bound"};
    const uint32_t count = 5 + judged;
    snprintf(texts[0], TRAINING_TEXT_MAX, "%" PRIu64, training->parent);
    snprintf(texts[1], TRAINING_TEXT_MAX, "%016" PRIx64, training->parent_fingerprint);
    snprintf(texts[2], TRAINING_TEXT_MAX, "%" PRId64, training->cut.event_time_ms);
    snprintf(texts[3], TRAINING_TEXT_MAX, "%" PRIu64, training->moments.step);
    snprintf(texts[4], TRAINING_TEXT_MAX, "%" PRIu64, training->moments.epochs);
    snprintf(texts[5], TRAINING_TEXT_MAX, "%s", verdict->text);
    snprintf(texts[6], TRAINING_TEXT_MAX, "%" PRIu64, verdict->events);
    snprintf(texts[7], TRAINING_TEXT_MAX, "%.17g", verdict->ndcg_current);
    snprintf(texts[8], TRAINING_TEXT_MAX, "%.17g", verdict->ndcg_candidate);
    snprintf(texts[9], TRAINING_TEXT_MAX, "%.17g", verdict->ndcg_transitions);
    snprintf(texts[10], TRAINING_TEXT_MAX, "%.17g", verdict->difference_bound);
    for (uint32_t i = 0; i < count; i++) {
        entries[i] = (struct safetensors_entry){keys[i], texts[i]};
    }
    return count;
}

uint32_t training_list_tensors(const struct checkpoint_training *training, size_t size,
                               uint32_t items,
                               struct safetensors_tensor tensors[TRAINING_TENSORS_MAX])
{
    const struct training_cut *cut = &training->cut;
    const struct {
        const char *name;
        enum safetensors_dtype dtype;
        const void *data;
        size_t count;
    } all[] = {
        {MEAN, moment_dtype, training->moments.mean, size},
        {SQUARE, moment_dtype, training->moments.square, size},
        {OFFSETS, SAFETENSORS_I64, cut->offsets, cut->partitions},
        {COUNTS, SAFETENSORS_U32, training->item_counts, items},
    };
    uint32_t count = 0;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (!all[i].data) continue;
        tensors[count++] = (struct safetensors_tensor){
            .name = all[i].name,
            .dtype = all[i].dtype,
            .rank = 1,
            .shape = {all[i].count},
            .data = all[i].data,
            .size = all[i].count * safetensors_dtype_size(all[i].dtype),
        };
    }
    return count;
}

/* ---- from a file ---- */

bool training_owns(const char *tensor_name)
{
    return strncmp(tensor_name, PREFIX, strlen(PREFIX)) == 0;
}

static enum status no_such_entry(const char *key, struct error *error)
{
    return error_set(error, STATUS_CORRUPT, "__metadata__ has no %s that makes sense", key);
}

static enum status stored_unsigned(const struct safetensors *file, const char *key, uint64_t *value,
                                   struct error *error)
{
    const char *text = safetensors_metadata(file, key);
    if (text && parse_unsigned(bytes_of(text), UINT64_MAX, value)) return STATUS_OK;
    return no_such_entry(key, error);
}

static enum status stored_real(const struct safetensors *file, const char *key, double *value,
                               struct error *error)
{
    const char *text = safetensors_metadata(file, key);
    if (text && parse_real(bytes_of(text), value)) return STATUS_OK;
    return no_such_entry(key, error);
}

static enum status read_training_entries(struct checkpoint_training *training,
                                         const struct safetensors *file, struct error *error)
{
    struct training_verdict *verdict = &training->verdict;
    const char *fingerprint = safetensors_metadata(file, "parent_fingerprint");
    const char *time = safetensors_metadata(file, "cut_event_time_ms");
    const char *text = safetensors_metadata(file, "verdict");
    TRY(stored_unsigned(file, "parent", &training->parent, error));
    if (!fingerprint || !parse_hex(bytes_of(fingerprint), &training->parent_fingerprint)) {
        return no_such_entry("parent_fingerprint", error);
    }
    if (!time || !parse_signed(bytes_of(time), &training->cut.event_time_ms)) {
        return no_such_entry("cut_event_time_ms", error);
    }
    TRY(stored_unsigned(file, "step", &training->moments.step, error));
    TRY(stored_unsigned(file, "epochs", &training->moments.epochs, error));
    if (!text) return STATUS_OK;
    if (strlen(text) > TRAINING_VERDICT_MAX) return no_such_entry("verdict", error);
    memcpy(verdict->text, text, strlen(text) + 1);
    TRY(stored_unsigned(file, "verdict_events", &verdict->events, error));
    TRY(stored_real(file, "verdict_ndcg_current", &verdict->ndcg_current, error));
    TRY(stored_real(file, "verdict_ndcg_candidate", &verdict->ndcg_candidate, error));
    TRY(stored_real(file, "verdict_ndcg_transitions", &verdict->ndcg_transitions, error));
    return stored_real(file, "verdict_difference_bound", &verdict->difference_bound, error);
}

/* A copy of the tensor, or NULL where there is none, which is right. */
static enum status stored_vector(const struct safetensors *file, const char *name,
                                 enum safetensors_dtype dtype, size_t most, void **copyp,
                                 size_t *countp, struct error *error)
{
    const struct safetensors_tensor *tensor = safetensors_find(file, name);
    *copyp = NULL;
    *countp = 0;
    if (!tensor) return STATUS_OK;
    if (tensor->dtype != dtype || tensor->rank != 1 || tensor->shape[0] > most) {
        return error_set(error, STATUS_CORRUPT, "%s has another shape or type than it should",
                         name);
    }
    *copyp = malloc(tensor->size + 1);
    if (!*copyp) return error_set(error, STATUS_IO, "out of memory: %s", name);
    memcpy(*copyp, tensor->data, tensor->size);
    *countp = tensor->shape[0];
    return STATUS_OK;
}

static enum status read_moments(struct checkpoint_training *training,
                                const struct safetensors *file, size_t size, bool keep,
                                struct error *error)
{
    const struct safetensors_tensor *mean = safetensors_find(file, MEAN);
    const struct safetensors_tensor *square = safetensors_find(file, SQUARE);
    if (!mean && !square) return STATUS_OK;
    if (!mean || !square || mean->dtype != moment_dtype || square->dtype != moment_dtype ||
        mean->size != size * sizeof(real) || square->size != size * sizeof(real)) {
        return error_set(error, STATUS_CORRUPT, MEAN " and " SQUARE " are not of these parameters");
    }
    struct checkpoint_training mapped = {.moments = {.mean = (real *)(uintptr_t)mean->data,
                                                     .square = (real *)(uintptr_t)square->data}};
    struct error why;
    if (training_check(&mapped, size, &why) != STATUS_OK) {
        return error_set(error, STATUS_CORRUPT, "%s", why.text);
    }
    if (!keep) return STATUS_OK;
    TRY(training_make_moments(training, size, error));
    memcpy(training->moments.mean, mean->data, mean->size);
    memcpy(training->moments.square, square->data, square->size);
    return STATUS_OK;
}

enum status training_read(struct checkpoint_training *training, const struct safetensors *file,
                          size_t size, uint32_t items, bool keep_moments, struct error *error)
{
    void *offsets, *counts;
    size_t partitions, counted;
    TRY(read_training_entries(training, file, error));
    TRY(read_moments(training, file, size, keep_moments, error));
    TRY(stored_vector(file, OFFSETS, SAFETENSORS_I64, TRAINING_PARTITIONS_MAX, &offsets,
                      &partitions, error));
    training->cut.offsets = offsets;
    training->cut.partitions = (uint32_t)partitions;
    TRY(stored_vector(file, COUNTS, SAFETENSORS_U32, items, &counts, &counted, error));
    training->item_counts = counts;
    if (!counts || counted == items) return STATUS_OK;
    return error_set(error, STATUS_CORRUPT, COUNTS " counts %zu items of %u", counted, items);
}

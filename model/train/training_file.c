/* training_file.c - blocks and a few counters, to a file and back. */
#include "model/train/training_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/hex.h"
#include "base/number_text.h"
#include "model/safetensors.h"

#define FORMAT "braid-training-2"

enum { ENTRIES = 9, TEXT_MAX = 32, PATH_SIZE_MAX = 4096 };

static const char *const block_names[TRAINING_BLOCKS] = {"parameters", "mean",      "square",
                                                         "best",       "best_mean", "best_square"};
static const enum safetensors_dtype dtype =
    sizeof(real) == sizeof(float) ? SAFETENSORS_F32 : SAFETENSORS_F64;

static uint64_t checksum_of_blocks(const struct training_blocks *blocks)
{
    uint64_t link[TRAINING_BLOCKS] = {0};
    for (int i = 0; i < TRAINING_BLOCKS; i++) {
        if (blocks->at[i]) link[i] = checksum_of(blocks->at[i], blocks->size * sizeof(real));
    }
    return checksum_of(link, sizeof link);
}

static enum status write_to(FILE *out, uint64_t identity, const struct training_progress *progress,
                            const struct training_blocks *blocks, struct error *error)
{
    char text[ENTRIES][TEXT_MAX];
    const char *const keys[ENTRIES] = {"format",    "identity",   "checksum",
                                       "epochs",    "steps",      "best_epoch",
                                       "best_ndcg", "best_steps", "better_epoch"};
    struct safetensors_entry entries[ENTRIES];
    struct safetensors_tensor tensors[TRAINING_BLOCKS];
    uint32_t count = 0;
    snprintf(text[0], TEXT_MAX, "%s", FORMAT);
    snprintf(text[1], TEXT_MAX, "%016" PRIx64, identity);
    snprintf(text[2], TEXT_MAX, "%016" PRIx64, checksum_of_blocks(blocks));
    snprintf(text[3], TEXT_MAX, "%" PRIu32, progress->epochs);
    snprintf(text[4], TEXT_MAX, "%" PRIu64, progress->steps);
    snprintf(text[5], TEXT_MAX, "%" PRIu32, progress->best_epoch);
    snprintf(text[6], TEXT_MAX, "%.17g", progress->best_ndcg);
    snprintf(text[7], TEXT_MAX, "%" PRIu64, progress->best_steps);
    snprintf(text[8], TEXT_MAX, "%" PRIu32, progress->better_epoch);
    for (int i = 0; i < ENTRIES; i++) {
        entries[i] = (struct safetensors_entry){keys[i], text[i]};
    }
    for (int i = 0; i < TRAINING_BLOCKS; i++) {
        if (!blocks->at[i]) continue;
        tensors[count++] = (struct safetensors_tensor){.name = block_names[i],
                                                       .dtype = dtype,
                                                       .rank = 1,
                                                       .shape = {blocks->size},
                                                       .data = blocks->at[i],
                                                       .size = blocks->size * sizeof(real)};
    }
    TRY(safetensors_write(out, entries, ENTRIES, tensors, count, error));
    if (fflush(out) == 0 && fsync(fileno(out)) == 0) return STATUS_OK;
    return error_set(error, STATUS_IO, "%s", strerror(errno));
}

enum status training_file_write(const char *path, uint64_t identity,
                                const struct training_progress *progress,
                                const struct training_blocks *blocks, struct error *error)
{
    char temporary[PATH_SIZE_MAX];
    const int length = snprintf(temporary, sizeof temporary, "%s.new", path);
    if (length < 0 || length >= PATH_SIZE_MAX) {
        return error_set(error, STATUS_INVALID, "%s: a path that long cannot be written", path);
    }
    FILE *out = fopen(temporary, "wb");
    if (!out) return error_set(error, STATUS_IO, "writing %s: %s", temporary, strerror(errno));
    enum status status = write_to(out, identity, progress, blocks, error);
    if (fclose(out) != 0 && status == STATUS_OK) {
        status = error_set(error, STATUS_IO, "%s", strerror(errno));
    }
    if (status == STATUS_OK && rename(temporary, path) != 0) {
        status = error_set(error, STATUS_IO, "renaming to %s: %s", path, strerror(errno));
    }
    if (status == STATUS_OK) return STATUS_OK;
    unlink(temporary);
    return error_prefix(error, "writing %s: ", temporary);
}

static enum status damaged_training(const char *path, struct error *error)
{
    return error_set(error, STATUS_CORRUPT,
                     "%s is damaged: remove it, and the training begins anew", path);
}

static bool find_hex(const struct safetensors *file, const char *key, uint64_t *value)
{
    const char *text = safetensors_metadata(file, key);
    return text && parse_hex(bytes_of(text), value);
}

static bool parse_progress(const struct safetensors *file, struct training_progress *progress)
{
    enum { NUMBERS = 6 };
    static const char *const keys[NUMBERS] = {"epochs",    "steps",      "best_epoch",
                                              "best_ndcg", "best_steps", "better_epoch"};
    double numbers[NUMBERS];
    for (int i = 0; i < NUMBERS; i++) {
        const char *text = safetensors_metadata(file, keys[i]);
        if (!text || !parse_real(bytes_of(text), &numbers[i])) return false;
        if (numbers[i] < 0 || numbers[i] >= 0x1p53) return false;
    }
    if (numbers[0] > UINT32_MAX || numbers[2] > numbers[0] || numbers[5] > numbers[0]) return false;
    *progress = (struct training_progress){
        .epochs = (uint32_t)numbers[0],
        .steps = (uint64_t)numbers[1],
        .best_epoch = (uint32_t)numbers[2],
        .best_ndcg = numbers[3],
        .best_steps = (uint64_t)numbers[4],
        .better_epoch = (uint32_t)numbers[5],
    };
    return true;
}

static enum status read_from(const struct safetensors *file, const char *path, uint64_t identity,
                             struct training_progress *progress,
                             const struct training_blocks *blocks, struct error *error)
{
    const char *format = safetensors_metadata(file, "format");
    struct training_blocks stored = {.size = blocks->size};
    uint64_t written, checksum;
    if (!format || strcmp(format, FORMAT) != 0) {
        return error_set(error, STATUS_REFUSED, "%s is no training in progress (%s)", path, FORMAT);
    }
    if (!find_hex(file, "identity", &written) || !find_hex(file, "checksum", &checksum)) {
        return damaged_training(path, error);
    }
    if (written != identity) {
        return error_set(
            error, STATUS_REFUSED,
            "%s is of a training with other options, parameters or data: use those, or "
            "remove it to begin anew",
            path);
    }
    for (int i = 0; i < TRAINING_BLOCKS; i++) {
        const struct safetensors_tensor *tensor = safetensors_find(file, block_names[i]);
        if (!blocks->at[i]) continue;
        if (!tensor || tensor->dtype != dtype || tensor->size != blocks->size * sizeof(real)) {
            return damaged_training(path, error);
        }
        stored.at[i] = (real *)(uintptr_t)tensor->data;
    }
    if (checksum_of_blocks(&stored) != checksum || !parse_progress(file, progress)) {
        return damaged_training(path, error);
    }
    for (int i = 0; i < TRAINING_BLOCKS; i++) {
        if (blocks->at[i]) memcpy(blocks->at[i], stored.at[i], blocks->size * sizeof(real));
    }
    return STATUS_OK;
}

enum status training_file_read(const char *path, uint64_t identity,
                               struct training_progress *progress,
                               const struct training_blocks *blocks, struct error *error)
{
    struct safetensors *file;
    TRY(safetensors_open(&file, path, error));
    const enum status status = read_from(file, path, identity, progress, blocks, error);
    safetensors_close(file);
    return status;
}

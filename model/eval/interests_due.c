/* interests_due.c - user by user: fold what came before the span, read, and look at its items. */
#include "model/eval/interests_due.h"

#include <stdlib.h>

#include "base/arena.h"
#include "model/eval/interest_detect.h"
#include "model/model_dims.h"
#include "model/tensor/params.h"

struct reader {
    const struct interest_model *model;
    const struct dataset *dataset;
    const real *items; /* [rows][d] */
    uint32_t d;
    struct interest_scratch *scratch;
    void *state;
    real *vectors; /* [K][d] */
    real weights[INTERESTS_MAX];
};

static enum status reader_open(struct reader *reader, struct error *error)
{
    const size_t size = interest_model_state_size(reader->model);
    const size_t vectors = (size_t)interest_model_count(reader->model) * reader->d;
    TRY(interest_scratch_open(&reader->scratch, reader->model, error));
    reader->state = aligned_alloc(ARENA_ALIGNMENT,
                                  (size + ARENA_ALIGNMENT) / ARENA_ALIGNMENT * ARENA_ALIGNMENT);
    reader->vectors = malloc(vectors * sizeof *reader->vectors);
    if (reader->state && reader->vectors) return STATUS_OK;
    return error_set(error, STATUS_IO, "out of memory: whether interests are due");
}

static void reader_close(struct reader *reader)
{
    interest_scratch_close(reader->scratch);
    free(reader->state);
    free(reader->vectors);
}

/* The interests after the first `known` behaviors; how many are live. */
static uint32_t read_interests(struct reader *reader, const struct dataset_sequence *sequence,
                               uint32_t known)
{
    const uint32_t offsets[] = {0, known};
    const struct behavior_batch batch = {sequence->at, offsets, 1};
    const void *const state = reader->state;
    const uint64_t events = known;
    uint32_t count;
    struct interest_sets sets = {reader->vectors, reader->weights, &count, NULL};
    interest_state_init(reader->model, reader->state);
    interest_absorb(reader->model, reader->scratch, &reader->state, &batch);
    const struct user_profile profile = dataset_known_of(sequence, known, reader->dataset);
    interest_read(reader->model, reader->scratch, &state, &events, &profile, 1, &sets);
    return count;
}

static void measure_user(struct reader *reader, const struct dataset_sequence *sequence,
                         uint32_t from, struct interests_due *due)
{
    const struct interest_detect detect = {.cosine = true, .temperature = 1, .d = reader->d};
    const uint32_t count = read_interests(reader, sequence, from);
    double sum = 0;
    uint32_t items = 0;
    if (count == 0) return;
    for (uint32_t i = from; i < sequence->count; i++) {
        const uint32_t row = sequence->at[i].item;
        if (row < dataset_first_item(reader->dataset)) continue;
        sum += interest_divergence(&detect, reader->vectors, count,
                                   reader->items + (size_t)row * reader->d);
        items++;
    }
    if (items == 0) return;
    due->users++;
    due->due += sum / items < INTEREST_DETECT_MIN;
    due->divergence += sum / items;
}

enum status interests_due_measure(const struct interest_model *model,
                                  const struct checkpoint *checkpoint,
                                  const struct dataset *dataset, const uint32_t *from,
                                  struct interests_due *due, struct error *error)
{
    struct reader reader = {
        .model = model,
        .dataset = dataset,
        .items = param_set_find(checkpoint->params, "item.embedding")->data,
        .d = interest_model_width(model),
    };
    *due = (struct interests_due){.users = 0};
    const enum status status = reader_open(&reader, error);
    for (uint32_t user = 0; status == STATUS_OK && user < dataset_users(dataset); user++) {
        const struct dataset_sequence sequence = dataset_sequence(dataset, user);
        if (from[user] == 0 || from[user] >= sequence.count) continue;
        measure_user(&reader, &sequence, from[user], due);
    }
    if (due->users > 0) due->divergence /= due->users;
    reader_close(&reader);
    return status;
}

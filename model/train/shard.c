/* shard.c - the one place where a model, its loss and their gradients meet. */
#include "model/train/shard.h"

#include <string.h>

#include "model/tensor/tape.h"

enum {
    MEASURE_SIZE = 1 << 30, /* bytes of address space; touched as far as it is used */
    MEASURE_BEHAVIORS = 64, /* of the smaller of two passes that show how memory grows */
    MEASURE_RATIO = 4,      /* behaviors of the larger one over those of the smaller */
};

/* The model's own term: a weighted sum over the users, all of whom have a behavior. */
static double add_penalty(struct tape *tape, struct tensor *penalty, double weight)
{
    double sum = 0;
    if (!penalty || weight == 0) return 0;
    real *gradient = tape_gradient(tape, penalty);
    for (uint32_t user = 0; user < penalty->rows; user++) {
        sum += weight * (double)penalty->data[user];
        if (gradient) gradient[user] += (real)weight;
    }
    return sum;
}

void shard_pass(struct shard *shard, const struct minibatch *chunk)
{
    const struct interest_model *model = shard->model;
    struct tape tape = tape_recording(&shard->tape, &shard->gradients);
    tape.random = &shard->random;
    tape.dropout = shard->task.dropout;
    struct interest_reads reads = interest_steps(&tape, model, &chunk->batch, &chunk->points);
    const struct loss_samples samples = {
        .interests = reads.vectors->data,
        .live = reads.live,
        .target = chunk->target,
        .weight = chunk->weight,
        .count = chunk->points.count,
        .interests_each = model->dims.interests,
    };
    shard->loss += loss_add(&shard->open, &samples, tape_gradient(&tape, reads.vectors));
    shard->loss += add_penalty(&tape, reads.penalty, shard->task.penalty);
    tape_backward(&tape);
    arena_release(&shard->tape, 0);
}

void shard_begin(struct shard *shard, const struct shard_task *task, struct random random)
{
    const struct param *items = param_set_get(shard->model->checkpoint->params, "item.embedding");
    shard->task = *task;
    shard->random = random;
    shard->loss = 0;
    gradients_clear(&shard->gradients);
    arena_release(&shard->scratch, 0);
    loss_open(&shard->open, &task->loss, &task->candidates,
              gradients_rows(&shard->gradients, items), &shard->scratch);
}

void shard_end(struct shard *shard)
{
    loss_finish(&shard->open);
}

struct arena *shard_arena(struct shard *shard)
{
    return &shard->tape;
}

/* Bytes of tape for one sequence of so many behaviors, all of them read. */
static size_t measure_tape(struct shard *shard, uint32_t behaviors)
{
    static const struct behavior any = {.item = 1};
    const struct param *items = param_set_get(shard->model->checkpoint->params, "item.embedding");
    const struct shard_task task = {
        .loss = {READOUT_MAX, {false, 1}, 1},
        .candidates = {items->data, NULL, (const uint32_t[]){1}, 1, shard->model->dims.d},
        .dropout = 0.5F,
    };
    struct behavior at[MEASURE_BEHAVIORS * MEASURE_RATIO];
    uint32_t events[MEASURE_BEHAVIORS * MEASURE_RATIO], target[MEASURE_BEHAVIORS * MEASURE_RATIO];
    uint32_t offsets[] = {0, behaviors};
    real weight[MEASURE_BEHAVIORS * MEASURE_RATIO];
    for (uint32_t i = 0; i < behaviors; i++) {
        at[i] = any;
        events[i] = i;
        target[i] = 0;
        weight[i] = 0;
    }
    const struct minibatch chunk = {{at, offsets, 1}, {events, behaviors}, target, weight};
    shard->tape.peak = 0;
    shard_begin(shard, &task, random_seeded(0));
    shard_pass(shard, &chunk);
    shard_end(shard);
    gradients_clear(&shard->gradients);
    return shard->tape.peak;
}

/* Sizes the tape by what two passes use: memory grows with behaviors, users and reads alike. */
static enum status open_tape(struct shard *shard, uint32_t behaviors, struct error *error)
{
    TRY(arena_open(&shard->tape, MEASURE_SIZE, error));
    const size_t small = measure_tape(shard, MEASURE_BEHAVIORS);
    const size_t large = measure_tape(shard, MEASURE_BEHAVIORS * MEASURE_RATIO);
    arena_close(&shard->tape);
    const size_t each = (large - small) / (MEASURE_BEHAVIORS * (MEASURE_RATIO - 1)) + 1;
    /* Short sequences round more often: half as much again, which costs address space only. */
    return arena_open(&shard->tape, small + minibatch_size(behaviors) + behaviors * each * 3 / 2,
                      error);
}

enum status shard_open(struct shard *shard, const struct interest_model *model,
                       const struct shard_limits *limits, struct error *error)
{
    const size_t scratch = loss_scratch_size(
        limits->behaviors > MEASURE_BEHAVIORS * MEASURE_RATIO ? limits->behaviors
                                                              : MEASURE_BEHAVIORS * MEASURE_RATIO,
        model->dims.interests, model->dims.d, limits->candidates);
    REQUIRE(model->ops->steps != NULL);
    memset(shard, 0, sizeof *shard);
    shard->model = model;
    enum status status =
        gradients_open(&shard->gradients, model->checkpoint->params, limits->touched, error);
    if (status == STATUS_OK) status = arena_open(&shard->scratch, scratch, error);
    if (status == STATUS_OK) status = open_tape(shard, limits->behaviors, error);
    if (status != STATUS_OK) shard_close(shard);
    return status;
}

void shard_close(struct shard *shard)
{
    arena_close(&shard->tape);
    arena_close(&shard->scratch);
    gradients_close(&shard->gradients);
}

/* shard.c - the one place where a model, its loss and their gradients meet. */
#include "model/train/shard.h"

#include <string.h>

#include "model/tensor/tape.h"

/*
 * The passes that show how memory grows: by one sequence that fills the window of any model, read
 * after its last behaviors.
 */
enum {
    MEASURE_SIZE = 1 << 24, /* bytes; more if it needs more */
    MEASURE_READS = 8,
    MEASURE_MORE = 16, /* behaviors, or reads, of a larger pass */
    MEASURE_MAX = WINDOW_MAX + 2 * MEASURE_MORE,
};

_Static_assert((int)INTERESTS_MAX <= (int)READOUT_INTERESTS_MAX, "a loss reads all interests");

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

/* One vector where anything is live. */
static const uint32_t *one_each(struct tape *tape, const struct interest_reads *reads,
                                uint32_t count)
{
    uint32_t *live = arena_take(tape->arena, count * sizeof *live);
    for (uint32_t i = 0; i < count; i++) {
        live[i] = reads->live[i] > 0;
    }
    return live;
}

/* What the interests that there were read of the chunk is what those of now are held to. */
static double add_retention(struct shard *shard, const struct minibatch *chunk,
                            const struct interest_reads *now, real *d_now)
{
    const struct shard_task *task = &shard->task;
    const struct param *items = param_set_get(shard->model->checkpoint->params, "item.embedding");
    struct row_gradients *rows = gradients_rows(&shard->gradients, items);
    struct tape tape = tape_recording(&shard->tape, NULL);
    const struct interest_reads old =
        interest_steps(&tape, task->before, &chunk->batch, &chunk->points);
    const uint32_t d = task->retention.d;
    const size_t stride = (size_t)shard->model->dims.interests * d;
    double loss = 0;
    for (uint32_t i = 0; i < chunk->points.count; i++) {
        const uint32_t target = chunk->target[i];
        const uint32_t count = now->live[i] < task->retained ? now->live[i] : task->retained;
        if (!target || !count) continue;
        loss += retention_add(&task->retention, old.vectors->data + i * stride,
                              now->vectors->data + i * stride, count,
                              items->data + (size_t)target * d, chunk->weight[i] * task->retain,
                              d_now + i * stride, row_gradient(rows, target));
    }
    return loss;
}

void shard_pass(struct shard *shard, const struct minibatch *chunk)
{
    const struct interest_model *model = shard->model;
    struct tape tape = tape_recording(&shard->tape, &shard->gradients);
    tape.random = &shard->random;
    tape.dropout = shard->task.dropout;
    struct interest_reads reads = interest_steps(&tape, model, &chunk->batch, &chunk->points);
    struct tensor *read = reads.intent ? reads.intent : reads.vectors;
    const struct loss_samples samples = {
        .interests = read->data,
        .live = reads.intent ? one_each(&tape, &reads, read->rows) : reads.live,
        .target = chunk->target,
        .weight = chunk->weight,
        .count = chunk->points.count,
        .interests_each = reads.intent ? 1 : model->dims.interests,
    };
    shard->loss += loss_add(&shard->open, &samples, tape_gradient(&tape, read));
    if (shard->task.before) {
        shard->loss += add_retention(shard, chunk, &reads, tape_gradient(&tape, reads.vectors));
    }
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

/* Bytes of tape for one sequence of so many behaviors, the last `reads` of them read. */
static size_t measure_tape(struct shard *shard, uint32_t behaviors, uint32_t reads)
{
    const struct param *items = param_set_get(shard->model->checkpoint->params, "item.embedding");
    const struct shard_task task = {
        .loss = {READOUT_MAX, {false, 1}, 1},
        .candidates = {items->data, NULL, (const uint32_t[]){1}, 1, shard->model->dims.d},
        .dropout = 0.5F,
    };
    struct behavior at[MEASURE_MAX];
    const struct user_profile profiles[MEASURE_MAX] = {0};
    uint32_t events[MEASURE_MAX], target[MEASURE_MAX] = {0};
    const uint32_t offsets[] = {0, behaviors};
    real weight[MEASURE_MAX] = {0};
    REQUIRE(behaviors <= MEASURE_MAX && reads <= behaviors);
    for (uint32_t i = 0; i < behaviors; i++) {
        at[i] = (struct behavior){.item = 1, .ordinal = ORDINAL_OF_ALL};
    }
    for (uint32_t i = 0; i < reads; i++) {
        events[i] = behaviors - reads + i;
    }
    const struct minibatch chunk = {{at, offsets, 1}, {events, reads, profiles}, target, weight};
    shard->tape.peak = 0;
    shard_begin(shard, &task, random_seeded(0));
    shard_pass(shard, &chunk);
    shard_end(shard);
    gradients_clear(&shard->gradients);
    return shard->tape.peak;
}

/* Memory grows with behaviors and reads alike; of a model with a window, once that is full. */
static void measure_growth(void *context)
{
    struct shard *shard = context;
    const uint32_t window = shard->model->dims.window;
    const uint32_t behaviors = window > MEASURE_MORE ? window : MEASURE_MORE;
    const size_t least = measure_tape(shard, behaviors, MEASURE_READS);
    const size_t longer = measure_tape(shard, behaviors + MEASURE_MORE, MEASURE_READS);
    const size_t denser = measure_tape(shard, behaviors + MEASURE_MORE, MEASURE_MORE);
    shard->tape_least = least;
    shard->tape_each = (longer - least) / MEASURE_MORE + 1 +
                       (denser - longer) / (MEASURE_MORE - MEASURE_READS) + 1;
}

static enum status measure_shard(struct shard *shard, struct error *error)
{
    TRY(arena_open_growing(&shard->tape, MEASURE_SIZE, error));
    const enum status status = arena_try(&shard->tape, measure_growth, shard, error);
    arena_close(&shard->tape);
    return status;
}

size_t shard_tape_size(const struct shard *shard, uint32_t behaviors)
{
    /* Short sequences round more often: half as much again, which costs address space only. */
    return shard->tape_least + minibatch_size(behaviors) + behaviors * shard->tape_each * 3 / 2;
}

enum status shard_allow(struct shard *shard, uint32_t behaviors, struct error *error)
{
    const size_t size = shard_tape_size(shard, behaviors);
    arena_close(&shard->tape);
    if (arena_open(&shard->tape, size, error) == STATUS_OK) return STATUS_OK;
    return error_set(error, STATUS_INVALID,
                     "a sequence of %u behaviors needs %zu MB to learn from, and there is no such "
                     "memory: a model with smaller dimensions, or shorter sequences (--steps)",
                     behaviors, size >> 20);
}

enum status shard_open(struct shard *shard, const struct interest_model *model,
                       const struct shard_limits *limits, struct error *error)
{
    const uint32_t samples = limits->samples > MEASURE_MORE ? limits->samples : MEASURE_MORE;
    const size_t scratch =
        loss_scratch_size(samples, model->dims.interests, model->dims.d, limits->candidates);
    REQUIRE(model->ops->steps != NULL);
    memset(shard, 0, sizeof *shard);
    shard->model = model;
    enum status status =
        gradients_open(&shard->gradients, model->checkpoint->params, limits->touched, error);
    if (status == STATUS_OK) status = arena_open(&shard->scratch, scratch, error);
    if (status == STATUS_OK) status = measure_shard(shard, error);
    if (limits->retains) {
        shard->tape_least *= 2;
        shard->tape_each *= 2;
    }
    if (status != STATUS_OK) shard_close(shard);
    return status;
}

void shard_close(struct shard *shard)
{
    arena_close(&shard->tape);
    arena_close(&shard->scratch);
    gradients_close(&shard->gradients);
}

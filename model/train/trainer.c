/* trainer.c - minibatches over shards, Adam, and what an epoch is worth. */
#include "model/train/trainer.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "model/interest_ops.h"
#include "model/train/negative_sampler.h"
#include "model/train/optimizer.h"
#include "model/train/prior.h"
#include "model/train/shard.h"
#include "model/train/training_file.h"

enum {
    CHUNK_BEHAVIORS = 768, /* that a shard works on at a time, unless one sequence is longer */
    CHUNK_SIZE = 1 << 30,  /* bytes of tape that these may need; of large models there are fewer */
};

struct trainer {
    struct train_options options;
    struct checkpoint *checkpoint;
    struct interest_model *model;
    struct checkpoint before;            /* as the run began: its parameters are a copy, */
    struct interest_model *model_before; /* and it is open; NULL: nothing is retained */
    const struct dataset *dataset;
    uint32_t *known; /* [users] behaviors of each to learn from; validation has taken its share */
    struct minibatches *source;
    struct validation *validation;
    struct negative_sampler *sampler; /* NULL: full softmax */
    struct optimizer optimizer;
    struct shard shards[TRAIN_SHARDS_MAX]; /* [options.shards] */
    uint32_t *candidates;                  /* [candidates_count] of a minibatch */
    uint32_t candidates_count;
    uint32_t chunk; /* behaviors of one */
    struct shard_task task;
    uint64_t epochs_before; /* that the parameters had been trained for when the run began */
    real *best; /* parameters, means, squares, [param_set_size] each; NULL without validation */
    struct training_progress progress;
    uint64_t identity; /* of options, parameters and data */
};

/* The cores that this process may use. */
static uint32_t cores(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? (uint32_t)CPU_COUNT(&set) : 1;
}

struct train_options train_options_defaults(void)
{
    const uint32_t shards = cores();
    struct train_options options = {
        .epochs = 20,
        .shards = shards < TRAIN_SHARDS_MAX ? shards : TRAIN_SHARDS_MAX,
        .sequences = 32,
        .steps_max = 200,
        .readout = READOUT_MAX,
        .power = 2,
        .full_softmax_items = 50000,
        .negatives = 1024,
        .dropout = 0.2,
        .rate = 1e-3,
        .final_share = 1,
        .validation_users = 500,
        .seed = 1,
    };
    for (int action = 0; action < MINIBATCH_ACTIONS; action++) {
        options.action_weight[action] = 1;
    }
    return options;
}

/* ---- opening ---- */

static enum status trainer_no_memory(struct error *error)
{
    return error_set(error, STATUS_IO, "not enough memory to train");
}

static enum status open_source(struct trainer *trainer, const struct dataset *dataset,
                               const uint32_t *known, struct error *error)
{
    const struct train_options *options = &trainer->options;
    const size_t users = dataset_users(dataset) + (size_t)1;
    struct minibatch_options samples = {
        .steps_max = options->steps_max,
        .cuts = options->cuts,
        .context = options->context,
        .context_max = options->context_max,
        .seed = options->seed,
    };
    memcpy(samples.action_weight, options->action_weight, sizeof samples.action_weight);
    trainer->dataset = dataset;
    trainer->known = malloc(users * sizeof *trainer->known);
    if (!trainer->known) return trainer_no_memory(error);
    memcpy(trainer->known, known, dataset_users(dataset) * sizeof *known);
    TRY(validation_open(&trainer->validation, dataset, trainer->known, options->validation_users,
                        options->seed, error));
    trainer->options.context = NULL;
    return minibatches_open(&trainer->source, dataset, trainer->known, &samples, error);
}

/* Every known item, or room for negatives that are drawn anew for each minibatch. */
static enum status open_candidates(struct trainer *trainer, const struct dataset *dataset,
                                   struct error *error)
{
    const struct param_set *params = trainer->checkpoint->params;
    const uint32_t first = dataset_first_item(dataset), rows = dataset_rows(dataset);
    const bool full = rows - first <= trainer->options.full_softmax_items;
    trainer->candidates_count = full ? rows - first : trainer->options.negatives;
    trainer->candidates = malloc((trainer->candidates_count + (size_t)1) * sizeof(uint32_t));
    if (!trainer->candidates) return trainer_no_memory(error);
    if (full) {
        for (uint32_t i = 0; i < trainer->candidates_count; i++) {
            trainer->candidates[i] = first + i;
        }
    } else {
        TRY(negative_sampler_open(&trainer->sampler, minibatches_targets(trainer->source), first,
                                  rows, error));
    }
    trainer->task.candidates = (struct loss_candidates){
        .table = param_set_get(params, "item.embedding")->data,
        .log_q = full ? NULL : negative_sampler_log_q(trainer->sampler),
        .rows = trainer->candidates,
        .count = trainer->candidates_count,
        .d = trainer->checkpoint->dims.d,
    };
    return STATUS_OK;
}

static uint64_t steps_of_epoch(const struct trainer *trainer)
{
    const uint32_t pieces = minibatches_pieces(trainer->source);
    return (pieces + trainer->options.sequences - 1) / trainer->options.sequences;
}

static enum status open_optimizer(struct trainer *trainer, struct error *error)
{
    static const struct training_moments none;
    const struct train_options *options = &trainer->options;
    const struct param_set *params = trainer->checkpoint->params;
    const struct training_moments *moments = &trainer->checkpoint->training.moments;
    const size_t size = param_set_size(params) * sizeof(real);
    if (!options->warm || !moments->mean) moments = &none;
    const struct optimizer_options adam = {
        .rate = options->rate,
        .clip = options->clip,
        .begun = moments->step,
        .warmup_steps = options->warmup_steps,
        .steps = options->final_share < 1 ? options->epochs * steps_of_epoch(trainer) : 0,
        .final_share = options->final_share,
    };
    TRY(optimizer_open(&trainer->optimizer, params, &adam, error));
    trainer->optimizer.step = moments->step;
    trainer->epochs_before = moments->epochs;
    if (!moments->mean) return STATUS_OK;
    memcpy(trainer->optimizer.mean, moments->mean, size);
    memcpy(trainer->optimizer.square, moments->square, size);
    return STATUS_OK;
}

/* Behaviors of a chunk: one sequence at least, and no more than CHUNK_SIZE has room for. */
static uint32_t chunk_of(const struct shard *shard, uint32_t steps)
{
    uint32_t behaviors = CHUNK_BEHAVIORS;
    while (behaviors > steps && shard_tape_size(shard, behaviors) > CHUNK_SIZE) {
        behaviors /= 2;
    }
    return behaviors > steps ? behaviors : steps;
}

static enum status open_shards(struct trainer *trainer, struct error *error)
{
    const struct train_options *options = &trainer->options;
    const uint32_t steps = options->steps_max;
    const struct model_dims *dims = &trainer->model->dims;
    const uint32_t rows_each = /* of one table, that a behavior and the sample behind it touch */
        dims->tags              ? TAGS_MAX
        : dims->profile_buckets ? PROFILE_MAX
                                : 2;
    const struct shard_limits limits = {
        .samples = steps > CHUNK_BEHAVIORS ? steps : CHUNK_BEHAVIORS,
        .candidates = trainer->candidates_count,
        .touched = trainer->candidates_count + rows_each * options->sequences * steps,
        .retains = trainer->model_before != NULL,
    };
    for (uint32_t i = 0; i < options->shards; i++) {
        TRY(shard_open(&trainer->shards[i], trainer->model, &limits, error));
        trainer->chunk = chunk_of(&trainer->shards[i], steps);
        TRY(shard_allow(&trainer->shards[i], trainer->chunk, error));
    }
    return STATUS_OK;
}

/* The model as it is now, whose interests the trained one is to retain. */
static enum status open_before(struct trainer *trainer, struct error *error)
{
    const struct checkpoint *now = trainer->checkpoint;
    const struct train_options *options = &trainer->options;
    if (options->retain == 0 || options->retained == 0) return STATUS_OK;
    REQUIRE(options->retained <= now->dims.interests);
    trainer->before = *now;
    trainer->before.params = NULL;
    TRY(interest_params_open(&trainer->before.params, now->model, &now->dims,
                             item_table_rows(now->items), item_table_categories(now->items),
                             error));
    param_set_copy(trainer->before.params, now->params);
    TRY(interest_model_open(&trainer->model_before, &trainer->before, error));
    const real temperature = now->dims.cosine ? (real)now->dims.temperature : 1;
    trainer->task.before = trainer->model_before;
    trainer->task.retention = (struct retention){temperature, now->dims.d};
    trainer->task.retain = (real)options->retain;
    trainer->task.retained = options->retained;
    return STATUS_OK;
}

static uint64_t identity_of_run(const struct trainer *trainer, const struct dataset *dataset)
{
    const struct train_options *options = &trainer->options;
    const double numbers[] = {
        options->epochs,       options->sequences, options->shards,
        options->steps_max,    options->cuts,      options->readout,
        options->power,        options->negatives, options->full_softmax_items,
        options->dropout,      options->rate,      options->clip,
        options->warmup_steps, options->patience,  options->validation_users,
        options->final_share,  options->retain,    options->retained,
    };
    const size_t size = param_set_size(trainer->checkpoint->params) * sizeof(real);
    const uint64_t link[] = {
        checksum_of(numbers, sizeof numbers),
        checksum_of(options->action_weight, sizeof options->action_weight),
        options->seed,
        trainer->checkpoint->fingerprint,
        param_set_fingerprint(trainer->checkpoint->params, PARAMS_ALL),
        dataset_fingerprint(dataset),
        minibatches_samples(trainer->source),
        checksum_of(trainer->known, dataset_users(dataset) * sizeof *trainer->known),
        trainer->optimizer.step,
        checksum_of(trainer->optimizer.mean, size),
        checksum_of(trainer->optimizer.square, size),
    };
    return checksum_of(link, sizeof link);
}

/* What there is now is the best so far. */
static void keep_best(struct trainer *trainer)
{
    const struct param_set *params = trainer->checkpoint->params;
    const size_t size = param_set_size(params);
    trainer->progress.best_epoch = trainer->progress.epochs;
    trainer->progress.best_steps = trainer->optimizer.step;
    memcpy(trainer->best, param_set_block(params), size * sizeof(real));
    memcpy(trainer->best + size, trainer->optimizer.mean, size * sizeof(real));
    memcpy(trainer->best + 2 * size, trainer->optimizer.square, size * sizeof(real));
}

static enum status open_parts(struct trainer *trainer, const struct dataset *dataset,
                              const uint32_t *known, struct error *error)
{
    const struct checkpoint *checkpoint = trainer->checkpoint;
    const struct train_options *options = &trainer->options;
    const size_t size = param_set_size(checkpoint->params) * sizeof(real);
    TRY(interest_model_open(&trainer->model, checkpoint, error));
    if (!trainer->model->ops->steps) {
        return error_set(error, STATUS_INVALID, "%s has no parameters to train", checkpoint->model);
    }
    TRY(open_source(trainer, dataset, known, error));
    TRY(open_candidates(trainer, dataset, error));
    TRY(open_optimizer(trainer, error));
    TRY(open_before(trainer, error));
    TRY(open_shards(trainer, error));
    trainer->task.loss = (struct loss_options){
        options->readout,
        {checkpoint->dims.cosine, (real)checkpoint->dims.temperature},
        (real)options->power,
    };
    trainer->task.dropout = (float)options->dropout;
    trainer->identity = identity_of_run(trainer, dataset);
    if (validation_users(trainer->validation) == 0) return STATUS_OK;
    trainer->best = malloc(3 * size);
    if (!trainer->best) return trainer_no_memory(error);
    keep_best(trainer);
    return STATUS_OK;
}

enum status trainer_open(struct trainer **trainerp, struct checkpoint *checkpoint,
                         const struct dataset *dataset, const uint32_t *known,
                         const struct train_options *options, struct error *error)
{
    *trainerp = NULL;
    REQUIRE(options->sequences >= 1 && options->sequences <= TRAIN_SEQUENCES_MAX);
    REQUIRE(options->shards >= 1 && options->shards <= TRAIN_SHARDS_MAX);
    struct trainer *trainer = calloc(1, sizeof *trainer);
    if (!trainer) return trainer_no_memory(error);
    trainer->options = *options;
    trainer->checkpoint = checkpoint;
    const enum status status = open_parts(trainer, dataset, known, error);
    if (status != STATUS_OK) {
        trainer_close(trainer);
        return status;
    }
    *trainerp = trainer;
    return STATUS_OK;
}

void trainer_close(struct trainer *trainer)
{
    if (!trainer) return;
    for (uint32_t i = 0; i < trainer->options.shards; i++) {
        shard_close(&trainer->shards[i]);
    }
    optimizer_close(&trainer->optimizer);
    negative_sampler_close(trainer->sampler);
    minibatches_close(trainer->source);
    validation_close(trainer->validation);
    free(trainer->known);
    interest_model_close(trainer->model_before);
    param_set_close(trainer->before.params);
    interest_model_close(trainer->model);
    free(trainer->candidates);
    free(trainer->best);
    free(trainer);
}

uint64_t trainer_samples(const struct trainer *trainer)
{
    return minibatches_samples(trainer->source);
}

uint32_t trainer_epochs(const struct trainer *trainer)
{
    return trainer->progress.epochs;
}

uint32_t trainer_asked(const struct trainer *trainer)
{
    return validation_users(trainer->validation);
}

uint32_t trainer_left_out(const struct trainer *trainer)
{
    return validation_left_out(trainer->validation);
}

bool trainer_more(const struct trainer *trainer)
{
    const struct training_progress *progress = &trainer->progress;
    const uint32_t patience = trainer->options.patience;
    if (progress->epochs >= trainer->options.epochs) return false;
    return patience == 0 || !trainer->best || progress->epochs - progress->better_epoch < patience;
}

/* ---- one minibatch ---- */

/* A generator for one purpose at one step of the run. */
static struct random random_at(const struct trainer *trainer, uint64_t purpose)
{
    return random_seeded(splitmix64(trainer->options.seed ^ splitmix64(trainer->optimizer.step)) +
                         purpose);
}

/* One shard's share of a minibatch: the pieces from .. to - 1 of the epoch's order. */
struct work {
    struct trainer *trainer;
    uint32_t shard, from, to;
    double scale; /* of the weights: the losses of all shards add up to a mean */
    pthread_t thread;
};

static void *work_run(void *argument)
{
    const struct work *work = argument;
    const struct minibatches *source = work->trainer->source;
    struct shard *shard = &work->trainer->shards[work->shard];
    struct minibatch chunk;
    shard_begin(shard, &work->trainer->task, random_at(work->trainer, 1 + work->shard));
    for (uint32_t from = work->from, to; from < work->to; from = to) {
        uint32_t behaviors = minibatches_length(source, from);
        for (to = from + 1; to < work->to; to++) {
            behaviors += minibatches_length(source, to);
            if (behaviors > work->trainer->chunk) break;
        }
        minibatch_fill(&chunk, source, from, to, work->scale, shard_arena(shard));
        shard_pass(shard, &chunk);
    }
    shard_end(shard);
    return NULL;
}

/* Cuts the pieces from .. to - 1 into shards of equal behaviors, as nearly as whole pieces allow. */
static void cut_work(struct trainer *trainer, struct work *work, uint32_t from, uint32_t to)
{
    const struct minibatches *source = trainer->source;
    const uint32_t shards = trainer->options.shards;
    const double scale = 1 / minibatches_weight(source, from, to);
    uint64_t all = 0, taken = 0;
    for (uint32_t at = from; at < to; at++) {
        all += minibatches_length(source, at);
    }
    for (uint32_t i = 0; i < shards; i++) {
        work[i] = (struct work){trainer, i, from, .scale = scale};
        while (from < to && shards * taken < (i + 1) * all) {
            taken += minibatches_length(source, from++);
        }
        work[i].to = from;
    }
}

/* Runs all shards, the first here, the others on threads of their own, or here if there are none. */
static void run_shards(struct trainer *trainer, uint32_t from, uint32_t to)
{
    struct work work[TRAIN_SHARDS_MAX];
    bool started[TRAIN_SHARDS_MAX] = {false};
    const uint32_t shards = trainer->options.shards;
    cut_work(trainer, work, from, to);
    for (uint32_t i = 1; i < shards; i++) {
        started[i] = pthread_create(&work[i].thread, NULL, work_run, &work[i]) == 0;
    }
    for (uint32_t i = 0; i < shards; i++) {
        if (!started[i]) work_run(&work[i]);
    }
    for (uint32_t i = 1; i < shards; i++) {
        if (started[i]) pthread_join(work[i].thread, NULL);
    }
}

/* One step on the pieces from .. to - 1; *lossp is the mean over their samples. */
static enum status run_minibatch(struct trainer *trainer, uint32_t from, uint32_t to, double *lossp,
                                 struct error *error)
{
    if (trainer->sampler) {
        struct random random = random_at(trainer, 0);
        negative_sampler_draw(trainer->sampler, &random, trainer->candidates,
                              trainer->candidates_count);
    }
    trainer->task.penalty = (double)trainer->checkpoint->dims.penalty_weight / (to - from);
    run_shards(trainer, from, to);
    *lossp = trainer->shards[0].loss;
    for (uint32_t i = 1; i < trainer->options.shards; i++) {
        gradients_add(&trainer->shards[0].gradients, &trainer->shards[i].gradients);
        *lossp += trainer->shards[i].loss;
    }
    const double norm = optimizer_step(&trainer->optimizer, &trainer->shards[0].gradients);
    if (isfinite(*lossp) && isfinite(norm)) return STATUS_OK;
    return error_set(error, STATUS_INVALID,
                     "the loss is no number any more at step %" PRIu64
                     ": a lower rate, some warm-up, or clipping helps",
                     trainer->optimizer.step);
}

/* ---- epochs ---- */

static enum status judge_epoch(struct trainer *trainer, struct train_epoch *epoch,
                               struct error *error)
{
    struct training_progress *progress = &trainer->progress;
    epoch->best = true;
    if (!trainer->best) return STATUS_OK;
    TRY(prior_measure(trainer->checkpoint, trainer->dataset, trainer->known, error));
    TRY(validation_run(trainer->validation, trainer->checkpoint, &epoch->validation, error));
    const bool first = progress->epochs == 1;
    /* Of equal ones the later has learned more. */
    epoch->best = first || epoch->validation.ndcg >= progress->best_ndcg;
    if (!epoch->best) return STATUS_OK;
    if (first || epoch->validation.ndcg > progress->best_ndcg) {
        progress->better_epoch = progress->epochs;
    }
    progress->best_ndcg = epoch->validation.ndcg;
    keep_best(trainer);
    return STATUS_OK;
}

enum status trainer_epoch(struct trainer *trainer, const struct train_observer *observer,
                          struct train_epoch *epoch, struct error *error)
{
    const uint32_t pieces = minibatches_pieces(trainer->source);
    const uint32_t sequences = trainer->options.sequences;
    double sum = 0;
    *epoch = (struct train_epoch){.number = trainer->progress.epochs + 1};
    minibatches_shuffle(trainer->source, trainer->epochs_before + epoch->number);
    for (uint32_t from = 0, to; from < pieces; from = to) {
        double loss;
        const atomic_bool *cancel = trainer->options.cancel;
        if (cancel && atomic_load(cancel)) return error_set(error, STATUS_END, "canceled");
        to = pieces - from < sequences ? pieces : from + sequences;
        TRY(run_minibatch(trainer, from, to, &loss, error));
        for (uint32_t at = from; at < to; at++) {
            epoch->behaviors += minibatches_length(trainer->source, at);
        }
        sum += loss * (to - from);
        if (observer) {
            observer->show(observer->context, (double)to / pieces, epoch->behaviors, loss);
        }
    }
    epoch->loss = sum / pieces;
    epoch->steps = trainer->optimizer.step;
    trainer->progress.epochs++;
    return judge_epoch(trainer, epoch, error);
}

enum status trainer_finish(struct trainer *trainer, struct error *error)
{
    struct checkpoint *checkpoint = trainer->checkpoint;
    const struct training_progress *progress = &trainer->progress;
    const size_t size = param_set_size(checkpoint->params), bytes = size * sizeof(real);
    const real *best = trainer->best;
    if (best) memcpy(param_set_block(checkpoint->params), best, bytes);
    training_forget_moments(&checkpoint->training);
    TRY(training_make_moments(&checkpoint->training, size, error));
    struct training_moments *moments = &checkpoint->training.moments;
    memcpy(moments->mean, best ? best + size : trainer->optimizer.mean, bytes);
    memcpy(moments->square, best ? best + 2 * size : trainer->optimizer.square, bytes);
    moments->step = best ? progress->best_steps : trainer->optimizer.step;
    moments->epochs = trainer->epochs_before + (best ? progress->best_epoch : progress->epochs);
    return STATUS_OK;
}

/* ---- to a file and back ---- */

static struct training_blocks blocks_of(const struct trainer *trainer)
{
    const struct param_set *params = trainer->checkpoint->params;
    const size_t size = param_set_size(params);
    real *best = trainer->best;
    return (struct training_blocks){
        .size = size,
        .at = {param_set_block(params), trainer->optimizer.mean, trainer->optimizer.square, best,
               best ? best + size : NULL, best ? best + 2 * size : NULL},
    };
}

enum status trainer_save(const struct trainer *trainer, const char *path, struct error *error)
{
    struct training_progress progress = trainer->progress;
    const struct training_blocks blocks = blocks_of(trainer);
    progress.steps = trainer->optimizer.step;
    return training_file_write(path, trainer->identity, &progress, &blocks, error);
}

enum status trainer_resume(struct trainer *trainer, const char *path, struct error *error)
{
    const struct training_blocks blocks = blocks_of(trainer);
    TRY(training_file_read(path, trainer->identity, &trainer->progress, &blocks, error));
    trainer->optimizer.step = trainer->progress.steps;
    return STATUS_OK;
}

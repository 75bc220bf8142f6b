/* command_train.c - `braid train`: the next generation of a model, fitted to a log. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/progress.h"
#include "cli/command.h"
#include "cli/dim_options.h"
#include "cli/generation.h"
#include "model/checkpoint.h"
#include "model/eval/evaluation.h"
#include "model/interest_ops.h"
#include "model/model_dir.h"
#include "model/param_draw.h"
#include "model/tensor/params.h"
#include "model/train/curve.h"
#include "model/train/prior.h"
#include "model/train/trainer.h"
#include "stream/learn/log_dataset.h"

static const char help[] =
    "usage: braid train [--out FILE] [--config FILE] [--KEY=VALUE ...] [OPTION=VALUE ...]\n\n"
    "Fits the model of model.checkpoint to the source log and writes the next generation to "
    "--out,\n"
    "which must not exist yet. With model.dir and no --out the generation is written there under\n"
    "the next number, and begins with the newest one there if no model.checkpoint is set.\n"
    "Training goes on from the checkpoint's parameters and Adam's moments. After each epoch\n"
    "the newest events of some users, held back from training, are to be found among all items\n"
    "(HR@10, NDCG@10); the parameters of the best epoch are what is written. The same log,\n"
    "checkpoint and options make the same file on the same processor, --shards among them.\n\n"
    "  braid train --config braid.yaml --out generation-2.safetensors\n"
    "  braid train --config braid.yaml --out s7.safetensors --fresh --seed=7\n"
    "      from parameters drawn anew, not from those of the checkpoint\n"
    "  braid train --config braid.yaml --out m.safetensors --hold-out leave-one-out\n"
    "      without what `braid evaluate --protocol leave-one-out` asks for\n"
    "  braid train --config braid.yaml --out m.safetensors --resume m.training\n"
    "      saves where it stands after each epoch, and goes on from there when started again\n"
    "  braid train --config braid.yaml --out m.safetensors --curve m.csv --plot m.svg\n"
    "  braid train --config braid.yaml --out m.safetensors --epochs=0 --select=true\n"
    "      trains nothing: changes how interests are chosen and measures what that needs. States\n"
    "      stay valid, so a job goes on with it at once\n\n"
    "  --epochs=N            20; --patience=N ends earlier after N epochs without a better NDCG\n"
    "  --rate=X              0.001, of Adam; --warmup-steps=N it rises, --final-share=X falls to\n"
    "  --dropout=X           0.2; --clip=X greatest norm of a gradient (0: any)\n"
    "  --sequences=N         32 in a minibatch; --steps=N events of each (200), --cuts=N of them\n"
    "                        samples (0: every one; window models: 8)\n"
    "  --shards=N            of a minibatch, a thread each: as many as cores, 16 at most\n"
    "  --readout=NAME        max, hard or label-aware (with --power=X)\n"
    "  --full-softmax-items=N  50000; larger catalogues are sampled, --negatives=N (1024)\n"
    "  --validation-users=N  500; 0: none, and the last epoch is written\n"
    "  --fresh, --seed=N     parameters drawn anew; what dropout, order and negatives draw from\n"
    "  --hold-out NAME       leave-one-out, user-split or prequential\n"
    "  --select=BOOL, --evidence-min=X, --residual-min=X; --publish-mass=X: see braid init\n"
    "  --interests=N         of limarec and gdelta: more or fewer than there were, the first ones "
    "  --retain=X            0.001 or so: the interests there were are held to what they are\n"
    "kept\n"
    "  --resume FILE, --curve FILE, --plot FILE\n\n"
    "An action's weight (actions.NAME) is that of the samples that are to find it; 0: never "
    "one.\n\n"
    "Exit codes: 0 written; 1 the operating system failed; 2 usage, configuration, nothing to "
    "learn,\n"
    "or a loss that is no number any more; 3 refused: --out exists, a damaged checkpoint, or a\n"
    "--resume file of another run.\n";

enum { WINDOW_CUTS = 8, CUTS_BY_MODEL = UINT32_MAX, LABEL_MAX = 64 };

/* What the arguments say, and everything that is opened on the way. */
struct job {
    const struct config *config;
    struct train_options options;
    struct dim_options dims;
    const char *out, *resume, *curve, *plot;
    bool fresh;
    bool holds_out;
    enum evaluation_protocol protocol;
    struct checkpoint *checkpoint;
    struct dataset *dataset;
    uint64_t state_before; /* fingerprint of what states depend on, as the checkpoint came */
    uint64_t fingerprint_before;
    uint32_t *known; /* [users] */
    struct trainer *trainer;
};

/* ---- options ---- */

enum option_kind { OPTION_COUNT, OPTION_REAL };

/* A number: where it lies in struct train_options and what it may be. */
static const struct option {
    const char *name;
    size_t at;
    enum option_kind kind;
    double least, most;
} option_table[] = {
    {"--epochs", offsetof(struct train_options, epochs), OPTION_COUNT, 0, CURVE_EPOCHS_MAX},
    {"--patience", offsetof(struct train_options, patience), OPTION_COUNT, 0, CURVE_EPOCHS_MAX},
    {"--rate", offsetof(struct train_options, rate), OPTION_REAL, 0, 1},
    {"--warmup-steps", offsetof(struct train_options, warmup_steps), OPTION_COUNT, 0, 1e9},
    {"--final-share", offsetof(struct train_options, final_share), OPTION_REAL, 0, 1},
    {"--dropout", offsetof(struct train_options, dropout), OPTION_REAL, 0, 0.9},
    {"--clip", offsetof(struct train_options, clip), OPTION_REAL, 0, 1e9},
    {"--sequences", offsetof(struct train_options, sequences), OPTION_COUNT, 1,
     TRAIN_SEQUENCES_MAX},
    {"--shards", offsetof(struct train_options, shards), OPTION_COUNT, 1, TRAIN_SHARDS_MAX},
    {"--steps", offsetof(struct train_options, steps_max), OPTION_COUNT, 1, MINIBATCH_STEPS_MAX},
    {"--cuts", offsetof(struct train_options, cuts), OPTION_COUNT, 0, MINIBATCH_STEPS_MAX},
    {"--power", offsetof(struct train_options, power), OPTION_REAL, 1, 16},
    {"--full-softmax-items", offsetof(struct train_options, full_softmax_items), OPTION_COUNT, 0,
     1e9},
    {"--negatives", offsetof(struct train_options, negatives), OPTION_COUNT, 1, 1 << 20},
    {"--retain", offsetof(struct train_options, retain), OPTION_REAL, 0, 1e6},
    {"--validation-users", offsetof(struct train_options, validation_users), OPTION_COUNT, 0, 1e9},
};

static enum status take_train_number(struct arguments *arguments, const struct option *option,
                                     struct train_options *options, struct error *error)
{
    void *at = (char *)options + option->at;
    if (option->kind == OPTION_REAL) {
        return arguments_real(arguments, option->name, option->least, option->most, at, error);
    }
    return arguments_count32(arguments, option->name, (uint32_t)option->least,
                             (uint32_t)option->most, at, error);
}

static enum status take_readout(struct arguments *arguments, enum readout *readout,
                                struct error *error)
{
    static const char *const names[] = {
        [READOUT_HARD] = "hard", [READOUT_LABEL_AWARE] = "label-aware", [READOUT_MAX] = "max"};
    const char *text;
    TRY(arguments_option(arguments, "--readout", &text, error));
    if (!text) return STATUS_OK;
    for (int i = 0; i <= READOUT_MAX; i++) {
        if (strcmp(text, names[i]) != 0) continue;
        *readout = (enum readout)i;
        return STATUS_OK;
    }
    return error_set(error, STATUS_INVALID, "--readout=%s: must be max, hard or label-aware", text);
}

static enum status take_protocol(struct arguments *arguments, struct job *job, struct error *error)
{
    const char *text;
    TRY(arguments_option(arguments, "--hold-out", &text, error));
    if (!text) return STATUS_OK;
    for (int i = 0; i <= EVALUATION_PREQUENTIAL; i++) {
        if (strcmp(text, evaluation_protocol_name((enum evaluation_protocol)i)) != 0) continue;
        job->protocol = (enum evaluation_protocol)i;
        job->holds_out = true;
        return STATUS_OK;
    }
    return error_set(error, STATUS_INVALID,
                     "--hold-out %s: must be leave-one-out, user-split or prequential", text);
}

/* A sample weighs what the configuration says of its target's action; without a list, 1. */
static void set_action_weights(struct job *job)
{
    const struct config *config = job->config;
    for (uint32_t i = 0; i < config->actions_count; i++) {
        job->options.action_weight[i + 1] = (real)config->actions[i].weight;
    }
}

/* What was trained for hours must not fail to be written. */
static enum status check_folder(const char *path, struct error *error)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    const int size = slash ? (int)(slash - path) + (slash == path) : 1;
    snprintf(folder, sizeof folder, "%.*s", size, slash ? path : ".");
    if (access(folder, W_OK) == 0) return STATUS_OK;
    return error_set(error, STATUS_INVALID, "--out %s: %s: %s", path, folder, strerror(errno));
}

static enum status check_train(const struct job *job, struct error *error)
{
    if (!job->out && !*job->config->model.dir) {
        return error_set(error, STATUS_INVALID,
                         "--out FILE is needed, or model.dir: what to write, or where");
    }
    if (!*job->config->model.checkpoint) {
        return error_set(error, STATUS_INVALID,
                         "model.checkpoint or model.dir must be set: the generation to go on from; "
                         "braid init makes the first");
    }
    if (job->plot && !job->curve) {
        return error_set(error, STATUS_INVALID,
                         "--plot needs --curve FILE, which it is drawn from");
    }
    if (!job->out) return STATUS_OK;
    if (access(job->out, F_OK) == 0) {
        return error_set(error, STATUS_REFUSED,
                         "%s exists, and a job may be serving it: remove it, or name another file",
                         job->out);
    }
    return check_folder(job->out, error);
}

static enum status parse_train(struct job *job, struct arguments *arguments, struct config *config,
                               struct error *error)
{
    job->options.cuts = CUTS_BY_MODEL;
    job->fresh = arguments_flag(arguments, "--fresh");
    TRY(arguments_option(arguments, "--out", &job->out, error));
    TRY(arguments_option(arguments, "--resume", &job->resume, error));
    TRY(arguments_option(arguments, "--curve", &job->curve, error));
    TRY(arguments_option(arguments, "--plot", &job->plot, error));
    for (size_t i = 0; i < sizeof option_table / sizeof *option_table; i++) {
        TRY(take_train_number(arguments, &option_table[i], &job->options, error));
    }
    TRY(dim_options_take(&job->dims, DIMS_READ_SIDE, arguments, error));
    TRY(arguments_count(arguments, "--seed", 0, UINT64_MAX, &job->options.seed, error));
    TRY(take_readout(arguments, &job->options.readout, error));
    TRY(take_protocol(arguments, job, error));
    TRY(arguments_config(arguments, config, error));
    TRY(arguments_end(arguments, error));
    TRY(generation_choose(config, false, error));
    set_action_weights(job);
    return check_train(job, error);
}

/* ---- the work ---- */

static uint64_t producing_fingerprint(const struct job *job)
{
    return param_set_fingerprint(job->checkpoint->params, PARAMS_STATE_PRODUCING);
}

static enum status open_parent(struct job *job, struct error *error)
{
    TRY(checkpoint_open_to_train(&job->checkpoint, job->config->model.checkpoint, error));
    struct checkpoint *checkpoint = job->checkpoint;
    const struct interest_ops *ops = interest_ops_find(checkpoint->model);
    struct model_dims dims = checkpoint->dims;
    job->state_before = producing_fingerprint(job);
    job->fingerprint_before = checkpoint->fingerprint;
    TRY(dim_options_apply(&job->dims, checkpoint->model, &dims, error));
    const uint32_t interests_before = checkpoint->dims.interests;
    job->options.retained = interests_before < dims.interests ? interests_before : dims.interests;
    TRY(checkpoint_change(checkpoint, checkpoint->model, &dims, job->options.seed, error));
    if (dims.interests != interests_before && producing_fingerprint(job) != job->state_before) {
        return error_set(error, STATUS_INVALID,
                         "--interests=%" PRIu32 ": the K of %s is part of its states; braid init "
                         "begins anew",
                         dims.interests, checkpoint->model);
    }
    if (job->fresh) {
        param_set_draw(checkpoint->params, job->options.seed);
        training_forget_moments(&checkpoint->training);
    }
    job->options.warm = true;
    if (job->options.cuts == CUTS_BY_MODEL) {
        job->options.cuts = interest_keeps_history(ops, &dims) ? WINDOW_CUTS : 0;
    }
    return STATUS_OK;
}

/* How much of each user may be learned from. */
static enum status set_known(struct job *job, struct error *error)
{
    const struct evaluation_options options = {
        .protocol = job->protocol,
        .cuts = {1},
        .cuts_count = 1,
        .warm = (uint32_t)(EVALUATION_WARM_SHARE * dataset_behaviors(job->dataset)),
        .asked = 1,
    };
    const uint32_t users = dataset_users(job->dataset);
    struct evaluation *evaluation;
    job->known = calloc(users + (size_t)1, sizeof *job->known);
    if (!job->known) return error_set(error, STATUS_IO, "not enough memory to train");
    for (uint32_t user = 0; user < users; user++) {
        job->known[user] = dataset_sequence(job->dataset, user).count;
    }
    if (!job->holds_out) return STATUS_OK;
    TRY(evaluation_open(&evaluation, job->dataset, &options, error));
    evaluation_shown(evaluation, job->known);
    evaluation_close(evaluation);
    return STATUS_OK;
}

static enum status read_training_log(struct job *job, struct error *error)
{
    struct log_dataset_summary summary;
    struct progress progress;
    progress_start(&progress, "read", "events", job->config->log.quiet);
    const enum status status = log_dataset_open(&job->dataset, job->config, job->checkpoint->items,
                                                &progress, &summary, error);
    progress_end(&progress);
    TRY(status);
    event_log_report(&summary.log, "train");
    if (summary.unknown) {
        log_note("train",
                 "%" PRIu64 " of %" PRIu64 " events are of items that the dictionary "
                 "does not have; none of these is learned: braid init makes a new dictionary",
                 summary.unknown, summary.log.accepted);
    }
    return set_known(job, error);
}

static enum status open_trainer(struct job *job, struct error *error)
{
    TRY(trainer_open(&job->trainer, job->checkpoint, job->dataset, job->known, &job->options,
                     error));
    const uint32_t asked = trainer_asked(job->trainer), left_out = trainer_left_out(job->trainer);
    if (job->options.validation_users && left_out) {
        printf("validation asks %" PRIu32 " users; %" PRIu32 " return to an item that they have "
               "had, which is no candidate, and are left out\n",
               asked, left_out);
    }
    if (job->options.validation_users && asked == 0) {
        printf("validation has nobody to ask: the last epoch is what is written\n");
    }
    if (!job->resume) return STATUS_OK;
    const enum status status = trainer_resume(job->trainer, job->resume, error);
    if (status == STATUS_NOT_FOUND) return STATUS_OK;
    TRY(status);
    printf("going on after epoch %" PRIu32 "\n", trainer_epochs(job->trainer));
    return STATUS_OK;
}

/* The bar of the whole run. */
struct bar {
    struct progress progress;
    const struct job *job;
    uint32_t first;        /* epochs that were done before this run */
    char label[LABEL_MAX]; /* what the bar says of itself: the newest loss */
};

static void show_progress(void *context, double share, uint64_t behaviors, double loss)
{
    struct bar *bar = context;
    const struct trainer *trainer = bar->job->trainer;
    const uint32_t epochs = bar->job->options.epochs;
    const double done = trainer_epochs(trainer) - bar->first + share;
    (void)behaviors;
    snprintf(bar->label, sizeof bar->label, "epoch %" PRIu32 " of %" PRIu32 "  loss %.4f",
             trainer_epochs(trainer) + 1, epochs, loss);
    progress_show(&bar->progress, done / (epochs - bar->first),
                  (uint64_t)(done * (double)trainer_samples(trainer)));
}

static void print_epoch(const struct job *job, const struct train_epoch *epoch, double seconds)
{
    printf("epoch %3" PRIu32 "  loss %.4f", epoch->number, epoch->loss);
    if (trainer_asked(job->trainer)) {
        printf("  HR@10 %.4f  NDCG@10 %.4f%s", epoch->validation.hit_rate, epoch->validation.ndcg,
               epoch->best ? "  best" : "      ");
    }
    printf("  %.1f s\n", seconds);
    fflush(stdout);
}

static enum status after_epoch(const struct job *job, const struct train_epoch *epoch,
                               double seconds, struct error *error)
{
    const struct curve_point point = {
        epoch->number,          epoch->steps, epoch->loss, epoch->validation.hit_rate,
        epoch->validation.ndcg, seconds};
    print_epoch(job, epoch, seconds);
    if (job->resume) TRY(trainer_save(job->trainer, job->resume, error));
    if (job->curve) TRY(curve_append(job->curve, &point, error));
    if (job->plot) TRY(curve_plot(job->curve, job->plot, error));
    return STATUS_OK;
}

static enum status run_epochs(struct job *job, struct error *error)
{
    if (job->options.epochs == 0) return STATUS_OK;
    TRY(open_trainer(job, error));
    struct bar bar = {.job = job, .first = trainer_epochs(job->trainer), .label = "train"};
    const struct train_observer observer = {show_progress, &bar};
    enum status status = STATUS_OK;
    progress_start(&bar.progress, bar.label, "samples", job->config->log.quiet);
    while (status == STATUS_OK && trainer_more(job->trainer)) {
        struct train_epoch epoch;
        const int64_t started_ns = clock_monotonic_ns();
        status = trainer_epoch(job->trainer, &observer, &epoch, error);
        progress_end(&bar.progress);
        const double seconds = (double)(clock_monotonic_ns() - started_ns) * 1e-9;
        if (status == STATUS_OK) status = after_epoch(job, &epoch, seconds, error);
    }
    if (status == STATUS_OK) status = trainer_finish(job->trainer, error);
    return status;
}

/* What was learned from: until when, and each item how often. A log has no offsets to keep. */
static enum status record_learned(struct job *job, struct error *error)
{
    struct checkpoint_training *training = &job->checkpoint->training;
    const uint32_t first = dataset_first_item(job->dataset);
    uint32_t *counts = calloc(dataset_rows(job->dataset), sizeof *counts);
    if (!counts) return error_set(error, STATUS_IO, "out of memory: counts of items");
    free(training->cut.offsets);
    free(training->item_counts);
    training->cut = (struct training_cut){0};
    training->item_counts = counts;
    for (uint32_t user = 0; user < dataset_users(job->dataset); user++) {
        const struct dataset_sequence sequence = dataset_sequence(job->dataset, user);
        for (uint32_t i = 0; i < job->known[user]; i++) {
            const int64_t time_ms = sequence.time_ms[i];
            if (sequence.at[i].item >= first) counts[sequence.at[i].item - first]++;
            if (time_ms > training->cut.event_time_ms) training->cut.event_time_ms = time_ms;
        }
    }
    return STATUS_OK;
}

/* To --out, or into model.dir, from which the one before, which may be served, is not removed. */
static enum status write_checkpoint(struct job *job, struct error *error)
{
    struct checkpoint *checkpoint = job->checkpoint;
    const struct config *config = job->config;
    if (job->out) return checkpoint_write(checkpoint, job->out, error);
    TRY(model_dir_write(config->model.dir, checkpoint, error));
    return model_dir_prune(config->model.dir, config->model.keep, &checkpoint->training.parent, 1,
                           error);
}

static enum status write_generation(struct job *job, struct error *error)
{
    struct checkpoint *checkpoint = job->checkpoint;
    TRY(prior_measure(checkpoint, job->dataset, job->known, error));
    if (job->options.epochs) TRY(record_learned(job, error));
    checkpoint->training.parent = checkpoint->generation++;
    checkpoint->training.parent_fingerprint = job->fingerprint_before;
    checkpoint->training.verdict = (struct training_verdict){0};
    checkpoint->state_generation += producing_fingerprint(job) != job->state_before;
    if (job->fresh || job->options.epochs) checkpoint->seed = job->options.seed;
    TRY(write_checkpoint(job, error));
    printf("%s: generation %" PRIu64 " of %s\n", job->out ? job->out : job->config->model.dir,
           checkpoint->generation, checkpoint->model);
    return STATUS_OK;
}

static enum status train(struct job *job, struct error *error)
{
    TRY(open_parent(job, error));
    TRY(read_training_log(job, error));
    TRY(run_epochs(job, error));
    return write_generation(job, error);
}

static enum status run_train(struct arguments *arguments, struct config *config,
                             struct error *error)
{
    struct job job = {.config = config, .options = train_options_defaults()};
    TRY(parse_train(&job, arguments, config, error));
    const enum status status = train(&job, error);
    trainer_close(job.trainer);
    dataset_close(job.dataset);
    checkpoint_close(job.checkpoint);
    free(job.known);
    return status;
}

const struct command command_train = {
    .name = "train",
    .summary = "fit a model to a log: the next generation",
    .help = help,
    .settings = true,
    .run = run_train,
};

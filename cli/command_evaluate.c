/*
 * command_evaluate.c - `braid evaluate`: how well checkpoints rank, beside what counting reaches.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/number_text.h"
#include "base/progress.h"
#include "cli/command.h"
#include "cli/generation.h"
#include "model/checkpoint.h"
#include "model/eval/agreement.h"
#include "model/eval/baselines.h"
#include "model/eval/evaluation.h"
#include "model/eval/interest_ranker.h"
#include "stream/learn/log_dataset.h"

enum {
    CHECKPOINTS_MAX = 16,
    EXPLAINED_USERS_MAX = 2000,
    BASELINES = 2,
    /* and, by intent and by interests, models, mean and deviation */
    RESULTS_MAX = BASELINES + 2 * (CHECKPOINTS_MAX + 2),
    TRANSITION_PAIRS_MAX = 1 << 26, /* 8 bytes each */
};

static const char help[] =
    "usage: braid evaluate [--config FILE] [--KEY=VALUE ...] [--checkpoint FILE ...]\n"
    "                      [--protocol NAME] [--by WHAT] [--explain] [--json]\n"
    "                      [--diversity W,W,... [--csv FILE] [--plot SVG]]\n\n"
    "Ranks the whole catalogue for the users of a log and prints Recall@N, HitRate@N, NDCG@N and\n"
    "MRR@N for N = 10, 20, 50: of each checkpoint, and of two baselines that only count,\n"
    "popularity and item-to-item transitions. A model that stays below them has learned little.\n\n"
    "Protocols:\n"
    "  leave-one-out  each user's last event is to be found among what it has not seen (default)\n"
    "  user-split     of a tenth of the users, the last fifth of their events is to be found\n"
    "  prequential    the last fifth of the log in time order: each event is predicted, then\n"
    "                 learned from; what a user has seen stays a candidate\n\n"
    "Users are evaluated as the stream serves them: states advanced event by event, interests as\n"
    "they would be published. Of models it also says how many interests a case has, how alike\n"
    "they are (mean cosine of pairs), and which share of them gave no item; HitRate and interests\n"
    "once more by quarters of history length. A model with an intent vector ranks by that, which "
    "is\n"
    "what its loss sees, and once more by its interests; --by intent or --by interests: by one. "
    "Checkpoints that differ by their seed only also\n"
    "give their mean and standard deviation. All must have the same dictionary. Histories are not\n"
    "cut: state.history_max is the job's.\n\n"
    "Diversity is the share of an item list's pairs whose categories differ, Categories the share\n"
    "of the categories known of the user that its list has. --diversity chooses 10 items out of "
    "the\n"
    "best 50 at each weight W, as recommend does: recall against diversity, as a table in FILE, "
    "and\n"
    "as a picture of the first checkpoint. --explain says how far interests follow the items'\n"
    "categories, as normalized mutual information beside that of shuffled labels: of all items "
    "with\n"
    "the prototypes of sine and the channels of octopus, and of each user's behaviors (2,000 "
    "users)\n"
    "with the interests in which their share is greatest; of several categories of an item each "
    "by\n"
    "its place.\n\n"
    "  braid evaluate --source.path=clicks.jsonl --checkpoint generation-1.safetensors\n"
    "  braid evaluate --config braid.yaml --protocol prequential\n"
    "      the checkpoint of the configuration, model.checkpoint, or the newest of model.dir\n"
    "  braid evaluate --config braid.yaml --checkpoint s1.safetensors --checkpoint s2.safetensors\n"
    "  braid evaluate --config braid.yaml --json > result.json\n"
    "  braid evaluate --config braid.yaml --diversity 0,0.01,0.1,1 --csv curve.csv --plot "
    "curve.svg\n\n"
    "Exit codes: 0 done; 1 the operating system failed; 2 usage or configuration; 3 a damaged\n"
    "checkpoint, or dictionaries that differ.\n";

/* What the arguments say, and everything that is opened on the way. */
struct job {
    const struct config *config;
    struct evaluation_options options;
    bool json;
    bool explain;
    const char *csv, *plot;       /* files of the balances; NULL: none */
    bool by_intent, by_interests; /* of models that have both */
    const char *paths[CHECKPOINTS_MAX];
    struct checkpoint *checkpoints[CHECKPOINTS_MAX];
    uint32_t checkpoints_count;
    uint32_t *category; /* [rows] */
    struct dataset *dataset;
    struct evaluation *evaluation;
    struct evaluation_result results[RESULTS_MAX];
    uint32_t results_count;
    struct agreement_line agreements[TAGS_MAX * CHECKPOINTS_MAX]; /* with --explain, by level */
    uint32_t agreements_count;
};

static enum status parse_protocol(struct job *job, const char *name, struct error *error)
{
    for (int protocol = 0; protocol <= EVALUATION_PREQUENTIAL; protocol++) {
        if (strcmp(name, evaluation_protocol_name((enum evaluation_protocol)protocol)) != 0) {
            continue;
        }
        job->options.protocol = (enum evaluation_protocol)protocol;
        return STATUS_OK;
    }
    return error_set(error, STATUS_INVALID,
                     "--protocol %s: must be leave-one-out, user-split or prequential", name);
}

/* What `name`, "intent" or "interests", leaves of both; NULL: all. */
static enum status parse_by(struct job *job, const char *name, struct error *error)
{
    job->by_intent = !name || strcmp(name, "intent") == 0;
    job->by_interests = !name || strcmp(name, "interests") == 0;
    if (job->by_intent || job->by_interests) return STATUS_OK;
    return error_set(error, STATUS_INVALID, "--by %s: must be intent or interests", name);
}

/* Weights of diversity, separated by commas. */
static enum status parse_weights(struct job *job, const char *list, struct error *error)
{
    struct evaluation_options *options = &job->options;
    while (list) {
        const size_t size = strcspn(list, ",");
        double weight;
        if (options->weights_count == EVALUATION_WEIGHTS_MAX ||
            !parse_real((struct bytes){list, size}, &weight) || weight < 0) {
            return error_set(error, STATUS_INVALID,
                             "--diversity: 1 to %d numbers from 0 on, separated by commas",
                             EVALUATION_WEIGHTS_MAX);
        }
        options->weights[options->weights_count++] = weight;
        list = list[size] ? list + size + 1 : NULL;
    }
    if (options->weights_count || !(job->csv || job->plot)) return STATUS_OK;
    return error_set(error, STATUS_INVALID, "--csv and --plot are of --diversity W,W,...");
}

static enum status parse_evaluate(struct job *job, struct arguments *arguments,
                                  struct config *config, struct error *error)
{
    const char *protocol = NULL, *by = NULL, *weights = NULL;
    job->json = arguments_flag(arguments, "--json");
    job->explain = arguments_flag(arguments, "--explain");
    TRY(arguments_option(arguments, "--protocol", &protocol, error));
    if (protocol) TRY(parse_protocol(job, protocol, error));
    TRY(arguments_option(arguments, "--by", &by, error));
    TRY(parse_by(job, by, error));
    TRY(arguments_option(arguments, "--csv", &job->csv, error));
    TRY(arguments_option(arguments, "--plot", &job->plot, error));
    TRY(arguments_option(arguments, "--diversity", &weights, error));
    TRY(parse_weights(job, weights, error));
    for (const char *path = ""; path;) {
        TRY(arguments_next_option(arguments, "--checkpoint", &path, error));
        if (!path) break;
        if (job->checkpoints_count == CHECKPOINTS_MAX) {
            return error_set(error, STATUS_INVALID, "more than %d checkpoints", CHECKPOINTS_MAX);
        }
        job->paths[job->checkpoints_count++] = path;
    }
    TRY(arguments_config(arguments, config, error));
    TRY(arguments_end(arguments, error));
    if (job->checkpoints_count > 0) return STATUS_OK;
    TRY(generation_choose(config, false, error));
    if (!*job->config->model.checkpoint) {
        return error_set(error, STATUS_INVALID,
                         "no checkpoint: give --checkpoint FILE or set model.checkpoint or "
                         "model.dir");
    }
    job->paths[job->checkpoints_count++] = job->config->model.checkpoint;
    return STATUS_OK;
}

static bool same_strings(struct item_strings a, struct item_strings b)
{
    return a.count == b.count && a.offsets[a.count] == b.offsets[b.count] &&
           memcmp(a.offsets, b.offsets, (a.count + (size_t)1) * sizeof *a.offsets) == 0 &&
           memcmp(a.at, b.at, a.offsets[a.count]) == 0;
}

/*
 * One dataset is read with the dictionary of the first checkpoint; rows must mean the same in all.
 */
static enum status open_checkpoints(struct job *job, struct error *error)
{
    for (uint32_t i = 0; i < job->checkpoints_count; i++) {
        TRY(checkpoint_open(&job->checkpoints[i], job->paths[i], error));
        const struct item_table *first = job->checkpoints[0]->items;
        const struct item_table *items = job->checkpoints[i]->items;
        if (item_table_oov(items) != item_table_oov(first) ||
            !same_strings(item_table_ids(items), item_table_ids(first))) {
            return error_set(error, STATUS_REFUSED,
                             "%s has another dictionary than %s: evaluate them one by one",
                             job->paths[i], job->paths[0]);
        }
    }
    return STATUS_OK;
}

static enum status read_evaluation_log(struct job *job, struct error *error)
{
    const struct item_table *items = job->checkpoints[0]->items;
    struct log_dataset_summary summary;
    struct progress progress;
    progress_start(&progress, "evaluate", "events", job->config->log.quiet);
    enum status status =
        log_dataset_open(&job->dataset, job->config, items, &progress, &summary, error);
    progress_end(&progress);
    TRY(status);
    event_log_report(&summary.log, "evaluate");
    if (summary.unknown) {
        log_note("evaluate",
                 "%" PRIu64 " of %" PRIu64
                 " events are of items without a row; none of them can be found",
                 summary.unknown, summary.log.accepted);
    }
    job->category = calloc(item_table_rows(items), sizeof *job->category);
    if (!job->category) return error_set(error, STATUS_IO, "not enough memory to evaluate");
    for (uint32_t row = 0; row < item_table_rows(items); row++) {
        job->category[row] = item_table_category_of(items, row);
    }
    if (item_table_categories(items)) job->options.category = job->category;
    if ((job->options.weights_count || job->explain) && !job->options.category) {
        return error_set(error, STATUS_INVALID,
                         "%s: the dictionary of %s has no categories to differ by",
                         job->explain ? "--explain" : "--diversity", job->paths[0]);
    }
    job->options.warm = (uint32_t)(EVALUATION_WARM_SHARE * dataset_behaviors(job->dataset));
    return evaluation_open(&job->evaluation, job->dataset, &job->options, error);
}

static enum status run_ranker(struct job *job, const struct ranker *ranker, struct error *error)
{
    struct evaluation_result *result = &job->results[job->results_count];
    int64_t started_ns = clock_monotonic_ns();
    TRY(evaluation_run(job->evaluation, ranker, NULL, result, error));
    result->seconds = (double)(clock_monotonic_ns() - started_ns) * 1e-9;
    job->results_count++;
    return STATUS_OK;
}

static enum status run_baselines(struct job *job, struct error *error)
{
    struct popularity *popularity = NULL;
    struct transitions *transitions = NULL;
    enum status status = popularity_open(&popularity, job->dataset, error);
    if (status == STATUS_OK) {
        const struct ranker ranker = popularity_ranker(popularity);
        status = run_ranker(job, &ranker, error);
    }
    if (status == STATUS_OK) {
        status = transitions_open(&transitions, job->dataset, TRANSITION_PAIRS_MAX, error);
    }
    if (status == STATUS_OK) {
        const struct ranker ranker = transitions_ranker(transitions);
        status = run_ranker(job, &ranker, error);
    }
    if (status == STATUS_OK && transitions_dropped(transitions)) {
        log_note("evaluate", "transitions: %" PRIu64 " pairs beyond %d not counted",
                 transitions_dropped(transitions), TRANSITION_PAIRS_MAX);
    }
    transitions_close(transitions);
    popularity_close(popularity);
    return status;
}

static enum status run_model(struct job *job, const struct checkpoint *checkpoint,
                             const struct interest_model *model, bool by_interests,
                             struct error *error)
{
    struct interest_ranker *interests;
    TRY(interest_ranker_open(&interests, model, checkpoint, job->dataset, error));
    if (by_interests) interest_ranker_by_interests(interests);
    const struct ranker ranker = interest_ranker_ranker(interests);
    const enum status status = run_ranker(job, &ranker, error);
    interest_ranker_close(interests);
    return status;
}

/* A model without an intent vector takes its turn when others rank by theirs, if it has one. */
static bool takes_turn(const struct job *job, const struct interest_model *model, bool by_interests)
{
    if (!interest_model_has_intent(model)) return by_interests == !job->by_intent;
    return by_interests ? job->by_interests : job->by_intent;
}

static enum status run_checkpoint(struct job *job, const struct checkpoint *checkpoint,
                                  bool by_interests, struct error *error)
{
    struct interest_model *model;
    TRY(interest_model_open(&model, checkpoint, error));
    enum status status = STATUS_OK;
    if (takes_turn(job, model, by_interests)) {
        status = run_model(job, checkpoint, model, by_interests, error);
    }
    interest_model_close(model);
    return status;
}

static enum status run_checkpoints(struct job *job, bool by_interests, struct error *error)
{
    const uint32_t first = job->results_count;
    bool seeds = true;
    for (uint32_t i = 0; i < job->checkpoints_count; i++) {
        TRY(run_checkpoint(job, job->checkpoints[i], by_interests, error));
        seeds = seeds && checkpoint_alike(job->checkpoints[i], job->checkpoints[0]);
    }
    if (job->results_count - first > 1 && seeds) {
        struct evaluation_result *mean = &job->results[job->results_count];
        evaluation_average(&job->results[first], job->checkpoints_count, mean, mean + 1);
        job->results_count += 2;
    }
    return STATUS_OK;
}

/* How far a model's interests follow the categories, over the users of the cases. */
static enum status measure_agreement(struct job *job, const struct checkpoint *checkpoint,
                                     uint32_t level, const uint32_t *known,
                                     const uint32_t *category, struct error *error)
{
    struct interest_model *model;
    struct agreement_line *line = &job->agreements[job->agreements_count++];
    line->model = checkpoint->model;
    line->level = level;
    TRY(interest_model_open(&model, checkpoint, error));
    const enum status status = agreement_measure(&line->at, model, job->dataset, known,
                                                 EXPLAINED_USERS_MAX, category, error);
    interest_model_close(model);
    return status;
}

static enum status measure_levels(struct job *job, const uint32_t *known, uint32_t *category,
                                  struct error *error)
{
    const struct item_table *items = job->checkpoints[0]->items;
    for (uint32_t level = 0; level < TAGS_MAX; level++) {
        if (!agreement_level(items, level, category)) break;
        for (uint32_t i = 0; i < job->checkpoints_count; i++) {
            TRY(measure_agreement(job, job->checkpoints[i], level, known, category, error));
        }
    }
    return STATUS_OK;
}

static enum status measure_agreements(struct job *job, struct error *error)
{
    uint32_t *known = calloc(dataset_users(job->dataset) + (size_t)1, sizeof *known);
    uint32_t *category = calloc(dataset_rows(job->dataset), sizeof *category);
    for (uint32_t i = 0; known && i < evaluation_cases(job->evaluation); i++) {
        const struct dataset_point point = evaluation_point(job->evaluation, i);
        if (point.position > known[point.user]) known[point.user] = point.position;
    }
    const enum status status = known && category
                                   ? measure_levels(job, known, category, error)
                                   : error_set(error, STATUS_IO, "not enough memory to evaluate");
    free(known);
    free(category);
    return status;
}

static void print_part(const struct agreement_part *part)
{
    if (part->count == 0) {
        printf(" %8s %8s %8s", "-", "-", "-");
    } else {
        printf(" %8" PRIu32 " %8.4f %8.4f", part->count, part->nmi, part->chance);
    }
}

static void print_agreements(const struct job *job)
{
    printf("\nNMI of interests with categories, and of shuffled labels:\n%-20s %8s %8s %8s %12s "
           "%8s %8s %8s\n",
           "", "Items", "NMI", "Shuffled", "Groups used", "Users", "NMI", "Shuffled");
    for (uint32_t i = 0; i < job->agreements_count; i++) {
        const struct agreement_line *line = &job->agreements[i];
        const struct agreement *at = &line->at;
        char groups[32] = "-", name[64];
        if (line->level == 0) {
            snprintf(name, sizeof name, "%s", line->model);
        } else {
            snprintf(name, sizeof name, "%s, category %u", line->model, line->level + 1);
        }
        if (at->groups) snprintf(groups, sizeof groups, "%u of %u", at->groups_used, at->groups);
        printf("%-20s", name);
        print_part(&at->items);
        printf(" %12s", groups);
        print_part(&at->users);
        putchar('\n');
    }
}

/* Writes the balances of all, or draws those of the first checkpoint, to `path`. */
static enum status write_balances_to(const struct job *job, const char *path, bool draw,
                                     struct error *error)
{
    FILE *file = fopen(path, "w");
    if (!file) return error_set(error, STATUS_IO, "writing %s: %s", path, strerror(errno));
    if (draw) {
        evaluation_plot_balances(&job->results[BASELINES], file);
    } else {
        evaluation_print_balances(job->results, job->results_count, file);
    }
    const int wrong = ferror(file);
    if (fclose(file) == 0 && !wrong) return STATUS_OK;
    return error_set(error, STATUS_IO, "writing %s: %s", path, strerror(errno));
}

static enum status evaluate(struct job *job, struct error *error)
{
    TRY(open_checkpoints(job, error));
    TRY(read_evaluation_log(job, error));
    TRY(run_baselines(job, error));
    TRY(run_checkpoints(job, false, error));
    TRY(run_checkpoints(job, true, error));
    if (job->explain) TRY(measure_agreements(job, error));
    if (job->csv) TRY(write_balances_to(job, job->csv, false, error));
    if (job->plot) TRY(write_balances_to(job, job->plot, true, error));
    if (job->json) {
        return evaluation_print_json(job->evaluation, job->results, job->results_count,
                                     job->agreements, job->agreements_count, stdout, error);
    }
    evaluation_print_table(job->evaluation, job->results, job->results_count, stdout);
    if (job->explain) print_agreements(job);
    return STATUS_OK;
}

static enum status run_evaluate(struct arguments *arguments, struct config *config,
                                struct error *error)
{
    static struct job job;
    job.config = config;
    job.options = (struct evaluation_options){.cuts = {10, 20, 50}, .cuts_count = 3, .asked = 1};
    TRY(parse_evaluate(&job, arguments, config, error));
    const enum status status = evaluate(&job, error);
    evaluation_close(job.evaluation);
    dataset_close(job.dataset);
    free(job.category);
    for (uint32_t i = 0; i < job.checkpoints_count; i++) {
        checkpoint_close(job.checkpoints[i]);
    }
    return status;
}

const struct command command_evaluate = {
    .name = "evaluate",
    .summary = "rank the catalogue for a log's users, beside what counting reaches",
    .help = help,
    .settings = true,
    .run = run_evaluate,
};

/*
 * evaluation.c - cases from a protocol, and one loop that ranks, measures and replays them.
 */
#include "model/eval/evaluation.h"

#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"

enum {
    BATCH_MAX = 256,        /* cases ranked together */
    EXCLUDED_MAX = 1 << 20, /* rows left out for one batch, unless one user alone has more */
    USER_PARTS = 10,        /* user-split: one of these parts is tested */
};

static const double KNOWN_SHARE = 0.8; /* user-split */

/* One question: what follows the first `known` behaviors of a user? */
struct evaluation_case {
    uint32_t user;
    uint32_t known;
    uint32_t truth; /* behaviors after the known ones that count as found */
    uint32_t after; /* behaviors of `shown` that came before it */
};

struct evaluation {
    const struct dataset *dataset;
    struct evaluation_options options;
    struct dataset_point *shown; /* learned from, in this order: */
    uint32_t shown_count;        /* so many before the first case */
    struct evaluation_case *cases;
    uint32_t cases_count;
    uint32_t left_out;
    uint32_t known_max[EVALUATION_QUARTILES]; /* greatest `known` of each quarter of the cases */
};

static enum status evaluation_no_memory(struct error *error)
{
    return error_set(error, STATUS_IO, "not enough memory to evaluate");
}

const char *evaluation_protocol_name(enum evaluation_protocol protocol)
{
    static const char *const names[] = {
        [EVALUATION_LEAVE_ONE_OUT] = "leave-one-out",
        [EVALUATION_USER_SPLIT] = "user-split",
        [EVALUATION_PREQUENTIAL] = "prequential",
    };
    return names[protocol];
}

static void show_behaviors(struct evaluation *evaluation, uint32_t user, uint32_t count)
{
    for (uint32_t position = 0; position < count; position++) {
        evaluation->shown[evaluation->shown_count++] = (struct dataset_point){user, position};
    }
}

static void add_case(struct evaluation *evaluation, uint32_t user, uint32_t known, uint32_t truth)
{
    if (known == 0 || truth == 0) return;
    evaluation->cases[evaluation->cases_count++] = (struct evaluation_case){user, known, truth, 0};
}

/* Whether the user's last behavior is of an item that it has had, which is no candidate then. */
static bool returns(const struct evaluation *evaluation, uint32_t user, uint32_t count)
{
    const struct behavior *at = dataset_sequence(evaluation->dataset, user).at;
    if (at[count - 1].item < dataset_first_item(evaluation->dataset)) return false;
    for (uint32_t i = 0; i + 1 < count; i++) {
        if (at[i].item == at[count - 1].item) return true;
    }
    return false;
}

static void plan_leave_one_out(struct evaluation *evaluation, uint32_t user, uint32_t count)
{
    show_behaviors(evaluation, user, count - 1);
    if (returns(evaluation, user, count)) {
        evaluation->left_out++;
        return;
    }
    add_case(evaluation, user, count - 1, 1);
}

/* Which part a user belongs to depends on its id alone: it stays when the log grows. */
static void plan_user_split(struct evaluation *evaluation, uint32_t user, uint32_t count)
{
    if (splitmix64(dataset_user_hash(evaluation->dataset, user)) % USER_PARTS) {
        show_behaviors(evaluation, user, count);
    } else {
        uint32_t known = (uint32_t)(KNOWN_SHARE * count);
        add_case(evaluation, user, known, count - known);
    }
}

/* Who is asked about depends on the id alone, as in the split by users. */
static bool is_asked(const struct evaluation *evaluation, uint32_t user)
{
    uint64_t hash = splitmix64(~dataset_user_hash(evaluation->dataset, user));
    return (double)(hash >> 11) * 0x1p-53 < evaluation->options.asked;
}

/* A user's first behavior is a case too, in which nothing is known of it. */
static enum status plan_prequential(struct evaluation *evaluation, struct error *error)
{
    TRY(dataset_replay(evaluation->dataset, &evaluation->shown, error));
    uint32_t count = dataset_behaviors(evaluation->dataset);
    evaluation->shown_count = evaluation->options.warm;
    for (uint32_t i = evaluation->shown_count; i < count; i++) {
        struct dataset_point point = evaluation->shown[i];
        if (!is_asked(evaluation, point.user)) continue;
        evaluation->cases[evaluation->cases_count++] =
            (struct evaluation_case){point.user, point.position, 1, i};
    }
    return STATUS_OK;
}

static enum status plan(struct evaluation *evaluation, struct error *error)
{
    const struct dataset *dataset = evaluation->dataset;
    size_t behaviors = dataset_behaviors(dataset), users = dataset_users(dataset);
    bool prequential = evaluation->options.protocol == EVALUATION_PREQUENTIAL;
    size_t cases_max = (prequential ? behaviors : users) + 1;
    evaluation->cases = malloc(cases_max * sizeof *evaluation->cases);
    if (!evaluation->cases) return evaluation_no_memory(error);
    if (prequential) return plan_prequential(evaluation, error);

    evaluation->shown = malloc((behaviors + 1) * sizeof *evaluation->shown);
    if (!evaluation->shown) return evaluation_no_memory(error);
    for (uint32_t user = 0; user < users; user++) {
        uint32_t count = dataset_sequence(dataset, user).count;
        if (evaluation->options.protocol == EVALUATION_LEAVE_ONE_OUT) {
            plan_leave_one_out(evaluation, user, count);
        } else {
            plan_user_split(evaluation, user, count);
        }
    }
    for (uint32_t i = 0; i < evaluation->cases_count; i++) {
        evaluation->cases[i].after = evaluation->shown_count;
    }
    return STATUS_OK;
}

static enum status find_quartiles(struct evaluation *evaluation, struct error *error)
{
    uint32_t longest = dataset_longest(evaluation->dataset);
    uint32_t *counts = calloc((size_t)longest + 1, sizeof *counts); /* cases by known behaviors */
    if (!counts) return evaluation_no_memory(error);
    for (uint32_t i = 0; i < evaluation->cases_count; i++) {
        counts[evaluation->cases[i].known]++;
    }
    uint64_t below = counts[0];
    for (uint32_t q = 0, known = 0; q < EVALUATION_QUARTILES; q++) {
        while (below * EVALUATION_QUARTILES < (uint64_t)evaluation->cases_count * (q + 1)) {
            below += counts[++known];
        }
        evaluation->known_max[q] = known;
    }
    free(counts);
    return STATUS_OK;
}

enum status evaluation_open(struct evaluation **evaluationp, const struct dataset *dataset,
                            const struct evaluation_options *options, struct error *error)
{
    *evaluationp = NULL;
    REQUIRE(options->cuts_count >= 1 && options->cuts_count <= EVALUATION_CUTS_MAX);
    REQUIRE(options->weights_count <= EVALUATION_WEIGHTS_MAX);
    REQUIRE(options->weights_count == 0 || options->category);
    struct evaluation *evaluation = calloc(1, sizeof *evaluation);
    if (!evaluation) return evaluation_no_memory(error);
    evaluation->dataset = dataset;
    evaluation->options = *options;
    enum status status = plan(evaluation, error);
    if (status == STATUS_OK && evaluation->cases_count == 0) {
        status = error_set(
            error, STATUS_INVALID,
            evaluation->left_out
                ? "%s: all users return to an item that they have had: --protocol prequential"
                : "%s: the log has no user with a behavior to predict from others before it",
            evaluation_protocol_name(options->protocol));
    }
    if (status == STATUS_OK) status = find_quartiles(evaluation, error);
    if (status != STATUS_OK) {
        evaluation_close(evaluation);
        return status;
    }
    *evaluationp = evaluation;
    return STATUS_OK;
}

void evaluation_close(struct evaluation *evaluation)
{
    if (!evaluation) return;
    free(evaluation->shown);
    free(evaluation->cases);
    free(evaluation);
}

uint32_t evaluation_cases(const struct evaluation *evaluation)
{
    return evaluation->cases_count;
}

struct dataset_point evaluation_point(const struct evaluation *evaluation, uint32_t number)
{
    REQUIRE(number < evaluation->cases_count);
    const struct evaluation_case *at = &evaluation->cases[number];
    return (struct dataset_point){at->user, at->known};
}

uint32_t evaluation_left_out(const struct evaluation *evaluation)
{
    return evaluation->left_out;
}

const struct evaluation_options *evaluation_options(const struct evaluation *evaluation)
{
    return &evaluation->options;
}

void evaluation_shown(const struct evaluation *evaluation, uint32_t *known)
{
    memset(known, 0, dataset_users(evaluation->dataset) * sizeof *known);
    for (uint32_t i = 0; i < evaluation->shown_count; i++) {
        known[evaluation->shown[i].user]++;
    }
}

/* One run of a ranker: its memory, and sums that become means at the end. */
struct run {
    const struct evaluation *evaluation;
    const struct ranker *ranker;
    struct evaluation_result *result;
    struct ranking_metrics *each; /* [cases] at the last cut, or NULL */
    uint32_t list_size;           /* items asked for */

    struct ranker_query queries[BATCH_MAX];
    struct topn_list lists[BATCH_MAX];
    struct ranker_read reads[BATCH_MAX];
    struct topn_item *items; /* [BATCH_MAX][list_size] */
    uint32_t *excluded;      /* of all queries of a batch */
    uint32_t excluded_max;
    uint32_t *truth;                       /* of one case */
    uint32_t *categories;                  /* that are known of one user */
    struct topn_item *spare;               /* [list_size] a list that is reordered */
    uint32_t *batch_of;                    /* [users] the last batch that asked about a user */
    uint8_t *covered[EVALUATION_CUTS_MAX]; /* [rows] in some list at a cut */

    uint64_t covered_count[EVALUATION_CUTS_MAX];
    uint32_t diverse[EVALUATION_CUTS_MAX];     /* lists with a pair */
    uint32_t known_categories;                 /* cases of users with a category */
    uint32_t balanced[EVALUATION_WEIGHTS_MAX]; /* lists with a pair */
    uint64_t interests;
    uint64_t ranked;
    uint64_t idle;
    double cosine;
    uint32_t pairs; /* cases with two interests or more */
};

static uint32_t larger(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static bool run_open(struct run *run, const struct evaluation *evaluation,
                     const struct ranker *ranker, struct evaluation_result *result)
{
    const struct evaluation_options *options = &evaluation->options;
    const struct dataset *dataset = evaluation->dataset;
    uint32_t longest = dataset_longest(dataset);
    *run = (struct run){.evaluation = evaluation, .ranker = ranker, .result = result};
    run->list_size = options->cuts[options->cuts_count - 1];
    run->excluded_max = larger(longest, EXCLUDED_MAX);
    run->items = malloc(BATCH_MAX * (size_t)run->list_size * sizeof *run->items);
    run->excluded = malloc((size_t)run->excluded_max * sizeof *run->excluded);
    run->truth = malloc((size_t)longest * sizeof *run->truth);
    run->categories = malloc((size_t)longest * sizeof *run->categories);
    run->spare = malloc(run->list_size * sizeof *run->spare);
    run->batch_of = calloc((size_t)dataset_users(dataset), sizeof *run->batch_of);
    for (uint32_t i = 0; i < BATCH_MAX && run->items; i++) {
        run->lists[i].at = run->items + (size_t)i * run->list_size;
    }
    bool opened =
        run->items && run->excluded && run->truth && run->categories && run->spare && run->batch_of;
    for (uint32_t cut = 0; cut < options->cuts_count; cut++) {
        run->covered[cut] = calloc(dataset_rows(dataset), 1);
        opened = opened && run->covered[cut];
    }
    return opened;
}

static void run_close(struct run *run)
{
    free(run->items);
    free(run->excluded);
    free(run->truth);
    free(run->categories);
    free(run->spare);
    free(run->batch_of);
    for (uint32_t cut = 0; cut < EVALUATION_CUTS_MAX; cut++) {
        free(run->covered[cut]);
    }
    free(run);
}

/* Copies items from .. from + count - 1 of a user, ascending and distinct; returns how many. */
static uint32_t distinct_items(const struct dataset *dataset, uint32_t user, uint32_t from,
                               uint32_t count, uint32_t *rows)
{
    const struct behavior *at = dataset_sequence(dataset, user).at + from;
    for (uint32_t i = 0; i < count; i++) {
        rows[i] = at[i].item;
    }
    return ranking_distinct(rows, count);
}

/* Collects queries from case `from` on, of different users and for no longer than the limits. */
static uint32_t collect(struct run *run, uint32_t from, uint32_t batch)
{
    const struct evaluation *evaluation = run->evaluation;
    bool exclude = evaluation->options.protocol == EVALUATION_LEAVE_ONE_OUT;
    uint32_t limit = run->ranker->batch_max < BATCH_MAX ? run->ranker->batch_max : BATCH_MAX;
    uint32_t used = 0, count = 0;
    for (; count < limit && from + count < evaluation->cases_count; count++) {
        const struct evaluation_case *at = &evaluation->cases[from + count];
        if (run->batch_of[at->user] == batch) break;
        if (exclude && at->known > run->excluded_max - used) break;
        run->batch_of[at->user] = batch;
        struct topn_excluded excluded = {run->excluded + used, 0};
        if (exclude) {
            excluded.count =
                distinct_items(evaluation->dataset, at->user, 0, at->known, run->excluded + used);
        }
        used += excluded.count;
        run->queries[count] = (struct ranker_query){at->user, at->known, excluded};
    }
    return count;
}

static void add_metrics(struct ranking_metrics *sum, const struct ranking_metrics *more)
{
    sum->recall += more->recall;
    sum->hit_rate += more->hit_rate;
    sum->ndcg += more->ndcg;
    sum->reciprocal_rank += more->reciprocal_rank;
}

static void scale_metrics(struct ranking_metrics *metrics, double factor)
{
    metrics->recall *= factor;
    metrics->hit_rate *= factor;
    metrics->ndcg *= factor;
    metrics->reciprocal_rank *= factor;
}

/* The categories of the case's known behaviors, ascending; how many there are. */
static uint32_t known_categories(struct run *run, const struct evaluation_case *at)
{
    const struct behavior *behaviors = dataset_sequence(run->evaluation->dataset, at->user).at;
    const uint32_t *category = run->evaluation->options.category;
    uint32_t count = 0;
    for (uint32_t i = 0; i < at->known; i++) {
        run->categories[count] = category[behaviors[i].item];
        count += run->categories[count] != 0;
    }
    return ranking_distinct(run->categories, count);
}

/* Adds what the list's categories are like at every cut. */
static void measure_categories(struct run *run, const struct evaluation_case *at,
                               const struct topn_list *list)
{
    const struct evaluation_options *options = &run->evaluation->options;
    const uint32_t known = known_categories(run, at);
    run->known_categories += known > 0;
    for (uint32_t cut = 0; cut < options->cuts_count; cut++) {
        struct evaluation_cut *sum = &run->result->cuts[cut];
        const uint32_t n = options->cuts[cut];
        sum->categories += ranking_categories(list, n, options->category, run->categories, known);
        if (n < 2 || list->count < 2) continue;
        sum->diversity += ranking_diversity(list, n, options->category);
        run->diverse[cut]++;
    }
}

/* Adds what lists are worth that are chosen from this one for diversity. */
static void measure_balances(struct run *run, const struct topn_list *list, uint32_t truth_count)
{
    const struct evaluation_options *options = &run->evaluation->options;
    for (uint32_t w = 0; w < options->weights_count; w++) {
        struct evaluation_balance *sum = &run->result->balances[w];
        struct topn_list chosen = {.at = run->spare, .count = list->count};
        const uint32_t n = options->cuts[0];
        memcpy(chosen.at, list->at, list->count * sizeof *list->at);
        ranking_diversify(&chosen, n, options->category, options->weights[w]);
        const struct ranking_metrics metrics = ranking_measure(&chosen, n, run->truth, truth_count);
        add_metrics(&sum->metrics, &metrics);
        if (chosen.count < 2) continue;
        sum->diversity += ranking_diversity(&chosen, n, options->category);
        run->balanced[w]++;
    }
}

static void measure_case(struct run *run, uint32_t number, struct topn_list *list,
                         const struct ranker_read *read)
{
    const struct evaluation *evaluation = run->evaluation;
    const struct evaluation_case *at = &evaluation->cases[number];
    const struct evaluation_options *options = &evaluation->options;
    struct evaluation_result *result = run->result;
    uint32_t truth_count =
        distinct_items(evaluation->dataset, at->user, at->known, at->truth, run->truth);
    for (uint32_t cut = 0; cut < options->cuts_count; cut++) {
        uint32_t n = options->cuts[cut];
        struct ranking_metrics metrics = ranking_measure(list, n, run->truth, truth_count);
        add_metrics(&result->cuts[cut].metrics, &metrics);
        run->covered_count[cut] += ranking_cover(list, n, run->covered[cut]);
        if (run->each) run->each[number] = metrics;
        if (cut > 0) continue;
        uint32_t q = 0;
        while (at->known > evaluation->known_max[q]) {
            q++;
        }
        result->quartiles[q].cases++;
        result->quartiles[q].interests += read->interests;
        add_metrics(&result->quartiles[q].metrics, &metrics);
    }
    if (options->category) measure_categories(run, at, list);
    measure_balances(run, list, truth_count);
    run->interests += read->interests;
    run->ranked += read->ranked;
    run->idle += read->idle;
    run->cosine += read->cosine;
    run->pairs += read->interests > 1;
}

static void summarize_run(const struct run *run)
{
    const struct evaluation *evaluation = run->evaluation;
    struct evaluation_result *result = run->result;
    double cases = evaluation->cases_count;
    double items = dataset_rows(evaluation->dataset) - dataset_first_item(evaluation->dataset);
    for (uint32_t cut = 0; cut < result->cuts_count; cut++) {
        scale_metrics(&result->cuts[cut].metrics, 1 / cases);
        result->cuts[cut].coverage = (double)run->covered_count[cut] / items;
        if (run->diverse[cut]) result->cuts[cut].diversity /= run->diverse[cut];
        if (run->known_categories) result->cuts[cut].categories /= run->known_categories;
    }
    for (uint32_t w = 0; w < result->balances_count; w++) {
        scale_metrics(&result->balances[w].metrics, 1 / cases);
        if (run->balanced[w]) result->balances[w].diversity /= run->balanced[w];
    }
    for (uint32_t q = 0; q < EVALUATION_QUARTILES; q++) {
        struct evaluation_quartile *quartile = &result->quartiles[q];
        quartile->known_max = evaluation->known_max[q];
        if (!quartile->cases) continue;
        scale_metrics(&quartile->metrics, 1.0 / quartile->cases);
        quartile->interests /= quartile->cases;
    }
    result->interests = (double)run->interests / cases;
    if (run->interests) result->idle = (double)run->idle / (double)run->ranked;
    if (run->pairs) result->cosine = run->cosine / run->pairs;
}

static void observe(const struct run *run, struct dataset_point point)
{
    const struct ranker *ranker = run->ranker;
    if (ranker->observe) ranker->observe(ranker->context, run->evaluation->dataset, point);
}

static enum status run_cases(struct run *run, struct error *error)
{
    const struct evaluation *evaluation = run->evaluation;
    const struct ranker *ranker = run->ranker;
    uint32_t observed = 0;
    for (uint32_t from = 0, batch = 1; from < evaluation->cases_count; batch++) {
        const atomic_bool *cancel = evaluation->options.cancel;
        if (cancel && atomic_load(cancel)) return error_set(error, STATUS_END, "canceled");
        for (; observed < evaluation->cases[from].after; observed++) {
            observe(run, evaluation->shown[observed]);
        }
        uint32_t count = collect(run, from, batch);
        TRY(ranker->rank(ranker->context, evaluation->dataset, run->queries, count, run->list_size,
                         run->lists, run->reads, error));
        for (uint32_t i = 0; i < count; i++) {
            measure_case(run, from + i, &run->lists[i], &run->reads[i]);
        }
        from += count;
    }
    return STATUS_OK;
}

enum status evaluation_run(const struct evaluation *evaluation, const struct ranker *ranker,
                           struct ranking_metrics *each, struct evaluation_result *result,
                           struct error *error)
{
    struct run *run = malloc(sizeof *run);
    if (!run) return evaluation_no_memory(error);
    *result = (struct evaluation_result){.cases = evaluation->cases_count,
                                         .cuts_count = evaluation->options.cuts_count};
    snprintf(result->name, sizeof result->name, "%s", ranker->name);
    result->balances_count = evaluation->options.weights_count;
    for (uint32_t w = 0; w < result->balances_count; w++) {
        result->balances[w].weight = evaluation->options.weights[w];
    }
    for (uint32_t cut = 0; cut < result->cuts_count; cut++) {
        result->cuts[cut].n = evaluation->options.cuts[cut];
    }
    enum status status = STATUS_OK;
    if (run_open(run, evaluation, ranker, result)) {
        run->each = each;
        status = run_cases(run, error);
        if (status == STATUS_OK) summarize_run(run);
    } else {
        status = evaluation_no_memory(error);
    }
    run_close(run);
    return status;
}

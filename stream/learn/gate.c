/*
 * gate.c - one prequential evaluation for each arm, on the same events, and a paired bound.
 */
#include "stream/learn/gate.h"

#include <math.h>
#include <stdlib.h>

#include "model/eval/baselines.h"
#include "model/eval/evaluation.h"
#include "model/eval/interest_ranker.h"
#include "model/interest_model.h"

enum { TRANSITION_PAIRS_MAX = 1 << 22 /* 16 bytes each */ };

static const double BOUND_95 = 1.959964; /* standard errors below the mean */

const char *verdict_name(enum verdict verdict)
{
    static const char *const names[VERDICTS] = {
        [VERDICT_ADOPTED] = "adopted",
        [VERDICT_HELD] = "held",
        [VERDICT_FORCED] = "forced",
        [VERDICT_BASELINE_NOT_EVALUABLE] = "baseline-not-evaluable",
    };
    return names[verdict];
}

/* ---- the clock ---- */

static int64_t later_of(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* How many of a user's first behaviors lie at or before a time. */
static uint32_t known_of(const struct dataset *dataset, uint32_t user, int64_t until_ms)
{
    const struct dataset_sequence sequence = dataset_sequence(dataset, user);
    uint32_t known = 0;
    while (known < sequence.count && sequence.time_ms[known] <= until_ms) {
        known++;
    }
    return known;
}

uint32_t gate_learned(const struct dataset *dataset, int64_t until_ms)
{
    uint32_t learned = 0;
    for (uint32_t user = 0; user < dataset_users(dataset); user++) {
        learned += known_of(dataset, user, until_ms);
    }
    return learned;
}

void gate_known(const struct dataset *dataset, int64_t until_ms, uint32_t *known)
{
    for (uint32_t user = 0; user < dataset_users(dataset); user++) {
        known[user] = known_of(dataset, user, until_ms);
    }
}

static int compare_times(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

enum status gate_cut(const struct dataset *dataset, int64_t since_ms, uint32_t events,
                     int64_t *cut_msp, struct error *error)
{
    int64_t *times = malloc((dataset_behaviors(dataset) + (size_t)1) * sizeof *times);
    uint32_t count = 0;
    *cut_msp = since_ms;
    if (!times) return error_set(error, STATUS_IO, "out of memory: a gate's clock");
    for (uint32_t user = 0; user < dataset_users(dataset); user++) {
        const struct dataset_sequence sequence = dataset_sequence(dataset, user);
        int64_t latest_ms = INT64_MIN;
        for (uint32_t i = 0; i < sequence.count; i++) {
            latest_ms = later_of(latest_ms, sequence.time_ms[i]);
            if (latest_ms > since_ms) times[count++] = latest_ms;
        }
    }
    if (count > events) {
        uint32_t at = count - events;
        qsort(times, count, sizeof *times, compare_times);
        /* Whatever shares the first event's time lies after the cut with it. */
        while (events > 0 && at > 0 && times[at - 1] == times[count - events]) {
            at--;
        }
        if (at > 0) *cut_msp = times[at - 1];
    }
    free(times);
    return STATUS_OK;
}

/* ---- measuring ---- */

/* The same questions for every arm: the same cut and the same share of users. */
struct questions {
    int64_t cut_ms;
    double asked;
    uint32_t events; /* after the cut, of all users */
    const atomic_bool *cancel;
};

static enum status open_questions(const struct dataset *dataset, const struct questions *questions,
                                  struct evaluation **evaluationp, struct error *error)
{
    const struct evaluation_options options = {
        .protocol = EVALUATION_PREQUENTIAL,
        .cuts = {GATE_CUT},
        .cuts_count = 1,
        .warm = gate_learned(dataset, questions->cut_ms),
        .asked = questions->asked,
        .cancel = questions->cancel,
    };
    return evaluation_open(evaluationp, dataset, &options, error);
}

static struct gate_figures figures_of(const struct evaluation_result *result)
{
    const struct ranking_metrics *metrics = &result->cuts[0].metrics;
    return (struct gate_figures){result->cases, metrics->hit_rate, metrics->ndcg,
                                 metrics->reciprocal_rank, result->interests};
}

/* `each` [cases] gets what each case is worth. */
static enum status run_arm(const struct gate_arm *arm, const struct evaluation *evaluation,
                           struct ranking_metrics *each, struct gate_figures *figures,
                           struct error *error)
{
    struct interest_model *model;
    struct interest_ranker *interests;
    struct evaluation_result result;
    TRY(interest_model_open(&model, arm->checkpoint, error));
    enum status status =
        interest_ranker_open(&interests, model, arm->checkpoint, arm->dataset, error);
    if (status == STATUS_OK) {
        const struct ranker ranker = interest_ranker_ranker(interests);
        status = evaluation_run(evaluation, &ranker, each, &result, error);
        interest_ranker_close(interests);
    }
    interest_model_close(model);
    if (status == STATUS_OK) *figures = figures_of(&result);
    return status;
}

static struct gate_kinds kinds_of(const struct dataset *dataset,
                                  const struct evaluation *evaluation,
                                  const struct ranking_metrics *each,
                                  const struct user_kind_options *options)
{
    struct gate_kinds kinds = {{{0}}};
    for (uint32_t i = 0; i < evaluation_cases(evaluation); i++) {
        const struct dataset_point point = evaluation_point(evaluation, i);
        const struct dataset_sequence sequence = dataset_sequence(dataset, point.user);
        struct gate_figures *of = &kinds.of[user_kind_of(&sequence, point.position, options)];
        of->events++;
        of->hit_rate += each[i].hit_rate;
        of->ndcg += each[i].ndcg;
        of->reciprocal_rank += each[i].reciprocal_rank;
    }
    for (int kind = 0; kind < USER_KINDS; kind++) {
        struct gate_figures *of = &kinds.of[kind];
        const double scale = of->events ? 1.0 / of->events : 0;
        of->hit_rate *= scale;
        of->ndcg *= scale;
        of->reciprocal_rank *= scale;
    }
    return kinds;
}

static enum status run_transitions(const struct dataset *dataset,
                                   const struct evaluation *evaluation,
                                   struct gate_figures *figures, struct error *error)
{
    struct transitions *transitions;
    struct evaluation_result result;
    TRY(transitions_open(&transitions, dataset, TRANSITION_PAIRS_MAX, error));
    const struct ranker ranker = transitions_ranker(transitions);
    enum status status = evaluation_run(evaluation, &ranker, NULL, &result, error);
    transitions_close(transitions);
    if (status == STATUS_OK) *figures = figures_of(&result);
    return status;
}

static enum status run_popularity(const struct dataset *dataset,
                                  const struct evaluation *evaluation, struct gate_figures *figures,
                                  struct error *error)
{
    struct popularity *popularity;
    struct evaluation_result result;
    TRY(popularity_open(&popularity, dataset, error));
    const struct ranker ranker = popularity_ranker(popularity);
    enum status status = evaluation_run(evaluation, &ranker, NULL, &result, error);
    popularity_close(popularity);
    if (status == STATUS_OK) *figures = figures_of(&result);
    return status;
}

/* Users are thinned so that about `events_max` of the events after the cut are asked for. */
static struct questions questions_after(const struct gate_arm *arm, int64_t cut_ms,
                                        uint32_t events_max)
{
    const struct dataset *dataset = arm->dataset;
    const uint32_t events = dataset_behaviors(dataset) - gate_learned(dataset, cut_ms);
    const double asked = events > events_max ? (double)events_max / events : 1;
    return (struct questions){cut_ms, asked, events, arm->cancel};
}

/* Counting, on the same questions over `counted`. */
static enum status measure_counting(const struct dataset *counted,
                                    const struct questions *questions, struct gate_served *served,
                                    struct error *error)
{
    struct evaluation *evaluation;
    TRY(open_questions(counted, questions, &evaluation, error));
    enum status status = run_transitions(counted, evaluation, &served->transitions, error);
    if (status == STATUS_OK) {
        status = run_popularity(counted, evaluation, &served->popularity, error);
    }
    evaluation_close(evaluation);
    return status;
}

/* What those who are asked did since the first event that they are asked for. */
static enum status measure_due(const struct gate_arm *arm, const struct evaluation *evaluation,
                               struct interests_due *due, struct error *error)
{
    const uint32_t users = dataset_users(arm->dataset);
    uint32_t *from = calloc(users + (size_t)1, sizeof *from);
    struct interest_model *model = NULL;
    if (!from) return error_set(error, STATUS_IO, "out of memory: a gate");
    for (uint32_t i = evaluation_cases(evaluation); i-- > 0;) {
        const struct dataset_point point = evaluation_point(evaluation, i);
        from[point.user] = point.position;
    }
    enum status status = interest_model_open(&model, arm->checkpoint, error);
    if (status == STATUS_OK) {
        status = interests_due_measure(model, arm->checkpoint, arm->dataset, from, due, error);
    }
    interest_model_close(model);
    free(from);
    return status;
}

static enum status measure_served(const struct gate_arm *arm, const struct questions *questions,
                                  const struct user_kind_options *kinds, struct gate_served *served,
                                  struct error *error)
{
    struct evaluation *evaluation;
    TRY(open_questions(arm->dataset, questions, &evaluation, error));
    struct ranking_metrics *each = malloc(evaluation_cases(evaluation) * sizeof *each);
    enum status status = each ? run_arm(arm, evaluation, each, &served->current, error)
                              : error_set(error, STATUS_IO, "out of memory: a gate");
    if (status == STATUS_OK) {
        served->current_of = kinds_of(arm->dataset, evaluation, each, kinds);
        status = measure_due(arm, evaluation, &served->due, error);
    }
    free(each);
    evaluation_close(evaluation);
    return status;
}

enum status gate_measure(const struct gate_arm *arm, const struct dataset *counted, int64_t cut_ms,
                         const struct gate_options *options, struct gate_served *served,
                         struct error *error)
{
    const struct questions questions = questions_after(arm, cut_ms, options->events_max);
    *served = (struct gate_served){.current = {0}};
    if (questions.events == 0) {
        return error_set(error, STATUS_NOT_FOUND, "no event after the training cut");
    }
    TRY(measure_served(arm, &questions, &options->kinds, served, error));
    return measure_counting(counted, &questions, served, error);
}

/* ---- judging ---- */

static void compare(const struct ranking_metrics *current, const struct ranking_metrics *candidate,
                    uint32_t count, struct gate_result *result)
{
    double sum = 0, squares = 0;
    for (uint32_t i = 0; i < count; i++) {
        sum += candidate[i].ndcg - current[i].ndcg;
    }
    const double mean = sum / count;
    for (uint32_t i = 0; i < count; i++) {
        const double off = candidate[i].ndcg - current[i].ndcg - mean;
        squares += off * off;
    }
    result->difference = mean;
    result->bound = mean - BOUND_95 * sqrt(squares / (count - 1.0) / count);
}

static enum status judge_current(const struct gate_arm *current, const struct questions *questions,
                                 const struct ranking_metrics *candidate,
                                 struct ranking_metrics *each, const struct gate_options *options,
                                 struct gate_result *result, struct error *error)
{
    const uint32_t count = result->candidate.events;
    struct evaluation *evaluation;
    TRY(open_questions(current->dataset, questions, &evaluation, error));
    enum status status = STATUS_OK;
    const bool same = evaluation_cases(evaluation) == count;
    if (same) status = run_arm(current, evaluation, each, &result->current, error);
    if (same && status == STATUS_OK) {
        result->current_of = kinds_of(current->dataset, evaluation, each, &options->kinds);
    }
    evaluation_close(evaluation);
    if (status != STATUS_OK || !same) return status;
    result->verdict = VERDICT_HELD;
    if (count < 2 || count < options->events_min) return STATUS_OK;
    compare(each, candidate, count, result);
    if (result->bound > options->margin) result->verdict = VERDICT_ADOPTED;
    return STATUS_OK;
}

enum status gate_judge(const struct gate_arm *current, const struct gate_arm *candidate,
                       int64_t cut_ms, const struct gate_options *options,
                       struct gate_result *result, struct error *error)
{
    const struct questions questions = questions_after(candidate, cut_ms, options->events_max);
    *result = (struct gate_result){.verdict = VERDICT_BASELINE_NOT_EVALUABLE};
    if (questions.events == 0) {
        if (current->checkpoint) result->verdict = VERDICT_HELD;
        return STATUS_OK;
    }
    struct evaluation *evaluation;
    TRY(open_questions(candidate->dataset, &questions, &evaluation, error));
    const size_t cases = evaluation_cases(evaluation);
    struct ranking_metrics *each = malloc(2 * cases * sizeof *each);
    enum status status = each ? STATUS_OK : error_set(error, STATUS_IO, "out of memory: a gate");
    if (status == STATUS_OK) {
        status = run_arm(candidate, evaluation, each, &result->candidate, error);
    }
    if (status == STATUS_OK) {
        result->candidate_of = kinds_of(candidate->dataset, evaluation, each, &options->kinds);
    }
    if (status == STATUS_OK) {
        status = run_transitions(candidate->dataset, evaluation, &result->transitions, error);
    }
    if (status == STATUS_OK && current->checkpoint) {
        status = judge_current(current, &questions, each, each + cases, options, result, error);
    }
    evaluation_close(evaluation);
    free(each);
    return status;
}

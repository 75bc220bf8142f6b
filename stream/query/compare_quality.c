/* compare_quality.c - two datasets of the same behaviors, one in the rows of each dictionary. */
#include "stream/query/compare_quality.h"

#include <stdlib.h>
#include <string.h>

#include "model/dataset.h"
#include "model/eval/evaluation.h"
#include "model/eval/interest_ranker.h"
#include "model/interest_model.h"
#include "model/item_table.h"
#include "stream/interests/profile.h"

enum { ASKED_MAX = 50000 }; /* cases, about */

/* One of the two jobs. */
struct side {
    const struct checkpoint *checkpoint;
    struct interest_model *model;
    struct dataset *dataset;
    struct evaluation *evaluation;
    struct ranking_metrics *each; /* [cases] */
};

struct compare_quality {
    struct side sides[2];
    uint64_t behaviors, most;
};

static enum status open_side(struct side *side, const struct checkpoint *checkpoint,
                             struct error *error)
{
    const struct item_table *items = checkpoint->items;
    side->checkpoint = checkpoint;
    if (item_table_oov(items) == 0) {
        return error_set(error, STATUS_INVALID,
                         "quality cannot be compared: a dictionary has no rows for items that it "
                         "does not know, so the events of the two are not the same");
    }
    TRY(interest_model_open(&side->model, checkpoint, error));
    return dataset_open(&side->dataset, item_table_rows(items), item_table_oov(items), error);
}

enum status compare_quality_open(struct compare_quality **qualityp, const struct checkpoint *one,
                                 const struct checkpoint *other, uint64_t behaviors_max,
                                 struct error *error)
{
    *qualityp = NULL;
    struct compare_quality *quality = calloc(1, sizeof *quality);
    if (!quality) return error_set(error, STATUS_IO, "out of memory: comparing quality");
    quality->most = behaviors_max < DATASET_BEHAVIORS_MAX ? behaviors_max : DATASET_BEHAVIORS_MAX;
    enum status status = open_side(&quality->sides[0], one, error);
    if (status == STATUS_OK) status = open_side(&quality->sides[1], other, error);
    if (status != STATUS_OK) {
        compare_quality_close(quality);
        return status;
    }
    *qualityp = quality;
    return STATUS_OK;
}

void compare_quality_close(struct compare_quality *quality)
{
    if (!quality) return;
    for (int s = 0; s < 2; s++) {
        struct side *side = &quality->sides[s];
        free(side->each);
        evaluation_close(side->evaluation);
        dataset_close(side->dataset);
        interest_model_close(side->model);
    }
    free(quality);
}

/* ---- the same behaviors ---- */

static enum status add_behavior(struct side *side, uint64_t user, const struct history *chunk,
                                uint32_t at, struct error *error)
{
    struct item_resolved row;
    const struct history_behavior behavior = chunk->at[at];
    static const struct user_profile nothing = {{0}};
    const struct user_profile known = profile_of(chunk, chunk->first + at + 1);
    if (!item_table_resolve(side->checkpoint->items, behavior.item, &row)) return STATUS_OK;
    if (memcmp(&known, &nothing, sizeof known) != 0) {
        TRY(dataset_know(side->dataset, user, &known, true, error));
    }
    return dataset_add(side->dataset, user, row.item, row.category, history_time_ms(behavior),
                       history_action(behavior), error);
}

enum status compare_quality_take(struct compare_quality *quality, const struct history_user *one,
                                 const struct history_user *other, struct error *error)
{
    if (!one || !other || !one->newest || !other->newest) return STATUS_OK;
    const struct history *newest = &one->newest->history;
    const uint64_t other_end = history_events(&other->newest->history);
    const uint64_t end = history_events(newest) < other_end ? history_events(newest) : other_end;
    const uint64_t from = newest->from;
    if (newest->tombstone || from >= end || end - from > quality->most - quality->behaviors) {
        return STATUS_OK;
    }
    quality->behaviors += end - from;
    for (int s = 0; s < 2; s++) {
        TRY(dataset_begin_life(quality->sides[s].dataset, one->hash, from, false, error));
    }
    for (const struct user_chunk *chunk = one->oldest; chunk; chunk = chunk->next) {
        for (uint32_t i = 0; i < chunk->history.count; i++) {
            const uint64_t ordinal = chunk->history.first + i;
            if (ordinal < from || ordinal >= end) continue;
            TRY(add_behavior(&quality->sides[0], one->hash, &chunk->history, i, error));
            TRY(add_behavior(&quality->sides[1], one->hash, &chunk->history, i, error));
        }
    }
    return STATUS_OK;
}

/* ---- the same questions ---- */

static enum status run_side(struct side *side, struct error *error)
{
    const uint32_t behaviors = dataset_behaviors(side->dataset);
    const double asked = ASKED_MAX / ((1 - EVALUATION_WARM_SHARE) * behaviors + 1);
    const struct evaluation_options options = {
        .protocol = EVALUATION_PREQUENTIAL,
        .cuts = {COMPARE_QUALITY_CUT},
        .cuts_count = 1,
        .warm = (uint32_t)(EVALUATION_WARM_SHARE * behaviors),
        .asked = asked < 1 ? asked : 1,
    };
    struct interest_ranker *interests;
    struct evaluation_result result;
    TRY(evaluation_open(&side->evaluation, side->dataset, &options, error));
    side->each = calloc(evaluation_cases(side->evaluation), sizeof *side->each);
    if (!side->each) return error_set(error, STATUS_IO, "out of memory: comparing quality");
    TRY(interest_ranker_open(&interests, side->model, side->checkpoint, side->dataset, error));
    interest_ranker_by_interests(interests);
    const struct ranker ranker = interest_ranker_ranker(interests);
    const enum status status =
        evaluation_run(side->evaluation, &ranker, side->each, &result, error);
    interest_ranker_close(interests);
    return status;
}

static void add_metrics(struct ranking_metrics *to, const struct ranking_metrics *one)
{
    to->recall += one->recall;
    to->hit_rate += one->hit_rate;
    to->ndcg += one->ndcg;
    to->reciprocal_rank += one->reciprocal_rank;
}

/* A case of a side, by what it asks for. */
struct numbered {
    struct dataset_point point;
    uint32_t number;
};

static int by_point(const void *a, const void *b)
{
    const struct dataset_point one = ((const struct numbered *)a)->point;
    const struct dataset_point other = ((const struct numbered *)b)->point;
    if (one.user != other.user) return one.user < other.user ? -1 : 1;
    return (one.position > other.position) - (one.position < other.position);
}

/*
 * Both datasets have the same behaviors in the same order, so a point is the same in both; each lacks
 * cases whose item its dictionary does not know.
 */
static enum status average_common(struct side sides[2], struct ranking_metrics means[2],
                                  uint64_t *commonp, struct error *error)
{
    const uint32_t others = evaluation_cases(sides[1].evaluation);
    struct numbered *sorted = calloc(others, sizeof *sorted);
    if (!sorted) return error_set(error, STATUS_IO, "out of memory: comparing quality");
    for (uint32_t i = 0; i < others; i++) {
        sorted[i] = (struct numbered){evaluation_point(sides[1].evaluation, i), i};
    }
    qsort(sorted, others, sizeof *sorted, by_point);
    for (uint32_t i = 0; i < evaluation_cases(sides[0].evaluation); i++) {
        const struct numbered key = {evaluation_point(sides[0].evaluation, i), i};
        const struct numbered *found = bsearch(&key, sorted, others, sizeof *sorted, by_point);
        if (!found) continue;
        add_metrics(&means[0], &sides[0].each[i]);
        add_metrics(&means[1], &sides[1].each[found->number]);
        (*commonp)++;
    }
    free(sorted);
    return STATUS_OK;
}

enum status compare_quality_measure(struct compare_quality *quality,
                                    struct ranking_metrics means[2], uint64_t *casesp,
                                    struct error *error)
{
    *casesp = 0;
    memset(means, 0, 2 * sizeof *means);
    for (int s = 0; s < 2; s++) {
        struct side *side = &quality->sides[s];
        if (quality->behaviors == 0) return STATUS_OK;
        TRY(dataset_seal(side->dataset, error));
        const enum status status = run_side(side, error);
        if (status == STATUS_INVALID) return STATUS_OK; /* not one case */
        TRY(status);
    }
    TRY(average_common(quality->sides, means, casesp, error));
    for (int s = 0; s < 2 && *casesp > 0; s++) {
        const double cases = (double)*casesp;
        means[s].recall /= cases;
        means[s].hit_rate /= cases;
        means[s].ndcg /= cases;
        means[s].reciprocal_rank /= cases;
    }
    return STATUS_OK;
}

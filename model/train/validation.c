/*
 * validation.c - one question a user, through the ranker that evaluation uses.
 *
 * The ranker keeps a state for every user of its dataset, so the users that are asked about have a
 * small one of their own.
 */
#include "model/train/validation.h"

#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "model/eval/interest_ranker.h"
#include "model/eval/ranking.h"

enum { KNOWN_MIN = 3 }; /* behaviors of a user that can spare one */

struct validation {
    struct dataset *dataset;      /* of these users only, each up to what is to be found */
    struct ranker_query *queries; /* [count] */
    uint32_t *truth;              /* [count] item rows */
    uint32_t *excluded;           /* what the queries point into */
    uint32_t count;
    uint32_t left_out;
};

static enum status validation_no_memory(struct error *error)
{
    return error_set(error, STATUS_IO, "not enough memory to validate");
}

static bool is_among_first(const struct dataset_sequence *sequence, uint32_t count, uint32_t item)
{
    for (uint32_t i = 0; i < count; i++) {
        if (sequence->at[i].item == item) return true;
    }
    return false;
}

/*
 * Puts the users that can be asked into random order, the first `count` of them; how many there
 * are.
 */
static uint32_t choose_users(const struct dataset *dataset, const uint32_t *known, uint32_t *users,
                             uint32_t wanted, uint64_t seed, uint32_t *left_outp)
{
    struct random random = random_seeded(seed);
    uint32_t count = 0;
    for (uint32_t user = 0; user < dataset_users(dataset); user++) {
        if (known[user] < KNOWN_MIN) continue;
        const struct dataset_sequence sequence = dataset_sequence(dataset, user);
        const uint32_t before = known[user] - 1, item = sequence.at[before].item;
        if (item < dataset_first_item(dataset)) continue;
        if (is_among_first(&sequence, before, item)) {
            ++*left_outp;
        } else {
            users[count++] = user;
        }
    }
    for (uint32_t i = 0; i < count && i < wanted; i++) {
        const uint32_t j = i + (uint32_t)random_below(&random, count - i), user = users[i];
        users[i] = users[j];
        users[j] = user;
    }
    return count < wanted ? count : wanted;
}

/* Makes the next question of `user`'s last known behavior. */
static enum status ask_last(struct validation *validation, const struct dataset *dataset,
                            uint32_t user, uint32_t *known, uint32_t **restp, struct error *error)
{
    const struct dataset_sequence sequence = dataset_sequence(dataset, user);
    const uint32_t count = --known[user];
    uint32_t *excluded = *restp;
    TRY(dataset_begin_life(validation->dataset, dataset_user_hash(dataset, user),
                           sequence.at[0].ordinal, false, error));
    for (uint32_t i = 0; i <= count; i++) {
        if (sequence.profile) {
            TRY(dataset_know(validation->dataset, dataset_user_hash(dataset, user),
                             dataset_profile(dataset, sequence.profile[i]), true, error));
        }
        TRY(dataset_add(validation->dataset, dataset_user_hash(dataset, user), sequence.at[i].item,
                        sequence.at[i].category, sequence.time_ms[i], sequence.action[i], error));
    }
    for (uint32_t i = 0; i < count; i++) {
        excluded[i] = sequence.at[i].item;
    }
    const uint32_t distinct = ranking_distinct(excluded, count);
    *restp += distinct;
    validation->truth[validation->count] = sequence.at[count].item;
    validation->queries[validation->count] =
        (struct ranker_query){validation->count, count, {excluded, distinct}};
    validation->count++;
    return STATUS_OK;
}

static enum status ask_users(struct validation *validation, const struct dataset *dataset,
                             const uint32_t *chosen, uint32_t count, uint32_t *known,
                             struct error *error)
{
    size_t behaviors = 1;
    for (uint32_t i = 0; i < count; i++) {
        behaviors += known[chosen[i]];
    }
    validation->queries = calloc(count + (size_t)1, sizeof *validation->queries);
    validation->truth = calloc(count + (size_t)1, sizeof *validation->truth);
    validation->excluded = calloc(behaviors, sizeof *validation->excluded);
    if (!validation->queries || !validation->truth || !validation->excluded) {
        return validation_no_memory(error);
    }
    TRY(dataset_open(&validation->dataset, dataset_rows(dataset), dataset_first_item(dataset) - 1,
                     error));
    uint32_t *rest = validation->excluded;
    for (uint32_t i = 0; i < count; i++) {
        TRY(ask_last(validation, dataset, chosen[i], known, &rest, error));
    }
    return dataset_seal(validation->dataset, error);
}

enum status validation_open(struct validation **validationp, const struct dataset *dataset,
                            uint32_t *known, uint32_t users, uint64_t seed, struct error *error)
{
    *validationp = NULL;
    struct validation *validation = calloc(1, sizeof *validation);
    uint32_t *chosen = calloc(dataset_users(dataset) + (size_t)1, sizeof *chosen);
    if (!validation || !chosen) {
        free(validation);
        free(chosen);
        return validation_no_memory(error);
    }
    const uint32_t count = choose_users(dataset, known, chosen, users, seed, &validation->left_out);
    const enum status status = ask_users(validation, dataset, chosen, count, known, error);
    free(chosen);
    if (status != STATUS_OK) {
        validation_close(validation);
        return status;
    }
    *validationp = validation;
    return STATUS_OK;
}

void validation_close(struct validation *validation)
{
    if (!validation) return;
    dataset_close(validation->dataset);
    free(validation->queries);
    free(validation->truth);
    free(validation->excluded);
    free(validation);
}

uint32_t validation_users(const struct validation *validation)
{
    return validation->count;
}

uint32_t validation_left_out(const struct validation *validation)
{
    return validation->left_out;
}

/* Asks some of the questions at once. */
static enum status run_batch(const struct validation *validation, const struct ranker *ranker,
                             uint32_t from, uint32_t count, struct topn_item *items,
                             struct validation_result *sum, struct error *error)
{
    enum { BATCH = 256 };
    struct topn_list lists[BATCH];
    struct ranker_read reads[BATCH];
    REQUIRE(count <= BATCH);
    for (uint32_t i = 0; i < count; i++) {
        lists[i].at = items + (size_t)i * VALIDATION_CUT;
    }
    TRY(ranker->rank(ranker->context, validation->dataset, validation->queries + from, count,
                     VALIDATION_CUT, lists, reads, error));
    for (uint32_t i = 0; i < count; i++) {
        const struct ranking_metrics metrics =
            ranking_measure(&lists[i], VALIDATION_CUT, &validation->truth[from + i], 1);
        sum->hit_rate += metrics.hit_rate;
        sum->ndcg += metrics.ndcg;
    }
    return STATUS_OK;
}

static enum status run_all(const struct validation *validation, const struct ranker *ranker,
                           struct validation_result *result, struct error *error)
{
    const uint32_t batch = ranker->batch_max < 256 ? ranker->batch_max : 256;
    struct topn_item *items = malloc((size_t)batch * VALIDATION_CUT * sizeof *items);
    enum status status = items ? STATUS_OK : validation_no_memory(error);
    for (uint32_t from = 0; status == STATUS_OK && from < validation->count; from += batch) {
        const uint32_t left = validation->count - from;
        status =
            run_batch(validation, ranker, from, left < batch ? left : batch, items, result, error);
    }
    if (status == STATUS_OK && validation->count > 0) {
        result->hit_rate /= validation->count;
        result->ndcg /= validation->count;
    }
    free(items);
    return status;
}

enum status validation_run(const struct validation *validation, const struct checkpoint *checkpoint,
                           struct validation_result *result, struct error *error)
{
    struct interest_model *model;
    struct interest_ranker *interests;
    *result = (struct validation_result){0};
    TRY(interest_model_open(&model, checkpoint, error));
    enum status status =
        interest_ranker_open(&interests, model, checkpoint, validation->dataset, error);
    if (status == STATUS_OK) {
        const struct ranker ranker = interest_ranker_ranker(interests);
        status = run_all(validation, &ranker, result, error);
        interest_ranker_close(interests);
    }
    interest_model_close(model);
    return status;
}

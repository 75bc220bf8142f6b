/*
 * interest_ranker.c - states of all users in one block, advanced to where each question stands.
 */
#include "model/eval/interest_ranker.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "model/checkpoint.h"
#include "model/interest_model.h"
#include "model/tensor/params.h"

enum { BATCH_MAX = 64 }; /* users read and ranked together */

_Static_assert((int)INTERESTS_MAX <= (int)TOPN_INTERESTS_MAX, "lists are made of all interests");

struct interest_ranker {
    const struct interest_model *model;
    uint32_t interests; /* K */
    uint32_t d;
    struct interest_scratch *scratch;
    struct topn_catalogue *catalogue;
    struct topn_scratch *topn;
    size_t state_stride;  /* bytes from one state to the next */
    unsigned char *block; /* [users] states */
    uint32_t *absorbed;   /* [users] behaviors that the state holds */

    void *states[BATCH_MAX]; /* of the users of one batch, as are all the rest */
    uint64_t events[BATCH_MAX];
    struct user_profile profiles[BATCH_MAX];
    uint32_t count[BATCH_MAX];
    struct topn_query queries[BATCH_MAX];
    real *vectors; /* [BATCH_MAX][K][d] */
    real *weights; /* [BATCH_MAX][K] */
    real *intent;  /* [BATCH_MAX][d], by which lists are made; NULL: by the interests */
    char name[64];
};

static bool take_memory(struct interest_ranker *ranker, uint32_t users)
{
    size_t vectors = (size_t)BATCH_MAX * ranker->interests;
    size_t size = interest_model_state_size(ranker->model);
    ranker->state_stride = (size + ARENA_ALIGNMENT - 1) / ARENA_ALIGNMENT * ARENA_ALIGNMENT;
    ranker->block = aligned_alloc(ARENA_ALIGNMENT, (users + (size_t)1) * ranker->state_stride);
    ranker->absorbed = calloc(users + (size_t)1, sizeof *ranker->absorbed);
    ranker->vectors = malloc(vectors * ranker->d * sizeof(real));
    ranker->weights = malloc(vectors * sizeof(real));
    const bool by_intent = interest_model_has_intent(ranker->model);
    if (by_intent) ranker->intent = malloc(BATCH_MAX * (size_t)ranker->d * sizeof(real));
    return ranker->block && ranker->absorbed && ranker->vectors && ranker->weights &&
           (ranker->intent || !by_intent);
}

enum status interest_ranker_open(struct interest_ranker **rankerp,
                                 const struct interest_model *model,
                                 const struct checkpoint *checkpoint, const struct dataset *dataset,
                                 struct error *error)
{
    *rankerp = NULL;
    struct interest_ranker *ranker = calloc(1, sizeof *ranker);
    if (!ranker) return error_set(error, STATUS_IO, "not enough memory to evaluate");
    const struct param *items = param_set_find(checkpoint->params, "item.embedding");
    ranker->model = model;
    ranker->interests = interest_model_count(model);
    ranker->d = interest_model_width(model);
    enum status status = STATUS_OK;
    if (!take_memory(ranker, dataset_users(dataset))) {
        status = error_set(error, STATUS_IO, "not enough memory for the states of %u users",
                           dataset_users(dataset));
    }
    if (status == STATUS_OK) {
        status = topn_catalogue_open(&ranker->catalogue, items->data, dataset_rows(dataset),
                                     dataset_first_item(dataset), ranker->d,
                                     checkpoint->dims.cosine, error);
    }
    if (status == STATUS_OK) status = topn_scratch_open(&ranker->topn, ranker->catalogue, error);
    if (status == STATUS_OK) status = interest_scratch_open(&ranker->scratch, model, error);
    if (status != STATUS_OK) {
        interest_ranker_close(ranker);
        return status;
    }
    snprintf(ranker->name, sizeof ranker->name, "%s%s", interest_model_name(model),
             ranker->intent ? " by intent" : "");
    *rankerp = ranker;
    return STATUS_OK;
}

void interest_ranker_by_interests(struct interest_ranker *ranker)
{
    if (!ranker->intent) return;
    free(ranker->intent);
    ranker->intent = NULL;
    snprintf(ranker->name, sizeof ranker->name, "%s by interests",
             interest_model_name(ranker->model));
}

void interest_ranker_close(struct interest_ranker *ranker)
{
    if (!ranker) return;
    interest_scratch_close(ranker->scratch);
    topn_scratch_close(ranker->topn);
    topn_catalogue_close(ranker->catalogue);
    free(ranker->block);
    free(ranker->absorbed);
    free(ranker->vectors);
    free(ranker->weights);
    free(ranker->intent);
    free(ranker);
}

/* Brings a user's state to where the question stands; it never stands earlier than the last one. */
static void advance(struct interest_ranker *ranker, const struct dataset *dataset,
                    const struct ranker_query *query, void *state)
{
    uint32_t absorbed = ranker->absorbed[query->user];
    REQUIRE(absorbed <= query->known);
    if (absorbed == 0) interest_state_init(ranker->model, state);
    const uint32_t offsets[] = {0, query->known - absorbed};
    const struct behavior_batch batch = {dataset_sequence(dataset, query->user).at + absorbed,
                                         offsets, 1};
    interest_absorb(ranker->model, ranker->scratch, &state, &batch);
    ranker->absorbed[query->user] = query->known;
}

static double cosine_of(const real *a, const real *b, uint32_t d)
{
    double ab = 0, aa = 1e-12, bb = 1e-12;
    for (uint32_t i = 0; i < d; i++) {
        ab += (double)a[i] * (double)b[i];
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
    }
    return ab / sqrt(aa * bb);
}

/* How the interests of one user lie to each other, and which of them the list did without. */
static struct ranker_read describe(const struct interest_ranker *ranker, uint32_t user,
                                   const struct topn_list *list)
{
    const uint32_t count = ranker->count[user], d = ranker->d;
    const real *vectors = ranker->vectors + (size_t)user * ranker->interests * d;
    struct ranker_read read = {.interests = count, .ranked = ranker->intent ? 0 : count};
    bool used[TOPN_INTERESTS_MAX] = {false};
    for (uint32_t i = 0; i < list->count; i++) {
        used[list->at[i].interest] = true;
    }
    for (uint32_t a = 0; a < count; a++) {
        read.idle += a < read.ranked && !used[a];
        for (uint32_t b = a + 1; b < count; b++) {
            read.cosine += cosine_of(vectors + (size_t)a * d, vectors + (size_t)b * d, d);
        }
    }
    if (count > 1) read.cosine /= (double)count * (count - 1) / 2;
    return read;
}

static enum status interest_ranker_rank(void *context, const struct dataset *dataset,
                                        const struct ranker_query *queries, uint32_t count,
                                        uint32_t n, struct topn_list *lists,
                                        struct ranker_read *reads, struct error *error)
{
    struct interest_ranker *ranker = context;
    (void)error;
    for (uint32_t i = 0; i < count; i++) {
        ranker->states[i] = ranker->block + queries[i].user * ranker->state_stride;
        const struct dataset_sequence sequence = dataset_sequence(dataset, queries[i].user);
        ranker->events[i] = queries[i].known;
        ranker->profiles[i] = dataset_known_of(&sequence, queries[i].known, dataset);
        advance(ranker, dataset, &queries[i], ranker->states[i]);
    }
    struct interest_sets sets = {ranker->vectors, ranker->weights, ranker->count, ranker->intent};
    interest_read(ranker->model, ranker->scratch, (const void *const *)ranker->states,
                  ranker->events, ranker->profiles, count, &sets);
    for (uint32_t i = 0; i < count; i++) {
        const real *vectors = ranker->vectors + (size_t)i * ranker->interests * ranker->d;
        ranker->queries[i] = (struct topn_query){vectors, ranker->count[i], queries[i].excluded};
        if (!ranker->intent || ranker->count[i] == 0) continue;
        ranker->queries[i].interests = ranker->intent + (size_t)i * ranker->d;
        ranker->queries[i].count = 1;
    }
    topn_rank(ranker->catalogue, ranker->topn, ranker->queries, count, n, lists);
    for (uint32_t i = 0; i < count; i++) {
        reads[i] = describe(ranker, i, &lists[i]);
    }
    return STATUS_OK;
}

struct ranker interest_ranker_ranker(struct interest_ranker *ranker)
{
    return (struct ranker){ranker->name, ranker, BATCH_MAX, NULL, interest_ranker_rank};
}

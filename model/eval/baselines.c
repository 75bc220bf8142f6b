/*
 * baselines.c - counts in arrays (popularity) and in one small hash table per item (transitions).
 */
#include "model/eval/baselines.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"

static const double VOTE_DECAY = 0.8; /* of a user's vote per behavior back */

/*
 * What speaks for an item; nothing: NO_REASON, and no list has it. Else a list would be filled in
 * the order of rows, which is that of frequency in the whole log, what is to be predicted included.
 */
struct scores {
    real *at; /* [rows] */
    uint32_t rows;
    uint32_t first; /* row of an item; those below are no candidates */
};

static const real NO_REASON = -(real)INFINITY;

static void forget_scores(struct scores *scores)
{
    for (uint32_t row = 0; row < scores->rows; row++) {
        scores->at[row] = NO_REASON;
    }
}

static void add_reason(struct scores *scores, uint32_t row, real reason)
{
    real *score = &scores->at[row];
    *score = *score > 0 ? *score + reason : reason;
}

static enum status baselines_no_memory(struct error *error)
{
    return error_set(error, STATUS_IO, "not enough memory for the baselines");
}

/* ---- popularity ---- */

struct popularity {
    struct scores counts;
};

enum status popularity_open(struct popularity **popularityp, const struct dataset *dataset,
                            struct error *error)
{
    *popularityp = NULL;
    struct popularity *popularity = calloc(1, sizeof *popularity);
    if (!popularity) return baselines_no_memory(error);
    uint32_t rows = dataset_rows(dataset);
    popularity->counts =
        (struct scores){calloc(rows, sizeof(real)), rows, dataset_first_item(dataset)};
    if (!popularity->counts.at) {
        popularity_close(popularity);
        return baselines_no_memory(error);
    }
    forget_scores(&popularity->counts);
    *popularityp = popularity;
    return STATUS_OK;
}

void popularity_close(struct popularity *popularity)
{
    if (!popularity) return;
    free(popularity->counts.at);
    free(popularity);
}

static void popularity_observe(void *context, const struct dataset *dataset,
                               struct dataset_point point)
{
    struct popularity *popularity = context;
    add_reason(&popularity->counts, dataset_sequence(dataset, point.user).at[point.position].item,
               1);
}

static enum status popularity_rank(void *context, const struct dataset *dataset,
                                   const struct ranker_query *queries, uint32_t count, uint32_t n,
                                   struct topn_list *lists, struct ranker_read *reads,
                                   struct error *error)
{
    const struct popularity *popularity = context;
    (void)dataset;
    (void)error;
    for (uint32_t i = 0; i < count; i++) {
        const struct scores *counts = &popularity->counts;
        topn_of_scores(counts->at, counts->first, counts->rows, queries[i].excluded, n, &lists[i]);
        reads[i] = (struct ranker_read){0};
    }
    return STATUS_OK;
}

struct ranker popularity_ranker(struct popularity *popularity)
{
    return (struct ranker){"popularity", popularity, 1, popularity_observe, popularity_rank};
}

/* ---- transitions ---- */

/* What follows one item: open addressing over the items, at most three quarters full. */
struct followers {
    struct follower *at;
    uint32_t slots; /* a power of two, or 0 */
    uint32_t count;
};

struct follower {
    uint32_t item; /* 0: an empty slot */
    float weight;
};

struct transitions {
    struct followers *followers; /* [rows] */
    double *popularity;          /* [rows] */
    struct scores scores;
    uint64_t pairs;
    uint64_t pairs_max;
    uint64_t dropped;
};

enum status transitions_open(struct transitions **transitionsp, const struct dataset *dataset,
                             uint64_t pairs_max, struct error *error)
{
    *transitionsp = NULL;
    struct transitions *transitions = calloc(1, sizeof *transitions);
    if (!transitions) return baselines_no_memory(error);
    uint32_t rows = dataset_rows(dataset);
    *transitions = (struct transitions){
        .followers = calloc(rows, sizeof *transitions->followers),
        .popularity = calloc(rows, sizeof *transitions->popularity),
        .scores = {malloc(rows * sizeof(real)), rows, dataset_first_item(dataset)},
        .pairs_max = pairs_max,
    };
    if (!transitions->followers || !transitions->popularity || !transitions->scores.at) {
        transitions_close(transitions);
        return baselines_no_memory(error);
    }
    *transitionsp = transitions;
    return STATUS_OK;
}

void transitions_close(struct transitions *transitions)
{
    if (!transitions) return;
    for (uint32_t row = 0; transitions->followers && row < transitions->scores.rows; row++) {
        free(transitions->followers[row].at);
    }
    free(transitions->followers);
    free(transitions->popularity);
    free(transitions->scores.at);
    free(transitions);
}

uint64_t transitions_dropped(const struct transitions *transitions)
{
    return transitions->dropped;
}

static struct follower *follower_slot(const struct followers *followers, uint32_t item)
{
    uint32_t mask = followers->slots - 1;
    uint32_t slot = (uint32_t)splitmix64(item) & mask;
    while (followers->at[slot].item && followers->at[slot].item != item) {
        slot = (slot + 1) & mask;
    }
    return &followers->at[slot];
}

static bool grow_followers(struct followers *followers)
{
    struct followers grown = {.slots = followers->slots ? followers->slots * 2 : 4,
                              .count = followers->count};
    grown.at = calloc(grown.slots, sizeof *grown.at);
    if (!grown.at) return false;
    for (uint32_t i = 0; i < followers->slots; i++) {
        const struct follower *follower = &followers->at[i];
        if (follower->item) *follower_slot(&grown, follower->item) = *follower;
    }
    free(followers->at);
    *followers = grown;
    return true;
}

static void add_pair(struct transitions *transitions, uint32_t from, uint32_t to, float weight)
{
    struct followers *followers = &transitions->followers[from];
    struct follower *follower = followers->slots ? follower_slot(followers, to) : NULL;
    if (follower && follower->item) {
        follower->weight += weight;
        return;
    }
    bool full = (uint64_t)followers->count * 4 >= (uint64_t)followers->slots * 3;
    if (transitions->pairs == transitions->pairs_max || (full && !grow_followers(followers))) {
        transitions->dropped++;
        return;
    }
    *follower_slot(followers, to) = (struct follower){to, weight};
    followers->count++;
    transitions->pairs++;
}

/* A behavior counts for the items before it. */
static void transitions_observe(void *context, const struct dataset *dataset,
                                struct dataset_point point)
{
    struct transitions *transitions = context;
    const struct behavior *at = dataset_sequence(dataset, point.user).at + point.position;
    if (at->item < transitions->scores.first) return;
    transitions->popularity[at->item] += 1;
    for (uint32_t distance = 1; distance <= TRANSITIONS_WINDOW; distance++) {
        if (distance > point.position) break;
        uint32_t before = (at - distance)->item;
        if (before < transitions->scores.first || before == at->item) continue;
        add_pair(transitions, before, at->item, 1.0f / (float)distance);
    }
}

/* Adds the vote of one of the user's behaviors. */
static void vote(struct transitions *transitions, uint32_t item, double weight)
{
    const struct followers *followers = &transitions->followers[item];
    for (uint32_t i = 0; i < followers->slots; i++) {
        const struct follower *follower = &followers->at[i];
        if (!follower->item) continue;
        double norm = sqrt(transitions->popularity[item] * transitions->popularity[follower->item]);
        add_reason(&transitions->scores, follower->item,
                   (real)(weight * (double)follower->weight / norm));
    }
}

static enum status transitions_rank(void *context, const struct dataset *dataset,
                                    const struct ranker_query *queries, uint32_t count, uint32_t n,
                                    struct topn_list *lists, struct ranker_read *reads,
                                    struct error *error)
{
    struct transitions *transitions = context;
    struct scores *scores = &transitions->scores;
    (void)error;
    for (uint32_t i = 0; i < count; i++) {
        const struct behavior *at = dataset_sequence(dataset, queries[i].user).at;
        double weight = 1;
        forget_scores(scores);
        for (uint32_t back = 1; back <= TRANSITIONS_VOTERS && back <= queries[i].known; back++) {
            vote(transitions, at[queries[i].known - back].item, weight);
            weight *= VOTE_DECAY;
        }
        topn_of_scores(scores->at, scores->first, scores->rows, queries[i].excluded, n, &lists[i]);
        reads[i] = (struct ranker_read){0};
    }
    return STATUS_OK;
}

struct ranker transitions_ranker(struct transitions *transitions)
{
    return (struct ranker){"transitions", transitions, 1, transitions_observe, transitions_rank};
}

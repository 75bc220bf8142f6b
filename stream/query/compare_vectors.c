/* compare_vectors.c - two batches of the same users, and the few on whom they differ most. */
#include "stream/query/compare_vectors.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "base/escape.h"
#include "model/kernel/vector.h"
#include "stream/query/item_ranks.h"
#include "stream/query/moment.h"
#include "stream/query/user_batch.h"

/* One of the two jobs. */
struct side {
    const struct checkpoint *checkpoint;
    uint32_t history_max;
    struct interest_model *model;
    struct user_batch batch;
    struct item_ranks *ranks;
    struct item_desk *desk;
};

/* A user, and once it is compared by how much it differs. */
struct compared {
    char *id; /* [id_size_max] */
    uint32_t id_size;
    uint64_t events; /* behaviors that both have */
    uint32_t count[2];
    bool listed; /* the lists were compared */
    double overlap, cosine, difference;
};

struct compare_vectors {
    struct side sides[2];
    uint32_t id_size_max;
    char *ids; /* of all that follow */
    struct compared batch[USER_BATCH_MAX];
    struct compared worst[COMPARE_VECTORS_WORST]; /* the worst first */
    uint32_t worst_count;
    uint64_t lists_max, lists_left;       /* left: until fewer users get one */
    uint64_t hash_max;                    /* of a user who gets one, */
    double weight;                        /* and for how many it stands */
    double weights, overlaps;             /* sums over the lists */
    struct compare_vectors_report report; /* with sums in place of means */
};

static enum status open_vector_side(struct side *side, struct error *error)
{
    TRY(interest_model_open(&side->model, side->checkpoint, error));
    TRY(user_batch_open(&side->batch, side->model, error));
    TRY(item_ranks_open(&side->ranks, side->checkpoint, error));
    return item_desk_open(&side->desk, side->ranks, error);
}

static enum status open_sides(struct compare_vectors *vectors, struct error *error)
{
    const size_t size = vectors->id_size_max;
    vectors->ids = calloc(USER_BATCH_MAX + COMPARE_VECTORS_WORST, size);
    if (!vectors->ids) return error_set(error, STATUS_IO, "out of memory: comparing vectors");
    for (uint32_t u = 0; u < USER_BATCH_MAX; u++) {
        vectors->batch[u].id = vectors->ids + u * size;
    }
    for (uint32_t w = 0; w < COMPARE_VECTORS_WORST; w++) {
        vectors->worst[w].id = vectors->ids + (USER_BATCH_MAX + w) * size;
    }
    TRY(open_vector_side(&vectors->sides[0], error));
    TRY(open_vector_side(&vectors->sides[1], error));
    const struct interest_model *one = vectors->sides[0].model, *other = vectors->sides[1].model;
    vectors->report.least = 1;
    vectors->report.alike = strcmp(interest_model_name(one), interest_model_name(other)) == 0 &&
                            interest_model_width(one) == interest_model_width(other);
    return STATUS_OK;
}

enum status compare_vectors_open(struct compare_vectors **vectorsp,
                                 struct checkpoint *const checkpoints[2],
                                 struct config *const configs[2], uint64_t lists_max,
                                 struct error *error)
{
    *vectorsp = NULL;
    struct compare_vectors *vectors = calloc(1, sizeof *vectors);
    if (!vectors) return error_set(error, STATUS_IO, "out of memory: comparing vectors");
    vectors->lists_max = vectors->lists_left = lists_max;
    vectors->hash_max = UINT64_MAX;
    vectors->weight = 1;
    for (int s = 0; s < 2; s++) {
        vectors->sides[s].checkpoint = checkpoints[s];
        vectors->sides[s].history_max = configs[s]->state.history_max;
        const uint32_t size = configs[s]->source.id_size_max;
        if (size > vectors->id_size_max) vectors->id_size_max = size;
    }
    const enum status status = open_sides(vectors, error);
    if (status != STATUS_OK) {
        compare_vectors_close(vectors);
        return status;
    }
    *vectorsp = vectors;
    return STATUS_OK;
}

void compare_vectors_close(struct compare_vectors *vectors)
{
    if (!vectors) return;
    for (int s = 0; s < 2; s++) {
        struct side *side = &vectors->sides[s];
        item_desk_close(side->desk);
        item_ranks_close(side->ranks);
        user_batch_close(&side->batch);
        interest_model_close(side->model);
    }
    free(vectors->ids);
    free(vectors);
}

/* ---- two sets of interests ---- */

static double cosine_of_pair(const real *a, const real *b, uint32_t d)
{
    const double square = (double)vec_dot(a, a, d) * (double)vec_dot(b, b, d);
    return square > 0 ? (double)vec_dot(a, b, d) / sqrt(square) : 0;
}

/* The greatest difference of two elements; of `b` NULL: to zero. */
static double difference_of(const real *a, const real *b, uint32_t d)
{
    double most = 0;
    for (uint32_t i = 0; i < d; i++) {
        most = fmax(most, fabs((double)a[i] - (b ? (double)b[i] : 0)));
    }
    return most;
}

/* Takes the nearest pair of those left: its two members are marked and its cosine is returned. */
static double take_pair(const real *const sets[2], const uint32_t count[2], uint32_t d,
                        bool taken[2][TOPN_INTERESTS_MAX], uint32_t pair[2])
{
    double best = -2;
    for (uint32_t i = 0; i < count[0]; i++) {
        for (uint32_t j = 0; j < count[1] && !taken[0][i]; j++) {
            if (taken[1][j]) continue;
            const double cosine = cosine_of_pair(sets[0] + i * d, sets[1] + j * d, d);
            if (cosine <= best) continue;
            best = cosine;
            pair[0] = i;
            pair[1] = j;
        }
    }
    taken[0][pair[0]] = taken[1][pair[1]] = true;
    return best;
}

static void compare_sets(struct compared *user, const real *const sets[2], uint32_t d)
{
    bool taken[2][TOPN_INTERESTS_MAX] = {{false}};
    const uint32_t *count = user->count;
    const uint32_t pairs = count[0] < count[1] ? count[0] : count[1];
    const uint32_t most = count[0] < count[1] ? count[1] : count[0];
    double sum = most ? 0 : 1;
    for (uint32_t p = 0; p < pairs; p++) {
        uint32_t pair[2] = {0, 0};
        sum += take_pair(sets, count, d, taken, pair);
        user->difference =
            fmax(user->difference, difference_of(sets[0] + pair[0] * d, sets[1] + pair[1] * d, d));
    }
    for (int s = 0; s < 2; s++) {
        for (uint32_t i = 0; i < count[s]; i++) {
            if (taken[s][i]) continue;
            user->difference = fmax(user->difference, difference_of(sets[s] + i * d, NULL, d));
        }
    }
    user->cosine = most ? sum / most : sum;
}

/* ---- two lists ---- */

static bool list_has(const struct topn_list *list, uint32_t row)
{
    for (uint32_t i = 0; i < list->count; i++) {
        if (list->at[i].row == row) return true;
    }
    return false;
}

static void compare_lists(struct compare_vectors *vectors, struct compared *user,
                          const real *const sets[2])
{
    struct topn_list lists[2];
    uint32_t both = 0;
    for (int s = 0; s < 2; s++) {
        const struct list_wanted wanted = {
            .vectors = sets[s], .count = user->count[s], .top = COMPARE_VECTORS_LIST};
        lists[s] = item_ranks_list(vectors->sides[s].ranks, vectors->sides[s].desk, &wanted);
    }
    for (uint32_t i = 0; i < lists[0].count; i++) {
        const struct bytes id =
            item_table_id(vectors->sides[0].checkpoint->items, lists[0].at[i].row);
        const uint32_t row =
            item_table_find(vectors->sides[1].checkpoint->items, identity_of(id.at, id.size));
        both += row && list_has(&lists[1], row);
    }
    const uint32_t most = lists[0].count > lists[1].count ? lists[0].count : lists[1].count;
    user->overlap = most ? (double)both / most : 1;
}

/* Compares the lists, if this user is one of those who get one. */
static void sample_lists(struct compare_vectors *vectors, struct compared *user,
                         const real *const sets[2])
{
    if (splitmix64(identity_of(user->id, user->id_size)) > vectors->hash_max) return;
    compare_lists(vectors, user, sets);
    user->listed = true;
    vectors->report.lists++;
    vectors->weights += vectors->weight;
    vectors->overlaps += vectors->weight * user->overlap;
    if (--vectors->lists_left > 0) return;
    vectors->lists_left = vectors->lists_max;
    vectors->hash_max /= 2;
    vectors->weight *= 2;
}

/* ---- users ---- */

/* Lists first, since they can be compared of any two models. */
static bool is_worse(const struct compared *one, const struct compared *other)
{
    if (one->overlap != other->overlap) return one->overlap < other->overlap;
    return one->cosine < other->cosine;
}

static void keep_among_worst(struct compare_vectors *vectors, const struct compared *user)
{
    struct compared *worst = vectors->worst;
    uint32_t at = vectors->worst_count;
    while (at > 0 && is_worse(user, &worst[at - 1]))
        at--;
    if (at == COMPARE_VECTORS_WORST) return;
    if (vectors->worst_count < COMPARE_VECTORS_WORST) vectors->worst_count++;
    char *id = worst[vectors->worst_count - 1].id;
    memmove(worst + at + 1, worst + at, (vectors->worst_count - 1 - at) * sizeof *worst);
    memcpy(id, user->id, user->id_size);
    worst[at] = *user;
    worst[at].id = id;
}

static void compare_interests(struct compare_vectors *vectors, uint32_t u)
{
    struct compare_vectors_report *report = &vectors->report;
    struct compared *user = &vectors->batch[u];
    const real *sets[2];
    for (int s = 0; s < 2; s++) {
        const struct side *side = &vectors->sides[s];
        const size_t stride =
            (size_t)interest_model_count(side->model) * interest_model_width(side->model);
        user->count[s] = side->batch.sets.count[u];
        sets[s] = side->batch.sets.vectors + u * stride;
    }
    const uint32_t d = interest_model_width(vectors->sides[0].model);
    const bool equal = report->alike && user->count[0] == user->count[1] &&
                       memcmp(sets[0], sets[1], (size_t)user->count[0] * d * sizeof **sets) == 0;
    const bool same_items =
        vectors->sides[0].checkpoint->fingerprint == vectors->sides[1].checkpoint->fingerprint;
    user->overlap = user->cosine = 1;
    user->difference = 0;
    user->listed = false;
    if (report->alike && !equal) compare_sets(user, sets, d);
    if (!equal || !same_items) sample_lists(vectors, user, sets);
    if (user->listed && (!equal || user->overlap < 1)) keep_among_worst(vectors, user);
    report->users++;
    report->equal += equal && same_items;
    report->cosine += user->cosine;
    report->least = fmin(report->least, user->cosine);
    report->difference = fmax(report->difference, user->difference);
}

static void compare_batch(struct compare_vectors *vectors)
{
    const uint32_t count = user_batch_run(&vectors->sides[0].batch);
    REQUIRE(user_batch_run(&vectors->sides[1].batch) == count);
    for (uint32_t u = 0; u < count; u++) {
        compare_interests(vectors, u);
    }
}

/* Where the fold of the first `end` behaviors begins; false if some of those from there are gone. */
static bool fold_begins(const struct side *side, const struct history_user *user, uint64_t end,
                        uint64_t *fromp)
{
    const struct history *newest = &user->newest->history;
    struct moment moment = {0};
    for (const struct user_chunk *chunk = user->oldest; chunk; chunk = chunk->next) {
        moment_add(&moment, &chunk->history, MOMENT_NOW);
    }
    *fromp = end == history_events(newest) ? newest->from
                                           : history_from(newest->start, end, side->history_max);
    return newest->start < end && *fromp < end && *fromp >= moment.oldest;
}

static bool has_history(const struct history_user *user)
{
    return user && user->newest && !history_is_gone(&user->newest->history);
}

void compare_vectors_take(struct compare_vectors *vectors, const struct history_user *one,
                          const struct history_user *other)
{
    uint64_t from[2];
    if (!has_history(one) || !has_history(other)) return;
    const uint64_t events = history_events(&one->newest->history);
    const uint64_t others = history_events(&other->newest->history);
    const uint64_t end = events < others ? events : others;
    if (!fold_begins(&vectors->sides[0], one, end, &from[0]) ||
        !fold_begins(&vectors->sides[1], other, end, &from[1])) {
        vectors->report.cut++;
        return;
    }
    struct compared *user = &vectors->batch[vectors->sides[0].batch.count];
    user->events = end;
    user->id_size = (uint32_t)one->id.size;
    if (user->id_size > vectors->id_size_max) user->id_size = vectors->id_size_max;
    memcpy(user->id, one->id.at, user->id_size);
    user_batch_add(&vectors->sides[0].batch, one, from[0], end);
    user_batch_add(&vectors->sides[1].batch, other, from[1], end);
    if (vectors->sides[0].batch.count == USER_BATCH_MAX) compare_batch(vectors);
}

/* ---- all of them ---- */

static void print_worst(const struct compare_vectors *vectors, const struct compared *user,
                        FILE *out)
{
    fputs("differs: user '", out);
    print_escaped(out, (struct bytes){user->id, user->id_size});
    fprintf(out, "': n=%" PRIu64 ", %.0f %% of the lists in common", user->events,
            100 * user->overlap);
    if (vectors->report.alike) {
        fprintf(out, ", cosine %.3f, by at most %.3g", user->cosine, user->difference);
    }
    fprintf(out, ", %u and %u interests\n", user->count[0], user->count[1]);
}

void compare_vectors_finish(struct compare_vectors *vectors, FILE *out,
                            struct compare_vectors_report *report)
{
    compare_batch(vectors);
    for (uint32_t w = 0; w < vectors->worst_count; w++) {
        print_worst(vectors, &vectors->worst[w], out);
    }
    *report = vectors->report;
    if (report->users == 0) return;
    const double differ = (double)(report->users - report->equal);
    report->overlap = (double)report->equal;
    if (differ > 0) report->overlap += differ * vectors->overlaps / vectors->weights;
    report->overlap /= (double)report->users;
    report->cosine /= (double)report->users;
}

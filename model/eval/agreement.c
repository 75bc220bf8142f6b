/* agreement.c - labels of items and of behaviors, and their mutual information with categories. */
#include "model/eval/agreement.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "model/interest_explain.h"
#include "model/interest_ops.h"

enum { SHUFFLE_SEED = 1 };

/* ---- mutual information ---- */

static int compare_keys(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Entropy, in nats, of the values of `keys`, which are sorted. */
static double entropy_of(uint64_t *keys, uint32_t count)
{
    double entropy = 0;
    qsort(keys, count, sizeof *keys, compare_keys);
    for (uint32_t from = 0, to; from < count; from = to) {
        for (to = from; to < count && keys[to] == keys[from]; to++) {
        }
        const double share = (double)(to - from) / count;
        entropy -= share * log(share);
    }
    return entropy;
}

double agreement_nmi(const uint32_t *a, const uint32_t *b, uint32_t count, uint64_t *room)
{
    double entropy[3];
    for (uint32_t of = 0; of < 3; of++) {
        for (uint32_t i = 0; i < count; i++) {
            room[i] = (of == 1 ? 0 : (uint64_t)a[i] << 32) | (of == 0 ? 0 : b[i]);
        }
        entropy[of] = entropy_of(room, count);
    }
    const double both = entropy[0] + entropy[1];
    const double shared = both - entropy[2];
    return both > 0 && shared > 0 ? 2 * shared / both : 0;
}

/* ---- labels ---- */

/* Labels of things beside their categories, and room to compare them. */
struct labels {
    uint32_t *label;
    uint32_t *category;
    uint64_t *room;
    uint32_t count;
};

static bool labels_open(struct labels *labels, uint32_t most)
{
    labels->label = calloc(most + (size_t)1, sizeof *labels->label);
    labels->category = calloc(most + (size_t)1, sizeof *labels->category);
    labels->room = calloc(most + (size_t)1, sizeof *labels->room);
    return labels->label && labels->category && labels->room;
}

static void labels_close(struct labels *labels)
{
    free(labels->label);
    free(labels->category);
    free(labels->room);
}

static void labels_add(struct labels *labels, uint32_t label, uint32_t category)
{
    if (category == 0) return;
    labels->label[labels->count] = label;
    labels->category[labels->count++] = category;
}

static void shuffle_labels(struct labels *labels, struct random *random)
{
    for (uint32_t i = labels->count; i > 1; i--) {
        const uint32_t j = (uint32_t)random_below(random, i);
        const uint32_t kept = labels->label[i - 1];
        labels->label[i - 1] = labels->label[j];
        labels->label[j] = kept;
    }
}

static bool varies(const uint32_t *values, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) {
        if (values[i] != values[0]) return true;
    }
    return false;
}

/* Adds the labels' agreement to the sums of a part. */
static void part_add(struct agreement_part *part, struct labels *labels, struct random *random)
{
    part->nmi += agreement_nmi(labels->label, labels->category, labels->count, labels->room);
    shuffle_labels(labels, random);
    part->chance += agreement_nmi(labels->label, labels->category, labels->count, labels->room);
}

static enum status agreement_no_memory(struct error *error)
{
    return error_set(error, STATUS_IO, "not enough memory to compare interests and categories");
}

bool agreement_level(const struct item_table *items, uint32_t level, uint32_t *category)
{
    bool any = false;
    REQUIRE(level < TAGS_MAX);
    for (uint32_t row = 0; row < item_table_rows(items); row++) {
        category[row] = item_table_categories_of(items, row).rows[level];
        any = any || category[row];
    }
    return any;
}

/* ---- groups of items ---- */

struct grouping {
    const struct interest_model *model;
    const uint32_t *category;
    struct arena arena;
    struct labels labels;
};

/* One tile of items after another, each as a behavior that comes first. */
static void group_items(void *context)
{
    struct grouping *grouping = context;
    const struct interest_model *model = grouping->model;
    const struct item_table *items = interest_model_items(model);
    const uint32_t rows = item_table_rows(items), tile = model->tile_events;
    const uint32_t first = 1 + item_table_oov(items);
    const uint32_t *categories = item_table_item_categories(items);
    struct tape tape = {.arena = &grouping->arena};
    for (uint32_t from = first; from < rows; from += tile) {
        const uint32_t count = rows - from < tile ? rows - from : tile;
        struct behavior *at = arena_take(&grouping->arena, count * sizeof *at);
        uint32_t *group = arena_take(&grouping->arena, count * sizeof *group);
        for (uint32_t i = 0; i < count; i++) {
            at[i] = (struct behavior){
                .item = from + i, .category = categories[from + i - first], .gap_s = -1};
        }
        const uint32_t offsets[] = {0, count};
        const struct behavior_batch batch = {at, offsets, 1};
        model->ops->group->of(&tape, model, &batch, group);
        for (uint32_t i = 0; i < count; i++) {
            labels_add(&grouping->labels, group[i], grouping->category[from + i]);
        }
        arena_release(&grouping->arena, 0);
    }
}

/* How many values there are; `room` is used up. */
static uint32_t distinct_labels(const struct labels *labels)
{
    uint32_t distinct = 0;
    for (uint32_t i = 0; i < labels->count; i++) {
        labels->room[i] = labels->label[i];
    }
    qsort(labels->room, labels->count, sizeof *labels->room, compare_keys);
    for (uint32_t i = 0; i < labels->count; i++) {
        distinct += i == 0 || labels->room[i] != labels->room[i - 1];
    }
    return distinct;
}

static enum status measure_items(struct agreement *agreement, const struct interest_model *model,
                                 const uint32_t *category, struct error *error)
{
    enum { GROUPING_SIZE = 1 << 22 };
    struct grouping grouping = {.model = model, .category = category};
    struct random random = random_seeded(SHUFFLE_SEED);
    if (!model->ops->group) return STATUS_OK;
    agreement->groups = model->ops->group->count(&model->dims);
    enum status status = arena_open_growing(&grouping.arena, GROUPING_SIZE, error);
    if (status == STATUS_OK &&
        !labels_open(&grouping.labels, item_table_rows(interest_model_items(model)))) {
        status = agreement_no_memory(error);
    }
    if (status == STATUS_OK) status = arena_try(&grouping.arena, group_items, &grouping, error);
    if (status == STATUS_OK && grouping.labels.count > 0) {
        agreement->items.count = grouping.labels.count;
        agreement->groups_used = distinct_labels(&grouping.labels);
        part_add(&agreement->items, &grouping.labels, &random);
    }
    labels_close(&grouping.labels);
    arena_close(&grouping.arena);
    return status;
}

/* ---- behaviors of users ---- */

/* The interest of the greatest share; `count` if there is none. */
static uint32_t greatest_share(const real *shares, uint32_t count)
{
    uint32_t best = count;
    for (uint32_t k = 0; k < count; k++) {
        if (shares[k] > (best < count ? shares[best] : 0)) best = k;
    }
    return best;
}

/* What it takes to explain one user after another. */
struct explained_users {
    struct interest_explainer *explainer;
    struct labels labels;
    real *shares; /* [longest][K] */
};

static void label_user(struct explained_users *users, const struct interest_model *model,
                       struct dataset_sequence sequence, uint32_t known, const uint32_t *category)
{
    const uint32_t interests = interest_model_count(model);
    interest_explainer_begin(users->explainer);
    REQUIRE(interest_explainer_absorb(users->explainer, sequence.at, known));
    const uint32_t live = interest_explainer_read(users->explainer, users->shares);
    users->labels.count = 0;
    for (uint32_t i = 0; i < known; i++) {
        const uint32_t label = greatest_share(users->shares + (size_t)i * interests, live);
        if (label < live) labels_add(&users->labels, label, category[sequence.at[i].item]);
    }
}

static enum status explained_users_open(struct explained_users *users,
                                        const struct interest_model *model, uint32_t longest,
                                        struct error *error)
{
    TRY(interest_explainer_open(&users->explainer, model, longest, error));
    users->shares = calloc(longest, interest_model_count(model) * sizeof *users->shares);
    if (labels_open(&users->labels, longest) && users->shares) return STATUS_OK;
    return agreement_no_memory(error);
}

static void measure_users(struct agreement_part *part, struct explained_users *users,
                          const struct interest_model *model, const struct dataset *dataset,
                          const uint32_t *known, uint32_t users_max, const uint32_t *category)
{
    struct random random = random_seeded(SHUFFLE_SEED);
    for (uint32_t user = 0; user < dataset_users(dataset) && part->count < users_max; user++) {
        if (known[user] == 0) continue;
        label_user(users, model, dataset_sequence(dataset, user), known[user], category);
        if (!varies(users->labels.category, users->labels.count)) continue;
        part_add(part, &users->labels, &random);
        part->count++;
    }
    if (part->count == 0) return;
    part->nmi /= part->count;
    part->chance /= part->count;
}

enum status agreement_measure(struct agreement *agreement, const struct interest_model *model,
                              const struct dataset *dataset, const uint32_t *known,
                              uint32_t users_max, const uint32_t *category, struct error *error)
{
    *agreement = (struct agreement){0};
    TRY(measure_items(agreement, model, category, error));
    if (!interest_explains(model) || dataset_longest(dataset) == 0) return STATUS_OK;
    struct explained_users users = {0};
    const enum status status = explained_users_open(&users, model, dataset_longest(dataset), error);
    if (status == STATUS_OK) {
        measure_users(&agreement->users, &users, model, dataset, known, users_max, category);
    }
    interest_explainer_close(users.explainer);
    labels_close(&users.labels);
    free(users.shares);
    return status;
}

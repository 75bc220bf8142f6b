/* interest_explain.c - folds one user while noting what its behaviors weigh in a read. */
#include "model/interest_explain.h"

#include <stdlib.h>
#include <string.h>

#include "model/interest_ops.h"
#include "model/tensor/float_mode.h"

enum {
    EXPLAIN_MEASURE_SIZE = 1 << 22
}; /* bytes, of the pass that measures; more if it needs more */

struct interest_explainer {
    const struct interest_model *model;
    const struct explain_ops *ops;
    struct arena arena; /* of a pass */
    real *state;
    struct explain_notes notes;
    uint32_t behaviors_max;
};

static const struct explain_ops *explain_of(const struct interest_model *model)
{
    return model->ops->explain ? model->ops->explain(&model->dims) : NULL;
}

bool interest_explains(const struct interest_model *model)
{
    return explain_of(model) != NULL;
}

/* One tile of behaviors. */
static void absorb_tile(struct interest_explainer *explainer, const struct behavior *at,
                        uint32_t count)
{
    const struct interest_model *model = explainer->model;
    struct tape tape = {.arena = &explainer->arena};
    const uint32_t offsets[] = {0, count};
    const struct behavior_batch batch = {at, offsets, 1};
    if (explainer->ops->absorb) {
        explainer->ops->absorb(&tape, model, &explainer->state, &batch, &explainer->notes);
    } else {
        model->ops->absorb(&tape, model, &explainer->state, &batch);
    }
    explainer->notes.count += count;
    arena_release(&explainer->arena, 0);
}

void interest_explainer_begin(struct interest_explainer *explainer)
{
    interest_state_init(explainer->model, explainer->state);
    explainer->notes.count = 0;
}

bool interest_explainer_absorb(struct interest_explainer *explainer, const struct behavior *at,
                               uint32_t count)
{
    if (count > explainer->behaviors_max - explainer->notes.count) return false;
    const unsigned mode = float_mode_enter();
    const uint32_t tile = explainer->model->tile_events;
    for (uint32_t done = 0; done < count; done += tile) {
        absorb_tile(explainer, at + done, count - done < tile ? count - done : tile);
    }
    float_mode_leave(mode);
    return true;
}

uint32_t interest_explainer_count(const struct interest_explainer *explainer)
{
    return explainer->notes.count;
}

/* Which of the K interests that were read are published, in order. */
static uint32_t choose_published(struct interest_explainer *explainer, uint32_t *chosen)
{
    const struct interest_model *model = explainer->model;
    struct tape tape = {.arena = &explainer->arena};
    const real *states[] = {explainer->state};
    real weights[INTERESTS_MAX];
    const struct interest_reads reads = model->ops->read(&tape, model, states, 1);
    const struct user_read read =
        interest_user_read(&tape, model, &reads, 0, explainer->notes.count);
    const uint32_t count = interest_choose(model, &read, chosen, weights);
    arena_release(&explainer->arena, 0);
    return count;
}

/* 1 by the sum of the magnitudes of column k; 0 without any. */
static double unit_share(const real *weights, uint32_t rows, uint32_t cols, uint32_t k)
{
    double sum = 0;
    for (uint32_t i = 0; i < rows; i++) {
        const double weight = (double)weights[(size_t)i * cols + k];
        sum += weight < 0 ? -weight : weight;
    }
    return sum > 0 ? 1 / sum : 0;
}

/* Weights [rows][cols] in the order of the read become shares in the published order, in place. */
static void publish_shares(real *weights, uint32_t rows, uint32_t cols, const uint32_t *chosen,
                           uint32_t count)
{
    double scale[INTERESTS_MAX];
    real row[INTERESTS_MAX];
    for (uint32_t k = 0; k < count; k++) {
        scale[k] = unit_share(weights, rows, cols, chosen[k]);
    }
    for (uint32_t i = 0; i < rows; i++) {
        real *to = weights + (size_t)i * cols;
        memcpy(row, to, cols * sizeof *row);
        for (uint32_t k = 0; k < cols; k++) {
            to[k] = k < count ? (real)((double)row[chosen[k]] * scale[k]) : 0;
        }
    }
}

uint32_t interest_explainer_read(struct interest_explainer *explainer, real *shares)
{
    const uint32_t behaviors = explainer->notes.count;
    const uint32_t interests = explainer->model->dims.interests;
    if (behaviors == 0) return 0;
    const unsigned mode = float_mode_enter();
    struct tape tape = {.arena = &explainer->arena};
    uint32_t chosen[INTERESTS_MAX];
    const uint32_t count = choose_published(explainer, chosen);
    memset(shares, 0, (size_t)behaviors * interests * sizeof *shares);
    explainer->ops->weigh(&tape, explainer->model, explainer->state, &explainer->notes, shares);
    arena_release(&explainer->arena, 0);
    publish_shares(shares, behaviors, interests, chosen, count);
    float_mode_leave(mode);
    return count;
}

/* An explainer that is measured, and what goes through it. */
struct explain_measuring {
    struct interest_explainer *explainer;
    const struct behavior *padding; /* [count] */
    uint32_t count;
    real *shares; /* [count][K] */
};

static void explain_once(void *context)
{
    const struct explain_measuring *measuring = context;
    interest_explainer_begin(measuring->explainer);
    REQUIRE(interest_explainer_absorb(measuring->explainer, measuring->padding, measuring->count));
    interest_explainer_read(measuring->explainer, measuring->shares);
}

/* Opens the arena: as large as a full tile, and a full window, take. */
static enum status open_explain_arena(struct interest_explainer *explainer, struct error *error)
{
    const struct interest_model *model = explainer->model;
    const uint32_t window = model->dims.window, tile = model->tile_events;
    const uint32_t full = window > tile ? window : tile, most = explainer->behaviors_max;
    const uint32_t count = full < most ? full : most;
    struct behavior *padding = calloc(count, sizeof *padding);
    real *shares = calloc(count, model->dims.interests * sizeof *shares);
    struct explain_measuring measuring = {explainer, padding, count, shares};
    enum status status = STATUS_OK;
    if (!padding || !shares) status = error_set(error, STATUS_IO, "out of memory: an explainer");
    for (uint32_t i = 0; status == STATUS_OK && i < count; i++) {
        padding[i].ordinal = ORDINAL_OF_ALL;
    }
    if (status == STATUS_OK) {
        status = arena_open_growing(&explainer->arena, EXPLAIN_MEASURE_SIZE, error);
    }
    if (status == STATUS_OK) {
        status = arena_try(&explainer->arena, explain_once, &measuring, error);
    }
    const size_t peak = explainer->arena.peak;
    arena_close(&explainer->arena);
    if (status == STATUS_OK) status = arena_open(&explainer->arena, peak, error);
    free(padding);
    free(shares);
    return status;
}

enum status interest_explainer_open(struct interest_explainer **explainerp,
                                    const struct interest_model *model, uint32_t behaviors_max,
                                    struct error *error)
{
    *explainerp = NULL;
    const struct explain_ops *ops = explain_of(model);
    if (!ops) {
        return error_set(error, STATUS_INVALID,
                         "what %s reads is no sum over behaviors: it does not tell what its "
                         "interests are made of",
                         interest_model_name(model));
    }
    struct interest_explainer *explainer = calloc(1, sizeof *explainer);
    if (!explainer) return error_set(error, STATUS_IO, "out of memory: an explainer");
    explainer->model = model;
    explainer->ops = ops;
    explainer->behaviors_max = behaviors_max;
    explainer->notes.each = ops->noted ? ops->noted(&model->dims) : 0;
    explainer->notes.at = calloc(behaviors_max, (explainer->notes.each + 1) * sizeof(real));
    explainer->state = arena_block(interest_model_state_size(model));
    enum status status = STATUS_OK;
    if (!explainer->notes.at || !explainer->state) {
        status = error_set(error, STATUS_IO, "out of memory: an explainer of %u behaviors",
                           behaviors_max);
    }
    if (status == STATUS_OK) status = open_explain_arena(explainer, error);
    if (status != STATUS_OK) {
        interest_explainer_close(explainer);
        return status;
    }
    interest_explainer_begin(explainer);
    *explainerp = explainer;
    return STATUS_OK;
}

void interest_explainer_close(struct interest_explainer *explainer)
{
    if (!explainer) return;
    arena_close(&explainer->arena);
    free(explainer->notes.at);
    free(explainer->state);
    free(explainer);
}

/*
 * lru.c - linear recurrent units, in the layout of LRURec (models.md 5.11).
 *
 * A block turns and shrinks each of its complex coordinates at a rate of its own and adds the
 * event; feed-forward layers and norms follow. What is read is the newest hidden vector (extract
 * heads = 0), or, as with limarec, K queries of an extractor over all of them.
 */
#include <stdlib.h>

#include "model/tensor/op_activation.h"
#include "model/tensor/op_ring.h"
#include "model/zoo/layers.h"

struct block {
    struct linear input;
    struct ring ring;
    struct linear output;
    struct norm norm;
    struct feed_forward feed_forward;
};

struct lru {
    struct norm input_norm;
    struct block blocks[BLOCKS_MAX];
    bool extracts;
    struct extractor extractor; /* if it extracts */
    size_t last_at;             /* else: reals before the newest hidden vector in a state */
};

static enum status lru_check(const struct model_dims *dims, struct error *error)
{
    if (dims->blocks < 1 || dims->width < 1 || dims->ffn < 1) {
        return error_set(error, STATUS_INVALID,
                         "blocks = %u, width = %u, ffn = %u: lru needs at least 1 of each",
                         dims->blocks, dims->width, dims->ffn);
    }
    if (dims->extract_heads > 0 && dims->d % dims->extract_heads != 0) {
        return error_set(error, STATUS_INVALID, "extract_heads = %u: must divide d = %u",
                         dims->extract_heads, dims->d);
    }
    if (dims->extract_heads == 0 && (dims->interests != 1 || dims->conditional || dims->select)) {
        return error_set(error, STATUS_INVALID,
                         "interests = %u, conditional = %s, select = %s: lru reads one vector, its "
                         "newest, unless it has extract_heads",
                         dims->interests, dims->conditional ? "true" : "false",
                         dims->select ? "true" : "false");
    }
    return STATUS_OK;
}

static void lru_declare_block(struct param_set *params, const struct model_dims *dims, uint32_t b)
{
    const uint32_t d = dims->d, n = dims->width;
    param_declare(params, param_matrix(2 * n, d), "block.%u.input.weight", b);
    param_declare(params, param_vector(PARAM_ZEROS, 2 * n), "block.%u.input.bias", b);
    param_declare(params, param_vector(PARAM_RING_DECAY, n), "block.%u.recurrence.decay", b);
    param_declare(params, param_vector(PARAM_RING_PHASE, n), "block.%u.recurrence.phase", b);
    param_declare(params, param_vector(PARAM_RING_GAIN, n), "block.%u.recurrence.gain", b);
    param_declare(params, param_matrix(d, 2 * n), "block.%u.output.weight", b);
    param_declare(params, param_vector(PARAM_ZEROS, d), "block.%u.output.bias", b);
    norm_declare(params, d, "block.%u.recurrence_norm", b);
    feed_forward_declare(params, dims, b);
}

static void lru_declare(struct param_set *params, const struct model_dims *dims)
{
    norm_declare(params, dims->d, "input_norm");
    for (uint32_t b = 0; b < dims->blocks; b++) {
        lru_declare_block(params, dims, b);
    }
    if (dims->extract_heads > 0) extractor_declare(params, dims);
}

static void lru_layout(struct state_layout *layout, const struct model_dims *dims)
{
    for (uint32_t b = 0; b < dims->blocks; b++) {
        state_layout_add(layout, 2 * (size_t)dims->width, "block.%u.h", b);
    }
    if (dims->extract_heads > 0) {
        extractor_layout(layout, dims);
    } else {
        layout->read_from = layout->size;
        state_layout_add(layout, dims->d, "last");
    }
}

static enum status lru_open_block(struct block *block, const struct interest_model *model,
                                  uint32_t b, struct error *error)
{
    const struct param_set *params = model->checkpoint->params;
    block->norm = norm_of(params, "block.%u.recurrence_norm", b);
    TRY(layer_open(&block->input, params, error, "block.%u.input", b));
    TRY(ring_open(&block->ring, param_set_get(params, "block.%u.recurrence.decay", b),
                  param_set_get(params, "block.%u.recurrence.phase", b),
                  param_set_get(params, "block.%u.recurrence.gain", b),
                  state_layout_at(&model->state, "block.%u.h", b), error));
    TRY(layer_open(&block->output, params, error, "block.%u.output", b));
    return feed_forward_open(&block->feed_forward, params, b, error);
}

static void lru_close(struct interest_model *model)
{
    struct lru *lru = model->zoo;
    if (!lru) return;
    for (uint32_t b = 0; b < BLOCKS_MAX; b++) {
        linear_close(&lru->blocks[b].input);
        ring_close(&lru->blocks[b].ring);
        linear_close(&lru->blocks[b].output);
        feed_forward_close(&lru->blocks[b].feed_forward);
    }
    extractor_close(&lru->extractor);
    free(lru);
}

static enum status lru_open(struct interest_model *model, struct error *error)
{
    struct lru *lru = calloc(1, sizeof *lru);
    if (!lru) return error_set(error, STATUS_IO, "out of memory for the model");
    model->zoo = lru;
    lru->input_norm = norm_of(model->checkpoint->params, "input_norm");
    lru->extracts = model->dims.extract_heads > 0;
    enum status status = STATUS_OK;
    if (lru->extracts) {
        status = extractor_open(&lru->extractor, model, error);
    } else {
        lru->last_at = state_layout_at(&model->state, "last");
    }
    for (uint32_t b = 0; status == STATUS_OK && b < model->dims.blocks; b++) {
        status = lru_open_block(&lru->blocks[b], model, b, error);
    }
    if (status != STATUS_OK) lru_close(model);
    return status;
}

/* The hidden vector of each event [events, d]. */
static struct tensor *lru_hidden(struct tape *tape, const struct interest_model *model,
                                 real *const *states, const struct behavior_batch *batch)
{
    const struct lru *lru = model->zoo;
    struct tensor *u = op_dropout(tape, op_embed(tape, &model->tables, batch));
    u = norm_apply(tape, &lru->input_norm, u);
    for (uint32_t b = 0; b < model->dims.blocks; b++) {
        const struct block *block = &lru->blocks[b];
        const struct feed_forward *layers = &block->feed_forward;
        struct tensor *h =
            op_ring(tape, &block->ring, op_linear(tape, &block->input, u), states, batch);
        u = op_add(tape, u, op_dropout(tape, op_linear(tape, &block->output, h)));
        u = norm_apply(tape, &block->norm, u);
        struct tensor *hidden = op_gelu(tape, op_linear(tape, &layers->up, u));
        u = op_add(tape, u, op_dropout(tape, op_linear(tape, &layers->down, hidden)));
        u = norm_apply(tape, &layers->norm, u);
    }
    return u;
}

static void lru_absorb(struct tape *tape, const struct interest_model *model, real *const *states,
                       const struct behavior_batch *batch)
{
    const struct lru *lru = model->zoo;
    struct tensor *y = lru_hidden(tape, model, states, batch);
    if (lru->extracts) {
        extractor_absorb(tape, &lru->extractor, y, states, batch);
    } else {
        op_keep_last(tape, y, lru->last_at, states, batch);
    }
}

static struct interest_reads lru_read(struct tape *tape, const struct interest_model *model,
                                      const real *const *states, uint32_t users)
{
    const struct lru *lru = model->zoo;
    if (lru->extracts) return extractor_read(tape, &lru->extractor, states, users);
    return (struct interest_reads){.vectors =
                                       op_state(tape, lru->last_at, model->dims.d, states, users)};
}

static struct interest_reads lru_steps(struct tape *tape, const struct interest_model *model,
                                       const struct behavior_batch *batch,
                                       const struct read_points *points)
{
    const struct lru *lru = model->zoo;
    struct tensor *y = lru_hidden(tape, model, NULL, batch);
    if (lru->extracts) return extractor_steps(tape, &lru->extractor, y, batch, points);
    return (struct interest_reads){.vectors = op_rows(tape, y, points->events, points->count)};
}

static void lru_note(struct tape *tape, const struct interest_model *model, real *const *states,
                     const struct behavior_batch *batch, const struct explain_notes *notes)
{
    const struct lru *lru = model->zoo;
    struct tensor *y = lru_hidden(tape, model, states, batch);
    extractor_note(tape, &lru->extractor, y, states, batch, notes);
}

static void lru_weigh(struct tape *tape, const struct interest_model *model, const real *state,
                      const struct explain_notes *notes, real *weights)
{
    const struct lru *lru = model->zoo;
    extractor_weigh(tape, &lru->extractor, state, notes, weights);
}

/* The newest hidden vector alone is no sum. */
static const struct explain_ops *lru_explain(const struct model_dims *dims)
{
    static const struct explain_ops ops = {extractor_noted, lru_note, lru_weigh};
    return dims->extract_heads > 0 ? &ops : NULL;
}

const struct interest_ops lru_ops = {
    .name = "lru",
    .paper = "Yue et al., Linear Recurrent Units for Sequential Recommendation, WSDM 2024, "
             "arXiv 2310.02367",
    .defaults = {.d = 64,
                 .blocks = 2,
                 .ffn = 256,
                 .interests = 1,
                 .use_category = true,
                 .use_gap = true,
                 .gap_buckets = 32,
                 .temperature = 0.1f,
                 .width = 128},
    .selectable = true,
    .check = lru_check,
    .declare = lru_declare,
    .layout = lru_layout,
    .open = lru_open,
    .close = lru_close,
    .absorb = lru_absorb,
    .read = lru_read,
    .steps = lru_steps,
    .explain = lru_explain,
    .live = skeleton_live,
};

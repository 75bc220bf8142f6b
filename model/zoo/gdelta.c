/*
 * gdelta.c - gated delta rule in event time (models.md 5.2).
 *
 * LimaRec's skeleton (blocks of attention and feed-forward layers, an extractor, K queries), whose
 * sums become associative memories: each event fades what is there, by the time that has passed and
 * by its own judgement, and corrects what the memory answers for its key. All that is kept of a
 * user are these memories and, for the conditional read, the newest hidden vector.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/kernel/vector.h"
#include "model/tensor/op_activation.h"
#include "model/tensor/op_delta.h"
#include "model/zoo/layers.h"

/* A memory and what decides how events are written into it. */
struct gated_memory {
    struct delta_memory memory;
    struct linear write;
    struct linear forget;
};

struct block {
    struct norm norm;
    struct linear query_key_value;
    struct gated_memory gated;
    struct linear gate;
    const struct param *read_norm;
    struct linear output;
    struct feed_forward feed_forward;
};

struct gdelta {
    struct block blocks[BLOCKS_MAX];
    struct norm final_norm;
    struct linear extract_key_value;
    struct gated_memory extract;
    const struct param *extract_read_norm;
    struct queries queries;
};

/* ---- gated memories: PREFIX.s in the state, PREFIX.write, .decay and .forget ---- */

static void gated_memory_declare(struct param_set *params, const char *prefix, uint32_t heads,
                                 uint32_t d)
{
    const struct param_spec forget_bias = {
        .init = PARAM_FILL, .value = -4, .rank = 1, .shape = {heads}};
    param_declare(params, param_matrix(heads, d), "%s.write.weight", prefix);
    param_declare(params, param_vector(PARAM_ZEROS, heads), "%s.write.bias", prefix);
    param_declare(params, param_vector(PARAM_DECAY, heads), "%s.decay", prefix);
    param_declare(params, param_matrix(heads, d), "%s.forget.weight", prefix);
    param_declare(params, forget_bias, "%s.forget.bias", prefix);
}

static enum status gated_memory_open(struct gated_memory *gated, const struct interest_model *model,
                                     const char *prefix, uint32_t heads, struct error *error)
{
    const struct param_set *params = model->checkpoint->params;
    gated->memory = (struct delta_memory){
        .heads = heads,
        .width = model->dims.d / heads,
        .at = state_layout_at(&model->state, "%s.s", prefix),
        .decay = param_set_get(params, "%s.decay", prefix),
    };
    TRY(layer_open(&gated->write, params, error, "%s.write", prefix));
    return layer_open(&gated->forget, params, error, "%s.forget", prefix);
}

static void gated_memory_close(struct gated_memory *gated)
{
    linear_close(&gated->write);
    linear_close(&gated->forget);
}

/* How the events y [events, d] are to be written. */
static struct tensor *gated_memory_gates(struct tape *tape, const struct gated_memory *gated,
                                         struct tensor *y, const struct behavior_batch *batch)
{
    struct tensor *write = op_linear(tape, &gated->write, y);
    struct tensor *forget = op_linear(tape, &gated->forget, y);
    return op_delta_gates(tape, &gated->memory, write, forget, batch);
}

/* ---- the model ---- */

static void gdelta_declare_block(struct param_set *params, const struct model_dims *dims,
                                 uint32_t b)
{
    const uint32_t d = dims->d;
    char prefix[16];
    snprintf(prefix, sizeof prefix, "block.%u", b);
    norm_declare(params, d, "%s.attention_norm", prefix);
    param_declare(params, param_matrix(d, d), "%s.query.weight", prefix);
    param_declare(params, param_matrix(d, d), "%s.key.weight", prefix);
    param_declare(params, param_matrix(d, d), "%s.value.weight", prefix);
    gated_memory_declare(params, prefix, dims->heads, d);
    param_declare(params, param_matrix(d, d), "%s.gate.weight", prefix);
    param_declare(params, param_vector(PARAM_ZEROS, d), "%s.gate.bias", prefix);
    param_declare(params, param_vector(PARAM_ONES, d), "%s.read_norm.weight", prefix);
    param_declare(params, param_matrix(d, d), "%s.output.weight", prefix);
    feed_forward_declare(params, dims, b);
}

static void gdelta_declare(struct param_set *params, const struct model_dims *dims)
{
    const uint32_t d = dims->d;
    const struct param_spec read_norm = {
        .init = PARAM_ONES, .rank = 1, .shape = {d}, .read_side = true};
    for (uint32_t b = 0; b < dims->blocks; b++) {
        gdelta_declare_block(params, dims, b);
    }
    norm_declare(params, d, "final_norm");
    param_declare(params, param_matrix(d, d), "extract.key.weight");
    param_declare(params, param_matrix(d, d), "extract.value.weight");
    gated_memory_declare(params, "extract", dims->extract_heads, d);
    param_declare(params, read_norm, "extract.read_norm.weight");
    queries_declare(params, dims);
}

static void gdelta_layout(struct state_layout *layout, const struct model_dims *dims)
{
    const size_t d = dims->d;
    for (uint32_t b = 0; b < dims->blocks; b++) {
        state_layout_add(layout, d * (d / dims->heads), "block.%u.s", b);
    }
    layout->read_from = layout->size;
    state_layout_add(layout, d * (d / dims->extract_heads), "extract.s");
    queries_layout(layout, dims);
}

static enum status gdelta_open_block(struct block *block, const struct interest_model *model,
                                     uint32_t b, struct error *error)
{
    const struct param_set *params = model->checkpoint->params;
    char prefix[16];
    snprintf(prefix, sizeof prefix, "block.%u", b);
    const struct param *qkv[LINEAR_PARTS_MAX] = {
        param_set_get(params, "%s.query.weight", prefix),
        param_set_get(params, "%s.key.weight", prefix),
        param_set_get(params, "%s.value.weight", prefix),
    };
    block->norm = norm_of(params, "%s.attention_norm", prefix);
    block->read_norm = param_set_get(params, "%s.read_norm.weight", prefix);
    TRY(linear_open(&block->query_key_value, qkv, NULL, error));
    TRY(gated_memory_open(&block->gated, model, prefix, model->dims.heads, error));
    TRY(layer_open(&block->gate, params, error, "%s.gate", prefix));
    TRY(layer_open(&block->output, params, error, "%s.output", prefix));
    return feed_forward_open(&block->feed_forward, params, b, error);
}

static enum status gdelta_open_extractor(struct gdelta *gdelta, const struct interest_model *model,
                                         struct error *error)
{
    const struct param_set *params = model->checkpoint->params;
    const struct param *key_value[LINEAR_PARTS_MAX] = {
        param_set_get(params, "extract.key.weight"),
        param_set_get(params, "extract.value.weight"),
    };
    gdelta->final_norm = norm_of(params, "final_norm");
    gdelta->extract_read_norm = param_set_get(params, "extract.read_norm.weight");
    TRY(linear_open(&gdelta->extract_key_value, key_value, NULL, error));
    TRY(gated_memory_open(&gdelta->extract, model, "extract", model->dims.extract_heads, error));
    return queries_open(&gdelta->queries, model, error);
}

static void gdelta_close(struct interest_model *model)
{
    struct gdelta *gdelta = model->zoo;
    if (!gdelta) return;
    for (uint32_t b = 0; b < BLOCKS_MAX; b++) {
        struct block *block = &gdelta->blocks[b];
        linear_close(&block->query_key_value);
        gated_memory_close(&block->gated);
        linear_close(&block->gate);
        linear_close(&block->output);
        feed_forward_close(&block->feed_forward);
    }
    linear_close(&gdelta->extract_key_value);
    gated_memory_close(&gdelta->extract);
    queries_close(&gdelta->queries);
    free(gdelta);
}

static enum status gdelta_open(struct interest_model *model, struct error *error)
{
    struct gdelta *gdelta = calloc(1, sizeof(*gdelta));
    if (!gdelta) return error_set(error, STATUS_IO, "out of memory for the model");
    model->zoo = gdelta;
    enum status status = gdelta_open_extractor(gdelta, model, error);
    for (uint32_t b = 0; status == STATUS_OK && b < model->dims.blocks; b++) {
        status = gdelta_open_block(&gdelta->blocks[b], model, b, error);
    }
    if (status != STATUS_OK) gdelta_close(model);
    return status;
}

static struct tensor *gdelta_block(struct tape *tape, const struct block *block, struct tensor *u,
                                   real *const *states, const struct behavior_batch *batch)
{
    const struct delta_memory *memory = &block->gated.memory;
    struct tensor *y = norm_apply(tape, &block->norm, u);
    struct tensor *qkv = op_linear(tape, &block->query_key_value, y);
    qkv = op_unit_silu(tape, qkv, 2 * y->cols, memory->width);
    struct tensor *gates = gated_memory_gates(tape, &block->gated, y, batch);
    struct tensor *o = op_delta(tape, memory, qkv, gates, states, batch);
    o = op_scale(tape, op_rms(tape, o, memory->width), block->read_norm);
    o = op_gate(tape, o, op_linear(tape, &block->gate, y));
    u = op_add(tape, u, op_dropout(tape, op_linear(tape, &block->output, o)));
    return feed_forward_add(tape, &block->feed_forward, u);
}

/* The hidden vector of each event [events, d]. */
static struct tensor *gdelta_hidden(struct tape *tape, const struct interest_model *model,
                                    real *const *states, const struct behavior_batch *batch)
{
    const struct gdelta *gdelta = model->zoo;
    struct tensor *u = op_dropout(tape, op_embed(tape, &model->tables, batch));
    for (uint32_t b = 0; b < model->dims.blocks; b++) {
        size_t mark = tape_mark(tape);
        u = gdelta_block(tape, &gdelta->blocks[b], u, states, batch);
        tape_release(tape, mark);
    }
    return norm_apply(tape, &gdelta->final_norm, u);
}

/* Keys and values of the extractor. Its keys, and queries, are positive. */
static struct tensor *extract_of(struct tape *tape, const struct gdelta *gdelta, struct tensor *y)
{
    struct tensor *kv = op_linear(tape, &gdelta->extract_key_value, y);
    return op_unit_expf(tape, kv, y->cols, gdelta->extract.memory.width);
}

static struct tensor *gdelta_ask(struct tape *tape, const struct gdelta *gdelta,
                                 struct tensor *last, uint32_t reads)
{
    struct tensor *q = queries_ask(tape, &gdelta->queries, last, reads);
    return op_unit_expf(tape, q, q->cols, gdelta->extract.memory.width);
}

static struct tensor *gdelta_interests(struct tape *tape, const struct gdelta *gdelta,
                                       struct tensor *o, struct tensor *last)
{
    o = op_rms(tape, o, gdelta->extract.memory.width);
    return queries_interests(tape, &gdelta->queries, op_scale(tape, o, gdelta->extract_read_norm),
                             last);
}

/* What a batch has written into the extractor: keys, values behind them, and gates. */
struct gdelta_writes {
    struct tensor *kv, *gates;
};

static struct gdelta_writes gdelta_write(struct tape *tape, const struct interest_model *model,
                                         real *const *states, const struct behavior_batch *batch)
{
    const struct gdelta *gdelta = model->zoo;
    struct tensor *y = gdelta_hidden(tape, model, states, batch);
    struct tensor *kv = extract_of(tape, gdelta, y);
    struct tensor *gates = gated_memory_gates(tape, &gdelta->extract, y, batch);
    op_delta_absorb(tape, &gdelta->extract.memory, kv, gates, states, batch);
    queries_keep(tape, &gdelta->queries, y, states, batch);
    return (struct gdelta_writes){kv, gates};
}

static void gdelta_absorb(struct tape *tape, const struct interest_model *model,
                          real *const *states, const struct behavior_batch *batch)
{
    gdelta_write(tape, model, states, batch);
}

static struct interest_reads gdelta_read(struct tape *tape, const struct interest_model *model,
                                         const real *const *states, uint32_t users)
{
    const struct gdelta *gdelta = model->zoo;
    struct tensor *evidence = NULL;
    struct tensor *last = queries_last(tape, &gdelta->queries, states, users);
    struct tensor *q = gdelta_ask(tape, gdelta, last, users);
    struct tensor *o = op_delta_read(tape, &gdelta->extract.memory, q, states, &evidence);
    return (struct interest_reads){.vectors = gdelta_interests(tape, gdelta, o, last),
                                   .evidence = evidence};
}

static struct interest_reads gdelta_steps(struct tape *tape, const struct interest_model *model,
                                          const struct behavior_batch *batch,
                                          const struct read_points *points)
{
    const struct gdelta *gdelta = model->zoo;
    struct tensor *y = gdelta_hidden(tape, model, NULL, batch);
    struct tensor *kv = extract_of(tape, gdelta, y);
    struct tensor *gates = gated_memory_gates(tape, &gdelta->extract, y, batch);
    struct tensor *last = op_rows(tape, y, points->events, points->count);
    struct tensor *q = gdelta_ask(tape, gdelta, last, points->count);
    struct tensor *o =
        op_delta_steps(tape, &gdelta->extract.memory, q, kv, gates, points->events, batch);
    return (struct interest_reads){.vectors = gdelta_interests(tape, gdelta, o, last)};
}

/* ---- what interests are made of: the key and the gates of each behavior ---- */

static uint32_t gdelta_noted(const struct model_dims *dims)
{
    return dims->d + 2 * dims->extract_heads;
}

static void gdelta_note(struct tape *tape, const struct interest_model *model, real *const *states,
                        const struct behavior_batch *batch, const struct explain_notes *notes)
{
    const struct gdelta_writes writes = gdelta_write(tape, model, states, batch);
    const uint32_t d = model->dims.d, gates = writes.gates->cols;
    for (uint32_t i = 0; i < writes.kv->rows; i++) {
        real *note = explain_note(notes, notes->count + i);
        memcpy(note, writes.kv->data + (size_t)i * writes.kv->cols, d * sizeof *note);
        memcpy(note + d, writes.gates->data + (size_t)i * gates, gates * sizeof *note);
    }
}

/* One head of one query on its way back through the writes. */
struct delta_query {
    const struct delta_memory *memory;
    const real *q; /* [width] */
    uint32_t head;
};

/*
 * A write makes s of alpha s + beta k (v - k alpha s): so q reads beta <q, k> of its value, and of
 * what was there before it reads what alpha (q - beta <q, k> k) would. Adds `scale` of these to
 * weights[i * interests], `left` [width] being room for the query; returns the sum of magnitudes.
 */
static real weigh_writes(const struct delta_query *query, const struct explain_notes *notes,
                         real *left, real *weights, uint32_t interests, real scale)
{
    const uint32_t width = query->memory->width, heads = query->memory->heads;
    real sum = 0;
    memcpy(left, query->q, width * sizeof *left);
    for (uint32_t i = notes->count; i-- > 0;) {
        const real *note = explain_note(notes, i), *k = note + (size_t)query->head * width;
        const real *gates = note + (size_t)heads * width + query->head;
        const real alpha = gates[0], weight = gates[heads] * vec_dot(left, k, width);
        weights[(size_t)i * interests] += scale * weight;
        sum += weight < 0 ? -weight : weight;
        for (uint32_t at = 0; at < width; at++) {
            left[at] = alpha * (left[at] - weight * k[at]);
        }
    }
    return sum;
}

static void gdelta_weigh(struct tape *tape, const struct interest_model *model, const real *state,
                         const struct explain_notes *notes, real *weights)
{
    const struct gdelta *gdelta = model->zoo;
    const struct delta_memory *memory = &gdelta->extract.memory;
    const uint32_t d = model->dims.d, interests = model->dims.interests;
    struct tensor *q = gdelta_ask(tape, gdelta, queries_last(tape, &gdelta->queries, &state, 1), 1);
    real *left = tape_tensor(tape, 1, memory->width)->data;
    for (uint32_t at = 0; at < q->cols; at += memory->width) {
        const struct delta_query query = {memory, q->data + at, at % d / memory->width};
        real *column = weights + at / d;
        const real sum = weigh_writes(&query, notes, left, column, interests, 0);
        if (sum > 0) weigh_writes(&query, notes, left, column, interests, 1 / sum);
    }
}

static const struct explain_ops *gdelta_explain(const struct model_dims *dims)
{
    static const struct explain_ops ops = {gdelta_noted, gdelta_note, gdelta_weigh};
    (void)dims;
    return &ops;
}

const struct interest_ops gdelta_ops = {
    .name = "gdelta",
    .paper = "models.md section 5.2; after Yang et al., Gated Delta Networks, arXiv 2412.06464",
    .defaults = SKELETON_DEFAULTS,
    .selectable = true,
    .check = skeleton_check,
    .declare = gdelta_declare,
    .layout = gdelta_layout,
    .open = gdelta_open,
    .close = gdelta_close,
    .absorb = gdelta_absorb,
    .read = gdelta_read,
    .steps = gdelta_steps,
    .explain = gdelta_explain,
    .live = skeleton_live,
};

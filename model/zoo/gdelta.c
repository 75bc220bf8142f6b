/*
 * gdelta.c - gated delta rule in event time (models.md 5.2).
 *
 * LimaRec's skeleton (blocks of attention and feed-forward layers, an extractor, K queries), whose
 * sums become associative memories: each event fades what is there, by the time that has passed and
 * by its own judgement, and corrects what the memory answers for its key. All that is kept of a user
 * are these memories and, for the conditional read, the newest hidden vector.
 */
#include <stdlib.h>

#include "model/interest_ops.h"
#include "model/tensor/op_activation.h"
#include "model/tensor/op_delta.h"

enum { BLOCKS_MAX = 16, FFN_MAX = 4096 };

struct norm {
    const struct param *weight;
    const struct param *bias;
};

struct block {
    struct norm attention_norm;
    struct linear query_key_value;
    struct linear write;
    struct linear forget;
    struct linear gate;
    struct delta_memory memory;
    const struct param *read_norm;
    struct linear output;
    struct norm ffn_norm;
    struct linear up;
    struct linear down;
};

struct extractor {
    struct norm norm;
    struct linear key_value;
    struct linear write;
    struct linear forget;
    struct delta_memory memory;
    const struct param *query; /* [K, d] */
    const struct param *read_norm;
    struct linear condition; /* [K * d, d], its bias the queries; if conditional, as is `mix` */
    struct linear mix;
    size_t last_at; /* of the newest hidden vector in a state */
};

struct gdelta {
    struct block blocks[BLOCKS_MAX];
    struct extractor extractor;
};

static enum status gdelta_check(const struct model_dims *dims, struct error *error)
{
    if (dims->blocks > BLOCKS_MAX) {
        return error_set(error, STATUS_INVALID, "blocks = %u: must be 0 .. %d", dims->blocks,
                         BLOCKS_MAX);
    }
    if (dims->blocks > 0 && (dims->heads < 1 || dims->d % dims->heads != 0)) {
        return error_set(error, STATUS_INVALID, "heads = %u: must divide d = %u", dims->heads,
                         dims->d);
    }
    if (dims->blocks > 0 && (dims->ffn < 1 || dims->ffn > FFN_MAX)) {
        return error_set(error, STATUS_INVALID, "ffn = %u: must be 1 .. %d", dims->ffn, FFN_MAX);
    }
    if (dims->extract_heads < 1 || dims->d % dims->extract_heads != 0) {
        return error_set(error, STATUS_INVALID, "extract_heads = %u: must divide d = %u",
                         dims->extract_heads, dims->d);
    }
    return STATUS_OK;
}

static struct param_spec read_side(struct param_spec spec)
{
    spec.read_side = true;
    return spec;
}

/* What a memory of `heads` is written with; `prefix` is "block.0" or "extract". */
static void declare_memory(struct param_set *params, const char *prefix, uint32_t heads, uint32_t d)
{
    const struct param_spec forget_bias = {
        .init = PARAM_FILL, .value = -4, .rank = 1, .shape = {heads}};
    param_declare(params, param_matrix(heads, d), "%s.write.weight", prefix);
    param_declare(params, param_vector(PARAM_ZEROS, heads), "%s.write.bias", prefix);
    param_declare(params, param_vector(PARAM_DECAY, heads), "%s.decay", prefix);
    param_declare(params, param_matrix(heads, d), "%s.forget.weight", prefix);
    param_declare(params, forget_bias, "%s.forget.bias", prefix);
}

static void declare_block(struct param_set *params, const struct model_dims *dims, uint32_t b)
{
    const uint32_t d = dims->d, ffn = dims->ffn;
    char prefix[PARAM_NAME_MAX];
    snprintf(prefix, sizeof prefix, "block.%u", b);
    param_declare(params, param_vector(PARAM_ONES, d), "%s.attention_norm.weight", prefix);
    param_declare(params, param_vector(PARAM_ZEROS, d), "%s.attention_norm.bias", prefix);
    param_declare(params, param_matrix(d, d), "%s.query.weight", prefix);
    param_declare(params, param_matrix(d, d), "%s.key.weight", prefix);
    param_declare(params, param_matrix(d, d), "%s.value.weight", prefix);
    declare_memory(params, prefix, dims->heads, d);
    param_declare(params, param_matrix(d, d), "%s.gate.weight", prefix);
    param_declare(params, param_vector(PARAM_ZEROS, d), "%s.gate.bias", prefix);
    param_declare(params, param_vector(PARAM_ONES, d), "%s.read_norm.weight", prefix);
    param_declare(params, param_matrix(d, d), "%s.output.weight", prefix);
    param_declare(params, param_vector(PARAM_ONES, d), "%s.ffn_norm.weight", prefix);
    param_declare(params, param_vector(PARAM_ZEROS, d), "%s.ffn_norm.bias", prefix);
    param_declare(params, param_matrix(ffn, d), "%s.ffn.up.weight", prefix);
    param_declare(params, param_vector(PARAM_ZEROS, ffn), "%s.ffn.up.bias", prefix);
    param_declare(params, param_matrix(d, ffn), "%s.ffn.down.weight", prefix);
    param_declare(params, param_vector(PARAM_ZEROS, d), "%s.ffn.down.bias", prefix);
}

static void gdelta_declare(struct param_set *params, const struct model_dims *dims)
{
    const uint32_t d = dims->d, interests = dims->interests;
    const struct param_spec query = {
        .init = PARAM_NORMAL, .spread = 1, .rank = 2, .shape = {interests, d}, .read_side = true};
    const struct param_spec condition = {
        .init = PARAM_GLOROT, .rank = 3, .shape = {interests, d, d}, .read_side = true};
    for (uint32_t b = 0; b < dims->blocks; b++) {
        declare_block(params, dims, b);
    }
    param_declare(params, param_vector(PARAM_ONES, d), "final_norm.weight");
    param_declare(params, param_vector(PARAM_ZEROS, d), "final_norm.bias");
    param_declare(params, param_matrix(d, d), "extract.key.weight");
    param_declare(params, param_matrix(d, d), "extract.value.weight");
    declare_memory(params, "extract", dims->extract_heads, d);
    param_declare(params, query, "extract.query");
    param_declare(params, read_side(param_vector(PARAM_ONES, d)), "extract.read_norm.weight");
    if (!dims->conditional) return;
    param_declare(params, condition, "extract.condition.weight");
    param_declare(params, read_side(param_matrix(d, d)), "extract.mix.weight");
}

static void gdelta_layout(struct state_layout *layout, const struct model_dims *dims)
{
    const size_t d = dims->d;
    for (uint32_t b = 0; b < dims->blocks; b++) {
        state_layout_add(layout, d * (d / dims->heads), "block.%u.s", b);
    }
    layout->read_from = layout->size;
    state_layout_add(layout, d * (d / dims->extract_heads), "extract.s");
    if (dims->conditional) state_layout_add(layout, d, "last");
}

/* Opens `linear` on prefix.name.weight and, if there is one, prefix.name.bias. */
static enum status open_linear(struct linear *linear, const struct param_set *params,
                               const char *prefix, const char *name, struct error *error)
{
    char bias[PARAM_NAME_MAX + 1];
    const struct param *parts[LINEAR_PARTS_MAX] = {
        param_set_get(params, "%s.%s.weight", prefix, name)};
    snprintf(bias, sizeof bias, "%s.%s.bias", prefix, name);
    return linear_open(linear, parts, param_set_find(params, bias), error);
}

static enum status open_block(struct block *block, const struct interest_model *model, uint32_t b,
                              struct error *error)
{
    const struct param_set *params = model->checkpoint->params;
    const struct model_dims *dims = &model->dims;
    char prefix[PARAM_NAME_MAX];
    snprintf(prefix, sizeof prefix, "block.%u", b);
    const struct param *qkv[LINEAR_PARTS_MAX] = {
        param_set_get(params, "%s.query.weight", prefix),
        param_set_get(params, "%s.key.weight", prefix),
        param_set_get(params, "%s.value.weight", prefix),
    };
    block->attention_norm = (struct norm){
        param_set_get(params, "%s.attention_norm.weight", prefix),
        param_set_get(params, "%s.attention_norm.bias", prefix),
    };
    block->ffn_norm = (struct norm){
        param_set_get(params, "%s.ffn_norm.weight", prefix),
        param_set_get(params, "%s.ffn_norm.bias", prefix),
    };
    block->memory = (struct delta_memory){
        .heads = dims->heads,
        .width = dims->d / dims->heads,
        .at = state_layout_at(&model->state, "%s.s", prefix),
        .decay = param_set_get(params, "%s.decay", prefix),
    };
    block->read_norm = param_set_get(params, "%s.read_norm.weight", prefix);
    TRY(linear_open(&block->query_key_value, qkv, NULL, error));
    TRY(open_linear(&block->write, params, prefix, "write", error));
    TRY(open_linear(&block->forget, params, prefix, "forget", error));
    TRY(open_linear(&block->gate, params, prefix, "gate", error));
    TRY(open_linear(&block->output, params, prefix, "output", error));
    TRY(open_linear(&block->up, params, prefix, "ffn.up", error));
    return open_linear(&block->down, params, prefix, "ffn.down", error);
}

static enum status open_extractor(struct extractor *extractor, const struct interest_model *model,
                                  struct error *error)
{
    const struct param_set *params = model->checkpoint->params;
    const struct model_dims *dims = &model->dims;
    const struct param *key_value[LINEAR_PARTS_MAX] = {
        param_set_get(params, "extract.key.weight"),
        param_set_get(params, "extract.value.weight"),
    };
    extractor->norm = (struct norm){
        param_set_get(params, "final_norm.weight"),
        param_set_get(params, "final_norm.bias"),
    };
    extractor->memory = (struct delta_memory){
        .heads = dims->extract_heads,
        .width = dims->d / dims->extract_heads,
        .at = state_layout_at(&model->state, "extract.s"),
        .decay = param_set_get(params, "extract.decay"),
    };
    extractor->query = param_set_get(params, "extract.query");
    extractor->read_norm = param_set_get(params, "extract.read_norm.weight");
    TRY(linear_open(&extractor->key_value, key_value, NULL, error));
    TRY(open_linear(&extractor->write, params, "extract", "write", error));
    TRY(open_linear(&extractor->forget, params, "extract", "forget", error));
    if (!dims->conditional) return STATUS_OK;
    extractor->last_at = state_layout_at(&model->state, "last");
    const struct param *condition[LINEAR_PARTS_MAX] = {
        param_set_get(params, "extract.condition.weight")};
    TRY(linear_open(&extractor->condition, condition, extractor->query, error));
    return open_linear(&extractor->mix, params, "extract", "mix", error);
}

static void gdelta_close(struct interest_model *model)
{
    struct gdelta *gdelta = model->zoo;
    if (!gdelta) return;
    for (uint32_t b = 0; b < BLOCKS_MAX; b++) {
        struct block *block = &gdelta->blocks[b];
        linear_close(&block->query_key_value);
        linear_close(&block->write);
        linear_close(&block->forget);
        linear_close(&block->gate);
        linear_close(&block->output);
        linear_close(&block->up);
        linear_close(&block->down);
    }
    linear_close(&gdelta->extractor.key_value);
    linear_close(&gdelta->extractor.write);
    linear_close(&gdelta->extractor.forget);
    linear_close(&gdelta->extractor.condition);
    linear_close(&gdelta->extractor.mix);
    free(gdelta);
}

static enum status gdelta_open(struct interest_model *model, struct error *error)
{
    struct gdelta *gdelta = calloc(1, sizeof(*gdelta));
    if (!gdelta) return error_set(error, STATUS_IO, "out of memory for the model");
    model->zoo = gdelta;
    enum status status = open_extractor(&gdelta->extractor, model, error);
    for (uint32_t b = 0; status == STATUS_OK && b < model->dims.blocks; b++) {
        status = open_block(&gdelta->blocks[b], model, b, error);
    }
    if (status != STATUS_OK) gdelta_close(model);
    return status;
}

static struct tensor *normalized(struct tape *tape, const struct norm *norm, struct tensor *u)
{
    return op_layer_norm(tape, u, norm->weight, norm->bias);
}

static struct tensor *block_forward(struct tape *tape, const struct block *block, struct tensor *u,
                                    real *const *states, const struct behavior_batch *batch)
{
    const struct delta_memory *memory = &block->memory;
    const uint32_t d = u->cols;
    struct tensor *y = normalized(tape, &block->attention_norm, u);
    struct tensor *qkv = op_linear(tape, &block->query_key_value, y);
    struct tensor *gates = op_delta_gates(tape, memory, op_linear(tape, &block->write, y),
                                          op_linear(tape, &block->forget, y), batch);
    qkv = op_unit_silu(tape, qkv, 2 * d, memory->width);
    struct tensor *o = op_delta(tape, memory, qkv, gates, states, batch);
    o = op_scale(tape, op_rms(tape, o, memory->width), block->read_norm);
    o = op_gate(tape, o, op_linear(tape, &block->gate, y));
    u = op_add(tape, u, op_dropout(tape, op_linear(tape, &block->output, o)));
    y = normalized(tape, &block->ffn_norm, u);
    struct tensor *hidden = op_relu(tape, op_linear(tape, &block->up, y));
    return op_add(tape, u, op_dropout(tape, op_linear(tape, &block->down, hidden)));
}

/* The hidden vectors of all events, after the final norm. `states` NULL: sequences from empty ones. */
static struct tensor *hidden_of(struct tape *tape, const struct interest_model *model,
                                real *const *states, const struct behavior_batch *batch)
{
    const struct gdelta *gdelta = model->zoo;
    struct tensor *u = op_dropout(tape, op_embed(tape, &model->tables, batch));
    for (uint32_t b = 0; b < model->dims.blocks; b++) {
        size_t mark = tape_mark(tape);
        u = block_forward(tape, &gdelta->blocks[b], u, states, batch);
        tape_release(tape, mark);
    }
    return normalized(tape, &gdelta->extractor.norm, u);
}

/* What the extractor's memory is to take in of y, and the gates that it does so with. */
static struct tensor *writes_of(struct tape *tape, const struct extractor *extractor,
                                struct tensor *y, const struct behavior_batch *batch,
                                struct tensor **gatesp)
{
    struct tensor *write = op_linear(tape, &extractor->write, y);
    struct tensor *forget = op_linear(tape, &extractor->forget, y);
    *gatesp = op_delta_gates(tape, &extractor->memory, write, forget, batch);
    struct tensor *kv = op_linear(tape, &extractor->key_value, y);
    return op_unit_expf(tape, kv, y->cols, extractor->memory.width);
}

/* The K queries for each of `count` reads, whose newest hidden vectors are `last` (if conditional). */
static struct tensor *queries_of(struct tape *tape, const struct interest_model *model,
                                 struct tensor *last, uint32_t count)
{
    const struct extractor *extractor = &((const struct gdelta *)model->zoo)->extractor;
    struct tensor *q = model->dims.conditional ? op_linear(tape, &extractor->condition, last)
                                               : op_repeat(tape, extractor->query, count);
    return op_unit_expf(tape, q, q->cols, extractor->memory.width);
}

/* Interests of what the memory answered. */
static struct tensor *interests_of(struct tape *tape, const struct interest_model *model,
                                   struct tensor *o, struct tensor *last)
{
    const struct extractor *extractor = &((const struct gdelta *)model->zoo)->extractor;
    struct tensor *r = op_rms(tape, o, extractor->memory.width);
    r = op_scale(tape, r, extractor->read_norm);
    if (!model->dims.conditional) return r;
    return op_add_repeated(tape, op_linear(tape, &extractor->mix, r), last);
}

static void gdelta_absorb(struct tape *tape, const struct interest_model *model,
                          real *const *states, const struct behavior_batch *batch)
{
    const struct extractor *extractor = &((const struct gdelta *)model->zoo)->extractor;
    struct tensor *gates = NULL;
    struct tensor *y = hidden_of(tape, model, states, batch);
    struct tensor *kv = writes_of(tape, extractor, y, batch, &gates);
    op_delta_absorb(tape, &extractor->memory, kv, gates, states, batch);
    if (model->dims.conditional) op_keep_last(tape, y, extractor->last_at, states, batch);
}

static struct interest_reads gdelta_read(struct tape *tape, const struct interest_model *model,
                                         const real *const *states, uint32_t users)
{
    const struct extractor *extractor = &((const struct gdelta *)model->zoo)->extractor;
    struct tensor *last = NULL, *evidence = NULL;
    if (model->dims.conditional) {
        last = op_state(tape, extractor->last_at, model->dims.d, states, users);
    }
    struct tensor *q = queries_of(tape, model, last, users);
    struct tensor *o = op_delta_read(tape, &extractor->memory, q, states, &evidence);
    return (struct interest_reads){.vectors = interests_of(tape, model, o, last),
                                   .evidence = evidence};
}

static struct interest_reads gdelta_steps(struct tape *tape, const struct interest_model *model,
                                          const struct behavior_batch *batch,
                                          const struct read_points *points)
{
    const struct extractor *extractor = &((const struct gdelta *)model->zoo)->extractor;
    struct tensor *gates = NULL;
    struct tensor *y = hidden_of(tape, model, NULL, batch);
    struct tensor *kv = writes_of(tape, extractor, y, batch, &gates);
    struct tensor *last = op_rows(tape, y, points->events, points->count);
    struct tensor *q = queries_of(tape, model, last, points->count);
    struct tensor *o =
        op_delta_steps(tape, &extractor->memory, q, kv, gates, points->events, batch);
    return (struct interest_reads){.vectors = interests_of(tape, model, o, last)};
}

/* After one event every head reads positive multiples of one vector. */
static uint32_t gdelta_live(const struct model_dims *dims, uint64_t events)
{
    return events > 1 ? dims->interests : (uint32_t)events;
}

const struct interest_ops gdelta_ops = {
    .name = "gdelta",
    .paper = "models.md section 5.2; after Yang et al., Gated Delta Networks, arXiv 2412.06464",
    .defaults = {.d = 64,
                 .heads = 4,
                 .blocks = 2,
                 .ffn = 128,
                 .interests = 4,
                 .extract_heads = 4,
                 .conditional = true,
                 .use_category = true,
                 .use_gap = true,
                 .gap_buckets = 32,
                 .temperature = 0.1f},
    .check = gdelta_check,
    .declare = gdelta_declare,
    .layout = gdelta_layout,
    .open = gdelta_open,
    .close = gdelta_close,
    .absorb = gdelta_absorb,
    .read = gdelta_read,
    .steps = gdelta_steps,
    .live = gdelta_live,
};

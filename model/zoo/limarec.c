/*
 * limarec.c - linear self-attention whose state is a sum (models.md 5.1).
 *
 * Blocks of causal linear attention and feed-forward layers turn each behaviour into a hidden vector
 * that has seen the user's past; an extractor sums keys and values of these vectors, and K queries
 * read the sums as K interests. All that is kept of a user are the running sums of each attention
 * and, for the conditional read, the newest hidden vector.
 */
#include <stdlib.h>

#include "model/interest_ops.h"

enum { BLOCKS_MAX = 16, FFN_MAX = 4096 };

struct norm {
    const struct param *weight;
    const struct param *bias;
};

struct block {
    struct norm attention_norm;
    struct linear query_key_value;
    struct attention_sums sums;
    struct linear output;
    struct norm ffn_norm;
    struct linear up;
    struct linear down;
};

struct limarec {
    struct block blocks[BLOCKS_MAX];
    struct norm final_norm;
    struct linear extract_key_value;
    struct attention_sums extract_sums;
    const struct param *query; /* [K, d] */
    struct linear condition;   /* [K * d, d], its bias the queries; if conditional, as is `mix` */
    struct linear mix;
    size_t last_at; /* of the newest hidden vector in a state */
};

static enum status limarec_check(const struct model_dims *dims, struct error *error)
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

static void declare_block(struct param_set *params, const struct model_dims *dims, uint32_t b)
{
    const uint32_t d = dims->d, ffn = dims->ffn;
    param_declare(params, param_vector(PARAM_ONES, d), "block.%u.attention_norm.weight", b);
    param_declare(params, param_vector(PARAM_ZEROS, d), "block.%u.attention_norm.bias", b);
    param_declare(params, param_matrix(d, d), "block.%u.query.weight", b);
    param_declare(params, param_matrix(d, d), "block.%u.key.weight", b);
    param_declare(params, param_matrix(d, d), "block.%u.value.weight", b);
    param_declare(params, param_matrix(d, d), "block.%u.output.weight", b);
    param_declare(params, param_vector(PARAM_ONES, d), "block.%u.ffn_norm.weight", b);
    param_declare(params, param_vector(PARAM_ZEROS, d), "block.%u.ffn_norm.bias", b);
    param_declare(params, param_matrix(ffn, d), "block.%u.ffn.up.weight", b);
    param_declare(params, param_vector(PARAM_ZEROS, ffn), "block.%u.ffn.up.bias", b);
    param_declare(params, param_matrix(d, ffn), "block.%u.ffn.down.weight", b);
    param_declare(params, param_vector(PARAM_ZEROS, d), "block.%u.ffn.down.bias", b);
}

static void limarec_declare(struct param_set *params, const struct model_dims *dims)
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
    param_declare(params, query, "extract.query");
    if (!dims->conditional) return;
    param_declare(params, condition, "extract.condition.weight");
    param_declare(params, read_side(param_matrix(d, d)), "extract.mix.weight");
}

static void limarec_layout(struct state_layout *layout, const struct model_dims *dims)
{
    const size_t d = dims->d;
    for (uint32_t b = 0; b < dims->blocks; b++) {
        state_layout_add(layout, d * (d / dims->heads), "block.%u.s", b);
        state_layout_add(layout, d, "block.%u.z", b);
    }
    layout->read_from = layout->size;
    state_layout_add(layout, d * (d / dims->extract_heads), "extract.s");
    state_layout_add(layout, d, "extract.z");
    if (dims->conditional) state_layout_add(layout, d, "last");
}

static enum status open_block(struct block *block, const struct interest_model *model, uint32_t b,
                              struct error *error)
{
    const struct param_set *params = model->checkpoint->params;
    const struct model_dims *dims = &model->dims;
    const struct param *qkv[LINEAR_PARTS_MAX] = {
        param_set_get(params, "block.%u.query.weight", b),
        param_set_get(params, "block.%u.key.weight", b),
        param_set_get(params, "block.%u.value.weight", b),
    };
    const struct param *output[LINEAR_PARTS_MAX] = {
        param_set_get(params, "block.%u.output.weight", b)};
    const struct param *up[LINEAR_PARTS_MAX] = {param_set_get(params, "block.%u.ffn.up.weight", b)};
    const struct param *down[LINEAR_PARTS_MAX] = {
        param_set_get(params, "block.%u.ffn.down.weight", b)};
    block->attention_norm = (struct norm){
        param_set_get(params, "block.%u.attention_norm.weight", b),
        param_set_get(params, "block.%u.attention_norm.bias", b),
    };
    block->ffn_norm = (struct norm){
        param_set_get(params, "block.%u.ffn_norm.weight", b),
        param_set_get(params, "block.%u.ffn_norm.bias", b),
    };
    block->sums = (struct attention_sums){.heads = dims->heads,
                                          .width = dims->d / dims->heads,
                                          .at = state_layout_at(&model->state, "block.%u.s", b)};
    TRY(linear_open(&block->query_key_value, qkv, NULL, error));
    TRY(linear_open(&block->output, output, NULL, error));
    TRY(linear_open(&block->up, up, param_set_get(params, "block.%u.ffn.up.bias", b), error));
    return linear_open(&block->down, down, param_set_get(params, "block.%u.ffn.down.bias", b),
                       error);
}

static enum status open_extractor(struct limarec *limarec, const struct interest_model *model,
                                  struct error *error)
{
    const struct param_set *params = model->checkpoint->params;
    const struct model_dims *dims = &model->dims;
    const struct param *key_value[LINEAR_PARTS_MAX] = {
        param_set_get(params, "extract.key.weight"),
        param_set_get(params, "extract.value.weight"),
    };
    limarec->final_norm = (struct norm){
        param_set_get(params, "final_norm.weight"),
        param_set_get(params, "final_norm.bias"),
    };
    limarec->query = param_set_get(params, "extract.query");
    limarec->extract_sums = (struct attention_sums){
        .heads = dims->extract_heads,
        .width = dims->d / dims->extract_heads,
        .at = state_layout_at(&model->state, "extract.s"),
    };
    TRY(linear_open(&limarec->extract_key_value, key_value, NULL, error));
    if (!dims->conditional) return STATUS_OK;
    limarec->last_at = state_layout_at(&model->state, "last");
    const struct param *condition[LINEAR_PARTS_MAX] = {
        param_set_get(params, "extract.condition.weight")};
    const struct param *mix[LINEAR_PARTS_MAX] = {param_set_get(params, "extract.mix.weight")};
    TRY(linear_open(&limarec->condition, condition, limarec->query, error));
    return linear_open(&limarec->mix, mix, NULL, error);
}

static void limarec_close(struct interest_model *model)
{
    struct limarec *limarec = model->zoo;
    if (!limarec) return;
    for (uint32_t b = 0; b < BLOCKS_MAX; b++) {
        linear_close(&limarec->blocks[b].query_key_value);
        linear_close(&limarec->blocks[b].output);
        linear_close(&limarec->blocks[b].up);
        linear_close(&limarec->blocks[b].down);
    }
    linear_close(&limarec->extract_key_value);
    linear_close(&limarec->condition);
    linear_close(&limarec->mix);
    free(limarec);
}

static enum status limarec_open(struct interest_model *model, struct error *error)
{
    struct limarec *limarec = calloc(1, sizeof(*limarec));
    if (!limarec) return error_set(error, STATUS_IO, "out of memory for the model");
    model->zoo = limarec;
    enum status status = open_extractor(limarec, model, error);
    for (uint32_t b = 0; status == STATUS_OK && b < model->dims.blocks; b++) {
        status = open_block(&limarec->blocks[b], model, b, error);
    }
    if (status != STATUS_OK) limarec_close(model);
    return status;
}

static struct tensor *normalized(struct tape *tape, const struct norm *norm, struct tensor *u)
{
    return op_layer_norm(tape, u, norm->weight, norm->bias);
}

/* The hidden vector of each event [events, d]. */
static struct tensor *hidden_of(struct tape *tape, const struct interest_model *model,
                                real *const *states, const struct behavior_batch *batch)
{
    const struct limarec *limarec = model->zoo;
    struct tensor *u = op_dropout(tape, op_embed(tape, &model->tables, batch));
    for (uint32_t b = 0; b < model->dims.blocks; b++) {
        const struct block *block = &limarec->blocks[b];
        size_t mark = tape_mark(tape);
        struct tensor *y = normalized(tape, &block->attention_norm, u);
        struct tensor *qkv = op_linear(tape, &block->query_key_value, y);
        struct tensor *a = op_attention(tape, &block->sums, qkv, states, batch);
        u = op_add(tape, u, op_dropout(tape, op_linear(tape, &block->output, a)));
        y = normalized(tape, &block->ffn_norm, u);
        struct tensor *up = op_relu(tape, op_linear(tape, &block->up, y));
        u = op_add(tape, u, op_dropout(tape, op_linear(tape, &block->down, up)));
        tape_release(tape, mark);
    }
    return normalized(tape, &limarec->final_norm, u);
}

static void limarec_absorb(struct tape *tape, const struct interest_model *model,
                           real *const *states, const struct behavior_batch *batch)
{
    const struct limarec *limarec = model->zoo;
    struct tensor *y = hidden_of(tape, model, states, batch);
    struct tensor *kv = op_linear(tape, &limarec->extract_key_value, y);
    op_attention_absorb(tape, &limarec->extract_sums, kv, states, batch);
    if (model->dims.conditional) op_keep_last(tape, y, limarec->last_at, states, batch);
}

/* What asks the extractor, in view of the newest hidden vectors: [users, K * d]. */
static struct tensor *queries_of(struct tape *tape, const struct interest_model *model,
                                 struct tensor *last, uint32_t users)
{
    const struct limarec *limarec = model->zoo;
    return model->dims.conditional ? op_linear(tape, &limarec->condition, last)
                                   : op_repeat(tape, limarec->query, users);
}

/* The interests that its answers o [users * K, d] make. */
static struct tensor *interests_of(struct tape *tape, const struct interest_model *model,
                                   struct tensor *o, struct tensor *last)
{
    const struct limarec *limarec = model->zoo;
    if (!model->dims.conditional) return o;
    return op_add_repeated(tape, op_linear(tape, &limarec->mix, o), last);
}

static struct interest_reads limarec_read(struct tape *tape, const struct interest_model *model,
                                          const real *const *states, uint32_t users)
{
    const struct limarec *limarec = model->zoo;
    struct tensor *last = NULL, *evidence = NULL;
    if (model->dims.conditional) {
        last = op_state(tape, limarec->last_at, model->dims.d, states, users);
    }
    struct tensor *q = queries_of(tape, model, last, users);
    struct tensor *o = op_attention_read(tape, &limarec->extract_sums, q, states, &evidence);
    return (struct interest_reads){.vectors = interests_of(tape, model, o, last),
                                   .evidence = evidence};
}

static struct interest_reads limarec_steps(struct tape *tape, const struct interest_model *model,
                                           const struct behavior_batch *batch,
                                           const struct read_points *points)
{
    const struct limarec *limarec = model->zoo;
    struct tensor *y = hidden_of(tape, model, NULL, batch);
    struct tensor *kv = op_linear(tape, &limarec->extract_key_value, y);
    struct tensor *last = op_rows(tape, y, points->events, points->count);
    struct tensor *q = queries_of(tape, model, last, points->count);
    struct tensor *o =
        op_attention_steps(tape, &limarec->extract_sums, q, kv, points->events, batch);
    return (struct interest_reads){.vectors = interests_of(tape, model, o, last)};
}

/* After one event all K reads are equal. */
static uint32_t limarec_live(const struct model_dims *dims, uint64_t events)
{
    return events > 1 ? dims->interests : (uint32_t)events;
}

const struct interest_ops limarec_ops = {
    .name = "limarec",
    .paper = "Wu et al., Rethinking Lifelong Sequential Recommendation with Incremental "
             "Multi-Interest Attention, arXiv 2105.14060",
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
    .check = limarec_check,
    .declare = limarec_declare,
    .layout = limarec_layout,
    .open = limarec_open,
    .close = limarec_close,
    .absorb = limarec_absorb,
    .read = limarec_read,
    .steps = limarec_steps,
    .live = limarec_live,
};

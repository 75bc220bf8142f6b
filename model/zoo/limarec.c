/*
 * limarec.c - linear self-attention whose state is a sum (models.md 5.1).
 *
 * Blocks of causal linear attention and feed-forward layers turn each behavior into a hidden vector
 * that has seen the user's past; an extractor sums keys and values of these vectors, and K queries
 * read the sums as K interests. All that is kept of a user are the running sums of each attention
 * and, for the conditional read, the newest hidden vector.
 */
#include <stdlib.h>

#include "model/zoo/layers.h"

struct block {
    struct norm norm;
    struct linear query_key_value;
    struct attention_sums sums;
    struct linear output;
    struct feed_forward feed_forward;
};

struct limarec {
    struct block blocks[BLOCKS_MAX];
    struct norm final_norm;
    struct extractor extractor;
};

static void limarec_declare_block(struct param_set *params, const struct model_dims *dims,
                                  uint32_t b)
{
    const uint32_t d = dims->d;
    norm_declare(params, d, "block.%u.attention_norm", b);
    param_declare(params, param_matrix(d, d), "block.%u.query.weight", b);
    param_declare(params, param_matrix(d, d), "block.%u.key.weight", b);
    param_declare(params, param_matrix(d, d), "block.%u.value.weight", b);
    param_declare(params, param_matrix(d, d), "block.%u.output.weight", b);
    feed_forward_declare(params, dims, b);
}

static void limarec_declare(struct param_set *params, const struct model_dims *dims)
{
    for (uint32_t b = 0; b < dims->blocks; b++) {
        limarec_declare_block(params, dims, b);
    }
    norm_declare(params, dims->d, "final_norm");
    extractor_declare(params, dims);
}

static void limarec_layout(struct state_layout *layout, const struct model_dims *dims)
{
    const size_t d = dims->d;
    for (uint32_t b = 0; b < dims->blocks; b++) {
        state_layout_add(layout, d * (d / dims->heads), "block.%u.s", b);
        state_layout_add(layout, d, "block.%u.z", b);
    }
    extractor_layout(layout, dims);
}

static enum status limarec_open_block(struct block *block, const struct interest_model *model,
                                      uint32_t b, struct error *error)
{
    const struct param_set *params = model->checkpoint->params;
    const struct model_dims *dims = &model->dims;
    const struct param *qkv[LINEAR_PARTS_MAX] = {
        param_set_get(params, "block.%u.query.weight", b),
        param_set_get(params, "block.%u.key.weight", b),
        param_set_get(params, "block.%u.value.weight", b),
    };
    block->norm = norm_of(params, "block.%u.attention_norm", b);
    block->sums = (struct attention_sums){.heads = dims->heads,
                                          .width = dims->d / dims->heads,
                                          .at = state_layout_at(&model->state, "block.%u.s", b)};
    TRY(linear_open(&block->query_key_value, qkv, NULL, error));
    TRY(layer_open(&block->output, params, error, "block.%u.output", b));
    return feed_forward_open(&block->feed_forward, params, b, error);
}

static void limarec_close(struct interest_model *model)
{
    struct limarec *limarec = model->zoo;
    if (!limarec) return;
    for (uint32_t b = 0; b < BLOCKS_MAX; b++) {
        linear_close(&limarec->blocks[b].query_key_value);
        linear_close(&limarec->blocks[b].output);
        feed_forward_close(&limarec->blocks[b].feed_forward);
    }
    extractor_close(&limarec->extractor);
    free(limarec);
}

static enum status limarec_open(struct interest_model *model, struct error *error)
{
    struct limarec *limarec = calloc(1, sizeof(*limarec));
    if (!limarec) return error_set(error, STATUS_IO, "out of memory for the model");
    model->zoo = limarec;
    limarec->final_norm = norm_of(model->checkpoint->params, "final_norm");
    enum status status = extractor_open(&limarec->extractor, model, error);
    for (uint32_t b = 0; status == STATUS_OK && b < model->dims.blocks; b++) {
        status = limarec_open_block(&limarec->blocks[b], model, b, error);
    }
    if (status != STATUS_OK) limarec_close(model);
    return status;
}

/* The hidden vector of each event [events, d]. */
static struct tensor *limarec_hidden(struct tape *tape, const struct interest_model *model,
                                     real *const *states, const struct behavior_batch *batch)
{
    const struct limarec *limarec = model->zoo;
    struct tensor *u = op_dropout(tape, op_embed(tape, &model->tables, batch));
    for (uint32_t b = 0; b < model->dims.blocks; b++) {
        const struct block *block = &limarec->blocks[b];
        size_t mark = tape_mark(tape);
        struct tensor *y = norm_apply(tape, &block->norm, u);
        struct tensor *qkv = op_linear(tape, &block->query_key_value, y);
        struct tensor *a = op_attention(tape, &block->sums, qkv, states, batch);
        u = op_add(tape, u, op_dropout(tape, op_linear(tape, &block->output, a)));
        u = feed_forward_add(tape, &block->feed_forward, u);
        tape_release(tape, mark);
    }
    return norm_apply(tape, &limarec->final_norm, u);
}

static void limarec_absorb(struct tape *tape, const struct interest_model *model,
                           real *const *states, const struct behavior_batch *batch)
{
    const struct limarec *limarec = model->zoo;
    struct tensor *y = limarec_hidden(tape, model, states, batch);
    extractor_absorb(tape, &limarec->extractor, y, states, batch);
}

static struct interest_reads limarec_read(struct tape *tape, const struct interest_model *model,
                                          const real *const *states, uint32_t users)
{
    const struct limarec *limarec = model->zoo;
    return extractor_read(tape, &limarec->extractor, states, users);
}

static struct interest_reads limarec_steps(struct tape *tape, const struct interest_model *model,
                                           const struct behavior_batch *batch,
                                           const struct read_points *points)
{
    const struct limarec *limarec = model->zoo;
    struct tensor *y = limarec_hidden(tape, model, NULL, batch);
    return extractor_steps(tape, &limarec->extractor, y, batch, points);
}

static void limarec_note(struct tape *tape, const struct interest_model *model, real *const *states,
                         const struct behavior_batch *batch, const struct explain_notes *notes)
{
    const struct limarec *limarec = model->zoo;
    struct tensor *y = limarec_hidden(tape, model, states, batch);
    extractor_note(tape, &limarec->extractor, y, states, batch, notes);
}

static void limarec_weigh(struct tape *tape, const struct interest_model *model, const real *state,
                          const struct explain_notes *notes, real *weights)
{
    const struct limarec *limarec = model->zoo;
    extractor_weigh(tape, &limarec->extractor, state, notes, weights);
}

static const struct explain_ops *limarec_explain(const struct model_dims *dims)
{
    static const struct explain_ops ops = {extractor_noted, limarec_note, limarec_weigh};
    (void)dims;
    return &ops;
}

const struct interest_ops limarec_ops = {
    .name = "limarec",
    .paper = "Wu et al., Rethinking Lifelong Sequential Recommendation with Incremental "
             "Multi-Interest Attention, arXiv 2105.14060",
    .defaults = SKELETON_DEFAULTS,
    .selectable = true,
    .check = skeleton_check,
    .declare = limarec_declare,
    .layout = limarec_layout,
    .open = limarec_open,
    .close = limarec_close,
    .absorb = limarec_absorb,
    .read = limarec_read,
    .steps = limarec_steps,
    .explain = limarec_explain,
    .live = skeleton_live,
};

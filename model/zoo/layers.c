/* layers.c - layers that several models are made of. */
#include "model/zoo/layers.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "model/kernel/vector.h"

enum { NAME_SIZE = PARAM_NAME_MAX + 2 - sizeof ".weight" }; /* a suffix fits behind it */
#define FORMAT_NAME(name, format)                                                                  \
    do {                                                                                           \
        va_list arguments;                                                                         \
        va_start(arguments, format);                                                               \
        vsnprintf(name, sizeof(name), format, arguments);                                          \
        va_end(arguments);                                                                         \
    } while (0)

enum status layer_open(struct linear *layer, const struct param_set *params, struct error *error,
                       const char *name_format, ...)
{
    char name[NAME_SIZE], bias[PARAM_NAME_MAX + 1];
    FORMAT_NAME(name, name_format);
    snprintf(bias, sizeof bias, "%s.bias", name);
    const struct param *parts[LINEAR_PARTS_MAX] = {param_set_get(params, "%s.weight", name)};
    return linear_open(layer, parts, param_set_find(params, bias), error);
}

void norm_declare(struct param_set *params, uint32_t d, const char *name_format, ...)
{
    char name[NAME_SIZE];
    FORMAT_NAME(name, name_format);
    param_declare(params, param_vector(PARAM_ONES, d), "%s.weight", name);
    param_declare(params, param_vector(PARAM_ZEROS, d), "%s.bias", name);
}

struct norm norm_of(const struct param_set *params, const char *name_format, ...)
{
    char name[NAME_SIZE];
    FORMAT_NAME(name, name_format);
    return (struct norm){param_set_get(params, "%s.weight", name),
                         param_set_get(params, "%s.bias", name)};
}

struct tensor *norm_apply(struct tape *tape, const struct norm *norm, struct tensor *x)
{
    return op_layer_norm(tape, x, norm->weight, norm->bias);
}

void feed_forward_declare(struct param_set *params, const struct model_dims *dims, uint32_t b)
{
    const uint32_t d = dims->d, ffn = dims->ffn;
    norm_declare(params, d, "block.%u.ffn_norm", b);
    param_declare(params, param_matrix(ffn, d), "block.%u.ffn.up.weight", b);
    param_declare(params, param_vector(PARAM_ZEROS, ffn), "block.%u.ffn.up.bias", b);
    param_declare(params, param_matrix(d, ffn), "block.%u.ffn.down.weight", b);
    param_declare(params, param_vector(PARAM_ZEROS, d), "block.%u.ffn.down.bias", b);
}

enum status feed_forward_open(struct feed_forward *layers, const struct param_set *params,
                              uint32_t b, struct error *error)
{
    layers->norm = norm_of(params, "block.%u.ffn_norm", b);
    TRY(layer_open(&layers->up, params, error, "block.%u.ffn.up", b));
    return layer_open(&layers->down, params, error, "block.%u.ffn.down", b);
}

void feed_forward_close(struct feed_forward *layers)
{
    linear_close(&layers->up);
    linear_close(&layers->down);
}

struct tensor *feed_forward_add(struct tape *tape, const struct feed_forward *layers,
                                struct tensor *u)
{
    struct tensor *y = norm_apply(tape, &layers->norm, u);
    struct tensor *hidden = op_relu(tape, op_linear(tape, &layers->up, y));
    return op_add(tape, u, op_dropout(tape, op_linear(tape, &layers->down, hidden)));
}

void queries_declare(struct param_set *params, const struct model_dims *dims)
{
    const uint32_t d = dims->d, interests = dims->interests;
    const struct param_spec query = {
        .init = PARAM_NORMAL, .spread = 1, .rank = 2, .shape = {interests, d}, .read_side = true};
    const struct param_spec condition = {
        .init = PARAM_GLOROT, .rank = 3, .shape = {interests, d, d}, .read_side = true};
    const struct param_spec mix = {
        .init = PARAM_GLOROT, .rank = 2, .shape = {d, d}, .read_side = true};
    param_declare(params, query, "extract.query");
    if (!dims->conditional) return;
    param_declare(params, condition, "extract.condition.weight");
    param_declare(params, mix, "extract.mix.weight");
}

void queries_layout(struct state_layout *layout, const struct model_dims *dims)
{
    if (dims->conditional) state_layout_add(layout, dims->d, "last");
}

enum status queries_open(struct queries *queries, const struct interest_model *model,
                         struct error *error)
{
    const struct param_set *params = model->checkpoint->params;
    queries->d = model->dims.d;
    queries->conditional = model->dims.conditional;
    queries->query = param_set_get(params, "extract.query");
    if (!queries->conditional) return STATUS_OK;
    queries->last_at = state_layout_at(&model->state, "last");
    const struct param *condition[LINEAR_PARTS_MAX] = {
        param_set_get(params, "extract.condition.weight")};
    TRY(linear_open(&queries->condition, condition, queries->query, error));
    return layer_open(&queries->mix, params, error, "extract.mix");
}

void queries_close(struct queries *queries)
{
    linear_close(&queries->condition);
    linear_close(&queries->mix);
}

void queries_keep(struct tape *tape, const struct queries *queries, struct tensor *y,
                  real *const *states, const struct behavior_batch *batch)
{
    if (queries->conditional) op_keep_last(tape, y, queries->last_at, states, batch);
}

struct tensor *queries_last(struct tape *tape, const struct queries *queries,
                            const real *const *states, uint32_t users)
{
    if (!queries->conditional) return NULL;
    return op_state(tape, queries->last_at, queries->d, states, users);
}

struct tensor *queries_ask(struct tape *tape, const struct queries *queries, struct tensor *last,
                           uint32_t reads)
{
    return queries->conditional ? op_linear(tape, &queries->condition, last)
                                : op_repeat(tape, queries->query, reads);
}

struct tensor *queries_interests(struct tape *tape, const struct queries *queries, struct tensor *o,
                                 struct tensor *last)
{
    if (!queries->conditional) return o;
    return op_add_repeated(tape, op_linear(tape, &queries->mix, o), last);
}

void extractor_declare(struct param_set *params, const struct model_dims *dims)
{
    param_declare(params, param_matrix(dims->d, dims->d), "extract.key.weight");
    param_declare(params, param_matrix(dims->d, dims->d), "extract.value.weight");
    queries_declare(params, dims);
}

void extractor_layout(struct state_layout *layout, const struct model_dims *dims)
{
    const size_t d = dims->d;
    layout->read_from = layout->size;
    state_layout_add(layout, d * (d / dims->extract_heads), "extract.s");
    state_layout_add(layout, d, "extract.z");
    queries_layout(layout, dims);
}

enum status extractor_open(struct extractor *extractor, const struct interest_model *model,
                           struct error *error)
{
    const struct param_set *params = model->checkpoint->params;
    const struct param *key_value[LINEAR_PARTS_MAX] = {
        param_set_get(params, "extract.key.weight"),
        param_set_get(params, "extract.value.weight"),
    };
    extractor->sums = (struct attention_sums){
        .heads = model->dims.extract_heads,
        .width = model->dims.d / model->dims.extract_heads,
        .at = state_layout_at(&model->state, "extract.s"),
    };
    TRY(linear_open(&extractor->key_value, key_value, NULL, error));
    return queries_open(&extractor->queries, model, error);
}

void extractor_close(struct extractor *extractor)
{
    linear_close(&extractor->key_value);
    queries_close(&extractor->queries);
}

/* Adds hidden vectors y, and gives their keys, in front of their values. */
static struct tensor *absorb_keys(struct tape *tape, const struct extractor *extractor,
                                  struct tensor *y, real *const *states,
                                  const struct behavior_batch *batch)
{
    struct tensor *kv = op_linear(tape, &extractor->key_value, y);
    op_attention_absorb(tape, &extractor->sums, kv, states, batch);
    queries_keep(tape, &extractor->queries, y, states, batch);
    return kv;
}

void extractor_absorb(struct tape *tape, const struct extractor *extractor, struct tensor *y,
                      real *const *states, const struct behavior_batch *batch)
{
    absorb_keys(tape, extractor, y, states, batch);
}

uint32_t extractor_noted(const struct model_dims *dims)
{
    return dims->d;
}

void extractor_note(struct tape *tape, const struct extractor *extractor, struct tensor *y,
                    real *const *states, const struct behavior_batch *batch,
                    const struct explain_notes *notes)
{
    const struct tensor *kv = absorb_keys(tape, extractor, y, states, batch);
    for (uint32_t i = 0; i < kv->rows; i++) {
        memcpy(explain_note(notes, notes->count + i), kv->data + (size_t)i * kv->cols,
               notes->each * sizeof(real));
    }
}

void extractor_weigh(struct tape *tape, const struct extractor *extractor, const real *state,
                     const struct explain_notes *notes, real *weights)
{
    const struct attention_sums *sums = &extractor->sums;
    const uint32_t d = sums->heads * sums->width;
    struct tensor *last = queries_last(tape, &extractor->queries, &state, 1);
    struct tensor *q = queries_ask(tape, &extractor->queries, last, 1);
    const uint32_t interests = q->cols / d;
    const real *z = state + sums->at + (size_t)d * sums->width;
    q = op_elu1(tape, q, q->cols);
    for (uint32_t at = 0; at < q->cols; at += sums->width) {
        const uint32_t in_key = at % d, interest = at / d;
        const real *query = q->data + at;
        const real all = vec_dot(query, z + in_key, sums->width) * (real)sums->heads;
        for (uint32_t i = 0; i < notes->count && all > 0; i++) {
            weights[(size_t)i * interests + interest] +=
                vec_dot(query, explain_note(notes, i) + in_key, sums->width) / all;
        }
    }
}

struct interest_reads extractor_read(struct tape *tape, const struct extractor *extractor,
                                     const real *const *states, uint32_t users)
{
    const struct queries *queries = &extractor->queries;
    struct tensor *evidence = NULL;
    struct tensor *last = queries_last(tape, queries, states, users);
    struct tensor *q = queries_ask(tape, queries, last, users);
    struct tensor *o = op_attention_read(tape, &extractor->sums, q, states, &evidence);
    return (struct interest_reads){.vectors = queries_interests(tape, queries, o, last),
                                   .evidence = evidence};
}

struct interest_reads extractor_steps(struct tape *tape, const struct extractor *extractor,
                                      struct tensor *y, const struct behavior_batch *batch,
                                      const struct read_points *points)
{
    const struct queries *queries = &extractor->queries;
    struct tensor *kv = op_linear(tape, &extractor->key_value, y);
    struct tensor *last = op_rows(tape, y, points->events, points->count);
    struct tensor *q = queries_ask(tape, queries, last, points->count);
    struct tensor *o = op_attention_steps(tape, &extractor->sums, q, kv, points->events, batch);
    return (struct interest_reads){.vectors = queries_interests(tape, queries, o, last)};
}

enum status skeleton_check(const struct model_dims *dims, struct error *error)
{
    if (dims->blocks > 0 && (dims->heads < 1 || dims->d % dims->heads != 0)) {
        return error_set(error, STATUS_INVALID, "heads = %u: must divide d = %u", dims->heads,
                         dims->d);
    }
    if (dims->blocks > 0 && dims->ffn < 1) {
        return error_set(error, STATUS_INVALID, "ffn = 0: blocks need a width between layers");
    }
    if (dims->extract_heads < 1 || dims->d % dims->extract_heads != 0) {
        return error_set(error, STATUS_INVALID, "extract_heads = %u: must divide d = %u",
                         dims->extract_heads, dims->d);
    }
    return STATUS_OK;
}

uint32_t skeleton_live(const struct model_dims *dims, uint64_t events)
{
    return events > 1 ? dims->interests : (uint32_t)events;
}

/*
 * mimn.c - memory induction network (models.md 5.3).
 *
 * A controller reads and writes a small memory of slots, addressed by learned keys and by content;
 * of the slots that an event reads most, an induction unit advances a channel each. What the slots
 * and their channels hold are the user's interests.
 *
 * An event needs the state that the one before it left, so batches are worked off in waves: the
 * next event of every user that has one. A step is written once, on tensors: serving takes them out
 * of states and puts them back, training chains them.
 */
#include <stdlib.h>
#include <string.h>

#include "model/tensor/op_activation.h"
#include "model/tensor/op_memory.h"
#include "model/tensor/op_recurrent.h"
#include "model/tensor/op_rows.h"
#include "model/zoo/layers.h"

/* One of the two heads that address the memory. */
struct head {
    struct linear key;
    struct linear strength;
};

/* The parts of a state, as reals before them in a state row. */
struct places {
    size_t hidden, read, usage, mean, events, memory, channels;
};

struct mimn {
    const struct param *keys; /* [slots, d] */
    struct gru controller;
    struct gru induction;
    struct head reader;
    struct head writer;
    struct linear erase;
    struct linear add;
    struct linear utilization; /* if writes are balanced */
    struct linear project;
    struct places at;
};

/* What an event changes, for some users at once. */
struct memory_state {
    struct tensor *hidden;   /* [users, d] */
    struct tensor *read;     /* [users, d] */
    struct tensor *usage;    /* [users, slots] */
    struct tensor *memory;   /* [users * slots, d] */
    struct tensor *channels; /* [users * slots, d] */
};

static enum status mimn_check(const struct model_dims *dims, struct error *error)
{
    if (dims->induction_top < 1 || dims->induction_top > dims->interests) {
        return error_set(error, STATUS_INVALID,
                         "induction_top = %u: must be 1 .. %u, the slots (interests)",
                         dims->induction_top, dims->interests);
    }
    return STATUS_OK;
}

static void declare_linear(struct param_set *params, const char *name, uint32_t out, uint32_t in,
                           bool read_side)
{
    struct param_spec weight = param_matrix(out, in), bias = param_vector(PARAM_ZEROS, out);
    weight.read_side = bias.read_side = read_side;
    param_declare(params, weight, "%s.weight", name);
    param_declare(params, bias, "%s.bias", name);
}

static void mimn_declare(struct param_set *params, const struct model_dims *dims)
{
    const uint32_t d = dims->d, slots = dims->interests;
    const struct param_spec keys = {.init = PARAM_TANH_NORMAL, .rank = 2, .shape = {slots, d}};
    const struct param_spec balance = {
        .init = PARAM_ZEROS, .rank = 2, .shape = {slots * slots, slots}};
    const struct param_spec balance_bias = {
        .init = PARAM_DIAGONAL, .value = 4, .rank = 1, .shape = {slots * slots}};
    param_declare(params, keys, "memory.key");
    gru_declare(params, "controller", 2 * d, d);
    declare_linear(params, "read.key", d, d, false);
    declare_linear(params, "read.strength", 1, d, false);
    declare_linear(params, "write.key", d, d, false);
    declare_linear(params, "write.strength", 1, d, false);
    declare_linear(params, "write.erase", d, d, false);
    declare_linear(params, "write.add", d, d, false);
    if (dims->utilization) {
        param_declare(params, balance, "utilization.weight");
        param_declare(params, balance_bias, "utilization.bias");
    }
    gru_declare(params, "induction", 2 * d, d);
    declare_linear(params, "project", d, 2 * d, true);
}

static void mimn_layout(struct state_layout *layout, const struct model_dims *dims)
{
    const size_t d = dims->d, slots = dims->interests;
    state_layout_add(layout, d, "hidden");
    state_layout_add(layout, d, "read");
    state_layout_add(layout, slots, "usage");
    state_layout_start(layout, 1 / (real)slots);
    state_layout_add(layout, d, "mean");
    state_layout_add(layout, 1, "events");
    layout->read_from = layout->size;
    state_layout_add(layout, slots * d, "memory");
    state_layout_add(layout, slots * d, "channels");
}

static enum status mimn_open_weights(struct mimn *mimn, const struct interest_model *model,
                                     struct error *error)
{
    const struct param_set *params = model->checkpoint->params;
    mimn->keys = param_set_get(params, "memory.key");
    TRY(gru_open(&mimn->controller, params, "controller", error));
    TRY(gru_open(&mimn->induction, params, "induction", error));
    TRY(layer_open(&mimn->reader.key, params, error, "read.key"));
    TRY(layer_open(&mimn->reader.strength, params, error, "read.strength"));
    TRY(layer_open(&mimn->writer.key, params, error, "write.key"));
    TRY(layer_open(&mimn->writer.strength, params, error, "write.strength"));
    TRY(layer_open(&mimn->erase, params, error, "write.erase"));
    TRY(layer_open(&mimn->add, params, error, "write.add"));
    if (model->dims.utilization) {
        TRY(layer_open(&mimn->utilization, params, error, "utilization"));
    }
    return layer_open(&mimn->project, params, error, "project");
}

static void mimn_close(struct interest_model *model)
{
    struct mimn *mimn = model->zoo;
    if (!mimn) return;
    gru_close(&mimn->controller);
    gru_close(&mimn->induction);
    linear_close(&mimn->reader.key);
    linear_close(&mimn->reader.strength);
    linear_close(&mimn->writer.key);
    linear_close(&mimn->writer.strength);
    linear_close(&mimn->erase);
    linear_close(&mimn->add);
    linear_close(&mimn->utilization);
    linear_close(&mimn->project);
    free(mimn);
}

static enum status mimn_open(struct interest_model *model, struct error *error)
{
    struct mimn *mimn = calloc(1, sizeof *mimn);
    if (!mimn) return error_set(error, STATUS_IO, "out of memory for the model");
    model->zoo = mimn;
    mimn->at = (struct places){
        .hidden = state_layout_at(&model->state, "hidden"),
        .read = state_layout_at(&model->state, "read"),
        .usage = state_layout_at(&model->state, "usage"),
        .mean = state_layout_at(&model->state, "mean"),
        .events = state_layout_at(&model->state, "events"),
        .memory = state_layout_at(&model->state, "memory"),
        .channels = state_layout_at(&model->state, "channels"),
    };
    enum status status = mimn_open_weights(mimn, model, error);
    if (status != STATUS_OK) mimn_close(model);
    return status;
}

/* ---- one event ---- */

/* Weights over the slots, [users, slots]. */
static struct tensor *address(struct tape *tape, const struct mimn *mimn, const struct head *head,
                              struct tensor *hidden, struct tensor *memory)
{
    struct tensor *key = op_tanh(tape, op_linear(tape, &head->key, hidden));
    struct tensor *strength = op_strength(tape, op_linear(tape, &head->strength, hidden));
    return op_address(tape, key, strength, mimn->keys, memory);
}

/* The `top` slots of each user that w weighs most, the lower of equals, as rows of a memory. */
static uint32_t *top_slots(struct tape *tape, const struct tensor *w, uint32_t top)
{
    const uint32_t slots = w->cols;
    uint32_t *rows = arena_take(tape->arena, (size_t)w->rows * top * sizeof *rows);
    for (uint32_t user = 0; user < w->rows; user++) {
        const real *weights = w->data + (size_t)user * slots;
        uint64_t taken = 0; /* bit i: slot i */
        for (uint32_t k = 0; k < top; k++) {
            uint32_t best = slots;
            for (uint32_t i = 0; i < slots; i++) {
                if (taken >> i & 1) continue;
                if (best == slots || weights[i] > weights[best]) best = i;
            }
            taken |= UINT64_C(1) << best;
            rows[user * top + k] = user * slots + best;
        }
    }
    return rows;
}

/* Each of `rows`, `copies` times. */
static uint32_t *each_row(struct tape *tape, uint32_t rows, uint32_t copies)
{
    uint32_t *repeated = arena_take(tape->arena, (size_t)rows * copies * sizeof *repeated);
    for (uint32_t i = 0; i < rows * copies; i++) {
        repeated[i] = i / copies;
    }
    return repeated;
}

/* The channels of the slots read most take in the event and what their slots held before it. */
static struct tensor *induce(struct tape *tape, const struct mimn *mimn, uint32_t top,
                             const struct memory_state *state, struct tensor *x, struct tensor *w)
{
    const uint32_t *slots = top_slots(tape, w, top);
    const uint32_t count = w->rows * top;
    struct tensor *event = op_rows(tape, x, each_row(tape, x->rows, top), count);
    struct tensor *held = op_rows(tape, state->memory, slots, count);
    struct tensor *channel = op_rows(tape, state->channels, slots, count);
    channel = op_gru(tape, &mimn->induction, op_concat(tape, event, held), channel);
    return op_replace_rows(tape, state->channels, channel, slots);
}

/* The state after one more event of each user: x [users, d], the `count`th [users]. */
static struct memory_state step(struct tape *tape, const struct interest_model *model,
                                struct memory_state state, struct tensor *x, const real *count)
{
    const struct mimn *mimn = model->zoo;
    struct tensor *input = op_concat(tape, x, state.read);
    struct tensor *hidden = op_gru(tape, &mimn->controller, input, state.hidden);
    struct tensor *reading = address(tape, mimn, &mimn->reader, hidden, state.memory);
    struct tensor *writing = address(tape, mimn, &mimn->writer, hidden, state.memory);
    if (model->dims.utilization) {
        struct tensor *logits = op_linear(tape, &mimn->utilization, state.usage);
        writing = op_balance(tape, writing, logits);
    }
    struct memory_state next = {.hidden = hidden};
    next.read = op_memory_read(tape, reading, state.memory);
    next.channels = induce(tape, mimn, model->dims.induction_top, &state, x, reading);
    struct tensor *erase = op_sigmoid(tape, op_linear(tape, &mimn->erase, hidden));
    struct tensor *add = op_tanh(tape, op_linear(tape, &mimn->add, hidden));
    next.memory = op_memory_write(tape, state.memory, writing, erase, add);
    next.usage = op_running_mean(tape, state.usage, writing, count);
    return next;
}

/* v_i = [memory_i ; channel_i] project^T + b: [users * slots, d]. */
static struct tensor *mimn_interests(struct tape *tape, const struct mimn *mimn,
                                     struct tensor *memory, struct tensor *channels)
{
    return op_linear(tape, &mimn->project, op_concat(tape, memory, channels));
}

/* ---- waves ---- */

/* The events that are each their user's next. */
struct wave {
    uint32_t number; /* of the events before them, for each user */
    uint32_t count;
    uint32_t *users;
    uint32_t *events; /* of users[i], index in the batch */
};

static struct wave wave_of(struct tape *tape, const struct behavior_batch *batch, uint32_t number)
{
    struct wave wave = {.number = number};
    wave.users = arena_take(tape->arena, batch->users * sizeof *wave.users);
    wave.events = arena_take(tape->arena, batch->users * sizeof *wave.events);
    for (uint32_t user = 0; user < batch->users; user++) {
        const uint32_t event = batch->offsets[user] + number;
        if (event >= batch->offsets[user + 1]) continue;
        wave.users[wave.count] = user;
        wave.events[wave.count++] = event;
    }
    return wave;
}

/* ---- serving ---- */

static struct tensor *slots_state(struct tape *tape, size_t at, uint32_t slots, uint32_t d,
                                  const real *const *states, uint32_t users)
{
    struct tensor *rows = op_state(tape, at, slots * d, states, users);
    return op_reshape(tape, rows, users * slots, d);
}

static struct memory_state load(struct tape *tape, const struct interest_model *model,
                                const real *const *states, uint32_t users)
{
    const struct places *at = &((const struct mimn *)model->zoo)->at;
    const uint32_t d = model->dims.d, slots = model->dims.interests;
    return (struct memory_state){
        .hidden = op_state(tape, at->hidden, d, states, users),
        .read = op_state(tape, at->read, d, states, users),
        .usage = op_state(tape, at->usage, slots, states, users),
        .memory = slots_state(tape, at->memory, slots, d, states, users),
        .channels = slots_state(tape, at->channels, slots, d, states, users),
    };
}

static void store_rows(const struct tensor *x, size_t at, real *const *states, uint32_t users)
{
    const size_t count = tensor_count(x) / users;
    for (uint32_t user = 0; user < users; user++) {
        memcpy(states[user] + at, x->data + user * count, count * sizeof(real));
    }
}

/* One wave of absorbing. False if no user has an event left. */
static bool absorb_wave(struct tape *tape, const struct interest_model *model, struct tensor *x,
                        real *const *states, const struct behavior_batch *batch, uint32_t number)
{
    const struct places *at = &((const struct mimn *)model->zoo)->at;
    const struct wave wave = wave_of(tape, batch, number);
    if (wave.count == 0) return false;
    real **active = arena_take(tape->arena, wave.count * sizeof *active);
    real *count = arena_take(tape->arena, wave.count * sizeof *count);
    for (uint32_t i = 0; i < wave.count; i++) {
        active[i] = states[wave.users[i]];
        count[i] = ++active[i][at->events];
    }
    const real *const *rows = (const real *const *)active;
    struct tensor *event = op_rows(tape, x, wave.events, wave.count);
    struct tensor *mean = op_state(tape, at->mean, x->cols, rows, wave.count);
    struct memory_state state = load(tape, model, rows, wave.count);
    store_rows(op_running_mean(tape, mean, event, count), at->mean, active, wave.count);
    state = step(tape, model, state, event, count);
    store_rows(state.hidden, at->hidden, active, wave.count);
    store_rows(state.read, at->read, active, wave.count);
    store_rows(state.usage, at->usage, active, wave.count);
    store_rows(state.memory, at->memory, active, wave.count);
    store_rows(state.channels, at->channels, active, wave.count);
    return true;
}

static void mimn_absorb(struct tape *tape, const struct interest_model *model, real *const *states,
                        const struct behavior_batch *batch)
{
    struct tensor *x = op_embed(tape, &model->tables, batch);
    const size_t mark = tape_mark(tape);
    for (uint32_t number = 0; absorb_wave(tape, model, x, states, batch, number); number++) {
        tape_release(tape, mark);
    }
}

static struct interest_reads mimn_read(struct tape *tape, const struct interest_model *model,
                                       const real *const *states, uint32_t users)
{
    const struct mimn *mimn = model->zoo;
    const uint32_t d = model->dims.d, slots = model->dims.interests;
    struct tensor *memory = slots_state(tape, mimn->at.memory, slots, d, states, users);
    struct tensor *channels = slots_state(tape, mimn->at.channels, slots, d, states, users);
    return (struct interest_reads){.vectors = mimn_interests(tape, mimn, memory, channels)};
}

/* ---- training ---- */

static struct tensor *filled(struct tape *tape, uint32_t rows, uint32_t cols, real value)
{
    struct tensor *x = tape_tensor(tape, rows, cols);
    for (size_t i = 0; i < tensor_count(x); i++) {
        x->data[i] = value;
    }
    return x;
}

static struct memory_state first_state(struct tape *tape, const struct model_dims *dims,
                                       uint32_t users)
{
    const uint32_t d = dims->d, slots = dims->interests;
    return (struct memory_state){
        .hidden = filled(tape, users, d, 0),
        .read = filled(tape, users, d, 0),
        .usage = filled(tape, users, slots, 1 / (real)slots),
        .memory = filled(tape, users * slots, d, 0),
        .channels = filled(tape, users * slots, d, 0),
    };
}

/* The rows of all slots of the users `rows`. */
static uint32_t *slot_rows(struct tape *tape, const uint32_t *rows, uint32_t count, uint32_t slots)
{
    uint32_t *all = arena_take(tape->arena, (size_t)count * slots * sizeof *all);
    for (uint32_t i = 0; i < count * slots; i++) {
        all[i] = rows[i / slots] * slots + i % slots;
    }
    return all;
}

/* The states of those users of the wave before who are in this one. */
static struct memory_state remaining(struct tape *tape, const struct memory_state *state,
                                     const struct wave *before, const struct wave *wave)
{
    const uint32_t count = wave->count, slots = state->usage->cols;
    uint32_t *rows = arena_take(tape->arena, count * sizeof *rows);
    for (uint32_t i = 0, row = 0; i < count; i++, row++) {
        while (before->users[row] != wave->users[i]) {
            row++;
        }
        rows[i] = row;
    }
    const uint32_t *all = slot_rows(tape, rows, count, slots);
    return (struct memory_state){
        .hidden = op_rows(tape, state->hidden, rows, count),
        .read = op_rows(tape, state->read, rows, count),
        .usage = op_rows(tape, state->usage, rows, count),
        .memory = op_rows(tape, state->memory, all, count * slots),
        .channels = op_rows(tape, state->channels, all, count * slots),
    };
}

/* Places the interests of the wave's points; `point_of` [events] is a point's index + 1, else 0. */
static void read_wave(struct tape *tape, const struct interest_model *model,
                      const struct memory_state *state, const struct wave *wave,
                      const uint32_t *point_of, struct tensor *vectors)
{
    const uint32_t slots = model->dims.interests;
    uint32_t *rows = arena_take(tape->arena, wave->count * sizeof *rows);
    uint32_t *points = arena_take(tape->arena, wave->count * sizeof *points);
    uint32_t count = 0;
    for (uint32_t i = 0; i < wave->count; i++) {
        if (point_of[wave->events[i]] == 0) continue;
        points[count] = point_of[wave->events[i]] - 1;
        rows[count++] = i;
    }
    if (count == 0) return;
    const uint32_t *from = slot_rows(tape, rows, count, slots);
    struct tensor *memory = op_rows(tape, state->memory, from, count * slots);
    struct tensor *channels = op_rows(tape, state->channels, from, count * slots);
    op_place_rows(tape, vectors, mimn_interests(tape, model->zoo, memory, channels),
                  slot_rows(tape, points, count, slots));
}

/* Places the penalties of the users whose last event was in this wave. */
static void end_users(struct tape *tape, const struct memory_state *state, const struct wave *wave,
                      const struct behavior_batch *batch, struct tensor *penalty)
{
    uint32_t *rows = arena_take(tape->arena, wave->count * sizeof *rows);
    uint32_t *users = arena_take(tape->arena, wave->count * sizeof *users);
    uint32_t count = 0;
    for (uint32_t i = 0; i < wave->count; i++) {
        if (wave->events[i] + 1 != batch->offsets[wave->users[i] + 1]) continue;
        users[count] = wave->users[i];
        rows[count++] = i;
    }
    if (count == 0) return;
    struct tensor *usage = op_rows(tape, state->usage, rows, count);
    op_place_rows(tape, penalty, op_unevenness(tape, usage), users);
}

static struct interest_reads mimn_steps(struct tape *tape, const struct interest_model *model,
                                        const struct behavior_batch *batch,
                                        const struct read_points *points)
{
    const uint32_t d = model->dims.d, slots = model->dims.interests;
    struct tensor *x = op_dropout(tape, op_embed(tape, &model->tables, batch));
    struct interest_reads reads = {
        .vectors = tape_tensor(tape, points->count * slots, d),
        .penalty = filled(tape, batch->users, 1, 0),
    };
    uint32_t *point_of = arena_take(tape->arena, x->rows * sizeof *point_of);
    memset(point_of, 0, x->rows * sizeof *point_of);
    for (uint32_t i = 0; i < points->count; i++) {
        point_of[points->events[i]] = i + 1;
    }
    struct wave wave = wave_of(tape, batch, 0), before;
    struct memory_state state = first_state(tape, &model->dims, wave.count);
    while (wave.count > 0) {
        real *count = filled(tape, wave.count, 1, (real)(wave.number + 1))->data;
        struct tensor *event = op_rows(tape, x, wave.events, wave.count);
        state = step(tape, model, state, event, count);
        read_wave(tape, model, &state, &wave, point_of, reads.vectors);
        end_users(tape, &state, &wave, batch, reads.penalty);
        before = wave;
        wave = wave_of(tape, batch, before.number + 1);
        if (wave.count < before.count) state = remaining(tape, &state, &before, &wave);
    }
    return reads;
}

/* All slots, once anything has been written. */
static uint32_t mimn_live(const struct model_dims *dims, uint64_t events)
{
    return events > 0 ? dims->interests : 0;
}

const struct interest_ops mimn_ops = {
    .name = "mimn",
    .paper = "Pi et al., Practice on Long Sequential User Behavior Modeling for Click-Through Rate "
             "Prediction, KDD 2019, arXiv 1905.09248",
    .defaults = {.d = 64,
                 .interests = 8,
                 .use_category = true,
                 .use_gap = true,
                 .gap_buckets = 32,
                 .temperature = 0.1f,
                 .induction_top = 2,
                 .utilization = true,
                 .penalty_weight = 1e-3f},
    .selectable = true,
    .check = mimn_check,
    .declare = mimn_declare,
    .layout = mimn_layout,
    .open = mimn_open,
    .close = mimn_close,
    .absorb = mimn_absorb,
    .read = mimn_read,
    .steps = mimn_steps,
    .live = mimn_live,
};

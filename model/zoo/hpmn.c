/*
 * hpmn.c - hierarchical periodic memory (models.md 5.4).
 *
 * Levels of gated recurrent units, each slower than the one below by a fixed number of its updates.
 * With period p_0 = 1, p_j = s_1 ... s_j, and n' the number of the event in the user's life:
 *
 *     below = x
 *     for j = 0, 1, ..:  if n' mod p_j = 0:  levels_j <- gru(level.j; below, levels_j)
 *                        below = levels_j
 *     v_j = levels_j W_project^T + b
 *
 * Each level is an interest, live once its first period is over. A level sees only those events at
 * which its period ends, and what the level below then is: so a batch is worked off level by level,
 * each a shorter batch than the one below. Events count from the user's first, also when a fold
 * begins later (`from`); a level is live then if the fold has a whole period of it, in which it was
 * surely written.
 */
#include <stdlib.h>
#include <string.h>

#include "model/tensor/op_penalty.h"
#include "model/tensor/op_recurrent.h"
#include "model/tensor/op_rows.h"
#include "model/zoo/layers.h"

static const uint32_t NO_ROW = UINT32_MAX;

struct hpmn {
    struct gru levels[INTERESTS_MAX];
    uint64_t periods[INTERESTS_MAX]; /* UINT64_MAX: longer than any life */
    struct linear project;
    size_t levels_at; /* reals before level 0 in a state */
};

/* The events of a batch that a level sees, as waves (op_recurrent.h). */
struct due {
    struct waves waves;
    uint32_t *users; /* the user of each sequence */
    uint32_t *from;  /* [rows] the row below of each */
    uint32_t rows;
};

/* Updates of the level below for one of level `j` > 0; beyond those given, as the last one. */
static uint32_t step_of(const struct model_dims *dims, uint32_t j)
{
    const uint32_t given = model_dims_steps(dims->steps);
    return model_dims_step(dims->steps, (j < given ? j : given) - 1);
}

static void set_periods(uint64_t *periods, const struct model_dims *dims)
{
    periods[0] = 1;
    for (uint32_t j = 1; j < dims->interests; j++) {
        if (__builtin_mul_overflow(periods[j - 1], step_of(dims, j), &periods[j])) {
            periods[j] = UINT64_MAX;
        }
    }
}

static enum status hpmn_check(const struct model_dims *dims, struct error *error)
{
    const uint32_t steps = model_dims_steps(dims->steps);
    if (steps == 0 || (steps > 1 && steps >= dims->interests)) {
        return error_set(error, STATUS_INVALID,
                         "%u steps for %u levels (interests): hpmn needs 1 or more, and no more "
                         "than there are levels above the first",
                         steps, dims->interests);
    }
    return STATUS_OK;
}

static void hpmn_declare(struct param_set *params, const struct model_dims *dims)
{
    struct param_spec weight = param_matrix(dims->d, dims->d);
    struct param_spec bias = param_vector(PARAM_ZEROS, dims->d);
    weight.read_side = bias.read_side = true;
    for (uint32_t j = 0; j < dims->interests; j++) {
        char name[PARAM_NAME_MAX / 2];
        snprintf(name, sizeof name, "level.%u", j);
        gru_declare(params, name, dims->d, dims->d);
    }
    param_declare(params, weight, "project.weight");
    param_declare(params, bias, "project.bias");
}

static void hpmn_layout(struct state_layout *layout, const struct model_dims *dims)
{
    state_layout_add(layout, (size_t)dims->interests * dims->d, "levels");
}

static void hpmn_close(struct interest_model *model)
{
    struct hpmn *hpmn = model->zoo;
    if (!hpmn) return;
    for (uint32_t j = 0; j < model->dims.interests; j++) {
        gru_close(&hpmn->levels[j]);
    }
    linear_close(&hpmn->project);
    free(hpmn);
}

static enum status hpmn_open_weights(struct hpmn *hpmn, const struct interest_model *model,
                                     struct error *error)
{
    const struct param_set *params = model->checkpoint->params;
    for (uint32_t j = 0; j < model->dims.interests; j++) {
        char name[PARAM_NAME_MAX / 2];
        snprintf(name, sizeof name, "level.%u", j);
        TRY(gru_open(&hpmn->levels[j], params, name, error));
    }
    return layer_open(&hpmn->project, params, error, "project");
}

static enum status hpmn_open(struct interest_model *model, struct error *error)
{
    struct hpmn *hpmn = calloc(1, sizeof *hpmn);
    if (!hpmn) return error_set(error, STATUS_IO, "out of memory for the model");
    model->zoo = hpmn;
    set_periods(hpmn->periods, &model->dims);
    hpmn->levels_at = state_layout_at(&model->state, "levels");
    enum status status = hpmn_open_weights(hpmn, model, error);
    if (status != STATUS_OK) hpmn_close(model);
    return status;
}

/* ---- the events of a level ---- */

static bool is_due(const struct behavior *behavior, uint64_t period)
{
    return (behavior->ordinal + 1) % period == 0;
}

/*
 * Adds the events of each user at which the period ends to the waves' sizes; lengths [users] is how
 * many they are.
 */
static uint32_t count_due(const struct behavior_batch *batch, uint64_t period, uint32_t *lengths,
                          uint32_t *sizes)
{
    uint32_t rows = 0;
    for (uint32_t user = 0; user < batch->users; user++) {
        lengths[user] = 0;
        for (uint32_t i = batch->offsets[user]; i < batch->offsets[user + 1]; i++) {
            if (is_due(&batch->at[i], period)) sizes[lengths[user]++]++;
        }
        rows += lengths[user];
    }
    return rows;
}

/*
 * The events at which the period ends. row_of [events] is the row below of each, and becomes its
 * row of this level, NO_ROW where it has none. What is taken of the arena depends on the numbers of
 * events and users alone.
 */
static struct due due_events(struct tape *tape, const struct behavior_batch *batch, uint64_t period,
                             uint32_t *row_of)
{
    const uint32_t events = batch->offsets[batch->users];
    uint32_t *lengths = arena_take(tape->arena, batch->users * sizeof *lengths);
    uint32_t *users = arena_take(tape->arena, batch->users * sizeof *users);
    uint32_t *from = arena_take(tape->arena, events * sizeof *from);
    uint32_t *sizes = arena_take(tape->arena, (events + (size_t)1) * sizeof *sizes);
    uint32_t *first = arena_take(tape->arena, (events + (size_t)1) * sizeof *first);
    uint32_t *next = arena_take(tape->arena, (events + (size_t)1) * sizeof *next);
    memset(sizes, 0, (events + (size_t)1) * sizeof *sizes);
    struct due due = {.waves.sizes = sizes, .users = users, .from = from};
    due.rows = count_due(batch, period, lengths, sizes);
    for (uint32_t row = 0; row < due.rows; row += sizes[due.waves.count++]) {
        first[due.waves.count] = row;
    }
    /* As many are longer than a sequence of that length as its wave of that number has rows. */
    memcpy(next, sizes, (events + (size_t)1) * sizeof *next);
    for (uint32_t user = 0; user < batch->users; user++) {
        const uint32_t sequence = lengths[user] ? next[lengths[user]]++ : 0;
        uint32_t length = 0;
        if (lengths[user]) users[sequence] = user;
        for (uint32_t i = batch->offsets[user]; i < batch->offsets[user + 1]; i++) {
            const uint32_t row =
                is_due(&batch->at[i], period) ? first[length++] + sequence : NO_ROW;
            if (row != NO_ROW) from[row] = row_of[i];
            row_of[i] = row;
        }
    }
    return due;
}

static uint32_t *each_event(struct tape *tape, const struct behavior_batch *batch)
{
    const uint32_t events = batch->offsets[batch->users];
    uint32_t *row_of = arena_take(tape->arena, events * sizeof *row_of);
    for (uint32_t i = 0; i < events; i++) {
        row_of[i] = i;
    }
    return row_of;
}

static struct tensor *zeros(struct tape *tape, uint32_t rows, uint32_t cols)
{
    struct tensor *x = tape_tensor(tape, rows, cols);
    memset(x->data, 0, tensor_count(x) * sizeof(real));
    return x;
}

/* ---- serving ---- */

/* Keeps what each sequence's last row is. */
static void store(const struct tensor *y, const struct due *due, size_t at, real *const *states)
{
    const uint32_t *sizes = due->waves.sizes;
    uint32_t row = 0;
    for (uint32_t wave = 0; wave < due->waves.count; row += sizes[wave++]) {
        for (uint32_t i = sizes[wave + 1]; i < sizes[wave]; i++) {
            memcpy(states[due->users[i]] + at, y->data + (size_t)(row + i) * y->cols,
                   y->cols * sizeof(real));
        }
    }
}

static void hpmn_absorb(struct tape *tape, const struct interest_model *model, real *const *states,
                        const struct behavior_batch *batch)
{
    const struct hpmn *hpmn = model->zoo;
    const uint32_t d = model->dims.d;
    struct tensor *below = op_embed(tape, &model->tables, batch);
    uint32_t *row_of = each_event(tape, batch);
    const real **held = arena_take(tape->arena, batch->users * sizeof *held);
    for (uint32_t j = 0; j < model->dims.interests; j++) {
        const size_t at = hpmn->levels_at + (size_t)j * d;
        const struct due due = due_events(tape, batch, hpmn->periods[j], row_of);
        if (due.rows == 0) return; /* nor is any level above */
        const uint32_t sequences = due.waves.sizes[0];
        for (uint32_t i = 0; i < sequences; i++) {
            held[i] = states[due.users[i]];
        }
        below = op_gru_waves(tape, &hpmn->levels[j], op_rows(tape, below, due.from, due.rows),
                             op_state(tape, at, d, held, sequences), &due.waves);
        store(below, &due, at, states);
    }
}

/* A level that was never written is zero, and so is what it gives. */
static void clear_unwritten(struct tensor *vectors, const struct tensor *levels)
{
    for (uint32_t row = 0; row < levels->rows; row++) {
        const real *level = levels->data + (size_t)row * levels->cols;
        uint32_t at = 0;
        while (at < levels->cols && level[at] == 0) {
            at++;
        }
        if (at < levels->cols) continue;
        memset(vectors->data + (size_t)row * vectors->cols, 0, vectors->cols * sizeof(real));
    }
}

static struct interest_reads hpmn_read(struct tape *tape, const struct interest_model *model,
                                       const real *const *states, uint32_t users)
{
    const struct hpmn *hpmn = model->zoo;
    const uint32_t d = model->dims.d, levels_count = model->dims.interests;
    struct tensor *levels = op_state(tape, hpmn->levels_at, levels_count * d, states, users);
    levels = op_reshape(tape, levels, users * levels_count, d);
    struct tensor *vectors = op_linear(tape, &hpmn->project, levels);
    clear_unwritten(vectors, levels);
    return (struct interest_reads){.vectors = vectors};
}

/* ---- training ---- */

/*
 * Places in held [points * levels, d] what level `j` is at each point: the row of its user's latest
 * event that it saw.
 */
static void hold(struct tape *tape, struct tensor *held, uint32_t j, uint32_t levels,
                 struct tensor *y, const uint32_t *row_of, const struct behavior_batch *batch,
                 const struct read_points *points)
{
    uint32_t *from = arena_take(tape->arena, points->count * sizeof *from);
    uint32_t *to = arena_take(tape->arena, points->count * sizeof *to);
    uint32_t count = 0, point = 0;
    for (uint32_t user = 0; user < batch->users; user++) {
        uint32_t latest = NO_ROW;
        for (uint32_t i = batch->offsets[user]; i < batch->offsets[user + 1]; i++) {
            if (row_of[i] != NO_ROW) latest = row_of[i];
            if (point == points->count || points->events[point] != i) continue;
            if (latest != NO_ROW) {
                from[count] = latest;
                to[count++] = point * levels + j;
            }
            point++;
        }
    }
    if (count > 0) op_place_rows(tape, held, op_rows(tape, y, from, count), to);
}

/* The last event of every user that has one; owners [count] are those users. */
static struct read_points last_events(struct tape *tape, const struct behavior_batch *batch,
                                      uint32_t **ownersp)
{
    uint32_t *events = arena_take(tape->arena, batch->users * sizeof *events);
    uint32_t *owners = arena_take(tape->arena, batch->users * sizeof *owners);
    uint32_t count = 0;
    for (uint32_t user = 0; user < batch->users; user++) {
        if (batch->offsets[user] == batch->offsets[user + 1]) continue;
        owners[count] = user;
        events[count++] = batch->offsets[user + 1] - 1;
    }
    *ownersp = owners;
    return (struct read_points){.events = events, .count = count};
}

static struct interest_reads hpmn_steps(struct tape *tape, const struct interest_model *model,
                                        const struct behavior_batch *batch,
                                        const struct read_points *points)
{
    const struct hpmn *hpmn = model->zoo;
    const uint32_t d = model->dims.d, levels = model->dims.interests;
    uint32_t *owners;
    const struct read_points ends = last_events(tape, batch, &owners);
    struct tensor *held = zeros(tape, points->count * levels, d);
    struct tensor *last = zeros(tape, ends.count * levels, d);
    struct tensor *below = op_dropout(tape, op_embed(tape, &model->tables, batch));
    uint32_t *row_of = each_event(tape, batch);
    for (uint32_t j = 0; j < levels; j++) {
        struct due *due = arena_take(tape->arena, sizeof *due);
        *due = due_events(tape, batch, hpmn->periods[j], row_of);
        if (due->rows == 0) break;
        below = op_gru_waves(tape, &hpmn->levels[j], op_rows(tape, below, due->from, due->rows),
                             zeros(tape, due->waves.sizes[0], d), &due->waves);
        hold(tape, held, j, levels, below, row_of, batch, points);
        hold(tape, last, j, levels, below, row_of, batch, &ends);
    }
    struct interest_reads reads = {.vectors = op_linear(tape, &hpmn->project, held),
                                   .penalty = zeros(tape, batch->users, 1)};
    op_place_rows(tape, reads.penalty, op_offdiag(tape, last, levels), owners);
    return reads;
}

/* The levels of which a period is over. */
static uint32_t hpmn_live(const struct model_dims *dims, uint64_t events)
{
    uint64_t periods[INTERESTS_MAX];
    uint32_t live = 0;
    set_periods(periods, dims);
    while (live < dims->interests && periods[live] <= events) {
        live++;
    }
    return live;
}

const struct interest_ops hpmn_ops = {
    .name = "hpmn",
    .paper = "Ren et al., Lifelong Sequential Modeling with Personalized Memorization for User "
             "Response Prediction, SIGIR 2019, arXiv 1905.00758",
    .defaults = {.d = 64,
                 .interests = 4,
                 .use_category = true,
                 .use_gap = true,
                 .gap_buckets = 32,
                 .temperature = 0.1f,
                 .steps = 4,
                 .penalty_weight = 1e-5f},
    .selectable = true,
    .check = hpmn_check,
    .declare = hpmn_declare,
    .layout = hpmn_layout,
    .open = hpmn_open,
    .close = hpmn_close,
    .absorb = hpmn_absorb,
    .read = hpmn_read,
    .steps = hpmn_steps,
    .live = hpmn_live,
};

/*
 * octopus.c - as many interests as the channels that a user has used (models.md 5.10).
 *
 * M keys, the same for all users, divide the space of behaviors into channels; each behavior goes
 * to the channel whose key it agrees with most, and a channel is the mean of its behaviors by the
 * softmax of that agreement. So what a user has little of still has a vector of its own, and what
 * it never did has none. The heaviest channel is published first.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/kernel/special.h"
#include "model/tensor/op_penalty.h"
#include "model/tensor/op_softmax_pool.h"
#include "model/zoo/layers.h"

struct octopus {
    struct linear keys; /* [M, d] */
    struct softmax_pools pools;
    size_t mass_at; /* reals before how many behaviors each channel has, in a state */
};

static enum status octopus_check(const struct model_dims *dims, struct error *error)
{
    if (dims->interests > dims->d) {
        return error_set(error, STATUS_INVALID,
                         "interests = %u: octopus has at most d = %u channels", dims->interests,
                         dims->d);
    }
    return STATUS_OK;
}

static void octopus_declare(struct param_set *params, const struct model_dims *dims)
{
    const struct param_spec keys = {.init = PARAM_NORMAL,
                                    .spread = 1 / sqrt(dims->d),
                                    .rank = 2,
                                    .shape = {dims->interests, dims->d}};
    param_declare(params, keys, "channel.key");
}

static void octopus_layout(struct state_layout *layout, const struct model_dims *dims)
{
    state_layout_add(layout, dims->interests, "mass");
    state_layout_add(layout, dims->interests, "peak");
    state_layout_add(layout, dims->interests, "weight");
    state_layout_add(layout, (size_t)dims->interests * dims->d, "sum");
}

static void octopus_close(struct interest_model *model)
{
    struct octopus *octopus = model->zoo;
    if (!octopus) return;
    linear_close(&octopus->keys);
    free(octopus);
}

static enum status octopus_open(struct interest_model *model, struct error *error)
{
    const struct param *keys[LINEAR_PARTS_MAX] = {
        param_set_get(model->checkpoint->params, "channel.key")};
    struct octopus *octopus = calloc(1, sizeof *octopus);
    if (!octopus) return error_set(error, STATUS_IO, "out of memory for the model");
    model->zoo = octopus;
    octopus->pools = (struct softmax_pools){.pools = model->dims.interests,
                                            .width = model->dims.d,
                                            .at = state_layout_at(&model->state, "peak")};
    octopus->mass_at = state_layout_at(&model->state, "mass");
    enum status status = linear_open(&octopus->keys, keys, NULL, error);
    if (status != STATUS_OK) octopus_close(model);
    return status;
}

/* The channel of each event: the largest score, the first of equals. */
static const uint32_t *choose_channels(struct tape *tape, const struct tensor *score)
{
    uint32_t *chosen = arena_take(tape->arena, score->rows * sizeof *chosen);
    for (uint32_t event = 0; event < score->rows; event++) {
        const real *row = score->data + (size_t)event * score->cols;
        chosen[event] = 0;
        for (uint32_t channel = 1; channel < score->cols; channel++) {
            if (row[channel] > row[chosen[event]]) chosen[event] = channel;
        }
    }
    return chosen;
}

/* The channel of each event, and how well it agrees with each. */
struct agreed {
    const uint32_t *chosen;
    const struct tensor *score; /* [events, M] */
};

static struct agreed absorb_agreed(struct tape *tape, const struct interest_model *model,
                                   real *const *states, const struct behavior_batch *batch)
{
    const struct octopus *octopus = model->zoo;
    struct tensor *x = op_embed(tape, &model->tables, batch);
    struct tensor *score = op_linear(tape, &octopus->keys, x);
    const uint32_t *chosen = choose_channels(tape, score);
    op_softmax_pool_absorb(tape, &octopus->pools, x, score, chosen, states, batch);
    for (uint32_t user = 0; user < batch->users; user++) {
        for (uint32_t event = batch->offsets[user]; event < batch->offsets[user + 1]; event++) {
            states[user][octopus->mass_at + chosen[event]] += 1;
        }
    }
    return (struct agreed){chosen, score};
}

static void octopus_absorb(struct tape *tape, const struct interest_model *model,
                           real *const *states, const struct behavior_batch *batch)
{
    absorb_agreed(tape, model, states, batch);
}

/* What is known of the channels of every read, before they are put into the published order. */
struct channels {
    uint32_t *rows;          /* [reads, M] row of the vectors that each interest is */
    struct tensor *evidence; /* [reads, M] */
    uint32_t *live;          /* [reads] */
    uint32_t count;          /* M */
};

static struct channels channels_of(struct tape *tape, uint32_t reads, uint32_t count)
{
    return (struct channels){arena_take(tape->arena, (size_t)reads * count * sizeof(uint32_t)),
                             tape_tensor(tape, reads, count),
                             arena_take(tape->arena, reads * sizeof(uint32_t)), count};
}

/* The order of one read: heaviest first, the first of equals; channels never used come last. */
static void order_channels(struct channels *channels, uint32_t read, const real *mass)
{
    const uint32_t count = channels->count;
    uint32_t *rows = channels->rows + (size_t)read * count;
    real *evidence = channels->evidence->data + (size_t)read * count;
    channels->live[read] = 0;
    for (uint32_t channel = 0; channel < count; channel++) {
        uint32_t at = channel;
        for (; at > 0 && evidence[at - 1] < mass[channel]; at--) {
            evidence[at] = evidence[at - 1];
            rows[at] = rows[at - 1];
        }
        evidence[at] = mass[channel];
        rows[at] = read * count + channel;
        channels->live[read] += mass[channel] > 0;
    }
}

static struct interest_reads ordered(struct tape *tape, struct tensor *vectors,
                                     const struct channels *channels)
{
    return (struct interest_reads){
        .vectors = op_rows(tape, vectors, channels->rows, vectors->rows),
        .evidence = channels->evidence,
        .live = channels->live,
    };
}

static struct interest_reads octopus_read(struct tape *tape, const struct interest_model *model,
                                          const real *const *states, uint32_t users)
{
    const struct octopus *octopus = model->zoo;
    struct channels channels = channels_of(tape, users, model->dims.interests);
    for (uint32_t user = 0; user < users; user++) {
        order_channels(&channels, user, states[user] + octopus->mass_at);
    }
    struct tensor *vectors = op_softmax_pool_read(tape, &octopus->pools, states, users);
    return ordered(tape, vectors, &channels);
}

/* How the channels of each point are ordered, every user beginning without an event. */
static struct channels channels_at(struct tape *tape, const uint32_t *chosen, uint32_t count,
                                   const struct behavior_batch *batch,
                                   const struct read_points *points)
{
    struct channels channels = channels_of(tape, points->count, count);
    real mass[INTERESTS_MAX];
    uint32_t point = 0;
    for (uint32_t user = 0; user < batch->users; user++) {
        memset(mass, 0, sizeof mass);
        for (uint32_t event = batch->offsets[user]; event < batch->offsets[user + 1]; event++) {
            mass[chosen[event]] += 1;
            if (point == points->count || points->events[point] != event) continue;
            order_channels(&channels, point++, mass);
        }
    }
    return channels;
}

/* The penalty, of the keys alone, for each user of a batch. */
static struct tensor *octopus_penalty(struct tape *tape, const struct interest_model *model,
                                      uint32_t users)
{
    uint32_t *same = arena_take(tape->arena, users * sizeof *same);
    memset(same, 0, users * sizeof *same);
    const struct param *keys = param_set_get(model->checkpoint->params, "channel.key");
    return op_rows(tape, op_skewness(tape, keys), same, users);
}

static struct interest_reads octopus_steps(struct tape *tape, const struct interest_model *model,
                                           const struct behavior_batch *batch,
                                           const struct read_points *points)
{
    const struct octopus *octopus = model->zoo;
    struct tensor *x = op_dropout(tape, op_embed(tape, &model->tables, batch));
    struct tensor *score = op_linear(tape, &octopus->keys, x);
    const uint32_t *chosen = choose_channels(tape, score);
    struct tensor *vectors = op_softmax_pool_steps(tape, &octopus->pools, x, score, chosen,
                                                   points->events, points->count, batch);
    const struct channels channels =
        channels_at(tape, chosen, model->dims.interests, batch, points);
    struct interest_reads reads = ordered(tape, vectors, &channels);
    reads.evidence = NULL;
    reads.penalty = octopus_penalty(tape, model, batch->users);
    return reads;
}

static uint32_t octopus_groups(const struct model_dims *dims)
{
    return dims->interests;
}

static void octopus_group(struct tape *tape, const struct interest_model *model,
                          const struct behavior_batch *batch, uint32_t *group)
{
    const struct octopus *octopus = model->zoo;
    struct tensor *x = op_embed(tape, &model->tables, batch);
    const uint32_t *chosen = choose_channels(tape, op_linear(tape, &octopus->keys, x));
    memcpy(group, chosen, x->rows * sizeof *group);
}

static const struct group_ops octopus_group_ops = {octopus_groups, octopus_group};

/* ---- what interests are made of: the channel of each behavior and its score there ---- */

struct octopus_note {
    uint32_t channel;
    real score;
};

static uint32_t octopus_noted(const struct model_dims *dims)
{
    (void)dims;
    return sizeof(struct octopus_note) / sizeof(real);
}

static void octopus_note(struct tape *tape, const struct interest_model *model, real *const *states,
                         const struct behavior_batch *batch, const struct explain_notes *notes)
{
    const struct agreed agreed = absorb_agreed(tape, model, states, batch);
    for (uint32_t i = 0; i < agreed.score->rows; i++) {
        const uint32_t channel = agreed.chosen[i];
        const struct octopus_note note = {
            channel, agreed.score->data[(size_t)i * agreed.score->cols + channel]};
        memcpy(explain_note(notes, notes->count + i), &note, sizeof note);
    }
}

static void octopus_weigh(struct tape *tape, const struct interest_model *model, const real *state,
                          const struct explain_notes *notes, real *weights)
{
    const struct octopus *octopus = model->zoo;
    const uint32_t count = model->dims.interests;
    struct channels channels = channels_of(tape, 1, count);
    uint32_t place[INTERESTS_MAX];
    order_channels(&channels, 0, state + octopus->mass_at);
    for (uint32_t k = 0; k < count; k++) {
        place[channels.rows[k]] = k;
    }
    for (uint32_t i = 0; i < notes->count; i++) {
        struct octopus_note note;
        memcpy(&note, explain_note(notes, i), sizeof note);
        weights[(size_t)i * count + place[note.channel]] =
            exp_of(note.score - state[octopus->pools.at + note.channel]);
    }
}

static const struct explain_ops *octopus_explain(const struct model_dims *dims)
{
    static const struct explain_ops ops = {octopus_noted, octopus_note, octopus_weigh};
    (void)dims;
    return &ops;
}

const struct interest_ops octopus_ops = {
    .name = "octopus",
    .paper = "Liu et al., Octopus: Comprehensive and Elastic User Representation for the "
             "Generation of Recommendation Candidates, SIGIR 2020",
    .defaults = {.d = 64,
                 .interests = 8,
                 .use_category = true,
                 .use_gap = true,
                 .gap_buckets = 32,
                 .temperature = 0.1f,
                 .penalty_weight = 0.1f},
    .check = octopus_check,
    .declare = octopus_declare,
    .layout = octopus_layout,
    .open = octopus_open,
    .close = octopus_close,
    .absorb = octopus_absorb,
    .read = octopus_read,
    .steps = octopus_steps,
    .group = &octopus_group_ops,
    .explain = octopus_explain,
};

/*
 * ledger.c - the interest ledger as a model of its own (models.md 7.1): how many interests a user
 * has is part of its state.
 *
 * It absorbs the unit vector of each item and has no parameters but the item table, so it runs on
 * the items of any checkpoint. Its clock is the sum of the gaps since the first behavior of the
 * fold: only differences of time matter to it. K bounds what is published, `entries` what is kept.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/interest_ledger.h"
#include "model/interest_ops.h"
#include "model/kernel/kernel.h"

_Static_assert((int)LEDGER_ENTRIES_MAX <= (int)INTEREST_LEDGER_MAX, "a ledger keeps its entries");

static enum status ledger_check(const struct model_dims *dims, struct error *error)
{
    if (dims->interests > dims->entries) {
        return error_set(error, STATUS_INVALID, "interests = %u: the ledger has %u entries",
                         dims->interests, dims->entries);
    }
    if (!(dims->half_life_days > 0)) {
        return error_set(error, STATUS_INVALID, "half_life_days = 0: a ledger needs one");
    }
    return STATUS_OK;
}

static struct interest_ledger options_of(const struct model_dims *dims)
{
    return (struct interest_ledger){
        .d = dims->d,
        .interests_max = dims->entries,
        .half_life_days = (double)dims->half_life_days,
        .new_cosine = (double)dims->new_cosine,
        .merge_cosine = (double)dims->merge_cosine,
        .drop_mass = (double)dims->drop_mass,
        .publish_mass = (double)dims->publish_mass,
        .split_mass = (double)dims->split_mass,
        .split_scatter = (double)dims->split_scatter,
        .split_share = (double)dims->split_share,
    };
}

static void ledger_declare(struct param_set *params, const struct model_dims *dims)
{
    (void)params;
    (void)dims;
}

static void ledger_layout(struct state_layout *layout, const struct model_dims *dims)
{
    const struct interest_ledger ledger = options_of(dims);
    state_layout_add(layout, interest_ledger_size(&ledger) / sizeof(real), "entries");
}

static enum status ledger_open(struct interest_model *model, struct error *error)
{
    struct interest_ledger *ledger = malloc(sizeof *ledger);
    if (!ledger) return error_set(error, STATUS_IO, "out of memory for the model");
    *ledger = options_of(&model->dims);
    model->zoo = ledger;
    return STATUS_OK;
}

static void ledger_close(struct interest_model *model)
{
    free(model->zoo);
}

/* The unit vector of a behavior's item, into `vector` [d]. */
static void item_vector(const struct interest_model *model, const struct behavior *behavior,
                        real *vector)
{
    const uint32_t d = model->dims.d;
    memcpy(vector, model->tables.item->data + (size_t)behavior->item * d, d * sizeof *vector);
    kernel_unit(vector, 1, d);
}

/* The clock of a state when the behavior comes. */
static int64_t time_of(const void *state, const struct behavior *behavior)
{
    return interest_ledger_time_s(state) + (behavior->gap_s > 0 ? behavior->gap_s : 0);
}

static void ledger_absorb(struct tape *tape, const struct interest_model *model,
                          real *const *states, const struct behavior_batch *batch)
{
    const struct interest_ledger *ledger = model->zoo;
    real *vector = tape_tensor(tape, 1, model->dims.d)->data;
    for (uint32_t user = 0; user < batch->users; user++) {
        for (uint32_t i = batch->offsets[user]; i < batch->offsets[user + 1]; i++) {
            item_vector(model, &batch->at[i], vector);
            interest_ledger_absorb(ledger, states[user], vector,
                                   time_of(states[user], &batch->at[i]));
        }
    }
}

static struct interest_reads ledger_read(struct tape *tape, const struct interest_model *model,
                                         const real *const *states, uint32_t users)
{
    const struct interest_ledger *ledger = model->zoo;
    const uint32_t d = model->dims.d, interests = model->dims.interests;
    struct tensor *vectors = tape_tensor(tape, users * interests, d);
    struct tensor *weights = tape_tensor(tape, users, interests);
    uint32_t *live = arena_take(tape->arena, users * sizeof *live);
    for (uint32_t user = 0; user < users; user++) {
        live[user] = interest_ledger_read(ledger, states[user], interests,
                                          vectors->data + (size_t)user * interests * d,
                                          weights->data + (size_t)user * interests);
    }
    return (struct interest_reads){.vectors = vectors, .evidence = weights, .live = live};
}

/* ---- what interests are made of: the parts of each behavior, and the clock when it came ---- */

enum { CLOCK_REALS = sizeof(int64_t) / sizeof(real) };

static uint32_t ledger_noted(const struct model_dims *dims)
{
    return dims->entries + CLOCK_REALS;
}

static void ledger_note(struct tape *tape, const struct interest_model *model, real *const *states,
                        const struct behavior_batch *batch, const struct explain_notes *notes)
{
    const struct interest_ledger *ledger = model->zoo;
    real *vector = tape_tensor(tape, 1, model->dims.d)->data;
    struct interest_ledger_parts parts = {notes->at, notes->each, notes->count};
    for (uint32_t i = 0; i < batch->offsets[1]; i++) {
        item_vector(model, &batch->at[i], vector);
        interest_ledger_absorb_part(ledger, states[0], vector, time_of(states[0], &batch->at[i]),
                                    &parts);
        const int64_t clock = interest_ledger_time_s(states[0]);
        memcpy(explain_note(notes, notes->count + i) + ledger->interests_max, &clock, sizeof clock);
    }
}

static void ledger_weigh(struct tape *tape, const struct interest_model *model, const real *state,
                         const struct explain_notes *notes, real *weights)
{
    const struct interest_ledger *ledger = model->zoo;
    const uint32_t interests = model->dims.interests;
    uint32_t entry[INTEREST_LEDGER_MAX];
    const uint32_t count = interest_ledger_publish(ledger, state, interests, entry);
    (void)tape;
    for (uint32_t i = 0; i < notes->count; i++) {
        const real *note = explain_note(notes, i);
        int64_t clock;
        memcpy(&clock, note + ledger->interests_max, sizeof clock);
        const double left =
            interest_ledger_left(ledger, (double)interest_ledger_time_s(state) - (double)clock);
        for (uint32_t k = 0; k < count; k++) {
            weights[(size_t)i * interests + k] = (real)(left * (double)note[entry[k]]);
        }
    }
}

static const struct explain_ops *ledger_explain(const struct model_dims *dims)
{
    static const struct explain_ops ops = {ledger_noted, ledger_note, ledger_weigh};
    (void)dims;
    return &ops;
}

const struct interest_ops ledger_ops = {
    .name = "ledger",
    .paper = "models.md section 7.1; after leader clustering (grow), PinnerSage's Ward linkage "
             "(merge) and IMSR (prune)",
    .defaults = {.d = 64,
                 .interests = 16,
                 .cosine = true,
                 .temperature = 0.1f,
                 .half_life_days = 30,
                 .entries = 16,
                 .new_cosine = 0.5f,
                 .merge_cosine = 0.9f,
                 .drop_mass = 0.1f,
                 .publish_mass = 1.5f,
                 .split_mass = 8,
                 .split_scatter = 0.5f,
                 .split_share = 0.5f},
    .check = ledger_check,
    .declare = ledger_declare,
    .layout = ledger_layout,
    .open = ledger_open,
    .close = ledger_close,
    .absorb = ledger_absorb,
    .read = ledger_read,
    .explain = ledger_explain,
};

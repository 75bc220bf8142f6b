/*
 * ledger.c - the interest ledger as a model of its own (models.md 7.1): how many interests a user
 * has is part of his state.
 *
 * It absorbs the unit vector of each item and has no parameters but the item table, so it runs on
 * the items of any checkpoint. Its clock is the sum of the gaps since the first behavior of the
 * fold: only differences of time matter to it. K bounds what is published, not what is kept.
 */
#include <stdlib.h>
#include <string.h>

#include "model/interest_ledger.h"
#include "model/interest_ops.h"
#include "model/tensor/kernel.h"

static enum status ledger_check(const struct model_dims *dims, struct error *error)
{
    uint32_t max = interest_ledger_defaults(dims->d).interests_max;
    if (dims->interests > max) {
        return error_set(error, STATUS_INVALID, "interests = %u: a ledger keeps at most %u",
                         dims->interests, max);
    }
    return STATUS_OK;
}

static void ledger_declare(struct param_set *params, const struct model_dims *dims)
{
    (void)params;
    (void)dims;
}

static void ledger_layout(struct state_layout *layout, const struct model_dims *dims)
{
    struct interest_ledger ledger = interest_ledger_defaults(dims->d);
    state_layout_add(layout, interest_ledger_size(&ledger) / sizeof(real), "entries");
}

static enum status ledger_open(struct interest_model *model, struct error *error)
{
    struct interest_ledger *ledger = malloc(sizeof *ledger);
    if (!ledger) return error_set(error, STATUS_IO, "out of memory for the model");
    *ledger = interest_ledger_defaults(model->dims.d);
    model->zoo = ledger;
    return STATUS_OK;
}

static void ledger_close(struct interest_model *model)
{
    free(model->zoo);
}

static void ledger_absorb(struct tape *tape, const struct interest_model *model,
                          real *const *states, const struct behavior_batch *batch)
{
    const struct interest_ledger *ledger = model->zoo;
    const uint32_t d = model->dims.d;
    real *vector = tape_tensor(tape, 1, d)->data;
    for (uint32_t user = 0; user < batch->users; user++) {
        for (uint32_t i = batch->offsets[user]; i < batch->offsets[user + 1]; i++) {
            const struct behavior *behavior = &batch->at[i];
            const real *item = model->tables.item->data + (size_t)behavior->item * d;
            int64_t gap_s = behavior->gap_s > 0 ? behavior->gap_s : 0;
            memcpy(vector, item, d * sizeof *vector);
            kernel_unit(vector, 1, d);
            interest_ledger_absorb(ledger, states[user], vector,
                                   interest_ledger_time_s(states[user]) + gap_s);
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

const struct interest_ops ledger_ops = {
    .name = "ledger",
    .paper = "models.md section 7.1; after leader clustering (grow), PinnerSage's Ward linkage "
             "(merge) and IMSR (prune)",
    .defaults = {.d = 64, .interests = 4, .cosine = true, .temperature = 0.1f},
    .check = ledger_check,
    .declare = ledger_declare,
    .layout = ledger_layout,
    .open = ledger_open,
    .close = ledger_close,
    .absorb = ledger_absorb,
    .read = ledger_read,
};

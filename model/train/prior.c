/* prior.c - folds every user once, with the seam that serves, and averages what it reads. */
#include "model/train/prior.h"

#include <float.h>
#include <stdlib.h>

#include "base/arena.h"
#include "model/interest_ops.h"

struct measuring {
    struct interest_model *model;
    struct interest_scratch *scratch;
    void *state;
    double sum[INTERESTS_MAX]; /* of the shares */
    uint32_t users;
};

static enum status open_folding(struct measuring *measuring, const struct checkpoint *checkpoint,
                                struct error *error)
{
    TRY(interest_model_open(&measuring->model, checkpoint, error));
    TRY(interest_scratch_open(&measuring->scratch, measuring->model, error));
    const size_t size = interest_model_state_size(measuring->model);
    const size_t lines = (size + ARENA_ALIGNMENT - 1) / ARENA_ALIGNMENT;
    measuring->state = aligned_alloc(ARENA_ALIGNMENT, lines * ARENA_ALIGNMENT);
    return measuring->state ? STATUS_OK : error_set(error, STATUS_IO, "out of memory for a state");
}

static void add_user(struct measuring *measuring, struct dataset_sequence sequence, uint32_t known)
{
    const uint32_t offsets[] = {0, known};
    const struct behavior_batch batch = {sequence.at, offsets, 1};
    real shares[INTERESTS_MAX];
    interest_state_init(measuring->model, measuring->state);
    interest_absorb(measuring->model, measuring->scratch, &measuring->state, &batch);
    interest_shares(measuring->model, measuring->scratch, measuring->state, shares);
    for (uint32_t k = 0; k < interest_model_count(measuring->model); k++) {
        measuring->sum[k] += (double)shares[k];
    }
    measuring->users++;
}

/* An interest that nobody has evidence for still needs a prior that can be divided by. */
static void write_means(const struct measuring *measuring, struct param *prior)
{
    for (uint32_t k = 0; measuring->users && k < prior->count; k++) {
        const double mean = measuring->sum[k] / measuring->users;
        prior->data[k] = (real)(mean > FLT_MIN ? mean : FLT_MIN);
    }
}

enum status prior_measure(struct checkpoint *checkpoint, const struct dataset *dataset,
                          const uint32_t *known, struct error *error)
{
    struct param *prior = param_set_find(checkpoint->params, "select.prior");
    if (!prior) return STATUS_OK;
    struct measuring measuring = {0};
    const enum status status = open_folding(&measuring, checkpoint, error);
    for (uint32_t user = 0; status == STATUS_OK && user < dataset_users(dataset); user++) {
        if (known[user]) add_user(&measuring, dataset_sequence(dataset, user), known[user]);
    }
    if (status == STATUS_OK) write_means(&measuring, prior);
    free(measuring.state);
    interest_scratch_close(measuring.scratch);
    interest_model_close(measuring.model);
    return status;
}

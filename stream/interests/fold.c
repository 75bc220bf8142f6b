/*
 * fold.c - collects stored behaviors of many users and absorbs them as one ragged batch.
 *
 * Items are resolved and gaps computed while collecting; what a run will have advanced is kept
 * beside the caller's progress until the run, so that forgetting a batch changes nothing.
 */
#include "stream/interests/fold.h"

#include <stdlib.h>

#include "model/interest_explain.h"
#include "model/item_table.h"

struct fold {
    const struct interest_model *model;
    const struct item_table *items;
    struct interest_scratch *scratch;
    uint32_t users_max;
    uint32_t behaviors_max;
    uint32_t users;
    uint32_t count;                   /* behaviors collected */
    struct behavior *behaviors;       /* [behaviors_max] */
    uint32_t *offsets;                /* [users_max + 1] */
    void **states;                    /* [users_max] */
    struct fold_progress **progress;  /* [users_max] the caller's */
    struct fold_progress *progressed; /* [users_max] after the run */
};

enum status fold_open(struct fold **foldp, const struct interest_model *model, uint32_t users_max,
                      uint32_t behaviors_max, struct error *error)
{
    *foldp = NULL;
    struct fold *fold = calloc(1, sizeof *fold);
    if (!fold) return error_set(error, STATUS_IO, "out of memory: a fold");
    fold->model = model;
    fold->items = interest_model_items(model);
    fold->users_max = users_max;
    fold->behaviors_max = behaviors_max;
    fold->behaviors = calloc(behaviors_max, sizeof *fold->behaviors);
    fold->offsets = calloc((size_t)users_max + 1, sizeof *fold->offsets);
    fold->states = calloc(users_max, sizeof(void *));
    fold->progress = calloc(users_max, sizeof(struct fold_progress *));
    fold->progressed = calloc(users_max, sizeof *fold->progressed);

    enum status status = STATUS_OK;
    if (!fold->behaviors || !fold->offsets || !fold->states || !fold->progress ||
        !fold->progressed) {
        status = error_set(error, STATUS_IO, "out of memory: a fold of %u behaviors of %u users",
                           behaviors_max, users_max);
    }
    if (status == STATUS_OK) status = interest_scratch_open(&fold->scratch, model, error);
    if (status != STATUS_OK) {
        fold_close(fold);
        return status;
    }
    *foldp = fold;
    return STATUS_OK;
}

void fold_close(struct fold *fold)
{
    if (!fold) return;
    interest_scratch_close(fold->scratch);
    free(fold->behaviors);
    free(fold->offsets);
    free(fold->states);
    free(fold->progress);
    free(fold->progressed);
    free(fold);
}

void fold_begin(struct fold *fold)
{
    fold->users = 0;
    fold->count = 0;
}

bool fold_user(struct fold *fold, void *state, struct fold_progress *progress)
{
    if (fold->users == fold->users_max) return false;
    uint32_t user = fold->users++;
    fold->states[user] = state;
    fold->progress[user] = progress;
    fold->progressed[user] = *progress;
    fold->offsets[user] = fold->count;
    return true;
}

/*
 * Whole seconds since the latest time so far, -1 if there is none; a late event does not count
 * back.
 */
static int64_t gap_seconds(const struct fold_progress *progress, int64_t time_ms)
{
    if (progress->absorbed == 0) return -1;
    int64_t gap_ms = time_ms - progress->last_ms;
    return gap_ms > 0 ? gap_ms / 1000 : 0;
}

bool fold_behavior(struct fold *fold, uint64_t ordinal, struct history_behavior behavior)
{
    REQUIRE(fold->users > 0);
    if (fold->count == fold->behaviors_max) return false;
    struct item_resolved row;
    if (!item_table_resolve(fold->items, behavior.item, &row)) return true;

    struct fold_progress *progress = &fold->progressed[fold->users - 1];
    int64_t time_ms = history_time_ms(behavior);
    fold->behaviors[fold->count++] = (struct behavior){
        .item = row.item,
        .category = row.category,
        .gap_s = gap_seconds(progress, time_ms),
        .ordinal = ordinal,
    };
    if (progress->absorbed == 0 || time_ms > progress->last_ms) progress->last_ms = time_ms;
    progress->absorbed++;
    return true;
}

void fold_explain(struct fold *fold, struct interest_explainer *explainer)
{
    REQUIRE(fold->users == 1);
    REQUIRE(interest_explainer_absorb(explainer, fold->behaviors, fold->count));
    *fold->progress[0] = fold->progressed[0];
    fold_begin(fold);
}

void fold_run(struct fold *fold)
{
    fold->offsets[fold->users] = fold->count;
    interest_absorb(fold->model, fold->scratch, fold->states,
                    &(struct behavior_batch){fold->behaviors, fold->offsets, fold->users});
    for (uint32_t user = 0; user < fold->users; user++) {
        *fold->progress[user] = fold->progressed[user];
    }
    fold_begin(fold);
}

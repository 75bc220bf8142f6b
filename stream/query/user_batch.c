/* user_batch.c - see user_batch.h: states side by side, and one fold for all of them. */
#include "stream/query/user_batch.h"

#include "stream/interests/profile.h"

enum { BATCH_BEHAVIORS = 16384 };

static void *state_of(const struct user_batch *batch, uint32_t u)
{
    return batch->states + u * batch->stride;
}

enum status user_batch_open(struct user_batch *batch, const struct interest_model *model,
                            struct error *error)
{
    *batch = (struct user_batch){.model = model};
    TRY(interest_scratch_open(&batch->scratch, model, error));
    TRY(fold_open(&batch->fold, model, USER_BATCH_MAX, BATCH_BEHAVIORS, error));
    const size_t align = ARENA_ALIGNMENT;
    const size_t width = interest_model_width(model), most = interest_model_count(model);
    const size_t intent = interest_model_has_intent(model) ? width : 0;
    batch->stride = (interest_model_state_size(model) + align - 1) / align * align;
    const size_t vectors = USER_BATCH_MAX * most * width * sizeof(float);
    const size_t weights = USER_BATCH_MAX * most * sizeof(float);
    const size_t intents = USER_BATCH_MAX * intent * sizeof(float);
    const size_t counts = USER_BATCH_MAX * sizeof(uint32_t);
    TRY(arena_open(
        &batch->arena,
        USER_BATCH_MAX * batch->stride + vectors + weights + intents + counts + 5 * align, error));
    batch->states = arena_take(&batch->arena, USER_BATCH_MAX * batch->stride);
    batch->sets.vectors = arena_take(&batch->arena, vectors);
    batch->sets.weights = arena_take(&batch->arena, weights);
    batch->sets.count = arena_take(&batch->arena, counts);
    if (intent > 0) batch->sets.intent = arena_take(&batch->arena, intents);
    return STATUS_OK;
}

void user_batch_close(struct user_batch *batch)
{
    arena_close(&batch->arena);
    fold_close(batch->fold);
    interest_scratch_close(batch->scratch);
}

/* A batch of the model that is full is run. */
void user_batch_add(struct user_batch *batch, const struct history_user *user, uint64_t from,
                    uint64_t end)
{
    REQUIRE(batch->count < USER_BATCH_MAX);
    void *state = state_of(batch, batch->count);
    struct batch_user *mine = &batch->users[batch->count++];
    *mine = (struct batch_user){.progress.last_ms = HISTORY_NO_TIME};
    interest_state_init(batch->model, state);
    REQUIRE(fold_user(batch->fold, state, &mine->progress));
    for (const struct user_chunk *chunk = user->oldest; chunk; chunk = chunk->next) {
        const struct history *history = &chunk->history;
        for (uint32_t i = 0; i < history->count; i++) {
            const uint64_t ordinal = history->first + i;
            if (ordinal < from || ordinal >= end) continue;
            if (!fold_behavior(batch->fold, ordinal, history->at[i])) {
                fold_run(batch->fold);
                REQUIRE(fold_user(batch->fold, state, &mine->progress));
                REQUIRE(fold_behavior(batch->fold, ordinal, history->at[i]));
            }
            mine->last = history->at[i];
            mine->profile = profile_of(history, ordinal + 1);
        }
    }
}

uint32_t user_batch_run(struct user_batch *batch)
{
    const void *states[USER_BATCH_MAX];
    uint64_t absorbed[USER_BATCH_MAX];
    struct user_profile profiles[USER_BATCH_MAX];
    const uint32_t count = batch->count;
    fold_run(batch->fold);
    for (uint32_t u = 0; u < count; u++) {
        states[u] = state_of(batch, u);
        absorbed[u] = batch->users[u].progress.absorbed;
        profiles[u] = batch->users[u].profile;
    }
    interest_read(batch->model, batch->scratch, states, absorbed, profiles, count, &batch->sets);
    batch->count = 0;
    return count;
}

/* verify_replay.c - the fold of one user, taken as slowly as it can be. */
#include "stream/verify/verify_replay.h"

#include <stdlib.h>

#include "base/arena.h"
#include "model/checkpoint.h"
#include "model/interest_model.h"
#include "stream/interests/fold.h"
#include "stream/interests/interest_record.h"

struct replay {
    struct checkpoint *checkpoint;
    struct interest_model *model;
    struct interest_scratch *scratch;
    struct fold *fold;
    struct arena arena; /* the four below */
    void *state;
    float *vectors; /* [K][d] */
    float *weights; /* [K] */
    float *intent;  /* [d]; NULL: the model has none */

    const struct verify_user *user;
    const struct verify_event *first; /* the event of ordinal `from` */
    const struct verify_event *next;  /* the event of ordinal `events` */
    uint64_t from;
    uint64_t events; /* folded are the ordinals [from, events) */
    struct fold_progress progress;
};

static enum status open_replay(struct replay *replay, const char *path, struct error *error)
{
    TRY(checkpoint_open(&replay->checkpoint, path, error));
    TRY(interest_model_open(&replay->model, replay->checkpoint, error));
    TRY(interest_scratch_open(&replay->scratch, replay->model, error));
    TRY(fold_open(&replay->fold, replay->model, 1, 1, error));
    size_t state = interest_model_state_size(replay->model);
    size_t count = interest_model_count(replay->model);
    size_t width = interest_model_width(replay->model);
    size_t intent = interest_model_has_intent(replay->model) ? width : 0;
    size_t floats = (width + 1) * count + intent;
    size_t size = state + floats * sizeof(float) + 4 * (size_t)ARENA_ALIGNMENT;
    TRY(arena_open(&replay->arena, size, error));
    replay->state = arena_take(&replay->arena, state);
    replay->vectors = arena_take(&replay->arena, width * count * sizeof(float));
    replay->weights = arena_take(&replay->arena, count * sizeof(float));
    if (intent > 0) replay->intent = arena_take(&replay->arena, intent * sizeof(float));
    return STATUS_OK;
}

enum status replay_open(struct replay **replayp, const char *checkpoint_path, struct error *error)
{
    *replayp = NULL;
    struct replay *replay = calloc(1, sizeof *replay);
    if (!replay) return error_set(error, STATUS_IO, "out of memory: a replay");
    enum status status = open_replay(replay, checkpoint_path, error);
    if (status != STATUS_OK) {
        replay_close(replay);
        return status;
    }
    *replayp = replay;
    return STATUS_OK;
}

void replay_close(struct replay *replay)
{
    if (!replay) return;
    arena_close(&replay->arena);
    fold_close(replay->fold);
    interest_scratch_close(replay->scratch);
    interest_model_close(replay->model);
    checkpoint_close(replay->checkpoint);
    free(replay);
}

uint64_t replay_generation(const struct replay *replay)
{
    return replay->checkpoint->generation;
}

uint64_t replay_fingerprint(const struct replay *replay)
{
    return replay->checkpoint->fingerprint;
}

bool replay_takes_profile(const struct replay *replay)
{
    return interest_model_takes_profile(replay->model);
}

uint64_t replay_unknown_items(const struct replay *replay, const struct verify_user *user)
{
    const struct item_table *items = interest_model_items(replay->model);
    uint64_t unknown = 0;
    for (const struct verify_event *event = user->first_event; event; event = event->next) {
        unknown += item_table_find(items, event->behavior.item) == 0;
    }
    return unknown;
}

/*
 * Stands before the event of ordinal `from`, which lies at or behind `first`, with nothing folded.
 */
static void start_replay(struct replay *replay, const struct verify_event *first, uint64_t ordinal,
                         uint64_t from)
{
    while (ordinal < from) {
        first = first->next;
        ordinal++;
    }
    replay->first = replay->next = first;
    replay->from = replay->events = from;
    replay->progress = (struct fold_progress){.last_ms = HISTORY_NO_TIME};
    interest_state_init(replay->model, replay->state);
}

void replay_begin(struct replay *replay, const struct verify_user *user)
{
    replay->user = user;
    start_replay(replay, user->first_event, user->forgotten, user->forgotten);
}

static void absorb_next(struct replay *replay)
{
    fold_begin(replay->fold);
    REQUIRE(fold_user(replay->fold, replay->state, &replay->progress));
    REQUIRE(fold_behavior(replay->fold, replay->events, replay->next->behavior));
    fold_run(replay->fold);
    replay->next = replay->next->next;
    replay->events++;
}

uint64_t replay_checksum(struct replay *replay, const struct verify_published *published,
                         const struct user_profile *profile)
{
    if (published->from > replay->from) {
        start_replay(replay, replay->first, replay->from, published->from);
    } else if (published->from < replay->from || published->events < replay->events) {
        start_replay(replay, replay->user->first_event, replay->user->forgotten, published->from);
    }
    while (replay->events < published->events) {
        absorb_next(replay);
    }
    uint32_t count;
    struct interest_sets sets = {replay->vectors, replay->weights, &count, replay->intent};
    const void *state = replay->state;
    interest_read(replay->model, replay->scratch, &state, &replay->progress.absorbed, profile, 1,
                  &sets);
    struct interest_record record = {
        .user = replay->user->id,
        .generation = published->generation,
        .from = published->from,
        .events = published->events,
        .event_ms = published->event_ms,
        .partition = published->partition,
        .offset = published->offset,
        .count = count,
        .width = interest_model_width(replay->model),
        .vectors = replay->vectors,
        .weights = replay->weights,
        .intent = replay->intent,
    };
    return interest_record_checksum(&record);
}

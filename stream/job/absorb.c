/* absorb.c - where each state stands, where its next behaviors lie, and full batches of them. */
#include "stream/job/absorb.h"

#include <stdlib.h>

#include "stream/interests/fold.h"

enum {
    CHUNK = HISTORY_CHUNK_BEHAVIORS,
    BATCH_BEHAVIORS = 32768, /* of one call of the model */
};

/* A user on the way to the end of its history. */
struct folding {
    struct change *change;
    struct fold_progress progress;
    uint64_t next; /* ordinal of the behavior to absorb next */
};

struct absorber {
    const struct interest_model *model;
    struct user_loader *loader;
    struct fold *fold;
    uint64_t generation;
    uint32_t users_max;
    struct folding *foldings; /* [users_max] */
    struct folding **deep;    /* [users_max] those that need the store */
    struct chunk_wanted *wanted;
};

size_t absorber_size(const struct config *config, const struct interest_model *model)
{
    (void)model;
    size_t of_user = sizeof(struct folding) + 5 * sizeof(void *) + sizeof(struct fold_progress);
    return config->job.poll_events_max * of_user + BATCH_BEHAVIORS * sizeof(struct behavior) +
           CHUNKS_WANTED_MAX * sizeof(struct chunk_wanted);
}

enum status absorber_open(struct absorber **absorberp, const struct config *config,
                          const struct interest_model *model, struct user_loader *loader,
                          struct error *error)
{
    *absorberp = NULL;
    struct absorber *absorber = calloc(1, sizeof *absorber);
    if (!absorber) return error_set(error, STATUS_IO, "out of memory: an absorber");
    absorber->model = model;
    absorber->loader = loader;
    absorber->generation = interest_model_generation(model);
    absorber->users_max = config->job.poll_events_max;
    absorber->foldings = calloc(absorber->users_max, sizeof *absorber->foldings);
    absorber->deep = calloc(absorber->users_max, sizeof(struct folding *));
    absorber->wanted = calloc(CHUNKS_WANTED_MAX, sizeof *absorber->wanted);
    enum status status = STATUS_OK;
    if (!absorber->foldings || !absorber->deep || !absorber->wanted) {
        status = error_set(error, STATUS_IO, "out of memory: an absorber");
    }
    if (status == STATUS_OK) {
        status = fold_open(&absorber->fold, model, absorber->users_max, BATCH_BEHAVIORS, error);
    }
    if (status != STATUS_OK) {
        absorber_close(absorber);
        return status;
    }
    *absorberp = absorber;
    return STATUS_OK;
}

void absorber_close(struct absorber *absorber)
{
    if (!absorber) return;
    fold_close(absorber->fold);
    free(absorber->foldings);
    free(absorber->deep);
    free(absorber->wanted);
    free(absorber);
}

/* ---- one user ---- */

/* Where the user's state stands; one that does not begin at `from` begins there now. */
static void folding_begin(struct absorber *absorber, struct folding *folding, struct change *change)
{
    struct cached_user *user = change->user;
    *folding = (struct folding){
        .change = change,
        .progress = {user->state_absorbed, user->last_ms},
        .next = user->state_events,
    };
    if (user->state_events > 0 && user->state_from == user->history.from) return;
    interest_state_init(absorber->model, user->state);
    folding->progress = (struct fold_progress){0, HISTORY_NO_TIME};
    folding->next = user->history.from;
}

/* Opens the user's run in the batch. A batch always has room for a user of this poll. */
static void open_ragged_run(struct absorber *absorber, struct folding *folding)
{
    REQUIRE(fold_user(absorber->fold, folding->change->user->state, &folding->progress));
}

/* Collects the behaviors of a chunk that the user lacks. Full batches are run on the way. */
static void add_chunk(struct absorber *absorber, struct folding *folding,
                      const struct history *chunk)
{
    uint64_t end = history_events(chunk);
    while (folding->next < end) {
        struct history_behavior behavior = chunk->at[folding->next - chunk->first];
        if (!fold_behavior(absorber->fold, folding->next, behavior)) {
            fold_run(absorber->fold);
            open_ragged_run(absorber, folding);
            continue;
        }
        folding->next++;
    }
}

/* Collects what lies in memory: chunks that this transaction closed, then the open one. */
static void add_memory(struct absorber *absorber, struct folding *folding)
{
    const struct closed_chunk *chunk = folding->change->newest;
    while (chunk && chunk->before && chunk->history.first > folding->next) {
        chunk = chunk->before;
    }
    for (; chunk; chunk = chunk->after) {
        add_chunk(absorber, folding, &chunk->history);
    }
    add_chunk(absorber, folding, &folding->change->user->history);
}

/* The state is the fold of everything now, once the batch has run. */
static void folding_finish(struct absorber *absorber, struct folding *folding)
{
    struct cached_user *user = folding->change->user;
    user->state_from = user->history.from;
    user->state_events = folding->next;
    user->state_absorbed = folding->progress.absorbed;
    user->last_ms = folding->progress.last_ms;
    user->history.generation = absorber->generation;
}

/* ---- users that need the store ---- */

/* Asks for chunks of users first .. until the table is full. Returns how many. */
static uint32_t want_chunks(struct absorber *absorber, uint32_t first, uint32_t count)
{
    uint32_t used = 0;
    for (uint32_t d = first; d < count; d++) {
        const struct change *change = absorber->deep[d]->change;
        uint64_t chunk = absorber->deep[d]->next / CHUNK;
        for (; chunk < change_first_in_memory(change) / CHUNK; chunk++) {
            if (used == CHUNKS_WANTED_MAX) return used;
            absorber->wanted[used++] = (struct chunk_wanted){.user = change->user, .chunk = chunk};
        }
    }
    return used;
}

/* Collects the fetched chunks of users first ... Returns the first user that is not complete. */
static uint32_t add_fetched(struct absorber *absorber, uint32_t first, uint32_t count,
                            uint32_t fetched)
{
    uint32_t w = 0;
    uint32_t d = first;
    for (; d < count && (w < fetched || d == first); d++) {
        struct folding *folding = absorber->deep[d];
        open_ragged_run(absorber, folding);
        for (; w < fetched && absorber->wanted[w].user == folding->change->user; w++) {
            add_chunk(absorber, folding, &absorber->wanted[w].history);
        }
        if (folding->next < change_first_in_memory(folding->change)) break;
        add_memory(absorber, folding);
    }
    return d;
}

static enum status fold_deep(struct absorber *absorber, uint32_t count, struct error *error)
{
    for (uint32_t d = 0; d < count;) {
        uint32_t fetched = want_chunks(absorber, d, count);
        TRY(user_loader_chunks(absorber->loader, absorber->wanted, fetched, error));
        d = add_fetched(absorber, d, count, fetched);
        fold_run(absorber->fold);
    }
    return STATUS_OK;
}

enum status absorber_run(struct absorber *absorber, struct change *const *changes, uint32_t count,
                         struct error *error)
{
    REQUIRE(count <= absorber->users_max);
    if (absorber->generation == 0) { /* nothing is read of its states, and the next has others */
        for (uint32_t i = 0; i < count; i++) {
            changes[i]->user->history.generation = 0;
        }
        return STATUS_OK;
    }
    uint32_t deep = 0;
    fold_begin(absorber->fold);
    for (uint32_t i = 0; i < count; i++) {
        struct folding *folding = &absorber->foldings[i];
        folding_begin(absorber, folding, changes[i]);
        if (folding->next < change_first_in_memory(changes[i])) {
            absorber->deep[deep++] = folding;
        } else {
            open_ragged_run(absorber, folding);
            add_memory(absorber, folding);
        }
    }
    fold_run(absorber->fold);
    TRY(fold_deep(absorber, deep, error));
    for (uint32_t i = 0; i < count; i++) {
        folding_finish(absorber, &absorber->foldings[i]);
    }
    return STATUS_OK;
}

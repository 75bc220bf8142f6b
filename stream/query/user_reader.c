/* user_reader.c - see user_reader.h. */
#include "stream/query/user_reader.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/arena.h"
#include "state/snapshot.h"
#include "stream/interests/fold.h"
#include "stream/interests/profile.h"

enum {
    SNAPSHOT_WORTH = 32, /* behaviors: a snapshot takes as long to read as they to be folded */
    FOLD_MAX = 256,      /* behaviors that are folded together */
    TRIES_MAX = 5,       /* until record and chunks are of one commit */
};

struct user_reader {
    const struct interest_model *model;
    struct folded_states *kept; /* NULL: none */
    struct fold *fold;
    struct interest_scratch *scratch;
    void *state;
    uint64_t folded; /* ordinal up to which `state` is the fold */
    struct fold_progress progress;
    uint32_t partition; /* whose state it is */
    struct bytes user;
    real *vectors, *weights, *intent; /* of the view */

    /* the look under way: */
    struct history *found; /* where a record goes */
    bool is_found;
    struct snapshot_stamp stamp;
    struct error failure;
};

enum status user_reader_open(struct user_reader **readerp, const struct interest_model *model,
                             struct folded_states *kept, struct error *error)
{
    struct user_reader *reader = calloc(1, sizeof *reader);
    *readerp = reader;
    if (!reader) return error_set(error, STATUS_IO, "out of memory: a reader of users");
    const size_t width = interest_model_width(model), most = interest_model_count(model);
    reader->model = model;
    reader->kept = kept;
    reader->state = arena_block(interest_model_state_size(model));
    reader->vectors = calloc(most * width, sizeof(real));
    reader->weights = calloc(most, sizeof(real));
    reader->intent = calloc(width, sizeof(real));
    enum status status = fold_open(&reader->fold, model, 1, FOLD_MAX, error);
    if (status == STATUS_OK) status = interest_scratch_open(&reader->scratch, model, error);
    const bool has = reader->state && reader->vectors && reader->weights && reader->intent;
    if (status == STATUS_OK && !has) {
        status = error_set(error, STATUS_IO, "out of memory: a reader of users");
    }
    if (status == STATUS_OK) return STATUS_OK;
    user_reader_close(reader);
    *readerp = NULL;
    return status;
}

void user_reader_close(struct user_reader *reader)
{
    if (!reader) return;
    fold_close(reader->fold);
    interest_scratch_close(reader->scratch);
    free(reader->state);
    free(reader->vectors);
    free(reader->weights);
    free(reader->intent);
    free(reader);
}

/* ---- looking ---- */

static void found_stored_record(void *context, size_t index, struct bytes value)
{
    struct user_reader *reader = context;
    (void)index;
    reader->is_found = history_decode(reader->found, value, &reader->failure) == STATUS_OK;
}

static void found_stored_state(void *context, size_t index, struct bytes value)
{
    struct user_reader *reader = context;
    (void)index;
    reader->is_found = snapshot_decode(value, &reader->stamp, reader->state,
                                       interest_model_state_size(reader->model));
}

/* Looks a record up; `*to` is filled in if reader->is_found. */
static enum status look_for(struct user_reader *reader, const struct store_ops *stores,
                            struct store *store, enum store_space space,
                            const struct store_key *key, struct history *to, struct error *error)
{
    reader->is_found = false;
    reader->found = to;
    reader->failure.status = STATUS_OK;
    TRY(stores->look(store, space, key,
                     space == STORE_SNAPSHOTS ? found_stored_state : found_stored_record, reader,
                     error));
    if (reader->failure.status == STATUS_OK) return STATUS_OK;
    if (error) *error = reader->failure;
    return reader->failure.status;
}

/*
 * The state goes on from `stamp`, which is of this fold and not ahead of the record; without any all
 * is folded.
 */
static void begin_at(struct user_reader *reader, const struct snapshot_stamp *stamp)
{
    reader->folded = stamp->events;
    reader->progress = (struct fold_progress){stamp->absorbed, stamp->last_ms};
}

/* Whether the snapshot that was found, if it was, is one to begin with. */
static bool snapshot_fits(const struct user_reader *reader, const struct history *newest)
{
    const struct snapshot_stamp *stamp = &reader->stamp;
    return reader->is_found && stamp->from == newest->from &&
           stamp->events <= history_events(newest) &&
           stamp->fingerprint == interest_model_state_fingerprint(reader->model);
}

/* Takes the state that was kept if it lacks little, else whichever of it and a snapshot is newer. */
static enum status begin_state(struct user_reader *reader, const struct store_ops *stores,
                               struct store *store, const struct history *newest,
                               struct error *error)
{
    const uint64_t end = history_events(newest);
    const uint64_t least = end > SNAPSHOT_WORTH ? end - SNAPSHOT_WORTH : 0;
    struct snapshot_stamp stamp = {
        .from = newest->from, .events = newest->from, .last_ms = HISTORY_NO_TIME};
    if (folded_states_take(reader->kept, reader->partition, reader->user, least, end, &stamp,
                           reader->state)) {
        begin_at(reader, &stamp);
        return STATUS_OK;
    }
    const struct store_key key = {.user = reader->user};
    TRY(look_for(reader, stores, store, STORE_SNAPSHOTS, &key, NULL, error));
    const bool fits = snapshot_fits(reader, newest);
    if (fits) stamp = reader->stamp;
    if (!folded_states_take(reader->kept, reader->partition, reader->user, stamp.events, end,
                            &stamp, reader->state) &&
        !fits) {
        interest_state_init(reader->model, reader->state);
    }
    begin_at(reader, &stamp);
    return STATUS_OK;
}

/* Full chunks from that of `ordinal` on; *allp: none was missing. */
static enum status read_chunks(struct user_reader *reader, const struct store_ops *stores,
                               struct store *store, uint64_t ordinal, struct user_history *history,
                               bool *allp, struct error *error)
{
    const uint64_t end = history->newest.first / HISTORY_CHUNK_BEHAVIORS;
    *allp = true;
    for (uint64_t chunk = ordinal / HISTORY_CHUNK_BEHAVIORS; chunk < end && *allp; chunk++) {
        const struct store_key key = {reader->user, chunk};
        struct history full;
        TRY(look_for(reader, stores, store, STORE_CHUNKS, &key, &full, error));
        *allp = reader->is_found && full.first == chunk * HISTORY_CHUNK_BEHAVIORS;
        if (*allp) TRY(user_history_keep(history, &full, error));
    }
    return STATUS_OK;
}

/* Once: *allp says whether record and chunks fit together. */
static enum status read_parts(struct user_reader *reader, const struct store_ops *stores,
                              struct store *store, bool whole, struct user_history *history,
                              bool *allp, struct error *error)
{
    struct history newest;
    const struct store_key key = {.user = reader->user};
    TRY(look_for(reader, stores, store, STORE_USERS, &key, &newest, error));
    if (!reader->is_found) return error_set(error, STATUS_NOT_FOUND, "no such user");
    TRY(user_history_keep(history, &newest, error));
    *allp = history_is_gone(&newest);
    if (*allp) return STATUS_OK; /* it has left: nothing will be folded */
    TRY(begin_state(reader, stores, store, &newest, error));
    return read_chunks(reader, stores, store, whole ? newest.from : reader->folded, history, allp,
                       error);
}

enum status user_reader_history(struct user_reader *reader, const struct store_ops *stores,
                                struct store *store, uint32_t partition, struct bytes user,
                                bool whole, struct user_history *history, struct error *error)
{
    reader->partition = partition;
    reader->user = user;
    bool all = false;
    enum status status = STATUS_OK;
    for (int tries = 0; status == STATUS_OK && !all && tries < TRIES_MAX; tries++) {
        user_history_clear(history);
        status = read_parts(reader, stores, store, whole, history, &all, error);
    }
    if (status == STATUS_OK && !all) {
        status = error_set(error, STATUS_CORRUPT, "a chunk of the user's history is missing");
    }
    if (status != STATUS_OK) user_history_close(history);
    return status;
}

/* ---- folding ---- */

static enum status fold_rest(struct user_reader *reader, const struct user_history *history,
                             struct error *error)
{
    const uint64_t end = history_events(&history->newest);
    while (reader->folded < end) {
        fold_begin(reader->fold);
        REQUIRE(fold_user(reader->fold, reader->state, &reader->progress));
        for (uint32_t i = 0; i < FOLD_MAX && reader->folded < end; i++, reader->folded++) {
            struct history_behavior behavior;
            if (!user_history_at(history, reader->folded, &behavior)) {
                return error_set(error, STATUS_CORRUPT, "behavior %" PRIu64 " is not in the store",
                                 reader->folded);
            }
            REQUIRE(fold_behavior(reader->fold, reader->folded, behavior));
        }
        fold_run(reader->fold);
    }
    return STATUS_OK;
}

static void keep_state(struct user_reader *reader, const struct history *newest)
{
    const struct snapshot_stamp stamp = {.from = newest->from,
                                         .events = reader->folded,
                                         .absorbed = reader->progress.absorbed,
                                         .last_ms = reader->progress.last_ms};
    folded_states_keep(reader->kept, reader->partition, reader->user, &stamp, reader->state);
}

enum status user_reader_view(struct user_reader *reader, const struct user_history *history,
                             struct user_view *view, struct error *error)
{
    TRY(fold_rest(reader, history, error));
    keep_state(reader, &history->newest);
    *view = (struct user_view){
        .history = history,
        .model = reader->model,
        .absorbed = reader->progress.absorbed,
        .vectors = reader->vectors,
        .weights = reader->weights,
        .intent = interest_model_has_intent(reader->model) ? reader->intent : NULL,
    };
    struct interest_sets sets = {view->vectors, view->weights, &view->count, view->intent};
    const void *state = reader->state;
    const struct user_profile profile =
        profile_of(&history->newest, history_events(&history->newest));
    interest_read(reader->model, reader->scratch, &state, &view->absorbed, &profile, 1, &sets);
    return STATUS_OK;
}

/* user_view.c - folds one history, behavior by behavior, and reads what is shown of it. */
#include "stream/query/user_view.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/iso8601.h"
#include "model/interest_explain.h"
#include "model/item_table.h"
#include "stream/interests/fold.h"
#include "stream/interests/profile.h"
#include "stream/source/decoding.h"

enum { SHARE_DIGITS = 5 };

/* What it takes to make a view. */
struct viewing {
    struct user_view *view;
    struct fold *fold;
    struct interest_scratch *scratch;
    struct interest_explainer *explainer; /* NULL: not asked for */
    uint32_t *row;                        /* [behaviors] among the shares; UINT32_MAX: none */
    void *state;
    struct fold_progress progress;
};

static uint64_t behaviors_of(const struct user_view *view)
{
    return history_events(&view->history->newest) - view->history->newest.from;
}

static enum status view_out_of_memory(struct error *error)
{
    return error_set(error, STATUS_IO, "not enough memory to show a user");
}

/* The next behavior as the fold's whole batch. */
static enum status collect(struct viewing *viewing, uint64_t ordinal, struct error *error)
{
    struct history_behavior behavior;
    if (!user_history_at(viewing->view->history, ordinal, &behavior)) {
        return error_set(error, STATUS_CORRUPT, "behavior %" PRIu64 " is not in the log", ordinal);
    }
    fold_begin(viewing->fold);
    REQUIRE(fold_user(viewing->fold, viewing->state, &viewing->progress));
    REQUIRE(fold_behavior(viewing->fold, ordinal, behavior));
    return STATUS_OK;
}

static enum status fold_behaviors(struct viewing *viewing, struct error *error)
{
    const struct history *newest = &viewing->view->history->newest;
    viewing->progress = (struct fold_progress){.last_ms = HISTORY_NO_TIME};
    interest_state_init(viewing->view->model, viewing->state);
    for (uint64_t ordinal = newest->from; ordinal < history_events(newest); ordinal++) {
        TRY(collect(viewing, ordinal, error));
        fold_run(viewing->fold);
    }
    viewing->view->absorbed = viewing->progress.absorbed;
    return STATUS_OK;
}

/* The same behaviors through the explainer. */
static enum status explain_behaviors(struct viewing *viewing, struct error *error)
{
    const struct history *newest = &viewing->view->history->newest;
    viewing->progress = (struct fold_progress){.last_ms = HISTORY_NO_TIME};
    for (uint64_t ordinal = newest->from; ordinal < history_events(newest); ordinal++) {
        const uint32_t before = interest_explainer_count(viewing->explainer);
        TRY(collect(viewing, ordinal, error));
        fold_explain(viewing->fold, viewing->explainer);
        const bool taken = interest_explainer_count(viewing->explainer) > before;
        viewing->row[ordinal - newest->from] = taken ? before : UINT32_MAX;
    }
    return STATUS_OK;
}

/* Puts the shares of what was absorbed at the places of all behaviors, from the last one on. */
static void spread_shares(const struct viewing *viewing)
{
    const size_t interests = interest_model_count(viewing->view->model);
    for (uint64_t i = behaviors_of(viewing->view); i-- > 0;) {
        float *all = viewing->view->shares;
        const uint32_t row = viewing->row[i];
        for (uint32_t k = 0; k < interests; k++) {
            all[i * interests + k] = row == UINT32_MAX ? 0 : all[row * interests + k];
        }
    }
}

static enum status tell_shares(struct viewing *viewing, struct error *error)
{
    struct user_view *view = viewing->view;
    const uint64_t count = behaviors_of(view);
    if (count > EXPLAINED_MAX) {
        return error_set(error, STATUS_INVALID,
                         "the user has %" PRIu64 " behaviors: at most %d are explained", count,
                         EXPLAINED_MAX);
    }
    TRY(interest_explainer_open(&viewing->explainer, view->model, (uint32_t)count + 1, error));
    viewing->row = calloc(count + 1, sizeof *viewing->row);
    view->shares = calloc(count + 1, interest_model_count(view->model) * sizeof *view->shares);
    if (!viewing->row || !view->shares) return view_out_of_memory(error);
    TRY(explain_behaviors(viewing, error));
    interest_explainer_read(viewing->explainer, view->shares);
    spread_shares(viewing);
    return STATUS_OK;
}

static enum status read_interests(struct viewing *viewing, struct error *error)
{
    struct user_view *view = viewing->view;
    const size_t width = interest_model_width(view->model);
    const size_t most = interest_model_count(view->model);
    view->vectors = calloc(most, width * sizeof *view->vectors);
    view->weights = calloc(most, sizeof *view->weights);
    const bool has_intent = interest_model_has_intent(view->model);
    if (has_intent) view->intent = calloc(width, sizeof *view->intent);
    if (!view->vectors || !view->weights || (has_intent && !view->intent))
        return view_out_of_memory(error);
    struct interest_sets sets = {view->vectors, view->weights, &view->count, view->intent};
    const void *state = viewing->state;
    const struct user_profile profile =
        profile_of(&view->history->newest, history_events(&view->history->newest));
    interest_read(view->model, viewing->scratch, &state, &view->absorbed, &profile, 1, &sets);
    return STATUS_OK;
}

static enum status make_view(struct viewing *viewing, bool explain, struct error *error)
{
    const struct interest_model *model = viewing->view->model;
    TRY(fold_open(&viewing->fold, model, 1, 1, error));
    TRY(interest_scratch_open(&viewing->scratch, model, error));
    viewing->state = arena_block(interest_model_state_size(model));
    if (!viewing->state) return view_out_of_memory(error);
    TRY(fold_behaviors(viewing, error));
    TRY(read_interests(viewing, error));
    return explain ? tell_shares(viewing, error) : STATUS_OK;
}

enum status user_view_open(struct user_view *view, const struct interest_model *model,
                           const struct user_history *history, bool explain, struct error *error)
{
    *view = (struct user_view){.history = history, .model = model};
    struct viewing viewing = {.view = view};
    const enum status status = make_view(&viewing, explain, error);
    fold_close(viewing.fold);
    interest_scratch_close(viewing.scratch);
    interest_explainer_close(viewing.explainer);
    free(viewing.row);
    free(viewing.state);
    if (status != STATUS_OK) user_view_close(view);
    return status;
}

void user_view_close(struct user_view *view)
{
    free(view->vectors);
    free(view->weights);
    free(view->intent);
    free(view->shares);
    *view = (struct user_view){0};
}

const float *user_view_shares(const struct user_view *view, uint64_t ordinal)
{
    if (!view->shares) return NULL;
    const size_t behavior = ordinal - view->history->newest.from;
    return view->shares + behavior * interest_model_count(view->model);
}

uint64_t user_view_first(const struct user_view *view, uint32_t last)
{
    const uint64_t count = behaviors_of(view);
    return view->history->newest.from + (count > last ? count - last : 0);
}

struct bytes user_names_item(const struct user_names *names, const struct user_view *view,
                             uint64_t item, char *room)
{
    const struct item_table *known = interest_model_items(view->model);
    const struct bytes id = item_table_id(known, item_table_find(known, item));
    if (id.size > 0) return id;
    return names->items ? item_log_id(names->items, item)
                        : recent_items_id(names->recent, item, room);
}

const char *user_names_action(const struct user_names *names, const struct user_view *view,
                              struct history_behavior behavior, char *room)
{
    const uint8_t action = history_action(behavior);
    room[0] = 0;
    if (action == 0) return room;
    if (action <= names->config->actions_count &&
        decoding_same_actions(names->config, view->history->seal.decoding)) {
        return names->config->actions[action - 1].name;
    }
    snprintf(room, USER_ACTION_SIZE, "action %u", action);
    return room;
}

/* ---- as JSON ---- */

static void json_share_list(struct json_writer *json, const float *shares, uint32_t count)
{
    json_key(json, "shares");
    json_begin(json, '[');
    for (uint32_t k = 0; k < count; k++) {
        json_real(json, (double)shares[k], SHARE_DIGITS);
    }
    json_end(json, ']');
}

static void json_behavior(struct json_writer *json, const struct user_view *view,
                          const struct user_names *names, uint64_t ordinal,
                          struct history_behavior behavior)
{
    char room[USER_ACTION_SIZE], time[ISO8601_SIZE], item_room[RECENT_ITEM_SIZE_MAX];
    const char *action = user_names_action(names, view, behavior, room);
    const struct bytes id = user_names_item(names, view, behavior.item, item_room);
    const struct bytes title = catalogue_title(names->catalogue, behavior.item);
    json_begin(json, '{');
    json_key(json, "n");
    json_unsigned(json, ordinal + 1);
    json_key(json, "time");
    json_text(json, bytes_of(iso8601_print(history_time_ms(behavior), time)));
    if (*action) json_key(json, "action"), json_text(json, bytes_of(action));
    json_key(json, "item");
    id.size > 0 ? json_text(json, id) : json_null(json);
    json_key(json, "hash");
    json_hex(json, behavior.item);
    if (title.size > 0) json_key(json, "title"), json_text(json, title);
    const float *shares = user_view_shares(view, ordinal);
    if (shares) json_share_list(json, shares, view->count);
    json_end(json, '}');
}

static void json_counts(struct json_writer *json, struct bytes user, const struct user_view *view)
{
    const struct history *newest = &view->history->newest;
    json_key(json, "user");
    json_text(json, user);
    json_key(json, "partition");
    json_unsigned(json, view->history->partition);
    json_key(json, "events");
    json_unsigned(json, history_events(newest));
    json_key(json, "from");
    json_unsigned(json, newest->from);
    json_key(json, "model");
    json_text(json, bytes_of(interest_model_name(view->model)));
    json_key(json, "generation");
    json_unsigned(json, interest_model_generation(view->model));
    json_key(json, "absorbed");
    json_unsigned(json, view->absorbed);
    json_key(json, "weights");
    json_begin(json, '[');
    for (uint32_t k = 0; k < view->count; k++) {
        json_real(json, (double)view->weights[k], SHARE_DIGITS);
    }
    json_end(json, ']');
}

void user_view_json(struct json_writer *json, struct bytes user, const struct user_view *view,
                    const struct user_names *names, uint32_t last)
{
    json_begin(json, '{');
    json_counts(json, user, view);
    json_key(json, "history");
    json_begin(json, '[');
    for (uint64_t ordinal = user_view_first(view, last);
         ordinal < history_events(&view->history->newest); ordinal++) {
        struct history_behavior behavior;
        if (!user_history_at(view->history, ordinal, &behavior)) continue;
        json_behavior(json, view, names, ordinal, behavior);
    }
    json_end(json, ']');
    json_end(json, '}');
}

/* inspect_user.c - one user: its counts, its behaviors, the state they fold to, its interests. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "base/escape.h"
#include "base/iso8601.h"
#include "model/checkpoint.h"
#include "model/interest_model.h"
#include "stream/query/catalogue.h"
#include "stream/query/inspect.h"
#include "stream/query/item_log.h"
#include "stream/query/user_view.h"

enum {
    SHOWN_VALUES = 6,   /* of each interest vector */
    SHOWN_BEHAVIORS = 3 /* that an interest is made of */
};

struct inspection {
    const struct inspect_user_options *options;
    struct user_history history;
    struct checkpoint *checkpoint;
    struct interest_model *model;
    struct item_log *items;
    struct catalogue *catalogue; /* NULL: no titles */
    struct user_names names;
    struct user_view view;
    FILE *out;
};

static void print_counts(const struct inspection *inspection)
{
    char time[ISO8601_SIZE];
    const struct history *newest = &inspection->history.newest;
    uint64_t events = history_events(newest);
    fputs("user ", inspection->out);
    print_escaped(inspection->out, bytes_of(inspection->options->user));
    fputc('\n', inspection->out);
    fprintf(inspection->out, "  partition   %u\n", inspection->history.partition);
    fprintf(inspection->out, "  events      %" PRIu64 ", folded from %" PRIu64 "\n", events,
            newest->from);
    fprintf(inspection->out, "  generation  %" PRIu64 "\n", newest->generation);
    if (inspection->options->as_of_ms != MOMENT_NOW) {
        fprintf(inspection->out, "  as of       %s\n",
                iso8601_print(inspection->options->as_of_ms, time));
    }
    if (newest->event_ms == HISTORY_NO_TIME) return;
    fprintf(inspection->out, "  latest      %s",
            iso8601_print(history_time_ms(newest->at[newest->count - 1]), time));
    if (newest->source_offset >= 0) {
        fprintf(inspection->out, ", source offset %" PRId64, newest->source_offset);
    }
    fputc('\n', inspection->out);
}

/* The item's id, or its hash, and its title. */
static void print_item_name(const struct inspection *inspection, uint64_t item)
{
    char room[RECENT_ITEM_SIZE_MAX];
    const struct bytes id = user_names_item(&inspection->names, &inspection->view, item, room);
    const struct bytes title = catalogue_title(inspection->catalogue, item);
    if (id.size > 0) {
        fputs("  ", inspection->out);
        print_escaped(inspection->out, id);
    } else {
        fprintf(inspection->out, "  item %016" PRIx64, item);
    }
    if (title.size > 0) fputs("  ", inspection->out);
    print_escaped(inspection->out, title);
    fputc('\n', inspection->out);
}

static void print_behavior(const struct inspection *inspection, uint64_t ordinal,
                           struct history_behavior behavior)
{
    char time[ISO8601_SIZE], room[USER_ACTION_SIZE];
    fprintf(inspection->out, "  %6" PRIu64 "  %s  %-8s", ordinal + 1,
            iso8601_print(history_time_ms(behavior), time),
            user_names_action(&inspection->names, &inspection->view, behavior, room));
    const float *shares = user_view_shares(&inspection->view, ordinal);
    for (uint32_t k = 0; shares && k < inspection->view.count; k++) {
        fprintf(inspection->out, " %6.3f", (double)shares[k]);
    }
    print_item_name(inspection, behavior.item);
}

static void print_behaviors(const struct inspection *inspection)
{
    const struct user_view *view = &inspection->view;
    const uint64_t events = history_events(&inspection->history.newest);
    const uint64_t first = user_view_first(view, inspection->options->last);
    fprintf(inspection->out, "history, the latest %" PRIu64 "%s\n", events - first,
            view->shares ? ", and its share in each interest" : "");
    for (uint64_t ordinal = first; ordinal < events; ordinal++) {
        struct history_behavior behavior;
        if (user_history_at(&inspection->history, ordinal, &behavior)) {
            print_behavior(inspection, ordinal, behavior);
        }
    }
}

/* Its length and its first values, behind what it is called. */
static void print_vector(FILE *out, const float *vector, uint32_t width)
{
    double square = 0;
    for (uint32_t i = 0; i < width; i++) {
        square += (double)vector[i] * (double)vector[i];
    }
    fprintf(out, "  length %.3f  [", sqrt(square));
    for (uint32_t i = 0; i < width && i < SHOWN_VALUES; i++) {
        fprintf(out, "%s%.4f", i ? " " : "", (double)vector[i]);
    }
    fprintf(out, "%s]\n", width > SHOWN_VALUES ? " ..." : "");
}

/* The behaviors with the greatest shares in interest k, of the whole history. */
static void print_greatest(const struct inspection *inspection, uint32_t k)
{
    const struct user_view *view = &inspection->view;
    const struct history *newest = &inspection->history.newest;
    uint64_t best[SHOWN_BEHAVIORS];
    uint32_t count = 0;
    for (uint64_t ordinal = newest->from; ordinal < history_events(newest); ordinal++) {
        const float share = user_view_shares(view, ordinal)[k];
        uint32_t at = count < SHOWN_BEHAVIORS ? count++ : SHOWN_BEHAVIORS;
        for (; at > 0 && share > user_view_shares(view, best[at - 1])[k]; at--) {
            if (at < SHOWN_BEHAVIORS) best[at] = best[at - 1];
        }
        if (at < SHOWN_BEHAVIORS) best[at] = ordinal;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct history_behavior behavior;
        const float share = user_view_shares(view, best[i])[k];
        if (share <= 0 || !user_history_at(&inspection->history, best[i], &behavior)) continue;
        fprintf(inspection->out, "       %6.3f  of %6" PRIu64, (double)share, best[i] + 1);
        print_item_name(inspection, behavior.item);
    }
}

/* interests = read(generation, state) */
static void print_interests(const struct inspection *inspection)
{
    const struct user_view *view = &inspection->view;
    const struct interest_model *model = inspection->model;
    const uint32_t width = interest_model_width(model);
    fprintf(inspection->out,
            "state, folded anew\n  %s generation %" PRIu64 ": %" PRIu64
            " behaviors absorbed into %zu bytes\n",
            interest_model_name(model), inspection->checkpoint->generation, view->absorbed,
            interest_model_state_size(model));
    fprintf(inspection->out, "interests %s, %u of width %u\n",
            inspection->options->as_of_ms == MOMENT_NOW ? "now" : "then", view->count, width);
    for (uint32_t k = 0; k < view->count; k++) {
        fprintf(inspection->out, "  %u  weight %.3f", k + 1, (double)view->weights[k]);
        print_vector(inspection->out, view->vectors + (size_t)k * width, width);
        if (view->shares) print_greatest(inspection, k);
    }
    if (view->intent && view->count > 0) {
        fprintf(inspection->out, "  intent       ");
        print_vector(inspection->out, view->intent, width);
    }
}

static enum status print_json(const struct inspection *inspection, struct error *error)
{
    struct json_writer json = json_writer_growing();
    user_view_json(&json, bytes_of(inspection->options->user), &inspection->view,
                   &inspection->names, inspection->options->last);
    if (!json.failed) fwrite(json.at, 1, json.used, inspection->out);
    if (!json.failed) fputc('\n', inspection->out);
    free(json.at);
    return json.failed ? error_set(error, STATUS_IO, "out of memory for a user as JSON")
                       : STATUS_OK;
}

static enum status open_view(struct inspection *inspection, const struct config *config,
                             struct error *error)
{
    const struct inspect_user_options *options = inspection->options;
    TRY(user_history_read(&inspection->history, config, options->user, error));
    TRY(user_history_as_of(&inspection->history, options->as_of_ms, config->state.history_max,
                           error));
    TRY(checkpoint_open(&inspection->checkpoint, config->model.checkpoint, error));
    TRY(interest_model_open(&inspection->model, inspection->checkpoint, error));
    TRY(item_log_open(&inspection->items, config, error));
    if (options->catalogue) {
        TRY(catalogue_open(&inspection->catalogue, options->catalogue, NULL, NULL, error));
    }
    inspection->names = (struct user_names){
        .config = config, .items = inspection->items, .catalogue = inspection->catalogue};
    return user_view_open(&inspection->view, inspection->model, &inspection->history,
                          options->explain, error);
}

static enum status print_user(struct inspection *inspection, struct error *error)
{
    if (inspection->options->json) return print_json(inspection, error);
    print_counts(inspection);
    print_behaviors(inspection);
    print_interests(inspection);
    return STATUS_OK;
}

enum status inspect_user(const struct config *config, const struct inspect_user_options *options,
                         FILE *out, struct error *error)
{
    struct inspection inspection = {.options = options, .out = out};
    enum status status = open_view(&inspection, config, error);
    if (status == STATUS_OK) status = print_user(&inspection, error);
    user_view_close(&inspection.view);
    catalogue_close(inspection.catalogue);
    item_log_close(inspection.items);
    interest_model_close(inspection.model);
    checkpoint_close(inspection.checkpoint);
    user_history_close(&inspection.history);
    return status;
}
